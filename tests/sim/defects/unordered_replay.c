/* A replay's line does not know that its sink is ordered. */
#include "deliver/line.h"

Status __real_line_open(const DispatcherOptions *options, const SinkOptions *sink, const StoredReplay *replay,
                        Line **ret_line, Error *reterr);
Status __wrap_line_open(const DispatcherOptions *options, const SinkOptions *sink, const StoredReplay *replay,
                        Line **ret_line, Error *reterr);

/* The options of a replay are its own copy, which lives as long as the line. */
Status __wrap_line_open(const DispatcherOptions *options, const SinkOptions *sink, const StoredReplay *replay,
                        Line **ret_line, Error *reterr)
{
    if (replay) {
        ((SinkOptions *)(uintptr_t)sink)->ordered = false;
    }
    return __real_line_open(options, sink, replay, ret_line, reterr);
}

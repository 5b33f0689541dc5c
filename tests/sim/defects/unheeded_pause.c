/* A line reads that somebody has paused it, and goes on. */
#include "deliver/line_parts.h"

void __real_line_look(Line *line, int64_t now_us);
void __wrap_line_look(Line *line, int64_t now_us);

void __wrap_line_look(Line *line, int64_t now_us)
{
    __real_line_look(line, now_us);
    if (line->state == SINK_STATE_PAUSED) {
        line->state = SINK_STATE_ACTIVE;
    }
}

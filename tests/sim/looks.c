#include "sim/looks.h"

#include "sim/world.h"
#include "support/random.h"

static World *looking; /* NULL while the lines do nothing */
static bool has_failed, line_failed;

void looks_init(Looks *looks, uint64_t seed)
{
    *looks = (Looks){.random = seed};
    looks->fail = random_below(&looks->random, 100) < 30 ? 50 : 0;
}

void looks_begin(World *world)
{
    looking = world->deliveries.is_peaceful ? NULL : world;
    has_failed = false;
}

bool looks_end(void)
{
    looking = NULL;
    return has_failed;
}

void looks_begin_line(void) { line_failed = false; }
bool looks_line_failed(void) { return line_failed; }

/* A line that learns nothing may leave undone what it would do. */
static bool fails(const char *what, Error *reterr)
{
    Looks *looks = looking ? &looking->deliveries.looks : NULL;
    if (!looks || looks->fail == 0 || random_below(&looks->random, 1000) >= looks->fail) {
        return false;
    }
    has_failed = line_failed = error_set(reterr, STATUS_BROKEN, "read %s: disk I/O error", what) != STATUS_OK;
    looking->deliveries.write_failed_us = looking->machine.clock.monotonic_us;
    story_headline(&looking->story, "a look at %s fails", what);
    return true;
}

Status __real_reader_sinks(StoreReader *reader, SinkVisitor *visit, void *context, Error *reterr);
Status __wrap_reader_sinks(StoreReader *reader, SinkVisitor *visit, void *context, Error *reterr);
Status __wrap_reader_sinks(StoreReader *reader, SinkVisitor *visit, void *context, Error *reterr)
{
    return fails("the sinks", reterr) ? STATUS_BROKEN : __real_reader_sinks(reader, visit, context, reterr);
}

Status __real_reader_retries(StoreReader *reader, Str sink, int64_t job, RetryVisitor *visit, void *context,
                             Error *reterr);
Status __wrap_reader_retries(StoreReader *reader, Str sink, int64_t job, RetryVisitor *visit, void *context,
                             Error *reterr);
Status __wrap_reader_retries(StoreReader *reader, Str sink, int64_t job, RetryVisitor *visit, void *context,
                             Error *reterr)
{
    return fails("retries", reterr) ? STATUS_BROKEN : __real_reader_retries(reader, sink, job, visit, context, reterr);
}

Status __real_reader_dead_letters(StoreReader *reader, const DeadLetterFilter *filter, DeadLetterVisitor *visit,
                                  void *context, Error *reterr);
Status __wrap_reader_dead_letters(StoreReader *reader, const DeadLetterFilter *filter, DeadLetterVisitor *visit,
                                  void *context, Error *reterr);
Status __wrap_reader_dead_letters(StoreReader *reader, const DeadLetterFilter *filter, DeadLetterVisitor *visit,
                                  void *context, Error *reterr)
{
    return fails("dead letters", reterr) ? STATUS_BROKEN
                                         : __real_reader_dead_letters(reader, filter, visit, context, reterr);
}

Status __real_reader_replays(StoreReader *reader, Str sink, ReplayVisitor *visit, void *context, Error *reterr);
Status __wrap_reader_replays(StoreReader *reader, Str sink, ReplayVisitor *visit, void *context, Error *reterr);
Status __wrap_reader_replays(StoreReader *reader, Str sink, ReplayVisitor *visit, void *context, Error *reterr)
{
    return fails("replays", reterr) ? STATUS_BROKEN : __real_reader_replays(reader, sink, visit, context, reterr);
}

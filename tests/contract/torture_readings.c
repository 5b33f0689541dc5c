#include "torture_readings.h"

#include <assert.h>

bool see_record(void *context, const StoredRecord *stored)
{
    Seen *seen = context;
    seen->count++;
    seen->sum += stored->record.value;
    return true;
}

static bool see_rollup(void *context, const Rollup *rollup)
{
    Seen *seen = context;
    seen->count += (size_t)rollup->count;
    seen->sum += (int64_t)rollup->sum;
    return true;
}

static bool see_message(void *context, const StoredMessage *message)
{
    Seen *seen = context;
    seen->count++;
    seen->sum += message->record_seq > 0;
    return true;
}

static bool see_rule(void *context, const AlertRule *rule)
{
    Seen *seen = context;
    seen->count++;
    seen->sum += rule->threshold;
    return true;
}

Status read_scan(StoreReader *reader, const StoreView *view, Seen *seen, Error *reterr)
{
    (void)view;
    return reader_scan(reader, 0, INT64_MAX, FIELD_ALL, see_record, seen, reterr);
}

Status read_times(StoreReader *reader, const StoreView *view, Seen *seen, Error *reterr)
{
    (void)view;
    return reader_walk_times(reader, TIME_POSITION_LAST, TIME_POSITION_FIRST, INT64_MAX, FIELD_VALUE, see_record, seen,
                             reterr);
}

Status read_one(StoreReader *reader, const StoreView *view, Seen *seen, Error *reterr)
{
    (void)view;
    return reader_get(reader, 1, see_record, seen, reterr);
}

/* What they show beyond the records that they cover: nothing. */
Status read_rollups(StoreReader *reader, const StoreView *view, Seen *seen, Error *reterr)
{
    Seen scanned = {0};
    Status status = reader_rollups(reader, ROLLUP_DAY, INT64_MIN, INT64_MAX, see_rollup, seen, reterr);
    if (status == STATUS_OK) {
        status = reader_scan(reader, 0, view_rollup_seq(view), FIELD_VALUE, see_record, &scanned, reterr);
    }
    assert(status != STATUS_OK || seen->count > 0);
    *seen = (Seen){seen->count - scanned.count, seen->sum - scanned.sum};
    return status;
}

Status read_messages(StoreReader *reader, const StoreView *view, Seen *seen, Error *reterr)
{
    (void)view;
    return reader_messages(reader, STR("alert"), 0, see_message, seen, reterr);
}

Status read_rules(StoreReader *reader, const StoreView *view, Seen *seen, Error *reterr)
{
    (void)view;
    return reader_rules(reader, see_rule, seen, reterr);
}

/* ---- Deliveries -------------------------------------------------------------------------------------------------- */

const char sink_name[] = "a sink with a name that is too long for the room inside a value";

static bool see_letter(void *context, const DeadLetter *letter)
{
    Seen *seen = context;
    seen->count++;
    seen->sum += letter->state == DEAD_LETTER_OPEN;
    return true;
}

Status read_letters(StoreReader *reader, const StoreView *view, Seen *seen, Error *reterr)
{
    (void)view;
    const DeadLetterFilter filter = {.stage = DEAD_LETTER_DELIVERY, .state = -1, .origin = str_from(sink_name)};
    return reader_dead_letters(reader, &filter, see_letter, seen, reterr);
}

static bool see_sink(void *context, const StoredSink *sink)
{
    Seen *seen = context;
    seen->count += str_is(sink->name, sink_name);
    seen->sum += sink->place.cursor;
    return true;
}

Status read_sinks(StoreReader *reader, const StoreView *view, Seen *seen, Error *reterr)
{
    (void)view;
    return reader_sinks(reader, see_sink, seen, reterr);
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

static bool see_event(void *context, const StoredEvent *event)
{
    Seen *seen = context;
    seen->count++;
    seen->sum += event->corrects > 0;
    return true;
}

Status read_events(StoreReader *reader, const StoreView *view, Seen *seen, Error *reterr)
{
    return reader_events(reader, 0, view_bound(view), see_event, seen, reterr);
}

static bool see_duplicate(void *context, const StoredDuplicate *duplicate)
{
    Seen *seen = context;
    seen->count++;
    seen->sum += (int64_t)duplicate->raw.len;
    return true;
}

Status read_duplicates(StoreReader *reader, const StoreView *view, Seen *seen, Error *reterr)
{
    Status status = STATUS_OK;
    for (int64_t seq = 1; seq <= view_bound(view) && status == STATUS_OK; seq++) {
        status = reader_event_duplicates(reader, seq, 0, see_duplicate, seen, reterr);
    }
    return status;
}

static bool see_attempt(void *context, const EventAttempt *attempt)
{
    Seen *seen = context;
    seen->count++;
    seen->sum += attempt->differs > 0;
    return false;
}

Status read_newest_attempt(StoreReader *reader, const StoreView *view, Seen *seen, Error *reterr)
{
    (void)view;
    const EventAttemptFilter all = {0};
    return reader_event_attempts(reader, &all, see_attempt, seen, reterr);
}

static bool see_client(void *context, const EventClient *client)
{
    Seen *seen = context;
    seen->count++;
    seen->sum += client->processed;
    return true;
}

Status read_event_clients(StoreReader *reader, const StoreView *view, Seen *seen, Error *reterr)
{
    (void)view;
    return reader_event_clients(reader, see_client, seen, reterr);
}

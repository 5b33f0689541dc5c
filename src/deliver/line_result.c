/* What became of the messages that were sent. */
#include "base/backoff.h"
#include "deliver/line_parts.h"

enum { SAMPLE = 128 };

/* The attempts that went well at once are many and alike: one in so many is kept. */
static bool is_worth_noting(const SinkResult *result, int64_t failed_before)
{
    return result->verdict != SINK_TAKEN || failed_before > 0 || result->seq % SAMPLE == 0;
}

/* How long the other side asks to wait, as far as the line heeds it. */
static int64_t asked_us(const Line *line, const SinkResult *result)
{
    bool too_long = line->job && result->retry_after_us > LINE_REPLAY_RETRY_AFTER_US;
    return too_long ? LINE_REPLAY_RETRY_AFTER_US : result->retry_after_us;
}

static int64_t schedule_delay(const Line *line, int64_t failed, const SinkResult *result)
{
    const SinkOptions *options = line->sink_options;
    return backoff_schedule_us(options->schedule_us, options->schedule_count, (size_t)failed, asked_us(line, result),
                               line->options->random);
}

static void give_up(Line *line, const SinkResult *result, int64_t attempts)
{
    if (!line->job) { /* the live line's dead letters are the ones that people work on */
        line_note_dead(line, result->seq, result->error, attempts);
    }
}

/* ---- Messages of the window -------------------------------------------------------------------------------------- */

static void settle(Entry *entry, bool taken)
{
    entry->state = ENTRY_SETTLED;
    entry->taken = taken;
}

/* Later messages of a flow that has a retry wait behind it, where they do not keep the line from going on. */
static void park_blocked(Line *line, uint64_t flow_hash)
{
    for (size_t i = 0; i < line->window.count && line->blocked > 0 && !retries_is_full(&line->retries); i++) {
        Entry *entry = window_at(&line->window, i);
        if (entry->state == ENTRY_BLOCKED && entry->flow_hash == flow_hash) {
            StoredRetry stored = {.seq = entry->seq, .flow_hash = flow_hash};
            stored.due_us = clock_wall_us(line->options->clock);
            retries_put(&line->retries, &stored)->dirty = true;
            line->blocked--;
            settle(entry, false);
        }
    }
}

static void hold(Line *line, Entry *entry)
{
    entry->state = ENTRY_HELD;
    line->held++;
}

/* The first attempt has failed. While others succeed the message steps aside as a retry; when there are too many of
 * these already, the line holds here. */
static void fail_first(Line *line, Entry *entry, const SinkResult *result, int64_t now_us)
{
    int64_t delay_us = schedule_delay(line, 1, result);
    if (delay_us < 0) {
        give_up(line, result, 1);
        entry->given_up = true;
        settle(entry, false);
    } else if (retries_is_full(&line->retries)) {
        line->hold_until_us = now_us + (delay_us > LINE_RETRY_US ? delay_us : LINE_RETRY_US);
        hold(line, entry);
    } else {
        StoredRetry stored = {.seq = entry->seq, .attempts = 1, .flow_hash = entry->flow_hash};
        stored.due_us = clock_wall_us(line->options->clock) + delay_us;
        retries_put(&line->retries, &stored)->dirty = true;
        settle(entry, false);
        if (line->sink_options->ordered) {
            park_blocked(line, stored.flow_hash);
        }
    }
}

static void take_first(Line *line, Entry *entry, const SinkResult *result, bool counts, int64_t now_us)
{
    switch (result->verdict) {
    case SINK_TAKEN: settle(entry, true); return;
    case SINK_REFUSED:
        give_up(line, result, 1);
        entry->given_up = true;
        settle(entry, false);
        return;
    case SINK_FAILED:
        if (counts) {
            fail_first(line, entry, result, now_us);
            return;
        }
        break;
    default: break;
    }
    hold(line, entry);
}

/* ---- Retries ----------------------------------------------------------------------------------------------------- */

static void fail_again(Line *line, Retry *retry, const SinkResult *result)
{
    int64_t delay_us = schedule_delay(line, ++retry->stored.attempts, result);
    if (delay_us < 0) {
        give_up(line, result, retry->stored.attempts);
        line_end_retry(line, retry->stored.seq, false);
        return;
    }
    retry->stored.due_us = clock_wall_us(line->options->clock) + delay_us;
    retry->dirty = true;
}

static void take_retry(Line *line, Retry *retry, const SinkResult *result, bool counts)
{
    retry->sent = false;
    if (result->verdict == SINK_TAKEN) {
        line_end_retry(line, retry->stored.seq, true);
    } else if (result->verdict == SINK_REFUSED) {
        give_up(line, result, retry->stored.attempts + 1);
        line_end_retry(line, retry->stored.seq, false);
    } else if (result->verdict == SINK_FAILED && counts) {
        fail_again(line, retry, result);
    } else if (result->verdict == SINK_FAILED) {
        /* The next probe is another one. What the other side asks for counts after a crash, too, when the breaker has
         * forgotten it. */
        int64_t asked = asked_us(line, result);
        retry->stored.due_us = clock_wall_us(line->options->clock) + asked;
        retry->dirty = retry->dirty || asked > 0;
    }
}

/* ---- All of them ------------------------------------------------------------------------------------------------- */

static void count(Line *line, const SinkResult *result)
{
    if (result->verdict == SINK_TAKEN) {
        line->next.taken++;
        line->failed_connects = 0;
        line->next.taken_us = clock_wall_us(line->options->clock);
    } else if (result->verdict == SINK_FAILED || result->verdict == SINK_REFUSED) {
        line->next.failed++;
        line_fail(line, result->error);
    }
}

/* A breaker learns from what was tried. Returns whether a failure is the message's: while the breaker is open, and from
 * the one request that it lets through then, it is the place's, and no attempt of the message is spent. A replay may
 * have nothing to send but messages that the other side finds fault with; it would wait for ever if it took that for a
 * place that fails. */
static bool tell_breaker(Line *line, const SinkResult *result, int64_t now_us)
{
    bool judged = line->job && result->judged, counts = line->breaker.state == BREAKER_CLOSED || judged;
    if (result->verdict == SINK_TAKEN || result->verdict == SINK_FAILED) {
        breaker_ended(&line->breaker, now_us, result->verdict == SINK_TAKEN || judged);
    } else {
        breaker_withdrawn(&line->breaker);
    }
    if (!counts && result->verdict == SINK_FAILED && result->retry_after_us > 0) {
        breaker_put_off(&line->breaker, now_us + asked_us(line, result));
    }
    return counts;
}

static void take_result(Line *line, const SinkResult *result, int64_t now_us)
{
    Entry *entry = window_find(&line->window, result->seq);
    Retry *retry = retries_find(&line->retries, result->seq);
    entry = entry && entry->state == ENTRY_SENT ? entry : NULL;
    retry = !entry && retry && retry->sent ? retry : NULL;
    if (!entry && !retry) {
        return; /* an answer that came twice, or for what was dropped since */
    }
    bool counts = tell_breaker(line, result, now_us);
    int64_t failed_before = retry ? retry->stored.attempts : 0;
    line->in_flight--;
    count(line, result);
    if (result->verdict != SINK_HELD && result->verdict != SINK_GONE && is_worth_noting(result, failed_before)) {
        line_note_attempt(line, result, failed_before + 1);
    }
    if (entry) {
        take_first(line, entry, result, counts, now_us);
    } else {
        take_retry(line, retry, result, counts);
    }
    if (result->verdict == SINK_GONE) {
        line_disable(line, "the other side wants nothing more (410 Gone)");
    }
}

void line_take_results(Line *line, int64_t now_us)
{
    SinkResult results[LINE_RESULTS_MAX];
    size_t count = LINE_RESULTS_MAX;
    while (line->connected && count == LINE_RESULTS_MAX && line_has_room_for_notes(line)) {
        count = line->sink->ops->results(line->sink, results, LINE_RESULTS_MAX);
        for (size_t i = 0; i < count; i++) {
            take_result(line, &results[i], now_us);
        }
    }
    window_advance(&line->window, line->read_seq, &line->place);
}

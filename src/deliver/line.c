#include "deliver/line.h"

#include <stdlib.h>

#include "deliver/line_parts.h"

static const char *const state_names[] = {
    [LINE_CONNECTING] = "connecting", [LINE_RUNNING] = "running",   [LINE_HOLDING] = "holding",
    [LINE_PAUSED] = "paused",         [LINE_DISABLED] = "disabled", [LINE_DONE] = "done",
};

const char *line_state_name(LineState state) { return state_names[state]; }

/* ---- Open and close ---------------------------------------------------------------------------------------------- */

static Status open_parts(Line *line, Error *reterr)
{
    const DispatcherOptions *options = line->options;
    size_t window = line->sink_options->ordered ? LINE_ORDERED_WINDOW_MAX : LINE_WINDOW_MAX;
    Status status;
    line->group = calloc(1, sizeof *line->group);
    if (!line->group) {
        return error_set(reterr, STATUS_BUSY, "no memory for the line of a sink");
    }
    arena_init(&line->group->arena, 256 << 10, LINE_GROUP_BYTES_MAX);
    if ((status = window_init(&line->window, window, reterr)) != STATUS_OK ||
        (status = retries_init(&line->retries, line->sink_options->ordered, reterr)) != STATUS_OK ||
        (status = line_store_init(line, reterr)) != STATUS_OK ||
        (status = store_reader_open(options->store, &line->reader, reterr)) != STATUS_OK ||
        (status = outbox_open(options->store, &line->sink_options->subscription, &line->outbox, reterr)) != STATUS_OK) {
        return status;
    }
    return options->open_sink(options->self, &line->context, &line->sink, reterr);
}

Status line_open(const DispatcherOptions *options, const SinkOptions *sink, const StoredReplay *replay, Line **ret_line,
                 Error *reterr)
{
    Line *line = calloc(1, sizeof *line);
    if (!line) {
        return error_set(reterr, STATUS_BUSY, "no memory for the line of a sink");
    }
    pthread_mutex_init(&line->lock, NULL);
    line->options = options;
    line->sink_options = sink;
    line->name = str_from(sink->name);
    line->job = replay ? replay->id : 0;
    line->through = replay ? replay->through : INT64_MAX;
    line->version_seen = -1;
    line->context = (SinkContext){.options = sink,
                                  .info = store_info(options->store),
                                  .clock = options->clock,
                                  .random = options->random,
                                  .replay_job = line->job};
    breaker_init(&line->breaker, sink->breaker_percent, sink->breaker_requests, sink->breaker_window_us,
                 sink->breaker_pause_us);
    line->next = line->status = (LineStatus){.options = sink, .job = line->job};
    Status status = open_parts(line, reterr);
    if (status != STATUS_OK) {
        line_close(line);
        return status;
    }
    *ret_line = line;
    return STATUS_OK;
}

void line_close(Line *line)
{
    if (!line) {
        return;
    }
    sink_close(line->sink);
    outbox_close(line->outbox);
    store_reader_close(line->reader);
    line_store_release(line);
    retries_release(&line->retries);
    window_release(&line->window);
    if (line->group) {
        arena_release(&line->group->arena);
        free(line->group);
    }
    pthread_mutex_destroy(&line->lock);
    free(line);
}

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

static LineState state_of(const Line *line)
{
    if (line->done) {
        return LINE_DONE;
    }
    if (line->state != SINK_STATE_ACTIVE) {
        return line->state == SINK_STATE_PAUSED ? LINE_PAUSED : LINE_DISABLED;
    }
    if (!line->connected) {
        return line->failed_connects > 0 ? LINE_HOLDING : LINE_CONNECTING;
    }
    bool is_full = retries_is_full(&line->retries) && (line->held > 0 || line->blocked == LINE_BLOCKED_MAX);
    return line->breaker.state == BREAKER_CLOSED && !is_full ? LINE_RUNNING : LINE_HOLDING;
}

static void show(Line *line, int64_t now_us)
{
    LineStatus *next = &line->next;
    next->state = state_of(line);
    next->breaker = line->breaker.state;
    next->breaker_opened = line->breaker.opened;
    next->cursor = line->place.cursor;
    next->last_seq = store_last_seq(line->options->store);
    next->last_seq = next->last_seq < line->through ? next->last_seq : line->through;
    next->in_flight = (int64_t)line->in_flight;
    next->retries = (int64_t)line->retries.count;
    int64_t at_us = line->connected ? line->breaker.open_until_us : line->connect_at_us;
    next->next_try_us =
        next->state == LINE_HOLDING ? clock_wall_us(line->options->clock) + (at_us > now_us ? at_us - now_us : 0) : 0;
    pthread_mutex_lock(&line->lock);
    line->status = *next;
    pthread_mutex_unlock(&line->lock);
}

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

/* Sends and takes answers; returns when there may be more to do. */
static int64_t deliver(Line *line, int64_t now_us)
{
    if (!line->known || line->done) {
        return INT64_MAX;
    }
    if (line->state == SINK_STATE_ACTIVE) {
        line_connect(line, now_us);
    }
    line_take_results(line, now_us);
    if (line->state != SINK_STATE_ACTIVE) {
        return INT64_MAX;
    }
    int64_t next_us = line->connected ? line_send(line, now_us) : line->connect_at_us;
    line_take_results(line, now_us); /* brokers have answered by now */
    return line->connected ? next_us : earlier(next_us, line->connect_at_us);
}

/* Whoever is done still looks now and then, until it is closed. */
static int64_t time_to_write(const Line *line)
{
    const LineWriting *writing = &line->writing;
    if (writing->wanted) {
        return writing->flying ? INT64_MAX : writing->again_us;
    }
    bool some = line->place.cursor != line->stored_place.cursor || line->notes->attempt_count > 0;
    return some && line->known ? line->flush_at_us : INT64_MAX;
}

int64_t line_step(Line *line)
{
    int64_t now_us = clock_monotonic_us(line->options->clock);
    line_reap(line, now_us);
    line_look(line, now_us);
    int64_t next_us = INT64_MAX;
    if (line->finishing) {
        line_take_results(line, now_us); /* an answer that lies there would keep line_wait() from waiting */
    } else {
        next_us = deliver(line, now_us);
    }
    line_write(line, now_us);
    show(line, now_us);
    next_us = earlier(earlier(next_us, time_to_write(line)), line->look_at_us);
    now_us = clock_monotonic_us(line->options->clock);
    return next_us > now_us ? next_us - now_us : 0;
}

void line_wait(Line *line, int64_t us_max) { line->sink->ops->wait(line->sink, us_max); }
void line_wake(Line *line) { line->sink->ops->wake(line->sink); }

void line_finish(Line *line)
{
    int64_t now_us = clock_monotonic_us(line->options->clock);
    line_take_results(line, now_us);
    line->finishing = true;
}

bool line_is_writing(const Line *line)
{
    bool some = line->place.cursor != line->stored_place.cursor || line->notes->attempt_count > 0 ||
                line->notes->dead_count > 0 || line->notes->settled_count > 0;
    return line->writing.wanted || line->disable_wanted || (some && line->known && !line->done);
}

bool line_is_handed_over(Line *line)
{
    pthread_mutex_lock(&line->lock);
    bool landed = line->writing.landed;
    pthread_mutex_unlock(&line->lock);
    return line->writing.flying && !landed;
}

bool line_control_changed(Line *line)
{
    bool changed = line->known && line->version_seen != line->version;
    line->version_seen = line->version;
    return changed;
}

bool line_is_done(const Line *line) { return line->done; }
int64_t line_job(const Line *line) { return line->job; }
const SinkOptions *line_sink(const Line *line) { return line->sink_options; }

void line_status(Line *line, LineStatus *ret_status)
{
    pthread_mutex_lock(&line->lock);
    *ret_status = line->status;
    pthread_mutex_unlock(&line->lock);
}

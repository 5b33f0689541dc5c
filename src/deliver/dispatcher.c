#include "deliver/dispatcher.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "deliver/line.h"
#include "deliver/subscription_json.h"

enum {
    LANES_MAX = DISPATCHER_SINKS_MAX + DISPATCHER_REPLAYS_MAX,
    FINISH_STEPS_MAX = 1000,
    REPLAY_TEXT_BYTES_MAX = 64 << 10
};
#define MANAGE_AGAIN_US INT64_C(5000000)
#define FINISH_WAIT_US  INT64_C(10000)

/* A line and the thread that it runs on. */
typedef struct Lane {
    Dispatcher *dispatcher;
    Line *line; /* owns */
    pthread_t thread;
    bool has_thread;
    atomic_bool waiting;           /* the thread waits, or is about to */
    atomic_bool ended;             /* of a replay: nothing more happens on it */
    LineState told;                /* in the log */
    const SinkOptions *configured; /* lives as long as the dispatcher */
    SinkOptions options;           /* of a replay: the sink's, with the replay's filter */
    Arena texts;                   /* of these */
} Lane;

struct Dispatcher {
    DispatcherOptions options;
    pthread_mutex_t lock;   /* guards lanes and lane_count; who changes them has `manage`, too */
    pthread_mutex_t manage; /* one thread at a time starts and ends replays */
    Lane *lanes[LANES_MAX]; /* the live ones first */
    size_t lane_count;
    StoreReader *reader; /* for `manage` */
    atomic_bool stopping;
    atomic_bool replays_ended;
    _Atomic int64_t manage_again_us; /* by the monotonic clock: a replay could not begin */
};

/* ---- Lanes ------------------------------------------------------------------------------------------------------- */

static void free_lane(Lane *lane)
{
    if (lane) {
        line_close(lane->line);
        arena_release(&lane->texts);
        free(lane);
    }
}

static void manage_replays(Dispatcher *dispatcher);

/* Each change of a line's state is a line in the program's log. */
static void tell(Lane *lane)
{
    LineStatus status;
    line_status(lane->line, &status);
    if (status.state == lane->told) {
        return;
    }
    lane->told = status.state;
    if (status.state == LINE_HOLDING || status.state == LINE_DISABLED) {
        log_warn("a sink takes nothing now", log_text("sink", lane->options.name),
                 log_text("state", line_state_name(status.state)), log_int("replay", status.job),
                 log_int("cursor", status.cursor), log_text("error", status.error));
    } else {
        log_info("a sink's state", log_text("sink", lane->options.name),
                 log_text("state", line_state_name(status.state)), log_int("replay", status.job),
                 log_int("cursor", status.cursor));
    }
}

/* One step, and what follows from it. Returns how long there is nothing to do. */
static int64_t step_lane(Lane *lane)
{
    Dispatcher *dispatcher = lane->dispatcher;
    int64_t us = line_step(lane->line);
    tell(lane);
    if (line_job(lane->line)) {
        if (line_is_done(lane->line) && !lane->ended) {
            lane->ended = true;
            dispatcher->replays_ended = true;
        }
    } else if (line_control_changed(lane->line) || atomic_exchange(&dispatcher->replays_ended, false) ||
               clock_monotonic_us(dispatcher->options.clock) >= dispatcher->manage_again_us) {
        manage_replays(dispatcher);
    }
    return us;
}

/* What was taken is to be remembered, as far as the processor lets it. */
static void finish_lane(Lane *lane)
{
    line_finish(lane->line);
    for (int i = 0; i < FINISH_STEPS_MAX && line_is_writing(lane->line); i++) {
        line_step(lane->line);
        line_wait(lane->line, FINISH_WAIT_US);
    }
}

/* Something that was committed between the step and the wait is noticed by the second look at the log: whoever commits
 * looks at `waiting` after the log has grown. */
static void *run_lane(void *self)
{
    Lane *lane = self;
    const Store *store = lane->dispatcher->options.store;
    while (!lane->dispatcher->stopping && !lane->ended) {
        int64_t seen = store_last_seq(store);
        int64_t us = step_lane(lane);
        lane->waiting = true;
        if (us > 0 && store_last_seq(store) == seen && !lane->dispatcher->stopping) {
            line_wait(lane->line, us);
        }
        lane->waiting = false;
    }
    finish_lane(lane);
    return NULL;
}

static Status add_lane(Dispatcher *dispatcher, Lane *lane, Error *reterr)
{
    Status status = STATUS_OK;
    pthread_mutex_lock(&dispatcher->lock);
    if (dispatcher->options.background) {
        lane->has_thread = pthread_create(&lane->thread, NULL, run_lane, lane) == 0;
        status = lane->has_thread ? STATUS_OK
                                  : error_set(reterr, STATUS_BUSY, "no thread for the sink %s", lane->options.name);
    }
    if (status == STATUS_OK) {
        dispatcher->lanes[dispatcher->lane_count++] = lane;
    }
    pthread_mutex_unlock(&dispatcher->lock);
    return status;
}

static Lane *new_lane(Dispatcher *dispatcher, const SinkOptions *options)
{
    Lane *lane = calloc(1, sizeof *lane);
    if (lane) {
        lane->dispatcher = dispatcher;
        lane->configured = options;
        lane->options = *options;
        arena_init(&lane->texts, 1024, REPLAY_TEXT_BYTES_MAX);
    }
    return lane;
}

static void shorten_schedule(SinkOptions *options)
{
    if (options->schedule_count > LINE_REPLAY_ATTEMPTS_MAX) {
        options->schedule_count = LINE_REPLAY_ATTEMPTS_MAX;
    }
    for (size_t i = 0; i < options->schedule_count; i++) {
        if (options->schedule_us[i] > LINE_REPLAY_DELAY_US) {
            options->schedule_us[i] = LINE_REPLAY_DELAY_US;
        }
    }
}

static Status open_lane(Dispatcher *dispatcher, const SinkOptions *options, const StoredReplay *replay, Error *reterr)
{
    Lane *lane = new_lane(dispatcher, options);
    Status status = lane ? STATUS_OK : error_set(reterr, STATUS_BUSY, "out of memory");
    if (status == STATUS_OK && replay) {
        shorten_schedule(&lane->options);
        status = subscription_read_json(replay->filter, store_info(dispatcher->options.store)->scale, &lane->texts,
                                        &lane->options.subscription, reterr);
    }
    if (status == STATUS_OK) {
        status = line_open(&dispatcher->options, &lane->options, replay, &lane->line, reterr);
    }
    if (status == STATUS_OK) {
        status = add_lane(dispatcher, lane, reterr);
    }
    if (status != STATUS_OK) {
        free_lane(lane);
    }
    return status;
}

/* ---- Replays ----------------------------------------------------------------------------------------------------- */

/* The lane of the line, or NULL. */
static Lane *find_lane(const Dispatcher *dispatcher, int64_t job)
{
    for (size_t i = 0; i < dispatcher->lane_count; i++) {
        if (line_job(dispatcher->lanes[i]->line) == job) {
            return dispatcher->lanes[i];
        }
    }
    return NULL;
}

static void join_lane(Lane *lane)
{
    if (lane->has_thread) {
        pthread_join(lane->thread, NULL);
        lane->has_thread = false;
    }
}

static void remove_ended(Dispatcher *dispatcher)
{
    for (size_t i = 0; i < dispatcher->lane_count;) {
        Lane *lane = dispatcher->lanes[i];
        if (lane->ended) {
            join_lane(lane);
        }
        if (!lane->ended || line_is_handed_over(lane->line)) {
            dispatcher->replays_ended = dispatcher->replays_ended || lane->ended; /* look again */
            i++;
            continue;
        }
        pthread_mutex_lock(&dispatcher->lock);
        dispatcher->lane_count--;
        memmove(&dispatcher->lanes[i], &dispatcher->lanes[i + 1], (dispatcher->lane_count - i) * sizeof(Lane *));
        pthread_mutex_unlock(&dispatcher->lock);
        free_lane(lane);
    }
}

typedef struct Wanted {
    Dispatcher *dispatcher;
    Arena arena; /* texts */
    StoredReplay replays[DISPATCHER_REPLAYS_MAX];
    size_t count, cap;
    bool failed;
} Wanted;

/* How many replays of the sink run, or are about to. */
static size_t count_of_sink(const Wanted *wanted, Str name)
{
    const Dispatcher *dispatcher = wanted->dispatcher;
    size_t count = 0;
    for (size_t i = dispatcher->options.sink_count; i < dispatcher->lane_count; i++) {
        count += str_is(name, dispatcher->lanes[i]->options.name);
    }
    for (size_t i = 0; i < wanted->count; i++) {
        count += str_equal(wanted->replays[i].sink, name);
    }
    return count;
}

static const SinkOptions *find_sink(const Dispatcher *dispatcher, Str name)
{
    for (size_t i = 0; i < dispatcher->options.sink_count; i++) {
        if (str_is(name, dispatcher->options.sinks[i].name)) {
            return &dispatcher->options.sinks[i];
        }
    }
    return NULL;
}

/* A replay of a sink that is not configured any more waits until it is, and is in nobody's way. Neither are those of a
 * sink that is down: they leave room for the replays of others. */
static bool collect_replay(void *context, const StoredReplay *replay)
{
    Wanted *wanted = context;
    if (replay->state != REPLAY_RUNNING || find_lane(wanted->dispatcher, replay->id) ||
        !find_sink(wanted->dispatcher, replay->sink) ||
        count_of_sink(wanted, replay->sink) >= DISPATCHER_REPLAYS_OF_A_SINK_MAX) {
        return true;
    }
    StoredReplay *copy = &wanted->replays[wanted->count++];
    *copy = *replay;
    copy->sink = arena_copy(&wanted->arena, replay->sink);
    copy->filter = arena_copy(&wanted->arena, replay->filter);
    wanted->failed = wanted->failed || !copy->sink.ptr || !copy->filter.ptr;
    return !wanted->failed && wanted->count < wanted->cap;
}

static Status read_replays(Wanted *wanted, Error *reterr)
{
    StoreReader *reader = wanted->dispatcher->reader;
    StoreView *view = NULL;
    Status status = reader_begin(reader, &view, reterr);
    if (status == STATUS_OK) {
        status = reader_replays(reader, STR(""), collect_replay, wanted, reterr);
        if (status == STATUS_OK && (status = reader_check(reader, reterr)) != STATUS_OK) {
            wanted->count = 0;
        }
        reader_end(reader);
        view_free(view);
    }
    return status == STATUS_OK && wanted->failed ? error_set(reterr, STATUS_BUSY, "no memory for replays") : status;
}

/* One that cannot begin now is tried again, and does not keep others from it. */
static Status start_replays(Dispatcher *dispatcher, Error *reterr)
{
    Wanted wanted = {.dispatcher = dispatcher};
    /* Fewer lanes than sinks: the start fails, and all are about to end. */
    size_t sinks = dispatcher->options.sink_count, lanes = dispatcher->lane_count;
    wanted.cap = lanes < sinks ? 0 : sinks + DISPATCHER_REPLAYS_MAX - lanes;
    arena_init(&wanted.arena, 4096, (size_t)DISPATCHER_REPLAYS_MAX * REPLAY_TEXT_BYTES_MAX);
    Status status = wanted.cap > 0 ? read_replays(&wanted, reterr) : STATUS_OK;
    for (size_t i = 0; i < wanted.count; i++) {
        const StoredReplay *replay = &wanted.replays[i];
        Status opened = open_lane(dispatcher, find_sink(dispatcher, replay->sink), replay, reterr);
        status = opened != STATUS_OK ? opened : status;
    }
    dispatcher->manage_again_us =
        status != STATUS_OK ? clock_monotonic_us(dispatcher->options.clock) + MANAGE_AGAIN_US : INT64_MAX;
    arena_release(&wanted.arena);
    return status;
}

static void manage_replays(Dispatcher *dispatcher)
{
    Error error = {0};
    Status status = STATUS_OK;
    pthread_mutex_lock(&dispatcher->manage);
    if (!dispatcher->stopping) { /* whoever stops it joins the lanes that are there */
        remove_ended(dispatcher);
        status = start_replays(dispatcher, &error);
    }
    pthread_mutex_unlock(&dispatcher->manage);
    if (status != STATUS_OK) {
        log_warn("a replay cannot be started", log_text("error", error.message));
    }
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */

/* Nobody starts a replay before all of them are there. */
static Status open_live_lanes(Dispatcher *dispatcher, Error *reterr)
{
    const DispatcherOptions *options = &dispatcher->options;
    Status status = STATUS_OK;
    pthread_mutex_lock(&dispatcher->manage);
    for (size_t i = 0; status == STATUS_OK && i < options->sink_count; i++) {
        status = open_lane(dispatcher, &options->sinks[i], NULL, reterr);
        if (status != STATUS_OK) {
            error_prefix(reterr, "sinks.%s", options->sinks[i].name);
        }
    }
    pthread_mutex_unlock(&dispatcher->manage);
    return status;
}

Status dispatcher_start(const DispatcherOptions *options, Dispatcher **ret_dispatcher, Error *reterr)
{
    Dispatcher *dispatcher = calloc(1, sizeof *dispatcher);
    if (!dispatcher) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    dispatcher->options = *options;
    dispatcher->manage_again_us = INT64_MAX;
    pthread_mutex_init(&dispatcher->lock, NULL);
    pthread_mutex_init(&dispatcher->manage, NULL);
    Status status = store_reader_open(options->store, &dispatcher->reader, reterr);
    if (status == STATUS_OK) {
        status = open_live_lanes(dispatcher, reterr);
    }
    if (status != STATUS_OK) {
        dispatcher_stop(dispatcher);
        dispatcher_free(dispatcher);
        return status;
    }
    *ret_dispatcher = dispatcher;
    return STATUS_OK;
}

void dispatcher_committed(Dispatcher *dispatcher)
{
    if (!dispatcher || dispatcher->options.sink_count == 0) {
        return;
    }
    pthread_mutex_lock(&dispatcher->lock);
    for (size_t i = 0; i < dispatcher->lane_count; i++) {
        if (dispatcher->lanes[i]->waiting) {
            line_wake(dispatcher->lanes[i]->line);
        }
    }
    pthread_mutex_unlock(&dispatcher->lock);
}

int64_t dispatcher_step(Dispatcher *dispatcher)
{
    int64_t least_us = INT64_MAX;
    for (size_t i = 0; i < dispatcher->lane_count; i++) {
        int64_t us = step_lane(dispatcher->lanes[i]);
        least_us = us < least_us ? us : least_us;
    }
    return least_us;
}

/* With `stopping` set nobody starts or ends a replay any more once `manage` was free. */
void dispatcher_stop(Dispatcher *dispatcher)
{
    if (!dispatcher) {
        return;
    }
    dispatcher->stopping = true;
    pthread_mutex_lock(&dispatcher->manage);
    size_t count = dispatcher->lane_count;
    pthread_mutex_unlock(&dispatcher->manage);
    for (size_t i = 0; i < count; i++) {
        line_wake(dispatcher->lanes[i]->line);
    }
    for (size_t i = 0; i < count; i++) {
        if (dispatcher->options.background) {
            join_lane(dispatcher->lanes[i]);
        } else {
            finish_lane(dispatcher->lanes[i]);
        }
    }
}

void dispatcher_free(Dispatcher *dispatcher)
{
    if (dispatcher) {
        for (size_t i = 0; i < dispatcher->lane_count; i++) {
            free_lane(dispatcher->lanes[i]);
        }
        store_reader_close(dispatcher->reader);
        pthread_mutex_destroy(&dispatcher->manage);
        pthread_mutex_destroy(&dispatcher->lock);
        free(dispatcher);
    }
}

size_t dispatcher_line_count(Dispatcher *dispatcher)
{
    pthread_mutex_lock(&dispatcher->lock);
    size_t count = dispatcher->lane_count;
    pthread_mutex_unlock(&dispatcher->lock);
    return count;
}

size_t dispatcher_status(Dispatcher *dispatcher, LineStatus *ret_status, size_t cap)
{
    pthread_mutex_lock(&dispatcher->lock);
    size_t count = dispatcher->lane_count < cap ? dispatcher->lane_count : cap;
    for (size_t i = 0; i < count; i++) {
        line_status(dispatcher->lanes[i]->line, &ret_status[i]);
        ret_status[i].options = dispatcher->lanes[i]->configured; /* the lane of a replay may go as soon as we let go */
        if (!ret_status[i].job) { /* a line that waits for its sink does not see the log grow */
            ret_status[i].last_seq = store_last_seq(dispatcher->options.store);
        }
    }
    pthread_mutex_unlock(&dispatcher->lock);
    return count;
}

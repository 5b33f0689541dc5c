#include "intake/feeder.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/backoff.h"
#include "base/wakeup.h"
#include "intake/feeder_batch.h"

#define RECONNECT_US     INT64_C(100000) /* the first wait after a failed connection … */
#define RECONNECT_US_MAX INT64_C(30000000)
#define LASTING_US       INT64_C(10000000) /* a connection that is lost sooner, with nothing taken, has failed, too */
#define HOLD_US          INT64_C(20000)    /* after the processor had no room, or the disk none … */
#define HOLD_US_MAX      INT64_C(2000000)
#define HOLDS_QUIET      5                 /* … in a row; the first few are nobody's concern */
#define LOOK_AGAIN_US    INT64_C(60000000) /* what a person has to look at is tried again so often */
#define IDLE_US          INT64_C(1000000)

struct Feeder {
    const IntakeOptions *options;
    const SourceOptions *source_options;
    SourceContext context;
    FeederOpen *open;
    void *open_self;
    Source *source; /* NULL while it is paused; changed under the lock, for those who wake it */
    StoreReader *reader;
    bool connected, paused, known; /* known: `paused` is what the store says */
    Batch batches[2];
    Batch *ready;  /* fetched and read; to be handed in */
    Batch *flying; /* with the processor, or to be handed in again */
    bool handed_in;
    unsigned connect_failures, hold_failures;
    int64_t connect_us, hold_us; /* not before; by the monotonic clock */
    int64_t connected_us;        /* when that went well; likewise */
    bool finishing;

    Wakeup wakeup; /* for when the source has nothing to wait for */

    pthread_mutex_t lock; /* guards what follows */
    bool landed, look;
    Status result;
    Error result_error;
    SourceStatus status;
};

/* ---- What others see --------------------------------------------------------------------------------------------- */

static void set_condition(Feeder *feeder, SourceCondition condition)
{
    pthread_mutex_lock(&feeder->lock);
    feeder->status.condition = condition;
    feeder->status.next_try_us = 0;
    if (condition == SOURCE_RUNNING) {
        feeder->status.error[0] = '\0';
    }
    pthread_mutex_unlock(&feeder->lock);
}

static void note_error(Feeder *feeder, SourceCondition condition, const Error *error, int64_t wait_us)
{
    int64_t now_us = clock_wall_us(feeder->options->clock);
    pthread_mutex_lock(&feeder->lock);
    feeder->status.condition = condition;
    feeder->status.errors++;
    feeder->status.error_us = now_us;
    feeder->status.next_try_us = now_us + wait_us;
    snprintf(feeder->status.error, sizeof feeder->status.error, "%s", error->message);
    pthread_mutex_unlock(&feeder->lock);
}

static void set_flying(Feeder *feeder, Batch *batch)
{
    feeder->flying = batch;
    pthread_mutex_lock(&feeder->lock);
    feeder->status.is_storing = batch != NULL;
    pthread_mutex_unlock(&feeder->lock);
}

static void note_lag(Feeder *feeder)
{
    SourceLag lag = {.messages = -1};
    Str notice = {0};
    if (feeder->source && feeder->connected) {
        feeder->source->ops->lag(feeder->source, &lag);
        notice = feeder->source->notice;
    }
    pthread_mutex_lock(&feeder->lock);
    feeder->status.lag = lag;
    snprintf(feeder->status.notice, sizeof feeder->status.notice, "%.*s", STR_ARGS(notice));
    pthread_mutex_unlock(&feeder->lock);
}

static void count_batch(Feeder *feeder, const Batch *batch)
{
    int64_t counts[OUTCOME_REJECTED + 1] = {0};
    for (size_t i = 0; i < batch->group.count; i++) {
        counts[batch->group.messages[i].outcome]++;
    }
    int64_t now_us = clock_wall_us(feeder->options->clock);
    pthread_mutex_lock(&feeder->lock);
    SourceStatus *status = &feeder->status;
    status->messages += (int64_t)batch->group.count;
    status->bytes += (int64_t)batch->group.bytes;
    status->created += counts[OUTCOME_CREATED];
    status->duplicates += counts[OUTCOME_DUPLICATE];
    status->conflicts += counts[OUTCOME_CONFLICT];
    status->rejected += counts[OUTCOME_REJECTED] + counts[OUTCOME_NONE];
    status->dead_letters += (int64_t)batch->intake.lettered;
    status->message_us = batch->group.count ? now_us : status->message_us;
    pthread_mutex_unlock(&feeder->lock);
}

void feeder_status(Feeder *feeder, SourceStatus *ret_status)
{
    pthread_mutex_lock(&feeder->lock);
    *ret_status = feeder->status;
    pthread_mutex_unlock(&feeder->lock);
    ret_status->options = feeder->source_options;
}

/* ---- Groups become work ------------------------------------------------------------------------------------------ */

/* The lock is held. */
static void wake_all(Feeder *feeder)
{
    wakeup_call(&feeder->wakeup);
    if (feeder->source) {
        feeder->source->ops->wake(feeder->source);
    }
}

/* All under the lock: when the feeder's thread sees that it has landed, it may be the last to need the feeder. */
static void on_done(Submission *submission, Status status, const Error *error)
{
    Feeder *feeder = submission->owner;
    pthread_mutex_lock(&feeder->lock);
    feeder->landed = true;
    feeder->result = status;
    feeder->result_error = error ? *error : (Error){0};
    wake_all(feeder);
    pthread_mutex_unlock(&feeder->lock);
}

static Batch *free_batch(Feeder *feeder)
{
    for (size_t i = 0; i < 2; i++) {
        Batch *batch = &feeder->batches[i];
        if (batch != feeder->ready && batch != feeder->flying) {
            source_group_reset(&batch->group);
            return batch;
        }
    }
    return NULL;
}

/* ---- The processor ----------------------------------------------------------------------------------------------- */

/* It is handed in again after a while: whether it happened or not, that is safe. */
static int64_t hold(Feeder *feeder)
{
    int64_t wait_us = backoff_exponential_us(HOLD_US, HOLD_US_MAX, ++feeder->hold_failures, feeder->options->random);
    feeder->hold_us = clock_monotonic_us(feeder->options->clock) + wait_us;
    return wait_us;
}

/* A full queue is how the processor slows sources down, and no trouble unless it lasts. */
static void be_refused(Feeder *feeder, const Error *error)
{
    int64_t wait_us = hold(feeder);
    if (feeder->hold_failures >= HOLDS_QUIET) {
        note_error(feeder, SOURCE_HOLDING, error, wait_us);
    }
}

static void hand_in(Feeder *feeder)
{
    Error error;
    if (!feeder->flying) {
        set_flying(feeder, feeder->ready);
        feeder->ready = NULL;
    }
    feeder->flying->submission.work.status = STATUS_OK;
    if (processor_submit(feeder->options->processor, &feeder->flying->submission, &error) == STATUS_OK) {
        feeder->handed_in = true;
    } else {
        be_refused(feeder, &error);
    }
}

static void lose_connection(Feeder *feeder, Status status, const Error *error)
{
    int64_t wait_us = status == STATUS_REFUSED
                          ? LOOK_AGAIN_US
                          : backoff_exponential_us(RECONNECT_US, RECONNECT_US_MAX, ++feeder->connect_failures,
                                                   feeder->options->random);
    feeder->connected = false;
    feeder->ready = NULL; /* it was never handed in, and comes again */
    feeder->connect_us = clock_monotonic_us(feeder->options->clock) + wait_us;
    note_error(feeder, status == STATUS_REFUSED ? SOURCE_FAILED : SOURCE_CONNECTING, error, wait_us);
}

static void acknowledge(Feeder *feeder)
{
    Batch *batch = feeder->flying;
    Error error = {0};
    set_flying(feeder, NULL);
    feeder->hold_failures = 0;
    batch_fill_outcomes(batch);
    count_batch(feeder, batch);
    if (!feeder->connected) {
        return;
    }
    Status status = feeder->source->ops->acknowledge(feeder->source, &batch->group, &error);
    if (status != STATUS_OK) {
        lose_connection(feeder, status, &error);
    } else {
        feeder->connect_failures = 0;
        set_condition(feeder, SOURCE_RUNNING);
    }
}

/* What the processor said of the group that it had. */
static void take_result(Feeder *feeder)
{
    pthread_mutex_lock(&feeder->lock);
    bool landed = feeder->landed;
    Status status = feeder->result;
    Error error = feeder->result_error;
    feeder->landed = false;
    pthread_mutex_unlock(&feeder->lock);
    if (!landed) {
        return;
    }
    feeder->handed_in = false;
    const Work *work = &feeder->flying->submission.work;
    if (status == STATUS_OK && work->status == STATUS_OK) {
        acknowledge(feeder);
    } else {
        note_error(feeder, SOURCE_HOLDING, status == STATUS_OK ? &work->error : &error, hold(feeder));
    }
}

/* ---- The source -------------------------------------------------------------------------------------------------- */

typedef struct State {
    Str name;
    bool paused;
} State;

static bool find_state(void *context, const StoredSource *source)
{
    State *state = context;
    if (str_equal(source->name, state->name)) {
        state->paused = source->state == SOURCE_STATE_PAUSED;
        return false;
    }
    return true;
}

typedef struct Places {
    SourceGroup group; /* holds copies */
    Status status;
    Error *reterr;
} Places;

static bool copy_place(void *context, const SourcePlace *place)
{
    Places *places = context;
    places->status = source_group_put_place(&places->group, place->part, place->next, place->mark, places->reterr);
    return places->status == STATUS_OK;
}

/* Reads in a look of its own. `places` may be NULL. */
static Status read_store(Feeder *feeder, bool *ret_paused, Places *places, Error *reterr)
{
    StoreView *view = NULL;
    State state = {.name = str_from(feeder->source_options->name)};
    Status status = reader_begin(feeder->reader, &view, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    status = reader_sources(feeder->reader, find_state, &state, reterr);
    if (status == STATUS_OK && places) {
        status = reader_places(feeder->reader, state.name, copy_place, places, reterr);
        status = status == STATUS_OK ? places->status : status;
    }
    if (status == STATUS_OK) {
        status = reader_check(feeder->reader, reterr);
    }
    reader_end(feeder->reader);
    view_free(view);
    if (status == STATUS_OK) {
        *ret_paused = state.paused;
    }
    return status;
}

/* Whether a person wants it to run. Until the store says so, it does not. */
static void look(Feeder *feeder)
{
    Error error;
    pthread_mutex_lock(&feeder->lock);
    bool asked = feeder->look;
    feeder->look = false;
    pthread_mutex_unlock(&feeder->lock);
    if (!asked && feeder->known) {
        return;
    }
    feeder->connect_us = asked ? 0 : feeder->connect_us;
    feeder->known = read_store(feeder, &feeder->paused, NULL, &error) == STATUS_OK;
    if (!feeder->known) {
        note_error(feeder, feeder->connected ? SOURCE_RUNNING : SOURCE_CONNECTING, &error, IDLE_US);
    }
}

static void set_source(Feeder *feeder, Source *source)
{
    pthread_mutex_lock(&feeder->lock);
    Source *before = feeder->source;
    feeder->source = source;
    pthread_mutex_unlock(&feeder->lock);
    source_close(before);
}

/* Others may have what it held. */
static void pause_source(Feeder *feeder)
{
    set_source(feeder, NULL);
    feeder->connected = false;
    feeder->ready = NULL;
    feeder->connect_failures = 0;
    set_condition(feeder, SOURCE_PAUSED);
}

static Status open_source(Feeder *feeder, Error *reterr)
{
    Source *source = NULL;
    Status status = feeder->open(feeder->open_self, &feeder->context, &source, reterr);
    if (status == STATUS_OK) {
        set_source(feeder, source);
    }
    return status;
}

/* By the places that the store has now. */
static Status connect_source(Feeder *feeder, Error *reterr)
{
    Places places = {.reterr = reterr};
    Status status = feeder->source ? STATUS_OK : open_source(feeder, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    source_group_init(&places.group, 1);
    status = read_store(feeder, &feeder->paused, &places, reterr);
    if (status == STATUS_OK && !feeder->paused) {
        status = feeder->source->ops->connect(feeder->source, places.group.places, places.group.place_count, reterr);
        feeder->connected = status == STATUS_OK;
    }
    source_group_release(&places.group);
    return status == STATUS_OK || status == STATUS_REFUSED ? status : STATUS_BUSY;
}

static void try_to_connect(Feeder *feeder)
{
    Error error;
    set_condition(feeder, SOURCE_CONNECTING);
    Status status = connect_source(feeder, &error);
    if (status != STATUS_OK) {
        lose_connection(feeder, status, &error);
    } else if (feeder->connected) {
        feeder->connected_us = clock_monotonic_us(feeder->options->clock);
        set_condition(feeder, SOURCE_RUNNING);
    }
}

static bool may_fetch(const Feeder *feeder)
{
    return feeder->connected && !feeder->ready && !feeder->paused && !feeder->finishing;
}

static Status prepare(Feeder *feeder, Batch *batch, Error *reterr)
{
    Status status = batch_prepare(batch, feeder->source_options, feeder->options, reterr);
    batch->submission.done = on_done;
    batch->submission.owner = feeder;
    return status;
}

/* *ret_any: something has come. */
static void fetch(Feeder *feeder, bool *ret_any)
{
    Error error;
    Batch *batch = may_fetch(feeder) ? free_batch(feeder) : NULL;
    Status status = feeder->source->ops->fetch(feeder->source, batch ? &batch->group : NULL, &error);
    if (status == STATUS_OK && batch && batch->group.count + batch->group.place_count > 0) {
        status = prepare(feeder, batch, &error);
        feeder->ready = status == STATUS_OK ? batch : NULL;
        *ret_any = status == STATUS_OK;
    }
    if (status != STATUS_OK) {
        lose_connection(feeder, status, &error);
    } else if (clock_monotonic_us(feeder->options->clock) - feeder->connected_us >= LASTING_US) {
        feeder->connect_failures = 0;
    }
}

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

static bool may_connect(const Feeder *feeder)
{
    return feeder->known && !feeder->flying && !feeder->connected && !feeder->paused && !feeder->finishing;
}

/* Until when there is nothing to do for the source, by the monotonic clock. */
static int64_t step_source(Feeder *feeder, int64_t now_us)
{
    bool any = false;
    if (!feeder->flying && feeder->paused) {
        pause_source(feeder);
    }
    if (may_connect(feeder)) {
        if (now_us < feeder->connect_us) {
            return feeder->connect_us;
        }
        try_to_connect(feeder);
    }
    if (feeder->connected) {
        fetch(feeder, &any);
    }
    note_lag(feeder);
    return any ? now_us : now_us + IDLE_US;
}

/* Whether there is a group that the processor should have. */
static bool has_work(const Feeder *feeder)
{
    return !feeder->handed_in && !feeder->finishing && (feeder->flying || (feeder->ready && !feeder->paused));
}

int64_t feeder_step(Feeder *feeder)
{
    take_result(feeder);
    look(feeder);
    int64_t now_us = clock_monotonic_us(feeder->options->clock);
    int64_t due_us = step_source(feeder, now_us);
    bool was_ready = feeder->ready;
    if (has_work(feeder) && now_us >= feeder->hold_us) {
        hand_in(feeder);
    }
    if (was_ready && !feeder->ready) {
        return 0; /* there is room to fetch */
    }
    if (has_work(feeder) && feeder->hold_us < due_us) {
        due_us = feeder->hold_us;
    }
    return due_us > now_us ? due_us - now_us : 0;
}

void feeder_wait(Feeder *feeder, int64_t us_max)
{
    if (may_fetch(feeder)) {
        feeder->source->ops->wait(feeder->source, us_max);
    } else {
        wakeup_wait(&feeder->wakeup, us_max);
    }
}

void feeder_wake(Feeder *feeder)
{
    pthread_mutex_lock(&feeder->lock);
    wake_all(feeder);
    pthread_mutex_unlock(&feeder->lock);
}

void feeder_look(Feeder *feeder)
{
    pthread_mutex_lock(&feeder->lock);
    feeder->look = true;
    wake_all(feeder);
    pthread_mutex_unlock(&feeder->lock);
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

bool feeder_finish(Feeder *feeder)
{
    feeder->finishing = true;
    if (feeder->handed_in) {
        return false;
    }
    set_condition(feeder, SOURCE_STOPPED);
    return true;
}

Status feeder_open(const IntakeOptions *options, const SourceOptions *source, FeederOpen *open, void *self,
                   Feeder **ret_feeder, Error *reterr)
{
    Feeder *feeder = calloc(1, sizeof *feeder);
    if (!feeder) {
        return error_set(reterr, STATUS_BUSY, "no memory for a source");
    }
    feeder->options = options;
    feeder->source_options = source;
    feeder->context = (SourceContext){source, store_info(options->store), options->clock, options->random};
    feeder->open = open;
    feeder->open_self = self;
    feeder->status.lag.messages = -1;
    feeder->wakeup = WAKEUP_NONE;
    pthread_mutex_init(&feeder->lock, NULL);
    for (size_t i = 0; i < 2; i++) {
        source_group_init(&feeder->batches[i].group, source->group_messages_max);
    }
    Status status = wakeup_init(&feeder->wakeup, reterr);
    if (status == STATUS_OK) {
        status = open_source(feeder, reterr);
    }
    if (status == STATUS_OK) {
        status = store_reader_open(options->store, &feeder->reader, reterr);
    }
    if (status != STATUS_OK) {
        feeder_close(feeder);
        return status;
    }
    *ret_feeder = feeder;
    return STATUS_OK;
}

void feeder_close(Feeder *feeder)
{
    if (feeder) {
        assert(!feeder->handed_in || feeder->landed);
        source_close(feeder->source);
        store_reader_close(feeder->reader);
        for (size_t i = 0; i < 2; i++) {
            source_group_release(&feeder->batches[i].group);
        }
        wakeup_release(&feeder->wakeup);
        pthread_mutex_destroy(&feeder->lock);
        free(feeder);
    }
}

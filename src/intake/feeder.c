#include "intake/feeder.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/backoff.h"
#include "base/wakeup.h"
#include "intake/decode.h"

#define RECONNECT_US     INT64_C(100000) /* the first wait after a failed connection … */
#define RECONNECT_US_MAX INT64_C(30000000)
#define HOLD_US          INT64_C(20000) /* after the processor had no room, or the disk none … */
#define HOLD_US_MAX      INT64_C(2000000)
#define LOOK_AGAIN_US    INT64_C(60000000) /* what a person has to look at is tried again so often */
#define IDLE_US          INT64_C(1000000)

/* A group and what it is handed in with. */
typedef struct Batch {
    Submission submission;
    IntakeChange intake;
    SourceGroup group;
    size_t *message_of; /* for each record */
} Batch;

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
    bool finishing;

    Wakeup wakeup; /* for when the source has nothing to wait for */

    pthread_mutex_t lock; /* guards what follows */
    bool landed, look;
    Status result;
    Error result_error;
    SourceStatus status;
};

/* ---- What others see ------------------------------------------------------------------------------------------------- */

static void set_condition(Feeder *feeder, SourceCondition condition)
{
    pthread_mutex_lock(&feeder->lock);
    feeder->status.condition = condition;
    if (condition == SOURCE_RUNNING) {
        feeder->status.error[0] = '\0';
        feeder->status.next_try_us = 0;
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
    for (size_t i = 0; i < batch->submission.work.records.count; i++) {
        counts[batch->submission.work.records.outcomes[i].kind]++;
    }
    pthread_mutex_lock(&feeder->lock);
    SourceStatus *status = &feeder->status;
    status->messages += (int64_t)batch->group.count;
    status->bytes += (int64_t)batch->group.bytes;
    status->created += counts[OUTCOME_CREATED];
    status->duplicates += counts[OUTCOME_DUPLICATE];
    status->conflicts += counts[OUTCOME_CONFLICT];
    status->rejected += counts[OUTCOME_REJECTED] + (int64_t)batch->intake.refused_count;
    status->dead_letters += (int64_t)batch->intake.lettered;
    status->message_us = clock_wall_us(feeder->options->clock);
    pthread_mutex_unlock(&feeder->lock);
}

void feeder_status(Feeder *feeder, SourceStatus *ret_status)
{
    pthread_mutex_lock(&feeder->lock);
    *ret_status = feeder->status;
    pthread_mutex_unlock(&feeder->lock);
    ret_status->options = feeder->source_options;
}

/* ---- Groups become work ------------------------------------------------------------------------------------------------ */

static void on_done(Submission *submission, Status status, const Error *error)
{
    Feeder *feeder = submission->owner;
    pthread_mutex_lock(&feeder->lock);
    feeder->landed = true;
    feeder->result = status;
    feeder->result_error = error ? *error : (Error){0};
    pthread_mutex_unlock(&feeder->lock);
    feeder_wake(feeder);
}

static IntakeLetter letter_of(const SourceMessage *message, Str error)
{
    return (IntakeLetter){.place = message->place,
                          .format = message->format,
                          .raw = message->raw,
                          .error = error,
                          .letter = message->letter};
}

/* Reads every message: a record, or a dead letter. BUSY: no memory. */
/* Only a message that is much longer than a group can reach the arena's ceiling, and it would do so each time. Where it is the system that has no
 * memory, another try may go well. */
static Status read_message(Feeder *feeder, SourceGroup *group, const SourceMessage *message, Record *ret_record,
                           Str *ret_why)
{
    group->arena.starved = false;
    Status status = decode_message(message, feeder->options->policy, &group->arena, ret_record, ret_why);
    if (status == STATUS_BUSY && !group->arena.starved) {
        *ret_why = STR("takes more memory to read than a message may");
        return STATUS_REFUSED;
    }
    return status;
}

static Status read_messages(Feeder *feeder, Batch *batch, Record *records, IntakeLetter *letters, IntakeLetter *refused)
{
    size_t record_count = 0, refused_count = 0;
    SourceGroup *group = &batch->group;
    for (size_t i = 0; i < group->count; i++) {
        SourceMessage *message = &group->messages[i];
        Str why = STR("");
        Status status = read_message(feeder, group, message, &records[record_count], &why);
        if (status == STATUS_BUSY) {
            return status;
        }
        if (status == STATUS_OK) {
            batch->message_of[record_count] = i;
            letters[record_count++] = letter_of(message, why);
        } else {
            message->error = why;
            refused[refused_count++] = letter_of(message, why);
        }
    }
    batch->submission.work.records.count = record_count;
    batch->intake.refused_count = refused_count;
    return STATUS_OK;
}

static Status prepare(Feeder *feeder, Batch *batch, Error *reterr)
{
    SourceGroup *group = &batch->group;
    Record *records = ARENA_ARRAY(&group->arena, Record, group->count);
    Outcome *outcomes = ARENA_ARRAY(&group->arena, Outcome, group->count);
    IntakeLetter *letters = ARENA_ARRAY(&group->arena, IntakeLetter, group->count);
    IntakeLetter *refused = ARENA_ARRAY(&group->arena, IntakeLetter, group->count);
    batch->message_of = ARENA_ARRAY(&group->arena, size_t, group->count);
    batch->submission = (Submission){
        .work = {.kind = WORK_RECORDS, .records = {.items = records, .outcomes = outcomes, .intake = &batch->intake}},
        .bytes = group->bytes + group->count + 1,
        .done = on_done,
        .owner = feeder};
    batch->intake = (IntakeChange){.source = str_from(feeder->source_options->name),
                                   .places = group->places,
                                   .place_count = group->place_count,
                                   .letters = letters,
                                   .refused = refused,
                                   .first_wins = feeder->options->first_wins};
    if (!records || !outcomes || !letters || !refused || !batch->message_of ||
        read_messages(feeder, batch, records, letters, refused) != STATUS_OK) {
        return error_set(reterr, STATUS_BUSY, "no memory for the messages of a group");
    }
    return STATUS_OK;
}

/* The source is told what became of each. */
static void fill_outcomes(Batch *batch)
{
    const Work *work = &batch->submission.work;
    for (size_t i = 0; i < work->records.count; i++) {
        SourceMessage *message = &batch->group.messages[batch->message_of[i]];
        OutcomeKind kind = work->records.outcomes[i].kind;
        message->outcome = kind == OUTCOME_CONFLICT && batch->intake.first_wins ? OUTCOME_DUPLICATE : kind;
        message->differs = work->records.outcomes[i].differs;
    }
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

/* ---- The processor --------------------------------------------------------------------------------------------------- */

/* It is handed in again after a while: whether it happened or not, that is safe. */
static void hold(Feeder *feeder, const Error *error)
{
    int64_t wait_us = backoff_exponential_us(HOLD_US, HOLD_US_MAX, ++feeder->hold_failures, feeder->options->random);
    feeder->hold_us = clock_monotonic_us(feeder->options->clock) + wait_us;
    note_error(feeder, SOURCE_HOLDING, error, wait_us);
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
        hold(feeder, &error);
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
    count_batch(feeder, batch);
    if (!feeder->connected) {
        return;
    }
    fill_outcomes(batch);
    Status status = feeder->source->ops->acknowledge(feeder->source, &batch->group, &error);
    if (status != STATUS_OK) {
        lose_connection(feeder, status, &error);
    } else {
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
        hold(feeder, status == STATUS_OK ? &work->error : &error);
    }
}

/* ---- The source ------------------------------------------------------------------------------------------------------ */

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
    *ret_paused = state.paused;
    return status;
}

/* Whether a person wants it to run. */
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
    feeder->known = read_store(feeder, &feeder->paused, NULL, &error) == STATUS_OK;
    feeder->connect_us = asked ? 0 : feeder->connect_us;
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

static Status connect_source(Feeder *feeder, Error *reterr)
{
    Places places = {.reterr = reterr};
    Status status = feeder->source ? STATUS_OK : open_source(feeder, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    source_group_init(&places.group, 1);
    status = read_store(feeder, &feeder->paused, &places, reterr);
    if (status == STATUS_OK) {
        status = feeder->source->ops->connect(feeder->source, places.group.places, places.group.place_count, reterr);
    }
    source_group_release(&places.group);
    return status == STATUS_OK || status == STATUS_REFUSED ? status : STATUS_BUSY;
}

static void connect(Feeder *feeder)
{
    Error error;
    set_condition(feeder, SOURCE_CONNECTING);
    Status status = connect_source(feeder, &error);
    if (status != STATUS_OK) {
        lose_connection(feeder, status, &error);
        return;
    }
    feeder->connected = true;
    feeder->connect_failures = 0;
    set_condition(feeder, SOURCE_RUNNING);
}

static bool may_fetch(const Feeder *feeder)
{
    return feeder->connected && !feeder->ready && !feeder->paused && !feeder->finishing;
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
    }
}

/* ---- Steps ----------------------------------------------------------------------------------------------------------- */

/* Until when there is nothing to do for the source, by the monotonic clock. */
static int64_t step_source(Feeder *feeder, int64_t now_us)
{
    bool any = false;
    if (!feeder->flying && feeder->paused) {
        pause_source(feeder);
    }
    if (!feeder->flying && !feeder->connected && !feeder->paused && !feeder->finishing) {
        if (now_us < feeder->connect_us) {
            return feeder->connect_us;
        }
        connect(feeder);
    }
    if (feeder->connected) {
        fetch(feeder, &any);
        note_lag(feeder);
    }
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
    if (has_work(feeder) && now_us >= feeder->hold_us) {
        hand_in(feeder);
    }
    if (has_work(feeder) && feeder->hold_us < due_us) {
        due_us = feeder->hold_us;
    }
    /* What was just handed in makes room to fetch, if it was the ready one. */
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
    wakeup_call(&feeder->wakeup);
    if (feeder->source) {
        feeder->source->ops->wake(feeder->source);
    }
    pthread_mutex_unlock(&feeder->lock);
}

void feeder_look(Feeder *feeder)
{
    pthread_mutex_lock(&feeder->lock);
    feeder->look = true;
    pthread_mutex_unlock(&feeder->lock);
    feeder_wake(feeder);
}

/* ---- Life ------------------------------------------------------------------------------------------------------------ */

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
        assert(!feeder->handed_in);
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

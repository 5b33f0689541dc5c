#include "support/fake_deliveries.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "deliver/message.h"
#include "support/fake_store.h"

/* A retry and the line that it belongs to. */
typedef struct FakeRetry {
    Str sink;
    int64_t job;
    StoredRetry retry;
} FakeRetry;

enum { SINKS_MAX = 64, REPLAYS_MAX = 64, RETRIES_MAX = 3 * STORE_RETRIES_MAX, LETTERS_MAX = 20000 };

struct FakeDeliveries {
    Arena texts;
    StoredSink sinks[SINKS_MAX]; /* by name */
    size_t sink_count;
    FakeRetry *retries; /* in no order */
    size_t retry_count;
    StoredAttempt *attempts; /* a ring */
    int64_t attempts_made;
    DeadLetter *letters; /* by id */
    size_t letter_count;
    int64_t last_letter;               /* ids are not used again */
    StoredReplay replays[REPLAYS_MAX]; /* by id, 1 … */
    size_t replay_count;
};

FakeDeliveries *fake_deliveries_new(void)
{
    FakeDeliveries *deliveries = calloc(1, sizeof *deliveries);
    assert(deliveries);
    arena_init(&deliveries->texts, 64 << 10, (size_t)1 << 30);
    deliveries->retries = calloc(RETRIES_MAX, sizeof *deliveries->retries);
    deliveries->attempts = calloc(STORE_ATTEMPTS_MAX, sizeof *deliveries->attempts);
    deliveries->letters = calloc(LETTERS_MAX, sizeof *deliveries->letters);
    assert(deliveries->retries && deliveries->attempts && deliveries->letters);
    return deliveries;
}

void fake_deliveries_free(FakeDeliveries *deliveries)
{
    arena_release(&deliveries->texts);
    free(deliveries->retries);
    free(deliveries->attempts);
    free(deliveries->letters);
    free(deliveries);
}

static Str keep(FakeDeliveries *deliveries, Str text)
{
    Str copy = arena_copy(&deliveries->texts, text.len ? text : STR(""));
    assert(copy.ptr);
    return copy;
}

static void refuse(Work *work, const char *what) { work->status = error_set(&work->error, STATUS_REFUSED, "%s", what); }

/* ---- Sinks ------------------------------------------------------------------------------------------------------- */

static StoredSink *sink_of(FakeDeliveries *deliveries, Str name)
{
    for (size_t i = 0; i < deliveries->sink_count; i++) {
        if (str_equal(deliveries->sinks[i].name, name)) {
            return &deliveries->sinks[i];
        }
    }
    return NULL;
}

static int compare_names(const void *a, const void *b)
{
    Str left = ((const StoredSink *)a)->name, right = ((const StoredSink *)b)->name;
    int order = memcmp(left.ptr, right.ptr, left.len < right.len ? left.len : right.len);
    return order ? order : (left.len > right.len) - (left.len < right.len);
}

static void put_sink(FakeDeliveries *deliveries, const StoredSink *sink, int64_t now_us)
{
    if (sink_of(deliveries, sink->name)) {
        return;
    }
    assert(deliveries->sink_count < SINKS_MAX);
    deliveries->sinks[deliveries->sink_count++] = (StoredSink){.name = keep(deliveries, sink->name),
                                                               .reason = STR(""),
                                                               .place = sink->place,
                                                               .version = 1,
                                                               .created_us = now_us,
                                                               .updated_us = now_us};
    qsort(deliveries->sinks, deliveries->sink_count, sizeof deliveries->sinks[0], compare_names);
}

static void touch(StoredSink *sink, int64_t now_us)
{
    sink->version++;
    sink->updated_us = now_us;
}

static void set_state(FakeDeliveries *deliveries, Work *work, int64_t now_us)
{
    StoredSink *sink = sink_of(deliveries, work->sink.name);
    if (!sink) {
        refuse(work, "there is no such sink");
        return;
    }
    sink->state = work->sink.state;
    sink->reason = keep(deliveries, work->sink.reason);
    touch(sink, now_us);
}

/* ---- Retries ----------------------------------------------------------------------------------------------------- */

static bool is_of_line(const FakeRetry *retry, Str sink, int64_t job)
{
    return retry->job == job && str_equal(retry->sink, sink);
}

static size_t count_retries(const FakeDeliveries *deliveries, Str sink)
{
    size_t count = 0;
    for (size_t i = 0; i < deliveries->retry_count; i++) {
        count += is_of_line(&deliveries->retries[i], sink, 0);
    }
    return count;
}

static void drop_retry(FakeDeliveries *deliveries, Str sink, int64_t job, int64_t seq)
{
    for (size_t i = 0; i < deliveries->retry_count; i++) {
        FakeRetry *retry = &deliveries->retries[i];
        if (retry->retry.seq == seq && is_of_line(retry, sink, job)) {
            *retry = deliveries->retries[--deliveries->retry_count];
            return;
        }
    }
}

static void drop_retries(FakeDeliveries *deliveries, Str sink, int64_t job)
{
    for (size_t i = deliveries->retry_count; i-- > 0;) {
        if (is_of_line(&deliveries->retries[i], sink, job)) {
            deliveries->retries[i] = deliveries->retries[--deliveries->retry_count];
        }
    }
}

static void put_retry(FakeDeliveries *deliveries, Str sink, int64_t job, const StoredRetry *retry)
{
    drop_retry(deliveries, sink, job, retry->seq);
    assert(deliveries->retry_count < RETRIES_MAX);
    deliveries->retries[deliveries->retry_count++] = (FakeRetry){keep(deliveries, sink), job, *retry};
}

/* ---- Dead letters ------------------------------------------------------------------------------------------------ */

static DeadLetter *letter_of(FakeDeliveries *deliveries, Str sink, int64_t seq)
{
    for (size_t i = 0; i < deliveries->letter_count; i++) {
        DeadLetter *letter = &deliveries->letters[i];
        if (letter->stage == DEAD_LETTER_DELIVERY && letter->seq == seq && str_equal(letter->origin, sink)) {
            return letter;
        }
    }
    return NULL;
}

DeadLetter *fake_deliveries_letter(FakeDeliveries *deliveries, int64_t id)
{
    for (size_t i = 0; i < deliveries->letter_count; i++) {
        if (deliveries->letters[i].id == id) {
            return &deliveries->letters[i];
        }
    }
    return NULL;
}

DeadLetter *fake_deliveries_add_letter(FakeDeliveries *deliveries, const DeadLetter *letter)
{
    assert(deliveries->letter_count < LETTERS_MAX);
    DeadLetter *made = &deliveries->letters[deliveries->letter_count++];
    *made = *letter;
    made->id = ++deliveries->last_letter;
    Str *texts[] = {&made->origin, &made->error, &made->place, &made->format, &made->raw};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = keep(deliveries, *texts[i]);
    }
    return made;
}

void fake_deliveries_drop_letter(FakeDeliveries *deliveries, int64_t id)
{
    DeadLetter *letter = fake_deliveries_letter(deliveries, id);
    size_t at = (size_t)(letter - deliveries->letters);
    memmove(letter, letter + 1, (--deliveries->letter_count - at) * sizeof *letter);
}

static void announce(Store *store, const DeadLetter *letter)
{
    const StoredMessage *about = fake_store_message_at(store, letter->seq);
    if (about && str_is(about->kind, "dead_letter.created")) {
        return;
    }
    Buf body;
    buf_init(&body, 64 << 10);
    message_put_dead_letter_body(&body, letter);
    assert(!body.failed);
    fake_store_add_message(store, STR("dead_letter.created"), fake_store_at(store, letter->seq) ? letter->seq : 0,
                           letter->created_us, buf_str(&body));
    buf_release(&body);
}

static void put_letter(FakeDeliveries *deliveries, Store *store, DeliveryChange *change, const DeadLetter *dead,
                       int64_t now_us)
{
    DeadLetter *letter = letter_of(deliveries, change->sink, dead->seq);
    bool is_new = !letter;
    if (is_new) {
        letter = fake_deliveries_add_letter(deliveries, &(DeadLetter){.stage = DEAD_LETTER_DELIVERY,
                                                                      .origin = change->sink,
                                                                      .seq = dead->seq,
                                                                      .created_us = now_us});
    }
    letter->state = DEAD_LETTER_OPEN;
    letter->error = keep(deliveries, dead->error);
    letter->attempts = dead->attempts;
    letter->updated_us = now_us;
    change->dead_made += is_new;
    if (is_new && change->announce) {
        announce(store, letter);
    }
}

static bool is_picked(const DeadLetter *letter, const DeadLetterFilter *filter)
{
    return (filter->stage < 0 || (int)letter->stage == filter->stage) &&
           (filter->state < 0 || (int)letter->state == filter->state) &&
           (!filter->origin.len || str_equal(letter->origin, filter->origin)) &&
           (!filter->id || letter->id == filter->id) && (!filter->before || letter->id < filter->before) &&
           (!filter->seq || (letter->stage == DEAD_LETTER_DELIVERY && letter->seq == filter->seq)) &&
           (!filter->behind || (letter->stage == DEAD_LETTER_DELIVERY && letter->seq > filter->behind)) &&
           (!filter->place.len || (letter->stage == DEAD_LETTER_INTAKE && str_equal(letter->place, filter->place)));
}

/* The flow of the record that is there, or that the alert is about. */
static uint64_t flow_of(Store *store, int64_t seq)
{
    const StoredMessage *message = fake_store_message_at(store, seq);
    bool is_alert = message && str_is(message->kind, "alert");
    const StoredRecord *row = fake_store_at(store, is_alert ? message->record_seq : seq);
    return row ? record_flow_hash(row->record.destination_id, row->record.reference, row->record.unit,
                                  store_info(store)->hash_seed)
               : 0;
}

static bool retry_letter(FakeDeliveries *deliveries, Store *store, const DeadLetter *letter, int64_t now_us)
{
    if (!sink_of(deliveries, letter->origin) || count_retries(deliveries, letter->origin) >= STORE_RETRIES_MAX) {
        return false;
    }
    StoredRetry retry = {letter->seq, letter->attempts, now_us, flow_of(store, letter->seq)};
    put_retry(deliveries, letter->origin, 0, &retry);
    return true;
}

static bool may_change(const DeadLetter *letter, const DeadLetterChange *change)
{
    return change->count < change->limit && letter->state == DEAD_LETTER_OPEN && is_picked(letter, &change->filter);
}

static void set_letter_state(DeadLetterChange *change, DeadLetter *letter, DeadLetterState state, int64_t now_us)
{
    letter->state = state;
    letter->updated_us = now_us;
    change->count++;
}

static void discard_letters(FakeDeliveries *deliveries, DeadLetterChange *change, int64_t now_us)
{
    for (size_t i = 0; i < deliveries->letter_count; i++) {
        if (may_change(&deliveries->letters[i], change)) {
            set_letter_state(change, &deliveries->letters[i], DEAD_LETTER_DISCARDED, now_us);
        }
    }
}

static void retry_intake_letters(FakeDeliveries *deliveries, DeadLetterChange *change, int64_t now_us)
{
    for (size_t i = 0; i < deliveries->letter_count; i++) {
        DeadLetter *letter = &deliveries->letters[i];
        if (letter->stage == DEAD_LETTER_INTAKE && may_change(letter, change)) {
            bool mended = change->raw.len && change->filter.id;
            letter->raw = mended ? keep(deliveries, change->raw) : letter->raw;
            set_letter_state(change, letter, DEAD_LETTER_RETRYING, now_us);
        }
    }
}

/* Each sink's version grows once, however many of its letters are tried again. */
static void retry_delivery_letters(FakeDeliveries *deliveries, Store *store, DeadLetterChange *change, int64_t now_us)
{
    bool touched[SINKS_MAX] = {0};
    for (size_t i = 0; i < deliveries->letter_count; i++) {
        DeadLetter *letter = &deliveries->letters[i];
        if (letter->stage != DEAD_LETTER_DELIVERY || !may_change(letter, change) ||
            !retry_letter(deliveries, store, letter, now_us)) {
            continue;
        }
        set_letter_state(change, letter, DEAD_LETTER_RETRYING, now_us);
        StoredSink *sink = sink_of(deliveries, letter->origin);
        if (!touched[sink - deliveries->sinks]) {
            touched[sink - deliveries->sinks] = true;
            touch(sink, now_us);
        }
    }
}

static void change_letters(FakeDeliveries *deliveries, Store *store, DeadLetterChange *change, int64_t now_us)
{
    change->count = 0;
    if (change->action == DEAD_LETTER_DISCARD) {
        discard_letters(deliveries, change, now_us);
    } else {
        retry_intake_letters(deliveries, change, now_us);
        retry_delivery_letters(deliveries, store, change, now_us);
    }
}

int64_t fake_deliveries_open_letters(const FakeDeliveries *deliveries)
{
    int64_t count = 0;
    for (size_t i = 0; i < deliveries->letter_count; i++) {
        count += deliveries->letters[i].state == DEAD_LETTER_OPEN;
    }
    return count;
}

/* ---- Replays ----------------------------------------------------------------------------------------------------- */

static StoredReplay *running_replay(FakeDeliveries *deliveries, int64_t id)
{
    bool is_there = id > 0 && id <= (int64_t)deliveries->replay_count;
    StoredReplay *replay = is_there ? &deliveries->replays[id - 1] : NULL;
    return replay && replay->state == REPLAY_RUNNING ? replay : NULL;
}

static void put_replay(FakeDeliveries *deliveries, Work *work, int64_t now_us)
{
    StoredSink *sink = sink_of(deliveries, work->replay.sink);
    if (!sink) {
        refuse(work, "there is no such sink");
        return;
    }
    assert(deliveries->replay_count < REPLAYS_MAX);
    StoredReplay *replay = &deliveries->replays[deliveries->replay_count++];
    *replay = (StoredReplay){.id = (int64_t)deliveries->replay_count,
                             .sink = sink->name,
                             .after = work->replay.after,
                             .through = work->replay.through,
                             .filter = keep(deliveries, work->replay.filter),
                             .place = {.cursor = work->replay.after},
                             .created_us = now_us,
                             .updated_us = now_us};
    touch(sink, now_us);
    work->replay = *replay;
}

static void cancel_replay(FakeDeliveries *deliveries, Work *work, int64_t now_us)
{
    StoredReplay *replay = running_replay(deliveries, work->replay.id);
    if (!replay) {
        refuse(work, "there is no such replay, or it has come to its end");
        return;
    }
    replay->state = REPLAY_CANCELLED;
    replay->updated_us = now_us;
    drop_retries(deliveries, replay->sink, replay->id);
    touch(sink_of(deliveries, replay->sink), now_us);
}

/* ---- A line has moved -------------------------------------------------------------------------------------------- */

static bool move_replay(FakeDeliveries *deliveries, const DeliveryChange *change, int64_t now_us)
{
    StoredReplay *replay = running_replay(deliveries, change->job);
    if (!replay || !str_equal(replay->sink, change->sink)) {
        return false;
    }
    replay->place = change->place;
    replay->sent = change->sent;
    replay->failed = change->failed;
    replay->state = change->done ? REPLAY_DONE : REPLAY_RUNNING;
    replay->updated_us = now_us;
    return true;
}

static bool move_sink(FakeDeliveries *deliveries, const DeliveryChange *change)
{
    StoredSink *sink = sink_of(deliveries, change->sink);
    if (sink) {
        sink->place = change->place;
    }
    return sink;
}

static void settle(FakeDeliveries *deliveries, const DeliveryChange *change, int64_t seq, int64_t now_us)
{
    drop_retry(deliveries, change->sink, change->job, seq);
    DeadLetter *letter = change->job == 0 ? letter_of(deliveries, change->sink, seq) : NULL;
    if (letter && letter->state == DEAD_LETTER_RETRYING) {
        letter->state = DEAD_LETTER_RESOLVED;
        letter->updated_us = now_us;
    }
}

static void add_attempt(FakeDeliveries *deliveries, const DeliveryChange *change, const StoredAttempt *attempt)
{
    StoredAttempt *copy = &deliveries->attempts[deliveries->attempts_made++ % STORE_ATTEMPTS_MAX];
    *copy = *attempt;
    copy->sink = keep(deliveries, change->sink);
    copy->job = change->job;
    copy->error = keep(deliveries, attempt->error);
    copy->response = keep(deliveries, attempt->response);
}

static void apply_delivery(FakeDeliveries *deliveries, Store *store, Work *work, int64_t now_us)
{
    DeliveryChange *change = &work->delivery;
    change->dead_made = 0;
    if (!(change->job ? move_replay(deliveries, change, now_us) : move_sink(deliveries, change))) {
        refuse(work, "there is no such sink or replay (any more)");
        return;
    }
    for (size_t i = 0; i < change->retry_count; i++) {
        put_retry(deliveries, change->sink, change->job, &change->retries[i]);
    }
    for (size_t i = 0; i < change->settled_count; i++) {
        settle(deliveries, change, change->settled[i], now_us);
    }
    for (size_t i = 0; i < change->dead_count; i++) {
        put_letter(deliveries, store, change, &change->dead[i], now_us);
    }
    for (size_t i = 0; i < change->attempt_count; i++) {
        add_attempt(deliveries, change, &change->attempts[i]);
    }
    if (change->job && change->done) {
        drop_retries(deliveries, change->sink, change->job);
    }
}

void fake_deliveries_apply(FakeDeliveries *deliveries, Store *store, Work *work, int64_t now_us)
{
    switch (work->kind) {
    case WORK_SINK_PUT: put_sink(deliveries, &work->sink, now_us); break;
    case WORK_SINK_STATE: set_state(deliveries, work, now_us); break;
    case WORK_DELIVERY: apply_delivery(deliveries, store, work, now_us); break;
    case WORK_DEAD_LETTERS: change_letters(deliveries, store, &work->dead_letters, now_us); break;
    case WORK_REPLAY_PUT: put_replay(deliveries, work, now_us); break;
    case WORK_REPLAY_CANCEL: cancel_replay(deliveries, work, now_us); break;
    default: assert(false && "no work of deliveries"); break;
    }
}

/* ---- Read -------------------------------------------------------------------------------------------------------- */

void fake_deliveries_sinks(const FakeDeliveries *deliveries, SinkVisitor *visit, void *context)
{
    bool go_on = true;
    for (size_t i = 0; i < deliveries->sink_count && go_on; i++) {
        go_on = visit(context, &deliveries->sinks[i]);
    }
}

static int compare_retries(const void *a, const void *b)
{
    int64_t left = ((const FakeRetry *)a)->retry.seq, right = ((const FakeRetry *)b)->retry.seq;
    return (left > right) - (left < right);
}

void fake_deliveries_retries(FakeDeliveries *deliveries, Str sink, int64_t job, RetryVisitor *visit, void *context)
{
    bool go_on = true;
    qsort(deliveries->retries, deliveries->retry_count, sizeof deliveries->retries[0], compare_retries);
    for (size_t i = 0; i < deliveries->retry_count && go_on; i++) {
        if (is_of_line(&deliveries->retries[i], sink, job)) {
            go_on = visit(context, &deliveries->retries[i].retry);
        }
    }
}

void fake_deliveries_attempts(const FakeDeliveries *deliveries, int64_t seq, AttemptVisitor *visit, void *context)
{
    int64_t made = deliveries->attempts_made;
    bool go_on = true;
    for (int64_t i = made > STORE_ATTEMPTS_MAX ? made - STORE_ATTEMPTS_MAX : 0; i < made && go_on; i++) {
        const StoredAttempt *attempt = &deliveries->attempts[i % STORE_ATTEMPTS_MAX];
        if (attempt->seq == seq) {
            go_on = visit(context, attempt);
        }
    }
}

void fake_deliveries_letters(const FakeDeliveries *deliveries, const DeadLetterFilter *filter, DeadLetterVisitor *visit,
                             void *context)
{
    bool go_on = true;
    for (size_t i = deliveries->letter_count; i-- > 0 && go_on;) {
        DeadLetter letter = deliveries->letters[i];
        letter.raw_bytes = letter.raw.len;
        letter.raw = filter->without_raw ? (Str){NULL, 0} : letter.raw;
        if (is_picked(&letter, filter)) {
            go_on = visit(context, &letter);
        }
    }
}

void fake_deliveries_replays(const FakeDeliveries *deliveries, Str sink, ReplayVisitor *visit, void *context)
{
    bool go_on = true;
    for (size_t i = 0; i < deliveries->replay_count && go_on; i++) {
        if (!sink.len || str_equal(deliveries->replays[i].sink, sink)) {
            go_on = visit(context, &deliveries->replays[i]);
        }
    }
}

/* The embedded store while memory gives out: a life of a store (opened, given batches with duplicates, conflicts and
 * alerts, published, merged, read, closed) is lived again and again, and each time another allocation of it fails,
 * alone, with a few or with all behind it until the store has said so. Each call's status is what store.h allows,
 * nothing leaks, and in the end the store verifies and holds all that was acknowledged, once.
 * See torture_life.h. */
#include "torture_life.h"

#include <stdlib.h>

#include "support/scratch_dir.h"
#include "torture_readings.h"

enum { BASE = 120, BATCH = 40, LIFE_BATCHES = 3, RECORDS = BASE + LIFE_BATCHES * BATCH };
enum { MAINTAIN_MAX = 400, ALERT_ABOVE = 9000 };

static char base_dir[256];
static char ids[RECORDS][16], destinations[8][16];

static Record make(const Store *store, int number)
{
    Record record = {.record_id = str_from(ids[number]),
                     .source_id = STR("source-1"),
                     .destination_id = str_from(destinations[number % 7]),
                     .unit = number % 3 ? STR("EUR") : STR("SEK"),
                     .reference = number % 2 ? STR("ref-1") : STR("ref-2"),
                     .time_us = number * INT64_C(1800000000),
                     .value = number % 11 * 1000,
                     .type = number % 4 ? RECORD_POSITIVE : RECORD_NEGATIVE};
    const StoreInfo *info = store_info(store);
    record.identity_hash = record_identity_hash(&record, info->identity, info->hash_seed);
    return record;
}

static StoreOptions options_for(const char *dir)
{
    StoreOptions options = store_options_default(dir);
    options.background = false;
    options.publish_records = 16; /* publishes and merges all the time */
    options.free_reserve_bytes = 0;
    options.flow_cache_bytes = 1 << 20;
    return options;
}

/* ---- A life ------------------------------------------------------------------------------------------------------ */

static void open_store(Life *life)
{
    StoreOptions options = options_for(life->dir);
    life_open(life, &options);
}

static void open_again(Life *life)
{
    store_close(life->store);
    open_store(life);
}

/* ---- Batches ----------------------------------------------------------------------------------------------------- */

/* A batch of new records, some from before, one of these with other content, and an atomic one that contradicts; and a
 * rule. */
typedef struct Batch {
    Record records[BATCH + 6], atomic[2];
    Outcome outcomes[BATCH + 6], atomic_outcomes[2];
    Work works[3];
    Arena stored;
    int first;
} Batch;

static void make_batch(const Store *store, Batch *batch, int first)
{
    *batch = (Batch){.first = first};
    for (int i = 0; i < BATCH; i++) {
        batch->records[i] = make(store, first + i);
    }
    for (int i = 0; i < 6; i++) {
        batch->records[BATCH + i] = make(store, first - 1 - i * 3);
    }
    batch->records[BATCH + 5].value += 1;
    batch->atomic[0] = make(store, RECORDS - 1); /* left out, since the other contradicts, until it comes by itself */
    batch->atomic[1] = make(store, 0);
    batch->atomic[1].unit = STR("NOK");
    arena_init(&batch->stored, 4096, 1 << 20);
    batch->works[0] =
        (Work){.kind = WORK_RECORDS,
               .next = &batch->works[1],
               .records = {
                   .items = batch->records, .outcomes = batch->outcomes, .count = BATCH + 6, .stored = &batch->stored}};
    batch->works[1] =
        (Work){.kind = WORK_RECORDS,
               .next = &batch->works[2],
               .records = {.items = batch->atomic, .outcomes = batch->atomic_outcomes, .count = 2, .atomic = true}};
    batch->works[2] = (Work){.kind = WORK_RULE_PUT,
                             .rule = {.name = str_from(ids[first]),
                                      .unit = STR("none"),
                                      .type = -1,
                                      .measure = RULE_VALUE,
                                      .threshold = 1,
                                      .enabled = true}};
}

/* `kind` is what the new records have to be. */
static void check_outcomes(const Life *life, const Batch *batch, OutcomeKind kind)
{
    bool right = batch->works[0].status == STATUS_OK && batch->works[1].status == STATUS_CONFLICT;
    for (int i = 0; i < BATCH; i++) {
        right = right && batch->outcomes[i].kind == kind && batch->outcomes[i].seq > 0;
    }
    for (int i = BATCH; i < BATCH + 5; i++) {
        right = right && batch->outcomes[i].kind == OUTCOME_DUPLICATE;
    }
    const Outcome *conflict = &batch->outcomes[BATCH + 5];
    right = right && conflict->kind == OUTCOME_CONFLICT && conflict->differs == FIELD_VALUE;
    right = right && conflict->starved == !conflict->stored; /* for want of memory, which is no reason to fail */
    right = right && (conflict->starved || conflict->stored->record.value + 1 == batch->records[BATCH + 5].value);
    if (!right) {
        fail_life(life, "outcomes", batch->works[0].status, "are not what they have to be");
    }
    assert_int_equal(batch->works[2].status, kind == OUTCOME_CREATED ? STATUS_OK : STATUS_REFUSED);
}

static Status apply(Life *life, Batch *batch, int first, Error *reterr)
{
    arena_release(&batch->stored);
    make_batch(life->store, batch, first);
    return store_apply(life->store, batch->works, reterr);
}

/* BUSY: nothing happened, so that the same goes through when it is sent again. UNKNOWN or BROKEN: the store takes
 * nothing more, and when it was opened again all of the batch is there, or nothing of it. */
static void apply_batch(Life *life, int first)
{
    static Batch batch;
    Error error = {0};
    int64_t before = store_last_seq(life->store);
    Status status = apply(life, &batch, first, &error);
    OutcomeKind kind = OUTCOME_CREATED;
    if (!is_ok(life, "apply", status, BUSY | UNKNOWN | BROKEN, &error)) {
        if (status == STATUS_BUSY) {
            assert_int_equal(store_last_seq(life->store), before);
        } else {
            assert_int_equal(apply(life, &batch, first, &error), STATUS_BROKEN);
            open_again(life);
            kind = store_last_seq(life->store) == before ? OUTCOME_CREATED : OUTCOME_DUPLICATE;
        }
        assert_true(status == STATUS_UNKNOWN || kind == OUTCOME_CREATED);
        status = apply(life, &batch, first, &error);
        if (status != STATUS_OK) {
            fail_life(life, "apply once more", status, error.message);
        }
    }
    check_outcomes(life, &batch, kind);
    arena_release(&batch.stored);
}

/* ---- Deliveries -------------------------------------------------------------------------------------------------- */

/* A line that moves, with two dead letters, one of which is tried again, and a replay. Done twice it is what it is. */
typedef struct Round {
    DeadLetter dead[2];
    StoredRetry retry;
    StoredAttempt attempt;
    int64_t settled[3];
    Work works[4];
} Round;

static void make_round(Round *round, int64_t seq)
{
    Str sink = str_from(sink_name);
    *round =
        (Round){.retry = {.seq = seq + 3, .attempts = 1}, .attempt = {.seq = seq, .number = 1, .error = STR("no")}};
    for (int i = 0; i < 2; i++) {
        round->dead[i] = (DeadLetter){.seq = seq + i, .error = STR("no"), .attempts = 9};
    }
    for (int i = 0; i < 3; i++) {
        round->settled[i] = seq + i;
    }
    round->works[0] = (Work){.kind = WORK_SINK_PUT, .sink = {.name = sink}};
    round->works[1] = (Work){.kind = WORK_DELIVERY,
                             .delivery = {.sink = sink,
                                          .place = {seq, seq},
                                          .retries = &round->retry,
                                          .retry_count = 1,
                                          .settled = round->settled,
                                          .settled_count = 3,
                                          .attempts = &round->attempt,
                                          .attempt_count = 1,
                                          .dead = round->dead,
                                          .dead_count = 2,
                                          .announce = true}};
    round->works[2] = (Work){.kind = WORK_DEAD_LETTERS, .dead_letters = {.filter = DEAD_LETTER_FILTER_ALL, .limit = 1}};
    round->works[3] = (Work){.kind = WORK_REPLAY_PUT, .replay = {.sink = sink, .through = seq, .filter = STR("{}")}};
    for (int i = 0; i < 3; i++) {
        round->works[i].next = &round->works[i + 1];
    }
}

static void deliver(Life *life, int64_t seq)
{
    Round round;
    Error error = {0};
    make_round(&round, seq);
    Status status = store_apply(life->store, round.works, &error);
    if (!is_ok(life, "deliver", status, BUSY | UNKNOWN | BROKEN, &error)) {
        if (status != STATUS_BUSY) {
            open_again(life);
        }
        status = store_apply(life->store, round.works, &error);
        if (status != STATUS_OK) {
            fail_life(life, "deliver once more", status, error.message);
        }
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(round.works[i].status, STATUS_OK);
    }
    assert_int_equal(round.works[2].dead_letters.count, 1);
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

enum { EVENT_RECORDS = 3, ROUND_EVENTS = 6 }; /* records that a round makes */

/* An event, twice, its correction, and one that failed; behind them the event as the correction knows it, and a
 * duplicate of other bytes; then the one before it, as an event of its own. */
typedef struct EventRound {
    char ids[ROUND_EVENTS][32];
    Record records[ROUND_EVENTS];
    Outcome outcomes[ROUND_EVENTS];
    EventItem items[ROUND_EVENTS];
    EventChange change, behind, taken;
    Work works[2], last;
} EventRound;

static void make_event_round(const Store *store, EventRound *round, int number)
{
    static const char *const formats[] = {"sha256:%d",     "sha256:%d", "correction:%d:1",
                                          "sha256:now-%d", "sha256:%d", "sha256:taken-%d"};
    static const char *const raws[] = {"{}", "{ }", "{}", "{}", "{  }", "{ }"};
    *round = (EventRound){.change = {.items = round->items, .failed = round->items, .failed_count = 1},
                          .behind = {.items = round->items + 3},
                          .taken = {.items = round->items + 5}};
    for (int i = 0; i < ROUND_EVENTS; i++) {
        snprintf(round->ids[i], sizeof round->ids[i], formats[i], number);
        round->records[i] = make(store, 0); /* whose value is 0 */
        round->records[i].record_id = str_from(round->ids[i]);
        const StoreInfo *info = store_info(store);
        round->records[i].identity_hash = record_identity_hash(&round->records[i], info->identity, info->hash_seed);
        round->items[i] =
            (EventItem){.client = str_from(destinations[number]), .raw = str_from(raws[i]), .received_us = 1};
    }
    round->items[2].corrects = 1;
    round->items[2].replaces = true;
    round->items[2].alias = str_from(round->ids[3]);
    for (int i = 0; i < 2; i++) {
        round->works[i] = (Work){.kind = WORK_RECORDS,
                                 .next = i ? NULL : &round->works[1],
                                 .records = {.items = round->records + 3 * i,
                                             .outcomes = round->outcomes + 3 * i,
                                             .count = i ? 2 : 3,
                                             .events = i ? &round->behind : &round->change}};
    }
}

/* In its middle, with memory or without: nothing happened. When there is not even memory for that, the store takes
 * nothing more. */
static void fail_on_purpose(Life *life, EventRound *round)
{
    Error error = {0};
    int64_t before = store_last_seq(life->store);
    round->works[0].records.simulate_failure = true;
    Status status = store_apply(life->store, round->works, &error);
    if (status != STATUS_BUSY && (status != STATUS_BROKEN || !torture_struck())) {
        fail_life(life, "fail on purpose", status, error.message);
    }
    if (torture_struck()) {
        torture_end();
    }
    if (status == STATUS_BROKEN) {
        open_again(life);
    }
    assert_int_equal(store_last_seq(life->store), before);
    round->works[0].records.simulate_failure = false;
}

static void hand_in(Life *life, Work *works)
{
    Error error = {0};
    Status status = store_apply(life->store, works, &error);
    if (!is_ok(life, "events", status, BUSY | UNKNOWN | BROKEN, &error)) {
        if (status != STATUS_BUSY) {
            open_again(life);
        }
        status = store_apply(life->store, works, &error);
        if (status != STATUS_OK) {
            fail_life(life, "events once more", status, error.message);
        }
    }
}

static void send_events(Life *life, int number)
{
    EventRound round;
    make_event_round(life->store, &round, number);
    fail_on_purpose(life, &round);
    hand_in(life, round.works);
    round.items[5].taken_for = round.outcomes[0].seq;
    round.last = (Work){.kind = WORK_RECORDS,
                        .records = {.items = round.records + 5,
                                    .outcomes = round.outcomes + 5,
                                    .count = 1,
                                    .atomic = true,
                                    .quiet = true,
                                    .events = &round.taken}};
    hand_in(life, &round.last);
    assert_true(round.last.status == STATUS_OK && round.outcomes[5].kind != OUTCOME_CONFLICT);
    assert_true(round.outcomes[0].seq == round.outcomes[1].seq && round.outcomes[2].seq == round.outcomes[3].seq);
    assert_true(round.outcomes[1].kind == OUTCOME_DUPLICATE && round.outcomes[3].kind == OUTCOME_DUPLICATE);
}

/* Until there is no more of it. */
static void maintain(Life *life)
{
    bool more = true;
    for (int i = 0; i < MAINTAIN_MAX && more; i++) {
        Error error = {0};
        if (!is_ok(life, "maintain", store_maintain(life->store, true, &more, &error), BROKEN, &error)) {
            open_again(life);
            more = true;
        }
    }
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

static Status read_id(StoreReader *reader, const StoreView *view, Seen *seen, Error *reterr)
{
    (void)view;
    return reader_find(reader, str_from(ids[BASE]), STR(""), &(int64_t){0}, see_record, seen, reterr);
}

static StoreView *begin(const Life *life)
{
    StoreView *view = NULL;
    Error error = {0};
    if (!is_ok(life, "begin", reader_begin(life->reader, &view, &error), BUSY, &error)) {
        Status status = reader_begin(life->reader, &view, &error);
        if (status != STATUS_OK) {
            fail_life(life, "begin once more", status, error.message);
        }
    }
    return view;
}

static void read_with(const Life *life, const char *what, Reading *reading, Seen expected)
{
    StoreView *view = begin(life);
    Seen seen = {0};
    Error error = {0};
    Status status = reading(life->reader, view, &seen, &error);
    if (!is_ok(life, what, status, BUSY, &error)) {
        reader_end(life->reader);
        view_free(view);
        view = begin(life);
        seen = (Seen){0};
        status = reading(life->reader, view, &seen, &error);
        if (status != STATUS_OK) {
            fail_life(life, what, status, "once more");
        }
    }
    reader_end(life->reader);
    view_free(view);
    if (seen.count != expected.count || (expected.sum >= 0 && seen.sum != expected.sum)) {
        fail_life(life, what, status, "shows something else");
    }
}

/* How often they were sent depends on what went wrong; that they are counted once does not. */
static void read_what_were_events(Life *life, int rounds)
{
    read_with(life, "events", read_events, (Seen){(size_t)rounds * EVENT_RECORDS, rounds});
    read_with(life, "duplicates", read_duplicates, (Seen){(size_t)rounds, rounds * 4});
    read_with(life, "attempts", read_newest_attempt, (Seen){1, 0});
    read_with(life, "clients", read_event_clients, (Seen){(size_t)rounds, 2 * rounds});
}

/* What was counted is what is there. */
static void read_deliveries(Life *life, int rounds)
{
    StoreMetrics metrics = {0};
    store_metrics(life->store, &metrics);
    read_with(life, "dead letters", read_letters, (Seen){(size_t)rounds * 2, metrics.dead_letters_open});
    read_with(life, "sinks", read_sinks, (Seen){1, rounds * 10});
}

static void read_all(Life *life, int records, size_t rules)
{
    Error error = {0};
    int rounds = (records - BASE) / BATCH;
    Seen all = {.count = (size_t)(records + rounds * EVENT_RECORDS)}, alerts = {0};
    for (int i = 0; i < records; i++) {
        int64_t value = i % 11 * 1000;
        all.sum += value;
        alerts.count += value > ALERT_ABOVE;
    }
    alerts.sum = (int64_t)alerts.count;
    while (!is_ok(life, "open a reader", store_reader_open(life->store, &life->reader, &error), BUSY, &error)) {
    }
    read_with(life, "scan", read_scan, all);
    read_with(life, "walk by time", read_times, all);
    read_with(life, "get", read_one, (Seen){1, 0});
    read_with(life, "find", read_id, (Seen){1, BASE % 11 * 1000});
    read_with(life, "rollups", read_rollups, (Seen){0, 0});
    read_with(life, "messages", read_messages, alerts);
    read_with(life, "rules", read_rules, (Seen){rules, -1});
    read_deliveries(life, rounds);
    read_what_were_events(life, rounds);
    store_reader_close(life->reader);
}

/* ---- All of it --------------------------------------------------------------------------------------------------- */

static void live(Life *life)
{
    open_store(life);
    for (int batch = 0; batch < LIFE_BATCHES; batch++) {
        apply_batch(life, BASE + batch * BATCH);
        deliver(life, (batch + 1) * 10);
        send_events(life, batch);
        if (batch < 2) {
            maintain(life);
            read_all(life, BASE + (batch + 1) * BATCH, (size_t)batch + 2);
        }
    }
    store_close(life->store);
    torture_end();
}

/* With memory enough: whatever happened before, the store is sound, and holds each record once. */
static void check_left(Life *life)
{
    VerifyReport report;
    open_store(life);
    life_verify(life, &report);
    assert_int_equal(report.records, RECORDS + LIFE_BATCHES * EVENT_RECORDS);
    assert_int_equal(report.events, LIFE_BATCHES * EVENT_RECORDS);
    maintain(life);
    read_all(life, RECORDS, LIFE_BATCHES + 1);
    store_close(life->store);
}

static void run(const char *command, const char *from, const char *to)
{
    char line[600];
    snprintf(line, sizeof line, command, from, to);
    assert_int_equal(system(line), 0);
}

/* Returns how many allocations there were. */
static uint64_t live_and_check(uint64_t nth, uint64_t count)
{
    Life life = {.nth = nth};
    scratch_dir_make(life.dir, sizeof life.dir);
    run("cp -a '%s/.' '%s'", base_dir, life.dir);
    int64_t live_before = torture_live();
    torture_begin(nth, count);
    live(&life);
    uint64_t asked = torture_end();
    life_check_memory(&life, live_before);
    check_left(&life);
    scratch_dir_remove(life.dir);
    return asked;
}

static void test_each_allocation(void **state)
{
    (void)state;
    assert_true(torture_each(live_and_check) > 1000);
}

/* The store that each life begins with. */
static int make_base(void **state)
{
    (void)state;
    Error error = {0};
    static Record records[BASE];
    static Outcome outcomes[BASE];
    for (int i = 0; i < RECORDS; i++) {
        snprintf(ids[i], sizeof ids[i], "rec-%d", i);
        snprintf(destinations[i % 8], sizeof destinations[0], "dest-%d", i % 8);
    }
    scratch_dir_make(base_dir, sizeof base_dir);
    Life life = {.nth = 0};
    snprintf(life.dir, sizeof life.dir, "%s", base_dir);
    open_store(&life);
    Work rule = {.kind = WORK_RULE_PUT,
                 .rule = {.name = STR("default"), .type = -1, .threshold = ALERT_ABOVE, .enabled = true}};
    assert_int_equal(store_apply(life.store, &rule, &error), STATUS_OK);
    for (int i = 0; i < BASE; i++) {
        records[i] = make(life.store, i);
    }
    for (int i = 0; i < BASE; i += 30) {
        Work work = {.kind = WORK_RECORDS, .records = {.items = records + i, .outcomes = outcomes + i, .count = 30}};
        assert_int_equal(store_apply(life.store, &work, &error), STATUS_OK);
        maintain(&life);
    }
    store_close(life.store);
    return 0;
}

static int remove_base(void **state)
{
    (void)state;
    scratch_dir_remove(base_dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation)};
    torture_prepare();
    return cmocka_run_group_tests_name("torture-store", tests, make_base, remove_base);
}

#include "contract/delivery_world.h"

#include "base/log.h"
#include "support/scratch_dir.h"

static void sleep_us(void *self, int64_t us)
{
    enum { PROCESSOR_US = 20000 };
    World *world = self;
    bool idle;
    manual_clock_move(&world->manual, us);
    world->slept_us += us;
    if (world->is_stopping && world->slept_us >= PROCESSOR_US) {
        world->slept_us = 0;
        processor_step(world->processor, &idle);
    }
}

static void fail_broken(void *self, const Error *error)
{
    (void)self;
    fail_msg("the store broke: %s", error->message);
}

static void on_committed(void *self, int64_t last_seq)
{
    (void)last_seq;
    dispatcher_committed(((World *)self)->dispatcher);
}

World *world_new(void)
{
    World *world = test_calloc(1, sizeof *world);
    world->seed = 1;
    world->manual = (ManualClock){.wall_us = INT64_C(1735725600000000), .monotonic_us = SECOND_US};
    world->clock = manual_clock(&world->manual);
    world->random = seeded_random(&world->seed);
    FakeSinksOptions options = {&world->clock, &world->random, sleep_us, world};
    world->sinks = fake_sinks_new(&options);
    scratch_dir_make(world->dir, sizeof world->dir);
    return world;
}

void world_free(World *world)
{
    world_crash(world);
    fake_sinks_free(world->sinks);
    scratch_dir_remove(world->dir);
    test_free(world);
}

int world_set_up(void **state)
{
    *state = world_new();
    return 0;
}

int world_tear_down(void **state)
{
    world_free(*state);
    return 0;
}

void world_begin_tests(void)
{
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    if (access("/dev/shm", W_OK) == 0) {
        setenv("TMPDIR", "/dev/shm", 0);
    }
}

FakeReceiver *world_add_sink(World *world, const char *name, FakeStyle style, size_t room)
{
    SinkOptions *options = &world->options[world->sink_count];
    *options = (SinkOptions){.name = name,
                             .type = style == FAKE_WEBHOOK ? SINK_WEBHOOK : SINK_REDIS,
                             .subscription = {.kinds = (1u << MESSAGE_KIND_COUNT) - 1, .type = -1},
                             .in_flight_max = room,
                             .timeout_us = 15 * SECOND_US,
                             .schedule_us = {0, 5 * SECOND_US, 5 * MINUTE_US, 30 * MINUTE_US},
                             .schedule_count = 4,
                             .breaker_percent = 70,
                             .breaker_requests = 10,
                             .breaker_window_us = 30 * SECOND_US,
                             .breaker_pause_us = 30 * SECOND_US};
    world->receivers[world->sink_count] = fake_sinks_add(world->sinks, name, style, room);
    return world->receivers[world->sink_count++];
}

void world_start(World *world)
{
    Error error = {0};
    StoreOptions store = store_options_default(world->dir);
    store.background = false;
    store.clock = &world->clock;
    store.free_reserve_bytes = 0;
    if (store_open(&store, &world->store, &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    ProcessorOptions processor = {.store = world->store,
                                  .clock = &world->clock,
                                  .queue_bytes_max = 1 << 20,
                                  .batch_records_max = 1000,
                                  .committed = on_committed,
                                  .broken = fail_broken,
                                  .self = world};
    assert_int_equal(processor_start(&processor, &world->processor, &error), STATUS_OK);
    DispatcherOptions options = {.store = world->store,
                                 .processor = world->processor,
                                 .clock = &world->clock,
                                 .random = &world->random,
                                 .sinks = world->options,
                                 .sink_count = world->sink_count,
                                 .open_sink = fake_sink_open,
                                 .self = world->sinks};
    assert_int_equal(dispatcher_start(&options, &world->dispatcher, &error), STATUS_OK);
}

/* Processor first: it may still have what lines have handed to it, and tells them. */
void world_crash(World *world)
{
    if (world->store) {
        Dispatcher *dispatcher = world->dispatcher;
        world->dispatcher = NULL;
        processor_stop(world->processor);
        dispatcher_free(dispatcher);
        store_close(world->store);
        world->store = NULL;
    }
}

void world_stop_lines(World *world)
{
    world->is_stopping = true;
    world->slept_us = 0;
    dispatcher_stop(world->dispatcher);
    world->is_stopping = false;
}

void world_restart(World *world)
{
    world_run(world, SECOND_US);
    world_crash(world);
    world_start(world);
}

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

static void fill_status(Submission *submission, Status status, const Error *error)
{
    (void)error;
    *(Status *)submission->owner = status == STATUS_OK ? submission->work.status : status;
}

Status world_apply(World *world, Work *work)
{
    Status status = STATUS_COUNT;
    Error error = {0};
    bool idle;
    Submission submission = {.work = *work, .bytes = 1, .done = fill_status, .owner = &status};
    assert_int_equal(processor_submit(world->processor, &submission, &error), STATUS_OK);
    for (int i = 0; i < 10 && status == STATUS_COUNT; i++) {
        processor_step(world->processor, &idle);
    }
    *work = submission.work;
    return status;
}

void world_add_value(World *world, int64_t value)
{
    char id[32], destination[32];
    Outcome outcome = {0};
    int64_t number = ++world->records;
    snprintf(id, sizeof id, "rec-%lld", (long long)number);
    snprintf(destination, sizeof destination, "dest-%lld", (long long)(number % WORLD_FLOWS));
    Record record = {.record_id = str_from(id),
                     .source_id = STR("source-1"),
                     .destination_id = str_from(destination),
                     .unit = STR("EUR"),
                     .reference = STR("ref-1"),
                     .time_us = number * SECOND_US,
                     .value = value,
                     .type = RECORD_POSITIVE};
    const StoreInfo *info = store_info(world->store);
    record.identity_hash = record_identity_hash(&record, info->identity, info->hash_seed);
    Work work = {.kind = WORK_RECORDS, .records = {.items = &record, .outcomes = &outcome, .count = 1}};
    assert_int_equal(world_apply(world, &work), STATUS_OK);
    assert_int_equal(outcome.kind, OUTCOME_CREATED);
}

void world_add(World *world, int count)
{
    for (int i = 0; i < count; i++) {
        world_add_value(world, 1000);
    }
}

/* ---- Time -------------------------------------------------------------------------------------------------------- */

static int64_t next_answer_us(const World *world)
{
    int64_t next_us = INT64_MAX;
    for (size_t i = 0; i < world->sink_count; i++) {
        int64_t due_us = fake_receiver_due_us(world->receivers[i]);
        next_us = due_us < next_us ? due_us : next_us;
    }
    return next_us;
}

void world_run(World *world, int64_t us)
{
    int64_t end_us = world->manual.monotonic_us + us;
    bool idle;
    while (world->manual.monotonic_us < end_us) {
        int64_t wait_us = dispatcher_step(world->dispatcher), now_us = world->manual.monotonic_us;
        int64_t answer_us = next_answer_us(world) - now_us;
        processor_step(world->processor, &idle);
        wait_us = answer_us < wait_us ? answer_us : wait_us;
        wait_us = wait_us < 1 ? 1 : wait_us;
        manual_clock_move(&world->manual, wait_us < end_us - now_us ? wait_us : end_us - now_us);
    }
}

LineStatus world_line(World *world, const char *name, int64_t job)
{
    LineStatus all[DISPATCHER_SINKS_MAX];
    size_t count = dispatcher_status(world->dispatcher, all, DISPATCHER_SINKS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].options->name, name) == 0 && all[i].job == job) {
            return all[i];
        }
    }
    return (LineStatus){.state = LINE_DONE};
}

/* ---- What is stored ---------------------------------------------------------------------------------------------- */

typedef struct Looking {
    const char *name;
    int64_t id;
    size_t count;
    WorldSink sink;
    DeadLetter *last;
    StoredReplay replay;
} Looking;

typedef Status Reading(StoreReader *reader, Looking *looking, Error *reterr);

static void look(World *world, Reading *reading, Looking *looking)
{
    StoreReader *reader = NULL;
    StoreView *view = NULL;
    Error error = {0};
    assert_int_equal(store_reader_open(world->store, &reader, &error), STATUS_OK);
    assert_int_equal(reader_begin(reader, &view, &error), STATUS_OK);
    assert_int_equal(reading(reader, looking, &error), STATUS_OK);
    reader_end(reader);
    view_free(view);
    store_reader_close(reader);
}

static bool see_sink(void *context, const StoredSink *sink)
{
    Looking *looking = context;
    if (str_is(sink->name, looking->name)) {
        looking->sink = (WorldSink){sink->state, sink->place, sink->version};
        looking->count++;
    }
    return true;
}

static Status read_sinks(StoreReader *reader, Looking *looking, Error *reterr)
{
    return reader_sinks(reader, see_sink, looking, reterr);
}

WorldSink world_stored(World *world, const char *name)
{
    Looking looking = {.name = name};
    look(world, read_sinks, &looking);
    assert_int_equal(looking.count, 1);
    return looking.sink;
}

static DeadLetterFilter wanted_letters;

static bool see_letter(void *context, const DeadLetter *letter)
{
    Looking *looking = context;
    if (looking->last) {
        *looking->last = *letter;
        looking->last->error = looking->last->origin = looking->last->raw = (Str){NULL, 0};
    }
    looking->count++;
    return true;
}

static Status read_letters(StoreReader *reader, Looking *looking, Error *reterr)
{
    return reader_dead_letters(reader, &wanted_letters, see_letter, looking, reterr);
}

size_t world_dead_letters(World *world, DeadLetterFilter filter, DeadLetter *ret_last)
{
    Looking looking = {.last = ret_last};
    wanted_letters = filter;
    look(world, read_letters, &looking);
    return looking.count;
}

static bool see_retry(void *context, const StoredRetry *retry)
{
    (void)retry;
    ((Looking *)context)->count++;
    return true;
}

static Status read_retries(StoreReader *reader, Looking *looking, Error *reterr)
{
    return reader_retries(reader, str_from(looking->name), 0, see_retry, looking, reterr);
}

size_t world_retries(World *world, const char *name)
{
    Looking looking = {.name = name};
    look(world, read_retries, &looking);
    return looking.count;
}

static bool see_attempt(void *context, const StoredAttempt *attempt)
{
    (void)attempt;
    ((Looking *)context)->count++;
    return true;
}

static Status read_attempts(StoreReader *reader, Looking *looking, Error *reterr)
{
    return reader_attempts(reader, looking->id, see_attempt, looking, reterr);
}

size_t world_attempts(World *world, int64_t seq)
{
    Looking looking = {.id = seq};
    look(world, read_attempts, &looking);
    return looking.count;
}

static bool see_replay(void *context, const StoredReplay *replay)
{
    Looking *looking = context;
    if (replay->id == looking->id) {
        looking->replay = *replay;
        looking->count++;
    }
    return true;
}

static Status read_replays(StoreReader *reader, Looking *looking, Error *reterr)
{
    return reader_replays(reader, STR(""), see_replay, looking, reterr);
}

StoredReplay world_replay(World *world, int64_t id)
{
    Looking looking = {.id = id};
    look(world, read_replays, &looking);
    assert_int_equal(looking.count, 1);
    return looking.replay;
}

/* ---- What has come ----------------------------------------------------------------------------------------------- */

void world_check_once(const FakeReceiver *receiver, int64_t first, int64_t last)
{
    for (int64_t seq = first; seq <= last; seq++) {
        if (fake_receiver_count(receiver, seq) != 1) {
            fail_msg("message %lld came %zu times", (long long)seq, fake_receiver_count(receiver, seq));
        }
    }
}

void world_check_at_least_once(const FakeReceiver *receiver, int64_t first, int64_t last)
{
    for (int64_t seq = first; seq <= last; seq++) {
        if (fake_receiver_count(receiver, seq) == 0) {
            fail_msg("message %lld did not come", (long long)seq);
        }
    }
}

void world_check_order(const FakeReceiver *receiver)
{
    size_t count;
    const FakeDelivery *deliveries = fake_receiver_deliveries(receiver, &count);
    int64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (deliveries[i].job == 0) {
            assert_true(deliveries[i].seq > last);
            last = deliveries[i].seq;
        }
    }
}

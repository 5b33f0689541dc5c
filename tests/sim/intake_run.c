#include "sim/intake_run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MIN = 200, STEPS_MORE = 400, TEXT_BYTES = 256, REST_STEPS_MAX = 20000 };

static uint64_t below(Run *run, uint64_t limit) { return random_below(&run->random, limit); }
static bool percent(Run *run, unsigned chance) { return below(run, 100) < chance; }

/* ---- A life ------------------------------------------------------------------------------------------------------ */

static void on_broken(void *self, const Error *error)
{
    Run *run = self;
    run->broken = true;
    story_headline(&run->story, "the processor broke: %s", error->message);
}

static void start_processor(Run *run)
{
    Error error = {0};
    const ProcessorOptions options = {.store = run->store,
                                      .clock = &run->clock,
                                      .queue_bytes_max = 1000 + below(run, 20000),
                                      .batch_records_max = 1 + below(run, 200),
                                      .broken = on_broken,
                                      .self = run};
    if (processor_start(&options, &run->processor, &error) != STATUS_OK) {
        story_fail(&run->story, "the processor starts", NULL, error.message);
    }
}

static void start_intake(Run *run)
{
    Error error = {0};
    run->intake_options = (IntakeOptions){.store = run->store,
                                          .processor = run->processor,
                                          .clock = &run->clock,
                                          .random = &run->numbers,
                                          .policy = &run->policy,
                                          .sources = run->sources,
                                          .source_count = run->source_count,
                                          .open_source = fake_source_open,
                                          .self = run->origins};
    if (intake_start(&run->intake_options, &run->intake, &error) != STATUS_OK) {
        story_fail(&run->story, "intake starts", NULL, error.message);
    }
}

static void begin_life(Run *run)
{
    Error error = {0};
    run->broken = false;
    run->lives++;
    run->disk_told = 0;
    manual_clock_move(&run->manual, 1000);
    if (store_open(&run->store_options, &run->store, &error) != STATUS_OK ||
        store_reader_open(run->store, &run->reader, &error) != STATUS_OK) {
        story_fail(&run->story, "the store opens", NULL, error.message);
    }
    run->policy = (RecordPolicy){.scale = 2, .hash_seed = store_info(run->store)->hash_seed};
    story_headline(&run->story, "life %zu begins; the log ends at %" PRId64, run->lives, store_last_seq(run->store));
    start_processor(run);
    start_intake(run);
    run_check(run, false);
}

static void let_processor_work(Run *run)
{
    bool idle = false;
    for (int i = 0; i < 50 && !idle; i++) {
        processor_step(run->processor, &idle);
    }
}

/* In order, or in the midst of it all; then the disk loses what it loses. */
static void end_life(Run *run, bool in_order)
{
    static const char *const losses[] = {"", "nothing was lost", "all was lost that was not synced",
                                         "some was lost of what was not synced", "what was written is there"};
    story_headline(&run->story, "the program ends %s", in_order ? "in order" : "in the midst of it all");
    intake_stop(run->intake);
    for (int i = 0; in_order && i < 3; i++) {
        let_processor_work(run);
        intake_step(run->intake);
    }
    processor_stop(run->processor);
    intake_free(run->intake);
    store_reader_close(run->reader);
    run->entries = store_last_seq(run->store);
    store_close(run->store);
    sim_disk_disarm(run->disk);
    sim_disk_limit(run->disk, UINT64_MAX);
    run->is_limited = false;
    SimLoss loss = sim_disk_crash(run->disk, in_order ? SIM_LOSS_PROCESS : SIM_LOSS_DRAWN, &run->random);
    story_headline(&run->story, "life %zu has ended: %s", run->lives, losses[loss]);
}

/* ---- What is put there ------------------------------------------------------------------------------------------- */

static Str write_record(char text[TEXT_BYTES], size_t number, const char *value)
{
    int len = snprintf(text, TEXT_BYTES,
                       "{\"recordId\":\"rec-%zu\",\"time\":\"2025-01-01T10:00:00Z\",\"sourceId\":\"s\","
                       "\"destinationId\":\"d-%zu\",\"type\":\"positive\",\"value\":\"%s\",\"unit\":\"EUR\","
                       "\"reference\":\"r\"}",
                       number, number % 5, value);
    return (Str){text, (size_t)len};
}

/* The last record of this part that is one of its own. */
static const RunMessage *last_good(const Run *run, size_t source, size_t part)
{
    for (size_t i = run->message_count; i-- > 0;) {
        const RunMessage *message = &run->messages[i];
        if (message->source == source && message->part == part && message->kind == RUN_GOOD) {
            return message;
        }
    }
    return NULL;
}

static RunKind draw_kind(Run *run, const RunMessage *before)
{
    uint64_t drawn = below(run, 100);
    if (drawn < 12) {
        return RUN_BAD;
    }
    return drawn < 18 && before ? RUN_CLASH : drawn < 24 && before ? RUN_AGAIN : RUN_GOOD;
}

static void tell_put(Run *run, const RunMessage *message)
{
    static const char *const kinds[] = {[RUN_GOOD] = "is record",
                                        [RUN_AGAIN] = "is the same again as record",
                                        [RUN_CLASH] = "has another value than the same record"};
    char text[64] = "is no record";
    if (message->kind != RUN_BAD) {
        snprintf(text, sizeof text, "%s %zu", kinds[message->kind], message->number);
    }
    story_tell(&run->story, "put: message %s/%zu/%" PRId64 " %s", run->sources[message->source].name, message->part,
               message->offset, text);
}

static void put_one(Run *run, size_t source, size_t part)
{
    char text[TEXT_BYTES];
    if (run->message_count == RUN_MESSAGES_MAX || run->records == RUN_RECORDS_MAX) {
        return;
    }
    const RunMessage *before = last_good(run, source, part);
    RunMessage *message = &run->messages[run->message_count];
    *message = (RunMessage){.source = source, .part = part, .kind = draw_kind(run, before)};
    message->number = message->kind == RUN_GOOD ? run->records++ : before ? before->number : 0;
    Str raw = message->kind == RUN_BAD
                  ? RUN_BAD_TEXT
                  : write_record(text, message->number, message->kind == RUN_CLASH ? "2.00" : "1.00");
    message->offset = fake_origin_put(run->origin[source], part, raw);
    run->message_count++;
    tell_put(run, message);
}

static void put_some(Run *run)
{
    size_t source = below(run, run->source_count), count = 1 + below(run, 12);
    for (size_t i = 0; i < count; i++) {
        put_one(run, source, below(run, run->parts[source]));
    }
}

/* ---- People ------------------------------------------------------------------------------------------------------ */

typedef struct Order {
    Submission submission;
    Run *run;
    char text[TEXT_BYTES];
} Order;

static void on_done(Submission *submission, Status status, const Error *error)
{
    Order *order = submission->owner;
    story_tell(&order->run->story, "people are told %s%s%s", status_name(status), status == STATUS_OK ? "" : ": ",
               status == STATUS_OK ? "" : error->message);
    free(order);
}

/* Whoever finds the queue full thinks better of it. */
static void submit(Run *run, Order *order)
{
    Error error = {0};
    order->run = run;
    order->submission.bytes = 1;
    order->submission.done = on_done;
    order->submission.owner = order;
    if (processor_submit(run->processor, &order->submission, &error) != STATUS_OK) {
        story_tell(&run->story, "people think better of it: %s", error.message);
        free(order);
    }
}

static Order *new_order(Work work)
{
    Order *order = calloc(1, sizeof *order);
    if (!order) {
        abort();
    }
    order->submission.work = work;
    return order;
}

static void set_state(Run *run, size_t source, SourceState state)
{
    story_tell(&run->story, "people: %s is %s", run->sources[source].name, state ? "paused" : "resumed");
    submit(run, new_order((Work){.kind = WORK_SOURCE_STATE,
                                 .source = {.name = str_from(run->sources[source].name), .state = state}}));
}

/* As they are, or one of them with a record in it that is new; or one is not wanted. */
static void change_letters(Run *run)
{
    Work work = {.kind = WORK_DEAD_LETTERS,
                 .dead_letters = {.filter = DEAD_LETTER_FILTER_ALL, .limit = 1 + below(run, 300)}};
    bool mends = percent(run, 40) && run->records < RUN_RECORDS_MAX;
    if (mends || percent(run, 30)) {
        work.dead_letters.filter.id = 1 + (int64_t)below(run, 60);
    }
    work.dead_letters.action = !mends && percent(run, 15) ? DEAD_LETTER_DISCARD : DEAD_LETTER_RETRY;
    Order *order = new_order(work);
    if (mends) {
        order->submission.work.dead_letters.raw = write_record(order->text, run->records++, "1.00");
    }
    story_tell(&run->story, "people: letters (id %" PRId64 ") %s", work.dead_letters.filter.id,
               mends                                           ? "mended"
               : work.dead_letters.action == DEAD_LETTER_RETRY ? "tried again"
                                                               : "discarded");
    submit(run, order);
}

static void people_act(Run *run)
{
    if (percent(run, 50)) {
        set_state(run, below(run, run->source_count), percent(run, 40) ? SOURCE_STATE_PAUSED : SOURCE_STATE_ACTIVE);
    } else {
        change_letters(run);
    }
    if (percent(run, 80)) {
        intake_look(run->intake);
    }
}

/* ---- Clients ----------------------------------------------------------------------------------------------------- */

/* A record that was put to a source, handed in as over HTTP. */
typedef struct Call {
    Submission submission;
    Run *run;
    size_t number;
    char id[32], destination[32];
    Record record;
    Outcome outcome;
} Call;

static void on_told(Submission *submission, Status status, const Error *error)
{
    Call *call = submission->owner;
    story_headline(&call->run->story, "the client of record %zu is told %s%s%s", call->number, status_name(status),
                   status == STATUS_OK ? "" : ": ", status == STATUS_OK ? "" : error->message);
    if (status == STATUS_OK && submission->work.status == STATUS_OK) {
        if (call->outcome.kind != OUTCOME_CREATED && call->outcome.kind != OUTCOME_DUPLICATE) {
            story_failf(&call->run->story, "a client was told %d of record %zu", (int)call->outcome.kind, call->number);
        }
        call->run->told[call->number] = true;
    }
    free(call);
}

static void call(Run *run)
{
    Error error = {0};
    Call *made = run->records > 0 ? calloc(1, sizeof *made) : NULL;
    if (!made) {
        return;
    }
    made->run = run;
    made->number = below(run, run->records);
    story_headline(&run->story, "a client hands record %zu in", made->number);
    snprintf(made->id, sizeof made->id, "rec-%zu", made->number);
    snprintf(made->destination, sizeof made->destination, "d-%zu", made->number % 5);
    made->record = (Record){.record_id = str_from(made->id),
                            .source_id = STR("s"),
                            .destination_id = str_from(made->destination),
                            .unit = STR("EUR"),
                            .reference = STR("r"),
                            .time_us = INT64_C(1735725600000000),
                            .value = 100};
    made->record.identity_hash = record_identity_hash(&made->record, IDENTITY_RECORD_ID, run->policy.hash_seed);
    made->submission = (Submission){
        .work = {.kind = WORK_RECORDS, .records = {.items = &made->record, .outcomes = &made->outcome, .count = 1}},
        .bytes = 200,
        .done = on_told,
        .owner = made};
    if (processor_submit(run->processor, &made->submission, &error) != STATUS_OK) {
        story_headline(&run->story, "the client of record %zu thinks better of it: %s", made->number, error.message);
        free(made);
    }
}

/* ---- What goes wrong --------------------------------------------------------------------------------------------- */

static void draw_source_faults(Run *run, size_t source, const FakeOriginFaults *faults)
{
    story_tell(&run->story,
               "%s: of a thousand connections %u fail, of fetches %u, of acknowledgements %u; %u bring little",
               run->sources[source].name, faults->connect_busy, faults->fetch_busy, faults->acknowledge_busy,
               faults->fetch_little);
    fake_origin_set_faults(run->origin[source], faults);
}

static void set_down(Run *run, size_t source, bool down)
{
    story_headline(&run->story, "%s is %s", run->sources[source].name, down ? "down" : "up again");
    run->faults += down;
    fake_origin_set_down(run->origin[source], down);
}

static void cut(Run *run, size_t source)
{
    story_headline(&run->story, "%s: its connection is cut", run->sources[source].name);
    run->faults++;
    fake_origin_cut(run->origin[source]);
}

static void strike_source(Run *run)
{
    size_t source = below(run, run->source_count);
    const FakeOriginFaults faults = {.connect_busy = (unsigned)below(run, 300),
                                     .fetch_busy = (unsigned)below(run, 60),
                                     .acknowledge_busy = (unsigned)below(run, 200),
                                     .fetch_little = (unsigned)below(run, 500)};
    switch (below(run, 4)) {
    case 0: cut(run, source); break;
    case 1: set_down(run, source, true); break;
    case 2: set_down(run, source, false); break;
    default: draw_source_faults(run, source, &faults); break;
    }
}

static void arm(Run *run, const SimFault *fault)
{
    static const char *const failures[] = {"an I/O error", "no room left", "a crash"};
    const char *what = fault->ops == SIM_WRITE ? "write" : fault->ops == SIM_SYNC ? "sync" : "change";
    sim_disk_disarm(run->disk);
    sim_disk_arm(run->disk, fault);
    story_headline(&run->story, "waiting: %s at %s number %" PRIu64 " from now", failures[fault->failure], what,
                   fault->nth);
}

static void limit_room(Run *run, uint64_t room)
{
    sim_disk_limit(run->disk, sim_disk_used(run->disk) + room);
    run->is_limited = true;
    story_headline(&run->story, "the disk has %" PRIu64 " bytes left", room);
}

static void strike_disk(Run *run)
{
    static const SimFailure failures[] = {SIM_FAIL_ERROR, SIM_FAIL_FULL, SIM_FAIL_FREEZE, SIM_FAIL_FREEZE};
    static const unsigned ops[] = {SIM_WRITE, SIM_SYNC, SIM_CHANGES};
    SimFault fault = {.ops = ops[below(run, 3)], .nth = 1 + below(run, 30), .failure = failures[below(run, 4)]};
    if (percent(run, 30)) {
        limit_room(run, below(run, 20000));
    } else {
        arm(run, &fault);
    }
}

static void make_room(Run *run)
{
    sim_disk_limit(run->disk, UINT64_MAX);
    run->is_limited = false;
    story_headline(&run->story, "the disk has room");
}

/* For sim_disk_trace. The first failures of a life are told, the others are for the hash. */
static void on_operation(void *context, const SimOperation *operation, const char *text)
{
    enum { TOLD_MAX = 5 };
    Run *run = context;
    SimEnd end = operation ? operation->end : SIM_END_DONE;
    bool is_full = end == SIM_END_FULL;
    run->faults += is_full && run->is_limited;
    run->is_limited = run->is_limited && !is_full;
    bool failed = is_full || end == SIM_END_ERROR || end == SIM_END_FREEZES;
    if (failed && run->disk_told++ < TOLD_MAX) {
        story_headline(&run->story, "the disk: %s", text);
    } else {
        story_operation(&run->story, text);
    }
}

/* ---- The run ----------------------------------------------------------------------------------------------------- */

static void work_on(Run *run)
{
    bool idle = false;
    if (percent(run, 60)) {
        intake_step(run->intake);
    } else if (!run->broken) {
        processor_step(run->processor, &idle);
    }
}

static void act(Run *run)
{
    uint64_t drawn = below(run, 100);
    if (drawn < 14) {
        put_some(run);
    } else if (drawn < 19) {
        people_act(run);
    } else if (drawn < 23) {
        strike_source(run);
    } else if (drawn < 25) {
        strike_disk(run);
    } else if (drawn < 26) {
        make_room(run);
    } else if (drawn < 32) {
        call(run);
    } else {
        work_on(run);
    }
}

static void step(Run *run)
{
    run->story.step++;
    manual_clock_move(&run->manual, (int64_t)below(run, 100000));
    act(run);
    if (percent(run, 3) && !run->broken && !sim_disk_is_frozen(run->disk)) {
        run_check(run, false);
    }
    bool has_to_end = run->broken || sim_disk_is_frozen(run->disk);
    if (has_to_end || below(run, 150) == 0) {
        run->faults += !has_to_end;
        end_life(run, !has_to_end && percent(run, 40));
        begin_life(run);
    }
}

static bool is_at_rest(Run *run)
{
    size_t left = 0;
    for (size_t i = 0; i < run->source_count; i++) {
        left += fake_origin_left(run->origin[i]);
    }
    return left == 0 && run_count_retrying(run) == 0;
}

/* Nothing goes wrong any more: it all has to come to rest. */
static void finish(Run *run)
{
    for (size_t i = 0; i < run->source_count; i++) {
        fake_origin_set_faults(run->origin[i], &(FakeOriginFaults){0});
        fake_origin_set_down(run->origin[i], false);
        for (size_t part = 0; part < run->parts[i]; part++) {
            put_one(run, i, part); /* what is noted by its offset, and was not, is noted with this */
        }
    }
    end_life(run, false);
    begin_life(run);
    for (size_t i = 0; i < run->source_count; i++) {
        set_state(run, i, SOURCE_STATE_ACTIVE);
        let_processor_work(run);
    }
    intake_look(run->intake);
    for (int i = 0; !is_at_rest(run); i++) {
        if (i == REST_STEPS_MAX) {
            story_fail(&run->story, "it does not come to rest, though nothing goes wrong any more", NULL, NULL);
        }
        manual_clock_move(&run->manual, 100000);
        intake_step(run->intake);
        let_processor_work(run);
    }
    run_check(run, true);
    end_life(run, true);
    begin_life(run);
    run_check(run, true);
    end_life(run, true);
}

static void sleep_by_moving(void *self, int64_t us) { manual_clock_move(self, us); }

static void draw_sources(Run *run)
{
    static const char *const names[RUN_SOURCES_MAX] = {"orders", "devices", "files"};
    run->source_count = 1 + below(run, RUN_SOURCES_MAX);
    for (size_t i = 0; i < run->source_count; i++) {
        run->parts[i] = 1 + below(run, RUN_PARTS_MAX);
        run->styles[i] = (FakeOriginStyle)below(run, FAKE_FILE + 1);
        run->origin[i] = fake_origins_add(run->origins, names[i], run->styles[i], run->parts[i]);
        run->sources[i] =
            (SourceOptions){.name = names[i], .group_messages_max = 1 + below(run, 40), .message_bytes_max = 1 << 20};
    }
}

static void tell_seed(Run *run)
{
    static const char *const styles[] = {[FAKE_LOG] = "a log whose other side notes places",
                                         [FAKE_QUEUE] = "a queue without places",
                                         [FAKE_FILE] = "files whose places the store alone notes"};
    story_headline(&run->story, "seed %" PRIu64 ": intake from %zu sources", run->story.options.seed,
                   run->source_count);
    for (size_t i = 0; i < run->source_count; i++) {
        story_tell(&run->story, "%s: %s, in %zu parts; up to %zu messages at once", run->sources[i].name,
                   styles[run->styles[i]], run->parts[i], run->sources[i].group_messages_max);
    }
}

static void run_init(Run *run, const SeedOptions *options)
{
    uint64_t seed = options->seed;
    *run = (Run){.random = seed, .numbers_state = seed + 1, .fakes_state = seed + 2, .disk = sim_disk_new(seed)};
    story_begin(&run->story, options, &run->manual.wall_us);
    sim_disk_trace(run->disk, on_operation, run);
    run->vfs = sim_vfs_new(run->disk, "sim", seed);
    run->io = sim_io(run->disk);
    run->manual = (ManualClock){.wall_us = INT64_C(1750000000000000), .monotonic_us = 1000000};
    run->clock = manual_clock(&run->manual);
    run->numbers = seeded_random(&run->numbers_state);
    run->fakes_numbers = seeded_random(&run->fakes_state);
    run->store_options = store_options_default("store");
    run->store_options.clock = &run->clock;
    run->store_options.io = &run->io;
    run->store_options.random = &run->numbers;
    run->store_options.vfs = "sim";
    run->store_options.background = false;
    run->store_options.publish_records = 1 + below(run, 100);
    run->store_options.flow_cache_bytes = 64 << 10;
    run->store_options.free_reserve_bytes = percent(run, 50) ? 0 : 4096;
    run->origins = fake_origins_new(&(FakeOriginsOptions){
        .random = &run->fakes_numbers, .clock = &run->clock, .sleep = sleep_by_moving, .self = &run->manual});
    draw_sources(run);
    tell_seed(run);
}

static size_t draw_steps(Run *run, const SeedOptions *options)
{
    size_t drawn = STEPS_MIN + below(run, STEPS_MORE);
    return options->steps ? (size_t)options->steps : drawn;
}

void intake_run(const SeedOptions *options, SeedReport *ret_report)
{
    static Run run; /* large */
    run_init(&run, options);
    begin_life(&run);
    size_t steps = draw_steps(&run, options);
    for (size_t i = 0; i < steps; i++) {
        step(&run);
    }
    finish(&run);
    *ret_report = (SeedReport){.hash = run.story.hash,
                               .steps = (int64_t)steps,
                               .entries = run.entries,
                               .lives = (int64_t)run.lives,
                               .faults = run.faults + (int64_t)sim_disk_faults_struck(run.disk)};
    fake_origins_free(run.origins);
    sim_vfs_free(run.vfs);
    sim_disk_free(run.disk);
}

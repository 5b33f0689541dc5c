/* A streamed NDJSON body on its way through upload.c and slice.c to a processor over a store of ours: however it is cut
 * into pieces, and however full the queue, each line is answered as it would be alone, in order. Its lines are records,
 * or events.
 *
 * The linker puts the functions below in place of those that suspend and resume a connection, so that no socket is
 * needed. The first bytes choose how long a line may be, the pieces, the queue, what fails; the rest is the body. */
#include "fuzz.h"

#include "http/parts.h"
#include "http/turn.h"
#include "http/upload.h"
#include "record/event.h"
#include "store/store_ops.h"
#include "support/random.h"

enum { BODY_BYTES_MAX = 3 << 18, WAITS_MAX = 100000 };

bool __wrap_turn_wait(Request *request, int64_t limit_us);
void __wrap_request_wake(Request *request);
void __wrap_ticker_add(Ticker *ticker, Request *request);

/* ---- The store: an outcome is a matter of the record's id alone -------------------------------------------------- */

typedef struct FakeStore {
    Store base;
    unsigned batches, fail_at; /* 0: never */
    Status failure;
} FakeStore;

static OutcomeKind outcome_of(Str record_id)
{
    return (OutcomeKind)(OUTCOME_CREATED + (unsigned char)record_id.ptr[record_id.len - 1] % 4);
}

static Status fake_apply(Store *base, Work *first, Error *reterr)
{
    FakeStore *fake = (FakeStore *)base;
    if (++fake->batches == fake->fail_at) {
        return error_set(reterr, fake->failure, "the fake was told to fail");
    }
    for (Work *work = first; work; work = work->next) {
        const EventChange *events = work->records.events;
        PROMISE(!events || events->failed_count == work->records.intake->refused_count);
        PROMISE(work->records.count > 0 || (events && events->failed_count > 0));
        work->status = STATUS_OK;
        for (size_t i = 0; i < work->records.count; i++) {
            work->records.outcomes[i] =
                (Outcome){.kind = outcome_of(work->records.items[i].record_id), .seq = 1, .differs = FIELD_VALUE};
        }
    }
    return STATUS_OK;
}

static Status fake_maintain(Store *base, bool idle, bool *ret_more, Error *reterr)
{
    (void)base, (void)idle, (void)reterr;
    *ret_more = false;
    return STATUS_OK;
}

static int64_t fake_last_seq(const Store *base)
{
    (void)base;
    return 1;
}

static RuleSet *fake_rules(Store *base)
{
    static RuleSet *none;
    Error error;
    (void)base;
    PROMISE(none || rule_set_new(NULL, 0, &none, &error) == STATUS_OK);
    return none;
}

static const StoreOps fake_ops = {
    .apply = fake_apply, .maintain = fake_maintain, .last_seq = fake_last_seq, .rules = fake_rules};

/* ---- The server around it ---------------------------------------------------------------------------------------- */

static const RecordPolicy policies[] = {{.scale = 2, .hash_seed = 1},
                                        {.scale = 2, .hash_seed = 1, .refuse_unknown_fields = true}};

typedef struct Drive {
    HttpServer server;
    Request request;
    FakeStore store;
    Processor *processor;
    Upload *upload;
    uint64_t seed;
    bool events, waiting, asleep, stopping;
} Drive;

static Drive drive;

bool __wrap_turn_wait(Request *request, int64_t limit_us)
{
    PROMISE(request == &drive.request && !drive.waiting && limit_us > 0);
    drive.waiting = !drive.stopping;
    return drive.waiting;
}

void __wrap_request_wake(Request *request)
{
    PROMISE(request == &drive.request && drive.waiting);
    drive.waiting = drive.asleep = false;
}

void __wrap_ticker_add(Ticker *ticker, Request *request)
{
    PROMISE(ticker == &drive.server.ticker && request == &drive.request && drive.waiting);
    drive.asleep = true;
}

static void on_broken(void *self, const Error *error) { (void)self, (void)error; }

/* The built-in one. */
static const MappingSet *mappings(void)
{
    static MappingSet *set;
    Error error;
    PROMISE(set || mapping_set_new(NULL, 0, &set, &error) == STATUS_OK);
    return set;
}

static void begin(uint8_t choice, uint8_t failure, uint8_t ending)
{
    uint64_t seed = (uint64_t)choice << 16 | (uint64_t)failure << 8 | ending;
    static const size_t longest[] = {64, 180, 400, 4096};
    static const Status failures[] = {STATUS_BUSY, STATUS_UNKNOWN, STATUS_BROKEN, STATUS_BUSY};
    Error error;
    drive = (Drive){.seed = seed, .store = {.base.ops = &fake_ops}, .events = (ending & 8) != 0};
    drive.store.fail_at = failure % 16 < 4 ? failure % 16 + 1u : 0;
    drive.store.failure = failures[failure / 16 % 4];
    ProcessorOptions options = {.store = &drive.store.base,
                                .clock = &clock_system,
                                .queue_bytes_max = choice & 4 ? 1 : 1 << 20,
                                .batch_records_max = 5000,
                                .broken = on_broken};
    PROMISE(processor_start(&options, &drive.processor, &error) == STATUS_OK);
    drive.server.options = (HttpServerOptions){.policy = &policies[choice >> 3 & 1],
                                               .mappings = mappings(),
                                               .processor = drive.processor,
                                               .clock = &clock_system,
                                               .line_bytes_max = longest[choice & 3],
                                               .request_ms_max = 1000};
    drive.request.server = &drive.server;
    RecordsCall call = {
        .results = RESULTS_ALL, .traceparent = STR("00-trace"), .events = drive.events, .first_wins = drive.events};
    drive.upload = upload_new(&drive.request, &call);
    PROMISE(drive.upload != NULL);
}

/* What others do while the request waits. */
static void wait_turn(void)
{
    for (int waits = 0; drive.waiting; waits++) {
        bool idle;
        PROMISE(waits < WAITS_MAX);
        if (drive.asleep && random_below(&drive.seed, 2)) {
            __wrap_request_wake(&drive.request);
        } else {
            processor_step(drive.processor, &idle);
        }
    }
}

/* The body in pieces, mostly large ones; the processor comes to work now and then. `seen` bytes of it are sent. */
static void send_body(Str body, size_t seen)
{
    bool idle;
    for (size_t at = 0; at < seen;) {
        size_t piece = 1 + random_below(&drive.seed, random_below(&drive.seed, 4) ? seen : 64);
        piece = piece < seen - at ? piece : seen - at;
        char *copy = fuzz_copy(body.ptr + at, piece);
        size_t taken = upload_take(drive.upload, (Str){copy, piece});
        free(copy);
        PROMISE(taken <= piece && (taken == piece || drive.waiting));
        at += taken;
        wait_turn();
        if (random_below(&drive.seed, 8) == 0) {
            processor_step(drive.processor, &idle);
        }
    }
}

static void finish(void)
{
    for (int calls = 0; !upload_finish(drive.upload, NULL); calls++) {
        PROMISE(calls < WAITS_MAX && drive.waiting);
        wait_turn();
    }
}

/* ---- What must come out ------------------------------------------------------------------------------------------ */

typedef struct Expected {
    Results results;
    uint64_t line;
} Expected;

static void expect_refused(Expected *expected, const RecordProblems *problems)
{
    Buf entry;
    buf_init(&entry, 1 << 20);
    results_put_refused(&entry, (ResultPlace){expected->results.received, expected->line}, problems);
    results_add_refused(&expected->results, buf_str(&entry));
    buf_release(&entry);
}

static Status read_event(char *text, size_t len, const RecordPolicy *policy, Arena *arena, Record *ret_record,
                         RecordProblems *problems)
{
    static char problem[sizeof(Error)];
    yyjson_val *root;
    Event event;
    Error error;
    Status status = json_read(text, len, arena, &root, &error);
    if (status != STATUS_OK) {
        snprintf(problem, sizeof problem, "%s", error.message);
        *problems = (RecordProblems){.count = 1, .items = {{STR("event"), problem}}};
        return status;
    }
    status = event_from_json(root, drive.server.options.mappings, STR(""), policy, arena, &event, problems);
    *ret_record = event.record;
    problems->record_id = (Str){NULL, 0};
    return status;
}

/* The line alone. */
static void expect_line(Expected *expected, Str line, size_t line_bytes_max, const RecordPolicy *policy)
{
    Arena arena;
    Record record;
    RecordProblems problems;
    expected->line++;
    line.len -= line.len > 0 && line.ptr[line.len - 1] == '\r';
    if (line.len > line_bytes_max) {
        char problem[80];
        snprintf(problem, sizeof problem, "is longer than the %zu bytes that a line may have", line_bytes_max);
        problems = (RecordProblems){.count = 1, .items = {{STR("line"), problem}}};
        expect_refused(expected, &problems);
        return;
    }
    if (str_trim(line).len == 0) {
        return;
    }
    char *copy = malloc(line.len + YYJSON_PADDING_SIZE);
    PROMISE(copy != NULL);
    memcpy(copy, line.ptr, line.len);
    memset(copy + line.len, 0, YYJSON_PADDING_SIZE);
    arena_init(&arena, 4096, 1 << 24);
    Status status = drive.events ? read_event(copy, line.len, policy, &arena, &record, &problems)
                                 : record_parse_line(copy, line.len, policy, &arena, &record, &problems);
    PROMISE(status != STATUS_BUSY);
    if (status == STATUS_OK) {
        Outcome outcome = {.kind = outcome_of(record.record_id), .seq = 1, .differs = FIELD_VALUE};
        results_add(&expected->results, (ResultPlace){expected->results.received, expected->line}, &record, &outcome);
    } else {
        expect_refused(expected, &problems);
    }
    arena_release(&arena);
    free(copy);
}

static void check_whole(const UploadEnd *end, Str body)
{
    Expected expected = {.line = 0};
    const RecordsCall call = {.results = RESULTS_ALL, .events = drive.events, .first_wins = drive.events};
    RecordPolicy policy = *drive.server.options.policy;
    policy.faults_refused = true; /* a line is one among many */
    results_init(&expected.results, &call, NULL);
    while (body.len > 0) {
        Str line = str_split(&body, '\n');
        expect_line(&expected, line, drive.server.options.line_bytes_max, &policy);
    }
    const Results *is = end->results, *must = &expected.results;
    PROMISE(end->committed_through == expected.line);
    PROMISE(is->received == must->received && is->rejected == must->rejected);
    PROMISE(is->created == must->created && is->duplicates == must->duplicates && is->conflicts == must->conflicts);
    PROMISE(is->listed == must->listed && is->truncated == must->truncated);
    PROMISE(str_equal(buf_str(&is->list), buf_str(&must->list)));
    results_release(&expected.results);
}

static void check_stopped(const UploadEnd *end, Str body)
{
    uint64_t lines = 1;
    for (size_t i = 0; i < body.len; i++) {
        lines += body.ptr[i] == '\n';
    }
    PROMISE(drive.stopping || drive.store.fail_at > 0);
    PROMISE(end->status == STATUS_BUSY || end->status == STATUS_UNKNOWN || end->status == STATUS_BROKEN);
    PROMISE(end->error.message[0] && end->committed_through <= lines && end->results->received <= lines);
}

/* The body over and over, so that slices fill up. */
static Str repeat(const uint8_t *data, size_t size, unsigned times)
{
    size_t len = size * times < BODY_BYTES_MAX ? size * times : BODY_BYTES_MAX;
    char *text = malloc(len ? len : 1);
    PROMISE(text != NULL);
    for (size_t at = 0; at < len; at++) {
        text[at] = (char)data[at % size];
    }
    return (Str){text, len};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned repeats[] = {1, 1, 2, 30, 100, 1, 1, 4000};
    uint8_t choice = fuzz_take(&data, &size), failure = fuzz_take(&data, &size), ending = fuzz_take(&data, &size);
    begin(choice, failure, ending);
    Str body = repeat(data, size, repeats[choice >> 5]);
    bool hangs_up = (ending & 7) == 1;
    drive.stopping = (ending & 7) == 2;
    send_body(body, hangs_up ? body.len / 2 : body.len);
    if (!hangs_up) {
        finish();
        UploadEnd end = upload_end(drive.upload);
        if (end.status == STATUS_OK) {
            check_whole(&end, body);
        } else {
            check_stopped(&end, body);
        }
    }
    /* What is still at the processor comes back to an upload that nobody waits for any more. */
    upload_drop(drive.upload);
    processor_stop(drive.processor);
    free((char *)(uintptr_t)body.ptr);
    return 0;
}

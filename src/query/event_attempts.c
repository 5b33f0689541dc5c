/* GET /api/events?status=duplicate and status=failed: what did not become a record, the newest first. */
#include "query/request.h"
#include "query/task.h"

#include "record/event.h"
#include "record/event_letter.h"

/* What was JSON when it came is JSON here: to read a message as long as any may be, a source may take about as much. */
enum { PAGE_MAX = 256, EVENT_BYTES_MAX = 16 << 10, PARSE_BYTES_MAX = 288 << 20, PARSE_BYTES_FREE = 64 << 10 };

typedef struct AttemptsQuery AttemptsQuery;

/* One step: what its visitors need. */
typedef struct Looking {
    AttemptsQuery *attempts;
    QueryStep *step;
    EventAttempt page[PAGE_MAX];
    size_t count;
    const EventAttempt *attempt;
    bool enough; /* is written; there may be more of the page */
    Status status;
} Looking;

struct AttemptsQuery {
    Query base;
    Request request;
    Status (*look)(Looking *looking, bool *ret_all, Error *reterr); /* through one page */
    int64_t before;                                                 /* the next one has a smaller id */
    int64_t last;                                                   /* the id of the one that was written last */
    uint64_t left;
    bool begun, any, more;
};

/* False when the page is full: there is another one that would be on it. */
static bool begin_item(AttemptsQuery *attempts, Buf *out, int64_t id)
{
    if (attempts->left == 0) {
        attempts->more = true;
        return false;
    }
    attempts->left--;
    attempts->last = id;
    buf_put(out, attempts->any ? STR(",{") : STR("{"));
    attempts->any = true;
    return true;
}

/* ---- Duplicates -------------------------------------------------------------------------------------------------- */

static bool visit_record(void *context, const StoredRecord *stored)
{
    Looking *looking = context;
    AttemptsQuery *attempts = looking->attempts;
    const EventAttempt *attempt = looking->attempt;
    Buf *out = looking->step->out;
    if (!filter_matches(&attempts->request.filter, &stored->record) || !begin_item(attempts, out, attempt->id)) {
        return true;
    }
    event_put_json_fields(out, &stored->record, stored->seq, attempts->base.options.info->scale);
    buf_put_key(out, "status");
    BUF_PUT(out, "\"duplicate\"");
    buf_put_key_i64(out, "attempt", attempt->number);
    buf_put_key_time(out, "receivedAt", attempt->received_us);
    buf_put_char(out, '}');
    return true;
}

static bool take_attempt(void *context, const EventAttempt *attempt)
{
    Looking *looking = context;
    looking->page[looking->count++] = *attempt;
    return looking->count < PAGE_MAX;
}

static Status look_at_duplicates(Looking *looking, bool *ret_all, Error *reterr)
{
    AttemptsQuery *attempts = looking->attempts;
    const EventAttemptFilter filter = {.before = attempts->before};
    looking->count = 0;
    Status status = reader_event_attempts(looking->step->reader, &filter, take_attempt, looking, reterr);
    *ret_all = looking->count < PAGE_MAX;
    for (size_t i = 0; i < looking->count && status == STATUS_OK && !attempts->more; i++) {
        looking->attempt = &looking->page[i];
        status = reader_get(looking->step->reader, looking->attempt->seq, visit_record, looking, reterr);
        /* Attempts are as they are now: one may be of a record behind the view. */
        status = status == STATUS_REFUSED ? STATUS_OK : status;
        attempts->before = looking->attempt->id;
    }
    return status;
}

/* ---- Failures ---------------------------------------------------------------------------------------------------- */

/* What could be read of it. The texts borrow from `text` and the arena. */
typedef struct Failure {
    Arena arena;
    yyjson_val *root; /* NULL: it is not JSON */
    Str client;       /* empty: none was found */
} Failure;

/* Of those that there are by now; empty: whichever fits. */
static Str mapping_of(const QueryOptions *options, const DeadLetter *letter)
{
    Str mapping;
    bool is_named = event_format_parse(letter->format, &mapping) && mapping_find(options->mappings, mapping);
    return is_named ? mapping : (Str){"", 0};
}

static Status read_failure(const AttemptsQuery *attempts, const DeadLetter *letter, Failure *failure)
{
    const QueryOptions *options = &attempts->base.options;
    RecordProblems problems;
    Event event;
    Error error;
    char *text = arena_alloc_zero(&failure->arena, letter->raw.len + YYJSON_PADDING_SIZE);
    if (!text) {
        return STATUS_BUSY;
    }
    memcpy(text, letter->raw.len ? letter->raw.ptr : "", letter->raw.len);
    Status status = json_read(text, letter->raw.len, &failure->arena, &failure->root, &error);
    if (status == STATUS_OK) {
        status = event_from_json(failure->root, options->mappings, mapping_of(options, letter), options->policy,
                                 &failure->arena, &event, &problems);
        failure->client = status == STATUS_OK ? event.record.source_id : problems.record_id;
    }
    return status == STATUS_BUSY ? STATUS_BUSY : STATUS_OK;
}

static void put_failure(Buf *out, const DeadLetter *letter, const Failure *failure)
{
    BUF_PUT(out, "\"deadLetter\":");
    buf_put_i64(out, letter->id);
    BUF_PUT(out, ",\"status\":\"failed\",\"client\":");
    if (failure->client.len) {
        buf_put_json(out, failure->client);
    } else {
        BUF_PUT(out, "null");
    }
    buf_put_key(out, "source");
    buf_put_json(out, letter->origin);
    buf_put_key(out, "place");
    buf_put_json(out, letter->place);
    buf_put_key(out, "errorType");
    buf_put(out, failure->root ? STR("\"validation\"") : STR("\"malformed\""));
    buf_put_key(out, "error");
    buf_put_json(out, letter->error);
    buf_put_key(out, "event");
    buf_put(out, failure->root && letter->raw.len <= EVENT_BYTES_MAX ? letter->raw : STR("null"));
    buf_put_key(out, "rawBytes");
    buf_put_u64(out, letter->raw.len);
    buf_put_key_i64(out, "attempts", letter->attempts);
    buf_put_key_time(out, "receivedAt", letter->created_us);
    buf_put_key_time(out, "updatedAt", letter->updated_us);
    buf_put_char(out, '}');
}

static bool is_wanted(const AttemptsQuery *attempts, const DeadLetter *letter)
{
    const Filter *filter = &attempts->request.filter;
    Str mapping;
    return event_format_parse(letter->format, &mapping) &&
           (letter->state == DEAD_LETTER_OPEN || letter->state == DEAD_LETTER_RETRYING) &&
           letter->created_us >= filter->start_us && letter->created_us <= filter->end_us;
}

static void put_letter(Looking *looking, const DeadLetter *letter)
{
    AttemptsQuery *attempts = looking->attempts;
    const Str client = attempts->request.filter.source_id;
    Failure failure = {0};
    /* All but what any event may take counts with what other requests hold. */
    Budget memory = {.whole = attempts->base.options.memory};
    arena_init(&failure.arena, 4 << 10, PARSE_BYTES_MAX);
    failure.arena.budget = memory.whole ? &memory : NULL;
    failure.arena.uncounted = PARSE_BYTES_FREE;
    looking->status = read_failure(attempts, letter, &failure);
    if (looking->status == STATUS_OK && (client.len == 0 || str_equal(client, failure.client)) &&
        begin_item(attempts, looking->step->out, letter->id)) {
        put_failure(looking->step->out, letter, &failure);
    }
    arena_release(&failure.arena);
}

static bool visit_letter(void *context, const DeadLetter *letter)
{
    Looking *looking = context;
    AttemptsQuery *attempts = looking->attempts;
    attempts->before = letter->id;
    looking->count++;
    if (is_wanted(attempts, letter)) {
        put_letter(looking, letter);
    }
    looking->enough = step_has_enough(looking->step) || step_time_is_up(looking->step);
    return looking->status == STATUS_OK && !attempts->more && !looking->enough && looking->count < PAGE_MAX;
}

static Status look_at_failures(Looking *looking, bool *ret_all, Error *reterr)
{
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.stage = DEAD_LETTER_INTAKE;
    filter.before = looking->attempts->before;
    looking->count = 0;
    looking->status = STATUS_OK;
    looking->enough = false;
    Status status = reader_dead_letters(looking->step->reader, &filter, visit_letter, looking, reterr);
    *ret_all = looking->count < PAGE_MAX && !looking->enough;
    if (status == STATUS_OK && looking->status != STATUS_OK) {
        status = error_set(reterr, looking->status, "no memory to read an event that failed");
    }
    return status;
}

/* ---- Both -------------------------------------------------------------------------------------------------------- */

static void put_tail(const AttemptsQuery *attempts, Buf *out)
{
    BUF_PUT(out, "],\"nextCursor\":");
    if (attempts->more) {
        buf_printf(out, "\"%lld\"", (long long)attempts->last);
    } else {
        BUF_PUT(out, "null");
    }
    buf_put_char(out, '}');
}

static Status attempts_step(Query *query, QueryStep *step, bool *ret_done, Error *reterr)
{
    AttemptsQuery *attempts = (AttemptsQuery *)query;
    Looking looking = {.attempts = attempts, .step = step};
    bool all = false;
    Status status = step_look(step, reterr);
    if (status == STATUS_OK && !attempts->begun) {
        BUF_PUT(step->out, "{\"data\":[");
        attempts->begun = true;
    }
    while (status == STATUS_OK && !all && !attempts->more) {
        status = attempts->look(&looking, &all, reterr);
        if (step_time_is_up(step) || step_has_enough(step)) {
            break;
        }
    }
    *ret_done = status == STATUS_OK && (all || attempts->more);
    if (*ret_done) {
        put_tail(attempts, step->out);
    }
    return status;
}

static Status check_params(AttemptsQuery *attempts, bool failures, QueryProblems *problems)
{
    const Request *request = &attempts->request;
    uint64_t before = 0;
    if (!request->descending) {
        problems_add(problems, STR("order"), "must be desc with this status");
    }
    if (failures && (request->filter.reference.len || request->filter.unit.len)) {
        problems_add(problems, request->filter.reference.len ? STR("metric") : STR("unit"),
                     "has no meaning with status=failed: it is not known of an event that could not be read");
    }
    if (request->cursor.len && (!str_to_u64(request->cursor, INT64_MAX, &before) || before == 0)) {
        problems_add(problems, STR("cursor"), "must be the nextCursor of an earlier answer");
    }
    attempts->before = (int64_t)before;
    attempts->left = request->limit ? request->limit : REQUEST_LIMIT_DEFAULT;
    return problems->count ? STATUS_REFUSED : STATUS_OK;
}

static Status attempts_new(bool failures, const QueryParam *params, size_t count, const QueryOptions *options,
                           Query **ret_query, QueryProblems *problems)
{
    problems->count = 0;
    AttemptsQuery *attempts = query_alloc(sizeof *attempts, options);
    if (!attempts) {
        return STATUS_BUSY;
    }
    attempts->base.step = attempts_step;
    attempts->look = failures ? look_at_failures : look_at_duplicates;
    Status status = request_read(&attempts->request, REQUEST_EVENTS, &attempts->base.arena, REQUEST_LIMIT_MAX, params,
                                 count, problems);
    if (status == STATUS_OK) {
        status = check_params(attempts, failures, problems);
    }
    if (status != STATUS_OK) {
        query_free(&attempts->base);
        return status;
    }
    *ret_query = &attempts->base;
    return STATUS_OK;
}

Status query_event_duplicates_new(const QueryParam *params, size_t count, QueryFormat format,
                                  const QueryOptions *options, Query **ret_query, QueryProblems *problems)
{
    (void)format;
    return attempts_new(false, params, count, options, ret_query, problems);
}

Status query_event_failures_new(const QueryParam *params, size_t count, QueryFormat format, const QueryOptions *options,
                                Query **ret_query, QueryProblems *problems)
{
    (void)format;
    return attempts_new(true, params, count, options, ret_query, problems);
}

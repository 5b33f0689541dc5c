/* Dead letters: what was given up, of every stage; tried again or discarded through the processor. */
#include "base/base64.h"
#include "http/letters_filter.h"
#include "http/list_page.h"
#include "http/look.h"
#include "http/route_handlers.h"
#include "http/sink_json.h"
#include "http/sinks_call.h"

enum { RETRY_DEFAULT = 1000, RETRY_MAX = STORE_RETRIES_MAX };

typedef struct LettersCall {
    LettersFilter asked; /* the first member: the readers of letters_filter.h get the call */
    Request *request;
    ListPage page;
    uint64_t limit; /* of how many are tried again */
    bool dry_run;
    Str raw, encoded; /* what a letter's bytes are from now on; empty: as they were */
    /* Of counting. */
    uint64_t count, looked_at;
    int64_t last; /* the id that was looked at last */
    bool more;
    /* Of a single one. */
    bool found;
    DeadLetter letter; /* without its texts */
    Outbox *outbox;    /* owns */
} LettersCall;

static void release(Request *request)
{
    LettersCall *call = request->state;
    outbox_close(call->outbox);
    call->outbox = NULL;
}

/* NULL when an answer was said. */
static LettersCall *begin(Request *request)
{
    LettersCall *call = ARENA_NEW(&request->arena, LettersCall);
    if (!call) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return NULL;
    }
    call->request = request;
    call->asked.filter = DEAD_LETTER_FILTER_ALL;
    request->state = call;
    request->release = release;
    return call;
}

/* ---- What is asked for ------------------------------------------------------------------------------------------- */

static const char *read_page_limit(void *self, const char *name, yyjson_val *value)
{
    return list_page_read_limit(&((LettersCall *)self)->page, name, value);
}

static const char *read_limit(void *self, const char *name, yyjson_val *value)
{
    LettersCall *call = self;
    (void)name;
    return field_integer(value, RETRY_MAX, &call->limit) && call->limit > 0 ? NULL : "must be a number from 1 to 10000";
}

static const char *read_page_cursor(void *self, const char *name, yyjson_val *value)
{
    return list_page_read_cursor(&((LettersCall *)self)->page, name, value);
}

static const char *read_dry_run(void *self, const char *name, yyjson_val *value)
{
    LettersCall *call = self;
    (void)name;
    return field_bool(value, &call->dry_run) ? NULL : "must be true or false";
}

/* ---- A page ------------------------------------------------------------------------------------------------------ */

static bool put_letter(void *context, const DeadLetter *letter)
{
    LettersCall *call = context;
    Buf *out = &call->request->out;
    if (!list_page_put_comma(&call->page, letter->id, out)) {
        return false;
    }
    buf_put_char(out, '{');
    dead_letter_put_fields(out, letter);
    buf_put_char(out, '}');
    return !out->failed;
}

static Status read_page(Request *request, StoreReader *reader)
{
    LettersCall *call = request->state;
    call->asked.filter.before = call->page.cursor;
    call->asked.filter.without_raw = true;
    return reader_dead_letters(reader, &call->asked.filter, put_letter, call, &request->error);
}

static JobNext list_step(Request *request, StoreReader *reader)
{
    const LettersCall *call = request->state;
    list_page_put_begin(&request->out);
    look_read(request, reader, read_page);
    list_page_put_end(&call->page, &request->out);
    return JOB_FINISHED;
}

void dead_letters_list(Request *request)
{
    static const Field fields[] = {{"stage", letters_read_stage}, {"state", letters_read_state},
                                   {"sink", letters_read_sink},   {"source", letters_read_source},
                                   {"place", letters_read_place}, {"batch", letters_read_batch},
                                   {"limit", read_page_limit},    {"cursor", read_page_cursor}};
    LettersCall *call = begin(request);
    if (!call) {
        return;
    }
    call->asked.filter.state = DEAD_LETTER_OPEN;
    call->page.limit = LIST_PAGE_DEFAULT;
    if (request_read_fields(request, NULL, fields, sizeof fields / sizeof fields[0], call) &&
        letters_filter_finish(request, &call->asked)) {
        request_run(request, list_step, look_say);
    }
}

/* ---- One --------------------------------------------------------------------------------------------------------- */

static const char what[] = "dead letter";

/* With the id that the address names; NULL when an answer was said. */
static LettersCall *begin_one(Request *request)
{
    LettersCall *call = request_check_params(request, NULL, 0) ? begin(request) : NULL;
    uint64_t id = 0;
    if (call && (!str_to_u64(request->id, INT64_MAX, &id) || id == 0)) {
        look_say_none(request, what);
        return NULL;
    }
    if (call) {
        call->asked.filter.id = (int64_t)id;
    }
    return call;
}

/* It as JSON, without its last two braces. */
static bool copy_letter(void *context, const DeadLetter *letter)
{
    LettersCall *call = context;
    Buf *out = &call->request->out;
    call->found = true;
    call->letter = *letter;
    BUF_PUT(out, "{\"data\":{");
    dead_letter_put_fields(out, letter);
    if (letter->stage == DEAD_LETTER_INTAKE) {
        dead_letter_put_raw(out, letter->raw);
    } else if (letter->stage == DEAD_LETTER_DELIVERY) {
        call->asked.sink = arena_copy(&call->request->arena, letter->origin);
        out->failed = out->failed || !call->asked.sink.ptr;
    }
    return false;
}

static Status read_letter(Request *request, StoreReader *reader)
{
    LettersCall *call = request->state;
    Status status = reader_dead_letters(reader, &call->asked.filter, copy_letter, call, &request->error);
    return status == STATUS_OK && request->out.failed
               ? error_set(&request->error, STATUS_BUSY, "there is no memory for the dead letter")
               : status;
}

static bool put_message(void *context, const Message *message)
{
    LettersCall *call = context;
    message_put_envelope(&call->request->out, message);
    return true;
}

/* As its sink would send it now. Retention may have removed it: then there is nothing to send any more. */
static Status add_message(Request *request, LettersCall *call)
{
    static const Subscription all = {.kinds = (1u << MESSAGE_KIND_COUNT) - 1, .type = -1};
    buf_put_key(&request->out, "message");
    Status status = outbox_open(request_options(request)->store, &all, &call->outbox, &request->error);
    if (status == STATUS_OK) {
        status = outbox_read_one(call->outbox, call->letter.seq, put_message, call, &request->error);
        if (status == STATUS_REFUSED) {
            BUF_PUT(&request->out, "null");
            status = STATUS_OK;
        }
    }
    return status;
}

static JobNext find_step(Request *request, StoreReader *reader)
{
    look_read(request, reader, read_letter);
    return JOB_FINISHED;
}

static JobNext show_step(Request *request, StoreReader *reader)
{
    LettersCall *call = request->state;
    look_read(request, reader, read_letter);
    if (request->failed == STATUS_OK && call->found && call->letter.stage == DEAD_LETTER_DELIVERY) {
        request->failed = add_message(request, call);
    }
    return JOB_FINISHED;
}

/* False when an answer was said. */
static bool is_found(Request *request)
{
    return look_has_found(request, ((const LettersCall *)request->state)->found, what);
}

static void say_letter(Request *request, int code)
{
    if (is_found(request)) {
        BUF_PUT(&request->out, "}}");
        request_answer(request, code, JSON_TYPE);
    }
}

static void say_shown(Request *request) { say_letter(request, 200); }

void dead_letters_get(Request *request)
{
    if (begin_one(request)) {
        request_run(request, show_step, say_shown);
    }
}

/* ---- Tried again, discarded -------------------------------------------------------------------------------------- */

static void submit(Request *request, DeadLetterAction action, RequestThen *then)
{
    const LettersCall *call = request->state;
    request->submission.bytes = 1024 + call->raw.len;
    request->submission.work = (Work){
        .kind = WORK_DEAD_LETTERS,
        .dead_letters = {
            .filter = call->asked.filter, .action = action, .limit = call->limit ? call->limit : 1, .raw = call->raw}};
    request_submit(request, then);
}

/* True when it was done. Those of intake are taken in again at once, those of jobs are due, those of deliveries go by
 * their line. */
static bool is_retried(Request *request)
{
    if (!look_is_written(request, PROBLEM_CONFLICT)) {
        return false;
    }
    intake_look(request_options(request)->intake);
    return true;
}

/* False when an answer was said. */
static bool is_open(Request *request)
{
    const LettersCall *call = request->state;
    if (!is_found(request)) {
        return false;
    }
    if (call->letter.state != DEAD_LETTER_OPEN) {
        request_problem(request, PROBLEM_CONFLICT, "the dead letter %.*s is %s, not open", STR_ARGS(request->id),
                        dead_letter_state_names[call->letter.state]);
        return false;
    }
    return true;
}

/* Only its sink's line takes a delivery up again; `sink` may be empty. False when an answer was said. */
static bool check_sink(Request *request, Str sink)
{
    bool is = true;
    if (sink.len && !sink_is_configured(request, sink, &is)) {
        return false;
    }
    if (!is) {
        request_problem(request, PROBLEM_CONFLICT,
                        "the sink %.*s is not configured: nothing would send its dead letters", STR_ARGS(sink));
    }
    return is;
}

static void say_accepted(Request *request) { say_letter(request, 202); }

static void show_again(Request *request)
{
    LettersCall *call = request->state;
    if (!is_retried(request)) {
        return;
    }
    if (request->submission.work.dead_letters.count == 0 && call->letter.stage != DEAD_LETTER_DELIVERY) {
        request_problem(request, PROBLEM_CONFLICT, "the dead letter %.*s is not open any more", STR_ARGS(request->id));
        return;
    }
    if (request->submission.work.dead_letters.count == 0) {
        request_problem(request, PROBLEM_BUSY,
                        "the sink is not there, or as many of its messages wait for another attempt as can; nothing "
                        "happened");
        return;
    }
    buf_reset(&request->out);
    call->found = false;
    request_run(request, show_step, say_accepted);
}

static void retry_found(Request *request)
{
    const LettersCall *call = request->state;
    if (!is_open(request)) {
        return;
    }
    if (call->raw.len && call->letter.stage != DEAD_LETTER_INTAKE) {
        request_invalid(request, "raw", "must be left out: only what came in can be replaced, not a message or a job");
    } else if (check_sink(request, call->asked.sink)) {
        submit(request, DEAD_LETTER_RETRY, show_again);
    }
}

static const char *read_text(Str *ret_text, yyjson_val *value)
{
    *ret_text = yyjson_is_str(value) ? (Str){yyjson_get_str(value), yyjson_get_len(value)} : STR("");
    return ret_text->len ? NULL : "must be a text that is not empty";
}

static const char *read_raw(void *self, const char *name, yyjson_val *value)
{
    (void)name;
    return read_text(&((LettersCall *)self)->raw, value);
}

static const char *read_encoded(void *self, const char *name, yyjson_val *value)
{
    (void)name;
    return read_text(&((LettersCall *)self)->encoded, value);
}

/* False when an answer was said. */
static bool decode_raw(Request *request, LettersCall *call)
{
    if (call->encoded.len == 0) {
        return true;
    }
    if (call->raw.len) {
        request_invalid(request, "rawBase64", "must be left out when raw is given");
        return false;
    }
    char *bytes = arena_alloc(&request->arena, call->encoded.len);
    if (!bytes) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the bytes");
        return false;
    }
    call->raw.ptr = bytes;
    if (!base64_decode(call->encoded, bytes, &call->raw.len)) {
        request_invalid(request, "rawBase64", "must be base64, with its padding and without white space");
        return false;
    }
    return true;
}

/* What came in may be replaced by what a person has mended. */
void dead_letters_retry(Request *request)
{
    static const Field fields[] = {{"raw", read_raw}, {"rawBase64", read_encoded}};
    yyjson_val *body = NULL;
    LettersCall *call = begin_one(request);
    if (call && request_json_body(request, "the bytes", BODY_OPTIONAL, &body) &&
        request_read_fields(request, body, fields, sizeof fields / sizeof fields[0], call) &&
        decode_raw(request, call)) {
        request_run(request, find_step, retry_found);
    }
}

static void say_discarded(Request *request)
{
    if (!look_is_written(request, PROBLEM_CONFLICT)) {
        return;
    }
    if (request->submission.work.dead_letters.count == 0) {
        request_problem(request, PROBLEM_CONFLICT, "the dead letter %.*s is not open any more", STR_ARGS(request->id));
        return;
    }
    request_answer(request, 204, NULL);
}

/* Twice is as good as once. */
static void discard_found(Request *request)
{
    const LettersCall *call = request->state;
    if (request->failed == STATUS_OK && call->found && call->letter.state == DEAD_LETTER_DISCARDED) {
        request_answer(request, 204, NULL);
    } else if (is_open(request)) {
        submit(request, DEAD_LETTER_DISCARD, say_discarded);
    }
}

void dead_letters_discard(Request *request)
{
    if (begin_one(request)) {
        request_run(request, find_step, discard_found);
    }
}

/* ---- Many -------------------------------------------------------------------------------------------------------- */

enum { COUNTED_AT_ONCE = 8192 };

static bool count_letter(void *context, const DeadLetter *letter)
{
    LettersCall *call = context;
    call->count++;
    call->last = letter->id;
    call->more = ++call->looked_at % COUNTED_AT_ONCE == 0;
    return !call->more && call->count < call->limit;
}

static Status read_count(Request *request, StoreReader *reader)
{
    LettersCall *call = request->state;
    call->asked.filter.without_raw = true;
    call->more = false;
    return reader_dead_letters(reader, &call->asked.filter, count_letter, call, &request->error);
}

static JobNext count_step(Request *request, StoreReader *reader)
{
    LettersCall *call = request->state;
    look_read(request, reader, read_count);
    call->asked.filter.before = call->last;
    return request->failed == STATUS_OK && call->more && call->count < call->limit ? JOB_AGAIN : JOB_FINISHED;
}

static void say_counted(Request *request)
{
    const LettersCall *call = request->state;
    if (look_is_done(request)) {
        look_say_count(request, 200, true, (int64_t)call->count);
    }
}

static void say_retried(Request *request)
{
    if (is_retried(request)) {
        look_say_count(request, 202, false, (int64_t)request->submission.work.dead_letters.count);
    }
}

/* A dry run without a limit of its own counts them all. */
void dead_letters_retry_many(Request *request)
{
    static const Field fields[] = {{"stage", letters_read_stage},   {"sink", letters_read_sink},
                                   {"source", letters_read_source}, {"batch", letters_read_batch},
                                   {"limit", read_limit},           {"dryRun", read_dry_run}};
    yyjson_val *body = NULL;
    LettersCall *call = begin(request);
    if (!call) {
        return;
    }
    call->asked.filter.state = DEAD_LETTER_OPEN;
    if (!request_json_body(request, "the filter", BODY_OPTIONAL, &body) ||
        !request_read_fields(request, body, fields, sizeof fields / sizeof fields[0], call) ||
        !letters_filter_finish(request, &call->asked) || !check_sink(request, call->asked.sink)) {
        return;
    }
    if (call->dry_run) {
        call->limit = call->limit ? call->limit : UINT64_MAX;
        request_run(request, count_step, say_counted);
    } else {
        call->limit = call->limit ? call->limit : RETRY_DEFAULT;
        submit(request, DEAD_LETTER_RETRY, say_retried);
    }
}

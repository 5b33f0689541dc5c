/* POST /api/bulk-onboard: organizations are checked, all of them, and stored as a batch, whole or not at all.
 *
 *     the key is looked up ─► the body is read ─┬─► stored by the processor ─► 202
 *     (when there is one)                       └─► looked at (dryRun)      ─► 200 */
#include "base/uuid.h"
#include "http/idempotency.h"
#include "http/json_body.h"
#include "http/look.h"
#include "http/members.h"
#include "http/records_call.h"
#include "http/route_handlers.h"
#include "onboard/bulk.h"

enum {
    BODY_BYTES_MAX = 4 << 20,
    PROBLEMS_BYTES_MAX = 8 << 20,
    ITEM_BYTES = 1024, /* what one counts for in the processor's queue, besides its metadata */
};

typedef struct OnboardCall {
    bool partial, dry_run;
    OnDuplicate on_duplicate;
    BulkForm form;
    Idempotency idempotency;
    Bulk bulk;
    OnboardOutcome *outcomes; /* of bulk.content */
    char batch_id[UUID_TEXT_BYTES];
    Buf answer; /* owns */
} OnboardCall;

static void release(Request *request) { buf_release(&((OnboardCall *)request->state)->answer); }

/* ---- What is asked for ------------------------------------------------------------------------------------------- */

static const char *read_mode(void *self, const char *name, yyjson_val *value)
{
    OnboardCall *call = self;
    (void)name;
    call->partial = yyjson_equals_str(value, "partial");
    return call->partial || yyjson_equals_str(value, "atomic") ? NULL : "must be atomic or partial";
}

static const char *read_on_duplicate(void *self, const char *name, yyjson_val *value)
{
    static const char *const words[] = {
        [ON_DUPLICATE_UPDATE] = "update", [ON_DUPLICATE_SKIP] = "skip", [ON_DUPLICATE_FAIL] = "fail"};
    OnboardCall *call = self;
    (void)name;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (yyjson_equals_str(value, words[i])) {
            call->on_duplicate = (OnDuplicate)i;
            return NULL;
        }
    }
    return "must be update, skip or fail";
}

static const char *read_dry_run(void *self, const char *name, yyjson_val *value)
{
    (void)name;
    return field_bool(value, &((OnboardCall *)self)->dry_run) ? NULL : "must be true or false";
}

static void say_too_large(Request *request)
{
    request_problem(
        request, PROBLEM_TOO_LARGE,
        "the body is larger than the %d bytes that a batch may have; send fewer organizations at once, with at "
        "most %d bytes of metadata each",
        BODY_BYTES_MAX, ONBOARD_METADATA_BYTES_MAX);
}

void onboard_begin(Request *request)
{
    if (request->body_left != UINT64_MAX && request->body_left > BODY_BYTES_MAX) {
        say_too_large(request);
    }
}

/* False when an answer was said. */
static bool read_media(Request *request, OnboardCall *call)
{
    Str charset, encoding = request_header(request, "Content-Encoding");
    MediaType media = media_type_parse(request_header(request, "Content-Type"), &charset);
    call->form = media == MEDIA_CSV ? BULK_CSV : BULK_JSON;
    if (request->body.len > BODY_BYTES_MAX) {
        say_too_large(request);
    } else if (media != MEDIA_JSON && media != MEDIA_CSV) {
        request_problem(request, PROBLEM_MEDIA_TYPE, "send the organizations as application/json or text/csv");
    } else if (!media_charset_is_utf8(charset)) {
        request_problem(request, PROBLEM_MEDIA_TYPE, "the body has to be UTF-8");
    } else if (encoding.len && !str_equal_nocase(encoding, STR("identity"))) {
        request_problem(request, PROBLEM_MEDIA_TYPE, "the body must not be compressed");
    } else {
        return true;
    }
    return false;
}

/* NULL when an answer was said. */
static OnboardCall *begin(Request *request)
{
    static const Field fields[] = {{"mode", read_mode}, {"onDuplicate", read_on_duplicate}, {"dryRun", read_dry_run}};
    OnboardCall *call = ARENA_NEW(&request->arena, OnboardCall);
    if (!call) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return NULL;
    }
    request_buf_init(request, &call->answer, IDEMPOTENCY_ANSWER_BYTES_MAX);
    request->state = call;
    request->release = release;
    bool is_read = request_read_fields(request, NULL, fields, sizeof fields / sizeof fields[0], call) &&
                   read_media(request, call) && idempotency_read(request, &call->idempotency);
    return is_read ? call : NULL;
}

/* ---- What is wrong with it --------------------------------------------------------------------------------------- */

static void say_problems(Request *request, const Bulk *bulk)
{
    Buf members;
    request_buf_init(request, &members, PROBLEMS_BYTES_MAX);
    BUF_PUT(&members, "\"errors\":");
    bulk_put_errors(&members, bulk);
    Str errors = members.failed ? (Str){NULL, 0} : buf_str(&members);
    if (bulk->whole.problem) {
        request_problem_with(request, PROBLEM_VALIDATION, errors, "%.*s%s%s; nothing was stored",
                             STR_ARGS(bulk->whole.field), bulk->whole.field.len ? " " : "", bulk->whole.problem);
    } else {
        request_problem_with(request, PROBLEM_VALIDATION, errors,
                             "%zu of %zu organizations %s not valid; nothing was stored", bulk->bad_count, bulk->given,
                             bulk->bad_count == 1 ? "is" : "are");
    }
    buf_release(&members);
}

/* False when an answer was said. */
static bool read_body(Request *request, OnboardCall *call)
{
    if (!buf_reserve(&request->body, YYJSON_PADDING_SIZE)) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the body");
        return false;
    }
    Status status = bulk_read(request->body.ptr, request->body.len, call->form, request_options(request)->policy,
                              &request->arena, &call->bulk);
    if (status == STATUS_OK || (status == STATUS_REFUSED && call->partial && call->bulk.count)) {
        call->outcomes = ARENA_ARRAY(&request->arena, OnboardOutcome, call->bulk.count);
        status = call->outcomes ? STATUS_OK : STATUS_BUSY;
    }
    if (status == STATUS_REFUSED) {
        say_problems(request, &call->bulk);
    } else if (status != STATUS_OK) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the organizations");
    }
    return status == STATUS_OK;
}

/* The domains that are there, where that is a failure. */
static void say_exists(Request *request, const OnboardCall *call)
{
    Buf members, domains;
    size_t count = 0;
    request_buf_init(request, &members, PROBLEMS_BYTES_MAX);
    request_buf_init(request, &domains, PROBLEMS_BYTES_MAX);
    BUF_PUT(&members, "\"errors\":{");
    for (size_t i = 0; i < call->bulk.count; i++) {
        if (call->outcomes[i] == ONBOARD_EXISTS) {
            buf_printf(&members, "%s\"organizations.%lld.domain\":[\"is there already\"]", count ? "," : "",
                       (long long)call->bulk.items[i]);
            buf_put(&domains, count++ ? STR(",") : STR(""));
            buf_put_json(&domains, call->bulk.content[i].domain);
        }
    }
    BUF_PUT(&members, "},\"domains\":[");
    buf_put(&members, buf_str(&domains));
    buf_put_char(&members, ']');
    request_problem_with(request, PROBLEM_CONFLICT, members.failed ? (Str){NULL, 0} : buf_str(&members),
                         "%zu of the domains %s there already; nothing was stored", count, count == 1 ? "is" : "are");
    buf_release(&members);
    buf_release(&domains);
}

/* ---- The answer -------------------------------------------------------------------------------------------------- */

static size_t count_outcomes(const OnboardCall *call, OnboardOutcome outcome)
{
    size_t count = 0;
    for (size_t i = 0; i < call->bulk.count; i++) {
        count += call->outcomes[i] == outcome;
    }
    return count;
}

static void put_skipped(const OnboardCall *call, Buf *out, bool brief)
{
    const char *separator = "";
    buf_put_key(out, "skipped");
    buf_put_char(out, '[');
    for (size_t i = 0; i < call->bulk.count; i++) {
        if (call->outcomes[i] == ONBOARD_SKIPPED) {
            buf_printf(out, "%s{\"index\":%lld", separator, (long long)call->bulk.items[i]);
            if (!brief) {
                member_put_text(out, "domain", call->bulk.content[i].domain);
            }
            buf_put_char(out, '}');
            separator = ",";
        }
    }
    buf_put_char(out, ']');
}

static void put_refused(const OnboardCall *call, Buf *out, bool brief)
{
    buf_put_key(out, "refused");
    if (!brief) {
        bulk_put_bad(out, &call->bulk);
        return;
    }
    buf_put_char(out, '[');
    for (size_t i = 0; i < call->bulk.bad_count; i++) {
        buf_printf(out, "%s{\"index\":%lld}", i ? "," : "", (long long)call->bulk.bad[i].item);
    }
    buf_put_char(out, ']');
}

/* The reference's members; more only when there is something to tell. */
static void put_answer(const OnboardCall *call, Buf *out, bool brief)
{
    size_t skipped = count_outcomes(call, ONBOARD_SKIPPED), stored = call->bulk.count - skipped;
    buf_reset(out);
    if (call->dry_run) {
        BUF_PUT(out, "{\"dry_run\":true,\"message\":\"Nothing was stored: this is what would be\"");
        buf_put_key_i64(out, "organizations_count", (int64_t)stored);
        buf_put_key_i64(out, "created", (int64_t)count_outcomes(call, ONBOARD_CREATED));
        buf_put_key_i64(out, "updated", (int64_t)count_outcomes(call, ONBOARD_UPDATED));
    } else {
        buf_printf(out, "{\"batch_id\":\"%s\",\"message\":\"Bulk onboarding initiated successfully\"", call->batch_id);
        buf_put_key_i64(out, "organizations_count", (int64_t)stored);
    }
    if (skipped) {
        put_skipped(call, out, brief);
    }
    if (call->bulk.bad_count) {
        put_refused(call, out, brief);
    }
    warnings_put(out, call->bulk.warnings, call->bulk.warning_count);
    buf_put_char(out, '}');
}

/* What is kept under a key has a limit, so very long ones have to do with the places. */
static void make_answer(OnboardCall *call)
{
    put_answer(call, &call->answer, false);
    if (call->answer.failed) {
        put_answer(call, &call->answer, true);
    }
}

static void say_answer(Request *request, int code)
{
    const OnboardCall *call = request->state;
    buf_put(&request->out, buf_str(&call->answer));
    request->out.failed |= call->answer.failed;
    request_answer(request, code, JSON_TYPE);
}

/* ---- Storing ----------------------------------------------------------------------------------------------------- */

/* On the processor's thread, in the batch's transaction: from here on it is known which are skipped. */
static void say_decided(void *self, OnboardChange *change)
{
    OnboardCall *call = self;
    make_answer(call);
    change->answer->code = 202;
    change->answer->answer = call->answer.failed ? (Str){NULL, 0} : buf_str(&call->answer);
}

static void say_stored(Request *request)
{
    OnboardCall *call = request->state;
    const Work *work = &request->submission.work;
    bool is_decided = request->failed == STATUS_OK;
    OnboardConflict conflict =
        is_decided && work->status == STATUS_CONFLICT ? work->onboard.conflict : ONBOARD_CONFLICT_NONE;
    if (conflict == ONBOARD_CONFLICT_DOMAINS) {
        say_exists(request, call);
    } else if (conflict == ONBOARD_CONFLICT_KEY) {
        idempotency_say_running(request);
    } else if (conflict == ONBOARD_CONFLICT_BODY) {
        idempotency_say_taken(request);
    } else if (look_is_written(request, PROBLEM_VALIDATION)) {
        make_answer(call);
        say_answer(request, 202);
    }
}

static size_t work_bytes(const Bulk *bulk)
{
    size_t bytes = 0;
    for (size_t i = 0; i < bulk->count; i++) {
        bytes += ITEM_BYTES + bulk->content[i].metadata.len;
    }
    return bytes;
}

static void submit(Request *request, OnboardCall *call)
{
    const HttpServerOptions *options = request_options(request);
    Error error;
    Status status = uuid_make(options->clock, options->random, call->batch_id, &error);
    if (status != STATUS_OK) {
        request_failed(request, status, &error);
        return;
    }
    bool has_key = call->idempotency.has_key;
    request->submission.bytes = work_bytes(&call->bulk);
    request->submission.work = (Work){.kind = WORK_ONBOARD,
                                      .onboard = {.batch_id = str_from(call->batch_id),
                                                  .content = call->bulk.content,
                                                  .items = call->bulk.items,
                                                  .outcomes = call->outcomes,
                                                  .count = call->bulk.count,
                                                  .on_duplicate = call->on_duplicate,
                                                  .who = request_who(request),
                                                  .complete = options->onboard_complete,
                                                  .answer = has_key ? &call->idempotency.answer : NULL,
                                                  .say = has_key ? say_decided : NULL,
                                                  .self = call}};
    request_submit(request, say_stored);
}

/* ---- A dry run --------------------------------------------------------------------------------------------------- */

static bool note_there(void *context, const StoredOrganization *organization)
{
    (void)organization;
    *(bool *)context = true;
    return false;
}

/* A deleted one counts as there. */
static Status look_at(Request *request, StoreReader *reader, size_t at)
{
    OnboardCall *call = request->state;
    bool is_there = false;
    Status status = STATUS_OK;
    for (int deleted = 0; deleted < 2 && !is_there && status == STATUS_OK; deleted++) {
        OrganizationFilter filter = {.status = -1, .domain = call->bulk.content[at].domain, .deleted = deleted == 1};
        status = reader_organizations(reader, &filter, note_there, &is_there, &request->error);
    }
    call->outcomes[at] = onboard_outcome(call->on_duplicate, is_there);
    return status;
}

static Status look_at_all(Request *request, StoreReader *reader)
{
    const OnboardCall *call = request->state;
    Status status = STATUS_OK;
    for (size_t i = 0; i < call->bulk.count && status == STATUS_OK; i++) {
        status = look_at(request, reader, i);
    }
    return status;
}

static JobNext dry_step(Request *request, StoreReader *reader)
{
    look_read(request, reader, look_at_all);
    return JOB_FINISHED;
}

static void say_dry(Request *request)
{
    OnboardCall *call = request->state;
    if (request->failed != STATUS_OK) {
        request_failed(request, request->failed, &request->error);
    } else if (count_outcomes(call, ONBOARD_EXISTS)) {
        say_exists(request, call);
    } else {
        make_answer(call);
        say_answer(request, 200);
    }
}

/* ---- The call ---------------------------------------------------------------------------------------------------- */

static void go_on(Request *request, OnboardCall *call)
{
    if (!read_body(request, call)) {
        return;
    }
    if (call->dry_run) {
        request_run(request, dry_step, say_dry);
    } else {
        submit(request, call);
    }
}

static Status look_for_key(Request *request, StoreReader *reader)
{
    return idempotency_look(request, reader, &((OnboardCall *)request->state)->idempotency);
}

static JobNext key_step(Request *request, StoreReader *reader)
{
    look_read(request, reader, look_for_key);
    return JOB_FINISHED;
}

static void key_looked_up(Request *request)
{
    OnboardCall *call = request->state;
    if (request->failed != STATUS_OK) {
        request_failed(request, request->failed, &request->error);
    } else if (!idempotency_replay(request, &call->idempotency)) {
        go_on(request, call);
    }
}

void onboard_post(Request *request)
{
    OnboardCall *call = begin(request);
    if (call && call->idempotency.has_key && !call->dry_run) {
        request_run(request, key_step, key_looked_up);
    } else if (call) {
        go_on(request, call);
    }
}

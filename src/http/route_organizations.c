/* Organizations: a list, single ones by id or domain, changes through the processor, and what was done to each by
 * whom. */
#include "http/idempotency.h"
#include "http/list_page.h"
#include "http/look.h"
#include "http/onboard_json.h"
#include "http/records_call.h"
#include "http/route_handlers.h"
#include "onboard/bulk.h"
#include "onboard/domain.h"

enum { PROBLEMS_BYTES_MAX = 64 << 10 };

typedef struct OrganizationsCall {
    ListPage page; /* the first member: the readers of list_page.h get the call */
    Request *request;
    OrganizationFilter filter;
    bool any; /* deleted or not */
    bool found;
    StoredOrganization organization; /* the one that is named; texts in the request's arena */
    bool starved;
    int64_t version;             /* of If-Match; 0: there is none */
    RecordProblems problems;     /* of a change; its unknown fields are the warnings */
    OrganizationContent content; /* of a change: what is to be; a NULL pointer: as it is */
    RequestThen *then;           /* when it was found */
} OrganizationsCall;

/* NULL when an answer was said. */
static OrganizationsCall *begin(Request *request)
{
    OrganizationsCall *call = ARENA_NEW(&request->arena, OrganizationsCall);
    if (!call) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return NULL;
    }
    call->request = request;
    call->filter.status = -1;
    call->page.limit = LIST_PAGE_DEFAULT;
    request->state = call;
    return call;
}

static void say_none(Request *request)
{
    const OrganizationsCall *call = request->state;
    Str name = request->id.len ? request->id : call->filter.domain;
    request_problem(request, PROBLEM_NOT_FOUND, "there is no%s organization %.*s",
                    call->filter.deleted ? " deleted" : "", STR_ARGS(name));
}

/* Digits are an id: a domain has a dot. False, and an answer is said, for what is neither. */
static bool read_name(Request *request, Str name)
{
    OrganizationsCall *call = request->state;
    const char *problem = NULL;
    uint64_t id = 0;
    if (str_to_u64(name, INT64_MAX, &id) && id > 0) {
        call->filter.id = (int64_t)id;
        return true;
    }
    Status status = domain_normalise(name, &request->arena, &call->filter.domain, &problem);
    if (status == STATUS_REFUSED) {
        call->filter.domain = name;
        say_none(request);
    } else if (status != STATUS_OK) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
    }
    return status == STATUS_OK;
}

/* ---- What is asked for ------------------------------------------------------------------------------------------- */

/* Whoever has a domain from elsewhere finds it: "https://München.de/". Parts of one stay as they are. */
static const char *read_search(void *self, const char *name, yyjson_val *value)
{
    OrganizationsCall *call = self;
    OrganizationFilter *filter = &call->filter;
    const char *problem;
    (void)name;
    if (!field_text(value, &filter->search)) {
        return "must be 1 to 255 characters";
    }
    if (domain_normalise(filter->search, &call->request->arena, &filter->beginning, &problem) != STATUS_OK) {
        filter->beginning = (Str){NULL, 0};
    }
    return NULL;
}

static const char *read_domain(void *self, const char *name, yyjson_val *value)
{
    (void)name;
    return field_text(value, &((OrganizationsCall *)self)->filter.domain) ? NULL : "must be a domain";
}

static const char *read_batch(void *self, const char *name, yyjson_val *value)
{
    (void)name;
    return field_text(value, &((OrganizationsCall *)self)->filter.batch_id) ? NULL : "must be the id of a batch";
}

static const char *read_status(void *self, const char *name, yyjson_val *value)
{
    (void)name;
    return job_state_read(value, &((OrganizationsCall *)self)->filter.status);
}

static const char *read_deleted(void *self, const char *name, yyjson_val *value)
{
    (void)name;
    return field_bool(value, &((OrganizationsCall *)self)->filter.deleted) ? NULL : "must be true or false";
}

/* ---- One --------------------------------------------------------------------------------------------------------- */

static bool copy_organization(void *context, const StoredOrganization *organization)
{
    OrganizationsCall *call = context;
    StoredOrganization *copy = &call->organization;
    Str *texts[] = {&copy->content.name, &copy->content.domain, &copy->content.contact_email, &copy->content.metadata,
                    &copy->batch_id};
    call->found = true;
    *copy = *organization;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = arena_copy(&call->request->arena, *texts[i]);
        call->starved = call->starved || !texts[i]->ptr;
    }
    return false;
}

static Status read_one(Request *request, StoreReader *reader)
{
    OrganizationsCall *call = request->state;
    Status status = reader_organizations(reader, &call->filter, copy_organization, call, &request->error);
    call->found = call->found && (call->any || call->filter.deleted == (call->organization.deleted_us != 0));
    return call->starved ? error_set(&request->error, STATUS_BUSY, "there is no memory for the organization") : status;
}

static JobNext find_step(Request *request, StoreReader *reader)
{
    OrganizationsCall *call = request->state;
    call->found = false;
    look_read(request, reader, read_one);
    return JOB_FINISHED;
}

/* False when an answer was said. */
static bool is_found(Request *request)
{
    const OrganizationsCall *call = request->state;
    bool is_done = look_is_done(request);
    if (is_done && !call->found) {
        say_none(request);
    }
    return is_done && call->found;
}

static void say_organization(Request *request)
{
    const OrganizationsCall *call = request->state;
    if (!is_found(request)) {
        return;
    }
    size_t warnings = call->problems.unknown_count;
    const char *etag = arena_printf(&request->arena, "\"%lld\"", (long long)call->organization.version);
    Answer answer = {.code = 200, .content_type = JSON_TYPE};
    if (etag) {
        answer.headers[answer.header_count++] = (AnswerHeader){"ETag", etag};
    }
    BUF_PUT(&request->out, "{\"data\":");
    stored_organization_put_json(&request->out, &call->organization);
    warnings_put(&request->out, call->problems.unknown_fields,
                 warnings < RECORD_WARNINGS_MAX ? warnings : RECORD_WARNINGS_MAX);
    buf_put_char(&request->out, '}');
    request_answer_with(request, &answer);
}

void organizations_get(Request *request)
{
    static const Field fields[] = {{"deleted", read_deleted}};
    OrganizationsCall *call = begin(request);
    if (call && request_read_fields(request, NULL, fields, sizeof fields / sizeof fields[0], call) &&
        read_name(request, request->id)) {
        request_run(request, find_step, say_organization);
    }
}

/* ---- A list ------------------------------------------------------------------------------------------------------ */

/* Ids that a step of a list goes through: what is looked for may be anywhere, and others wait for the thread. */
enum { STEP_IDS = 5000 };

static bool put_organization(void *context, const StoredOrganization *organization)
{
    OrganizationsCall *call = context;
    Buf *out = &call->request->out;
    if (!list_page_put_comma(&call->page, organization->id, out)) {
        return false;
    }
    stored_organization_put_json(out, organization);
    return !out->failed;
}

/* Those that come while the list is read are not in it. */
static Status begin_page(OrganizationsCall *call, StoreReader *reader)
{
    OnboardCounts counts = {0};
    Status status = reader_onboard_counts(reader, &counts, &call->request->error);
    int64_t behind_all = counts.last_organization + 1, cursor = call->page.cursor;
    call->filter.before = cursor && cursor < behind_all ? cursor : behind_all; /* a cursor may be made up */
    list_page_put_begin(&call->request->out);
    return status;
}

static Status read_page(Request *request, StoreReader *reader)
{
    OrganizationsCall *call = request->state;
    OrganizationFilter *filter = &call->filter;
    Status status = filter->before ? STATUS_OK : begin_page(call, reader);
    filter->after = filter->before > STEP_IDS ? filter->before - STEP_IDS : 0;
    return status == STATUS_OK ? reader_organizations(reader, filter, put_organization, call, &request->error) : status;
}

static JobNext list_step(Request *request, StoreReader *reader)
{
    OrganizationsCall *call = request->state;
    look_read(request, reader, read_page);
    if (request->failed == STATUS_OK && !call->page.more && call->filter.after > 0) {
        call->filter.before = call->filter.after + 1;
        return JOB_AGAIN;
    }
    list_page_put_end(&call->page, &request->out);
    return JOB_FINISHED;
}

/* By its domain one is found, not listed, as records are by ?recordId=. */
void organizations_list(Request *request)
{
    static const Field fields[] = {{"search", read_search},         {"status", read_status},
                                   {"batch", read_batch},           {"deleted", read_deleted},
                                   {"limit", list_page_read_limit}, {"cursor", list_page_read_cursor},
                                   {"domain", read_domain}};
    OrganizationsCall *call = begin(request);
    if (!call || !request_read_fields(request, NULL, fields, sizeof fields / sizeof fields[0], call)) {
        return;
    }
    if (!call->filter.domain.len) {
        request_run(request, list_step, look_say);
    } else if (read_name(request, call->filter.domain)) {
        request_run(request, find_step, say_organization);
    }
}

/* ---- What was done to it ----------------------------------------------------------------------------------------- */

static bool put_change(void *context, const OrganizationChange *change)
{
    OrganizationsCall *call = context;
    Buf *out = &call->request->out;
    if (!list_page_put_comma(&call->page, change->id, out)) {
        return false;
    }
    organization_change_put_json(out, change);
    return !out->failed;
}

/* That of a deleted one, too. */
static Status read_history(Request *request, StoreReader *reader)
{
    OrganizationsCall *call = request->state;
    Status status = read_one(request, reader);
    if (status == STATUS_OK && !call->found) {
        call->filter.deleted = true; /* looked at with a domain */
        status = read_one(request, reader);
    }
    if (status == STATUS_OK && call->found) {
        status = reader_organization_changes(reader, call->organization.id, call->page.cursor, put_change, call,
                                             &request->error);
    }
    return status;
}

static JobNext history_step(Request *request, StoreReader *reader)
{
    const OrganizationsCall *call = request->state;
    list_page_put_begin(&request->out);
    look_read(request, reader, read_history);
    list_page_put_end(&call->page, &request->out);
    return JOB_FINISHED;
}

static void say_history(Request *request)
{
    if (is_found(request)) {
        request_answer(request, 200, JSON_TYPE);
    }
}

void organizations_history(Request *request)
{
    static const Field fields[] = {{"limit", list_page_read_limit}, {"cursor", list_page_read_cursor}};
    OrganizationsCall *call = begin(request);
    if (call && request_read_fields(request, NULL, fields, sizeof fields / sizeof fields[0], call) &&
        read_name(request, request->id)) {
        call->any = true;
        request_run(request, history_step, say_history);
    }
}

/* ---- Changing ---------------------------------------------------------------------------------------------------- */

/* One of "3", W/"3" (never what is meant: a strong one is asked for) and, of clients that are careless, 3. */
static bool tag_is(Str tag, int64_t version)
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, "\"%lld\"", (long long)version);
    Str bare = {wanted + 1, strlen(wanted) - 2};
    return str_is(tag, wanted) || str_equal(tag, bare);
}

/* RFC 9110, section 13.1.1. False, and a 412 is said, when it is at another version. */
static bool check_version(Request *request)
{
    OrganizationsCall *call = request->state;
    Str tags = str_trim(request_header(request, "If-Match"));
    int64_t version = call->organization.version;
    if (tags.len == 0 || str_is(tags, "*")) {
        return true;
    }
    while (tags.ptr) {
        if (tag_is(str_trim(str_split(&tags, ',')), version)) {
            call->version = version;
            return true;
        }
    }
    request_problem(request, PROBLEM_PRECONDITION, "the organization %.*s is at version %lld now",
                    STR_ARGS(request->id), (long long)version);
    return false;
}

static void submit(Request *request, OrganizationAction action, RequestThen *then)
{
    const OrganizationsCall *call = request->state;
    request->submission.bytes = 4096 + call->content.metadata.len;
    request->submission.work = (Work){.kind = WORK_ORGANIZATION,
                                      .organization = {.id = call->organization.id,
                                                       .version = call->version,
                                                       .action = action,
                                                       .content = call->content,
                                                       .who = request_who(request)}};
    request_submit(request, then);
}

/* Between our look and the change somebody else was there: the version that was asked for is not the one any more, or
 * the domain is somebody's. */
static bool is_written(Request *request)
{
    const Work *work = &request->submission.work;
    bool is_decided = request->failed == STATUS_OK && work->status == STATUS_CONFLICT;
    if (is_decided && work->organization.version_differs) {
        request_problem(request, PROBLEM_PRECONDITION, "%s", work->error.message);
        return false;
    }
    return look_is_written(request, PROBLEM_CONFLICT);
}

/* As it is now. */
static void say_changed(Request *request)
{
    OrganizationsCall *call = request->state;
    if (is_written(request)) {
        call->filter = (OrganizationFilter){.status = -1, .id = call->organization.id};
        request_run(request, find_step, say_organization);
    }
}

static void say_problems(Request *request, const RecordProblems *problems)
{
    Buf members;
    buf_init(&members, PROBLEMS_BYTES_MAX);
    BUF_PUT(&members, "\"errors\":");
    organization_problems_put_json(&members, problems);
    request_problem_with(request, PROBLEM_VALIDATION, buf_str(&members), "the changes are not valid");
    buf_release(&members);
}

/* What is to be another thing from now on. False when an answer was said. */
static bool read_changes(Request *request, yyjson_val *body)
{
    OrganizationsCall *call = request->state;
    Status status = organization_from_json(body, ORGANIZATION_PARTS, request_options(request)->policy, &request->arena,
                                           &call->content, &call->problems);
    if (status == STATUS_REFUSED) {
        say_problems(request, &call->problems);
    } else if (status != STATUS_OK) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the changes");
    }
    return status == STATUS_OK;
}

static void change_found(Request *request)
{
    if (is_found(request) && check_version(request)) {
        submit(request, ORGANIZATION_UPDATED, say_changed);
    }
}

void organizations_change(Request *request)
{
    yyjson_val *body = NULL;
    OrganizationsCall *call = request_check_params(request, NULL, 0) ? begin(request) : NULL;
    if (call && request_json_body(request, "the changes", BODY_REQUIRED, &body) && read_changes(request, body) &&
        read_name(request, request->id)) {
        request_run(request, find_step, change_found);
    }
}

static void say_deleted(Request *request)
{
    if (is_written(request)) {
        request_answer(request, 204, NULL);
    }
}

static void delete_found(Request *request)
{
    if (is_found(request) && check_version(request)) {
        submit(request, ORGANIZATION_DELETED, say_deleted);
    }
}

void organizations_delete(Request *request)
{
    if (request_check_params(request, NULL, 0) && begin(request) && read_name(request, request->id)) {
        request_run(request, find_step, delete_found);
    }
}

static void restore_found(Request *request)
{
    if (is_found(request) && check_version(request)) {
        submit(request, ORGANIZATION_RESTORED, say_changed);
    }
}

void organizations_restore(Request *request)
{
    OrganizationsCall *call = request_check_params(request, NULL, 0) ? begin(request) : NULL;
    if (call && read_name(request, request->id)) {
        call->filter.deleted = true;
        request_run(request, find_step, restore_found);
    }
}

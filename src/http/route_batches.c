/* Onboarding batches: how far each is, what became of each organization, failed jobs tried again, waiting ones
 * cancelled. */
#include "http/list_page.h"
#include "http/look.h"
#include "http/onboard_json.h"
#include "http/route_handlers.h"

typedef struct BatchesCall {
    ListPage page; /* the first member: the readers of list_page.h get the call */
    Request *request;
    StoredBatch batch; /* the one that the address names; its id in the request's arena */
    bool found, dry_run;
    JobFilter filter;
    StoredJob *jobs; /* of a page, and one that shows whether there is another; texts in the request's arena */
    size_t job_count;
    bool starved;
    int64_t reckoning_us;
} BatchesCall;

/* What the time that is left is reckoned by; 0 while nobody works on jobs: how it went so far tells nothing then. */
static int64_t reckoning_us(const HttpServerOptions *options)
{
    RunnerStatus status = {.state = RUNNER_HOLDING};
    if (options->runner) {
        runner_status(options->runner, &status);
    }
    return status.state == RUNNER_RUNNING ? clock_wall_us(options->clock) : 0;
}

/* NULL when an answer was said. */
static BatchesCall *begin(Request *request)
{
    BatchesCall *call = ARENA_NEW(&request->arena, BatchesCall);
    if (!call) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return NULL;
    }
    call->request = request;
    call->page.limit = LIST_PAGE_DEFAULT;
    call->reckoning_us = reckoning_us(request_options(request));
    call->filter = (JobFilter){.batch_id = request->id, .state = -1, .after = -1};
    request->state = call;
    return call;
}

/* ---- What is asked for ------------------------------------------------------------------------------------------- */

static const char *read_after(void *self, const char *name, yyjson_val *value)
{
    uint64_t after;
    (void)name;
    if (!field_integer(value, INT64_MAX, &after)) {
        return "must be the nextCursor of an earlier answer";
    }
    ((BatchesCall *)self)->filter.after = (int64_t)after;
    return NULL;
}

static const char *read_status(void *self, const char *name, yyjson_val *value)
{
    (void)name;
    return job_state_read(value, &((BatchesCall *)self)->filter.state);
}

static const char *read_dry_run(void *self, const char *name, yyjson_val *value)
{
    (void)name;
    return field_bool(value, &((BatchesCall *)self)->dry_run) ? NULL : "must be true or false";
}

/* ---- A list ------------------------------------------------------------------------------------------------------ */

static bool put_batch(void *context, const StoredBatch *batch)
{
    BatchesCall *call = context;
    Buf *out = &call->request->out;
    if (!list_page_put_comma(&call->page, batch->number, out)) {
        return false;
    }
    batch_put_json(out, batch, call->reckoning_us);
    return !out->failed;
}

static Status read_list(Request *request, StoreReader *reader)
{
    BatchesCall *call = request->state;
    return reader_batches(reader, &(BatchFilter){.before = call->page.cursor}, put_batch, call, &request->error);
}

static JobNext list_step(Request *request, StoreReader *reader)
{
    const BatchesCall *call = request->state;
    list_page_put_begin(&request->out);
    look_read(request, reader, read_list);
    list_page_put_end(&call->page, &request->out);
    return JOB_FINISHED;
}

void batches_list(Request *request)
{
    static const Field fields[] = {{"limit", list_page_read_limit}, {"cursor", list_page_read_cursor}};
    BatchesCall *call = begin(request);
    if (call && request_read_fields(request, NULL, fields, sizeof fields / sizeof fields[0], call)) {
        request_run(request, list_step, look_say);
    }
}

/* ---- One --------------------------------------------------------------------------------------------------------- */

static bool copy_batch(void *context, const StoredBatch *batch)
{
    BatchesCall *call = context;
    call->found = true;
    call->batch = *batch;
    call->batch.id = call->request->id;
    return false;
}

static Status read_batch(Request *request, StoreReader *reader)
{
    return reader_batches(reader, &(BatchFilter){.id = request->id}, copy_batch, request->state, &request->error);
}

static JobNext find_step(Request *request, StoreReader *reader)
{
    look_read(request, reader, read_batch);
    return JOB_FINISHED;
}

/* False when an answer was said. */
static bool is_found(Request *request)
{
    return look_has_found(request, ((const BatchesCall *)request->state)->found, "batch");
}

static void say_batch(Request *request)
{
    const BatchesCall *call = request->state;
    if (is_found(request)) {
        BUF_PUT(&request->out, "{\"data\":");
        batch_put_json(&request->out, &call->batch, call->reckoning_us);
        buf_put_char(&request->out, '}');
        request_answer(request, 200, JSON_TYPE);
    }
}

void batches_get(Request *request)
{
    if (request_check_params(request, NULL, 0) && begin(request)) {
        request_run(request, find_step, say_batch);
    }
}

/* ---- What became of each ----------------------------------------------------------------------------------------- */

static bool copy_job(void *context, const StoredJob *job)
{
    BatchesCall *call = context;
    StoredJob *copy = &call->jobs[call->job_count++];
    *copy = *job;
    copy->batch_id = call->request->id;
    copy->error = arena_copy(&call->request->arena, job->error);
    call->starved = !copy->error.ptr;
    return !call->starved && call->job_count <= call->page.limit;
}

typedef struct ItemWriting {
    Buf *out;
    const StoredJob *job;
    bool found;
} ItemWriting;

static bool put_item(void *context, const StoredOrganization *organization)
{
    ItemWriting *item = context;
    job_put_json(item->out, item->job, organization);
    item->found = true;
    return false;
}

/* An organization that was deleted keeps its place in the batch. */
static Status put_job(Request *request, StoreReader *reader, const StoredJob *job)
{
    ItemWriting item = {.out = &request->out, .job = job};
    OrganizationFilter filter = {.status = -1, .id = job->organization};
    Status status = reader_organizations(reader, &filter, put_item, &item, &request->error);
    if (status == STATUS_OK && !item.found) {
        job_put_json(&request->out, job, NULL);
    }
    return status;
}

static Status read_items(Request *request, StoreReader *reader)
{
    BatchesCall *call = request->state;
    Status status = read_batch(request, reader);
    if (status != STATUS_OK || !call->found) {
        return status;
    }
    call->jobs = ARENA_ARRAY(&request->arena, StoredJob, call->page.limit + 1);
    call->starved = !call->jobs;
    if (!call->starved) {
        status = reader_jobs(reader, &call->filter, copy_job, call, &request->error);
    }
    for (size_t i = 0; i < call->job_count && status == STATUS_OK && !call->starved; i++) {
        if (list_page_put_comma(&call->page, call->jobs[i].item, &request->out)) {
            status = put_job(request, reader, &call->jobs[i]);
        }
    }
    return call->starved ? error_set(&request->error, STATUS_BUSY, "there is no memory for the items") : status;
}

static JobNext items_step(Request *request, StoreReader *reader)
{
    const BatchesCall *call = request->state;
    list_page_put_begin(&request->out);
    look_read(request, reader, read_items);
    list_page_put_end(&call->page, &request->out);
    return JOB_FINISHED;
}

static void say_items(Request *request)
{
    if (is_found(request)) {
        request_answer(request, 200, JSON_TYPE);
    }
}

void batches_items(Request *request)
{
    static const Field fields[] = {{"status", read_status}, {"limit", list_page_read_limit}, {"cursor", read_after}};
    BatchesCall *call = begin(request);
    if (call && request_read_fields(request, NULL, fields, sizeof fields / sizeof fields[0], call)) {
        request_run(request, items_step, say_items);
    }
}

/* ---- Tried again, cancelled -------------------------------------------------------------------------------------- */

/* Those that are tried again wait for their turn; those that are cancelled are. */
static void say_changed(Request *request)
{
    const Work *work = &request->submission.work;
    if (look_is_written(request, PROBLEM_NOT_FOUND)) {
        look_say_count(request, work->kind == WORK_BATCH_RETRY ? 202 : 200, false, (int64_t)work->batch.count);
    }
}

static void submit(Request *request, WorkKind kind)
{
    request->submission.bytes = 1024;
    request->submission.work = (Work){.kind = kind, .batch = {.batch_id = request->id}};
    request_submit(request, say_changed);
}

static void say_failed(Request *request)
{
    const BatchesCall *call = request->state;
    if (is_found(request)) {
        look_say_count(request, 200, true, call->batch.jobs[JOB_FAILED]);
    }
}

static void say_pending(Request *request)
{
    const BatchesCall *call = request->state;
    if (is_found(request)) {
        look_say_count(request, 200, true, call->batch.jobs[JOB_PENDING]);
    }
}

static void change(Request *request, WorkKind kind, RequestThen *when_dry)
{
    static const Field fields[] = {{"dryRun", read_dry_run}};
    yyjson_val *body = NULL;
    BatchesCall *call = begin(request);
    if (!call || !request_json_body(request, "what is wanted", BODY_OPTIONAL, &body) ||
        !request_read_fields(request, body, fields, sizeof fields / sizeof fields[0], call)) {
        return;
    }
    if (call->dry_run) {
        request_run(request, find_step, when_dry);
    } else {
        submit(request, kind);
    }
}

void batches_retry(Request *request) { change(request, WORK_BATCH_RETRY, say_failed); }

void batches_cancel(Request *request) { change(request, WORK_BATCH_CANCEL, say_pending); }

/* Alert rules: a list, single rules, changes through the processor, and what a rule would have fired on. */
#include "http/json_body.h"
#include "http/look.h"
#include "http/route_handlers.h"
#include "http/rule_json.h"

typedef struct RuleCall {
    Request *request;
    int64_t id;
    bool found, starved;
    AlertRule rule; /* texts in the request's arena or body */
} RuleCall;

static const char what[] = "alert rule";

static unsigned scale_of(const Request *request) { return request_store_info(request)->scale; }

/* NULL when an answer was said. */
static RuleCall *begin(Request *request)
{
    RuleCall *call = request_check_params(request, NULL, 0) ? ARENA_NEW(&request->arena, RuleCall) : NULL;
    uint64_t id = 0;
    if (!call) {
        if (request->phase == PHASE_HANDLING) {
            request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        }
        return NULL;
    }
    if (request->id.len && !str_to_u64(request->id, INT64_MAX, &id)) {
        look_say_none(request, what);
        return NULL;
    }
    call->request = request;
    call->id = (int64_t)id;
    call->rule = rule_default();
    request->state = call;
    return call;
}

static void say_rule(Request *request, int code)
{
    RuleCall *call = request->state;
    Answer answer = {.code = code, .content_type = JSON_TYPE};
    BUF_PUT(&request->out, "{\"data\":");
    rule_put_json(&request->out, &call->rule, scale_of(request));
    buf_put_char(&request->out, '}');
    if (code == 201) {
        const char *location = arena_printf(&request->arena, "/api/alert-rules/%lld", (long long)call->rule.id);
        answer.headers[0] = (AnswerHeader){"Location", location ? location : "/api/alert-rules"};
        answer.header_count = 1;
    }
    request_answer_with(request, &answer);
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

static bool put_rule(void *context, const AlertRule *rule)
{
    Request *request = context;
    if (request->out.len && request->out.ptr[request->out.len - 1] == '}') {
        buf_put_char(&request->out, ',');
    }
    rule_put_json(&request->out, rule, scale_of(request));
    return true;
}

static Status read_all(Request *request, StoreReader *reader)
{
    return reader_rules(reader, put_rule, request, &request->error);
}

static JobNext list_step(Request *request, StoreReader *reader)
{
    BUF_PUT(&request->out, "{\"data\":[");
    look_read(request, reader, read_all);
    BUF_PUT(&request->out, "],\"nextCursor\":null}");
    return JOB_FINISHED;
}

void rules_list(Request *request)
{
    if (begin(request)) {
        request_run(request, list_step, look_say);
    }
}

static bool copy_rule(void *context, const AlertRule *rule)
{
    RuleCall *call = context;
    if (rule->id != call->id) {
        return true;
    }
    call->rule = *rule;
    Str *texts[] = {&call->rule.name, &call->rule.source_id, &call->rule.destination_id, &call->rule.unit,
                    &call->rule.reference};
    call->found = true;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = arena_copy(&call->request->arena, *texts[i]);
        call->starved = call->starved || !texts[i]->ptr;
    }
    return false;
}

static Status read_rule(Request *request, StoreReader *reader)
{
    RuleCall *call = request->state;
    Status status = reader_rules(reader, copy_rule, call, &request->error);
    return status == STATUS_OK && call->starved
               ? error_set(&request->error, STATUS_BUSY, "there is no memory for the rule")
               : status;
}

static JobNext find_step(Request *request, StoreReader *reader)
{
    look_read(request, reader, read_rule);
    return JOB_FINISHED;
}

/* False when an answer was said. */
static bool is_found(Request *request)
{
    return look_has_found(request, ((const RuleCall *)request->state)->found, what);
}

static void say_found(Request *request)
{
    if (is_found(request)) {
        say_rule(request, 200);
    }
}

void rules_get(Request *request)
{
    if (begin(request)) {
        request_run(request, find_step, say_found);
    }
}

/* ---- Changing ---------------------------------------------------------------------------------------------------- */

/* NULL when an answer was said. */
static yyjson_val *read_body(Request *request)
{
    yyjson_val *root = NULL;
    return request_json_body(request, "the rule", BODY_REQUIRED, &root) ? root : NULL;
}

/* The rule with what the body says; false when an answer was said. */
static bool apply_body(Request *request, yyjson_val *body, bool needs_name)
{
    RuleCall *call = request->state;
    QueryProblems problems;
    Status status = rule_apply_json(&call->rule, body, scale_of(request), &problems);
    if (yyjson_is_obj(body)) {
        rule_require(&call->rule, needs_name, &problems);
    }
    if (problems.count) {
        request_invalid_params(request, &problems);
        return false;
    }
    if (status != STATUS_OK) {
        request_problem(request, PROBLEM_CONFLICT, "the rule was changed meanwhile; it is now at version %lld",
                        (long long)call->rule.version);
    }
    return status == STATUS_OK;
}

static void submit_rule(Request *request, WorkKind kind, RequestThen *then)
{
    const RuleCall *call = request->state;
    request->submission.bytes = sizeof(AlertRule);
    request->submission.work = (Work){.kind = kind, .rule = call->rule};
    request_submit(request, then);
}

static void say_created(Request *request)
{
    RuleCall *call = request->state;
    if (look_is_written(request, PROBLEM_VALIDATION)) {
        call->rule = request->submission.work.rule;
        say_rule(request, 201);
    }
}

void rules_create(Request *request)
{
    yyjson_val *body = begin(request) ? read_body(request) : NULL;
    if (body && apply_body(request, body, true)) {
        submit_rule(request, WORK_RULE_PUT, say_created);
    }
}

static void say_changed(Request *request)
{
    RuleCall *call = request->state;
    if (look_is_written(request, PROBLEM_CONFLICT)) {
        call->rule = request->submission.work.rule;
        say_rule(request, 200);
    }
}

static void change_found(Request *request)
{
    yyjson_val *body = is_found(request) ? read_body(request) : NULL;
    if (body && apply_body(request, body, true)) {
        submit_rule(request, WORK_RULE_PUT, say_changed);
    }
}

void rules_change(Request *request)
{
    if (begin(request)) {
        request_run(request, find_step, change_found);
    }
}

static void say_deleted(Request *request)
{
    if (look_is_written(request, PROBLEM_NOT_FOUND)) {
        request_answer(request, 204, NULL);
    }
}

static void delete_found(Request *request)
{
    if (is_found(request)) {
        submit_rule(request, WORK_RULE_DELETE, say_deleted);
    }
}

void rules_delete(Request *request)
{
    if (begin(request)) {
        request_run(request, find_step, delete_found);
    }
}

/* ---- Trying ------------------------------------------------------------------------------------------------------ */

void rules_test(Request *request)
{
    RuleCall *call = ARENA_NEW(&request->arena, RuleCall);
    QueryProblems problems = {.count = 0};
    Query *query = NULL;
    if (!call) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return;
    }
    call->rule = rule_default();
    request->state = call;
    yyjson_val *body = read_body(request);
    if (!body || !apply_body(request, body, false)) {
        return;
    }
    Status status = query_rule_test_new(&call->rule, request->uri.params, request->uri.param_count,
                                        request_query_options(request), &query, &problems);
    if (status == STATUS_OK) {
        request_answer_query(request, query, JSON_TYPE);
    } else if (status == STATUS_REFUSED) {
        request_invalid_params(request, &problems);
    } else {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the query");
    }
}

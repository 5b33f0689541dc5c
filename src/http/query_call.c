#include "http/query_call.h"

QueryParam *query_params(Request *request, size_t *ret_count)
{
    QueryParam *params = ARENA_ARRAY(&request->arena, QueryParam, request->uri.param_count + 1);
    size_t count = 0;
    for (size_t i = 0; params && i < request->uri.param_count; i++) {
        if (!str_is(request->uri.params[i].name, "format")) {
            params[count++] = request->uri.params[i];
        }
    }
    if (!params) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
    }
    *ret_count = count;
    return params;
}

static QueryFormat format_of(MediaAnswer answer)
{
    return answer == ANSWER_NDJSON ? QUERY_NDJSON : answer == ANSWER_CSV ? QUERY_CSV : QUERY_JSON;
}

Query *query_make(Request *request, QueryNew *make, const QueryParam *params, size_t count, QueryFormat format)
{
    QueryProblems problems = {.count = 0};
    Query *query = NULL;
    Status status = make(params, count, format, request_query_options(request), &query, &problems);
    if (status == STATUS_OK) {
        return query;
    }
    if (status == STATUS_REFUSED) {
        request_invalid_params(request, &problems);
    } else {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the query");
    }
    return NULL;
}

void query_answer(Request *request, QueryNew *make, const QueryParam *params, size_t count, MediaAnswer answer)
{
    QueryFormat format = format_of(answer);
    Query *query = query_make(request, make, params, count, format);
    if (query) {
        request_answer_query(request, query, query_content_type(format));
    }
}

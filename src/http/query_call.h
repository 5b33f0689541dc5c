/* What the routes share that ask the query module: it reads the parameters and writes the answers; here it gets its
 * format and its turn. */
#ifndef WEIR_HTTP_QUERY_CALL_H
#define WEIR_HTTP_QUERY_CALL_H

#include "http/request.h"

typedef Status QueryNew(const QueryParam *params, size_t count, QueryFormat format, const QueryOptions *options,
                        Query **ret_query, QueryProblems *problems);

/* The parameters without `format`, which is ours, in the request's arena with room for one more. NULL when an answer
 * was said. */
QueryParam *query_params(Request *request, size_t *ret_count);

/* NULL when an answer was said. */
Query *query_make(Request *request, QueryNew *make, const QueryParam *params, size_t count, QueryFormat format);

/* Makes the query, and answers with what it says. */
void query_answer(Request *request, QueryNew *make, const QueryParam *params, size_t count, MediaAnswer answer);

#endif

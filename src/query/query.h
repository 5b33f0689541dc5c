/* Questions to the store: lists, aggregates, feeds. A query is a task that answers in steps.
 *
 * A step takes at most ~100 ms, so that it never keeps the WAL from being reused, and its caller may use another reader for
 * each: the server runs steps on a pool of threads when a client has room for more; the command line runs them in a loop. */
#ifndef WEIR_QUERY_QUERY_H
#define WEIR_QUERY_QUERY_H

#include "base/buf.h"
#include "store/store.h"

typedef struct Query Query;

/* Appends more of the answer to `out`, until it holds about `bytes_wanted` or the time is up (it may append nothing). All is said
 * when `ret_done`. The first call with an error has appended nothing, so that the error can still be the answer. */
Status query_step(Query *query, StoreReader *reader, size_t bytes_wanted, Buf *out, bool *ret_done, Error *reterr) MUST_CHECK;
void query_free(Query *query); /* accepts NULL */

typedef enum QueryFormat { QUERY_JSON, QUERY_NDJSON, QUERY_CSV } QueryFormat;

/* "application/json", … */
const char *query_content_type(QueryFormat format);

/* One query parameter: name and value, percent-decoding already done. */
typedef struct QueryParam {
    Str name, value;
} QueryParam;

/* A parameter that cannot be used: for the `errors` of a 422. */
typedef struct QueryProblem {
    char field[64];
    char problem[256]; /* "is not a known parameter; did you mean startTime?" */
} QueryProblem;
enum { QUERY_PROBLEMS_MAX = 16 };
typedef struct QueryProblems {
    QueryProblem items[QUERY_PROBLEMS_MAX];
    size_t count;
} QueryProblems;

/* GET /api/records: ?startTime&endTime&type&sourceId&destinationId&reference&unit&order&limit&cursor.
 * GET /api/records/aggregate: the same filters and ?records&groupBy&window&timeZone&measures&limit&cursor.
 * Both read their parameters themselves. REFUSED with all problems; the parameters are copied. */
Status query_list_new(const QueryParam *params, size_t count, QueryFormat format, const StoreInfo *info, Query **ret_query,
                      QueryProblems *problems) MUST_CHECK;
Status query_aggregate_new(const QueryParam *params, size_t count, QueryFormat format, const StoreInfo *info,
                           Query **ret_query, QueryProblems *problems) MUST_CHECK;

typedef enum FeedKind { FEED_NOTIFICATIONS, FEED_ALERTS } FeedKind;

/* One page of a feed: {"data":[{…},…],"nextAfter":seq}. `limit` 1–10,000. */
Status query_feed_new(FeedKind kind, int64_t after, size_t limit, const StoreInfo *info, Query **ret_query) MUST_CHECK;

/* For streams: appends up to `limit` messages behind `*after` to `out`, each as `prefix`, the message, "\n\n" and moves `*after`; in SSE form
 * when `sse` ("id: seq\nevent: kind\ndata: {…}\n\n"), else NDJSON. One step, not a task. */
Status feed_put_messages(StoreReader *reader, FeedKind kind, int64_t *after, size_t limit, bool sse, const StoreInfo *info,
                         Buf *out, size_t *ret_count, Error *reterr) MUST_CHECK;

/* GET /api/records/{recordId}: {"data":{…record…, "summary":{…}}}. REFUSED when there is none. */
Status query_find(StoreReader *reader, Str record_id, Str source_id, const StoreInfo *info, Buf *out, Error *reterr) MUST_CHECK;

#endif

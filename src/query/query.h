/* Questions to the store: lists, aggregates, feeds. A query is a task that answers in steps.
 *
 * A step takes at most about step_us_max, so that it never keeps the WAL from being reused, and its caller may use
 * another reader for each: the server runs steps on a pool of threads when a client has room for more; the command line
 * runs them in a loop. All of an answer is of one moment: what was committed when the first step began, or, for an
 * aggregate, when it had read the rollups. */
#ifndef WEIR_QUERY_QUERY_H
#define WEIR_QUERY_QUERY_H

#include "base/buf.h"
#include "record/mapping.h"
#include "record/record_json.h"
#include "store/store.h"

typedef struct Query Query;

/* What a query works with, and what it may use up. */
typedef struct QueryOptions {
    const StoreInfo *info;  /* borrows until query_free */
    const Clock *clock;     /* borrows until query_free */
    int64_t step_us_max;    /* a step returns soon after so long */
    size_t group_bytes_max; /* memory for the groups of one aggregate; more of them are REFUSED */
    /* for events that failed; borrows until query_free; may be NULL where none is asked for */
    const MappingSet *mappings;
    const RecordPolicy *policy; /* likewise */
    Budget *groups;             /* for those of all aggregates together; beyond it they are BUSY. NULL: no limit */
    Budget *memory; /* of which the others that hold much take a part; beyond it they are BUSY. NULL: no limit */
} QueryOptions;

/* The system's clock, 50 ms a step, 64 MiB of groups. */
QueryOptions query_options_default(const StoreInfo *info);

/* Appends more of the answer to `out`, until it holds about `bytes_wanted` or the time is up (it may append nothing).
 * All is said when `ret_done`. `out` must have room for `bytes_wanted` and QUERY_PIECE_BYTES_MAX more. A call that
 * fails appends nothing; while nothing at all was appended, the error can still be the whole answer. REFUSED: the
 * groups need too much memory. BUSY: those of all aggregates together do. */
enum { QUERY_PIECE_BYTES_MAX = 65536 };
Status query_step(Query *query, StoreReader *reader, size_t bytes_wanted, Buf *out, bool *ret_done,
                  Error *reterr) MUST_CHECK;
void query_free(Query *query); /* accepts NULL */

typedef enum QueryFormat { QUERY_JSON, QUERY_NDJSON, QUERY_CSV } QueryFormat;

/* "application/json", "application/x-ndjson", "text/csv; charset=utf-8" */
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

/* The queries below read their parameters themselves and copy them. REFUSED with all problems (which are reset first);
 * BUSY without memory. */

/* GET /api/records: the filters ?startTime&endTime&type&sourceId&destinationId&reference&unit, and ?order&limit&cursor.
 *
 * Records by time, ascending or (order=desc) descending. As JSON a page, {"data":[{…},…],"nextCursor":"…"|null}, of
 * `limit` records (1–1,000, default 100). As NDJSON and CSV everything that matches, or `limit` records when that is
 * given. A cursor is good for the same filters and order, and goes on with what was committed when its first page was
 * made. */
Status query_list_new(const QueryParam *params, size_t count, QueryFormat format, const QueryOptions *options,
                      Query **ret_query, QueryProblems *problems) MUST_CHECK;

/* GET /api/records/aggregate: the same filters, and ?groupBy&window&timeZone&measures&records&limit&cursor.
 *
 * JSON: {"message":"Records aggregated successfully","data":{"count":2,"records":[{…},…],"groups":[…]}}.
 *   groupBy   of destinationId, sourceId, reference, type, unit, separated by commas; default destinationId; empty: one
 *             group.
 *   window    minute, hour, day, week (from Monday) or month: each group begins with "windowStart" (RFC 3339, UTC).
 *   timeZone  in whose local time windows begin; an IANA name, default UTC.
 *   measures  of sum, count, min, max, avg, p50, p95, p99; sum and count are always there.
 *   records   false leaves "records" out. With `limit` or `cursor` they come in pages, with a "nextCursor" behind
 *             "records".
 * A group is {"windowStart":"…","destinationId":"…", …its other
 * keys…,"recordCount":2,"totalValue":"1.00","netValue":"1.00",
 * "units":[{"unit":"EUR","recordCount":…,"totalValue":…,"netValue":…,"min":…,"max":…,"avg":…,"p50":…}]}. When the unit
 * is a key, what would be said per unit stands in the group itself and "units" is left out. Groups are ordered by their
 * keys as they are printed, text by code point; windows without records are left out.
 *   avg   is rounded half up to the store's decimals.
 *   p50   and so on are by the nearest rank: exact up to QUERY_EXACT_VALUES_MAX records of a unit in a group, beyond
 *         that within 0.8 % of the exact value.
 * NDJSON and CSV: the groups with records=false (in CSV one line a group and unit), else the records and no groups. */
enum { QUERY_EXACT_VALUES_MAX = 1000 };
Status query_aggregate_new(const QueryParam *params, size_t count, QueryFormat format, const QueryOptions *options,
                           Query **ret_query, QueryProblems *problems) MUST_CHECK;

/* GET /api/events: records that came from events, as events, the newest first (order=asc: the oldest):
 * ?client&metric&unit&startDate&endDate&order& limit&cursor; dates are whole days, or times as above. As JSON
 * {"data":[{"hash":"…","recordId":"sha256:…","id":7,"client":"A","metric":"revenue","amount":"-12.50",
 * "unit":"EUR","timestamp":"…","receivedAt":"…"},…],"nextCursor":…}; one that is a correction has its "correction"
 * number. Pages and formats are those of records. */
Status query_events_new(const QueryParam *params, size_t count, QueryFormat format, const QueryOptions *options,
                        Query **ret_query, QueryProblems *problems) MUST_CHECK;

/* The same with status=duplicate: each time that an event came which was there already; and with status=failed: events
 * that became dead letters and are not settled, whose dates are when they came, and of which no metric is known. As
 * JSON alone; `format` is not looked at.
 * {"data":[{…event…,"status":"duplicate","attempt":2,"receivedAt":"…"}],"nextCursor":…}
 * {"data":[{"deadLetter":12,"status":"failed","client":"A"|null,"errorType":"validation"|"malformed","error":"…","event":{…}|null,"rawBytes":70,"attempts":1,
 * "receivedAt":"…","updatedAt":"…"}],"nextCursor":…}: the event is null when it is no JSON, or long. A step may append
 * a page's events, each 16 KiB at most. */
Status query_event_duplicates_new(const QueryParam *params, size_t count, QueryFormat format,
                                  const QueryOptions *options, Query **ret_query, QueryProblems *problems) MUST_CHECK;
Status query_event_failures_new(const QueryParam *params, size_t count, QueryFormat format, const QueryOptions *options,
                                Query **ret_query, QueryProblems *problems) MUST_CHECK;

/* GET /api/events/{hash}: {"data":{…event…,"receivedAt":"…","mapping":"builtin","event":{…as it
 * came…},"attempts":2,"log":[{"attempt":1,"status":"processed",
 * "receivedAt":"…","normalisedAt":"…","hashedAt":"…","decidedAt":"…"},{"attempt":2,"status":"duplicate",…}],"corrections":[{…event…,"correction":1,"mapping":"builtin","decidedAt":"…"},…]}}, of the log the first entry and the last 100, of the corrections the first 50 rounds. An event is found by the hash that it had, and by the one that its last correction gave it.
 * Where several had the same one, since a meaning was first given to the wrong event, it finds the one that counts.
 * `key` is as record_has_event_id() has it. query_step is REFUSED when there is none, and may append the whole event,
 * whatever was wanted. */
Status query_event_find_new(Str key, const QueryOptions *options, Query **ret_query) MUST_CHECK;

/* GET /api/stats:
 * {"data":{"received":5,"processed":3,"duplicates":1,"failed":1,"unnamed":{…},"clients":[{"client":"A","received":…,…,"firstAt":"…","lastAt":"…"}]}}:
 * how often events came, by what became of them; `unnamed` without a client, or of clients beyond
 * STORE_EVENT_CLIENTS_MAX. In one step. */
Status query_event_stats_new(const QueryOptions *options, Query **ret_query) MUST_CHECK;

/* GET /api/aggregations: ?client&metric&unit&startDate&endDate&groupBy&window&timeZone&measures, of events.
 * {"message":"Events aggregated
 * successfully","data":{"count":3,"groups":[{"windowStart":"…","client":"A","metric":"revenue","unit":"EUR","count":3,
 * "sum":"100.00","min":"-5.00","max":"80.00","avg":"33.33","p50":…},…]}}: amounts with their sign. groupBy is
 * client,metric; each unit is a group of its own always.
 * An event that was corrected counts once, as it is in force. measures as for records; min, max and avg are there when
 * it is not given. avg is rounded half away from zero. */
Status query_event_aggregate_new(const QueryParam *params, size_t count, QueryFormat format,
                                 const QueryOptions *options, Query **ret_query, QueryProblems *problems) MUST_CHECK;

/* What a rule would have fired on, over history: ?startTime&endTime&limit (1–1,000, default 100).
 * {"data":{"count":2,"severities":{"medium":1,"high":1,"critical":0},"examined":10,
 *   "records":[{…record…,"exceededBy":"250.50","severity":"high"},…]}}
 * The records are the first `limit` in commit order; count and severities are of all. The rule is taken as enabled; it
 * is copied. */
Status query_rule_test_new(const AlertRule *rule, const QueryParam *params, size_t count, const QueryOptions *options,
                           Query **ret_query, QueryProblems *problems) MUST_CHECK;

typedef enum FeedKind { FEED_NOTIFICATIONS, FEED_ALERTS } FeedKind;
enum { FEED_LIMIT_MAX = 10000 };

/* One page of a feed: {"data":[{…},…],"nextAfter":seq}. `limit` 1–FEED_LIMIT_MAX. nextAfter is the last message's
 * sequence, or `after` when there was none. BUSY without memory. */
Status query_feed_new(FeedKind kind, int64_t after, size_t limit, const QueryOptions *options,
                      Query **ret_query) MUST_CHECK;

/* For streams: appends up to `limit` messages behind `*after` to `out` and moves `*after`; in SSE form when `sse`
 * ("id: seq\nevent: notification\ndata: {…}\n\n"; alerts are "event: alert"), else NDJSON. One step, not a task; keep
 * `limit` at a few hundred. Stops before `out` would overflow; BUSY when not even one message fits. */
Status feed_put_messages(StoreReader *reader, FeedKind kind, int64_t *after, size_t limit, bool sse,
                         const StoreInfo *info, Buf *out, size_t *ret_count, Error *reterr) MUST_CHECK;

/* GET /api/records/{recordId}: {"data":{…record…,"summary":{…}}}, the summary of the flow's previous records. When
 * several records have this id (possible when the identity is more than the recordId, and `source_id` is empty or not
 * enough), the first, and the others (up to 100) behind it as "others":[{…}]. The texts are copied; BUSY without
 * memory.
 * query_step is REFUSED when there is none. It takes `bytes_wanted` for no limit: a step may append all that there
 * are. */
Status query_find_new(Str record_id, Str source_id, const QueryOptions *options, Query **ret_query) MUST_CHECK;

/* Of such a query when all is said. */
typedef struct QueryFound {
    int64_t seq;   /* of the first */
    size_t end_at; /* bytes of the answer, to where its object ends and more members can be put */
} QueryFound;
QueryFound query_found(const Query *query);

#endif

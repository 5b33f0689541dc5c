/* What the parameters of a question say: one table of all that there are, and which question knows which. */
#ifndef WEIR_QUERY_REQUEST_H
#define WEIR_QUERY_REQUEST_H

#include "base/arena.h"
#include "query/filter.h"
#include "query/groups.h"
#include "query/query.h"
#include "query/window.h"

typedef enum RequestKind {
    REQUEST_LIST = 1,
    REQUEST_AGGREGATE = 2,
    REQUEST_RULE_TEST = 4,
    REQUEST_EVENTS = 8, /* these two speak of clients and metrics */
    REQUEST_EVENT_AGGREGATE = 16,
    REQUEST_REPROCESS = 32,
} RequestKind;

typedef enum Measure {
    MEASURE_SUM,
    MEASURE_COUNT,
    MEASURE_MIN,
    MEASURE_MAX,
    MEASURE_AVG,
    MEASURE_P50,
    MEASURE_P95,
    MEASURE_P99,
    MEASURE_KINDS,
} Measure;
extern const char *const measure_names[MEASURE_KINDS]; /* "sum", … */

typedef struct Request {
    Arena *arena; /* where texts are copied to */
    Filter filter;
    bool descending;
    uint64_t limit, limit_max; /* 0 when it was not given */
    Str cursor;                /* empty when it was not given */
    bool records;
    GroupKey keys[GROUP_KEY_COUNT];
    size_t key_count;
    WindowKind window;
    Str time_zone;     /* empty when it was not given */
    unsigned measures; /* bits by Measure */
    bool groups_named; /* groupBy, window or measures was given */
} Request;

enum { REQUEST_LIMIT_MAX = 1000, REQUEST_LIMIT_DEFAULT = 100, REQUEST_ARENA_BYTES = 65536 };

/* Sets what is not given to its default. REFUSED with all that is wrong in `problems`, which are reset first; BUSY
 * without memory. */
Status request_read(Request *request, RequestKind kind, Arena *arena, uint64_t limit_max, const QueryParam *params,
                    size_t count, QueryProblems *problems) MUST_CHECK;

/* Keeps one more problem, if there is room. Returns STATUS_REFUSED. */
Status problems_add(QueryProblems *problems, Str field, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif

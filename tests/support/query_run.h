/* Runs queries against the fake store to their end. */
#ifndef WEIR_TESTS_QUERY_RUN_H
#define WEIR_TESTS_QUERY_RUN_H

#include "query/query.h"
#include "support/fake_store.h"

extern const StoreInfo run_info; /* scale 2 */

/* Steps of any length: a clock that stands still. */
QueryOptions run_options(void);
/* The shortest steps there are: one row each. */
QueryOptions run_options_hasty(void);

/* "startTime=…&type=positive" → parameters; no percent-decoding. They borrow from the text. */
enum { RUN_PARAMS_MAX = 16 };
size_t run_params(const char *text, QueryParam ret_params[RUN_PARAMS_MAX]);

/* The whole answer as a text, to be freed; fails the test on an error. The query is freed. */
char *run_to_end(Query *query, Store *store, size_t bytes_wanted);

/* query_list_new and so on, run to their end. */
char *run_list(Store *store, const char *params, QueryFormat format);
char *run_aggregate(Store *store, const char *params, QueryFormat format);
char *run_events(Store *store, const char *params, QueryFormat format);
char *run_event_aggregate(Store *store, const char *params, QueryFormat format);

/* All problems of parameters that are refused, "field problem; field problem". To be freed. */
char *run_list_problems(const char *params, QueryFormat format);
char *run_aggregate_problems(const char *params, QueryFormat format);
char *run_events_problems(const char *params);
char *run_event_aggregate_problems(const char *params);

/* A record whose id is made from `number`, one of 256 texts that are used again. The other texts borrow. */
Record run_record(int number, const char *time, const char *destination, const char *type, int64_t value,
                  const char *unit);

#endif

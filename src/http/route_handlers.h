/* The handlers of the table in routes.c; each file route_*.c has some. */
#ifndef WEIR_HTTP_ROUTE_HANDLERS_H
#define WEIR_HTTP_ROUTE_HANDLERS_H

#include "http/request.h"

/* route_records.c, route_records_ndjson.c */
void records_begin(Request *request);
void records_post(Request *request);
void records_accept(Request *request);

/* route_query.c */
void records_list(Request *request);
void records_find(Request *request);
void records_aggregate(Request *request);

/* route_feed.c */
void notifications_get(Request *request);
void alerts_get(Request *request);

/* route_rules.c */
void rules_list(Request *request);
void rules_get(Request *request);
void rules_create(Request *request);
void rules_change(Request *request);
void rules_delete(Request *request);
void rules_test(Request *request);

/* route_observe.c */
void health_get(Request *request);
void ready_get(Request *request);
void metrics_get(Request *request);
void openapi_get(Request *request);
void index_get(Request *request);

#endif

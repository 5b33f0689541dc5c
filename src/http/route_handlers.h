/* The handlers of the table in routes.c; each file route_*.c has some. */
#ifndef WEIR_HTTP_ROUTE_HANDLERS_H
#define WEIR_HTTP_ROUTE_HANDLERS_H

#include "http/request.h"

/* route_records.c, route_records_ndjson.c */
void records_begin(Request *request);
void records_begin_accepting(Request *request);
void events_begin(Request *request); /* what it hands in is read as events */
void records_post(Request *request);

/* route_query.c */
void records_list(Request *request);
void records_find(Request *request);
void records_aggregate(Request *request);

/* route_events.c */
void events_list(Request *request);
void events_aggregate(Request *request);
void events_find(Request *request);
void events_stats(Request *request);

/* route_reprocess.c */
void events_reprocess(Request *request);

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

/* route_deliveries.c */
void records_deliveries(Request *request);

/* route_sinks.c */
void sinks_list(Request *request);
void sinks_get(Request *request);
void sinks_pause(Request *request);
void sinks_resume(Request *request);

/* route_sources.c */
void sources_list(Request *request);
void sources_get(Request *request);
void sources_pause(Request *request);
void sources_resume(Request *request);
void sources_forget(Request *request);

/* route_replays.c */
void replays_create(Request *request);
void replays_list(Request *request);
void replays_cancel(Request *request);

/* route_dead_letters.c */
void dead_letters_list(Request *request);
void dead_letters_get(Request *request);
void dead_letters_retry(Request *request);
void dead_letters_retry_many(Request *request);
void dead_letters_discard(Request *request);

/* route_onboard.c */
void onboard_begin(Request *request);
void onboard_post(Request *request);

/* route_batches.c */
void batches_list(Request *request);
void batches_get(Request *request);
void batches_items(Request *request);
void batches_retry(Request *request);
void batches_cancel(Request *request);

/* route_organizations.c */
void organizations_list(Request *request);
void organizations_get(Request *request);
void organizations_change(Request *request);
void organizations_delete(Request *request);
void organizations_restore(Request *request);
void organizations_history(Request *request);

/* route_observe.c */
void health_get(Request *request);
void ready_get(Request *request);
void metrics_get(Request *request);
void openapi_get(Request *request);
void index_get(Request *request);

#endif

/* What a fake store keeps about events: lists in memory, as plain as can be. */
#ifndef WEIR_TESTS_FAKE_EVENTS_H
#define WEIR_TESTS_FAKE_EVENTS_H

#include "store/store.h"

typedef struct FakeEvents FakeEvents;

FakeEvents *fake_events_new(void);
void fake_events_free(FakeEvents *events);
/* StoreOptions' maxima. */
void fake_events_set_max(FakeEvents *events, size_t attempts, size_t clients);

/* When the outcomes are known. `store` has the records. */
void fake_events_apply(FakeEvents *events, Store *store, const Work *work, int64_t now_us);
/* As reader_event_alias(). */
int64_t fake_events_alias(const FakeEvents *events, Str record_id);
void fake_events_put_alias(FakeEvents *events, Str record_id, int64_t seq);
/* Whether the event that the record at `seq` counts for, itself or as a correction, came as the bytes of `item`, with
 * the same mapping asked for or with none. */
bool fake_events_is_same(const FakeEvents *events, int64_t seq, const EventItem *item);

/* Which event that is; 0: none. */
int64_t fake_events_origin(const FakeEvents *events, int64_t seq);
/* Whether what had been taken for a duplicate is kept as one. */
bool fake_events_keeps(const FakeEvents *events, const EventItem *item);

void fake_events_walk(const FakeEvents *events, int64_t after, int64_t through, EventVisitor *visit, void *context);
/* False: there is none at `seq`. */
bool fake_events_at(const FakeEvents *events, int64_t seq, EventVisitor *visit, void *context);
void fake_events_corrections(const FakeEvents *events, int64_t first, int64_t last, int64_t bound,
                             EventCorrectionVisitor *visit, void *context);
void fake_events_attempts(const FakeEvents *events, const EventAttemptFilter *filter, EventAttemptVisitor *visit,
                          void *context);
void fake_events_duplicates(const FakeEvents *events, int64_t seq, int64_t after, EventDuplicateVisitor *visit,
                            void *context);
void fake_events_clients(const FakeEvents *events, EventClientVisitor *visit, void *context);

#endif

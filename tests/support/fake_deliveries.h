/* What a fake store keeps about deliveries: lists in memory, as plain as can be. */
#ifndef WEIR_TESTS_FAKE_DELIVERIES_H
#define WEIR_TESTS_FAKE_DELIVERIES_H

#include "store/store.h"

typedef struct FakeDeliveries FakeDeliveries;

FakeDeliveries *fake_deliveries_new(void);
void fake_deliveries_free(FakeDeliveries *deliveries);

/* Any work but records, rules and what is about sources. Messages that come of it go into the log of `store`. */
void fake_deliveries_apply(FakeDeliveries *deliveries, Store *store, Work *work, int64_t now_us);

void fake_deliveries_sinks(const FakeDeliveries *deliveries, SinkVisitor *visit, void *context);
void fake_deliveries_retries(FakeDeliveries *deliveries, Str sink, int64_t job, RetryVisitor *visit, void *context);
void fake_deliveries_attempts(const FakeDeliveries *deliveries, int64_t seq, AttemptVisitor *visit, void *context);
void fake_deliveries_letters(const FakeDeliveries *deliveries, const DeadLetterFilter *filter, DeadLetterVisitor *visit,
                             void *context);
void fake_deliveries_replays(const FakeDeliveries *deliveries, Str sink, ReplayVisitor *visit, void *context);
/* One by id; NULL when there is none (any more). It may be changed; borrows until one is added or dropped. */
DeadLetter *fake_deliveries_letter(FakeDeliveries *deliveries, int64_t id);
/* Copies; the id is made. Borrows likewise. */
DeadLetter *fake_deliveries_add_letter(FakeDeliveries *deliveries, const DeadLetter *letter);
void fake_deliveries_drop_letter(FakeDeliveries *deliveries, int64_t id);
int64_t fake_deliveries_open_letters(const FakeDeliveries *deliveries);

#endif

/* What a fake store keeps about sources, and what it does with a source's records: lists in memory, as plain as can
 * be. */
#ifndef WEIR_TESTS_FAKE_INTAKE_H
#define WEIR_TESTS_FAKE_INTAKE_H

#include "support/fake_deliveries.h"

typedef struct FakeIntake FakeIntake;

/* Borrows the dead letters. */
FakeIntake *fake_intake_new(FakeDeliveries *deliveries);
void fake_intake_free(FakeIntake *intake);
void fake_intake_set_bytes_max(FakeIntake *intake, uint64_t bytes);

/* Before anything is done: false, and the work BUSY, when its dead letters have no room. */
bool fake_intake_make_room(FakeIntake *intake, Work *work);
/* When the outcomes are known: dead letters and places. Messages that come of it go into the log of `store`. */
void fake_intake_apply(FakeIntake *intake, Store *store, Work *work, int64_t now_us);
/* A source's state, or forgotten places. */
void fake_intake_change(FakeIntake *intake, Work *work, int64_t now_us);

uint64_t fake_intake_bytes(const FakeIntake *intake); /* that its dead letters keep */
void fake_intake_sources(const FakeIntake *intake, SourceVisitor *visit, void *context);
void fake_intake_places(const FakeIntake *intake, Str source, PlaceVisitor *visit, void *context);

#endif

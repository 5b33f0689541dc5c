/* The reading side of store.h on an array in memory, for tests of what reads. One reader at a time. */
#ifndef WEIR_TESTS_FAKE_STORE_H
#define WEIR_TESTS_FAKE_STORE_H

#include "store/store.h"

Store *fake_store_new(const StoreInfo *info);
void fake_store_free(Store *store);

/* Appends to the log, with the flow's totals; the texts must outlive the store. Returns the sequence. */
int64_t fake_store_add(Store *store, const Record *record);
int64_t fake_store_add_alert(Store *store, int64_t record_seq, const char *body);

/* From now on the rollups cover everything that is in the log. */
void fake_store_publish(Store *store);

StoreReader *fake_store_reader(Store *store); /* one for each store; freed with it */

/* What readers have been handed since the last call. */
typedef struct FakeReads {
    size_t scanned, fetched, rollups, looks;
} FakeReads;
FakeReads fake_store_reads(Store *store);

/* The next call of any reader function fails with this status; STATUS_OK turns it off. */
void fake_store_fail(Store *store, Status status);

#endif

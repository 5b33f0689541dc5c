/* store.h on arrays in memory, for tests of what reads and of what delivers. One thread.
 *
 * Written are records, all work of deliveries, and all that is about sources and events; there are no rules. Records
 * without a source that are no events are appended as they are: whoever writes sees to it that none comes twice.
 * store_close is fake_store_free. */
#ifndef WEIR_TESTS_FAKE_STORE_H
#define WEIR_TESTS_FAKE_STORE_H

#include "store/store.h"

Store *fake_store_new(const StoreInfo *info);
void fake_store_free(Store *store);

/* Appends to the log, with the flow's totals; the texts must outlive the store. Returns the sequence. */
int64_t fake_store_add(Store *store, const Record *record);
/* One that is said to have come from an event, of which there is nothing else. */
int64_t fake_store_add_event(Store *store, const Record *record);
int64_t fake_store_add_alert(Store *store, int64_t record_seq, const char *body);
/* Any message; the texts are copied. */
int64_t fake_store_add_message(Store *store, Str kind, int64_t record_seq, int64_t created_us, Str body);

/* What is at that place of the log; NULL when it is none of these. */
const StoredRecord *fake_store_at(Store *store, int64_t seq);
const StoredMessage *fake_store_message_at(Store *store, int64_t seq);

/* From now on the rollups cover everything that is in the log. */
void fake_store_publish(Store *store);

/* One for each store; freed with it. store_reader_open makes others. */
StoreReader *fake_store_reader(Store *store);

/* What readers have been handed since the last call. */
typedef struct FakeReads {
    size_t scanned, fetched, rollups, looks;
} FakeReads;
FakeReads fake_store_reads(Store *store);

/* The next call of any reader function fails with this status; STATUS_OK turns it off. */
void fake_store_fail(Store *store, Status status);
/* Likewise for the next batch that is applied: nothing of it happens. */
void fake_store_fail_apply(Store *store, Status status);

/* From now on no flow can be told from the index, as when each hash is another flow's. */
void fake_store_untell_flows(Store *store);

/* StoreOptions.dead_letter_bytes_max; without it there is no bound. */
void fake_store_set_letter_bytes_max(Store *store, uint64_t bytes);

/* StoreOptions.event_attempts_max and event_clients_max; without it they are the usual ones. */
void fake_store_set_events_max(Store *store, size_t attempts, size_t clients);

/* What the time is when something is written; without a clock it is always 0. */
void fake_store_use_clock(Store *store, const Clock *clock);

#endif

/* Looks at a store, each as one call that may fail for want of memory: what it shows, added up. */
#ifndef WEIR_TESTS_CONTRACT_TORTURE_READINGS_H
#define WEIR_TESTS_CONTRACT_TORTURE_READINGS_H

#include "store/store.h"

typedef struct Seen {
    size_t count;
    int64_t sum;
} Seen;

bool see_record(void *context, const StoredRecord *stored); /* a RecordVisitor for a Seen; the sum is of values */

typedef Status Reading(StoreReader *reader, const StoreView *view, Seen *seen, Error *reterr);
Reading read_scan, read_times, read_one;
Reading read_rollups;  /* what they show beyond the records that they cover: nothing */
Reading read_messages; /* the sum counts those about a record */
Reading read_rules;    /* the sum is of thresholds */
extern const char sink_name[];
Reading read_letters;        /* of sink_name; the sum counts open ones */
Reading read_sinks;          /* those of that name; the sum is of the cursors of all */
Reading read_events;         /* the sum counts corrections */
Reading read_duplicates;     /* the sum is of the bytes' lengths */
Reading read_newest_attempt; /* the sum is 1 when something differs */
Reading read_event_clients;  /* the sum is of processed events */

#endif

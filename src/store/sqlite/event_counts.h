/* What a batch counts of each client, in memory: the row of a client that sends a thousand events is written once.
 *
 * Texts borrow until the counts are cleared. */
#ifndef WEIR_STORE_SQLITE_EVENT_COUNTS_H
#define WEIR_STORE_SQLITE_EVENT_COUNTS_H

#include <stdbool.h>

#include "base/str.h"

enum { EVENT_COUNTS_MAX = 512, EVENT_COUNT_SLOTS = 2 * EVENT_COUNTS_MAX };

typedef struct EventCount {
    Str client;
    int64_t processed, duplicates, failed;
    int64_t first_us, last_us;
} EventCount;

typedef struct EventCounts {
    EventCount items[EVENT_COUNTS_MAX]; /* in the order in which they came */
    size_t count;
    uint16_t slots[EVENT_COUNT_SLOTS]; /* open addressing: index + 1 into the items; 0: empty */
} EventCounts;

void event_counts_clear(EventCounts *counts);
static inline bool event_counts_are_full(const EventCounts *counts) { return counts->count == EVENT_COUNTS_MAX; }

/* The count of a client, to which one that was received at `received_us` is to be added. The counts must not be
 * full. */
EventCount *event_counts_of(EventCounts *counts, Str client, int64_t received_us);

#endif

#include "store/sqlite/event_counts.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

void event_counts_clear(EventCounts *counts)
{
    counts->count = 0;
    memset(counts->slots, 0, sizeof counts->slots);
}

/* The client's slot, or the empty one that it gets. At most half of them are taken. */
static uint16_t *slot_of(EventCounts *counts, Str client)
{
    size_t at = (size_t)XXH3_64bits(client.len ? client.ptr : "", client.len) % EVENT_COUNT_SLOTS;
    while (counts->slots[at] && !str_equal(counts->items[counts->slots[at] - 1].client, client)) {
        at = (at + 1) % EVENT_COUNT_SLOTS;
    }
    return &counts->slots[at];
}

EventCount *event_counts_of(EventCounts *counts, Str client, int64_t received_us)
{
    uint16_t *slot = slot_of(counts, client);
    if (!*slot) {
        assert(!event_counts_are_full(counts));
        counts->items[counts->count] = (EventCount){.client = client, .first_us = received_us, .last_us = received_us};
        *slot = (uint16_t)++counts->count;
    }
    EventCount *count = &counts->items[*slot - 1];
    count->first_us = received_us < count->first_us ? received_us : count->first_us;
    count->last_us = received_us > count->last_us ? received_us : count->last_us;
    return count;
}

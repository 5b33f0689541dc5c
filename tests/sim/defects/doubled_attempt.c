/* An event that was sent again is counted twice, now and then. */
#include "now_and_then.h"
#include "store/sqlite/event_counts.h"

EventCount *__real_event_counts_of(EventCounts *counts, Str client, int64_t received_us);
EventCount *__wrap_event_counts_of(EventCounts *counts, Str client, int64_t received_us);

EventCount *__wrap_event_counts_of(EventCounts *counts, Str client, int64_t received_us)
{
    static unsigned calls;
    EventCount *count = __real_event_counts_of(counts, client, received_us);
    count->duplicates += now_and_then(&calls, 100);
    return count;
}

#include "support/fake_times.h"

#include <stdlib.h>

static int compare_places(const void *a, const void *b, void *rows)
{
    const StoredRecord *left = (StoredRecord *)rows + *(const size_t *)a;
    const StoredRecord *right = (StoredRecord *)rows + *(const size_t *)b;
    if (left->record.time_us != right->record.time_us) {
        return left->record.time_us < right->record.time_us ? -1 : 1;
    }
    return (left->seq > right->seq) - (left->seq < right->seq);
}

void fake_times_sort(StoredRecord *rows, size_t count, size_t *ret_order)
{
    for (size_t i = 0; i < count; i++) {
        ret_order[i] = i;
    }
    qsort_r(ret_order, count, sizeof ret_order[0], compare_places, rows);
}

bool fake_times_before(TimePosition a, TimePosition b)
{
    return a.time_us != b.time_us ? a.time_us < b.time_us : a.seq < b.seq;
}

size_t fake_times_rank(const StoredRecord *rows, size_t count, const size_t *order, TimePosition place, bool or_at)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const StoredRecord *row = &rows[order[middle]];
        TimePosition found = {row->record.time_us, row->seq};
        if (fake_times_before(found, place) || (or_at && !fake_times_before(place, found))) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

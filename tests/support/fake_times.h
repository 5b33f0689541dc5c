/* Rows in memory in the order of (time, seq). */
#ifndef WEIR_TESTS_FAKE_TIMES_H
#define WEIR_TESTS_FAKE_TIMES_H

#include "store/store.h"

/* Fills `ret_order` with the indexes of the rows, in order. */
void fake_times_sort(StoredRecord *rows, size_t count, size_t *ret_order);

bool fake_times_before(TimePosition a, TimePosition b);

/* How many rows lie before the place or (with `or_at`) at it. */
size_t fake_times_rank(const StoredRecord *rows, size_t count, const size_t *order, TimePosition place, bool or_at);

#endif

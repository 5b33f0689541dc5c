/* Rollups of rows in memory, made on the spot. */
#ifndef WEIR_TESTS_FAKE_ROLLUPS_H
#define WEIR_TESTS_FAKE_ROLLUPS_H

#include "store/store.h"

/* Of the rows with seq ≤ bound, as reader_rollups() hands them out. Returns how many were visited. */
size_t fake_rollups(const StoredRecord *rows, size_t row_count, int64_t bound, RollupLevel level, int64_t from,
                    int64_t to, RollupVisitor *visit, void *context);

#endif

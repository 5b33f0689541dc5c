/* A rollup as a row of a run (store/index/run.h): the bytes, and the key that orders them. */
#ifndef WEIR_STORE_ROLLUP_ROLLUP_ROW_H
#define WEIR_STORE_ROLLUP_ROLLUP_ROW_H

#include "store/index/run.h"
#include "store/store.h"

/* Two texts of RECORD_TEXT_CODE_POINTS_MAX at four bytes each, and the numbers. */
enum { ROLLUP_ROW_BYTES_MAX = 56 + 2 * 255 * 4 };

/* Levels one after the other, each by bucket: a uint64_t that sorts like (level, bucket). */
uint64_t rollup_key(RollupLevel level, int64_t bucket);

/* Returns how many bytes of `ret_row` (room for ROLLUP_ROW_BYTES_MAX) were written. */
size_t rollup_row_put(RollupLevel level, const Rollup *rollup, char *ret_row);

/* Texts borrow from the row. False when the bytes are not a rollup. */
bool rollup_row_get(Str row, RollupLevel *ret_level, Rollup *ret_rollup) MUST_CHECK;

#endif

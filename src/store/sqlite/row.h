/* A record as a row: which column is where, and how totals are split. */
#ifndef WEIR_STORE_SQLITE_ROW_H
#define WEIR_STORE_SQLITE_ROW_H

#include <sqlite3.h>

#include "base/buf.h"
#include "base/err.h"
#include "record/record.h"

/* Totals as two integers that SQL can print: hi × 10^15 + lo, 0 ≤ lo < 10^15. Totals of rows are never negative. */
#define ROW_TOTAL_UNIT INT64_C(1000000000000000)
static inline int64_t row_total_hi(Total total)
{
    return total < ROW_TOTAL_UNIT ? 0 : (int64_t)(total / ROW_TOTAL_UNIT);
}
static inline int64_t row_total_lo(Total total)
{
    return total < ROW_TOTAL_UNIT ? (int64_t)total : (int64_t)(total % ROW_TOTAL_UNIT);
}
static inline Total row_total(int64_t hi, int64_t lo) { return (Total)hi * ROW_TOTAL_UNIT + lo; }

/* "seq, time_us, …" for the fields asked for, then `rest` ("FROM records WHERE …"); prepares it for keeping. */
Status row_prepare_select(sqlite3 *db, uint32_t fields, const char *rest, sqlite3_stmt **ret_stmt,
                          Error *reterr) MUST_CHECK;

/* Reads the row that the statement stands on. Texts borrow until the next step or reset. */
void row_read(sqlite3_stmt *stmt, uint32_t fields, StoredRecord *ret_stored);

/* Prepares and runs the insert of a whole record. */
Status row_prepare_insert(sqlite3 *db, sqlite3_stmt **ret_stmt, Error *reterr) MUST_CHECK;
Status row_insert(sqlite3_stmt *stmt, const StoredRecord *stored, Error *reterr) MUST_CHECK;

/* XXH3 over everything in a record's row: tells whether a log entry is the one that a run was made from. */
uint64_t row_hash(const StoredRecord *stored);

#endif

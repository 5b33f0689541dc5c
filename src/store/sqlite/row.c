#include "store/sqlite/row.h"

#include <xxhash.h>

#include "store/sqlite/db.h"

static const struct {
    uint32_t field;
    const char *columns;
} column_groups[] = {
    {FIELD_TIME, ", time_us"},
    {FIELD_VALUE, ", value"},
    {FIELD_TYPE, ", type"},
    {FIELD_DESTINATION_ID, ", destination_id"},
    {FIELD_UNIT, ", unit"},
    {FIELD_REFERENCE, ", reference"},
    {FIELD_SOURCE_ID, ", source_id"},
    {FIELD_RECORD_ID, ", record_id"},
    /* Only what may be one is looked up: the ids of all events begin so. In a scan the two tables are read side by
     * side. */
    {FIELD_EVENT,
     ", CASE WHEN record_id BETWEEN 'correction:' AND 'correction;' OR record_id BETWEEN 'sha256:' AND 'sha256;'"
     " THEN EXISTS(SELECT 1 FROM raw_events WHERE raw_events.seq = records.seq) ELSE 0 END"},
    {FIELD_TOTALS, ", received_us, prev_seq, positive_count, negative_count, positive_total_hi, positive_total_lo,"
                   " negative_total_hi, negative_total_lo, traceparent"},
};

Status row_prepare_select(sqlite3 *db, uint32_t fields, const char *rest, sqlite3_stmt **ret_stmt, Error *reterr)
{
    Buf sql;
    buf_init(&sql, 2048);
    BUF_PUT(&sql, "SELECT seq");
    for (size_t i = 0; i < sizeof column_groups / sizeof *column_groups; i++) {
        if (fields & column_groups[i].field) {
            buf_put(&sql, str_from(column_groups[i].columns));
        }
    }
    buf_put_char(&sql, ' ');
    buf_put(&sql, str_from(rest));
    buf_put_char(&sql, '\0');
    Status status =
        sql.failed ? error_set(reterr, STATUS_BUSY, "out of memory") : db_prepare(db, sql.ptr, ret_stmt, reterr);
    buf_release(&sql);
    return status;
}

static void read_totals(sqlite3_stmt *stmt, int at, StoredRecord *ret_stored)
{
    ret_stored->received_us = sqlite3_column_int64(stmt, at);
    ret_stored->prev_seq = sqlite3_column_int64(stmt, at + 1);
    ret_stored->totals.positive_count = sqlite3_column_int64(stmt, at + 2);
    ret_stored->totals.negative_count = sqlite3_column_int64(stmt, at + 3);
    ret_stored->totals.positive_total =
        row_total(sqlite3_column_int64(stmt, at + 4), sqlite3_column_int64(stmt, at + 5));
    ret_stored->totals.negative_total =
        row_total(sqlite3_column_int64(stmt, at + 6), sqlite3_column_int64(stmt, at + 7));
    ret_stored->record.traceparent = db_text(stmt, at + 8);
}

void row_read(sqlite3_stmt *stmt, uint32_t fields, StoredRecord *ret_stored)
{
    Record *record = &ret_stored->record;
    int at = 0;
    ret_stored->seq = sqlite3_column_int64(stmt, at++);
    if (fields & FIELD_TIME) {
        record->time_us = sqlite3_column_int64(stmt, at++);
    }
    if (fields & FIELD_VALUE) {
        record->value = sqlite3_column_int64(stmt, at++);
    }
    if (fields & FIELD_TYPE) {
        record->type = sqlite3_column_int(stmt, at++) ? RECORD_NEGATIVE : RECORD_POSITIVE;
    }
    if (fields & FIELD_DESTINATION_ID) {
        record->destination_id = db_text(stmt, at++);
    }
    if (fields & FIELD_UNIT) {
        record->unit = db_text(stmt, at++);
    }
    if (fields & FIELD_REFERENCE) {
        record->reference = db_text(stmt, at++);
    }
    if (fields & FIELD_SOURCE_ID) {
        record->source_id = db_text(stmt, at++);
    }
    if (fields & FIELD_RECORD_ID) {
        record->record_id = db_text(stmt, at++);
    }
    if (fields & FIELD_EVENT) {
        ret_stored->is_event = sqlite3_column_int(stmt, at++) != 0;
    }
    if (fields & FIELD_TOTALS) {
        read_totals(stmt, at, ret_stored);
    }
}

Status row_prepare_insert(sqlite3 *db, sqlite3_stmt **ret_stmt, Error *reterr)
{
    return db_prepare(db, "INSERT INTO records VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", ret_stmt, reterr);
}

Status row_insert(sqlite3_stmt *stmt, const StoredRecord *stored, Error *reterr)
{
    const Record *record = &stored->record;
    const FlowTotals *totals = &stored->totals;
    sqlite3_bind_int64(stmt, 1, stored->seq);
    sqlite3_bind_int64(stmt, 2, record->time_us);
    sqlite3_bind_int64(stmt, 3, record->value);
    sqlite3_bind_int64(stmt, 4, record->type);
    db_bind_text(stmt, 5, record->destination_id);
    db_bind_text(stmt, 6, record->unit);
    db_bind_text(stmt, 7, record->reference);
    db_bind_text(stmt, 8, record->source_id);
    db_bind_text(stmt, 9, record->record_id);
    sqlite3_bind_int64(stmt, 10, stored->received_us);
    sqlite3_bind_int64(stmt, 11, stored->prev_seq);
    sqlite3_bind_int64(stmt, 12, totals->positive_count);
    sqlite3_bind_int64(stmt, 13, totals->negative_count);
    sqlite3_bind_int64(stmt, 14, row_total_hi(totals->positive_total));
    sqlite3_bind_int64(stmt, 15, row_total_lo(totals->positive_total));
    sqlite3_bind_int64(stmt, 16, row_total_hi(totals->negative_total));
    sqlite3_bind_int64(stmt, 17, row_total_lo(totals->negative_total));
    if (record->traceparent.len) {
        db_bind_text(stmt, 18, record->traceparent);
    } else {
        sqlite3_bind_null(stmt, 18);
    }
    return db_run(stmt, "insert a record", reterr);
}

static uint64_t hash_text(uint64_t hash, Str text)
{
    return XXH3_64bits_withSeed(text.ptr ? text.ptr : "", text.len, hash);
}

uint64_t row_hash(const StoredRecord *stored)
{
    const Record *record = &stored->record;
    const FlowTotals *totals = &stored->totals;
    int64_t numbers[] = {stored->seq,
                         stored->prev_seq,
                         stored->received_us,
                         record->time_us,
                         record->value,
                         (int64_t)record->type,
                         totals->positive_count,
                         totals->negative_count,
                         row_total_hi(totals->positive_total),
                         row_total_lo(totals->positive_total),
                         row_total_hi(totals->negative_total),
                         row_total_lo(totals->negative_total)};
    uint64_t hash = XXH3_64bits(numbers, sizeof numbers);
    hash = hash_text(hash, record->record_id);
    hash = hash_text(hash, record->source_id);
    hash = hash_text(hash, record->destination_id);
    hash = hash_text(hash, record->unit);
    hash = hash_text(hash, record->reference);
    return hash_text(hash, record->traceparent);
}

#include "store/sqlite/record_search.h"

#include <inttypes.h>

#include "store/sqlite/db.h"
#include "store/sqlite/row.h"

bool search_same_identity(const SqliteStore *store, const Record *a, const Record *b)
{
    return (record_differs(a, b) & record_identity_fields(store->base.info.identity)) == 0;
}

void search_leave(Search *search, SearchEnd end)
{
    sqlite3_reset(search->store->select_record);
    search->end = end;
    search->by_alias = false;
}

/* Leaves select_record on the row at `seq`, if there is one. */
static bool read_row(Search *search, int64_t seq)
{
    sqlite3_stmt *stmt = search->store->select_record;
    bool row = false;
    sqlite3_reset(stmt);
    sqlite3_bind_int64(stmt, 1, seq);
    search->status = db_step(stmt, "read a record", &row, search->reterr);
    row = row && search->status == STATUS_OK;
    if (row) {
        row_read(stmt, FIELD_ALL, &search->found);
    }
    return row;
}

/* Reads the row at `seq` and leaves select_record on it when it is the record that is looked for. */
static bool check_row(void *context, int64_t seq)
{
    Search *search = context;
    if (!read_row(search, seq)) {
        return search->status != STATUS_OK;
    }
    bool is_found = search_same_identity(search->store, &search->found.record, search->record);
    if (is_found) {
        search->end = SEARCH_FOUND;
    } else {
        search_leave(search, SEARCH_NEW);
    }
    return is_found;
}

/* When there are more equal hashes than the index hands out: slow, exact, and never seen outside a test. */
static Status search_log(Search *search)
{
    SqliteStore *store = search->store;
    sqlite3_stmt *stmt = NULL;
    bool by_id = store->base.info.identity != IDENTITY_CONTENT, row = true;
    Status status = db_prepare(store->db,
                               by_id ? "SELECT seq FROM records WHERE record_id = ? ORDER BY seq"
                                     : "SELECT seq FROM records WHERE time_us = ? ORDER BY seq",
                               &stmt, search->reterr);
    if (status == STATUS_OK && by_id) {
        db_bind_text(stmt, 1, search->record->record_id);
    } else if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, search->record->time_us);
    }
    while (status == STATUS_OK && search->end != SEARCH_FOUND &&
           (status = db_step(stmt, "search the log", &row, search->reterr)) == STATUS_OK && row) {
        check_row(search, sqlite3_column_int64(stmt, 0));
        status = search->status;
    }
    sqlite3_finalize(stmt);
    return status;
}

Status search_in_log(Search *search)
{
    bool exhausted = false;
    search->end = SEARCH_NEW;
    Status status = derived_find_ids(search->store->derived, search->record->identity_hash, check_row, search,
                                     &exhausted, search->reterr);
    if (status == STATUS_OK) {
        status = search->status;
    }
    return status == STATUS_OK && exhausted ? search_log(search) : status;
}

/* What an event's id leads to since events were corrected. */
static Status find_by_alias(Search *search, int64_t seq)
{
    bool is_same = true;
    Status status = STATUS_OK;
    search->was_ended = seq < 0;
    if (seq < 0) {
        int64_t event = 0;
        status = sqlite_compare_event(search->store, -seq, search->event, &event, &is_same, search->reterr);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (!is_same) {
        search->end = SEARCH_ANOTHER;
        return STATUS_OK;
    }
    search->is_same_bytes = seq < 0;
    if (read_row(search, seq < 0 ? -seq : seq)) {
        search->end = SEARCH_FOUND;
        search->by_alias = true;
        return STATUS_OK;
    }
    return search->status != STATUS_OK
               ? search->status
               : error_set(search->reterr, STATUS_BROKEN,
                           "an event's id leads to record %" PRId64 ", which is not there", seq < 0 ? -seq : seq);
}

/* Whether the record that was found was an event, too: what is known of those of this very work comes behind them.
 * Records that are known by their content are what they are, however they came. */
static Status check_event(SqliteStore *store, Search *search, bool *ret_event)
{
    int64_t event = 0;
    *ret_event = store->base.info.identity == IDENTITY_CONTENT || search->found.seq >= store->work_begin;
    if (*ret_event) {
        return STATUS_OK;
    }
    Status status =
        sqlite_compare_event(store, search->found.seq, search->event, &event, &search->is_same_bytes, search->reterr);
    *ret_event = event != 0;
    return status;
}

/* The log may have a record with the event's id that was none. */
static Status find_event(Search *search)
{
    bool is_event = true;
    Status status = search_in_log(search);
    if (status == STATUS_OK && search->end == SEARCH_FOUND) {
        status = check_event(search->store, search, &is_event);
    }
    if (status == STATUS_OK && !is_event) {
        search_leave(search, SEARCH_ANOTHER);
    }
    return status;
}

/* What had been taken for a duplicate is no longer one: whoever had its id when that was decided does not keep it. */
static Status look_for_duplicate(Search *search)
{
    bool kept = true;
    if (search->end == SEARCH_FOUND && search->event->holder == search->found.seq) {
        search_leave(search, SEARCH_ANOTHER);
    }
    if (search->end == SEARCH_FOUND) {
        return STATUS_OK;
    }
    Status status = sqlite_is_duplicate_kept(search->store, search->event, &kept, search->reterr);
    search->end = kept ? search->end : SEARCH_GONE;
    return status;
}

Status search_existing(Search *search)
{
    int64_t seq = 0;
    Status status = STATUS_OK;
    if (!search->event) {
        return search_in_log(search);
    }
    if (search->store->tally.has_aliases) {
        status = sqlite_find_alias(search->store, search->record->record_id, &seq, search->reterr);
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = seq ? find_by_alias(search, seq) : find_event(search);
    return status == STATUS_OK && search->event->taken_for ? look_for_duplicate(search) : status;
}

Status search_holder(SqliteStore *store, const Record *record, const EventItem *item, int64_t *ret_seq, Error *reterr)
{
    Record named = *record;
    named.record_id = item->alias;
    named.source_id = item->client.len ? item->client : record->source_id;
    named.identity_hash = record_identity_hash(&named, store->base.info.identity, store->base.info.hash_seed);
    Search search = {.store = store, .record = &named, .reterr = reterr};
    Status status = sqlite_find_alias(store, item->alias, ret_seq, reterr);
    if (status == STATUS_OK && *ret_seq == 0) {
        status = find_event(&search);
        *ret_seq = search.end == SEARCH_FOUND ? search.found.seq : 0;
        search_leave(&search, SEARCH_NEW);
    }
    *ret_seq = *ret_seq < 0 ? 0 : *ret_seq;
    return status;
}

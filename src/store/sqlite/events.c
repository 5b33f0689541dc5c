/* What goes with records that were events: their bytes, attempts, counts of clients, and what corrections stand for. */
#include "store/sqlite/events.h"

#include <assert.h>

#include "store/sqlite/db.h"
#include "store/sqlite/sqlite_store.h"

/* A row of raw_events is appended, and never changes. The number of an attempt comes from the newest of its event that
 * is in the ring. */
static const char *const statements_sql[] = {
    [EVENT_PUT] =
        "INSERT INTO raw_events(seq, received_us, normalised_us, hashed_us, stored_us, corrects, taken_for, asked, "
        "mapping, raw) VALUES(?,?,?,?,?,?,?,?,?,?)",
    [EVENT_PUT_ATTEMPT] =
        "INSERT INTO event_attempts(seq, number, received_us, normalised_us, hashed_us, decided_us, differs)"
        " VALUES(?1, 1 + coalesce((SELECT number FROM event_attempts WHERE seq = ?1 ORDER BY id DESC LIMIT 1), 1),"
        " ?2, ?3, ?4, ?5, ?6)",
    [EVENT_TRIM_ATTEMPTS] = "DELETE FROM event_attempts WHERE id <= (SELECT max(id) FROM event_attempts) - ?",
    [EVENT_COUNT_KNOWN] =
        "UPDATE event_clients SET processed = processed + ?2, duplicates = duplicates + ?3,"
        " failed = failed + ?4, first_us = min(first_us, ?5), last_us = max(last_us, ?6) WHERE client = ?1",
    [EVENT_COUNT_NEW] = "INSERT INTO event_clients(client, processed, duplicates, failed, first_us, last_us)"
                        " VALUES(?,?,?,?,?,?)",
    [EVENT_FIND_ALIAS] = "SELECT seq FROM event_aliases WHERE record_id = ?",
    [EVENT_PUT_ALIAS] = "INSERT OR REPLACE INTO event_aliases(record_id, seq) VALUES(?,?)",
    [EVENT_END_ALIASES] = "UPDATE event_aliases SET seq = -seq WHERE seq = ?",
    [EVENT_END_ID] = "INSERT OR IGNORE INTO event_aliases(record_id, seq) SELECT record_id, -seq FROM records"
                     " WHERE seq = ?1 AND (SELECT corrects FROM raw_events WHERE seq = ?1) = 0",
    [EVENT_ORIGIN] = "SELECT corrects, raw, asked, mapping FROM raw_events WHERE seq = ?",
    [EVENT_PUT_DUPLICATE] = "INSERT OR IGNORE INTO raw_duplicates(seq, hash, received_us, asked, client, mapping, raw)"
                            " VALUES(?,?,?,?,?,?,?)",
    [EVENT_FIND_DUPLICATE] = "SELECT client FROM raw_duplicates WHERE seq = ? AND hash = ?",
    [EVENT_END_DUPLICATE] = "DELETE FROM raw_duplicates WHERE seq = ? AND hash = ?",
    /* Who had no row was counted in the one without a name. */
    [EVENT_UNCOUNT_DUPLICATE] = "UPDATE event_clients SET duplicates = duplicates - 1"
                                " WHERE client = (SELECT max(client) FROM event_clients WHERE client IN (?, '')"
                                " AND duplicates > 0)",
};
static_assert(sizeof statements_sql / sizeof *statements_sql == EVENT_STATEMENT_COUNT, "one for each");

enum { CLIENT_BYTES_MAX = 4 * RECORD_TEXT_CODE_POINTS_MAX };

Status sqlite_prepare_events(SqliteStore *store, Error *reterr)
{
    store->events.digest = EVP_MD_fetch(NULL, "SHA256", NULL);
    return store->events.digest
               ? db_prepare_all(store->db, statements_sql, EVENT_STATEMENT_COUNT, store->events.statements, reterr)
               : error_set(reterr, STATUS_BROKEN, "there is no SHA-256");
}

void sqlite_finalize_events(SqliteStore *store)
{
    db_finalize_all(store->events.statements, EVENT_STATEMENT_COUNT);
    EVP_MD_free(store->events.digest);
}

Status sqlite_load_events(SqliteStore *store, Error *reterr)
{
    int64_t aliases = 0;
    Status status = db_get_int(store->db, "SELECT count(*) FROM event_clients WHERE client <> ''", 0,
                               &store->tally.event_clients, reterr);
    if (status == STATUS_OK) {
        status = db_get_int(store->db, "SELECT EXISTS(SELECT 1 FROM event_aliases)", 0, &aliases, reterr);
    }
    store->tally.has_aliases = aliases != 0;
    return status;
}

/* ---- Counts of clients ------------------------------------------------------------------------------------------- */

static Status add_count(sqlite3_stmt *stmt, const EventCount *count, Str client, Error *reterr)
{
    db_bind_text(stmt, 1, client);
    sqlite3_bind_int64(stmt, 2, count->processed);
    sqlite3_bind_int64(stmt, 3, count->duplicates);
    sqlite3_bind_int64(stmt, 4, count->failed);
    sqlite3_bind_int64(stmt, 5, count->first_us);
    sqlite3_bind_int64(stmt, 6, count->last_us);
    return db_run(stmt, "count the events of a client", reterr);
}

static Status add_known(SqliteStore *store, const EventCount *count, Str client, bool *ret_known, Error *reterr)
{
    Status status = add_count(store->events.statements[EVENT_COUNT_KNOWN], count, client, reterr);
    *ret_known = status == STATUS_OK && sqlite3_changes(store->db) > 0;
    return status;
}

/* A client that comes when there are as many as there may be counts in the row without a name, for ever. */
static Status put_count(SqliteStore *store, const EventCount *count, Error *reterr)
{
    Str client = count->client;
    bool known = false;
    Status status = add_known(store, count, client, &known, reterr);
    if (status == STATUS_OK && !known && client.len &&
        store->tally.event_clients >= (int64_t)store->options.event_clients_max) {
        client = STR("");
        status = add_known(store, count, client, &known, reterr);
    }
    if (status == STATUS_OK && !known) {
        store->tally.event_clients += client.len > 0;
        status = add_count(store->events.statements[EVENT_COUNT_NEW], count, client, reterr);
    }
    return status;
}

Status sqlite_put_event_counts(SqliteStore *store, Error *reterr)
{
    EventCounts *counts = &store->events.counts;
    Status status = STATUS_OK;
    for (size_t i = 0; i < counts->count && status == STATUS_OK; i++) {
        status = put_count(store, &counts->items[i], reterr);
    }
    if (counts->count) {
        event_counts_clear(counts);
    }
    return status;
}

/* *ret_count is valid until the next call. */
static Status find_count(SqliteStore *store, const EventItem *item, EventCount **ret_count, Error *reterr)
{
    EventCounts *counts = &store->events.counts;
    Status status = event_counts_are_full(counts) ? sqlite_put_event_counts(store, reterr) : STATUS_OK;
    Str client = item->client.len <= CLIENT_BYTES_MAX ? item->client : STR("");
    *ret_count = event_counts_of(counts, client, item->received_us);
    return status;
}

/* ---- Events and attempts ----------------------------------------------------------------------------------------- */

static Status put_event(SqliteStore *store, const EventItem *item, int64_t seq, int64_t now_us, Error *reterr)
{
    sqlite3_stmt *stmt = store->events.statements[EVENT_PUT];
    sqlite3_bind_int64(stmt, 1, seq);
    sqlite3_bind_int64(stmt, 2, item->received_us);
    sqlite3_bind_int64(stmt, 3, item->normalised_us);
    sqlite3_bind_int64(stmt, 4, item->hashed_us);
    sqlite3_bind_int64(stmt, 5, now_us);
    sqlite3_bind_int64(stmt, 6, item->corrects);
    sqlite3_bind_int64(stmt, 7, item->taken_for);
    sqlite3_bind_int(stmt, 8, item->asked);
    db_bind_text(stmt, 9, item->mapping);
    Status status = db_bind_blob(stmt, 10, item->raw, reterr);
    return status == STATUS_OK ? db_run(stmt, "keep an event", reterr) : status;
}

static Status put_attempt(SqliteStore *store, const EventItem *item, const Outcome *outcome, int64_t now_us,
                          Error *reterr)
{
    sqlite3_stmt *stmt = store->events.statements[EVENT_PUT_ATTEMPT];
    sqlite3_bind_int64(stmt, 1, outcome->seq);
    sqlite3_bind_int64(stmt, 2, item->received_us);
    sqlite3_bind_int64(stmt, 3, item->normalised_us);
    sqlite3_bind_int64(stmt, 4, item->hashed_us);
    sqlite3_bind_int64(stmt, 5, now_us);
    sqlite3_bind_int64(stmt, 6, outcome->differs);
    store->events.attempted = true;
    return db_run(stmt, "keep an attempt of an event", reterr);
}

/* ---- Corrections ------------------------------------------------------------------------------------------------- */

Status sqlite_find_alias(SqliteStore *store, Str record_id, int64_t *ret_seq, Error *reterr)
{
    sqlite3_stmt *stmt = store->events.statements[EVENT_FIND_ALIAS];
    bool row = false;
    db_bind_text(stmt, 1, record_id);
    Status status = db_step(stmt, "look for where an event's id leads", &row, reterr);
    *ret_seq = status == STATUS_OK && row ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return status;
}

/* Nothing leads any more to what is taken back. */
static Status end_aliases(SqliteStore *store, int64_t seq, Error *reterr)
{
    static const EventStatement ends[] = {EVENT_END_ALIASES, EVENT_END_ID};
    Status status = STATUS_OK;
    for (size_t i = 0; i < sizeof ends / sizeof *ends && status == STATUS_OK; i++) {
        sqlite3_stmt *stmt = store->events.statements[ends[i]];
        sqlite3_bind_int64(stmt, 1, seq);
        status = db_run(stmt, "end what leads to an event", reterr);
    }
    store->tally.has_aliases = true;
    return status;
}

/* The row of an event. The same bytes are another event where another mapping is asked for. */
static bool came_as(sqlite3_stmt *stmt, const EventItem *item)
{
    const char *kept = sqlite3_column_blob(stmt, 1);
    bool asked = sqlite3_column_int(stmt, 2) != 0;
    return item && str_equal((Str){kept, (size_t)sqlite3_column_bytes(stmt, 1)}, item->raw) && asked == item->asked &&
           (!asked || str_equal(db_text(stmt, 3), item->mapping));
}

/* A correction has no bytes: those of the event are found from one that it corrects to the next. */
Status sqlite_compare_event(SqliteStore *store, int64_t seq, const EventItem *item, int64_t *ret_event, bool *ret_same,
                            Error *reterr)
{
    sqlite3_stmt *stmt = store->events.statements[EVENT_ORIGIN];
    Status status = STATUS_OK;
    bool row = true;
    *ret_same = false;
    *ret_event = 0;
    while (seq && row && status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, seq);
        status = db_step(stmt, "read an event", &row, reterr);
        if (status == STATUS_OK && row) {
            int64_t corrects = sqlite3_column_int64(stmt, 0);
            *ret_event = corrects ? 0 : seq;
            seq = corrects;
            *ret_same = corrects == 0 && came_as(stmt, item);
        }
        sqlite3_reset(stmt);
    }
    return status;
}

Status sqlite_put_alias(SqliteStore *store, Str record_id, int64_t seq, Error *reterr)
{
    sqlite3_stmt *stmt = store->events.statements[EVENT_PUT_ALIAS];
    db_bind_text(stmt, 1, record_id);
    sqlite3_bind_int64(stmt, 2, seq);
    store->tally.has_aliases = true;
    return db_run(stmt, "keep where an event's id leads", reterr);
}

static Status correct(SqliteStore *store, const EventItem *item, int64_t seq, Error *reterr)
{
    return item->replaces ? sqlite_put_alias(store, item->alias, seq, reterr)
                          : end_aliases(store, item->corrects, reterr);
}

/* ---- All of it --------------------------------------------------------------------------------------------------- */

static Status keep_correction(SqliteStore *store, const EventItem *item, const Outcome *outcome, int64_t now_us,
                              Error *reterr)
{
    if (outcome->kind != OUTCOME_CREATED) {
        return STATUS_OK;
    }
    Status status = put_event(store, item, outcome->seq, now_us, reterr);
    return status == STATUS_OK ? correct(store, item, outcome->seq, reterr) : status;
}

static Status keep_new(SqliteStore *store, const EventItem *item, const Outcome *outcome, int64_t now_us, Error *reterr)
{
    Status status = item->taken_for ? sqlite_end_duplicate(store, item, reterr) : STATUS_OK;
    return status == STATUS_OK ? put_event(store, item, outcome->seq, now_us, reterr) : status;
}

static Status keep_again(SqliteStore *store, const EventItem *item, const Outcome *outcome, int64_t now_us,
                         Error *reterr)
{
    bool same = false;
    int64_t event = 0;
    Status status = put_attempt(store, item, outcome, now_us, reterr);
    if (status == STATUS_OK && !outcome->same_bytes) {
        status = sqlite_compare_event(store, outcome->seq, item, &event, &same, reterr);
    }
    return status == STATUS_OK && event && !same ? sqlite_keep_duplicate(store, item, event, reterr) : status;
}

static Status keep_one(SqliteStore *store, const EventItem *item, const Outcome *outcome, int64_t now_us, Error *reterr)
{
    EventCount *count = NULL;
    if (item->taken_for && outcome->kind != OUTCOME_CREATED) {
        return STATUS_OK; /* it was counted when it came */
    }
    Status status = find_count(store, item, &count, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    switch (outcome->kind) {
    case OUTCOME_CREATED: count->processed++; return keep_new(store, item, outcome, now_us, reterr);
    case OUTCOME_DUPLICATE:
    case OUTCOME_CONFLICT: count->duplicates++; return keep_again(store, item, outcome, now_us, reterr);
    default: count->failed++; return STATUS_OK;
    }
}

static Status count_failed(SqliteStore *store, const EventChange *change, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < change->failed_count && status == STATUS_OK; i++) {
        EventCount *count = NULL;
        status = find_count(store, &change->failed[i], &count, reterr);
        count->failed++;
    }
    return status;
}

Status sqlite_apply_events(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    const EventChange *change = work->records.events;
    Status status = STATUS_OK;
    for (size_t i = 0; i < work->records.count && status == STATUS_OK; i++) {
        const EventItem *item = &change->items[i];
        status = (item->corrects ? keep_correction : keep_one)(store, item, &work->records.outcomes[i], now_us, reterr);
    }
    return status == STATUS_OK ? count_failed(store, change, reterr) : status;
}

void sqlite_begin_events(SqliteStore *store)
{
    if (store->events.counts.count) {
        event_counts_clear(&store->events.counts);
    }
    store->events.attempted = false;
}

Status sqlite_end_events(SqliteStore *store, Error *reterr)
{
    Status status = sqlite_put_event_counts(store, reterr);
    if (status == STATUS_OK && store->events.attempted) {
        sqlite3_stmt *stmt = store->events.statements[EVENT_TRIM_ATTEMPTS];
        sqlite3_bind_int64(stmt, 1, (int64_t)store->options.event_attempts_max);
        status = db_run(stmt, "remove the oldest attempts of events", reterr);
    }
    return status;
}

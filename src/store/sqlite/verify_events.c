/* What verify finds about events: bytes without a record, and counts that do not add up. */
#include <inttypes.h>

#include "base/buf.h"
#include "store/sqlite/db.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_store.h"

enum { CHUNK_ENTRIES = 50000, SENTENCE_BYTES_MAX = 512 };

typedef struct EventCheck {
    SqliteReader *reader;
    void (*tell)(void *context, Str sentence);
    void *context;
    int64_t events;    /* looked at */
    int64_t processed; /* of them, no corrections */
    int64_t taken;     /* of these, for duplicates at first */
    Error *reterr;
} EventCheck;

static void tell(EventCheck *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(EventCheck *check, const char *format, ...)
{
    char text[SENTENCE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    check->tell(check->context, str_from(text));
}

static void check_row(EventCheck *check, sqlite3_stmt *stmt)
{
    int64_t seq = sqlite3_column_int64(stmt, 0), corrects = sqlite3_column_int64(stmt, 1);
    int64_t taken_for = sqlite3_column_int64(stmt, 4);
    check->events++;
    check->processed += corrects == 0;
    check->taken += taken_for != 0;
    if (!sqlite3_column_int(stmt, 2)) {
        tell(check, "event %" PRId64 ": the log has no such record", seq);
    }
    if (taken_for && (taken_for >= seq || !sqlite3_column_int(stmt, 5))) {
        tell(check, "event %" PRId64 ": it had been taken for event %" PRId64 ", which the log does not have before it",
             seq, taken_for);
    }
    if (corrects && (corrects >= seq || !sqlite3_column_int(stmt, 3))) {
        tell(check, "event %" PRId64 ": it corrects record %" PRId64 ", which the log does not have before it", seq,
             corrects);
    }
}

static Status check_between(EventCheck *check, int64_t after, int64_t through)
{
    sqlite3_stmt *stmt = NULL;
    bool row = true;
    Status status = db_prepare(check->reader->db,
                               "SELECT seq, corrects, EXISTS(SELECT 1 FROM records WHERE seq = raw_events.seq),"
                               " EXISTS(SELECT 1 FROM records WHERE seq = raw_events.corrects), taken_for,"
                               " EXISTS(SELECT 1 FROM raw_events AS other WHERE seq = raw_events.taken_for)"
                               " FROM raw_events WHERE seq > ? AND seq <= ?",
                               &stmt, check->reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, after);
        sqlite3_bind_int64(stmt, 2, through);
    }
    while (status == STATUS_OK && (status = db_step(stmt, "read the events", &row, check->reterr)) == STATUS_OK &&
           row) {
        check_row(check, stmt);
    }
    sqlite3_finalize(stmt);
    return status;
}

/* In many short looks, since it takes long. */
static Status check_view(EventCheck *check, StoreView *view)
{
    StoreReader *reader = &check->reader->base;
    int64_t bound = view->bound;
    Status status = STATUS_OK;
    for (int64_t at = 0; at < bound && status == STATUS_OK; at += CHUNK_ENTRIES) {
        status = check_between(check, at, bound - at > CHUNK_ENTRIES ? at + CHUNK_ENTRIES : bound);
        sqlite_end(reader);
        if (status == STATUS_OK) {
            status = sqlite_resume(reader, view, check->reterr);
        }
    }
    return status;
}

/* Each row is a sentence. */
static const char *const adrift_sql[] = {
    "SELECT 'attempt ' || id || ' of an event: the log has no record ' || seq FROM event_attempts"
    " WHERE NOT EXISTS (SELECT 1 FROM records WHERE seq = event_attempts.seq)",
    "SELECT 'duplicate ' || id || ' of an event: there is no event ' || seq FROM raw_duplicates"
    " WHERE NOT EXISTS (SELECT 1 FROM raw_events WHERE seq = raw_duplicates.seq AND corrects = 0)",
    "SELECT 'the id ' || record_id || ' leads to record ' || abs(seq) || ', which is no event' FROM event_aliases"
    " WHERE NOT EXISTS (SELECT 1 FROM raw_events WHERE seq = abs(event_aliases.seq))",
    "SELECT 'the id ' || record_id || ' leads to record ' || seq || ', which was taken back' FROM event_aliases"
    " WHERE seq > 0 AND EXISTS (SELECT 1 FROM raw_events WHERE corrects <> 0 AND corrects = event_aliases.seq)",
    "SELECT 'the id ' || record_id || ' does not lead to record ' || -seq || ', which was not taken back'"
    " FROM event_aliases WHERE seq < 0"
    " AND NOT EXISTS (SELECT 1 FROM raw_events WHERE corrects <> 0 AND corrects = -event_aliases.seq)",
    "SELECT 'the counts of client ' || quote(client) || ' are none' FROM event_clients"
    " WHERE min(processed, duplicates, failed) < 0 OR first_us > last_us",
};

static Status check_adrift(EventCheck *check)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < sizeof adrift_sql / sizeof *adrift_sql && status == STATUS_OK; i++) {
        status = db_visit_texts(check->reader->db, adrift_sql[i], check->tell, check->context, check->reterr);
    }
    return status;
}

/* The ring forgets attempts, and the counts do not. Those that became events since are still in the ring. */
static Status check_counts(EventCheck *check)
{
    sqlite3 *db = check->reader->db;
    int64_t processed = 0, duplicates = 0, attempts = 0;
    Status status = db_get_int(db, "SELECT sum(processed) FROM event_clients", 0, &processed, check->reterr);
    if (status == STATUS_OK) {
        status = db_get_int(db, "SELECT sum(duplicates) FROM event_clients", 0, &duplicates, check->reterr);
    }
    if (status == STATUS_OK) {
        status = db_get_int(db, "SELECT count(*) FROM event_attempts", 0, &attempts, check->reterr);
    }
    if (status == STATUS_OK && processed != check->processed) {
        tell(check, "the counts of clients say %" PRId64 " events, but %" PRId64 " are kept", processed,
             check->processed);
    }
    if (status == STATUS_OK && duplicates + check->taken < attempts) {
        tell(check, "the counts of clients say %" PRId64 " duplicates, but %" PRId64 " attempts are kept", duplicates,
             attempts - check->taken);
    }
    return status;
}

/* The counts are as they are now: what came behind the view is counted in the look that reads them. */
Status sqlite_check_events(SqliteReader *reader, void (*tell_sentence)(void *context, Str sentence), void *context,
                           int64_t *ret_events, Error *reterr)
{
    StoreView *view = &reader->view->base;
    EventCheck check = {.reader = reader, .tell = tell_sentence, .context = context, .reterr = reterr};
    int64_t version = 0;
    Status status = schema_version(reader->db, &version, reterr);
    if (status != STATUS_OK || version < SCHEMA_EVENTS) {
        return status;
    }
    if ((status = check_view(&check, view)) == STATUS_OK &&
        (status = check_between(&check, view->bound, INT64_MAX)) == STATUS_OK &&
        (status = check_adrift(&check)) == STATUS_OK) {
        status = check_counts(&check);
    }
    *ret_events = check.events;
    return status;
}

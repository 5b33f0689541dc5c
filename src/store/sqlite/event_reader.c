/* What readers see of events. Those that are in the log up to the view's bound; attempts and clients as they are
 * now. */
#include <inttypes.h>

#include "store/sqlite/db.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_store.h"

#define WHAT "read what is kept of events"

Status sqlite_readable_fields(SqliteReader *reader, uint32_t *fields, Error *reterr)
{
    bool has = true;
    Status status = *fields & FIELD_EVENT ? sqlite_reader_has(reader, SCHEMA_EVENTS, &has, reterr) : STATUS_OK;
    if (!has) {
        *fields &= ~(uint32_t)FIELD_EVENT;
    }
    return status;
}

/* ---- Events in the log ------------------------------------------------------------------------------------------- */

Status sqlite_events(StoreReader *base, int64_t after, int64_t through, EventVisitor *visit, void *context,
                     Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    int64_t bound = reader->view->base.bound;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    Status status = sqlite_reader_take(
        reader, SCHEMA_EVENTS, READER_EVENTS,
        "SELECT seq, received_us, normalised_us, hashed_us, stored_us, corrects, asked, mapping, raw, taken_for,"
        " coalesce((SELECT number FROM event_attempts WHERE seq = raw_events.seq ORDER BY id DESC LIMIT 1), 1)"
        " FROM raw_events WHERE seq > ? AND seq <= ? ORDER BY seq",
        &stmt, reterr);
    if (stmt) {
        sqlite3_bind_int64(stmt, 1, after);
        sqlite3_bind_int64(stmt, 2, through < bound ? through : bound);
    }
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        const char *raw = sqlite3_column_blob(stmt, 8);
        StoredEvent event = {.seq = sqlite3_column_int64(stmt, 0),
                             .received_us = sqlite3_column_int64(stmt, 1),
                             .normalised_us = sqlite3_column_int64(stmt, 2),
                             .hashed_us = sqlite3_column_int64(stmt, 3),
                             .stored_us = sqlite3_column_int64(stmt, 4),
                             .corrects = sqlite3_column_int64(stmt, 5),
                             .asked = sqlite3_column_int(stmt, 6) != 0,
                             .mapping = db_text(stmt, 7),
                             .raw = {raw, (size_t)sqlite3_column_bytes(stmt, 8)},
                             .taken_for = sqlite3_column_int64(stmt, 9),
                             .attempts = sqlite3_column_int64(stmt, 10)};
        go_on = visit(context, &event);
    }
    sqlite_reader_give_back(reader, READER_EVENTS, stmt);
    return status;
}

typedef struct OnlyOne {
    EventVisitor *visit;
    void *context;
    bool found;
} OnlyOne;

static bool visit_only(void *context, const StoredEvent *event)
{
    OnlyOne *only = context;
    only->found = true;
    only->visit(only->context, event);
    return false;
}

Status sqlite_event(StoreReader *base, int64_t seq, EventVisitor *visit, void *context, Error *reterr)
{
    OnlyOne only = {.visit = visit, .context = context};
    Status status = seq > 0 ? sqlite_events(base, seq - 1, seq, visit_only, &only, reterr) : STATUS_OK;
    return status == STATUS_OK && !only.found
               ? error_set(reterr, STATUS_REFUSED, "the record %" PRId64 " was no event", seq)
               : status;
}

/* ---- Corrections ------------------------------------------------------------------------------------------------- */

/* The index of corrections is read alone; the condition that makes it is repeated, or it would not be used. */
Status sqlite_event_corrections(StoreReader *base, int64_t first, int64_t last, EventCorrectionVisitor *visit,
                                void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    Status status =
        sqlite_reader_take(reader, SCHEMA_EVENTS, READER_EVENT_CORRECTIONS,
                           "SELECT seq, corrects FROM raw_events WHERE corrects <> 0 AND corrects BETWEEN ? AND ?"
                           " AND seq <= ? ORDER BY corrects, seq",
                           &stmt, reterr);
    if (stmt) {
        sqlite3_bind_int64(stmt, 1, first);
        sqlite3_bind_int64(stmt, 2, last);
        sqlite3_bind_int64(stmt, 3, reader->view->base.bound);
    }
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        EventCorrection correction = {sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1)};
        go_on = visit(context, &correction);
    }
    sqlite_reader_give_back(reader, READER_EVENT_CORRECTIONS, stmt);
    return status;
}

Status sqlite_event_alias(StoreReader *base, Str record_id, int64_t *ret_seq, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    Status status = sqlite_reader_take(reader, SCHEMA_EVENTS, READER_EVENT_ALIAS,
                                       "SELECT seq FROM event_aliases WHERE record_id = ?", &stmt, reterr);
    if (stmt) {
        db_bind_text(stmt, 1, record_id);
    }
    *ret_seq = db_next(stmt, true, WHAT, &status, reterr) ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite_reader_give_back(reader, READER_EVENT_ALIAS, stmt);
    return status;
}

/* ---- Attempts, clients ------------------------------------------------------------------------------------------- */

#define ATTEMPT_SQL                                                                                                    \
    "SELECT id, seq, number, received_us, normalised_us, hashed_us, decided_us, differs FROM event_attempts"

Status sqlite_event_attempts(StoreReader *base, const EventAttemptFilter *filter, EventAttemptVisitor *visit,
                             void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    ReaderKept which = filter->seq ? READER_ATTEMPTS_OF_EVENT : READER_EVENT_ATTEMPTS;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    Status status = sqlite_reader_take(reader, SCHEMA_EVENTS, which,
                                       filter->seq ? ATTEMPT_SQL " WHERE id < ?1 AND seq = ?2 ORDER BY id DESC"
                                                   : ATTEMPT_SQL " WHERE id < ?1 ORDER BY id DESC",
                                       &stmt, reterr);
    if (stmt) {
        sqlite3_bind_int64(stmt, 1, filter->before ? filter->before : INT64_MAX);
    }
    if (stmt && filter->seq) {
        sqlite3_bind_int64(stmt, 2, filter->seq);
    }
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        EventAttempt attempt = {.id = sqlite3_column_int64(stmt, 0),
                                .seq = sqlite3_column_int64(stmt, 1),
                                .number = sqlite3_column_int64(stmt, 2),
                                .received_us = sqlite3_column_int64(stmt, 3),
                                .normalised_us = sqlite3_column_int64(stmt, 4),
                                .hashed_us = sqlite3_column_int64(stmt, 5),
                                .decided_us = sqlite3_column_int64(stmt, 6),
                                .differs = (uint32_t)sqlite3_column_int64(stmt, 7)};
        go_on = visit(context, &attempt);
    }
    sqlite_reader_give_back(reader, which, stmt);
    return status;
}

Status sqlite_event_duplicates(StoreReader *base, int64_t seq, int64_t after, EventDuplicateVisitor *visit,
                               void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    Status status =
        sqlite_reader_take(reader, SCHEMA_EVENTS, READER_EVENT_DUPLICATES,
                           "SELECT id, received_us, asked, mapping, raw FROM raw_duplicates WHERE seq = ? AND id > ?"
                           " ORDER BY id",
                           &stmt, reterr);
    if (stmt) {
        sqlite3_bind_int64(stmt, 1, seq);
        sqlite3_bind_int64(stmt, 2, after);
    }
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        const char *raw = sqlite3_column_blob(stmt, 4);
        StoredDuplicate duplicate = {.id = sqlite3_column_int64(stmt, 0),
                                     .seq = seq,
                                     .received_us = sqlite3_column_int64(stmt, 1),
                                     .asked = sqlite3_column_int(stmt, 2) != 0,
                                     .mapping = db_text(stmt, 3),
                                     .raw = {raw, (size_t)sqlite3_column_bytes(stmt, 4)}};
        go_on = visit(context, &duplicate);
    }
    sqlite_reader_give_back(reader, READER_EVENT_DUPLICATES, stmt);
    return status;
}

Status sqlite_event_clients(StoreReader *base, EventClientVisitor *visit, void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    Status status =
        sqlite_reader_take(reader, SCHEMA_EVENTS, READER_EVENT_CLIENTS,
                           "SELECT client, processed, duplicates, failed, first_us, last_us FROM event_clients"
                           " ORDER BY client",
                           &stmt, reterr);
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        EventClient client = {.client = db_text(stmt, 0),
                              .processed = sqlite3_column_int64(stmt, 1),
                              .duplicates = sqlite3_column_int64(stmt, 2),
                              .failed = sqlite3_column_int64(stmt, 3),
                              .first_us = sqlite3_column_int64(stmt, 4),
                              .last_us = sqlite3_column_int64(stmt, 5)};
        client.received = client.processed + client.duplicates + client.failed;
        go_on = visit(context, &client);
    }
    sqlite_reader_give_back(reader, READER_EVENT_CLIENTS, stmt);
    return status;
}

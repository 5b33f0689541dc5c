/* What readers see of deliveries: the small tables as they are now, whatever a view's bound. */
#include "store/sqlite/db.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_store.h"

#define WHAT "read what is kept of deliveries"

Status sqlite_sinks(StoreReader *base, SinkVisitor *visit, void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    Status status =
        sqlite_reader_take(reader, SCHEMA_DELIVERIES, READER_SINKS,
                           "SELECT name, state, reason, cursor_seq, sent_seq, version, created_us, updated_us"
                           " FROM sinks ORDER BY name",
                           &stmt, reterr);
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        StoredSink sink = {.name = db_text(stmt, 0),
                           .state = (SinkState)sqlite3_column_int(stmt, 1),
                           .reason = db_text(stmt, 2),
                           .place = {sqlite3_column_int64(stmt, 3), sqlite3_column_int64(stmt, 4)},
                           .version = sqlite3_column_int64(stmt, 5),
                           .created_us = sqlite3_column_int64(stmt, 6),
                           .updated_us = sqlite3_column_int64(stmt, 7)};
        go_on = visit(context, &sink);
    }
    sqlite_reader_give_back(reader, READER_SINKS, stmt);
    return status;
}

Status sqlite_retries(StoreReader *base, Str sink, int64_t job, RetryVisitor *visit, void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    Status status = sqlite_reader_take(reader, SCHEMA_DELIVERIES, READER_RETRIES,
                                       "SELECT seq, attempts, due_us, flow_hash FROM retries WHERE sink = ? AND job = ?"
                                       " ORDER BY seq",
                                       &stmt, reterr);
    if (stmt) {
        db_bind_text(stmt, 1, sink);
        sqlite3_bind_int64(stmt, 2, job);
    }
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        StoredRetry retry = {.seq = sqlite3_column_int64(stmt, 0),
                             .attempts = sqlite3_column_int64(stmt, 1),
                             .due_us = sqlite3_column_int64(stmt, 2),
                             .flow_hash = (uint64_t)sqlite3_column_int64(stmt, 3)};
        go_on = visit(context, &retry);
    }
    sqlite_reader_give_back(reader, READER_RETRIES, stmt);
    return status;
}

Status sqlite_attempts(StoreReader *base, int64_t seq, AttemptVisitor *visit, void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    Status status =
        sqlite_reader_prepare(reader, SCHEMA_DELIVERIES,
                              "SELECT seq, sink, job, number, begun_us, latency_us, code, taken, error, response"
                              " FROM delivery_attempts WHERE seq = ? ORDER BY id",
                              &stmt, reterr);
    if (stmt) {
        sqlite3_bind_int64(stmt, 1, seq);
    }
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        StoredAttempt attempt = {.seq = sqlite3_column_int64(stmt, 0),
                                 .sink = db_text(stmt, 1),
                                 .job = sqlite3_column_int64(stmt, 2),
                                 .number = sqlite3_column_int64(stmt, 3),
                                 .begun_us = sqlite3_column_int64(stmt, 4),
                                 .latency_us = sqlite3_column_int64(stmt, 5),
                                 .code = sqlite3_column_int64(stmt, 6),
                                 .taken = sqlite3_column_int(stmt, 7) != 0,
                                 .error = db_text(stmt, 8),
                                 .response = db_text(stmt, 9)};
        go_on = visit(context, &attempt);
    }
    sqlite3_finalize(stmt);
    return status;
}

/* How long `raw` is stands at the beginning of a row, and nothing stands behind it: SQLite reads no more than that of
 * one that is not asked for. */
#define LETTER_SQL "SELECT id, stage, state, origin, seq, error, attempts, length(raw), created_us, updated_us"
#define PLACE_SQL  LETTER_SQL ", place, format"
#define NONE_SQL   LETTER_SQL ", '', ''"

static const char *letter_head(bool has_places, bool without_raw)
{
    static const char *const heads[2][2] = {{NONE_SQL ", raw", NONE_SQL ", x''"},
                                            {PLACE_SQL ", raw", PLACE_SQL ", x''"}};
    return heads[has_places][without_raw];
}

Status sqlite_dead_letters(StoreReader *base, const DeadLetterFilter *filter, DeadLetterVisitor *visit, void *context,
                           Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true, has = false;
    Status status = sqlite_reader_has(reader, SCHEMA_DELIVERIES, &has, reterr);
    bool has_places = reader->version >= SCHEMA_SOURCES;
    if (has && (has_places || filter->place.len == 0)) {
        status = sqlite_prepare_letters(reader->db, letter_head(has_places, filter->without_raw), filter,
                                        " ORDER BY id DESC", &stmt, reterr);
    }
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        DeadLetter letter = {.id = sqlite3_column_int64(stmt, 0),
                             .stage = (DeadLetterStage)sqlite3_column_int(stmt, 1),
                             .state = (DeadLetterState)sqlite3_column_int(stmt, 2),
                             .origin = db_text(stmt, 3),
                             .seq = sqlite3_column_int64(stmt, 4),
                             .error = db_text(stmt, 5),
                             .attempts = sqlite3_column_int64(stmt, 6),
                             .raw_bytes = (size_t)sqlite3_column_int64(stmt, 7),
                             .created_us = sqlite3_column_int64(stmt, 8),
                             .updated_us = sqlite3_column_int64(stmt, 9),
                             .place = db_text(stmt, 10),
                             .format = db_text(stmt, 11),
                             .raw = {sqlite3_column_blob(stmt, 12), (size_t)sqlite3_column_bytes(stmt, 12)}};
        go_on = visit(context, &letter);
    }
    sqlite3_finalize(stmt);
    return status;
}

Status sqlite_replays(StoreReader *base, Str sink, ReplayVisitor *visit, void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    Status status =
        sqlite_reader_take(reader, SCHEMA_DELIVERIES, READER_REPLAYS,
                           "SELECT id, sink, after_seq, through_seq, filter, state, cursor_seq, sent_seq, sent,"
                           " failed, created_us, updated_us FROM replays WHERE ?1 = '' OR sink = ?1 ORDER BY id",
                           &stmt, reterr);
    if (stmt) {
        db_bind_text(stmt, 1, sink);
    }
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        StoredReplay replay = {.id = sqlite3_column_int64(stmt, 0),
                               .sink = db_text(stmt, 1),
                               .after = sqlite3_column_int64(stmt, 2),
                               .through = sqlite3_column_int64(stmt, 3),
                               .filter = db_text(stmt, 4),
                               .state = (ReplayState)sqlite3_column_int(stmt, 5),
                               .place = {sqlite3_column_int64(stmt, 6), sqlite3_column_int64(stmt, 7)},
                               .sent = sqlite3_column_int64(stmt, 8),
                               .failed = sqlite3_column_int64(stmt, 9),
                               .created_us = sqlite3_column_int64(stmt, 10),
                               .updated_us = sqlite3_column_int64(stmt, 11)};
        go_on = visit(context, &replay);
    }
    sqlite_reader_give_back(reader, READER_REPLAYS, stmt);
    return status;
}

/* Sinks, and how their lines move: the cursor, the retries behind it, what was tried, what was given up. */
#include "store/sqlite/deliveries.h"

#include <assert.h>

#include "store/sqlite/db.h"
#include "store/sqlite/sqlite_store.h"

static const char *const statements_sql[] = {
    [DELIVERY_MOVE_SINK] = "UPDATE sinks SET cursor_seq = ?1, sent_seq = ?2 WHERE name = ?3",
    [DELIVERY_MOVE_REPLAY] = "UPDATE replays SET cursor_seq = ?1, sent_seq = ?2, sent = ?5, failed = ?6,"
                             " state = ?7, updated_us = ?8 WHERE id = ?4 AND sink = ?3 AND state = 0",
    [DELIVERY_PUT_RETRY] = "INSERT OR REPLACE INTO retries(sink, job, seq, attempts, due_us, flow_hash)"
                           " VALUES(?,?,?,?,?,?)",
    [DELIVERY_DROP_RETRY] = "DELETE FROM retries WHERE sink = ? AND job = ? AND seq = ?",
    [DELIVERY_RESOLVE_LETTER] = "UPDATE dead_letters SET state = 2, updated_us = ?3"
                                " WHERE stage = 1 AND origin = ?1 AND seq = ?2 AND state = 1",
    [DELIVERY_FIND_LETTER] = "SELECT id, state FROM dead_letters WHERE stage = 1 AND origin = ? AND seq = ?",
    [DELIVERY_REOPEN_LETTER] = "UPDATE dead_letters SET state = 0, error = ?2, attempts = ?3, updated_us = ?4"
                               " WHERE id = ?1",
    [DELIVERY_ADD_LETTER] = "INSERT INTO dead_letters(stage, state, origin, seq, error, attempts, raw, created_us,"
                            " updated_us) VALUES(1, 0, ?1, ?2, ?3, ?4, x'', ?5, ?5)",
    [DELIVERY_ADD_ATTEMPT] = "INSERT INTO delivery_attempts(seq, sink, job, number, begun_us, latency_us, code, taken,"
                             " error, response) VALUES(?,?,?,?,?,?,?,?,?,?)",
    [DELIVERY_TRIM_ATTEMPTS] = "DELETE FROM delivery_attempts"
                               " WHERE id <= (SELECT max(id) FROM delivery_attempts) - ?",
    [INTAKE_FIND_LETTER] = "SELECT id FROM dead_letters WHERE stage = 0 AND origin = ? AND place = ?"
                           " AND state IN (0, 1) AND raw = ?",
    [INTAKE_ADD_LETTER] = "INSERT INTO dead_letters(stage, state, origin, seq, place, format, error, attempts, raw,"
                          " created_us, updated_us, bytes) VALUES(0, 0, ?1, 0, ?2, ?3, ?4, 1, ?5, ?6, ?6, ?7)",
    [INTAKE_BYTES_OF_LETTER] = "SELECT bytes FROM dead_letters WHERE id = ?",
    [INTAKE_AGAIN_LETTER] = "UPDATE dead_letters SET error = ?2, attempts = attempts + 1, updated_us = ?3,"
                            " bytes = bytes + 2 * (length(CAST(?2 AS BLOB)) - length(CAST(error AS BLOB)))"
                            " WHERE id = ?1 AND stage = 0 AND state = 0 RETURNING bytes, origin",
    [INTAKE_REOPEN_LETTER] = "UPDATE dead_letters SET state = 0, error = ?2, attempts = attempts + 1, updated_us = ?3,"
                             " bytes = bytes + 2 * (length(CAST(?2 AS BLOB)) - length(CAST(error AS BLOB)))"
                             " WHERE id = ?1 AND stage = 0 AND state = 1 RETURNING bytes, origin",
    [INTAKE_RESOLVE_LETTER] = "UPDATE dead_letters SET state = 2, updated_us = ?2"
                              " WHERE id = ?1 AND stage = 0 AND state = 1 RETURNING bytes, origin",
    [INTAKE_PUT_PLACE] = "INSERT OR REPLACE INTO source_places(source, part, next, mark, updated_us)"
                         " VALUES(?,?,?,?,?)",
};
static_assert(sizeof statements_sql / sizeof *statements_sql == DELIVERY_STATEMENT_COUNT, "one for each");
static_assert(DEAD_LETTER_OPEN == 0 && DEAD_LETTER_RETRYING == 1 && DEAD_LETTER_RESOLVED == 2 &&
                  DEAD_LETTER_DELIVERY == 1 && REPLAY_RUNNING == 0,
              "the statements say so");

Status sqlite_prepare_deliveries(SqliteStore *store, Error *reterr)
{
    return db_prepare_all(store->db, statements_sql, DELIVERY_STATEMENT_COUNT, store->deliveries, reterr);
}

void sqlite_finalize_deliveries(SqliteStore *store) { db_finalize_all(store->deliveries, DELIVERY_STATEMENT_COUNT); }

/* ---- Sinks ------------------------------------------------------------------------------------------------------- */

Status sqlite_put_sink(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    const StoredSink *sink = &work->sink;
    sqlite3_stmt *stmt = NULL;
    assert(sink->name.len > 0);
    Status status = db_prepare(store->db,
                               "INSERT INTO sinks(name, state, reason, cursor_seq, sent_seq, version, created_us,"
                               " updated_us) VALUES(?1, 0, '', ?2, ?3, 1, ?4, ?4) ON CONFLICT DO NOTHING",
                               &stmt, reterr);
    if (status == STATUS_OK) {
        db_bind_text(stmt, 1, sink->name);
        sqlite3_bind_int64(stmt, 2, sink->place.cursor);
        sqlite3_bind_int64(stmt, 3, sink->place.sent_seq);
        sqlite3_bind_int64(stmt, 4, now_us);
        status = db_run(stmt, "put a sink", reterr);
    }
    sqlite3_finalize(stmt);
    return status;
}

static void refuse_sink(Work *work, Str name)
{
    work->status = error_set(&work->error, STATUS_REFUSED, "there is no sink %.*s", STR_ARGS(name));
}

Status sqlite_set_sink_state(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    const StoredSink *sink = &work->sink;
    sqlite3_stmt *stmt = NULL;
    Status status = db_prepare(store->db,
                               "UPDATE sinks SET state = ?, reason = ?, version = version + 1, updated_us = ?"
                               " WHERE name = ?",
                               &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int(stmt, 1, (int)sink->state);
        db_bind_text(stmt, 2, sink->reason);
        sqlite3_bind_int64(stmt, 3, now_us);
        db_bind_text(stmt, 4, sink->name);
        status = db_run(stmt, "change a sink's state", reterr);
    }
    if (status == STATUS_OK && sqlite3_changes(store->db) == 0) {
        refuse_sink(work, sink->name);
    }
    sqlite3_finalize(stmt);
    return status;
}

Status sqlite_touch_sink(SqliteStore *store, Str name, int64_t now_us, bool *ret_found, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status =
        db_prepare(store->db, "UPDATE sinks SET version = version + 1, updated_us = ? WHERE name = ?", &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, now_us);
        db_bind_text(stmt, 2, name);
        status = db_run(stmt, "change a sink's version", reterr);
    }
    *ret_found = status == STATUS_OK && sqlite3_changes(store->db) > 0;
    sqlite3_finalize(stmt);
    return status;
}

/* ---- Retries ----------------------------------------------------------------------------------------------------- */

Status sqlite_put_retry(SqliteStore *store, Str sink, int64_t job, const StoredRetry *retry, Error *reterr)
{
    sqlite3_stmt *stmt = store->deliveries[DELIVERY_PUT_RETRY];
    db_bind_text(stmt, 1, sink);
    sqlite3_bind_int64(stmt, 2, job);
    sqlite3_bind_int64(stmt, 3, retry->seq);
    sqlite3_bind_int64(stmt, 4, retry->attempts);
    sqlite3_bind_int64(stmt, 5, retry->due_us);
    sqlite3_bind_int64(stmt, 6, (int64_t)retry->flow_hash);
    return db_run(stmt, "put a retry", reterr);
}

Status sqlite_drop_retries(SqliteStore *store, Str sink, int64_t job, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status = db_prepare(store->db, "DELETE FROM retries WHERE sink = ? AND job = ?", &stmt, reterr);
    if (status == STATUS_OK) {
        db_bind_text(stmt, 1, sink);
        sqlite3_bind_int64(stmt, 2, job);
        status = db_run(stmt, "drop the retries of a line", reterr);
    }
    sqlite3_finalize(stmt);
    return status;
}

static Status put_retries(SqliteStore *store, const DeliveryChange *change, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < change->retry_count && status == STATUS_OK; i++) {
        status = sqlite_put_retry(store, change->sink, change->job, &change->retries[i], reterr);
    }
    return status;
}

static Status drop_retry(SqliteStore *store, const DeliveryChange *change, int64_t seq, Error *reterr)
{
    sqlite3_stmt *stmt = store->deliveries[DELIVERY_DROP_RETRY];
    db_bind_text(stmt, 1, change->sink);
    sqlite3_bind_int64(stmt, 2, change->job);
    sqlite3_bind_int64(stmt, 3, seq);
    return db_run(stmt, "drop a retry", reterr);
}

/* What a replay delivers says nothing of the live line's retry of the same message, which goes on. */
static Status settle(SqliteStore *store, const DeliveryChange *change, int64_t now_us, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < change->settled_count && status == STATUS_OK; i++) {
        status = drop_retry(store, change, change->settled[i], reterr);
        if (status == STATUS_OK && change->job == 0) {
            status = sqlite_resolve_dead_letter(store, change->sink, change->settled[i], now_us, reterr);
        }
    }
    return status;
}

/* ---- Attempts ---------------------------------------------------------------------------------------------------- */

static Status add_attempt(SqliteStore *store, const DeliveryChange *change, const StoredAttempt *attempt, Error *reterr)
{
    sqlite3_stmt *stmt = store->deliveries[DELIVERY_ADD_ATTEMPT];
    sqlite3_bind_int64(stmt, 1, attempt->seq);
    db_bind_text(stmt, 2, change->sink);
    sqlite3_bind_int64(stmt, 3, change->job);
    sqlite3_bind_int64(stmt, 4, attempt->number);
    sqlite3_bind_int64(stmt, 5, attempt->begun_us);
    sqlite3_bind_int64(stmt, 6, attempt->latency_us);
    sqlite3_bind_int64(stmt, 7, attempt->code);
    sqlite3_bind_int(stmt, 8, attempt->taken);
    db_bind_text(stmt, 9, attempt->error);
    db_bind_text(stmt, 10, attempt->response);
    return db_run(stmt, "keep a delivery attempt", reterr);
}

static Status add_attempts(SqliteStore *store, const DeliveryChange *change, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < change->attempt_count && status == STATUS_OK; i++) {
        status = add_attempt(store, change, &change->attempts[i], reterr);
    }
    if (status == STATUS_OK && change->attempt_count) {
        sqlite3_stmt *stmt = store->deliveries[DELIVERY_TRIM_ATTEMPTS];
        sqlite3_bind_int64(stmt, 1, STORE_ATTEMPTS_MAX);
        status = db_run(stmt, "remove the oldest delivery attempts", reterr);
    }
    return status;
}

/* ---- A line has moved -------------------------------------------------------------------------------------------- */

static Status move_sink(SqliteStore *store, Work *work, Error *reterr)
{
    const DeliveryChange *change = &work->delivery;
    sqlite3_stmt *stmt = store->deliveries[DELIVERY_MOVE_SINK];
    sqlite3_bind_int64(stmt, 1, change->place.cursor);
    sqlite3_bind_int64(stmt, 2, change->place.sent_seq);
    db_bind_text(stmt, 3, change->sink);
    Status status = db_run(stmt, "move a sink's cursor", reterr);
    if (status == STATUS_OK && sqlite3_changes(store->db) == 0) {
        refuse_sink(work, change->sink);
    }
    return status;
}

static Status move_replay(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    const DeliveryChange *change = &work->delivery;
    sqlite3_stmt *stmt = store->deliveries[DELIVERY_MOVE_REPLAY];
    sqlite3_bind_int64(stmt, 1, change->place.cursor);
    sqlite3_bind_int64(stmt, 2, change->place.sent_seq);
    db_bind_text(stmt, 3, change->sink);
    sqlite3_bind_int64(stmt, 4, change->job);
    sqlite3_bind_int64(stmt, 5, change->sent);
    sqlite3_bind_int64(stmt, 6, change->failed);
    sqlite3_bind_int(stmt, 7, change->done ? REPLAY_DONE : REPLAY_RUNNING);
    sqlite3_bind_int64(stmt, 8, now_us);
    Status status = db_run(stmt, "move a replay's cursor", reterr);
    if (status == STATUS_OK && sqlite3_changes(store->db) == 0) {
        work->status = error_set(&work->error, STATUS_REFUSED, "the replay %lld of sink %.*s does not run (any more)",
                                 (long long)change->job, STR_ARGS(change->sink));
    }
    return status;
}

static Status put_dead_letters(SqliteStore *store, DeliveryChange *change, int64_t now_us, Error *reterr)
{
    Status status = STATUS_OK;
    change->dead_made = 0;
    for (size_t i = 0; i < change->dead_count && status == STATUS_OK; i++) {
        DeadLetter letter = change->dead[i];
        bool made = false;
        letter.stage = DEAD_LETTER_DELIVERY;
        letter.origin = change->sink;
        status = sqlite_put_dead_letter(store, &letter, change->announce, now_us, &made, reterr);
        change->dead_made += made;
    }
    return status;
}

/* The line is moved first: when there is none, nothing else has been written. */
Status sqlite_apply_delivery(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    DeliveryChange *change = &work->delivery;
    Status status = change->job ? move_replay(store, work, now_us, reterr) : move_sink(store, work, reterr);
    if (status != STATUS_OK || work->status != STATUS_OK) {
        return status;
    }
    if ((status = put_retries(store, change, reterr)) == STATUS_OK &&
        (status = settle(store, change, now_us, reterr)) == STATUS_OK &&
        (status = put_dead_letters(store, change, now_us, reterr)) == STATUS_OK) {
        status = add_attempts(store, change, reterr);
    }
    return status == STATUS_OK && change->job && change->done
               ? sqlite_drop_retries(store, change->sink, change->job, reterr)
               : status;
}

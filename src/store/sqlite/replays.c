/* Replays: asked for, and called off. What they send moves them in deliveries.c. */
#include <assert.h>

#include "store/sqlite/db.h"
#include "store/sqlite/sqlite_store.h"

static_assert(REPLAY_RUNNING == 0 && REPLAY_CANCELLED == 2, "the statements say so");

static Status insert_replay(SqliteStore *store, StoredReplay *replay, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status = db_prepare(store->db,
                               "INSERT INTO replays(sink, after_seq, through_seq, filter, state, cursor_seq, sent_seq,"
                               " sent, failed, created_us, updated_us) VALUES(?1, ?2, ?3, ?4, 0, ?2, 0, 0, 0, ?5, ?5)",
                               &stmt, reterr);
    if (status == STATUS_OK) {
        db_bind_text(stmt, 1, replay->sink);
        sqlite3_bind_int64(stmt, 2, replay->after);
        sqlite3_bind_int64(stmt, 3, replay->through);
        db_bind_text(stmt, 4, replay->filter);
        sqlite3_bind_int64(stmt, 5, replay->created_us);
        status = db_run(stmt, "put a replay", reterr);
    }
    sqlite3_finalize(stmt);
    replay->id = status == STATUS_OK ? sqlite3_last_insert_rowid(store->db) : 0;
    return status;
}

Status sqlite_put_replay(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    StoredReplay *replay = &work->replay;
    bool found = false;
    Status status = sqlite_touch_sink(store, replay->sink, now_us, &found, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (!found) {
        work->status = error_set(&work->error, STATUS_REFUSED, "there is no sink %.*s", STR_ARGS(replay->sink));
        return STATUS_OK;
    }
    replay->state = REPLAY_RUNNING;
    replay->place = (SinkPlace){.cursor = replay->after};
    replay->sent = replay->failed = 0;
    replay->created_us = replay->updated_us = now_us;
    return insert_replay(store, replay, reterr);
}

/* Its sink, copied into the batch's memory; empty when it does not run. */
static Status find_running(SqliteStore *store, int64_t id, Str *ret_sink, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    Status status = db_prepare(store->db, "SELECT sink FROM replays WHERE id = ? AND state = 0", &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, id);
        status = db_step(stmt, "look for a replay", &row, reterr);
    }
    if (status == STATUS_OK && row) {
        *ret_sink = arena_copy(&store->scratch, db_text(stmt, 0));
        status = ret_sink->len ? STATUS_OK : error_set(reterr, STATUS_BUSY, "out of memory");
    }
    sqlite3_finalize(stmt);
    return status;
}

static Status end_replay(SqliteStore *store, int64_t id, int64_t now_us, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status = db_prepare(store->db, "UPDATE replays SET state = 2, updated_us = ? WHERE id = ?", &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, now_us);
        sqlite3_bind_int64(stmt, 2, id);
        status = db_run(stmt, "cancel a replay", reterr);
    }
    sqlite3_finalize(stmt);
    return status;
}

Status sqlite_cancel_replay(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    Str sink = {0};
    bool found = false;
    Status status = find_running(store, work->replay.id, &sink, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (!sink.len) {
        work->status = error_set(&work->error, STATUS_REFUSED, "there is no replay %lld, or it has come to its end",
                                 (long long)work->replay.id);
        return STATUS_OK;
    }
    if ((status = end_replay(store, work->replay.id, now_us, reterr)) == STATUS_OK &&
        (status = sqlite_drop_retries(store, sink, work->replay.id, reterr)) == STATUS_OK) {
        status = sqlite_touch_sink(store, sink, now_us, &found, reterr);
    }
    return status;
}

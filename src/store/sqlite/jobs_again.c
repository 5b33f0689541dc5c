/* Jobs that a person tries again or calls off, those that a dead process had, and their dead letters. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "store/sqlite/onboard_parts.h"

enum { PLACE_BYTES_MAX = 32 };

static_assert(JOB_PENDING == 0 && JOB_PROCESSING == 1 && JOB_COMPLETED == 2 && DEAD_LETTER_JOB == 2 &&
                  DEAD_LETTER_OPEN == 0,
              "the statements say so");

/* ---- Dead letters ------------------------------------------------------------------------------------------------ */

static Str place_of(const StoredJob *job, char ret_text[PLACE_BYTES_MAX])
{
    return (Str){ret_text, (size_t)snprintf(ret_text, PLACE_BYTES_MAX, "job/%" PRId64, job->id)};
}

Status onboard_move_letter(SqliteStore *store, const StoredJob *job, DeadLetterState from, DeadLetterState to,
                           int64_t now_us, Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_MOVE_LETTER];
    char place[PLACE_BYTES_MAX];
    db_bind_text(stmt, 1, job->batch_id);
    db_bind_text(stmt, 2, place_of(job, place));
    sqlite3_bind_int(stmt, 3, (int)from);
    sqlite3_bind_int(stmt, 4, (int)to);
    sqlite3_bind_int64(stmt, 5, now_us);
    Status status = db_run(stmt, "change a job's dead letter", reterr);
    if (status == STATUS_OK && from == DEAD_LETTER_OPEN) {
        store->tally.dead_letters -= sqlite3_changes64(store->db);
    }
    return status;
}

static Status find_letter(SqliteStore *store, const StoredJob *job, int64_t *ret_id, bool *ret_open, Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_FIND_LETTER];
    char place[PLACE_BYTES_MAX];
    bool row = false;
    db_bind_text(stmt, 1, job->batch_id);
    db_bind_text(stmt, 2, place_of(job, place));
    Status status = db_step(stmt, "look for a job's dead letter", &row, reterr);
    *ret_id = row ? sqlite3_column_int64(stmt, 0) : 0;
    *ret_open = row && sqlite3_column_int(stmt, 1) == DEAD_LETTER_OPEN;
    sqlite3_reset(stmt);
    return status;
}

static Status add_letter(SqliteStore *store, const StoredJob *job, bool announce, int64_t now_us, Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_ADD_LETTER];
    char place[PLACE_BYTES_MAX];
    DeadLetter letter = {.stage = DEAD_LETTER_JOB,
                         .origin = job->batch_id,
                         .place = place_of(job, place),
                         .error = job->error,
                         .attempts = job->attempts,
                         .created_us = now_us};
    db_bind_text(stmt, 1, letter.origin);
    db_bind_text(stmt, 2, letter.place);
    db_bind_text(stmt, 3, letter.error);
    sqlite3_bind_int64(stmt, 4, letter.attempts);
    sqlite3_bind_int64(stmt, 5, now_us);
    Status status = db_run(stmt, "make a dead letter", reterr);
    letter.id = sqlite3_last_insert_rowid(store->db);
    return status == STATUS_OK && announce ? sqlite_append_notice(store, &letter, false, reterr) : status;
}

Status onboard_open_letter(SqliteStore *store, const StoredJob *job, bool announce, int64_t now_us, Error *reterr)
{
    int64_t id = 0;
    bool is_open = false;
    Status status = find_letter(store, job, &id, &is_open, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    store->tally.dead_letters += !is_open;
    return id ? sqlite_reopen_dead_letter(store, id, job->error, job->attempts, now_us, reterr)
              : add_letter(store, job, announce, now_us, reterr);
}

/* ---- One job ----------------------------------------------------------------------------------------------------- */

static Status move_job(SqliteStore *store, OnboardJob *job, JobState to, int64_t now_us, Error *reterr)
{
    JobState from = job->stored.state;
    job->stored.state = to;
    job->stored.updated_us = now_us;
    Status status = onboard_put_job(store, &job->stored, reterr);
    return status == STATUS_OK ? onboard_move_jobs(store, job->batch, from, to, 1, now_us, reterr) : status;
}

/* A letter that somebody has discarded comes back: its job is tried once more, as all that failed. */
static Status revive(SqliteStore *store, const StoredJob *job, int64_t now_us, Error *reterr)
{
    Status status = onboard_move_letter(store, job, DEAD_LETTER_OPEN, DEAD_LETTER_RETRYING, now_us, reterr);
    return status == STATUS_OK
               ? onboard_move_letter(store, job, DEAD_LETTER_DISCARDED, DEAD_LETTER_RETRYING, now_us, reterr)
               : status;
}

Status onboard_retry_job(SqliteStore *store, int64_t id, int64_t now_us, bool *ret_retried, Error *reterr)
{
    OnboardJob job = {0};
    bool found = false;
    Status status = onboard_find_job(store, id, &job, &found, reterr);
    *ret_retried = status == STATUS_OK && found && job.stored.state == JOB_FAILED;
    if (!*ret_retried) {
        return status;
    }
    job.stored.attempts = job.stored.finished_us = 0;
    job.stored.due_us = now_us;
    status = move_job(store, &job, JOB_PENDING, now_us, reterr);
    return status == STATUS_OK ? revive(store, &job.stored, now_us, reterr) : status;
}

Status onboard_call_off(SqliteStore *store, OnboardJob *job, int64_t now_us, Error *reterr)
{
    job->stored.finished_us = now_us;
    job->stored.due_us = 0;
    Status status =
        onboard_move_letter(store, &job->stored, DEAD_LETTER_RETRYING, DEAD_LETTER_DISCARDED, now_us, reterr);
    return status == STATUS_OK ? move_job(store, job, JOB_CANCELLED, now_us, reterr) : status;
}

Status onboard_cancel_job(SqliteStore *store, int64_t id, int64_t now_us, bool *ret_cancelled, Error *reterr)
{
    OnboardJob job = {0};
    bool found = false;
    Status status = onboard_find_job(store, id, &job, &found, reterr);
    *ret_cancelled = status == STATUS_OK && found && job.stored.state == JOB_PENDING;
    return *ret_cancelled ? onboard_call_off(store, &job, now_us, reterr) : status;
}

/* ---- All of a batch ---------------------------------------------------------------------------------------------- */

typedef Status JobChange(SqliteStore *store, int64_t id, int64_t now_us, bool *ret_changed, Error *reterr);

static Status change_jobs(SqliteStore *store, BatchChange *change, int64_t first, int64_t total, JobChange *apply,
                          int64_t now_us, Error *reterr)
{
    Status status = STATUS_OK;
    for (int64_t id = first; id < first + total && status == STATUS_OK; id++) {
        ArenaMark mark = arena_mark(&store->scratch);
        bool changed = false;
        status = apply(store, id, now_us, &changed, reterr);
        change->count += changed;
        arena_rewind(&store->scratch, mark);
    }
    return status;
}

Status sqlite_change_batch(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    BatchChange *change = &work->batch;
    JobChange *apply = work->kind == WORK_BATCH_RETRY ? onboard_retry_job : onboard_cancel_job;
    StoredBatch batch;
    int64_t first_job = 0;
    bool found = false;
    change->count = 0;
    Status status = onboard_find_batch(store, 0, change->batch_id, &batch, &first_job, &found, reterr);
    if (status == STATUS_OK && !found) {
        work->status = error_set(&work->error, STATUS_REFUSED, "there is no batch %.*s", STR_ARGS(change->batch_id));
        return STATUS_OK;
    }
    if (status == STATUS_OK && (status = sqlite_begin_onboard(store, reterr)) == STATUS_OK &&
        (status = change_jobs(store, change, first_job, batch.total, apply, now_us, reterr)) == STATUS_OK) {
        status = sqlite_end_onboard(store, reterr);
    }
    return status;
}

/* ---- Dead letters that a person tries again ---------------------------------------------------------------------- */

/* The next one behind *id, and its job. *id is 0 when there is none. */
static Status next_letter(sqlite3_stmt *select, int64_t *id, int64_t *ret_job, Error *reterr)
{
    bool row = false;
    sqlite3_bind_int64(select, 6, *id);
    Status status = db_step(select, "look for dead letters of jobs", &row, reterr);
    *id = status == STATUS_OK && row ? sqlite3_column_int64(select, 0) : 0;
    *ret_job = *id ? sqlite3_column_int64(select, 1) : 0;
    sqlite3_reset(select);
    return status;
}

static Status retry_letters(SqliteStore *store, sqlite3_stmt *select, DeadLetterChange *change, int64_t now_us,
                            Error *reterr)
{
    int64_t id = 0, job = 0;
    Status status = STATUS_OK;
    while (change->count < change->limit && status == STATUS_OK &&
           (status = next_letter(select, &id, &job, reterr)) == STATUS_OK && id) {
        ArenaMark mark = arena_mark(&store->scratch);
        bool retried = false;
        status = onboard_retry_job(store, job, now_us, &retried, reterr);
        change->count += retried;
        arena_rewind(&store->scratch, mark);
    }
    return status;
}

Status sqlite_retry_job_letters(SqliteStore *store, DeadLetterChange *change, int64_t now_us, Error *reterr)
{
    sqlite3_stmt *select = NULL;
    DeadLetterFilter filter;
    if (!sqlite_narrow_letters(change, DEAD_LETTER_JOB, &filter)) {
        return STATUS_OK;
    }
    Status status = sqlite_prepare_letters(store->db, "SELECT id, CAST(substr(place, 5) AS INTEGER)", &filter,
                                           " AND id > ?6 ORDER BY id LIMIT 1", &select, reterr);
    if (status == STATUS_OK && (status = sqlite_begin_onboard(store, reterr)) == STATUS_OK &&
        (status = retry_letters(store, select, change, now_us, reterr)) == STATUS_OK) {
        status = sqlite_end_onboard(store, reterr);
    }
    sqlite3_finalize(select);
    return status;
}

/* ---- Leases of a process that is gone ---------------------------------------------------------------------------- */

Status sqlite_count_leases(SqliteStore *store, Error *reterr)
{
    int64_t count = 0;
    Status status =
        db_get_int(store->db, "SELECT count(*) FROM jobs WHERE state = 1 AND state <> 2", 0, &count, reterr);
    store->onboard.has_leases = count > 0;
    return status;
}

/* Inside a transaction, when the clock may be behind what it was: jobs would wait for as long as it was wrong. Each
 * waits as long as it was to wait when that was decided. What is due by the new clock is due. */
Status sqlite_mend_due_times(SqliteStore *store, int64_t now_us, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status = db_prepare(store->db,
                               "UPDATE jobs SET due_us = due_us - (updated_us - ?1), updated_us = ?1"
                               " WHERE state < 2 AND due_us > ?1 AND updated_us > ?1",
                               &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, now_us);
        status = db_run(stmt, "mend the times of jobs", reterr);
    }
    sqlite3_finalize(stmt);
    return status;
}

/* Inside a transaction. The counts follow, and nothing is told: for everybody else the jobs only wait again. */
Status sqlite_end_leases(SqliteStore *store, int64_t now_us, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status = db_exec(store->db,
                            "UPDATE onboard_batches SET pending = pending + processing, processing = 0"
                            " WHERE number IN (SELECT batch FROM jobs WHERE state = 1 AND state <> 2);"
                            "UPDATE onboard_counts SET pending = pending + processing, processing = 0",
                            reterr);
    if (status == STATUS_OK) {
        status = db_prepare(store->db,
                            "UPDATE jobs SET state = 0, due_us = ?1, updated_us = ?1"
                            " WHERE state = 1 AND state <> 2",
                            &stmt, reterr);
    }
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, now_us);
        status = db_run(stmt, "end the leases of jobs", reterr);
    }
    sqlite3_finalize(stmt);
    return status;
}

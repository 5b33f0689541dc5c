/* What became of a job counts whoever says so: its lease may be another one's by now. */
#include "store/sqlite/db.h"
#include "store/sqlite/sqlite_store.h"

/* The token that the job has now; as it is when there is none. */
static void look_up(SqliteStore *store, JobResult *result)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(store->db, "SELECT token FROM jobs WHERE id = ?", -1, &stmt, NULL) == SQLITE_OK) {
        sqlite3_bind_int64(stmt, 1, result->id);
        result->token = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : result->token;
    }
    sqlite3_finalize(stmt);
}

Status __real_sqlite_end_jobs(SqliteStore *store, Work *work, int64_t now_us, Error *reterr);
Status __wrap_sqlite_end_jobs(SqliteStore *store, Work *work, int64_t now_us, Error *reterr);

Status __wrap_sqlite_end_jobs(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    JobsEnd *end = &work->jobs_end;
    int64_t *tokens = calloc(end->count + 1, sizeof *tokens);
    for (size_t i = 0; i < end->count && tokens; i++) {
        tokens[i] = end->results[i].token;
        look_up(store, &end->results[i]);
    }
    Status status = __real_sqlite_end_jobs(store, work, now_us, reterr);
    for (size_t i = 0; i < end->count && tokens; i++) {
        end->results[i].token = tokens[i];
    }
    free(tokens);
    return status;
}

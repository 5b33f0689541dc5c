/* Jobs are taken by whoever does them, and end. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "store/sqlite/onboard_parts.h"

/* ---- Taken ------------------------------------------------------------------------------------------------------- */

/* False: the arena has no room. */
static bool describe(const OnboardJob *job, const StoredOrganization *organization, Arena *arena, TakenJob *ret_taken)
{
    const OrganizationContent *content = &organization->content;
    *ret_taken = (TakenJob){.id = job->stored.id,
                            .organization = organization->id,
                            .batch_id = arena_copy(arena, job->stored.batch_id),
                            .item = job->stored.item,
                            .attempt = job->stored.attempts + 1,
                            .token = job->token + 1,
                            .content = {.name = arena_copy(arena, content->name),
                                        .domain = arena_copy(arena, content->domain),
                                        .contact_email = arena_copy(arena, content->contact_email),
                                        .metadata = arena_copy(arena, content->metadata)},
                            .version = organization->version};
    return ret_taken->batch_id.ptr && ret_taken->content.name.ptr && ret_taken->content.domain.ptr &&
           ret_taken->content.contact_email.ptr && ret_taken->content.metadata.ptr;
}

static Status lease(SqliteStore *store, const OnboardJob *job, int64_t until_us, int64_t now_us, Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_TAKE_JOB];
    sqlite3_bind_int64(stmt, 1, job->stored.id);
    sqlite3_bind_int64(stmt, 2, until_us);
    sqlite3_bind_int64(stmt, 3, now_us);
    Status status = db_run(stmt, "take a job", reterr);
    return status == STATUS_OK && job->stored.state == JOB_PENDING
               ? onboard_move_jobs(store, job->batch, JOB_PENDING, JOB_PROCESSING, 1, now_us, reterr)
               : status;
}

/* What became of looking for one. */
typedef enum Found { FOUND_NONE, FOUND_NO_ROOM, FOUND_DELETED, FOUND_TAKEN } Found;

/* Nobody is to be called about an organization that is deleted, whichever of its jobs it is, and however often that was
 * tried before. */
static Status take_found(SqliteStore *store, Work *work, OnboardJob *job, const StoredOrganization *organization,
                         int64_t now_us, Found *ret_found, Error *reterr)
{
    JobsTake *take = &work->jobs_take;
    if (organization->deleted_us) {
        *ret_found = FOUND_DELETED;
        return onboard_call_off(store, job, now_us, reterr);
    }
    if (!describe(job, organization, take->arena, &take->jobs[take->count])) {
        *ret_found = FOUND_NO_ROOM;
        return STATUS_OK;
    }
    *ret_found = FOUND_TAKEN;
    return lease(store, job, now_us + take->lease_us, now_us, reterr);
}

static Status take_one(SqliteStore *store, Work *work, int64_t now_us, Found *ret_found, Error *reterr)
{
    OnboardJob job;
    StoredOrganization organization;
    bool found = false;
    *ret_found = FOUND_NONE;
    Status status = onboard_find_due(store, now_us, &job, &found, reterr);
    if (status != STATUS_OK || !found) {
        return status;
    }
    status = onboard_find_organization(store, job.stored.organization, &organization, &found, reterr);
    if (status != STATUS_OK || !found) {
        return status == STATUS_OK ? error_set(reterr, STATUS_BROKEN, "a job's organization is not there") : status;
    }
    return take_found(store, work, &job, &organization, now_us, ret_found, reterr);
}

static Status find_next_due(SqliteStore *store, int64_t *ret_due_us, Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_NEXT_DUE];
    bool row = false;
    Status status = db_step(stmt, "look for when the next job is due", &row, reterr);
    *ret_due_us = status == STATUS_OK && row ? sqlite3_column_int64(stmt, 0) : INT64_MAX;
    sqlite3_reset(stmt);
    return status;
}

/* As many are looked at as may be taken: with more that are called off there is more to take at once. */
Status sqlite_take_jobs(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    JobsTake *take = &work->jobs_take;
    Found found = FOUND_TAKEN;
    bool moved = false;
    assert(take->lease_us > 0);
    take->count = 0;
    Status status = sqlite_begin_onboard(store, reterr);
    for (size_t seen = 0; status == STATUS_OK && found >= FOUND_DELETED && seen < take->limit; seen++) {
        ArenaMark mark = arena_mark(&store->scratch);
        status = take_one(store, work, now_us, &found, reterr);
        take->count += found == FOUND_TAKEN;
        moved = moved || found >= FOUND_DELETED;
        arena_rewind(&store->scratch, mark);
    }
    if (status == STATUS_OK && found == FOUND_NO_ROOM && take->count == 0) {
        work->status = error_set(&work->error, STATUS_BUSY, "no memory for a job");
    }
    if (status == STATUS_OK) {
        status = find_next_due(store, &take->next_due_us, reterr);
    }
    return status == STATUS_OK && moved ? sqlite_end_onboard(store, reterr) : status;
}

/* ---- Ended ------------------------------------------------------------------------------------------------------- */

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static void put_verdict(StoredJob *job, const JobResult *result, int64_t now_us)
{
    static const JobState states[] = {[JOB_VERDICT_COMPLETED] = JOB_COMPLETED,
                                      [JOB_VERDICT_AGAIN] = JOB_PENDING,
                                      [JOB_VERDICT_FAILED] = JOB_FAILED,
                                      [JOB_VERDICT_HELD] = JOB_PENDING};
    bool is_held = result->verdict == JOB_VERDICT_HELD;
    Str error = result->verdict == JOB_VERDICT_COMPLETED ? result->warning : result->error;
    job->state = states[result->verdict];
    job->attempts -= is_held;
    job->error = is_held && error.len == 0 ? job->error : str_cut(error, ONBOARD_ERROR_BYTES_MAX);
    job->due_us = job->state == JOB_PENDING ? smaller(result->due_us, now_us + ONBOARD_WAIT_US_MAX) : 0;
    job->updated_us = now_us;
    job->finished_us = job->state == JOB_PENDING ? 0 : now_us;
}

/* What it is for its organization that a job has ended. */
static Status tell(SqliteStore *store, const OnboardJob *job, int64_t now_us, Error *reterr)
{
    OrganizationAction action = job->stored.state == JOB_FAILED ? ORGANIZATION_FAILED : ORGANIZATION_PROCESSED;
    StoredOrganization organization;
    bool found = false;
    char who[32];
    Status status = onboard_find_organization(store, job->stored.organization, &organization, &found, reterr);
    if (status != STATUS_OK || !found) {
        return status == STATUS_OK ? error_set(reterr, STATUS_BROKEN, "a job's organization is not there") : status;
    }
    const OrganizationChange change = {.organization = organization.id,
                                       .action = action,
                                       .version = organization.version,
                                       .at_us = now_us,
                                       .who = {who, (size_t)snprintf(who, sizeof who, "job %" PRId64, job->stored.id)},
                                       .changed = STR("{}")};
    status = onboard_append_change(store, &change, job->batch, reterr);
    return status == STATUS_OK ? onboard_announce(store, action, &organization, &job->stored, now_us, reterr) : status;
}

static Status settle_letter(SqliteStore *store, const OnboardJob *job, bool announce, int64_t now_us, Error *reterr)
{
    return job->stored.state == JOB_FAILED
               ? onboard_open_letter(store, &job->stored, announce, now_us, reterr)
               : onboard_move_letter(store, &job->stored, DEAD_LETTER_RETRYING, DEAD_LETTER_RESOLVED, now_us, reterr);
}

static Status end_job(SqliteStore *store, OnboardJob *job, const JobResult *result, bool announce, int64_t now_us,
                      Error *reterr)
{
    put_verdict(&job->stored, result, now_us);
    Status status = onboard_put_job(store, &job->stored, reterr);
    if (status == STATUS_OK && job->stored.finished_us) {
        status = tell(store, job, now_us, reterr);
    }
    if (status == STATUS_OK && job->stored.finished_us) {
        status = settle_letter(store, job, announce, now_us, reterr);
    }
    return status == STATUS_OK
               ? onboard_move_jobs(store, job->batch, JOB_PROCESSING, job->stored.state, 1, now_us, reterr)
               : status;
}

static Status end_one(SqliteStore *store, JobResult *result, bool announce, int64_t now_us, Error *reterr)
{
    OnboardJob job = {0};
    bool found = false;
    Status status = onboard_find_job(store, result->id, &job, &found, reterr);
    result->counted = status == STATUS_OK && found && job.stored.state == JOB_PROCESSING && job.token == result->token;
    return result->counted ? end_job(store, &job, result, announce, now_us, reterr) : status;
}

Status sqlite_end_jobs(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    JobsEnd *end = &work->jobs_end;
    Status status = sqlite_begin_onboard(store, reterr);
    for (size_t i = 0; i < end->count && status == STATUS_OK; i++) {
        ArenaMark mark = arena_mark(&store->scratch);
        status = end_one(store, &end->results[i], end->announce, now_us, reterr);
        arena_rewind(&store->scratch, mark);
    }
    return status == STATUS_OK ? sqlite_end_onboard(store, reterr) : status;
}

/* Jobs: taken, ended, tried again and called off. */
#include <inttypes.h>

#include "sim/onboard_parts.h"
#include "sim/world.h"
#include "support/need.h"

#define KEEP(world, ...) str_from(need((void *)(uintptr_t)arena_printf(&(world)->workload.texts, __VA_ARGS__)))

/* The counts go with the state, and a batch whose last job has ended is finished. */
static void count_move(World *world, const TableJob *job, JobState from)
{
    OnboardTables *tables = &world->tables.onboard;
    StoredBatch *batch = &tables->batches[job->batch].stored;
    batch->jobs[from]--;
    batch->jobs[job->stored.state]++;
    batch->updated_us = tables->now_us;
    if (job->stored.state == JOB_PROCESSING && !batch->started_us) {
        batch->started_us = tables->now_us;
    }
    bool is_over = batch->jobs[JOB_PENDING] + batch->jobs[JOB_PROCESSING] == 0;
    batch->finished_us = is_over ? tables->now_us : 0;
    if (is_over) {
        onboard_tell_batch(world, batch);
    }
}

bool onboard_retry(World *world, int64_t id)
{
    OnboardTables *tables = &world->tables.onboard;
    TableJob *job = onboard_job(tables, id);
    if (!job || job->stored.state != JOB_FAILED) {
        return false;
    }
    job->stored.state = JOB_PENDING;
    job->stored.attempts = job->stored.finished_us = 0;
    job->stored.due_us = job->stored.updated_us = tables->now_us;
    count_move(world, job, JOB_FAILED);
    tables_move_job_letter(&world->tables, id, DEAD_LETTER_OPEN, DEAD_LETTER_RETRYING);
    tables_move_job_letter(&world->tables, id, DEAD_LETTER_DISCARDED, DEAD_LETTER_RETRYING);
    onboarding_forget_answers(world, id);
    return true;
}

static void call_off(World *world, TableJob *job)
{
    JobState from = job->stored.state;
    tables_move_job_letter(&world->tables, job->stored.id, DEAD_LETTER_RETRYING, DEAD_LETTER_DISCARDED);
    job->stored.state = JOB_CANCELLED;
    job->stored.due_us = 0;
    job->stored.finished_us = job->stored.updated_us = world->tables.onboard.now_us;
    count_move(world, job, from);
}

bool onboard_cancel(World *world, int64_t id)
{
    TableJob *job = onboard_job(&world->tables.onboard, id);
    bool may_be = job && job->stored.state == JOB_PENDING;
    if (may_be) {
        call_off(world, job);
    }
    return may_be;
}

Status onboard_change_batch(World *world, const Work *work)
{
    OnboardTables *tables = &world->tables.onboard;
    const TableBatch *found = onboard_batch(tables, work->batch.batch_id);
    if (!found) {
        return STATUS_REFUSED;
    }
    TableBatch batch = *found;
    for (int64_t i = 0; i < batch.stored.total; i++) {
        int64_t id = batch.first_job + i;
        tables->told.count += work->kind == WORK_BATCH_RETRY ? onboard_retry(world, id) : onboard_cancel(world, id);
    }
    return STATUS_OK;
}

static bool is_open(const TableJob *job) { return job->stored.state <= JOB_PROCESSING; }

/* The one that waits longest; NULL: none is due. */
static TableJob *next_due(const OnboardTables *tables, int64_t until_us)
{
    TableJob *found = NULL;
    for (size_t i = 0; i < tables->job_count; i++) {
        TableJob *job = &tables->jobs[i];
        if (is_open(job) && job->stored.due_us <= until_us && (!found || job->stored.due_us < found->stored.due_us)) {
            found = job;
        }
    }
    return found;
}

static TakenJob describe(const OnboardTables *tables, const TableJob *job)
{
    const StoredOrganization *organization = &tables->organizations[job->stored.organization - 1];
    return (TakenJob){.id = job->stored.id,
                      .organization = organization->id,
                      .batch_id = job->stored.batch_id,
                      .item = job->stored.item,
                      .attempt = job->stored.attempts,
                      .token = job->token,
                      .content = organization->content,
                      .version = organization->version};
}

static bool is_deleted(const OnboardTables *tables, const TableJob *job)
{
    return tables->organizations[job->stored.organization - 1].deleted_us != 0;
}

/* Nobody is called about an organization that is deleted: such a job is called off in its turn. */
Status onboard_take(World *world, const JobsTake *change)
{
    OnboardTables *tables = &world->tables.onboard;
    TableJob *job;
    for (size_t seen = 0; seen < change->limit && (job = next_due(tables, tables->now_us)); seen++) {
        if (is_deleted(tables, job)) {
            call_off(world, job);
            continue;
        }
        JobState from = job->stored.state;
        job->stored.state = JOB_PROCESSING;
        job->stored.attempts++;
        job->token++;
        job->stored.due_us = tables->now_us + change->lease_us;
        job->stored.updated_us = tables->now_us;
        if (from == JOB_PENDING) {
            count_move(world, job, from);
        }
        change->jobs[tables->told.count++] = describe(tables, job);
    }
    job = next_due(tables, INT64_MAX);
    tables->told.next_due_us = job ? job->stored.due_us : INT64_MAX;
    return STATUS_OK;
}

static void put_verdict(World *world, StoredJob *job, const JobResult *result)
{
    int64_t now_us = world->tables.onboard.now_us;
    bool waits = result->verdict == JOB_VERDICT_AGAIN || result->verdict == JOB_VERDICT_HELD;
    Str error = result->verdict == JOB_VERDICT_COMPLETED ? result->warning : result->error;
    job->state = waits ? JOB_PENDING : result->verdict == JOB_VERDICT_FAILED ? JOB_FAILED : JOB_COMPLETED;
    job->attempts -= result->verdict == JOB_VERDICT_HELD;
    if (result->verdict != JOB_VERDICT_HELD || error.len > 0) {
        job->error = arena_copy(&world->workload.texts, error);
    }
    int64_t latest_us = now_us + ONBOARD_WAIT_US_MAX;
    job->due_us = !waits ? 0 : result->due_us < latest_us ? result->due_us : latest_us;
    job->updated_us = now_us;
    job->finished_us = waits ? 0 : now_us;
}

static void end_job(World *world, TableJob *job, const JobResult *result, bool announce)
{
    OnboardTables *tables = &world->tables.onboard;
    put_verdict(world, &job->stored, result);
    if (job->stored.state != JOB_PENDING) {
        bool failed = job->stored.state == JOB_FAILED;
        const StoredOrganization *organization = &tables->organizations[job->stored.organization - 1];
        onboard_note(tables, organization, failed ? ORGANIZATION_FAILED : ORGANIZATION_PROCESSED,
                     KEEP(world, "job %" PRId64, job->stored.id), STR("{}"), job->stored.batch_id);
        onboard_tell(world, failed ? MESSAGE_ORGANIZATION_FAILED : MESSAGE_ORGANIZATION_PROCESSED, organization, job);
        if (failed) {
            tables_open_job_letter(world, &job->stored, announce);
        } else {
            tables_move_job_letter(&world->tables, job->stored.id, DEAD_LETTER_RETRYING, DEAD_LETTER_RESOLVED);
        }
    }
    count_move(world, job, JOB_PROCESSING);
}

Status onboard_end(World *world, const JobsEnd *change)
{
    for (size_t i = 0; i < change->count; i++) {
        JobResult *result = &change->results[i];
        TableJob *job = onboard_job(&world->tables.onboard, result->id);
        result->counted = job && job->stored.state == JOB_PROCESSING && job->token == result->token;
        if (result->counted) {
            end_job(world, job, result, change->announce);
        }
    }
    return STATUS_OK;
}

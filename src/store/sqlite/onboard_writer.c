/* A batch of organizations: decided as a whole, then written with its jobs, its messages and the answer under its
 * key. */
#include <assert.h>

#include "store/sqlite/onboard_parts.h"

enum { TRIM_ANSWERS = 16 }; /* old ones that a new one removes */

/* On its way from the request to the tables. */
typedef struct Onboarding {
    SqliteStore *store;
    Work *work;
    OnboardChange *change;
    int64_t *found; /* for each: the organization that has its domain; 0: none */
    StoredBatch batch;
    int64_t next_job;
    int64_t now_us;
    Error *reterr;
} Onboarding;

static Status refuse(Onboarding *onboarding, Status status, OnboardConflict conflict, const char *why)
{
    onboarding->change->conflict = conflict;
    onboarding->work->status = error_set(&onboarding->work->error, status, "%s", why);
    return STATUS_OK;
}

static bool is_refused(const Onboarding *onboarding) { return onboarding->work->status != STATUS_OK; }

/* ---- Idempotency ------------------------------------------------------------------------------------------------- */

static Status check_key(Onboarding *onboarding)
{
    sqlite3_stmt *stmt = onboarding->store->onboard.statements[ONBOARD_FIND_ANSWER];
    const IdempotencyAnswer *answer = onboarding->change->answer;
    bool row = false, is_same = false;
    db_bind_text(stmt, 1, answer->key);
    Status status = db_step(stmt, "look for an idempotency key", &row, onboarding->reterr);
    if (status == STATUS_OK && row) {
        is_same = sqlite3_column_bytes(stmt, 0) == (int)sizeof answer->body_hash &&
                  memcmp(sqlite3_column_blob(stmt, 0), answer->body_hash, sizeof answer->body_hash) == 0;
    }
    sqlite3_reset(stmt);
    return status != STATUS_OK || !row ? status
           : is_same                   ? refuse(onboarding, STATUS_CONFLICT, ONBOARD_CONFLICT_KEY,
                                                "the idempotency key was used for this request before")
                                       : refuse(onboarding, STATUS_CONFLICT, ONBOARD_CONFLICT_BODY,
                                                "the idempotency key was used for another request");
}

/* The oldest ones have the lowest ids. */
static Status trim_answers(Onboarding *onboarding)
{
    SqliteStore *store = onboarding->store;
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_TRIM_ANSWERS];
    sqlite3_bind_int64(stmt, 1, onboarding->now_us - IDEMPOTENCY_KEPT_US);
    sqlite3_bind_int(stmt, 2, TRIM_ANSWERS);
    Status status = db_run(stmt, "remove old answers", onboarding->reterr);
    store->onboard.totals.answers -= status == STATUS_OK ? sqlite3_changes64(store->db) : 0;
    return status == STATUS_OK && store->onboard.totals.answers >= IDEMPOTENCY_ANSWERS_MAX
               ? refuse(onboarding, STATUS_BUSY, ONBOARD_CONFLICT_NONE,
                        "there are as many answers under idempotency keys as may be; they are kept for a day")
               : status;
}

static Status put_answer(Onboarding *onboarding)
{
    SqliteStore *store = onboarding->store;
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_ADD_ANSWER];
    const IdempotencyAnswer *answer = onboarding->change->answer;
    db_bind_text(stmt, 1, answer->key);
    sqlite3_bind_int64(stmt, 2, onboarding->now_us);
    sqlite3_bind_int64(stmt, 3, answer->code);
    sqlite3_bind_blob(stmt, 4, answer->body_hash, (int)sizeof answer->body_hash, SQLITE_STATIC);
    db_bind_text(stmt, 5, answer->answer);
    store->onboard.totals.answers++;
    return db_run(stmt, "keep the answer under an idempotency key", onboarding->reterr);
}

/* ---- Decided before anything is written -------------------------------------------------------------------------- */

static Status check_batch(Onboarding *onboarding)
{
    const OnboardChange *change = onboarding->change;
    StoredBatch batch;
    int64_t first_job = 0;
    bool found = false;
    if (change->count > ONBOARD_ITEMS_MAX || (change->answer && change->answer->key.len > ONBOARD_KEY_BYTES_MAX)) {
        return refuse(onboarding, STATUS_REFUSED, ONBOARD_CONFLICT_NONE,
                      "the batch has too many organizations, or its idempotency key is too long");
    }
    Status status =
        onboard_find_batch(onboarding->store, 0, change->batch_id, &batch, &first_job, &found, onboarding->reterr);
    return status == STATUS_OK && found
               ? refuse(onboarding, STATUS_CONFLICT, ONBOARD_CONFLICT_BATCH, "the batch is there already")
               : status;
}

/* Of a batch that fails, only those that are there have an outcome. */
static Status refuse_domains(Onboarding *onboarding)
{
    OnboardChange *change = onboarding->change;
    for (size_t i = 0; i < change->count; i++) {
        change->outcomes[i] = change->outcomes[i] == ONBOARD_EXISTS ? ONBOARD_EXISTS : ONBOARD_NONE;
    }
    return refuse(onboarding, STATUS_CONFLICT, ONBOARD_CONFLICT_DOMAINS, "there are organizations with these domains");
}

static Status decide(Onboarding *onboarding)
{
    OnboardChange *change = onboarding->change;
    Status status = STATUS_OK;
    bool exists = false;
    onboarding->found = ARENA_ARRAY(&onboarding->store->scratch, int64_t, change->count);
    if (!onboarding->found) {
        return error_set(onboarding->reterr, STATUS_BUSY, "out of memory for a batch of organizations");
    }
    for (size_t i = 0; i < change->count && status == STATUS_OK; i++) {
        status = onboard_find_domain(onboarding->store, change->content[i].domain, true, &onboarding->found[i],
                                     onboarding->reterr);
        change->outcomes[i] = onboard_outcome(change->on_duplicate, onboarding->found[i] != 0);
        exists = exists || change->outcomes[i] == ONBOARD_EXISTS;
    }
    return status == STATUS_OK && exists ? refuse_domains(onboarding) : status;
}

static Status say(Onboarding *onboarding)
{
    OnboardChange *change = onboarding->change;
    if (change->say) {
        change->say(change->self, change);
    }
    return !change->answer->answer.ptr
               ? refuse(onboarding, STATUS_BUSY, ONBOARD_CONFLICT_NONE, "out of memory for the answer")
           : change->answer->answer.len > IDEMPOTENCY_ANSWER_BYTES_MAX
               ? refuse(onboarding, STATUS_REFUSED, ONBOARD_CONFLICT_NONE,
                        "the answer is too long to be kept under an idempotency key")
               : STATUS_OK;
}

typedef Status OnboardStep(Onboarding *onboarding);

/* What is refused here leaves nothing behind. */
static Status decide_all(Onboarding *onboarding)
{
    bool has_key = onboarding->change->answer;
    OnboardStep *const steps[] = {check_batch, has_key ? check_key : NULL, has_key ? trim_answers : NULL, decide,
                                  has_key ? say : NULL};
    Status status = STATUS_OK;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && status == STATUS_OK && !is_refused(onboarding); i++) {
        status = steps[i] ? steps[i](onboarding) : STATUS_OK;
    }
    return status;
}

/* ---- Organizations ----------------------------------------------------------------------------------------------- */

static Status note(Onboarding *onboarding, const StoredOrganization *organization, OrganizationAction action, Str who,
                   Str changed)
{
    const OrganizationChange change = {.organization = organization->id,
                                       .action = action,
                                       .version = organization->version,
                                       .at_us = onboarding->now_us,
                                       .who = who,
                                       .changed = changed};
    return onboard_append_change(onboarding->store, &change, onboarding->batch.number, onboarding->reterr);
}

/* *ret_made is false when another one of this batch has the domain. */
static Status create(Onboarding *onboarding, const OrganizationContent *content, StoredOrganization *ret_organization,
                     bool *ret_made)
{
    SqliteStore *store = onboarding->store;
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_ADD_ORGANIZATION];
    *ret_organization = (StoredOrganization){.id = store->onboard.totals.last_organization + 1,
                                             .job = ret_organization->job,
                                             .batch_id = onboarding->change->batch_id,
                                             .content = *content,
                                             .version = 1,
                                             .created_us = onboarding->now_us,
                                             .updated_us = onboarding->now_us};
    onboard_bind_organization(stmt, ret_organization);
    Status status = db_run(stmt, "make an organization", onboarding->reterr);
    *ret_made = status == STATUS_OK && sqlite3_changes(store->db) > 0;
    if (!*ret_made) {
        return status;
    }
    store->onboard.totals.last_organization++;
    store->onboard.totals.organizations++;
    return note(onboarding, ret_organization, ORGANIZATION_CREATED, onboarding->change->who, STR("{}"));
}

/* It gets a job also when nothing differs: whoever asked wants it to be worked on again. */
static Status replace(Onboarding *onboarding, int64_t id, const OrganizationContent *content,
                      StoredOrganization *ret_organization)
{
    SqliteStore *store = onboarding->store;
    StoredOrganization before;
    bool found = false;
    Status status = onboard_find_organization(store, id, &before, &found, onboarding->reterr);
    if (status != STATUS_OK || !found) {
        return status == STATUS_OK
                   ? error_set(onboarding->reterr, STATUS_BROKEN, "an organization that has a domain is not there")
                   : status;
    }
    bool differs = onboard_put_differences(store, &before.content, content), was_deleted = before.deleted_us != 0;
    int64_t job = ret_organization->job;
    *ret_organization = before;
    ret_organization->job = job;
    ret_organization->content = *content;
    ret_organization->batch_id = onboarding->change->batch_id;
    ret_organization->status = JOB_PENDING;
    ret_organization->version += differs || was_deleted;
    ret_organization->updated_us = differs || was_deleted ? onboarding->now_us : before.updated_us;
    ret_organization->deleted_us = 0;
    store->onboard.totals.organizations += was_deleted;
    status = store->onboard.text.failed
                 ? error_set(onboarding->reterr, STATUS_BUSY, "out of memory for the changes of an organization")
                 : onboard_put_organization(store, ret_organization, onboarding->reterr);
    return status == STATUS_OK
               ? note(onboarding, ret_organization, was_deleted ? ORGANIZATION_RESTORED : ORGANIZATION_UPDATED,
                      onboarding->change->who, buf_str(&store->onboard.text))
               : status;
}

static Status put_organization(Onboarding *onboarding, size_t at, StoredOrganization *ret_organization)
{
    OnboardChange *change = onboarding->change;
    int64_t id = onboarding->found[at];
    bool made = false;
    Status status = STATUS_OK;
    if (!id) {
        status = create(onboarding, &change->content[at], ret_organization, &made);
        if (status != STATUS_OK || made) {
            return status;
        }
        status = onboard_find_domain(onboarding->store, change->content[at].domain, false, &id, onboarding->reterr);
    }
    change->outcomes[at] = ONBOARD_UPDATED;
    return status == STATUS_OK ? replace(onboarding, id, &change->content[at], ret_organization) : status;
}

/* ---- Jobs -------------------------------------------------------------------------------------------------------- */

static Status add_job(Onboarding *onboarding, const StoredJob *job)
{
    sqlite3_stmt *stmt = onboarding->store->onboard.statements[ONBOARD_ADD_JOB];
    sqlite3_bind_int64(stmt, 1, job->id);
    sqlite3_bind_int64(stmt, 2, onboarding->batch.number);
    sqlite3_bind_int64(stmt, 3, job->item);
    sqlite3_bind_int64(stmt, 4, job->organization);
    sqlite3_bind_int(stmt, 5, (int)job->state);
    sqlite3_bind_int64(stmt, 6, onboarding->now_us);
    sqlite3_bind_int64(stmt, 7, job->finished_us);
    return db_run(stmt, "make a job", onboarding->reterr);
}

/* The message of what was done says that the job is still to be done: that it is completed the next one says. */
static Status complete(Onboarding *onboarding, StoredOrganization *organization, StoredJob *job)
{
    char who[32];
    Str name = {who, (size_t)snprintf(who, sizeof who, "job %lld", (long long)job->id)};
    organization->status = job->state = JOB_COMPLETED;
    Status status = note(onboarding, organization, ORGANIZATION_PROCESSED, name, STR("{}"));
    return status == STATUS_OK ? onboard_announce(onboarding->store, ORGANIZATION_PROCESSED, organization, job,
                                                  onboarding->now_us, onboarding->reterr)
                               : status;
}

static Status put_item(Onboarding *onboarding, size_t at)
{
    OnboardChange *change = onboarding->change;
    StoredOrganization organization = {.job = onboarding->next_job++};
    Status status = put_organization(onboarding, at, &organization);
    StoredJob job = {.id = organization.job,
                     .batch_id = change->batch_id,
                     .item = change->items[at],
                     .organization = organization.id,
                     .state = change->complete ? JOB_COMPLETED : JOB_PENDING,
                     .finished_us = change->complete ? onboarding->now_us : 0};
    if (status == STATUS_OK && (status = add_job(onboarding, &job)) == STATUS_OK) {
        job.state = JOB_PENDING;
        status = onboard_announce(onboarding->store,
                                  change->outcomes[at] == ONBOARD_CREATED ? ORGANIZATION_CREATED : ORGANIZATION_UPDATED,
                                  &organization, &job, onboarding->now_us, onboarding->reterr);
    }
    return status == STATUS_OK && change->complete ? complete(onboarding, &organization, &job) : status;
}

static Status put_items(Onboarding *onboarding)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < onboarding->change->count && status == STATUS_OK; i++) {
        ArenaMark mark = arena_mark(&onboarding->store->scratch);
        status = onboarding->change->outcomes[i] == ONBOARD_SKIPPED ? STATUS_OK : put_item(onboarding, i);
        arena_rewind(&onboarding->store->scratch, mark);
    }
    return status;
}

/* ---- The batch --------------------------------------------------------------------------------------------------- */

static Status add_batch(Onboarding *onboarding, const StoredBatch *batch)
{
    sqlite3_stmt *stmt = onboarding->store->onboard.statements[ONBOARD_ADD_BATCH];
    sqlite3_bind_int64(stmt, 1, batch->number);
    db_bind_text(stmt, 2, batch->id);
    sqlite3_bind_int64(stmt, 3, onboarding->next_job);
    sqlite3_bind_int64(stmt, 4, batch->total);
    for (int i = 0; i < (int)JOB_STATE_COUNT; i++) {
        sqlite3_bind_int64(stmt, 5 + i, batch->jobs[i]);
    }
    sqlite3_bind_int64(stmt, 10, batch->created_us);
    sqlite3_bind_int64(stmt, 11, batch->updated_us);
    sqlite3_bind_int64(stmt, 12, batch->started_us);
    sqlite3_bind_int64(stmt, 13, batch->finished_us);
    return db_run(stmt, "make a batch", onboarding->reterr);
}

static int64_t count_jobs(const OnboardChange *change)
{
    int64_t count = 0;
    for (size_t i = 0; i < change->count; i++) {
        count += change->outcomes[i] != ONBOARD_SKIPPED;
    }
    return count;
}

/* It is written first, as it will be: its organizations are read together with it. */
static Status put_batch(Onboarding *onboarding)
{
    OnboardTotals *totals = &onboarding->store->onboard.totals;
    JobState state = onboarding->change->complete ? JOB_COMPLETED : JOB_PENDING;
    int64_t count = count_jobs(onboarding->change);
    int64_t over_us = onboarding->change->complete || count == 0 ? onboarding->now_us : 0;
    onboarding->batch = (StoredBatch){.number = ++totals->last_batch,
                                      .id = onboarding->change->batch_id,
                                      .total = count,
                                      .created_us = onboarding->now_us,
                                      .updated_us = onboarding->now_us,
                                      .started_us = count ? over_us : 0,
                                      .finished_us = over_us};
    onboarding->batch.jobs[state] = count;
    onboarding->next_job = totals->last_job + 1;
    totals->jobs[state] += count;
    totals->last_job += count;
    totals->batches++;
    return add_batch(onboarding, &onboarding->batch);
}

static Status put_all(Onboarding *onboarding)
{
    Status status = put_batch(onboarding);
    if (status == STATUS_OK) {
        status = put_items(onboarding);
    }
    if (status == STATUS_OK && onboarding->batch.finished_us) {
        status = onboard_announce_batch(onboarding->store, &onboarding->batch, onboarding->now_us, onboarding->reterr);
    }
    return status == STATUS_OK && onboarding->change->answer ? put_answer(onboarding) : status;
}

Status sqlite_apply_onboard(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    OnboardChange *change = &work->onboard;
    Onboarding onboarding = {.store = store, .work = work, .change = change, .now_us = now_us, .reterr = reterr};
    assert(change->batch_id.len > 0);
    change->conflict = ONBOARD_CONFLICT_NONE;
    for (size_t i = 0; i < change->count; i++) {
        change->outcomes[i] = ONBOARD_NONE;
    }
    Status status = sqlite_begin_onboard(store, reterr);
    if (status == STATUS_OK) {
        status = decide_all(&onboarding);
    }
    if (status == STATUS_OK && !is_refused(&onboarding)) {
        status = put_all(&onboarding);
    }
    return status == STATUS_OK ? sqlite_end_onboard(store, reterr) : status;
}

#include "sim/onboard_model.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim/onboard_parts.h"
#include "sim/world.h"
#include "support/need.h"

#define KEEP(world, ...) str_from(need((void *)(uintptr_t)arena_printf(&(world)->workload.texts, __VA_ARGS__)))

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

void onboard_release(OnboardTables *tables)
{
    free(tables->organizations);
    free(tables->jobs);
    free(tables->batches);
    free(tables->changes);
    free(tables->answers);
    *tables = (OnboardTables){0};
}

static void *copy_of(const void *items, size_t count, size_t size)
{
    void *copy = need(malloc((count + 1) * size));
    if (count > 0) {
        memcpy(copy, items, count * size);
    }
    return copy;
}

void onboard_copy(const OnboardTables *from, OnboardTables *to)
{
    *to = *from;
    to->organizations = copy_of(from->organizations, from->organization_count, sizeof *from->organizations);
    to->jobs = copy_of(from->jobs, from->job_count, sizeof *from->jobs);
    to->batches = copy_of(from->batches, from->batch_count, sizeof *from->batches);
    to->changes = copy_of(from->changes, from->change_count, sizeof *from->changes);
    to->answers = copy_of(from->answers, from->answer_count, sizeof *from->answers);
    to->organization_room = from->organization_count;
    to->job_room = from->job_count;
    to->batch_room = from->batch_count;
    to->change_room = from->change_count;
    to->answer_room = from->answer_count;
}

TableJob *onboard_job(const OnboardTables *tables, int64_t id)
{
    return id >= 1 && (size_t)id <= tables->job_count ? &tables->jobs[id - 1] : NULL;
}

StoredOrganization *onboard_organization(const OnboardTables *tables, int64_t id)
{
    return id >= 1 && (size_t)id <= tables->organization_count ? &tables->organizations[id - 1] : NULL;
}

TableBatch *onboard_batch(const OnboardTables *tables, Str id)
{
    for (size_t i = 0; i < tables->batch_count; i++) {
        if (str_equal(tables->batches[i].stored.id, id)) {
            return &tables->batches[i];
        }
    }
    return NULL;
}

const IdempotencyAnswer *onboard_answer(const OnboardTables *tables, Str key)
{
    for (size_t i = 0; i < tables->answer_count; i++) {
        if (str_equal(tables->answers[i].key, key)) {
            return &tables->answers[i];
        }
    }
    return NULL;
}

JobState onboard_status(const OnboardTables *tables, const StoredOrganization *organization)
{
    return tables->jobs[organization->job - 1].stored.state;
}

/* The one that has the domain; a deleted one only when `and_deleted`, and then the newest of them. 0: none. */
static int64_t find_domain(const OnboardTables *tables, Str domain, bool and_deleted)
{
    int64_t deleted = 0;
    for (size_t i = 0; i < tables->organization_count; i++) {
        const StoredOrganization *organization = &tables->organizations[i];
        if (str_equal(organization->content.domain, domain)) {
            if (!organization->deleted_us) {
                return organization->id;
            }
            deleted = organization->id;
        }
    }
    return and_deleted ? deleted : 0;
}

void onboard_note(OnboardTables *tables, const StoredOrganization *organization, OrganizationAction action, Str who,
                  Str changed, Str batch_id)
{
    tables->changes =
        need_room(tables->changes, &tables->change_room, tables->change_count + 1, sizeof *tables->changes);
    tables->changes[tables->change_count++] = (OrganizationChange){.organization = organization->id,
                                                                   .action = action,
                                                                   .version = organization->version,
                                                                   .at_us = tables->now_us,
                                                                   .who = who,
                                                                   .changed = changed,
                                                                   .batch_id = batch_id};
}

void onboard_tell(World *world, MessageKind kind, const StoredOrganization *organization, const TableJob *job)
{
    JobState status = onboard_status(&world->tables.onboard, organization);
    Str body = onboard_organization_body(world, organization, status, job ? &job->stored : NULL);
    model_tell(&world->model, kind, organization->content.domain, body);
}

void onboard_tell_batch(World *world, const StoredBatch *batch)
{
    model_tell(&world->model, batch->jobs[JOB_FAILED] ? MESSAGE_BATCH_FAILED : MESSAGE_BATCH_COMPLETED, batch->id,
               onboard_batch_body(world, batch));
}

/* ---- Batches ----------------------------------------------------------------------------------------------------- */

static Status refuse(OnboardTables *tables, OnboardConflict conflict)
{
    tables->told.conflict = conflict;
    return STATUS_CONFLICT;
}

/* Answers from more than a day ago go, the oldest first and a few at a time. */
static void trim_answers(OnboardTables *tables)
{
    enum { AT_ONCE = 16 };
    size_t kept = 0;
    for (size_t i = 0; i < tables->answer_count; i++) {
        bool goes = i < AT_ONCE && tables->answers[i].created_us < tables->now_us - IDEMPOTENCY_KEPT_US;
        if (!goes) {
            tables->answers[kept++] = tables->answers[i];
        }
    }
    tables->answer_count = kept;
}

static Status check_key(OnboardTables *tables, const IdempotencyAnswer *asked)
{
    const IdempotencyAnswer *there = onboard_answer(tables, asked->key);
    if (!there) {
        trim_answers(tables);
        return STATUS_OK;
    }
    bool same = memcmp(there->body_hash, asked->body_hash, sizeof there->body_hash) == 0;
    return refuse(tables, same ? ONBOARD_CONFLICT_KEY : ONBOARD_CONFLICT_BODY);
}

static Status decide(OnboardTables *tables, const OnboardChange *change)
{
    static const OnboardOutcome there[] = {[ON_DUPLICATE_UPDATE] = ONBOARD_UPDATED,
                                           [ON_DUPLICATE_SKIP] = ONBOARD_SKIPPED,
                                           [ON_DUPLICATE_FAIL] = ONBOARD_EXISTS};
    bool exists = false;
    for (size_t i = 0; i < change->count; i++) {
        bool is_there = find_domain(tables, change->content[i].domain, true);
        change->outcomes[i] = is_there ? there[change->on_duplicate] : ONBOARD_CREATED;
        exists = exists || change->outcomes[i] == ONBOARD_EXISTS;
    }
    for (size_t i = 0; i < change->count && exists; i++) {
        change->outcomes[i] = change->outcomes[i] == ONBOARD_EXISTS ? ONBOARD_EXISTS : ONBOARD_NONE;
    }
    return exists ? refuse(tables, ONBOARD_CONFLICT_DOMAINS) : STATUS_OK;
}

static StoredOrganization *create(OnboardTables *tables, const OrganizationContent *content)
{
    tables->organizations = need_room(tables->organizations, &tables->organization_room, tables->organization_count + 1,
                                      sizeof *tables->organizations);
    StoredOrganization *made = &tables->organizations[tables->organization_count++];
    *made = (StoredOrganization){.id = (int64_t)tables->organization_count,
                                 .content = *content,
                                 .version = 1,
                                 .created_us = tables->now_us,
                                 .updated_us = tables->now_us};
    return made;
}

static StoredOrganization *replace(World *world, StoredOrganization *organization, const OnboardChange *change,
                                   size_t at)
{
    OnboardTables *tables = &world->tables.onboard;
    Str changed = onboard_differences(world, &organization->content, &change->content[at]);
    bool was_deleted = organization->deleted_us != 0;
    if (was_deleted || changed.len > 2) {
        organization->version++;
        organization->updated_us = tables->now_us;
    }
    organization->content = change->content[at];
    organization->deleted_us = 0;
    onboard_note(tables, organization, was_deleted ? ORGANIZATION_RESTORED : ORGANIZATION_UPDATED, change->who, changed,
                 change->batch_id);
    return organization;
}

static TableJob *add_job(OnboardTables *tables, const StoredOrganization *organization, size_t batch, int64_t item)
{
    tables->jobs = need_room(tables->jobs, &tables->job_room, tables->job_count + 1, sizeof *tables->jobs);
    TableJob *job = &tables->jobs[tables->job_count++];
    *job = (TableJob){.stored = {.id = (int64_t)tables->job_count,
                                 .batch_id = tables->batches[batch].stored.id,
                                 .item = item,
                                 .organization = organization->id,
                                 .due_us = tables->now_us,
                                 .created_us = tables->now_us,
                                 .updated_us = tables->now_us},
                      .batch = batch};
    return job;
}

static void complete(World *world, StoredOrganization *organization, TableJob *job)
{
    OnboardTables *tables = &world->tables.onboard;
    job->stored.state = JOB_COMPLETED;
    job->stored.finished_us = tables->now_us;
    onboard_note(tables, organization, ORGANIZATION_PROCESSED, KEEP(world, "job %" PRId64, job->stored.id), STR("{}"),
                 job->stored.batch_id);
    onboard_tell(world, MESSAGE_ORGANIZATION_PROCESSED, organization, job);
}

/* The second of two with one domain is an update of the first. */
static void put_item(World *world, const OnboardChange *change, size_t at, size_t batch)
{
    OnboardTables *tables = &world->tables.onboard;
    int64_t id = find_domain(tables, change->content[at].domain, change->outcomes[at] != ONBOARD_CREATED);
    StoredOrganization *organization =
        id ? replace(world, onboard_organization(tables, id), change, at) : create(tables, &change->content[at]);
    if (!id) {
        onboard_note(tables, organization, ORGANIZATION_CREATED, change->who, STR("{}"), change->batch_id);
    }
    change->outcomes[at] = id ? ONBOARD_UPDATED : ONBOARD_CREATED;
    TableJob *job = add_job(tables, organization, batch, change->items[at]);
    organization->job = job->stored.id;
    organization->batch_id = change->batch_id;
    onboard_tell(world, id ? MESSAGE_ORGANIZATION_UPDATED : MESSAGE_ORGANIZATION_CREATED, organization, job);
    if (change->complete) {
        complete(world, organization, job);
    }
}

static size_t add_batch(OnboardTables *tables, const OnboardChange *change)
{
    int64_t total = 0;
    for (size_t i = 0; i < change->count; i++) {
        total += change->outcomes[i] != ONBOARD_SKIPPED;
    }
    int64_t over_us = change->complete || total == 0 ? tables->now_us : 0;
    tables->batches = need_room(tables->batches, &tables->batch_room, tables->batch_count + 1, sizeof *tables->batches);
    TableBatch *batch = &tables->batches[tables->batch_count++];
    *batch = (TableBatch){.stored = {.number = (int64_t)tables->batch_count,
                                     .id = change->batch_id,
                                     .total = total,
                                     .created_us = tables->now_us,
                                     .updated_us = tables->now_us,
                                     .started_us = total ? over_us : 0,
                                     .finished_us = over_us},
                          .first_job = (int64_t)tables->job_count + 1};
    batch->stored.jobs[change->complete ? JOB_COMPLETED : JOB_PENDING] = total;
    return tables->batch_count - 1;
}

static void keep_answer(World *world, const OnboardChange *change, Str text)
{
    OnboardTables *tables = &world->tables.onboard;
    tables->answers =
        need_room(tables->answers, &tables->answer_room, tables->answer_count + 1, sizeof *tables->answers);
    IdempotencyAnswer *answer = &tables->answers[tables->answer_count++];
    *answer = *change->answer;
    answer->answer = text;
    answer->created_us = tables->now_us;
}

static Status onboard(World *world, const OnboardChange *change)
{
    OnboardTables *tables = &world->tables.onboard;
    for (size_t i = 0; i < change->count; i++) {
        change->outcomes[i] = ONBOARD_NONE;
    }
    Status status = onboard_batch(tables, change->batch_id) ? refuse(tables, ONBOARD_CONFLICT_BATCH) : STATUS_OK;
    if (status == STATUS_OK && change->answer) {
        status = check_key(tables, change->answer);
    }
    if (status == STATUS_OK) {
        status = decide(tables, change);
    }
    if (status != STATUS_OK) {
        return status;
    }
    Str text = onboard_answer_text(world, change->batch_id, change->outcomes, change->count);
    size_t batch = add_batch(tables, change);
    for (size_t i = 0; i < change->count; i++) {
        if (change->outcomes[i] != ONBOARD_SKIPPED) {
            put_item(world, change, i, batch);
        }
    }
    if (tables->batches[batch].stored.finished_us) {
        onboard_tell_batch(world, &tables->batches[batch].stored);
    }
    if (change->answer) {
        keep_answer(world, change, text);
    }
    return STATUS_OK;
}

/* ---- By a person ------------------------------------------------------------------------------------------------- */

static Str either(Str given, Str there) { return given.ptr ? given : there; }

static OrganizationContent content_after(const StoredOrganization *organization, const OrganizationEdit *edit)
{
    const OrganizationContent *is = &organization->content, *given = &edit->content;
    return edit->action != ORGANIZATION_UPDATED
               ? *is
               : (OrganizationContent){.name = either(given->name, is->name),
                                       .domain = either(given->domain, is->domain),
                                       .contact_email = either(given->contact_email, is->contact_email),
                                       .metadata = either(given->metadata, is->metadata)};
}

static void change_organization(World *world, StoredOrganization *organization, const OrganizationEdit *edit,
                                const OrganizationContent *after)
{
    OnboardTables *tables = &world->tables.onboard;
    Str changed = onboard_differences(world, &organization->content, after);
    organization->content = *after;
    organization->version++;
    organization->updated_us = tables->now_us;
    organization->deleted_us = edit->action == ORGANIZATION_DELETED ? tables->now_us : 0;
    onboard_note(tables, organization, edit->action, edit->who, changed, STR(""));
    if (organization->deleted_us) {
        (void)onboard_cancel(world, organization->job);
    }
    onboard_tell(world, MESSAGE_ORGANIZATION_UPDATED, organization, NULL);
    tables->told.new_version = organization->version;
}

static Status edit(World *world, const OrganizationEdit *edit)
{
    OnboardTables *tables = &world->tables.onboard;
    StoredOrganization *organization = onboard_organization(tables, edit->id);
    if (!organization || (edit->action == ORGANIZATION_RESTORED) != (organization->deleted_us != 0)) {
        return STATUS_REFUSED;
    }
    tables->told.version_differs = edit->version && edit->version != organization->version;
    if (tables->told.version_differs) {
        return STATUS_CONFLICT;
    }
    OrganizationContent after = content_after(organization, edit);
    tables->told.new_version = organization->version;
    if (edit->action == ORGANIZATION_UPDATED && onboard_differences(world, &organization->content, &after).len == 2) {
        return STATUS_OK;
    }
    int64_t other = edit->action == ORGANIZATION_DELETED ? 0 : find_domain(tables, after.domain, false);
    if (other && other != edit->id) {
        return STATUS_CONFLICT;
    }
    change_organization(world, organization, edit, &after);
    return STATUS_OK;
}

/* ---- Work -------------------------------------------------------------------------------------------------------- */

void onboard_begin_life(World *world)
{
    OnboardTables *tables = &world->tables.onboard;
    tables->leases_are_over = false;
    for (size_t i = 0; i < tables->job_count; i++) {
        tables->leases_are_over = tables->leases_are_over || tables->jobs[i].stored.state == JOB_PROCESSING;
    }
}

/* When the clock was set back each job waits as long as it was to wait when that was decided. */
static bool mend_due_times(OnboardTables *tables)
{
    bool mended = false;
    for (size_t i = 0; i < tables->job_count; i++) {
        StoredJob *job = &tables->jobs[i].stored;
        if (job->state <= JOB_PROCESSING && job->due_us > tables->now_us && job->updated_us > tables->now_us) {
            job->due_us -= job->updated_us - tables->now_us;
            job->updated_us = tables->now_us;
            mended = true;
        }
    }
    return mended;
}

bool onboard_begin_commit(World *world, int64_t now_us)
{
    OnboardTables *tables = &world->tables.onboard;
    bool ends = tables->leases_are_over;
    tables->now_us = now_us;
    for (size_t i = 0; i < tables->job_count && ends; i++) {
        StoredJob *job = &tables->jobs[i].stored;
        if (job->state == JOB_PROCESSING) {
            StoredBatch *batch = &tables->batches[tables->jobs[i].batch].stored;
            batch->jobs[JOB_PROCESSING]--;
            batch->jobs[JOB_PENDING]++;
            job->state = JOB_PENDING;
            job->due_us = job->updated_us = now_us;
        }
    }
    tables->leases_are_over = false;
    return mend_due_times(tables) || ends;
}

Status onboard_apply(World *world, const Work *work)
{
    world->tables.onboard.told = (OnboardTold){0};
    switch (work->kind) {
    case WORK_ONBOARD: return onboard(world, &work->onboard);
    case WORK_JOBS_TAKE: return onboard_take(world, &work->jobs_take);
    case WORK_JOBS_END: return onboard_end(world, &work->jobs_end);
    case WORK_BATCH_RETRY:
    case WORK_BATCH_CANCEL: return onboard_change_batch(world, work);
    case WORK_ORGANIZATION: return edit(world, &work->organization);
    default: abort();
    }
}

/* People's texts live as long as the world, the runner's do not. */
void onboard_keep_work(World *world, Work *work)
{
    if (work->kind == WORK_ONBOARD) {
        work->onboard.outcomes = copy_of(work->onboard.outcomes, work->onboard.count, sizeof *work->onboard.outcomes);
    } else if (work->kind == WORK_JOBS_TAKE) {
        work->jobs_take.jobs = need(calloc(work->jobs_take.limit + 1, sizeof *work->jobs_take.jobs));
    } else if (work->kind == WORK_JOBS_END) {
        JobsEnd *change = &work->jobs_end;
        change->results = copy_of(change->results, change->count, sizeof *change->results);
        for (size_t i = 0; i < change->count; i++) {
            change->results[i].error = arena_copy(&world->workload.texts, change->results[i].error);
            change->results[i].warning = arena_copy(&world->workload.texts, change->results[i].warning);
        }
    }
}

void onboard_free_work(Work *work)
{
    if (work->kind == WORK_ONBOARD) {
        free(work->onboard.outcomes);
    } else if (work->kind == WORK_JOBS_TAKE) {
        free(work->jobs_take.jobs);
    } else if (work->kind == WORK_JOBS_END) {
        free(work->jobs_end.results);
    }
}

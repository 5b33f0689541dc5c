/* The store's tables of onboarding, held against the oracle's. */
#include <inttypes.h>

#include "sim/onboard_model.h"
#include "sim/world.h"

typedef struct Comparing {
    const OnboardTables *right;
    size_t count; /* of the rows that were seen */
    bool deleted; /* organizations that are */
    int64_t last; /* organizations and batches come the newest first */
    int64_t organization;
    size_t next; /* among the changes: those up to here were seen, the newest first */
    const IdempotencyAnswer *answer;
    char *difference;
} Comparing;

#define DIFFER(comparing, ...) (snprintf((comparing)->difference, ONBOARD_TEXT_BYTES, __VA_ARGS__), false)

static bool is_same_content(const OrganizationContent *a, const OrganizationContent *b)
{
    return str_equal(a->name, b->name) && str_equal(a->domain, b->domain) &&
           str_equal(a->contact_email, b->contact_email) && str_equal(a->metadata, b->metadata);
}

static bool visit_organization(void *context, const StoredOrganization *is)
{
    Comparing *comparing = context;
    const StoredOrganization *right = onboard_organization(comparing->right, is->id);
    comparing->count++;
    if (!right || (right->deleted_us != 0) != comparing->deleted || is->id >= comparing->last) {
        return DIFFER(comparing, "there is an organization %" PRId64 ", or it is not where it belongs", is->id);
    }
    comparing->last = is->id;
    JobState status = onboard_status(comparing->right, right);
    bool same = is_same_content(&is->content, &right->content) && is->status == status && is->job == right->job &&
                str_equal(is->batch_id, right->batch_id) && is->version == right->version &&
                is->created_us == right->created_us && is->updated_us == right->updated_us &&
                is->deleted_us == right->deleted_us;
    return same || DIFFER(comparing,
                          "organization %" PRId64 " (%.*s) has status %s, job %" PRId64 ", version %" PRId64
                          ", deleted %" PRId64 "; right are %.*s, %s, %" PRId64 ", %" PRId64 ", %" PRId64,
                          is->id, STR_ARGS(is->content.domain), job_state_names[is->status], is->job, is->version,
                          is->deleted_us, STR_ARGS(right->content.domain), job_state_names[status], right->job,
                          right->version, right->deleted_us);
}

static bool visit_job(void *context, const StoredJob *is)
{
    Comparing *comparing = context;
    const TableJob *row = onboard_job(comparing->right, is->id);
    comparing->count++;
    if (!row) {
        return DIFFER(comparing, "there is a job %" PRId64, is->id);
    }
    const StoredJob *right = &row->stored;
    bool same = str_equal(is->batch_id, right->batch_id) && is->item == right->item &&
                is->organization == right->organization && is->state == right->state &&
                is->attempts == right->attempts && is->due_us == right->due_us && str_equal(is->error, right->error) &&
                is->created_us == right->created_us && is->updated_us == right->updated_us &&
                is->finished_us == right->finished_us;
    return same || DIFFER(comparing,
                          "job %" PRId64 " is %s after %" PRId64 " attempts, due at %" PRId64 ", changed at %" PRId64
                          "; right are %s, %" PRId64 ", %" PRId64 ", %" PRId64,
                          is->id, job_state_names[is->state], is->attempts, is->due_us, is->updated_us,
                          job_state_names[right->state], right->attempts, right->due_us, right->updated_us);
}

static int64_t sum_of(const StoredBatch *batch)
{
    int64_t sum = 0;
    for (size_t i = 0; i < JOB_STATE_COUNT; i++) {
        sum += batch->jobs[i];
    }
    return sum;
}

static bool visit_batch(void *context, const StoredBatch *is)
{
    Comparing *comparing = context;
    comparing->count++;
    if (sum_of(is) != is->total) {
        return DIFFER(comparing, "the counts of batch %" PRId64 " add up to %" PRId64 " of %" PRId64, is->number,
                      sum_of(is), is->total);
    }
    if (is->number < 1 || (size_t)is->number > comparing->right->batch_count || is->number >= comparing->last) {
        return DIFFER(comparing, "there is a batch %" PRId64 ", or it is not where it belongs", is->number);
    }
    comparing->last = is->number;
    const StoredBatch *right = &comparing->right->batches[is->number - 1].stored;
    bool same = str_equal(is->id, right->id) && is->total == right->total &&
                memcmp(is->jobs, right->jobs, sizeof is->jobs) == 0 && is->created_us == right->created_us &&
                is->updated_us == right->updated_us && is->started_us == right->started_us &&
                is->finished_us == right->finished_us;
    return same || DIFFER(comparing,
                          "batch %" PRId64 " (%" PRId64 ") has %" PRId64 " pending, %" PRId64 " processing, %" PRId64
                          " completed, finished at %" PRId64 "; right are (%" PRId64 ") %" PRId64 ", %" PRId64
                          ", %" PRId64 ", %" PRId64,
                          is->number, is->total, is->jobs[JOB_PENDING], is->jobs[JOB_PROCESSING],
                          is->jobs[JOB_COMPLETED], is->finished_us, right->total, right->jobs[JOB_PENDING],
                          right->jobs[JOB_PROCESSING], right->jobs[JOB_COMPLETED], right->finished_us);
}

/* The next one of this organization before the place; SIZE_MAX: there is none. */
static size_t change_before(const OnboardTables *right, int64_t organization, size_t at)
{
    while (at > 0) {
        if (right->changes[--at].organization == organization) {
            return at;
        }
    }
    return SIZE_MAX;
}

static bool visit_change(void *context, const OrganizationChange *is)
{
    Comparing *comparing = context;
    size_t at = change_before(comparing->right, comparing->organization, comparing->next);
    if (at == SIZE_MAX || is->id >= comparing->last) {
        return DIFFER(comparing, "organization %" PRId64 " has a change %" PRId64 " more", comparing->organization,
                      is->id);
    }
    const OrganizationChange *right = &comparing->right->changes[at];
    comparing->next = at;
    comparing->last = is->id;
    bool same = is->action == right->action && is->version == right->version && is->at_us == right->at_us &&
                str_equal(is->who, right->who) && str_equal(is->changed, right->changed) &&
                str_equal(is->batch_id, right->batch_id);
    return same || DIFFER(comparing,
                          "organization %" PRId64 " was %s by %.*s, version %" PRId64
                          " %.*s; right are %s by %.*s, %" PRId64 " %.*s",
                          comparing->organization, organization_action_names[is->action], STR_ARGS(is->who),
                          is->version, STR_ARGS(is->changed), organization_action_names[right->action],
                          STR_ARGS(right->who), right->version, STR_ARGS(right->changed));
}

static bool visit_answer(void *context, const IdempotencyAnswer *is)
{
    Comparing *comparing = context;
    const IdempotencyAnswer *right = comparing->answer;
    comparing->count++;
    bool same = str_equal(is->key, right->key) && is->code == right->code && str_equal(is->answer, right->answer) &&
                memcmp(is->body_hash, right->body_hash, sizeof is->body_hash) == 0 &&
                is->created_us == right->created_us;
    return same || DIFFER(comparing, "the answer under key %.*s is %.*s; right is %.*s", STR_ARGS(right->key),
                          STR_ARGS(is->answer), STR_ARGS(right->answer));
}

/* When all rows that are there are right, their number says whether any is missing. */
static bool has_all(Comparing *comparing, size_t right, const char *what)
{
    size_t count = comparing->count;
    comparing->count = 0;
    return comparing->difference[0] || count == right ||
           DIFFER(comparing, "there are %zu %s, and should be %zu", count, what, right);
}

/* ---- Each table -------------------------------------------------------------------------------------------------- */

static size_t count_organizations(const OnboardTables *right, bool deleted)
{
    size_t count = 0;
    for (size_t i = 0; i < right->organization_count; i++) {
        count += (right->organizations[i].deleted_us != 0) == deleted;
    }
    return count;
}

static Status compare_organizations(StoreReader *reader, Comparing *comparing, Error *reterr)
{
    Status status = STATUS_OK;
    for (int deleted = 0; deleted < 2 && status == STATUS_OK && !comparing->difference[0]; deleted++) {
        OrganizationFilter filter = ORGANIZATION_FILTER_ALL;
        filter.deleted = comparing->deleted = deleted;
        comparing->last = INT64_MAX;
        status = reader_organizations(reader, &filter, visit_organization, comparing, reterr);
        if (status == STATUS_OK) {
            has_all(comparing, count_organizations(comparing->right, deleted), "organizations");
        }
    }
    return status;
}

static Status compare_jobs(StoreReader *reader, Comparing *comparing, Error *reterr)
{
    const JobFilter all = JOB_FILTER_ALL;
    Status status = reader_jobs(reader, &all, visit_job, comparing, reterr);
    if (status == STATUS_OK) {
        has_all(comparing, comparing->right->job_count, "jobs");
    }
    return status;
}

static Status compare_batches(StoreReader *reader, Comparing *comparing, Error *reterr)
{
    const BatchFilter all = {0};
    comparing->last = INT64_MAX;
    Status status = reader_batches(reader, &all, visit_batch, comparing, reterr);
    if (status == STATUS_OK) {
        has_all(comparing, comparing->right->batch_count, "batches");
    }
    return status;
}

static Status compare_changes(StoreReader *reader, Comparing *comparing, Error *reterr)
{
    const OnboardTables *right = comparing->right;
    Status status = STATUS_OK;
    for (size_t i = 0; i < right->organization_count && status == STATUS_OK && !comparing->difference[0]; i++) {
        comparing->organization = (int64_t)i + 1;
        comparing->next = right->change_count;
        comparing->last = INT64_MAX;
        status = reader_organization_changes(reader, comparing->organization, 0, visit_change, comparing, reterr);
        if (status == STATUS_OK && !comparing->difference[0] &&
            change_before(right, comparing->organization, comparing->next) != SIZE_MAX) {
            (void)DIFFER(comparing, "a change of organization %" PRId64 " is missing", comparing->organization);
        }
    }
    return status;
}

static Status compare_answers(StoreReader *reader, Comparing *comparing, Error *reterr)
{
    const OnboardTables *right = comparing->right;
    Status status = STATUS_OK;
    for (size_t i = 0; i < right->answer_count && status == STATUS_OK && !comparing->difference[0]; i++) {
        comparing->answer = &right->answers[i];
        status = reader_idempotency(reader, right->answers[i].key, visit_answer, comparing, reterr);
        if (status == STATUS_REFUSED) {
            (void)DIFFER(comparing, "the answer under key %.*s is missing", STR_ARGS(right->answers[i].key));
            status = STATUS_OK;
        }
    }
    return status;
}

static Status compare_counts(StoreReader *reader, Comparing *comparing, Error *reterr)
{
    const OnboardTables *right = comparing->right;
    OnboardCounts is,
        wanted = {.batches = (int64_t)right->batch_count, .last_organization = (int64_t)right->organization_count};
    wanted.organizations = (int64_t)count_organizations(right, false);
    Status status = reader_onboard_counts(reader, &is, reterr);
    for (size_t i = 0; i < right->job_count; i++) {
        const StoredJob *job = &right->jobs[i].stored;
        wanted.jobs[job->state]++;
        bool is_oldest = job->state == JOB_PENDING && (!wanted.oldest_due_us || job->due_us < wanted.oldest_due_us);
        wanted.oldest_due_us = is_oldest ? job->due_us : wanted.oldest_due_us;
    }
    if (status == STATUS_OK && memcmp(&is, &wanted, sizeof is) != 0) {
        (void)DIFFER(comparing,
                     "the counts of onboarding are %" PRId64 " batches, %" PRId64 " organizations, %" PRId64
                     " pending, due since %" PRId64 "; right are %" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64,
                     is.batches, is.organizations, is.jobs[JOB_PENDING], is.oldest_due_us, wanted.batches,
                     wanted.organizations, wanted.jobs[JOB_PENDING], wanted.oldest_due_us);
    }
    return status;
}

bool onboard_check(World *world, StoreReader *reader, char ret_difference[ONBOARD_TEXT_BYTES])
{
    static Status (*const parts[])(StoreReader *, Comparing *, Error *) = {
        compare_batches, compare_jobs, compare_organizations, compare_counts, compare_answers, compare_changes};
    Comparing comparing = {.right = &world->tables.onboard, .difference = ret_difference};
    Error error = {0};
    uint64_t struck = faults_struck(world);
    ret_difference[0] = '\0';
    if (!onboarding_is_there(world)) {
        return true;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !ret_difference[0]; i++) {
        if (parts[i](reader, &comparing, &error) != STATUS_OK) {
            faults_check_reading(world, struck, "what is stored of onboarding", STATUS_BROKEN, error.message);
            return true;
        }
    }
    return !ret_difference[0];
}

/* ---- Leases ------------------------------------------------------------------------------------------------------ */

typedef struct Leases {
    const OnboardTables *tables;
    int64_t ended_us;
} Leases;

static bool visit_leased(void *context, const StoredJob *is)
{
    Leases *leases = context;
    const TableJob *row = onboard_job(leases->tables, is->id);
    bool has_ended = row && row->stored.state == JOB_PROCESSING && is->state == JOB_PENDING;
    leases->ended_us = has_ended ? is->due_us : 0;
    return !has_ended;
}

int64_t onboard_end_of_leases(World *world, StoreReader *reader)
{
    const JobFilter all = JOB_FILTER_ALL;
    Leases leases = {.tables = &world->tables.onboard};
    Error error = {0};
    Status status = reader_jobs(reader, &all, visit_leased, &leases, &error);
    bool is_possible = leases.ended_us <= world->machine.clock.wall_us;
    return status == STATUS_OK && is_possible ? leases.ended_us : 0;
}

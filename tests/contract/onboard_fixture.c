#include "onboard_fixture.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- Time -------------------------------------------------------------------------------------------------------- */

int64_t stopped_us;

static int64_t stopped(void *self)
{
    (void)self;
    return stopped_us;
}

void use_stopped_clock(Fixture *fixture)
{
    static const Clock clock = {.wall_us = stopped, .monotonic_us = stopped};
    stopped_us = INT64_C(1735725600000000); /* 2025-01-01T10:00:00Z */
    fixture_close(fixture);
    fixture->options.clock = &clock;
    fixture_open(fixture);
}

/* ---- Batches ----------------------------------------------------------------------------------------------------- */

Batch *batch_new(const char *id, OnDuplicate on_duplicate)
{
    Batch *batch = test_calloc(1, sizeof *batch);
    batch->work = (Work){.kind = WORK_ONBOARD,
                         .onboard = {.batch_id = str_from(id),
                                     .content = batch->content,
                                     .items = batch->items,
                                     .outcomes = batch->outcomes,
                                     .on_duplicate = on_duplicate,
                                     .who = STR("api")}};
    return batch;
}

OrganizationContent *add_organization(Batch *batch, const char *domain, const char *name)
{
    size_t at = batch->work.onboard.count++;
    assert_true(at < BATCH_ORGANIZATIONS_MAX);
    batch->items[at] = (int64_t)at;
    batch->content[at] = (OrganizationContent){
        .name = str_from(name), .domain = str_from(domain), .contact_email = STR("contact@example.com")};
    return &batch->content[at];
}

void put_key(Batch *batch, const char *key, char request, const char *answer)
{
    batch->answer = (IdempotencyAnswer){.key = str_from(key), .code = 202, .answer = str_from(answer)};
    memset(batch->answer.body_hash, request, sizeof batch->answer.body_hash);
    batch->work.onboard.answer = &batch->answer;
}

static Status apply_work(Fixture *fixture, Work *work)
{
    Error error = {0};
    Status status = store_apply(fixture->store, work, &error);
    if (status != STATUS_OK) {
        print_error("%s\n", error.message);
    }
    assert_int_equal(status, STATUS_OK);
    return work->status;
}

Status onboard(Fixture *fixture, Batch *batch) { return apply_work(fixture, &batch->work); }

void onboard_domains(Fixture *fixture, const char *id, const char *domains, bool complete)
{
    char texts[16][64];
    Batch *batch = batch_new(id, ON_DUPLICATE_UPDATE);
    Str rest = str_from(domains);
    for (size_t i = 0; rest.ptr; i++) {
        assert_true(i < 16);
        Str domain = str_split(&rest, ' ');
        snprintf(texts[i], sizeof texts[i], "%.*s", STR_ARGS(domain));
        add_organization(batch, texts[i], texts[i]);
    }
    batch->work.onboard.complete = complete;
    assert_int_equal(onboard(fixture, batch), STATUS_OK);
    test_free(batch);
}

/* ---- Jobs -------------------------------------------------------------------------------------------------------- */

Taken take_jobs(Fixture *fixture, size_t limit)
{
    Taken taken = {0};
    arena_init(&taken.arena, 4096, 1 << 20);
    assert_true(limit <= sizeof taken.jobs / sizeof *taken.jobs);
    Work work = {.kind = WORK_JOBS_TAKE,
                 .jobs_take = {.limit = limit, .lease_us = LEASE_US, .arena = &taken.arena, .jobs = taken.jobs}};
    assert_int_equal(apply_work(fixture, &work), STATUS_OK);
    taken.count = work.jobs_take.count;
    taken.next_due_us = work.jobs_take.next_due_us;
    return taken;
}

void taken_release(Taken *taken) { arena_release(&taken->arena); }

bool end_job(Fixture *fixture, const TakenJob *job, JobVerdict verdict, const char *error, int64_t due_us)
{
    JobResult result = {.id = job->id, .token = job->token, .verdict = verdict, .due_us = due_us};
    result.error = str_from(verdict == JOB_VERDICT_COMPLETED ? "" : error);
    result.warning = str_from(verdict == JOB_VERDICT_COMPLETED ? error : "");
    Work work = {.kind = WORK_JOBS_END, .jobs_end = {.results = &result, .count = 1, .announce = true}};
    assert_int_equal(apply_work(fixture, &work), STATUS_OK);
    return result.counted;
}

size_t end_all(Fixture *fixture, JobVerdict verdict, const char *error)
{
    Taken taken = take_jobs(fixture, 16);
    for (size_t i = 0; i < taken.count; i++) {
        assert_true(end_job(fixture, &taken.jobs[i], verdict, error, stopped_us));
    }
    taken_release(&taken);
    return taken.count;
}

int change_batch(Fixture *fixture, WorkKind kind, const char *id)
{
    Work work = {.kind = kind, .batch = {.batch_id = str_from(id)}};
    Status status = apply_work(fixture, &work);
    assert_true(status == STATUS_OK || status == STATUS_REFUSED);
    return status == STATUS_OK ? (int)work.batch.count : -1;
}

Status edit_organization(Fixture *fixture, int64_t id, OrganizationAction action, const OrganizationContent *content,
                         int64_t version, OrganizationEdit *ret_edit)
{
    Work work = {.kind = WORK_ORGANIZATION,
                 .organization = {.id = id, .version = version, .action = action, .who = STR("anna")}};
    if (content) {
        work.organization.content = *content;
    }
    Status status = apply_work(fixture, &work);
    if (ret_edit) {
        *ret_edit = work.organization;
    }
    return status;
}

/* ---- Looks ------------------------------------------------------------------------------------------------------- */

static void put(Look *look, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(Look *look, const char *format, ...)
{
    size_t len = strlen(look->text);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(look->text + len, sizeof look->text - len, format, args);
    va_end(args);
    assert_true(more >= 0 && (size_t)more < sizeof look->text - len);
}

static bool go_on(Look *look) { return ++look->count != look->limit; }

static Look *look_new(void) { return test_calloc(1, sizeof(Look)); }

static void check_look(Look *look, const char *expected)
{
    assert_string_equal(look->text, expected);
    test_free(look);
}

static bool see_organization(void *context, const StoredOrganization *organization)
{
    assert_true(organization->created_us <= organization->updated_us && organization->batch_id.len > 0);
    put(context, "%s%" PRId64 ":%.*s=%.*s#%" PRId64 "/%s ", organization->deleted_us ? "!" : "", organization->id,
        STR_ARGS(organization->content.domain), STR_ARGS(organization->content.name), organization->version,
        job_state_names[organization->status]);
    return go_on(context);
}

void assert_organizations(Fixture *fixture, OrganizationFilter filter, const char *expected)
{
    Error error = {0};
    Look *look = look_new();
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_organizations(fixture->reader, &filter, see_organization, look, &error), STATUS_OK);
    fixture_end(fixture, view);
    check_look(look, expected);
}

static bool see_change(void *context, const OrganizationChange *change)
{
    assert_true(change->id > 0 && change->at_us > 0);
    put(context, "%s by %.*s#%" PRId64 " %.*s%s%.*s;", organization_action_names[change->action], STR_ARGS(change->who),
        change->version, STR_ARGS(change->changed), change->batch_id.len ? " in " : "", STR_ARGS(change->batch_id));
    return go_on(context);
}

void assert_changes(Fixture *fixture, int64_t organization, const char *expected)
{
    Error error = {0};
    Look *look = look_new();
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_organization_changes(fixture->reader, organization, 0, see_change, look, &error),
                     STATUS_OK);
    fixture_end(fixture, view);
    check_look(look, expected);
}

static bool see_job(void *context, const StoredJob *job)
{
    bool is_over = job->state == JOB_COMPLETED || job->state == JOB_FAILED || job->state == JOB_CANCELLED;
    assert_true(job->id > 0 && job->organization > 0 && job->batch_id.len > 0 && job->created_us <= job->updated_us);
    assert_int_equal(job->finished_us != 0, is_over);
    put(context, "%" PRId64 ":%s*%" PRId64, job->item, job_state_names[job->state], job->attempts);
    if (job->error.len) {
        put(context, "(%.*s)", STR_ARGS(job->error));
    }
    put(context, " ");
    return go_on(context);
}

void assert_jobs(Fixture *fixture, JobFilter filter, const char *expected)
{
    Error error = {0};
    Look *look = look_new();
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_jobs(fixture->reader, &filter, see_job, look, &error), STATUS_OK);
    fixture_end(fixture, view);
    check_look(look, expected);
}

static void put_counts(Look *look, const int64_t jobs[JOB_STATE_COUNT])
{
    for (size_t i = 0; i < JOB_STATE_COUNT; i++) {
        put(look, "%s%" PRId64, i ? "/" : "=", jobs[i]);
    }
}

static bool see_batch(void *context, const StoredBatch *batch)
{
    put(context, "%" PRId64, batch->total);
    put_counts(context, batch->jobs);
    put(context, "%s%s", batch->started_us ? ">" : "", batch->finished_us ? "!" : "");
    assert_int_equal(batch->jobs[0] + batch->jobs[1] + batch->jobs[2] + batch->jobs[3] + batch->jobs[4], batch->total);
    return true;
}

void assert_batch(Fixture *fixture, const char *id, const char *expected)
{
    Error error = {0};
    Look *look = look_new();
    const BatchFilter filter = {.id = str_from(id)};
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_batches(fixture->reader, &filter, see_batch, look, &error), STATUS_OK);
    fixture_end(fixture, view);
    check_look(look, expected);
}

static bool see_batch_id(void *context, const StoredBatch *batch)
{
    put(context, "%.*s ", STR_ARGS(batch->id));
    return go_on(context);
}

void assert_batches(Fixture *fixture, BatchFilter filter, const char *expected)
{
    Error error = {0};
    Look *look = look_new();
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_batches(fixture->reader, &filter, see_batch_id, look, &error), STATUS_OK);
    fixture_end(fixture, view);
    check_look(look, expected);
}

void assert_counts(Fixture *fixture, const char *expected)
{
    Error error = {0};
    OnboardCounts counts = {0};
    Look *look = look_new();
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_onboard_counts(fixture->reader, &counts, &error), STATUS_OK);
    fixture_end(fixture, view);
    put(look, "%" PRId64 " %" PRId64, counts.batches, counts.organizations);
    put_counts(look, counts.jobs);
    assert_true(counts.last_organization >= counts.organizations);
    assert_int_equal(counts.oldest_due_us != 0, counts.jobs[JOB_PENDING] != 0);
    check_look(look, expected);
}

/* The text behind the first `name` in the body. */
static Str member_of(Str body, const char *name)
{
    char key[32];
    int len = snprintf(key, sizeof key, "\"%s\":\"", name);
    for (size_t i = 0; i + (size_t)len < body.len; i++) {
        if (memcmp(body.ptr + i, key, (size_t)len) == 0) {
            Str rest = {body.ptr + i + len, body.len - i - (size_t)len};
            return str_split(&rest, '"');
        }
    }
    return STR("?");
}

static bool see_message(void *context, const StoredMessage *message)
{
    bool is_organization = str_starts_with(message->kind, STR("organization."));
    bool is_batch = str_starts_with(message->kind, STR("batch."));
    Str about = member_of(message->body, is_organization ? "domain" : is_batch ? "batch_id" : "place");
    put(context, "%.*s:%.*s ", STR_ARGS(message->kind), STR_ARGS(about));
    assert_int_equal(message->record_seq, 0);
    return go_on(context);
}

void assert_messages(Fixture *fixture, int64_t after, const char *expected)
{
    Error error = {0};
    Look *look = look_new();
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_messages(fixture->reader, STR(""), after, see_message, look, &error), STATUS_OK);
    fixture_end(fixture, view);
    check_look(look, expected);
}

static bool see_body(void *context, const StoredMessage *message)
{
    put(context, "%.*s", STR_ARGS(message->body));
    return false;
}

void assert_body(Fixture *fixture, int64_t seq, const char *expected)
{
    Error error = {0};
    Look *look = look_new();
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_messages(fixture->reader, STR(""), seq - 1, see_body, look, &error), STATUS_OK);
    fixture_end(fixture, view);
    check_look(look, expected);
}

static bool see_answer(void *context, const IdempotencyAnswer *answer)
{
    put(context, "%" PRId64 " %.*s", answer->code, STR_ARGS(answer->answer));
    assert_true(answer->created_us > 0);
    return true;
}

void assert_answer(Fixture *fixture, const char *key, const char *expected)
{
    Error error = {0};
    Look *look = look_new();
    StoreView *view = fixture_begin(fixture);
    Status status = reader_idempotency(fixture->reader, str_from(key), see_answer, look, &error);
    assert_int_equal(status, *expected ? STATUS_OK : STATUS_REFUSED);
    fixture_end(fixture, view);
    check_look(look, expected);
}

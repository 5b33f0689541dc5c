/* What was stored about jobs and organizations, held against the oracle. */
#include <inttypes.h>

#include "sim/handler.h"
#include "sim/world.h"
#include "support/random.h"

#define SECOND_US INT64_C(1000000)

static uint64_t below(World *world, uint64_t limit) { return random_below(&world->onboarding.random, limit); }

#define FAIL(world, ...) story_failf(&(world)->story, __VA_ARGS__)

static void note_taken(World *world, const JobsTake *take, bool by_runner)
{
    Handler *handler = &world->onboarding.handler;
    for (size_t i = 0; i < take->count; i++) {
        SimCall *call = handler_call(world, take->jobs[i].id);
        if (by_runner) {
            call->before = call->body;
            call->body = onboard_call_body(world, &take->jobs[i]);
            call->attempt = take->jobs[i].attempt;
        } else {
            size_t at =
                handler->other_count < HANDLER_OTHERS_MAX ? handler->other_count++ : below(world, HANDLER_OTHERS_MAX);
            handler->others[at] = take->jobs[i];
        }
    }
}

static void check_again(World *world, const JobResult *result, const SimCall *call)
{
    const RunnerOptions *options = &world->machine.runner_options;
    int64_t whole_us = options->backoff_us;
    for (int64_t i = 1; i < call->tried && whole_us < RUNNER_BACKOFF_US_MAX; i++) {
        whole_us *= 2;
    }
    whole_us = whole_us < RUNNER_BACKOFF_US_MAX ? whole_us : RUNNER_BACKOFF_US_MAX;
    int64_t low_us = whole_us / 2 > call->asked_us ? whole_us / 2 : call->asked_us;
    int64_t high_us = (whole_us > call->asked_us ? whole_us : call->asked_us) + SECOND_US;
    int64_t waits_us = result->due_us - call->ended_us;
    if (call->tried >= options->attempts || waits_us < low_us || waits_us > high_us) {
        char is[PLAIN_TEXT_BYTES_MAX], low[PLAIN_TEXT_BYTES_MAX], high[PLAIN_TEXT_BYTES_MAX];
        FAIL(world,
             "job %" PRId64 " is tried again after attempt %" PRId64 " of %" PRId64 ", in %s; right are %s to %s",
             result->id, call->tried, options->attempts, plain_duration(waits_us, is), plain_duration(low_us, low),
             plain_duration(high_us, high));
    }
}

/* What the runner says of a job has to follow from what it was answered. */
static void check_verdict(World *world, const JobResult *result)
{
    const SimCall *call = handler_call(world, result->id);
    if (result->verdict == JOB_VERDICT_COMPLETED && !call->answered) {
        FAIL(world, "job %" PRId64 " is completed, and no call about it was answered with 2xx", result->id);
    }
    if (result->verdict == JOB_VERDICT_FAILED && !call->is_final &&
        call->tried < world->machine.runner_options.attempts) {
        FAIL(world, "job %" PRId64 " has failed after attempt %" PRId64 " of %" PRId64, result->id, call->tried,
             world->machine.runner_options.attempts);
    }
    if (result->verdict == JOB_VERDICT_AGAIN) {
        check_again(world, result, call);
    }
}

static bool is_same_taken(const TakenJob *a, const TakenJob *b)
{
    return a->id == b->id && a->item == b->item && a->organization == b->organization &&
           str_equal(a->batch_id, b->batch_id) && a->attempt == b->attempt && a->token == b->token &&
           a->version == b->version && str_equal(a->content.name, b->content.name) &&
           str_equal(a->content.domain, b->content.domain) &&
           str_equal(a->content.contact_email, b->content.contact_email) &&
           str_equal(a->content.metadata, b->content.metadata);
}

static void check_taken(World *world, const JobsTake *is, const JobsTake *right)
{
    const OnboardTold *wanted = &world->tables.onboard.told;
    if (is->count != wanted->count || is->next_due_us != wanted->next_due_us) {
        FAIL(world, "%zu jobs were taken, and the next is due at %" PRId64 "; right are %zu, %" PRId64, is->count,
             is->next_due_us, wanted->count, wanted->next_due_us);
    }
    for (size_t i = 0; i < is->count; i++) {
        if (!is_same_taken(&is->jobs[i], &right->jobs[i])) {
            FAIL(world,
                 "job %" PRId64 " was taken, attempt %" PRId64 ", token %" PRId64 "; right are %" PRId64 ", %" PRId64
                 ", %" PRId64 ", or its organization is another",
                 is->jobs[i].id, is->jobs[i].attempt, is->jobs[i].token, right->jobs[i].id, right->jobs[i].attempt,
                 right->jobs[i].token);
        }
    }
}

static void check_ended(World *world, const JobsEnd *is, const JobsEnd *right, bool by_runner)
{
    for (size_t i = 0; i < is->count; i++) {
        if (is->results[i].counted != right->results[i].counted) {
            FAIL(world, "what became of job %" PRId64 " was told with token %" PRId64 ": it %s, and should%s",
                 is->results[i].id, is->results[i].token, is->results[i].counted ? "counts" : "counts for nothing",
                 right->results[i].counted ? "" : " not");
        }
        if (by_runner && is->results[i].counted) {
            check_verdict(world, &is->results[i]);
        }
    }
}

static void check_onboarded(World *world, const OnboardChange *is, const OnboardChange *right)
{
    if (is->conflict != world->tables.onboard.told.conflict ||
        memcmp(is->outcomes, right->outcomes, is->count * sizeof *is->outcomes) != 0) {
        FAIL(world, "batch %.*s has conflict %d, right is %d, or other outcomes than it should", STR_ARGS(is->batch_id),
             (int)is->conflict, (int)world->tables.onboard.told.conflict);
    }
}

static void check_told(World *world, const Work *is, const Work *right, bool by_runner)
{
    const OnboardTold *wanted = &world->tables.onboard.told;
    bool is_edit = is->kind == WORK_ORGANIZATION;
    bool is_batch = is->kind == WORK_BATCH_RETRY || is->kind == WORK_BATCH_CANCEL;
    if (is->status != right->status || (is_batch && is->batch.count != wanted->count) ||
        (is_edit && (is->organization.new_version != wanted->new_version ||
                     is->organization.version_differs != wanted->version_differs))) {
        FAIL(world, "work of kind %d on onboarding was told %s (%s), and should be %s, or other numbers", (int)is->kind,
             status_name(is->status), is->error.message, status_name(right->status));
    }
    if (is->kind == WORK_ONBOARD) {
        check_onboarded(world, &is->onboard, &right->onboard);
    } else if (is->kind == WORK_JOBS_TAKE) {
        check_taken(world, &is->jobs_take, &right->jobs_take);
        note_taken(world, &is->jobs_take, by_runner);
    } else if (is->kind == WORK_JOBS_END) {
        check_ended(world, &is->jobs_end, &right->jobs_end, by_runner);
    }
}

static const char *describe(const Work *work, char *text, size_t room)
{
    switch (work->kind) {
    case WORK_ONBOARD:
        snprintf(text, room, "batch %.*s of %zu%s%.*s", STR_ARGS(work->onboard.batch_id), work->onboard.count,
                 work->onboard.answer ? " under key " : "",
                 work->onboard.answer ? (int)work->onboard.answer->key.len : 0,
                 work->onboard.answer ? work->onboard.answer->key.ptr : "");
        break;
    case WORK_JOBS_TAKE: snprintf(text, room, "%zu jobs are taken", work->jobs_take.count); break;
    case WORK_JOBS_END: snprintf(text, room, "%zu jobs end", work->jobs_end.count); break;
    case WORK_ORGANIZATION:
        snprintf(text, room, "organization %" PRId64 " is %s", work->organization.id,
                 organization_action_names[work->organization.action]);
        break;
    default:
        snprintf(text, room, "batch %.*s is %s", STR_ARGS(work->batch.batch_id),
                 work->kind == WORK_BATCH_RETRY ? "tried again" : "called off");
    }
    return text;
}

/* What was unsure never happened when another commit has taken its place; one that may have written nothing has perhaps
 * taken none. */
static bool writes(const Work *work)
{
    bool counted = false;
    for (size_t i = 0; work->kind == WORK_JOBS_END && i < work->jobs_end.count; i++) {
        counted = counted || work->jobs_end.results[i].counted;
    }
    switch (work->kind) {
    case WORK_ONBOARD: return work->status == STATUS_OK;
    case WORK_JOBS_TAKE: return work->jobs_take.count > 0;
    case WORK_JOBS_END: return counted;
    case WORK_ORGANIZATION: return work->status == STATUS_OK && work->organization.action != ORGANIZATION_UPDATED;
    default: return work->batch.count > 0;
    }
}

void handler_told(World *world, const Work *work, Status status, const Error *error, bool by_runner)
{
    char text[512];
    if (status != STATUS_OK) {
        story_tell(&world->story, "%s: fails: %s, %s", describe(work, text, sizeof text), status_name(status),
                   error->message);
        faults_check_failure(world, status, error->message);
        if (status == STATUS_UNKNOWN) {
            clients_add_unsure(world, work);
        }
        return;
    }
    story_tell(&world->story, "%s%s: %s", by_runner ? "the runner: " : "", describe(work, text, sizeof text),
               status_name(work->status));
    bool changed = onboard_begin_commit(world, world->machine.clock.looked_us) || writes(work);
    if ((changed && sim_disk_is_frozen(world->machine.disk)) || world->faults.log_sync_failed) {
        FAIL(world, "it was stored after the power was cut, or after a failed sync");
    }
    if (changed) {
        clients_forget_unsure(world);
    }
    Work *right = tables_keep_work(world, work);
    right->status = tables_apply(world, right);
    check_told(world, work, right, by_runner);
    tables_free_work(right);
}

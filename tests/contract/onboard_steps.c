#include "onboard_steps.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define FAR_US   INT64_C(4102444800000000) /* in 2100: what is tried again then is not due meanwhile */
#define LEASE_US INT64_C(300000000)

enum { TAKE = 2, END = 3, ANSWER_BYTES_MAX = 64 };

static const OrganizationContent first[] = {
    {.name = {"A", 1}, .domain = {"a.example", 9}, .contact_email = {"a@a.example", 11}, .metadata = {"{\"n\":1}", 7}},
    {.name = {"B", 1}, .domain = {"b.example", 9}, .contact_email = {"b@b.example", 11}},
    {.name = {"C", 1}, .domain = {"c.example", 9}, .contact_email = {"c@c.example", 11}},
};
static const OrganizationContent second[] = {
    {.name = {"A2", 2}, .domain = {"a.example", 9}, .contact_email = {"a@a.example", 11}},
    {.name = {"D", 1}, .domain = {"d.example", 9}, .contact_email = {"d@d.example", 11}},
};
static const int64_t items[] = {0, 2, 5};

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

static void say(void *self, OnboardChange *change)
{
    static const char *const names[] = {"-", "created", "updated", "skipped", "exists"};
    static char text[ANSWER_BYTES_MAX];
    (void)self;
    size_t len = 0;
    for (size_t i = 0; i < change->count; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s ", names[change->outcomes[i]]);
    }
    change->answer->code = 202;
    change->answer->answer = (Str){text, len};
}

static Work batch(OnboardStep *step, Str id, const OrganizationContent *content, size_t count, OnDuplicate on_duplicate)
{
    return (Work){.kind = WORK_ONBOARD,
                  .onboard = {.batch_id = id,
                              .content = content,
                              .items = items,
                              .outcomes = step->outcomes,
                              .count = count,
                              .on_duplicate = on_duplicate,
                              .who = STR("api")}};
}

static void put_key(OnboardStep *step, Str key)
{
    step->answer = (IdempotencyAnswer){.key = key, .body_hash = {7}};
    step->works[0].onboard.answer = &step->answer;
    step->works[0].onboard.say = say;
}

static Work edit(int64_t id, OrganizationAction action, Str name)
{
    return (Work){.kind = WORK_ORGANIZATION,
                  .organization = {.id = id, .action = action, .content = {.name = name}, .who = STR("anna")}};
}

static Work take(OnboardStep *step)
{
    return (Work){
        .kind = WORK_JOBS_TAKE,
        .jobs_take = {.limit = ONBOARD_STEP_JOBS, .lease_us = LEASE_US, .arena = &step->texts, .jobs = step->jobs}};
}

/* One after the other is completed, fails, and is to be tried again, whoever took them when. */
static Work end(OnboardStep *step, const OnboardStep *taken)
{
    static const JobVerdict verdicts[] = {JOB_VERDICT_COMPLETED, JOB_VERDICT_FAILED, JOB_VERDICT_AGAIN};
    size_t count = taken ? taken->works[0].jobs_take.count : 0;
    for (size_t i = 0; i < count; i++) {
        step->results[i] = (JobResult){.id = taken->jobs[i].id,
                                       .token = taken->jobs[i].token,
                                       .verdict = verdicts[taken->jobs[i].id % 3],
                                       .due_us = FAR_US,
                                       .error = STR("no")};
    }
    return (Work){.kind = WORK_JOBS_END, .jobs_end = {.results = step->results, .count = count, .announce = true}};
}

static Work change(WorkKind kind, Str id) { return (Work){.kind = kind, .batch = {.batch_id = id}}; }

void onboard_step_make(OnboardStep *step, int number, const OnboardStep *taken)
{
    *step = (OnboardStep){.number = number};
    arena_init(&step->texts, 4096, 1 << 20);
    Work *work = &step->works[0];
    switch (number) {
    case 0: *work = batch(step, STR("b1"), first, 3, ON_DUPLICATE_UPDATE); break;
    case 1: *work = batch(step, STR("b2"), second, 2, ON_DUPLICATE_UPDATE); break;
    case TAKE: *work = take(step); break;
    case END: *work = end(step, taken); break;
    case 4: *work = edit(2, ORGANIZATION_UPDATED, STR("B2")); break;
    case 5: *work = change(WORK_BATCH_RETRY, STR("b1")); break;
    case 6: *work = batch(step, STR("b3"), second, 2, ON_DUPLICATE_SKIP); break;
    case 7: *work = batch(step, STR("b4"), first, 3, ON_DUPLICATE_FAIL); break;
    case 8: *work = change(WORK_BATCH_CANCEL, STR("b1")); break;
    case 9: *work = edit(1, ORGANIZATION_DELETED, (Str){0}); break;
    case 10:
        *work = batch(step, STR("b5"), first, 3, ON_DUPLICATE_UPDATE);
        work->onboard.complete = true;
        break;
    default: *work = edit(4, ORGANIZATION_DELETED, (Str){0}); break;
    }
    if (number == 0 || number == 6 || number == 7) {
        put_key(step, number == 0 ? STR("key-1") : number == 6 ? STR("key-2") : STR("key-3"));
    }
    if (number == 4) { /* with another one, which is nobody's */
        step->works[1] = edit(99, ORGANIZATION_UPDATED, STR("nobody"));
        step->works[0].next = &step->works[1];
    }
}

void onboard_step_release(OnboardStep *step) { arena_release(&step->texts); }

bool onboard_step_takes(int number) { return number == TAKE; }
bool onboard_step_ends(int number) { return number == END; }

bool onboard_step_is_right(const OnboardStep *step, bool again)
{
    const Work *work = &step->works[0];
    switch (work->kind) {
    case WORK_ONBOARD: {
        bool exists = step->number == 7;
        OnboardConflict right = exists  ? ONBOARD_CONFLICT_DOMAINS
                                : again ? ONBOARD_CONFLICT_BATCH
                                        : ONBOARD_CONFLICT_NONE;
        return work->status == (right ? STATUS_CONFLICT : STATUS_OK) && work->onboard.conflict == right;
    }
    case WORK_ORGANIZATION: {
        bool is_gone = again && work->organization.action == ORGANIZATION_DELETED;
        return work->status == (is_gone ? STATUS_REFUSED : STATUS_OK) &&
               (!work->next || work->next->status == STATUS_REFUSED);
    }
    case WORK_BATCH_RETRY:
    case WORK_BATCH_CANCEL: return work->status == STATUS_OK && (work->batch.count > 0) == !again;
    default: return work->status == STATUS_OK;
    }
}

/* ---- What is kept ------------------------------------------------------------------------------------------------ */

typedef struct Digest {
    char *text;
    size_t len;
} Digest;

static void put(Digest *digest, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(Digest *digest, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (digest->len < ONBOARD_DIGEST_BYTES) {
        digest->len += (size_t)vsnprintf(digest->text + digest->len, ONBOARD_DIGEST_BYTES - digest->len, format, args);
    }
    va_end(args);
}

static bool see_batch(void *context, const StoredBatch *stored)
{
    const int64_t *jobs = stored->jobs;
    int64_t open = jobs[JOB_PENDING] + jobs[JOB_PROCESSING];
    put(context, "%.*s=%" PRId64 "/%" PRId64 "/%" PRId64 "/%" PRId64 "%s ", STR_ARGS(stored->id), open,
        jobs[JOB_COMPLETED], jobs[JOB_FAILED], jobs[JOB_CANCELLED], stored->finished_us ? "!" : "");
    if (open + jobs[JOB_COMPLETED] + jobs[JOB_FAILED] + jobs[JOB_CANCELLED] != stored->total) {
        put(context, "which is not %" PRId64 " ", stored->total);
    }
    return true;
}

static bool see_job(void *context, const StoredJob *job)
{
    static const char letters[] = "oocfx";
    put(context, "%c", letters[job->state]);
    return true;
}

static bool see_organization(void *context, const StoredOrganization *organization)
{
    put(context, " %s%.*s#%" PRId64, organization->deleted_us ? "!" : "", STR_ARGS(organization->content.name),
        organization->version);
    return true;
}

static bool see_change(void *context, const OrganizationChange *changed)
{
    put(context, "%c%" PRId64, organization_action_names[changed->action][0], changed->version);
    return true;
}

static bool see_message(void *context, const StoredMessage *message)
{
    enum { END_BYTES = 4 };
    put(context, " %.*s", END_BYTES, message->kind.ptr + message->kind.len - END_BYTES);
    return true;
}

static bool see_letter(void *context, const DeadLetter *letter)
{
    put(context, " %.*s:%d", STR_ARGS(letter->place), (int)letter->state);
    return true;
}

static bool see_answer(void *context, const IdempotencyAnswer *answer)
{
    put(context, " %.*s: %.*s", STR_ARGS(answer->key), STR_ARGS(answer->answer));
    return true;
}

static Status read_answers(StoreReader *reader, Digest *digest, Error *reterr)
{
    static const char *const keys[] = {"key-1", "key-2", "key-3"};
    Status status = STATUS_OK;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && status == STATUS_OK; i++) {
        status = reader_idempotency(reader, str_from(keys[i]), see_answer, digest, reterr);
        status = status == STATUS_REFUSED ? STATUS_OK : status;
    }
    return status;
}

static Status read_organizations(StoreReader *reader, Digest *digest, Error *reterr)
{
    OrganizationFilter filter = ORGANIZATION_FILTER_ALL;
    Status status = reader_organizations(reader, &filter, see_organization, digest, reterr);
    filter.deleted = true;
    if (status == STATUS_OK) {
        status = reader_organizations(reader, &filter, see_organization, digest, reterr);
    }
    for (int64_t id = 1; id <= 4 && status == STATUS_OK; id++) {
        put(digest, " ");
        status = reader_organization_changes(reader, id, 0, see_change, digest, reterr);
    }
    return status;
}

static Status read_parts(StoreReader *reader, Digest *digest, Error *reterr)
{
    const DeadLetterFilter letters = DEAD_LETTER_FILTER_ALL;
    const JobFilter jobs = JOB_FILTER_ALL;
    const BatchFilter batches = {0};
    Status status = reader_batches(reader, &batches, see_batch, digest, reterr);
    if (status == STATUS_OK) {
        status = reader_jobs(reader, &jobs, see_job, digest, reterr);
    }
    if (status == STATUS_OK) {
        status = read_organizations(reader, digest, reterr);
    }
    if (status == STATUS_OK) {
        status = reader_dead_letters(reader, &letters, see_letter, digest, reterr);
    }
    if (status == STATUS_OK) {
        status = read_answers(reader, digest, reterr);
    }
    return status == STATUS_OK ? reader_messages(reader, STR(""), 0, see_message, digest, reterr) : status;
}

Status onboard_digest(StoreReader *reader, char ret_digest[ONBOARD_DIGEST_BYTES], Error *reterr)
{
    Digest digest = {.text = ret_digest};
    StoreView *view = NULL;
    Status status = reader_begin(reader, &view, reterr);
    ret_digest[0] = '\0';
    if (status == STATUS_OK) {
        status = read_parts(reader, &digest, reterr);
        reader_end(reader);
    }
    view_free(view);
    return status;
}

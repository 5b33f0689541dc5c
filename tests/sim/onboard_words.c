/* What is said of organizations and batches, spelled out. The texts of the simulated world need no escapes in JSON. */
#include <inttypes.h>
#include <stdarg.h>

#include "sim/onboard_model.h"
#include "sim/world.h"
#include "support/need.h"

enum { WORDS_BYTES_MAX = 4096 };

typedef struct Words {
    char text[WORDS_BYTES_MAX];
    size_t len;
} Words;

static void put(Words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(Words *words, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(words->text + words->len, sizeof words->text - words->len, format, args);
    va_end(args);
    if (len < 0 || (words->len += (size_t)len) >= sizeof words->text) {
        abort(); /* the simulated world says nothing so long */
    }
}

static Str keep(World *world, const Words *words)
{
    Str kept = arena_copy(&world->workload.texts, (Str){words->text, words->len});
    need((void *)(uintptr_t)kept.ptr);
    return kept;
}

static const char *const states[] = {"pending", "processing", "completed", "failed", "cancelled"};

static void put_content(Words *words, int64_t id, const OrganizationContent *content)
{
    put(words, "\"id\":%" PRId64 ",\"domain\":\"%.*s\",\"name\":\"%.*s\",\"contact_email\":\"%.*s\",\"metadata\":%.*s",
        id, STR_ARGS(content->domain), STR_ARGS(content->name), STR_ARGS(content->contact_email),
        content->metadata.len ? (int)content->metadata.len : 4, content->metadata.len ? content->metadata.ptr : "null");
}

static void put_time(Words *words, const char *name, int64_t time_us)
{
    char text[PLAIN_TEXT_BYTES_MAX];
    if (time_us) {
        put(words, ",\"%s\":\"%s\"", name, plain_time(time_us, text));
    }
}

Str onboard_organization_body(World *world, const StoredOrganization *organization, JobState status,
                              const StoredJob *job)
{
    Words words = {.len = 0};
    put(&words, "{\"organization\":{");
    put_content(&words, organization->id, &organization->content);
    put(&words, ",\"status\":\"%s\",\"version\":%" PRId64, states[status], organization->version);
    put_time(&words, "created", organization->created_us);
    put_time(&words, "updated", organization->updated_us);
    put_time(&words, "deleted", organization->deleted_us);
    if (!job) {
        put(&words, "},\"batch_id\":null,\"job\":null}");
        return keep(world, &words);
    }
    put(&words, "},\"batch_id\":\"%.*s\",\"job\":{\"id\":%" PRId64 ",\"item\":%" PRId64, STR_ARGS(job->batch_id),
        job->id, job->item);
    put(&words, ",\"status\":\"%s\",\"attempts\":%" PRId64, states[job->state], job->attempts);
    if (job->error.len) {
        put(&words, ",\"error\":\"%.*s\"", STR_ARGS(job->error));
    }
    put(&words, "}}");
    return keep(world, &words);
}

Str onboard_batch_body(World *world, const StoredBatch *batch)
{
    Words words = {.len = 0};
    put(&words, "{\"batch\":{\"batch_id\":\"%.*s\",\"total\":%" PRId64, STR_ARGS(batch->id), batch->total);
    for (size_t i = 0; i < JOB_STATE_COUNT; i++) {
        put(&words, ",\"%s\":%" PRId64, states[i], batch->jobs[i]);
    }
    put_time(&words, "created", batch->created_us);
    put_time(&words, "started", batch->started_us);
    put_time(&words, "finished", batch->finished_us);
    put(&words, "}}");
    return keep(world, &words);
}

Str onboard_call_body(World *world, const TakenJob *taken)
{
    Words words = {.len = 0};
    put(&words, "{\"organization\":{");
    put_content(&words, taken->organization, &taken->content);
    put(&words, ",\"version\":%" PRId64 "},\"batch_id\":\"%.*s\",\"job\":%" PRId64 ",\"attempt\":%" PRId64 "}",
        taken->version, STR_ARGS(taken->batch_id), taken->id, taken->attempt);
    return keep(world, &words);
}

static void put_difference(Words *words, const char *name, Str before, Str after, bool is_json)
{
    const char *quote = is_json ? "" : "\"";
    if (is_json) {
        before = before.len ? before : STR("null");
        after = after.len ? after : STR("null");
    }
    if (!str_equal(before, after)) {
        put(words, "%s\"%s\":[%s%.*s%s,%s%.*s%s]", words->len > 1 ? "," : "", name, quote, STR_ARGS(before), quote,
            quote, STR_ARGS(after), quote);
    }
}

Str onboard_differences(World *world, const OrganizationContent *before, const OrganizationContent *after)
{
    Words words = {.len = 0};
    put(&words, "{");
    put_difference(&words, "name", before->name, after->name, false);
    put_difference(&words, "domain", before->domain, after->domain, false);
    put_difference(&words, "contact_email", before->contact_email, after->contact_email, false);
    put_difference(&words, "metadata", before->metadata, after->metadata, true);
    put(&words, "}");
    return keep(world, &words);
}

Str onboard_answer_text(World *world, Str batch_id, const OnboardOutcome *outcomes, size_t count)
{
    Words words = {.len = 0};
    put(&words, "{\"batch_id\":\"%.*s\",\"outcomes\":\"", STR_ARGS(batch_id));
    for (size_t i = 0; i < count; i++) {
        put(&words, "%c", (char)('a' + (int)outcomes[i]));
    }
    put(&words, "\"}");
    return keep(world, &words);
}

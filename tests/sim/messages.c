#include "sim/messages.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim/world.h"
#include "support/need.h"

static void check_record(const Expect *expect, yyjson_val *message, int64_t seq, const Record *right)
{
    yyjson_val *record = expect_member(expect, message, "record");
    expect_size(expect, record, 9);
    expect_int(expect, record, "id", seq);
    expect_text(expect, record, "record_id", right->record_id);
    expect_time(expect, record, "time", right->time_us);
    expect_text(expect, record, "source_id", right->source_id);
    expect_text(expect, record, "destination_id", right->destination_id);
    expect_text(expect, record, "type", right->type == RECORD_POSITIVE ? STR("positive") : STR("negative"));
    expect_decimal(expect, record, "value", right->value);
    expect_text(expect, record, "unit", right->unit);
    expect_text(expect, record, "reference", right->reference);
}

static void check_notification(const Expect *expect, yyjson_val *message, int64_t seq, const ModelEntry *right)
{
    const ModelTotals *before = &right->before;
    expect_size(expect, message, 2);
    check_record(expect, message, seq, &right->record);
    yyjson_val *summary = expect_member(expect, message, "summary");
    expect_size(expect, summary, 10);
    expect_text(expect, summary, "destination_id", right->record.destination_id);
    expect_text(expect, summary, "reference", right->record.reference);
    expect_text(expect, summary, "unit", right->record.unit);
    expect_int(expect, summary, "count", before->positive_count + before->negative_count);
    expect_decimal(expect, summary, "total_value", before->positive + before->negative);
    expect_decimal(expect, summary, "net_value", before->positive - before->negative);
    expect_int(expect, summary, "positive_count", before->positive_count);
    expect_int(expect, summary, "negative_count", before->negative_count);
    expect_decimal(expect, summary, "positive_total", before->positive);
    expect_decimal(expect, summary, "negative_total", -before->negative);
}

static void check_alert(const Expect *expect, const Model *model, yyjson_val *message, const ModelEntry *right)
{
    char text[PLAIN_TEXT_BYTES_MAX];
    bool of_total = right->rule.measure != RULE_VALUE;
    expect_size(expect, message, of_total ? 6 : 5);
    check_record(expect, message, right->about, &model_at(model, right->about)->record);
    expect_text(expect, message, "rule", right->rule.name);
    if (of_total) {
        expect_text(expect, message, "measure",
                    right->rule.measure == RULE_TOTAL_VALUE ? STR("total_value") : STR("net_value"));
    }
    expect_number(expect, message, "threshold", plain_decimal(right->rule.threshold, expect->scale, text));
    expect_number(expect, message, "exceeded_by", plain_decimal(right->exceeded_by, expect->scale, text));
    expect_text(expect, message, "severity", str_from(right->severity));
}

/* When it was made, the store alone knows. */
static void check_notice(const Expect *expect, yyjson_val *message, const ModelNotice *right)
{
    expect_size(expect, message, 1);
    yyjson_val *letter = expect_member(expect, message, "dead_letter");
    expect_size(expect, letter, 7);
    expect_int(expect, letter, "id", right->id);
    expect_text(expect, letter, "stage", right->seq ? STR("delivery") : right->batch.len ? STR("job") : STR("intake"));
    if (right->seq) {
        expect_text(expect, letter, "sink", right->sink);
        expect_int(expect, letter, "seq", right->seq);
    } else {
        expect_text(expect, letter, right->batch.len ? "batch_id" : "source",
                    right->batch.len ? right->batch : right->source);
        expect_text(expect, letter, "place", right->place);
    }
    expect_text(expect, letter, "error", right->error);
    expect_int(expect, letter, "attempts", right->attempts);
    expect_member(expect, letter, "created");
}

void messages_check(World *world, int64_t seq, yyjson_val *message)
{
    static const char *const names[] = {"notification", "alert", "notice", "message"};
    const ModelEntry *entry = model_at(&world->model, seq);
    char what[64];
    snprintf(what, sizeof what, "%s %" PRId64, names[entry->kind], seq);
    Expect expect = {.story = &world->story, .what = what, .scale = world->workload.scale};
    switch (entry->kind) {
    case MODEL_RECORD: check_notification(&expect, message, seq, entry); break;
    case MODEL_ALERT: check_alert(&expect, &world->model, message, entry); break;
    default: check_notice(&expect, message, &entry->notice);
    }
}

/* It was spelled out when it became due. */
static void check_told(World *world, const char *what, const ModelEntry *entry, Str body)
{
    char expected[512], found[512];
    if (!str_equal(body, entry->body)) {
        snprintf(expected, sizeof expected, "%.*s", STR_ARGS(entry->body));
        snprintf(found, sizeof found, "%.*s", STR_ARGS(body));
        story_fail(&world->story, what, expected, found);
    }
}

/* ---- As bytes ---------------------------------------------------------------------------------------------------- */

void messages_release(Messages *messages)
{
    free(messages->hashes);
    *messages = (Messages){0};
}

void messages_rewound(Messages *messages, int64_t last_seq)
{
    messages->count = messages->count < (size_t)last_seq + 1 ? messages->count : (size_t)last_seq + 1;
}

static uint64_t hash_of(Str text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
    }
    return hash ? hash : 1;
}

/* The place of what is known of a message's bytes; 0 there for nothing. */
static uint64_t *slot_of(Messages *messages, int64_t seq)
{
    size_t wanted = (size_t)seq + 1;
    messages->hashes = need_room(messages->hashes, &messages->room, wanted, sizeof *messages->hashes);
    while (messages->count < wanted) {
        messages->hashes[messages->count++] = 0;
    }
    return &messages->hashes[seq];
}

void messages_check_bytes(World *world, int64_t seq, Str body)
{
    uint64_t *slot = slot_of(&world->messages, seq), hash = hash_of(body);
    char what[64];
    snprintf(what, sizeof what, "the body of message %" PRId64, seq);
    if (model_at(&world->model, seq)->kind == MODEL_TOLD) {
        check_told(world, what, model_at(&world->model, seq), body);
        return;
    }
    if (*slot && *slot != hash) {
        story_fail(&world->story, what, "the bytes that it had before", "others");
    }
    if (!*slot) {
        Expect expect = {.story = &world->story, .what = what, .scale = world->workload.scale};
        yyjson_doc *doc = expect_json(&expect, body);
        messages_check(world, seq, yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
        *slot = hash;
    }
}

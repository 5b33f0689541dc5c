#include "sim/question.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/need.h"
#include "support/random.h"

void question_everything(Question *question)
{
    bool descending = question->descending;
    *question = (Question){.type = -1, .descending = descending, .keys = {QUESTION_DESTINATION}, .key_count = 1};
}

static Str draw_one(uint64_t *random, const WorkloadTexts *texts, unsigned percent)
{
    return random_below(random, 100) < percent ? texts->items[random_below(random, texts->count)] : (Str){NULL, 0};
}

/* Most often where there are records, and now and then to the microsecond of one. */
static int64_t draw_bound(uint64_t *random, const Workload *workload, int64_t now_us)
{
    const int64_t hour_us = INT64_C(3600000000);
    if (workload->seen_count > 0 && random_below(random, 2)) {
        return workload->seen[random_below(random, workload->seen_count)].time_us;
    }
    int64_t time_us =
        now_us + hour_us - (int64_t)random_below(random, (uint64_t)workload->spread_us + 2 * (uint64_t)hour_us);
    return random_below(random, 2) ? time_us - time_us % hour_us : time_us;
}

static void draw_times(Question *question, uint64_t *random, const Workload *workload, int64_t now_us)
{
    question->has_start = random_below(random, 100) < 50;
    question->has_end = random_below(random, 100) < 50;
    question->start_us = draw_bound(random, workload, now_us);
    question->end_us = draw_bound(random, workload, now_us);
    if (question->has_start && question->has_end && question->start_us > question->end_us) {
        int64_t start_us = question->end_us;
        question->end_us = question->start_us;
        question->start_us = start_us;
    }
}

static void draw_groups(Question *question, uint64_t *random)
{
    static const char *const windows[] = {"minute", "hour", "day", "week", "month"};
    unsigned taken = 0;
    question->key_count = random_below(random, 3);
    for (size_t i = 0; i < question->key_count; i++) {
        QuestionKey key;
        do {
            key = (QuestionKey)random_below(random, QUESTION_KEYS_MAX);
        } while (taken & 1u << key);
        taken |= 1u << key;
        question->keys[i] = key;
    }
    question->window = random_below(random, 100) < 30 ? windows[random_below(random, 5)] : NULL;
    question->extremes = random_below(random, 2);
    question->percentiles = random_below(random, 100) < 20;
}

/* A flow by its three keys is found in a way of its own; three texts by chance are a flow too seldom. */
static void draw_flow(Question *question, uint64_t *random, const Workload *workload)
{
    if (workload->seen_count > 0 && random_below(random, 100) < 25) {
        const Record *record = &workload->seen[random_below(random, workload->seen_count)];
        question->destination = record->destination_id;
        question->reference = record->reference;
        question->unit = record->unit;
    }
}

void question_draw(Question *question, uint64_t *random, const Workload *workload, int64_t now_us)
{
    question_everything(question);
    question->is_aggregate = random_below(random, 100) < 60;
    draw_times(question, random, workload, now_us);
    question->type = random_below(random, 100) < 20 ? (int)random_below(random, 2) : -1;
    question->destination = draw_one(random, &workload->destinations, 25);
    question->source = draw_one(random, &workload->sources, 10);
    question->reference = draw_one(random, &workload->references, 10);
    question->unit = draw_one(random, &workload->units, 15);
    if (question->is_aggregate) {
        question->records = random_below(random, 100) < 15;
        draw_groups(question, random);
    } else {
        draw_flow(question, random, workload);
        question->descending = random_below(random, 2);
        question->limit = random_below(random, 2) ? 1 + random_below(random, 60) : 0;
    }
}

/* ---- As parameters ----------------------------------------------------------------------------------------------- */

const char *question_key_name(QuestionKey key)
{
    static const char *const names[] = {"destinationId", "sourceId", "reference", "type", "unit"};
    return names[key];
}

static char *add_room(QuestionParams *params, const char *name)
{
    char *room = params->room[params->used++];
    params->items[params->count++] = (QueryParam){.name = str_from(name), .value = {room, 0}};
    room[0] = '\0';
    return room;
}

static void end_room(QuestionParams *params)
{
    params->items[params->count - 1].value.len = strlen(params->room[params->used - 1]);
}

static void add_text(QuestionParams *params, const char *name, Str text)
{
    if (text.len > 0) {
        params->items[params->count++] = (QueryParam){.name = str_from(name), .value = text};
    }
}

static void add_time(QuestionParams *params, const char *name, int64_t time_us)
{
    plain_time(time_us, add_room(params, name));
    end_room(params);
}

static void add_groups(const Question *question, QuestionParams *params)
{
    char *keys = add_room(params, "groupBy");
    for (size_t i = 0; i < question->key_count; i++) {
        size_t len = strlen(keys);
        snprintf(keys + len, sizeof params->room[0] - len, "%s%s", i ? "," : "", question_key_name(question->keys[i]));
    }
    end_room(params);
    add_text(params, "records", question->records ? STR("true") : STR("false"));
    if (question->window) {
        add_text(params, "window", str_from(question->window));
    }
    char *measures = add_room(params, "measures");
    snprintf(measures, sizeof params->room[0], "sum,count%s%s", question->extremes ? ",min,max,avg" : "",
             question->percentiles ? ",p50,p95,p99" : "");
    end_room(params);
}

void question_params(const Question *question, QuestionParams *ret_params)
{
    ret_params->count = ret_params->used = 0;
    if (question->has_start) {
        add_time(ret_params, "startTime", question->start_us);
    }
    if (question->has_end) {
        add_time(ret_params, "endTime", question->end_us);
    }
    if (question->type >= 0) {
        add_text(ret_params, "type", question->type == RECORD_POSITIVE ? STR("positive") : STR("negative"));
    }
    add_text(ret_params, "sourceId", question->source);
    add_text(ret_params, "destinationId", question->destination);
    add_text(ret_params, "reference", question->reference);
    add_text(ret_params, "unit", question->unit);
    if (question->is_aggregate) {
        add_groups(question, ret_params);
        return;
    }
    add_text(ret_params, "order", question->descending ? STR("desc") : STR("asc"));
    if (question->limit > 0) {
        snprintf(add_room(ret_params, "limit"), sizeof ret_params->room[0], "%zu", question->limit);
        end_room(ret_params);
    }
}

void question_put(const Question *question, char *ret_text, size_t room)
{
    QuestionParams params;
    question_params(question, &params);
    int len = snprintf(ret_text, room, "%s?", question->is_aggregate ? "aggregate" : "records");
    for (size_t i = 0; i < params.count && (size_t)len < room; i++) {
        len += snprintf(ret_text + len, room - (size_t)len, "%s%.*s=%.*s", i ? "&" : "", STR_ARGS(params.items[i].name),
                        STR_ARGS(params.items[i].value));
    }
}

/* ---- Answered ---------------------------------------------------------------------------------------------------- */

static bool text_is_wanted(Str wanted, Str text) { return wanted.len == 0 || str_equal(wanted, text); }

bool question_matches(const Question *question, const Record *record)
{
    return (!question->has_start || record->time_us >= question->start_us) &&
           (!question->has_end || record->time_us <= question->end_us) &&
           (question->type < 0 || question->type == (int)record->type) &&
           text_is_wanted(question->source, record->source_id) &&
           text_is_wanted(question->destination, record->destination_id) &&
           text_is_wanted(question->reference, record->reference) && text_is_wanted(question->unit, record->unit);
}

int64_t *question_seqs(const Question *question, Model *model, int64_t bound, size_t *ret_count)
{
    size_t timed = 0, count = 0;
    const ModelTimed *by_time = model_by_time(model, &timed);
    int64_t *seqs = need(calloc(timed + 1, sizeof *seqs));
    for (size_t i = 0; i < timed; i++) {
        int64_t seq = by_time[question->descending ? timed - 1 - i : i].seq;
        if (seq <= bound && question_matches(question, &model_at(model, seq)->record)) {
            seqs[count++] = seq;
        }
    }
    *ret_count = count;
    return seqs;
}

Str question_key_text(QuestionKey key, const Record *record)
{
    switch (key) {
    case QUESTION_DESTINATION: return record->destination_id;
    case QUESTION_SOURCE: return record->source_id;
    case QUESTION_REFERENCE: return record->reference;
    case QUESTION_TYPE: return record->type == RECORD_POSITIVE ? STR("positive") : STR("negative");
    default: return record->unit;
    }
}

#include "sim/workload.h"

#include <stdio.h>
#include <stdlib.h>

#include "support/need.h"
#include "support/random.h"

#define SECOND_US INT64_C(1000000)
#define HOUR_US   (3600 * SECOND_US)
#define YEAR_US   (INT64_C(31556952) * SECOND_US)
#define FIRST_US  INT64_C(-62135596800000000) /* 0001-01-01T00:00:00Z */
#define LAST_US   INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999Z */

static uint64_t below(Workload *workload, uint64_t limit) { return random_below(&workload->random, limit); }

static bool percent(Workload *workload, unsigned chance) { return below(workload, 100) < chance; }

static Str keep_text(Workload *workload, const char *text)
{
    Str kept = arena_copy(&workload->texts, str_from(text));
    need((void *)(uintptr_t)kept.ptr);
    return kept;
}

/* ---- Texts ------------------------------------------------------------------------------------------------------- */

/* 255 code points, the most that a text may have. */
static Str long_text(Workload *workload, const char *kind, uint64_t number)
{
    char text[RECORD_TEXT_CODE_POINTS_MAX * 4 + 1];
    size_t len = (size_t)snprintf(text, sizeof text, "%s-%llu-", kind, (unsigned long long)number);
    for (size_t points = len; points < RECORD_TEXT_CODE_POINTS_MAX; points++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s", points % 2 ? "\U0001F4A7" : "\u00e9");
    }
    return keep_text(workload, text);
}

static Str draw_text(Workload *workload, const char *kind, uint64_t number)
{
    char text[64];
    unsigned long long n = number;
    switch (workload->odd_texts ? below(workload, 8) : 0) {
    case 1: snprintf(text, sizeof text, "%s/%llu?&=%%", kind, n); break;
    case 2: snprintf(text, sizeof text, "\"%s\\%llu\"\n", kind, n); break;
    case 3: snprintf(text, sizeof text, "%s %llu\u00e9\u4e2d", kind, n); break;
    case 4: snprintf(text, sizeof text, "%s,%llu;\t'x'", kind, n); break;
    case 5: snprintf(text, sizeof text, "\x01%s\x7f%llu", kind, n); break;
    case 6: return long_text(workload, kind, number);
    default: snprintf(text, sizeof text, "%s-%llu", kind, n);
    }
    return keep_text(workload, text);
}

static void draw_texts(Workload *workload, WorkloadTexts *texts, const char *kind, size_t most)
{
    texts->count = 1 + below(workload, most);
    for (size_t i = 0; i < texts->count; i++) {
        texts->items[i] = draw_text(workload, kind, i);
    }
}

/* Half of the time the first few, which makes a few flows hot and leaves many with a record or two. */
static Str pick(Workload *workload, const WorkloadTexts *texts)
{
    uint64_t among = percent(workload, 50) ? 1 + texts->count / 8 : texts->count;
    return texts->items[below(workload, among)];
}

/* ---- The kind of traffic ----------------------------------------------------------------------------------------- */

void workload_init(Workload *workload, uint64_t seed)
{
    static const size_t totals[] = {60, 300, 600, 1000, 2500, 6000};
    static const int64_t values[] = {100, 10000, 100000, RECORD_VALUE_MAX};
    *workload = (Workload){.random = seed, .seen_capacity = 1024};
    workload->seen = need(calloc(workload->seen_capacity, sizeof *workload->seen));
    arena_init(&workload->texts, 65536, SIZE_MAX);
    workload->identity = percent(workload, 60) ? IDENTITY_RECORD_ID : (RecordIdentity)below(workload, 3);
    workload->scale = percent(workload, 70) ? 2 : (unsigned)below(workload, 7);
    workload->odd_texts = percent(workload, 20);
    draw_texts(workload, &workload->sources, "source", 8);
    draw_texts(workload, &workload->destinations, "dest", WORKLOAD_TEXTS_MAX);
    draw_texts(workload, &workload->references, "ref", WORKLOAD_TEXTS_MAX);
    draw_texts(workload, &workload->units, "U", 4);
    draw_texts(workload, &workload->rule_names, "rule", 12);
    workload->repeat_percent = (unsigned)below(workload, 60);
    workload->change_percent = (unsigned)below(workload, 40);
    workload->atomic_percent = (unsigned)below(workload, 20);
    workload->dry_run_percent = (unsigned)below(workload, 15);
    workload->rule_percent = (unsigned)below(workload, 20);
    workload->hashes = percent(workload, 85) ? 0 : 1 + below(workload, 300);
    workload->is_large = workload->hashes == 0 && below(workload, 60) == 0;
    workload->records_left = workload->is_large ? 40000 : totals[below(workload, sizeof totals / sizeof *totals)];
    workload->records_max = workload->is_large ? 600 : 1 + below(workload, percent(workload, 30) ? 200 : 20);
    workload->burst_records_max = percent(workload, 30) ? 3000 : 300;
    workload->value_typical = values[below(workload, sizeof values / sizeof *values)];
    workload->spread_us = percent(workload, 50) ? HOUR_US : 60 * 24 * HOUR_US;
}

void workload_release(Workload *workload)
{
    free(workload->seen);
    arena_release(&workload->texts);
}

/* ---- Records ----------------------------------------------------------------------------------------------------- */

static int64_t draw_time(Workload *workload, int64_t now_us)
{
    int64_t time_us = now_us - (int64_t)below(workload, (uint64_t)workload->spread_us);
    switch (below(workload, 20)) {
    case 0: return now_us + (int64_t)below(workload, 3 * YEAR_US);
    case 1: return now_us - (int64_t)below(workload, 80 * YEAR_US);
    case 2: return below(workload, 2) ? FIRST_US : LAST_US;
    case 3: return FIRST_US + (int64_t)below(workload, (uint64_t)(LAST_US - FIRST_US));
    case 4:
    case 5: return time_us - time_us % HOUR_US; /* many share it, and it is where windows begin */
    case 6: return time_us - time_us % HOUR_US - 1;
    case 7:
    case 8: return time_us - time_us % SECOND_US;
    default: return time_us;
    }
}

static int64_t draw_value(Workload *workload)
{
    switch (below(workload, 40)) {
    case 0: return 0;
    case 1: return RECORD_VALUE_MAX;
    case 2: return (int64_t)below(workload, RECORD_VALUE_MAX);
    default: return (int64_t)below(workload, (uint64_t)workload->value_typical + 1);
    }
}

static Record new_record(Workload *workload, int64_t now_us)
{
    Record record = {.source_id = pick(workload, &workload->sources),
                     .destination_id = pick(workload, &workload->destinations),
                     .unit = pick(workload, &workload->units),
                     .reference = pick(workload, &workload->references),
                     .time_us = draw_time(workload, now_us),
                     .value = draw_value(workload),
                     .type = percent(workload, 60) ? RECORD_POSITIVE : RECORD_NEGATIVE};
    record.record_id = draw_text(workload, "r", (uint64_t)++workload->made);
    if (percent(workload, 5)) {
        record.traceparent = keep_text(workload, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    }
    return record;
}

/* What is sent again most often came in lately. */
static Record old_record(Workload *workload)
{
    size_t recent = percent(workload, 60) && workload->seen_count > 50 ? 50 : workload->seen_count;
    return workload->seen[workload->seen_count - 1 - below(workload, recent)];
}

static void change_a_field(Workload *workload, Record *record, int64_t now_us)
{
    switch (below(workload, 9)) {
    case 0: record->record_id = draw_text(workload, "r", (uint64_t)++workload->made); break;
    case 1: record->time_us = draw_time(workload, now_us); break;
    case 2: record->source_id = pick(workload, &workload->sources); break;
    case 3: record->destination_id = pick(workload, &workload->destinations); break;
    case 4: record->type = record->type == RECORD_POSITIVE ? RECORD_NEGATIVE : RECORD_POSITIVE; break;
    case 5: record->unit = pick(workload, &workload->units); break;
    case 6: record->reference = pick(workload, &workload->references); break;
    case 7: record->traceparent = keep_text(workload, "00-1"); break; /* not content: changes nothing */
    default: record->value = draw_value(workload);
    }
}

static Record draw_record(Workload *workload, int64_t now_us)
{
    bool repeat =
        workload->seen_count > 0 && (workload->records_left == 0 || percent(workload, workload->repeat_percent));
    Record record = repeat ? old_record(workload) : new_record(workload, now_us);
    if (repeat && percent(workload, workload->change_percent)) {
        change_a_field(workload, &record, now_us);
        if (percent(workload, 30)) {
            change_a_field(workload, &record, now_us);
        }
    }
    workload->records_left -= !repeat && workload->records_left > 0;
    if (workload->seen_count == workload->seen_capacity) {
        workload->seen_capacity *= 2;
        workload->seen = need(realloc(workload->seen, workload->seen_capacity * sizeof *workload->seen));
    }
    workload->seen[workload->seen_count++] = record;
    return record;
}

static void draw_records(Workload *workload, int64_t now_us, ModelWork *ret_work)
{
    size_t most = percent(workload, 4) ? workload->burst_records_max : workload->records_max;
    size_t count = percent(workload, 30) ? 1 : 1 + below(workload, most);
    Record *items = need(calloc(count, sizeof *items));
    for (size_t i = 0; i < count; i++) {
        items[i] = draw_record(workload, now_us);
    }
    *ret_work = (ModelWork){.kind = WORK_RECORDS,
                            .items = items,
                            .count = count,
                            .atomic = percent(workload, workload->atomic_percent),
                            .dry_run = percent(workload, workload->dry_run_percent)};
}

/* ---- Rules ------------------------------------------------------------------------------------------------------- */

static AlertRule new_rule(Workload *workload)
{
    AlertRule rule = {.name = pick(workload, &workload->rule_names),
                      .type = (int)below(workload, 3) - 1,
                      .measure = (RuleMeasure)below(workload, 3),
                      .threshold = 1 + (int64_t)below(workload, (uint64_t)workload->value_typical + 1),
                      .enabled = percent(workload, 85)};
    if (percent(workload, 40)) {
        rule.destination_id = pick(workload, &workload->destinations);
    }
    if (percent(workload, 20)) {
        rule.source_id = pick(workload, &workload->sources);
    }
    if (percent(workload, 20)) {
        rule.unit = pick(workload, &workload->units);
    }
    if (percent(workload, 10)) {
        rule.reference = pick(workload, &workload->references);
    }
    return rule;
}

static void draw_rule_change(Workload *workload, const Model *model, ModelWork *ret_work)
{
    *ret_work = (ModelWork){.kind = WORK_RULE_PUT, .rule = new_rule(workload)};
    if (model->rule_count > 0 && percent(workload, 60)) {
        const AlertRule *old = &model->rules[below(workload, model->rule_count)];
        ret_work->kind = percent(workload, 35) ? WORK_RULE_DELETE : WORK_RULE_PUT;
        ret_work->rule.id = old->id;
        ret_work->rule.version = old->version - percent(workload, 10); /* sometimes one that is not the last */
    } else if (percent(workload, 5)) {
        ret_work->kind = WORK_RULE_DELETE;
        ret_work->rule.id = 999;
    }
}

void workload_draw(Workload *workload, const Model *model, int64_t now_us, ModelWork *ret_work)
{
    if (percent(workload, workload->rule_percent)) {
        draw_rule_change(workload, model, ret_work);
    } else {
        draw_records(workload, now_us, ret_work);
    }
}

Str workload_draw_id(const Workload *workload, uint64_t *random, Str *ret_source_id)
{
    *ret_source_id = (Str){NULL, 0};
    if (workload->seen_count == 0 || random_below(random, 100) < 10) {
        return STR("never handed in");
    }
    const Record *record = &workload->seen[random_below(random, workload->seen_count)];
    if (random_below(random, 100) < 30) {
        *ret_source_id = random_below(random, 100) < 80
                             ? record->source_id
                             : workload->sources.items[random_below(random, workload->sources.count)];
    }
    return record->record_id;
}

#include "sim/model.h"

#include <assert.h>
#include <stdlib.h>

#include "support/need.h"

void model_init(Model *model, RecordIdentity identity)
{
    *model = (Model){.identity = identity, .capacity = 1024, .next_rule_id = 1};
    model->entries = need(calloc(model->capacity, sizeof *model->entries));
    plain_map_init(&model->by_identity);
    plain_map_init(&model->by_flow);
    event_model_init(&model->events);
    arena_init(&model->ids, 4096, SIZE_MAX);
}

void model_release(Model *model)
{
    free(model->entries);
    free(model->by_time);
    plain_map_release(&model->by_identity);
    plain_map_release(&model->by_flow);
    event_model_release(&model->events);
    arena_release(&model->ids);
}

const ModelEntry *model_at(const Model *model, int64_t seq)
{
    assert(seq >= 1 && seq <= model_last_seq(model));
    return &model->entries[seq - 1];
}

const Record *model_record_of(const Model *model, int64_t seq)
{
    const ModelEntry *entry = model_at(model, seq);
    int64_t about = entry->kind == MODEL_RECORD ? seq : entry->kind == MODEL_ALERT ? entry->about : 0;
    return about ? &model_at(model, about)->record : NULL;
}

/* ---- Which record is which --------------------------------------------------------------------------------------- */

static void identity_key(const Model *model, const Record *record, PlainKey *ret_key)
{
    ret_key->len = 0;
    if (model->identity != IDENTITY_CONTENT) {
        plain_key_add(ret_key, record->record_id);
        if (model->identity == IDENTITY_SOURCE_AND_RECORD_ID) {
            plain_key_add(ret_key, record->source_id);
        }
        return;
    }
    plain_key_add_number(ret_key, record->time_us);
    plain_key_add_number(ret_key, record->value);
    plain_key_add_number(ret_key, record->type);
    plain_key_add(ret_key, record->source_id);
    plain_key_add(ret_key, record->destination_id);
    plain_key_add(ret_key, record->unit);
    plain_key_add(ret_key, record->reference);
}

static void flow_key(const Record *record, PlainKey *ret_key)
{
    ret_key->len = 0;
    plain_key_add(ret_key, record->destination_id);
    plain_key_add(ret_key, record->reference);
    plain_key_add(ret_key, record->unit);
}

int64_t model_find(const Model *model, const Record *record)
{
    PlainKey key;
    identity_key(model, record, &key);
    return plain_map_get(&model->by_identity, plain_key_str(&key));
}

uint32_t model_differs(const Model *model, const Record *a, const Record *b)
{
    uint32_t differs = 0;
    differs |= str_equal(a->record_id, b->record_id) ? 0u : FIELD_RECORD_ID;
    differs |= a->time_us == b->time_us ? 0u : FIELD_TIME;
    differs |= str_equal(a->source_id, b->source_id) ? 0u : FIELD_SOURCE_ID;
    differs |= str_equal(a->destination_id, b->destination_id) ? 0u : FIELD_DESTINATION_ID;
    differs |= a->type == b->type ? 0u : FIELD_TYPE;
    differs |= a->value == b->value ? 0u : FIELD_VALUE;
    differs |= str_equal(a->unit, b->unit) ? 0u : FIELD_UNIT;
    differs |= str_equal(a->reference, b->reference) ? 0u : FIELD_REFERENCE;
    return model->identity == IDENTITY_CONTENT ? differs & ~(uint32_t)FIELD_RECORD_ID : differs;
}

/* ---- The order of time ------------------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    const ModelTimed *left = a, *right = b;
    if (left->time_us != right->time_us) {
        return left->time_us < right->time_us ? -1 : 1;
    }
    return (left->seq > right->seq) - (left->seq < right->seq);
}

/* Two sorted pieces, one behind the other, become one: from the end, so that the room behind `items` is enough. */
static void merge_pieces(ModelTimed *items, size_t first, size_t second)
{
    ModelTimed *later = need(calloc(second + 1, sizeof *later));
    memcpy(later, items + first, second * sizeof *later);
    while (second > 0) {
        bool takes_first = first > 0 && by_time(&items[first - 1], &later[second - 1]) > 0;
        items[first + second - 1] = takes_first ? items[first - 1] : later[second - 1];
        *(takes_first ? &first : &second) -= 1;
    }
    free(later);
}

/* Many ask about a log that few change: what came since the last question is sorted in. */
const ModelTimed *model_by_time(Model *model, size_t *ret_count)
{
    if (model->timed_capacity < model->count) {
        model->timed_capacity = model->capacity;
        model->by_time = need(realloc(model->by_time, model->timed_capacity * sizeof *model->by_time));
    }
    size_t sorted = model->timed;
    for (; model->timed_entries < model->count; model->timed_entries++) {
        const ModelEntry *entry = &model->entries[model->timed_entries];
        if (entry->kind == MODEL_RECORD) {
            model->by_time[model->timed++] = (ModelTimed){entry->record.time_us, (int64_t)model->timed_entries + 1};
        }
    }
    if (sorted < model->timed) {
        qsort(model->by_time + sorted, model->timed - sorted, sizeof *model->by_time, by_time);
        merge_pieces(model->by_time, sorted, model->timed - sorted);
    }
    *ret_count = model->timed;
    return model->by_time;
}

/* ---- Records and alerts ------------------------------------------------------------------------------------------ */

static ModelEntry *append(Model *model)
{
    if (model->count == model->capacity) {
        model->capacity *= 2;
        model->entries = need(realloc(model->entries, model->capacity * sizeof *model->entries));
    }
    ModelEntry *entry = &model->entries[model->count++];
    memset(entry, 0, sizeof *entry);
    return entry;
}

static void enter(Model *model, int64_t seq)
{
    const Record *record = &model->entries[seq - 1].record;
    PlainKey key;
    identity_key(model, record, &key);
    plain_map_put(&model->by_identity, plain_key_str(&key), seq);
    flow_key(record, &key);
    plain_map_put(&model->by_flow, plain_key_str(&key), seq);
}

static ModelTotals totals_with(ModelTotals totals, const Record *record)
{
    bool positive = record->type == RECORD_POSITIVE;
    *(positive ? &totals.positive_count : &totals.negative_count) += 1;
    *(positive ? &totals.positive : &totals.negative) += record->value;
    return totals;
}

static bool text_allows(Str filter, Str text) { return filter.len == 0 || str_equal(filter, text); }

static bool rule_watches(const AlertRule *rule, const Record *record)
{
    return rule->enabled && (rule->type < 0 || rule->type == (int)record->type) &&
           text_allows(rule->source_id, record->source_id) &&
           text_allows(rule->destination_id, record->destination_id) && text_allows(rule->unit, record->unit) &&
           text_allows(rule->reference, record->reference);
}

static Exact measured(const AlertRule *rule, const ModelTotals *totals)
{
    return rule->measure == RULE_TOTAL_VALUE ? totals->positive + totals->negative
                                             : totals->positive - totals->negative;
}

/* By how much a rule's threshold is exceeded; 0 when no alert is due. A total alerts when it crosses the threshold, not
 * while it stays above. */
static Exact exceeded(const AlertRule *rule, const Record *record, const ModelTotals *before, const ModelTotals *after)
{
    Exact threshold = rule->threshold;
    Exact was = rule->measure == RULE_VALUE ? 0 : measured(rule, before);
    Exact is = rule->measure == RULE_VALUE ? record->value : measured(rule, after);
    return rule_watches(rule, record) && is > threshold && was <= threshold ? is - threshold : 0;
}

static const char *severity_of(Exact exceeded_by, Exact threshold)
{
    if (4 * exceeded_by <= threshold) { /* up to 25 % */
        return "medium";
    }
    return 2 * exceeded_by <= threshold ? "high" : "critical";
}

static void append_alerts(Model *model, int64_t seq, const ModelTotals *before, const ModelTotals *after)
{
    Record record = model_at(model, seq)->record;
    int64_t flow = model_at(model, seq)->flow;
    for (size_t i = 0; i < model->rule_count; i++) {
        Exact exceeded_by = exceeded(&model->rules[i], &record, before, after);
        if (exceeded_by > 0) {
            ModelEntry *alert = append(model);
            alert->kind = MODEL_ALERT;
            alert->flow = flow;
            alert->about = seq;
            alert->rule = model->rules[i];
            alert->exceeded_by = exceeded_by;
            alert->severity = severity_of(exceeded_by, model->rules[i].threshold);
        }
    }
}

static int64_t append_record(Model *model, const Record *record, bool quiet)
{
    PlainKey key;
    flow_key(record, &key);
    int64_t prev_seq = plain_map_get(&model->by_flow, plain_key_str(&key));
    ModelTotals before = {0};
    if (prev_seq) {
        const ModelEntry *prev = model_at(model, prev_seq);
        before = totals_with(prev->before, &prev->record);
    }
    ModelTotals after = totals_with(before, record);
    int64_t entry_flow = prev_seq ? model_at(model, prev_seq)->flow : model_last_seq(model) + 1;
    ModelEntry *entry = append(model);
    entry->flow = entry_flow;
    entry->record = *record;
    entry->prev_seq = prev_seq;
    entry->before = before;
    int64_t seq = model_last_seq(model);
    enter(model, seq);
    if (!quiet) {
        append_alerts(model, seq, &before, &after);
    }
    return seq;
}

/* What is found at `seq`. Where a correction stands for it, or where another id is the same content, the id does not
 * differ. */
static void tell_found(const Model *model, const Record *record, int64_t seq, uint32_t left_out, Outcome *outcome)
{
    outcome->seq = seq;
    outcome->differs = model_differs(model, &model_at(model, seq)->record, record) & ~left_out;
    outcome->kind = outcome->differs ? OUTCOME_CONFLICT : OUTCOME_DUPLICATE;
}

static void take_record(Model *model, const Record *record, bool quiet, Outcome *outcome)
{
    int64_t seq = model_find(model, record);
    if (seq) {
        tell_found(model, record, seq, 0, outcome);
    } else {
        *outcome = (Outcome){.kind = OUTCOME_CREATED, .seq = append_record(model, record, quiet)};
    }
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

/* Its id was given to another one first, or is that of a record which was no event. */
static int64_t append_another(Model *model, const Record *record, bool quiet)
{
    Record named = *record;
    long long number = (long long)model_last_seq(model) + 1;
    do {
        const char *id = arena_printf(&model->ids, "%.*s:%lld", STR_ARGS(record->record_id), number++);
        named.record_id = str_from(need((void *)(uintptr_t)id));
    } while (model_find(model, &named));
    return append_record(model, &named, quiet);
}

/* The event that a record is, whatever it is now; 0: none. Where records are known by their content each is one. */
static int64_t find_event(const Model *model, const Record *record)
{
    int64_t seq = model_find(model, record);
    return seq && (model->identity == IDENTITY_CONTENT || event_model_at(&model->events, seq)) ? seq : 0;
}

/* One that had been taken for a duplicate: it becomes an event where nobody is known by its id but who is known not to
 * keep it. */
static void take_duplicate(Model *model, const ModelWork *work, size_t at, int64_t known, bool was_given,
                           Outcome *outcome)
{
    const Record *record = &work->items[at];
    const EventItem *item = &work->events[at];
    if (known && known != item->holder) {
        bool by_id = event_model_lead(&model->events, record->record_id) == 0;
        tell_found(model, record, known, by_id ? 0 : FIELD_RECORD_ID, outcome);
    } else if (!event_model_keeps(&model->events, item)) {
        *outcome = (Outcome){.kind = OUTCOME_CONFLICT};
    } else {
        bool is_another = known || was_given;
        int64_t seq = (is_another ? append_another : append_record)(model, record, work->quiet);
        *outcome = (Outcome){.kind = OUTCOME_CREATED, .seq = seq};
        event_model_created(&model->events, item, seq, is_another ? record->record_id : STR(""));
    }
}

static void take_event(Model *model, const ModelWork *work, size_t at, Outcome *outcome)
{
    const Record *record = &work->items[at];
    const EventItem *item = &work->events[at];
    int64_t lead = event_model_lead(&model->events, record->record_id);
    const Fact *origin = lead < 0 ? event_model_origin(&model->events, -lead) : NULL;
    bool is_another = lead < 0    ? !(origin && str_equal(origin->item.raw, item->raw))
                      : lead == 0 ? model_find(model, record) && !find_event(model, record)
                                  : false;
    if (item->taken_for) {
        int64_t known = lead < 0 ? -lead : lead > 0 ? lead : find_event(model, record);
        take_duplicate(model, work, at, is_another ? 0 : known, is_another, outcome);
        return;
    }
    if (is_another) {
        *outcome = (Outcome){.kind = OUTCOME_CREATED, .seq = append_another(model, record, work->quiet)};
    } else if (lead) {
        tell_found(model, record, lead < 0 ? -lead : lead, FIELD_RECORD_ID, outcome);
    } else {
        take_record(model, record, work->quiet, outcome);
    }
    if (outcome->kind == OUTCOME_CREATED) {
        event_model_created(&model->events, item, outcome->seq, is_another ? record->record_id : STR(""));
    } else {
        event_model_attempt(&model->events, item, outcome->seq, outcome->differs);
    }
}

int64_t model_holder(const Model *model, const Record *record, Str id)
{
    Record named = *record;
    named.record_id = id;
    int64_t lead = event_model_lead(&model->events, id);
    return lead > 0 ? lead : lead < 0 ? 0 : find_event(model, &named);
}

/* Whether those who are known by the correction's id now are those by whose leave it was decided. */
static bool is_in_time(const Model *model, const ModelWork *work, size_t at)
{
    const EventItem *item = &work->events[at];
    bool in_time = item->alias.len == 0;
    for (size_t i = 0; i < at && item->holder == EVENT_HOLDER_BEFORE_IT; i++) {
        const EventItem *before = &work->events[i];
        Str id = before->taken_for ? work->items[i].record_id : before->alias;
        in_time = in_time || ((before->replaces || before->taken_for) && str_equal(id, item->alias));
    }
    if (in_time || item->holder == EVENT_HOLDER_BEFORE_IT) {
        return in_time;
    }
    Record named = work->items[at];
    named.source_id = item->client;
    int64_t holder = model_holder(model, &named, item->alias);
    return holder == item->holder || (holder == 0 && item->replaces);
}

static void take_correction(Model *model, const ModelWork *work, size_t at, Outcome *outcome)
{
    if (model_find(model, &work->items[at]) || is_in_time(model, work, at)) {
        take_record(model, &work->items[at], work->quiet, outcome);
    } else {
        *outcome = (Outcome){.kind = OUTCOME_CONFLICT};
    }
}

/* What corrections change counts from the end of their piece on. */
static void note_the_rest(Model *model, const ModelWork *work, const Outcome *outcomes)
{
    for (size_t i = 0; i < work->count && work->events; i++) {
        const EventItem *item = &work->events[i];
        if (item->corrects && outcomes[i].kind == OUTCOME_CREATED) {
            Str corrected = model_at(model, item->corrects)->record.record_id;
            event_model_correct(&model->events, item, outcomes[i].seq, corrected);
        }
    }
    for (size_t i = 0; i < work->failed_count; i++) {
        event_model_failed(&model->events, &work->failed[i]);
    }
}

void model_announce(Model *model, const ModelNotice *notice)
{
    ModelKind kind = notice->seq ? model_at(model, notice->seq)->kind : MODEL_ALERT;
    if (kind != MODEL_NOTICE) {
        ModelEntry *entry = append(model);
        entry->kind = MODEL_NOTICE;
        entry->about = kind == MODEL_RECORD ? notice->seq : 0;
        entry->notice = *notice;
    }
}

void model_tell(Model *model, MessageKind kind, Str key, Str body)
{
    int64_t first = 1;
    while (first <= model_last_seq(model) &&
           !(model_at(model, first)->kind == MODEL_TOLD && str_equal(model_at(model, first)->key, key))) {
        first++;
    }
    ModelEntry *entry = append(model);
    entry->kind = MODEL_TOLD;
    entry->flow = first;
    entry->told = kind;
    entry->key = key;
    entry->body = body;
}

MessageKind model_message_kind(const ModelEntry *entry)
{
    static const MessageKind kinds[] = {MESSAGE_NOTIFICATION, MESSAGE_ALERT, MESSAGE_DEAD_LETTER_CREATED};
    return entry->kind == MODEL_TOLD ? entry->told : kinds[entry->kind];
}

/* ---- Work -------------------------------------------------------------------------------------------------------- */

static bool take_records(Model *model, const ModelWork *work, Outcome *outcomes)
{
    bool clean = true;
    for (size_t i = 0; i < work->count; i++) {
        bool is_event = work->events && !work->events[i].corrects;
        if (is_event) {
            take_event(model, work, i, &outcomes[i]);
        } else if (work->events) {
            take_correction(model, work, i, &outcomes[i]);
        } else {
            take_record(model, &work->items[i], work->quiet, &outcomes[i]);
        }
        bool stands = is_event && (!work->events[i].taken_for || outcomes[i].seq);
        clean = clean && (stands || outcomes[i].kind != OUTCOME_CONFLICT);
    }
    note_the_rest(model, work, outcomes);
    return clean;
}

static void apply_records(Model *model, const ModelWork *work, ModelAnswer *answer)
{
    ModelMark mark = model_mark(model);
    bool clean = take_records(model, work, answer->outcomes);
    answer->status = work->atomic && !clean ? STATUS_CONFLICT : STATUS_OK;
    if (!work->dry_run && answer->status == STATUS_OK) {
        return;
    }
    model_rewind(model, &mark);
    /* What would have come into the log has no place in it, and what was refused as a whole was not created. */
    for (size_t i = 0; i < work->count; i++) {
        Outcome *outcome = &answer->outcomes[i];
        if (outcome->seq > model_last_seq(model)) {
            outcome->seq = 0;
        }
        if (outcome->kind == OUTCOME_CREATED && answer->status != STATUS_OK) {
            outcome->kind = OUTCOME_NONE;
        }
    }
}

static size_t rule_with_id(const Model *model, int64_t id)
{
    size_t at = 0;
    while (at < model->rule_count && model->rules[at].id != id) {
        at++;
    }
    return at;
}

static bool is_name_taken(const Model *model, const AlertRule *rule)
{
    for (size_t i = 0; i < model->rule_count; i++) {
        if (model->rules[i].id != rule->id && str_equal(model->rules[i].name, rule->name)) {
            return true;
        }
    }
    return false;
}

static Status put_rule(Model *model, AlertRule *rule)
{
    size_t at = rule_with_id(model, rule->id);
    bool is_new = rule->id == 0;
    if (!is_new && (at == model->rule_count || model->rules[at].version != rule->version)) {
        return STATUS_REFUSED;
    }
    if (is_name_taken(model, rule)) {
        return STATUS_CONFLICT;
    }
    if (is_new) {
        assert(model->rule_count < MODEL_RULES_MAX);
        rule->id = model->next_rule_id++;
        rule->version = 0;
        at = model->rule_count++;
    }
    rule->version++;
    model->rules[at] = *rule;
    return STATUS_OK;
}

static Status delete_rule(Model *model, int64_t id)
{
    size_t at = rule_with_id(model, id);
    if (at == model->rule_count) {
        return STATUS_REFUSED;
    }
    model->rule_count--;
    memmove(&model->rules[at], &model->rules[at + 1], (model->rule_count - at) * sizeof model->rules[0]);
    return STATUS_OK;
}

void model_apply(Model *model, const ModelWork *work, ModelAnswer *ret_answer)
{
    ret_answer->rule = work->rule;
    switch (work->kind) {
    case WORK_RECORDS: apply_records(model, work, ret_answer); break;
    case WORK_RULE_PUT: ret_answer->status = put_rule(model, &ret_answer->rule); break;
    case WORK_RULE_DELETE: ret_answer->status = delete_rule(model, work->rule.id); break;
    default: abort(); /* the simulated clients hand in no deliveries */
    }
}

static void *copy_items(const void *items, size_t count, size_t size)
{
    return items ? memcpy(need(malloc((count + 1) * size)), items, count * size) : NULL;
}

ModelWork model_work_copy(const ModelWork *work)
{
    ModelWork copy = *work;
    copy.items = copy_items(work->items, work->count, sizeof *work->items);
    copy.events = copy_items(work->events, work->count, sizeof *work->events);
    copy.letters = copy_items(work->letters, work->count, sizeof *work->letters);
    copy.failed = copy_items(work->failed, work->failed_count, sizeof *work->failed);
    copy.refused = copy_items(work->refused, work->failed_count, sizeof *work->refused);
    return copy;
}

void model_work_release(ModelWork *work)
{
    const void *arrays[] = {work->items, work->events, work->letters, work->failed, work->refused};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        free((void *)(uintptr_t)arrays[i]);
    }
}

/* ---- Going back -------------------------------------------------------------------------------------------------- */

ModelMark model_mark(const Model *model)
{
    ModelMark mark = {.count = model->count,
                      .rule_count = model->rule_count,
                      .next_rule_id = model->next_rule_id,
                      .facts = model->events.count};
    memcpy(mark.rules, model->rules, sizeof mark.rules);
    return mark;
}

void model_rewind(Model *model, const ModelMark *mark)
{
    assert(mark->count <= model->count);
    bool shorter = mark->count < model->count;
    model->count = mark->count;
    memcpy(model->rules, mark->rules, sizeof mark->rules);
    model->rule_count = mark->rule_count;
    model->next_rule_id = mark->next_rule_id;
    event_model_rewind(&model->events, mark->facts);
    if (model->timed_entries > model->count) {
        model->timed = model->timed_entries = 0;
    }
    if (shorter) {
        plain_map_clear(&model->by_identity);
        plain_map_clear(&model->by_flow);
        for (int64_t seq = 1; seq <= model_last_seq(model); seq++) {
            if (model_is_record(model, seq)) {
                enter(model, seq);
            }
        }
    }
}

bool model_same_rules(const Model *model, const ModelMark *mark)
{
    if (model->rule_count != mark->rule_count) {
        return false;
    }
    for (size_t i = 0; i < mark->rule_count; i++) {
        if (model->rules[i].id != mark->rules[i].id || model->rules[i].version != mark->rules[i].version) {
            return false;
        }
    }
    return true;
}

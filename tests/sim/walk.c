#include "sim/walk.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim/world.h"
#include "support/need.h"
#include "support/random.h"

enum { SHORT_BYTES = 48 };

/* ---- One record -------------------------------------------------------------------------------------------------- */

static void put_record(const World *world, const Record *record, char *ret_text, size_t room)
{
    char time[PLAIN_TEXT_BYTES_MAX], value[PLAIN_TEXT_BYTES_MAX];
    snprintf(ret_text, room, "%.*s at %s: %s %s %.*s, %.*s to %.*s, reference %.*s", STR_ARGS(record->record_id),
             plain_time(record->time_us, time), record->type == RECORD_POSITIVE ? "positive" : "negative",
             plain_decimal(record->value, world->workload.scale, value), STR_ARGS(record->unit),
             STR_ARGS(record->source_id), STR_ARGS(record->destination_id), STR_ARGS(record->reference));
}

/* What tells a long text from others: the first of it, whole characters only; of a fingerprint the last of it. */
static Str shorten(Str text, char room[SHORT_BYTES])
{
    enum { SHOWN_BYTES_MAX = 32, LAST_BYTES = 8 };
    if (text.len <= SHOWN_BYTES_MAX) {
        return text;
    }
    if (str_starts_with(text, STR("sha256:"))) {
        return (Str){room,
                     (size_t)snprintf(room, SHORT_BYTES, "sha256:…%.*s", LAST_BYTES, text.ptr + text.len - LAST_BYTES)};
    }
    text.len = SHOWN_BYTES_MAX;
    while ((text.ptr[text.len] & 0xc0) == 0x80) {
        text.len--;
    }
    return (Str){room, (size_t)snprintf(room, SHORT_BYTES, "%.*s…", STR_ARGS(text))};
}

void walk_tell_record(World *world, const char *label, const Record *record)
{
    char text[600], line[640], rooms[5][SHORT_BYTES];
    Record shown = *record;
    if (world->story.options.trace) {
        shown.record_id = shorten(record->record_id, rooms[0]);
        shown.source_id = shorten(record->source_id, rooms[1]);
        shown.destination_id = shorten(record->destination_id, rooms[2]);
        shown.unit = shorten(record->unit, rooms[3]);
        shown.reference = shorten(record->reference, rooms[4]);
        put_record(world, &shown, text, sizeof text);
        snprintf(line, sizeof line, "%s%s", label, text);
        story_detail(&world->story, line);
    }
}

static void put_totals(const World *world, const ModelTotals *totals, int64_t prev_seq, char *ret_text, size_t room)
{
    unsigned scale = world->workload.scale;
    char positive[PLAIN_TEXT_BYTES_MAX], negative[PLAIN_TEXT_BYTES_MAX];
    snprintf(ret_text, room, "%" PRId64 " positive with %s, %" PRId64 " negative with %s, after seq %" PRId64,
             totals->positive_count, plain_decimal(totals->positive, scale, positive), totals->negative_count,
             plain_decimal(totals->negative, scale, negative), prev_seq);
}

/* Only when it is needed: most records are right. */
typedef struct Place {
    char text[256];
} Place;

static Place place_of(const StoredRecord *stored, const char *what)
{
    Place place;
    snprintf(place.text, sizeof place.text, "%s: record %" PRId64, what, stored->seq);
    return place;
}

/* ", other time, other unit" */
static void put_differences(const World *world, const Record *is, const Record *right, Place *place)
{
    uint32_t differs = model_differs(&world->model, is, right);
    for (size_t i = 0; i < RECORD_FIELD_COUNT; i++) {
        size_t len = strlen(place->text);
        if (differs & 1u << i) {
            snprintf(place->text + len, sizeof place->text - len, ", other %s", record_field_names[i]);
        }
    }
}

static bool is_same_record(const Record *is, const Record *right)
{
    return str_equal(is->record_id, right->record_id) && is->time_us == right->time_us &&
           str_equal(is->source_id, right->source_id) && str_equal(is->destination_id, right->destination_id) &&
           is->type == right->type && is->value == right->value && str_equal(is->unit, right->unit) &&
           str_equal(is->reference, right->reference) && str_equal(is->traceparent, right->traceparent);
}

static void check_content(World *world, const StoredRecord *stored, const ModelEntry *entry, const char *what)
{
    const Record *is = &stored->record, *right = &entry->record;
    if (!is_same_record(is, right)) {
        char expected[1600], found[1600];
        put_record(world, right, expected, sizeof expected);
        put_record(world, is, found, sizeof found);
        Place place = place_of(stored, what);
        put_differences(world, is, right, &place);
        story_fail(&world->story, place.text, expected, found);
    }
}

static void check_totals(World *world, const StoredRecord *stored, const ModelEntry *entry, const char *what)
{
    ModelTotals right = entry->before;
    bool positive = entry->record.type == RECORD_POSITIVE;
    *(positive ? &right.positive_count : &right.negative_count) += 1;
    *(positive ? &right.positive : &right.negative) += entry->record.value;
    const FlowTotals *is = &stored->totals;
    if (is->positive_count != right.positive_count || is->negative_count != right.negative_count ||
        is->positive_total != right.positive || is->negative_total != right.negative ||
        stored->prev_seq != entry->prev_seq) {
        char expected[300], found[300];
        ModelTotals shown = {is->positive_count, is->negative_count, is->positive_total, is->negative_total};
        put_totals(world, &right, entry->prev_seq, expected, sizeof expected);
        put_totals(world, &shown, stored->prev_seq, found, sizeof found);
        walk_tell_record(world, "", &entry->record);
        story_fail(&world->story, place_of(stored, what).text, expected, found);
    }
}

void walk_check_record(World *world, const StoredRecord *stored, int64_t seq, const char *what)
{
    if (stored->seq != seq || seq > model_last_seq(&world->model) || !model_is_record(&world->model, seq)) {
        char expected[64], found[64];
        snprintf(expected, sizeof expected, "record %" PRId64 " next", seq);
        snprintf(found, sizeof found, "record %" PRId64, stored->seq);
        story_fail(&world->story, what, expected, found);
    }
    const ModelEntry *entry = model_at(&world->model, seq);
    check_content(world, stored, entry, what);
    check_totals(world, stored, entry, what);
}

/* ---- Walks ------------------------------------------------------------------------------------------------------- */

/* A walk that has to come by these sequences, one after another. */
typedef struct Walk {
    World *world;
    const char *what;
    const int64_t *seqs;
    size_t count, next;
    size_t enough; /* the visitor wants no more */
} Walk;

static bool visit_next(void *context, const StoredRecord *stored)
{
    Walk *walk = context;
    if (walk->next == walk->count) {
        char found[64];
        snprintf(found, sizeof found, "record %" PRId64 " as well", stored->seq);
        story_fail(&walk->world->story, walk->what, "no more records", found);
    }
    walk_check_record(walk->world, stored, walk->seqs[walk->next++], walk->what);
    return walk->next < walk->enough;
}

static void check_walk_end(const Walk *walk)
{
    size_t right = walk->count < walk->enough ? walk->count : walk->enough;
    if (walk->next != right) {
        char expected[64], found[64];
        snprintf(expected, sizeof expected, "%zu records", right);
        snprintf(found, sizeof found, "%zu", walk->next);
        story_fail(&walk->world->story, walk->what, expected, found);
    }
}

/* The sequences of the records that a question is about, in its order. To be freed. */
static int64_t *seqs_by_commit(const Model *model, int64_t after, int64_t through, size_t *ret_count)
{
    int64_t *seqs = need(calloc((size_t)through + 1, sizeof *seqs));
    *ret_count = 0;
    for (int64_t seq = after + 1; seq <= through; seq++) {
        if (model_is_record(model, seq)) {
            seqs[(*ret_count)++] = seq;
        }
    }
    return seqs;
}

bool walk_scan(World *world, StoreReader *reader, int64_t after, int64_t bound, const char *what)
{
    Error error = {0};
    Walk walk = {.world = world, .what = what, .enough = SIZE_MAX};
    int64_t *seqs = seqs_by_commit(&world->model, after, bound, &walk.count);
    uint64_t struck = faults_struck(world);
    walk.seqs = seqs;
    Status status = reader_scan(reader, after, INT64_MAX, FIELD_ALL, visit_next, &walk, &error);
    if (status == STATUS_OK) {
        check_walk_end(&walk);
    } else {
        faults_check_reading(world, struck, what, status, error.message);
    }
    free(seqs);
    return status == STATUS_OK;
}

typedef struct Comparison {
    const Model *model;
    size_t count;
    bool same;
} Comparison;

static bool visit_compared(void *context, const StoredRecord *stored)
{
    Comparison *comparison = context;
    const ModelEntry *entry = model_at(comparison->model, stored->seq);
    comparison->same = entry->kind == MODEL_RECORD && is_same_record(&stored->record, &entry->record);
    comparison->count++;
    return comparison->same;
}

bool walk_is_same(World *world, StoreReader *reader, int64_t after)
{
    Error error = {0};
    Comparison comparison = {.model = &world->model, .same = true};
    size_t right = 0;
    free(seqs_by_commit(&world->model, after, model_last_seq(&world->model), &right));
    uint64_t struck = faults_struck(world);
    Status status =
        reader_scan(reader, after, model_last_seq(&world->model), FIELD_ALL, visit_compared, &comparison, &error);
    if (status != STATUS_OK) {
        faults_check_reading(world, struck, "what came last", status, error.message);
        return true;
    }
    return comparison.same && comparison.count == right;
}

bool walk_times(World *world, StoreReader *reader, int64_t bound, bool descending, const char *what)
{
    Question question = {.descending = descending};
    question_everything(&question);
    Error error = {0};
    Walk walk = {.world = world, .what = what, .enough = SIZE_MAX};
    int64_t *seqs = question_seqs(&question, &world->model, bound, &walk.count);
    uint64_t struck = faults_struck(world);
    walk.seqs = seqs;
    Status status = reader_walk_times(reader, descending ? TIME_POSITION_LAST : TIME_POSITION_FIRST,
                                      descending ? TIME_POSITION_FIRST : TIME_POSITION_LAST, INT64_MAX, FIELD_ALL,
                                      visit_next, &walk, &error);
    if (status == STATUS_OK) {
        check_walk_end(&walk);
    } else {
        faults_check_reading(world, struck, what, status, error.message);
    }
    free(seqs);
    return status == STATUS_OK;
}

/* A place in the order of time: at a record, beside it, or at an end. */
/* "2025-06-15T14:00:00Z, seq 4" */
static const char *put_position(TimePosition at, char *ret_text, size_t room)
{
    char time[PLAIN_TEXT_BYTES_MAX];
    if (at.seq == TIME_POSITION_FIRST.seq && at.time_us == TIME_POSITION_FIRST.time_us) {
        return "the first";
    }
    if (at.seq == TIME_POSITION_LAST.seq && at.time_us == TIME_POSITION_LAST.time_us) {
        return "the last";
    }
    char seq[32] = "behind all of that time";
    if (at.seq != INT64_MAX) {
        snprintf(seq, sizeof seq, "seq %" PRId64, at.seq);
    }
    snprintf(ret_text, room, "%s, %s", plain_time(at.time_us, time), seq);
    return ret_text;
}

static TimePosition draw_position(World *world, int64_t bound)
{
    uint64_t *random = &world->reading.random;
    if (bound == 0 || random_below(random, 10) == 0) {
        return random_below(random, 2) ? TIME_POSITION_FIRST : TIME_POSITION_LAST;
    }
    int64_t seq = 1 + (int64_t)random_below(random, (uint64_t)bound);
    const ModelEntry *entry = model_at(&world->model, seq);
    seq = entry->kind == MODEL_RECORD ? seq : entry->about;
    if (!seq) {
        return TIME_POSITION_LAST;
    }
    const int64_t seqs[] = {0, seq - 1, seq, seq + 1, INT64_MAX};
    int64_t beside = (int64_t)random_below(random, 3) - 1;
    return (TimePosition){model_at(&world->model, seq)->record.time_us + (random_below(random, 3) ? 0 : beside),
                          seqs[random_below(random, sizeof seqs / sizeof *seqs)]};
}

/* Most often all of it, as those do who ask for all that there is. */
static int64_t draw_through(World *world, int64_t bound)
{
    uint64_t *random = &world->reading.random;
    return random_below(random, 3) ? INT64_MAX : (int64_t)random_below(random, (uint64_t)bound + 1);
}

static bool is_before(TimePosition a, TimePosition b)
{
    return a.time_us < b.time_us || (a.time_us == b.time_us && a.seq < b.seq);
}

/* Those up to `through` that lie strictly between two places, from the first to the second. To be freed. */
static int64_t *seqs_between(Model *model, TimePosition from, TimePosition to, int64_t through, size_t *ret_count)
{
    Question question = {.descending = is_before(to, from)};
    question_everything(&question);
    TimePosition low = question.descending ? to : from, high = question.descending ? from : to;
    int64_t *seqs = question_seqs(&question, model, through, ret_count);
    size_t kept = 0;
    for (size_t i = 0; i < *ret_count; i++) {
        TimePosition at = {model_at(model, seqs[i])->record.time_us, seqs[i]};
        if (is_before(low, at) && is_before(at, high)) {
            seqs[kept++] = seqs[i];
        }
    }
    *ret_count = kept;
    return seqs;
}

void walk_between(World *world, StoreReader *reader, const StoreView *view)
{
    int64_t bound = view_bound(view), through = draw_through(world, bound);
    TimePosition from = draw_position(world, bound), to = draw_position(world, bound);
    Error error = {0};
    char what[300], first[80], last[80];
    snprintf(what, sizeof what, "a walk from %s to %s, through seq %" PRId64, put_position(from, first, sizeof first),
             put_position(to, last, sizeof last), through);
    Walk walk = {.world = world, .what = what, .enough = SIZE_MAX};
    int64_t *seqs = seqs_between(&world->model, from, to, through < bound ? through : bound, &walk.count);
    uint64_t struck = faults_struck(world);
    walk.seqs = seqs;
    if (random_below(&world->reading.random, 3) == 0) {
        walk.enough = 1 + random_below(&world->reading.random, 20);
    }
    if (view_estimate_times(view, from, to) < walk.count) {
        story_failf(&world->story, "%s: the estimate says %" PRIu64 ", but there are %zu", what,
                    view_estimate_times(view, from, to), walk.count);
    }
    Status status = reader_walk_times(reader, from, to, through, FIELD_ALL, visit_next, &walk, &error);
    if (status == STATUS_OK) {
        check_walk_end(&walk);
    } else {
        faults_check_reading(world, struck, what, status, error.message);
    }
    free(seqs);
}

/* By commit order: those with the id, from this source when one is named. */
static int64_t *seqs_with_id(const Model *model, Str id, Str source, int64_t bound, size_t *ret_count)
{
    int64_t *seqs = seqs_by_commit(model, 0, bound, ret_count);
    size_t kept = 0;
    for (size_t i = 0; i < *ret_count; i++) {
        const Record *record = &model_at(model, seqs[i])->record;
        if (str_equal(record->record_id, id) && (source.len == 0 || str_equal(record->source_id, source))) {
            seqs[kept++] = seqs[i];
        }
    }
    *ret_count = kept;
    return seqs;
}

void walk_find(World *world, StoreReader *reader, int64_t bound, Str id, Str source)
{
    Error error = {0};
    char what[300];
    snprintf(what, sizeof what, "finding %.*s of source %.*s", STR_ARGS(id), STR_ARGS(source));
    Walk walk = {.world = world, .what = what, .enough = SIZE_MAX};
    int64_t *seqs = seqs_with_id(&world->model, id, source, bound, &walk.count);
    uint64_t struck = faults_struck(world);
    walk.seqs = seqs;
    Status status = STATUS_OK;
    for (int64_t at = 0; at != FIND_DONE && status == STATUS_OK;) {
        status = reader_find(reader, id, source, &at, visit_next, &walk, &error);
    }
    if (status == STATUS_OK) {
        check_walk_end(&walk);
    } else {
        faults_check_reading(world, struck, what, status, error.message);
    }
    free(seqs);
}

/* False: it could not be read. The index cannot say it where hashes collide, nor of a run that is damaged. */
static bool check_newest(World *world, StoreReader *reader, int64_t newest)
{
    const Record *record = &model_at(&world->model, newest)->record;
    Error error = {0};
    int64_t seq = 0;
    uint64_t struck = faults_struck(world);
    Status status = reader_find_flow(reader, record->destination_id, record->reference, record->unit, &seq, &error);
    if (status != STATUS_OK) {
        faults_check_reading(world, struck, "the newest record of a flow", status, error.message);
        return false;
    }
    bool may_be_untold = world->workload.hashes || faults_is_damaged(world);
    if (seq != newest && !(seq == FLOW_UNTOLD && may_be_untold)) {
        story_failf(&world->story, "the newest record of a flow is %" PRId64 ", and the index of flows says %" PRId64,
                    newest, seq);
    }
    return true;
}

void walk_flows(World *world, StoreReader *reader, int64_t bound, size_t most)
{
    bool *has_later = need(calloc((size_t)bound + 1, sizeof *has_later));
    for (int64_t seq = bound; seq > 0 && most > 0; seq--) {
        if (model_is_record(&world->model, seq)) {
            has_later[model_at(&world->model, seq)->prev_seq] = true;
            most = has_later[seq] ? most : check_newest(world, reader, seq) ? most - 1 : 0;
        }
    }
    free(has_later);
}

/* ---- Messages and rules ------------------------------------------------------------------------------------------ */

typedef struct MessageWalk {
    World *world;
    int64_t after, bound;
} MessageWalk;

static int64_t next_message(const Model *model, int64_t after, int64_t bound)
{
    int64_t seq = after + 1;
    while (seq <= bound && model_is_record(model, seq)) {
        seq++;
    }
    return seq <= bound ? seq : 0;
}

static bool visit_message(void *context, const StoredMessage *message)
{
    MessageWalk *walk = context;
    const Model *model = &walk->world->model;
    int64_t right = next_message(model, walk->after, walk->bound);
    const ModelEntry *entry = right ? model_at(model, right) : NULL;
    const char *kind = entry ? message_kind_name(model_message_kind(entry)) : "none";
    if (message->seq != right || message->record_seq != entry->about || !str_is(message->kind, kind)) {
        story_failf(&walk->world->story,
                    "the messages: the next is %s %" PRId64 ", but found is %.*s %" PRId64 " about record %" PRId64,
                    kind, right, STR_ARGS(message->kind), message->seq, message->record_seq);
    }
    if (entry->kind == MODEL_TOLD) {
        messages_check_bytes(walk->world, right, message->body);
    }
    walk->after = right;
    return true;
}

bool walk_messages(World *world, StoreReader *reader, int64_t bound)
{
    Error error = {0};
    MessageWalk walk = {.world = world, .bound = bound};
    uint64_t struck = faults_struck(world);
    Status status = reader_messages(reader, STR(""), 0, visit_message, &walk, &error);
    if (status != STATUS_OK) {
        faults_check_reading(world, struck, "the messages", status, error.message);
    } else if (next_message(&world->model, walk.after, bound)) {
        story_failf(&world->story, "the messages: %" PRId64 " is missing",
                    next_message(&world->model, walk.after, bound));
    }
    return status == STATUS_OK;
}

typedef struct RuleWalk {
    const Model *model;
    size_t next;
    bool same;
} RuleWalk;

static bool visit_rule(void *context, const AlertRule *rule)
{
    RuleWalk *walk = context;
    if (walk->next == walk->model->rule_count) {
        walk->same = false;
        return false;
    }
    const AlertRule *right = &walk->model->rules[walk->next++];
    walk->same = rule->id == right->id && rule->version == right->version && str_equal(rule->name, right->name) &&
                 str_equal(rule->source_id, right->source_id) &&
                 str_equal(rule->destination_id, right->destination_id) && str_equal(rule->unit, right->unit) &&
                 str_equal(rule->reference, right->reference) && rule->type == right->type &&
                 rule->measure == right->measure && rule->threshold == right->threshold &&
                 rule->enabled == right->enabled;
    return walk->same;
}

bool walk_rules(World *world, StoreReader *reader)
{
    Error error = {0};
    RuleWalk walk = {.model = &world->model, .same = true};
    uint64_t struck = faults_struck(world);
    Status status = reader_rules(reader, visit_rule, &walk, &error);
    if (status != STATUS_OK) {
        faults_check_reading(world, struck, "the rules", status, error.message);
        return true;
    }
    return walk.same && walk.next == world->model.rule_count;
}

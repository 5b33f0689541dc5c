#include "record/event.h"

#include <openssl/evp.h>

#include "record/event_currency.h"
#include "record/event_find.h"
#include "record/event_hash.h"
#include "record/event_number.h"
#include "record/event_text.h"
#include "record/record_check.h"

#define RECORD_ID_PREFIX "sha256:"

enum { EXTRA_BYTES_MAX = 4096 }; /* so that the canonical form stays small beside what a request may have */

/* One event on its way to be a record. */
typedef struct Reading {
    const RecordPolicy *policy;
    Arena *arena;
    RecordProblems *problems;
    EventFields fields;
    Str named_unit; /* by the amount */
    bool is_negative, is_starved;
} Reading;

/* The fields are set when they are looked for: clearing them would take longer than that. */
static void reading_init(Reading *reading, const RecordPolicy *policy, Arena *arena, RecordProblems *problems)
{
    reading->policy = policy;
    reading->arena = arena;
    reading->problems = problems;
    reading->named_unit = (Str){NULL, 0};
    reading->is_negative = reading->is_starved = false;
}

/* ---- Parts ------------------------------------------------------------------------------------------------------- */

/* Where a part is, for people; its name when it comes from a default. */
static Str place_of(const Reading *reading, EventPart part)
{
    const EventField *field = &reading->fields.parts[part];
    return field->value ? reading->fields.plan->nodes[field->node].path : str_from(event_part_names[part]);
}

static void add_problem(Reading *reading, EventPart part, const char *problem)
{
    if (problem) {
        record_problems_add(reading->problems, place_of(reading, part), problem);
    }
}

/* A number stands for the one way to write it out. */
static const char *spell_number(Reading *reading, yyjson_val *value, bool only_whole, Str *ret_text)
{
    EventNumber number;
    char spelt[EVENT_NUMBER_BYTES_MAX];
    size_t len;
    Str raw = {yyjson_get_raw(value), yyjson_get_len(value)};
    if (!event_number_read(raw, &number) || !event_number_spell(&number, spelt, &len)) {
        return "must have at most 40 digits when it is a number";
    }
    if (only_whole && memchr(spelt, '.', len)) {
        return "must be a string or a whole number";
    }
    *ret_text = str_equal(raw, (Str){spelt, len}) ? raw : arena_copy(reading->arena, (Str){spelt, len});
    reading->is_starved |= !ret_text->ptr;
    return NULL;
}

/* A name: a text without the white space around it, or a whole number. */
static const char *read_name(Reading *reading, yyjson_val *value, Str *ret_text)
{
    if (yyjson_is_raw(value)) {
        return spell_number(reading, value, true, ret_text);
    }
    if (!yyjson_is_str(value)) {
        return "must be a string or a whole number";
    }
    Str text = event_text_trim((Str){yyjson_get_str(value), yyjson_get_len(value)});
    const char *problem = record_check_utf8_text(text);
    *ret_text = problem ? *ret_text : text;
    return problem;
}

/* The part's text, from the event or the default. False when there is none. */
static bool read_name_part(Reading *reading, EventPart part, Str *ret_text)
{
    yyjson_val *value = reading->fields.parts[part].value;
    if (value) {
        const char *problem = read_name(reading, value, ret_text);
        add_problem(reading, part, problem);
        return !problem;
    }
    *ret_text = reading->fields.mapping->defaults[part];
    return ret_text->len > 0;
}

static void require_name(Reading *reading, EventPart part, Str *ret_text)
{
    bool is_missing = !reading->fields.parts[part].value && reading->fields.mapping->defaults[part].len == 0;
    if (is_missing) {
        add_problem(reading, part, reading->fields.plan->missing[part]);
    } else {
        (void)read_name_part(reading, part, ret_text);
    }
}

/* The spelling of a part that is a text or a number, or the default. */
static const char *spelling_of(const Reading *reading, EventPart part, Str *ret_text, bool *ret_is_number)
{
    yyjson_val *value = reading->fields.parts[part].value;
    *ret_is_number = yyjson_is_raw(value);
    if (!value) {
        *ret_text = reading->fields.mapping->defaults[part];
        return ret_text->len > 0 ? NULL : reading->fields.plan->missing[part];
    }
    if (*ret_is_number) {
        *ret_text = (Str){yyjson_get_raw(value), yyjson_get_len(value)};
        return NULL;
    }
    *ret_text = (Str){yyjson_get_str(value), yyjson_get_len(value)};
    return yyjson_is_str(value) ? NULL : "must be a string or a number";
}

static void read_amount(Reading *reading, int64_t *ret_value)
{
    Str text;
    bool is_number;
    const char *problem = spelling_of(reading, EVENT_AMOUNT, &text, &is_number);
    if (!problem) {
        problem = event_amount_parse(text, is_number, reading->fields.mapping->amounts, reading->policy->scale,
                                     ret_value, &reading->is_negative, &reading->named_unit);
    }
    add_problem(reading, EVENT_AMOUNT, problem);
}

static void read_time(Reading *reading, int64_t *ret_us)
{
    Str text;
    bool is_number;
    const Mapping *mapping = reading->fields.mapping;
    const char *problem = spelling_of(reading, EVENT_TIME, &text, &is_number);
    if (!problem) {
        problem = event_time_parse(text, is_number, mapping->dates, mapping->epoch, ret_us);
    }
    add_problem(reading, EVENT_TIME, problem);
}

/* A sign of several currencies is the one that the amount names, or the mapping's own unit, when that may be written
 * so. */
static const char *resolve_sign(Str *unit, Str named, Str own)
{
    Str meant = named.len > 0 && !event_currency_is_ambiguous(named) ? named : own;
    if (!event_currency_fits(*unit, meant) && !str_equal(*unit, meant)) {
        return "is a sign that several currencies have: write the currency's code, or set the mapping's default_unit";
    }
    *unit = meant;
    return NULL;
}

/* As in amounts: "€" and EUR are one unit, or they would be two flows. */
static bool read_named_unit(Reading *reading, Str *ret_unit)
{
    if (!read_name_part(reading, EVENT_UNIT, ret_unit)) {
        return false;
    }
    *ret_unit = event_currency_unit(*ret_unit);
    if (!reading->fields.parts[EVENT_UNIT].value || !event_currency_is_ambiguous(*ret_unit)) {
        return true;
    }
    Str own = event_currency_unit(reading->fields.mapping->defaults[EVENT_UNIT]);
    const char *problem = resolve_sign(ret_unit, reading->named_unit, own);
    add_problem(reading, EVENT_UNIT, problem);
    return !problem;
}

/* The unit that the event has goes before the one that its amount names, and that before the default; none may
 * contradict the amount, but a default that a currency replaces. */
static void read_unit(Reading *reading, Str *ret_unit)
{
    Str named = reading->named_unit;
    bool has_own = reading->fields.parts[EVENT_UNIT].value, is_clear = !event_currency_is_ambiguous(named);
    if (!has_own && named.len > 0 && is_clear) {
        *ret_unit = named;
        return;
    }
    if (!read_named_unit(reading, ret_unit) || named.len == 0 || event_currency_fits(named, *ret_unit)) {
        return;
    }
    add_problem(reading, EVENT_AMOUNT,
                has_own && is_clear ? "names another currency than the unit is"
                                    : "has a sign that several currencies have, and the unit is none of them");
}

/* A type that the event has may say what the amount's sign says, not the opposite; a minus goes before a default. */
static void read_type(Reading *reading, RecordType *ret_type)
{
    Str text;
    const char *problem;
    *ret_type = reading->is_negative ? RECORD_NEGATIVE : RECORD_POSITIVE;
    bool is_default = !reading->fields.parts[EVENT_TYPE].value;
    if ((is_default && reading->is_negative) || !read_name_part(reading, EVENT_TYPE, &text)) {
        return;
    }
    problem = event_type_parse(text, ret_type);
    if (!problem && reading->is_negative && *ret_type == RECORD_POSITIVE) {
        problem = "contradicts the minus of the amount";
    }
    add_problem(reading, EVENT_TYPE, problem);
}

static void read_id(Reading *reading, Str *ret_id)
{
    if (reading->fields.mapping->parts[EVENT_ID].count > 0) {
        require_name(reading, EVENT_ID, ret_id);
    }
}

/* ---- Extra fields ------------------------------------------------------------------------------------------------ */

static const char *read_extra(Reading *reading, yyjson_val *value, Str *ret_text)
{
    if (yyjson_is_raw(value)) {
        return spell_number(reading, value, false, ret_text);
    }
    if (yyjson_is_bool(value)) {
        *ret_text = yyjson_is_true(value) ? STR("true") : STR("false");
        return NULL;
    }
    if (!yyjson_is_str(value)) {
        return "must be a string, a number, true or false";
    }
    *ret_text = event_text_trim((Str){yyjson_get_str(value), yyjson_get_len(value)});
    return ret_text->len <= EXTRA_BYTES_MAX ? NULL : "must have at most 4096 bytes";
}

static void read_extras(Reading *reading, EventMeaning *meaning)
{
    const MappingPlan *plan = reading->fields.plan;
    meaning->extra_count = 0;
    for (size_t i = 0; i < plan->extra_count; i++) {
        const EventField *field = &reading->fields.extra[plan->extra_order[i]];
        if (!field->value) {
            continue;
        }
        EventExtra *extra = &meaning->extra[meaning->extra_count];
        extra->name = plan->nodes[field->node].path;
        const char *problem = read_extra(reading, field->value, &extra->value);
        if (problem) {
            record_problems_add(reading->problems, extra->name, problem);
        } else {
            meaning->extra_count++;
        }
    }
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */

/* The built-in paths find the client; a mapping that names it reads the event instead of them. */
static bool choose_mapping(Reading *reading, yyjson_val *event, const MappingSet *mappings, Str asked)
{
    Str client;
    const Mapping *mapping = mapping_find(mappings, asked.len > 0 ? asked : STR("builtin"));
    if (!mapping) {
        record_problems_add(reading->problems, STR("mapping"), "is not a mapping of the configuration");
        return false;
    }
    event_fields_find(event, mapping, &reading->fields);
    yyjson_val *found = reading->fields.parts[EVENT_CLIENT].value;
    if (asked.len == 0 && found && mapping_set_has_clients(mappings) && !read_name(reading, found, &client)) {
        mapping = mapping_for_client(mappings, client);
        if (mapping) {
            event_fields_find(event, mapping, &reading->fields);
        }
    }
    return true;
}

static Status read_meaning(Reading *reading, yyjson_val *event, EventMeaning *ret_meaning)
{
    ret_meaning->scale = reading->policy->scale;
    ret_meaning->client = ret_meaning->metric = ret_meaning->unit = ret_meaning->id = (Str){NULL, 0};
    require_name(reading, EVENT_CLIENT, &ret_meaning->client);
    reading->problems->record_id = ret_meaning->client;
    require_name(reading, EVENT_METRIC, &ret_meaning->metric);
    read_amount(reading, &ret_meaning->value);
    read_time(reading, &ret_meaning->time_us);
    read_unit(reading, &ret_meaning->unit);
    read_type(reading, &ret_meaning->type);
    read_id(reading, &ret_meaning->id);
    read_extras(reading, ret_meaning);
    if (reading->fields.is_odd &&
        event_fields_report(event, &reading->fields, reading->policy, reading->arena, reading->problems) != STATUS_OK) {
        return STATUS_BUSY;
    }
    return reading->is_starved ? STATUS_BUSY : reading->problems->count > 0 ? STATUS_REFUSED : STATUS_OK;
}

static Status read_event(Reading *reading, yyjson_val *event, const MappingSet *mappings, Str asked,
                         EventMeaning *ret_meaning)
{
    record_problems_reset(reading->problems);
    if (!yyjson_is_obj(event)) {
        record_problems_add(reading->problems, STR("event"), "must be a JSON object");
        return STATUS_REFUSED;
    }
    return choose_mapping(reading, event, mappings, asked) ? read_meaning(reading, event, ret_meaning) : STATUS_REFUSED;
}

static Str record_id_of(const uint8_t hash[EVENT_HASH_BYTES], Arena *arena)
{
    const Str prefix = STR(RECORD_ID_PREFIX);
    char text[sizeof RECORD_ID_PREFIX + 2 * EVENT_HASH_BYTES];
    memcpy(text, prefix.ptr, prefix.len);
    str_put_hex(text + prefix.len, hash, EVENT_HASH_BYTES);
    return arena_copy(arena, (Str){text, prefix.len + 2 * EVENT_HASH_BYTES});
}

/* The canonical form is scratch: only its hash stays. */
static bool hash_event(const EventMeaning *meaning, const MappingSet *mappings, Arena *arena,
                       uint8_t ret_hash[EVENT_HASH_BYTES])
{
    ArenaMark mark = arena_mark(arena);
    Str text = event_canonical_text(meaning, arena);
    bool hashed = text.ptr && EVP_Digest(text.ptr, text.len, ret_hash, NULL, mapping_set_digest(mappings), NULL) == 1;
    arena_rewind(arena, mark);
    return hashed;
}

static Status make_event(const Reading *reading, const EventMeaning *meaning, const MappingSet *mappings,
                         Event *ret_event)
{
    if (!hash_event(meaning, mappings, reading->arena, ret_event->hash)) {
        return STATUS_BUSY;
    }
    ret_event->mapping = reading->fields.mapping;
    ret_event->record = (Record){
        .record_id = record_id_of(ret_event->hash, reading->arena),
        .source_id = meaning->client,
        .destination_id = meaning->client,
        .reference = meaning->metric,
        .unit = meaning->unit,
        .time_us = meaning->time_us,
        .value = meaning->value,
        .type = meaning->type,
    };
    if (!ret_event->record.record_id.ptr) {
        return STATUS_BUSY;
    }
    return record_finish(&ret_event->record, reading->policy, reading->problems);
}

Status event_from_json(yyjson_val *value, const MappingSet *mappings, Str asked, const RecordPolicy *policy,
                       Arena *arena, Event *ret_event, RecordProblems *problems)
{
    Reading reading;
    EventMeaning meaning;
    reading_init(&reading, policy, arena, problems);
    Status status = read_event(&reading, value, mappings, asked, &meaning);
    return status == STATUS_OK ? make_event(&reading, &meaning, mappings, ret_event) : status;
}

Status event_canonical(yyjson_val *value, const MappingSet *mappings, Str asked, const RecordPolicy *policy,
                       Arena *arena, Str *ret_text, RecordProblems *problems)
{
    Reading reading;
    EventMeaning meaning;
    reading_init(&reading, policy, arena, problems);
    Status status = read_event(&reading, value, mappings, asked, &meaning);
    if (status == STATUS_OK) {
        *ret_text = event_canonical_text(&meaning, arena);
        status = ret_text->ptr ? STATUS_OK : STATUS_BUSY;
    }
    return status;
}

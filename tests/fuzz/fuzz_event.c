/* Events: whatever comes is a record or has its problems named, twice the same; a record's id is the hash of its
 * canonical form, and the event that is written anew from the record has the same one. */
#include "fuzz.h"

#include <openssl/evp.h>

#include "base/decimal.h"
#include "base/timestamp.h"
#include "record/event.h"
#include "record/record_check.h"

enum { BYTES_MAX = 1 << 16, ARENA_BYTES_MAX = 1 << 23 };

static const char *const names[] = {"", "builtin", "shop", "plain", "numbered"};

/* One that uses what there is, and one that takes the fields that are written here. */
static MappingSet *make_mappings(void)
{
    static const EventPath total = {.keys = {STR("order"), STR("lines"), STR("1"), STR("n")}, .depth = 4};
    static const EventPath kind = {.keys = {STR("order"), STR("kind")}, .depth = 2},
                           id = {.keys = {STR("id")}, .depth = 1};
    static const EventPath extra[] = {{.keys = {STR("tag")}, .depth = 1}, {.keys = {STR("a.b"), STR("0")}, .depth = 2}};
    static const EventPath type = {.keys = {STR("type")}, .depth = 1}, metric = {.keys = {STR("metric")}, .depth = 1};
    static const Str acme = STR("acme");
    const Mapping mappings[] = {
        {.name = STR("shop"),
         .parts = {[EVENT_AMOUNT] = {&total, 1}, [EVENT_METRIC] = {&kind, 1}},
         .defaults = {[EVENT_AMOUNT] = STR("1"), [EVENT_UNIT] = STR("USD"), [EVENT_TIME] = STR("2024-01-01")},
         .extra = {extra, 2},
         .amounts = AMOUNT_COMMA,
         .dates = DATE_DAY_FIRST,
         .clients = &acme,
         .client_count = 1},
        {.name = STR("plain"), .parts = {[EVENT_TYPE] = {&type, 1}, [EVENT_METRIC] = {&metric, 1}}},
        {.name = STR("numbered"), .parts = {[EVENT_ID] = {&id, 1}}},
    };
    MappingSet *set = NULL;
    Error error;
    PROMISE(mapping_set_new(mappings, 3, &set, &error) == STATUS_OK);
    return set;
}

static yyjson_val *read_text(Arena *arena, Str text)
{
    yyjson_val *value = NULL;
    Error error;
    char *copy = arena_alloc_zero(arena, text.len + YYJSON_PADDING_SIZE);
    PROMISE(copy != NULL);
    memcpy(copy, text.ptr, text.len);
    return json_read(copy, text.len, arena, &value, &error) == STATUS_OK ? value : NULL;
}

static void check_problems(const RecordProblems *problems, Status status)
{
    PROMISE((status == STATUS_OK) == (problems->count == 0));
    for (size_t i = 0; i < problems->count; i++) {
        PROMISE(problems->items[i].problem[0] && str_count_code_points(problems->items[i].field) >= 0);
    }
    for (size_t i = 0; i < problems->unknown_count && i < RECORD_WARNINGS_MAX; i++) {
        PROMISE(str_count_code_points(problems->unknown_fields[i]) > 0);
    }
    PROMISE(problems->record_id.len == 0 || !record_check_text(problems->record_id));
}

static void check_record(const Event *event, Str canonical)
{
    const Record *record = &event->record;
    uint8_t hash[EVENT_HASH_BYTES];
    char id[2 * EVENT_HASH_BYTES + 8] = "sha256:";
    PROMISE(EVP_Digest(canonical.ptr, canonical.len, hash, NULL, EVP_sha256(), NULL) == 1);
    PROMISE(memcmp(hash, event->hash, sizeof hash) == 0);
    for (size_t i = 0; i < sizeof hash; i++) {
        snprintf(id + 7 + 2 * i, 3, "%02x", hash[i]);
    }
    PROMISE(str_is(record->record_id, id));
    PROMISE(!record_check_text(record->source_id) && str_equal(record->source_id, record->destination_id));
    PROMISE(!record_check_text(record->reference) && !record_check_text(record->unit));
    PROMISE(record->value >= 0 && record->value <= RECORD_VALUE_MAX);
    PROMISE(record->time_us >= TIMESTAMP_MIN && record->time_us <= TIMESTAMP_MAX);
}

/* What decides is in the record, but for ids and extra fields. */
static void check_anew(const MappingSet *mappings, const Event *event, Str canonical, const RecordPolicy *policy)
{
    const Record *record = &event->record;
    Arena arena;
    Buf buf;
    Event again;
    RecordProblems problems;
    char value_text[DECIMAL_TEXT_BYTES_MAX];
    if (!str_starts_with(canonical, STR("[\"weir-event-1\"")) ||
        memcmp(canonical.ptr + canonical.len - 3, "{}]", 3) != 0) {
        return;
    }
    arena_init(&arena, BYTES_MAX, ARENA_BYTES_MAX);
    buf_init(&buf, BYTES_MAX);
    BUF_PUT(&buf, "{\"unit\":");
    buf_put_json(&buf, record->unit);
    BUF_PUT(&buf, ",\"data\":{\"amount\":");
    (void)decimal_format(record->value, policy->scale, value_text);
    buf_put(&buf, str_from(value_text)); /* as a text, 1.200 would not be clear */
    BUF_PUT(&buf, "},\"metric\":");
    buf_put_json(&buf, record->reference);
    BUF_PUT(&buf, ",\"ts\":");
    buf_put_time_json(&buf, record->time_us);
    buf_printf(&buf, ",\"type\":\"%s\",\"tenant\":", record->type == RECORD_POSITIVE ? "credit" : "OUT");
    buf_put_json(&buf, record->source_id);
    BUF_PUT(&buf, "}");
    yyjson_val *value = read_text(&arena, buf_str(&buf));
    PROMISE(value && event_from_json(value, mappings, STR("plain"), policy, &arena, &again, &problems) == STATUS_OK);
    PROMISE(memcmp(again.hash, event->hash, sizeof again.hash) == 0);
    PROMISE(record_differs(&again.record, record) == 0);
    buf_release(&buf);
    arena_release(&arena);
}

static void check_event(yyjson_val *value, const MappingSet *mappings, Str asked, const RecordPolicy *policy,
                        Arena *arena)
{
    Event event;
    RecordProblems problems, again;
    Str canonical = {NULL, 0};
    Status status = event_from_json(value, mappings, asked, policy, arena, &event, &problems);
    PROMISE(status == STATUS_OK || status == STATUS_REFUSED);
    PROMISE(event_canonical(value, mappings, asked, policy, arena, &canonical, &again) == status);
    PROMISE(again.count == problems.count && again.unknown_count == problems.unknown_count);
    check_problems(&problems, status);
    if (status == STATUS_OK) {
        check_record(&event, canonical);
        check_anew(mappings, &event, canonical, policy);
    }
}

/* The first byte chooses the mapping, the scale, and whether unknown fields are refused. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static MappingSet *mappings;
    if (!mappings) {
        mappings = make_mappings();
    }
    uint8_t choice = fuzz_take(&data, &size);
    if (size == 0 || size > BYTES_MAX) {
        return 0;
    }
    const RecordPolicy policy = {.scale = choice / 10 % 7, .refuse_unknown_fields = choice / 5 % 2, .hash_seed = 7};
    Arena arena;
    arena_init(&arena, BYTES_MAX, ARENA_BYTES_MAX);
    yyjson_val *value = read_text(&arena, (Str){(const char *)data, size});
    if (value) {
        check_event(value, mappings, str_from(names[choice % 5]), &policy, &arena);
    }
    arena_release(&arena);
    return 0;
}

/* From a message's bytes to a record, or to the reason why it is none. */
#include "intake/decode.h"

#include "unit.h"

#define FIELDS                                                                                                         \
    "\"recordId\":\"rec-1\",\"time\":\"2025-01-01T10:00:00Z\",\"sourceId\":\"s\",\"destinationId\":\"d\","             \
    "\"type\":\"negative\",\"value\":\"1.50\",\"unit\":\"EUR\",\"reference\":\"r\""
#define GOOD  "{" FIELDS "}"
#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define OTHER "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000002-01"
#define EVENT(more, data)                                                                                              \
    "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"" more ",\"data\":" data "}"
#define HEADER "recordId,time,sourceId,destinationId,type,value,unit,reference"
#define LINE   "rec-1,2025-01-01 10:00:00,s,d,negative,1.50,EUR,r"

static const RecordPolicy policy = {.scale = 2, .hash_seed = 5};
static const RecordPolicy strict = {.scale = 2, .hash_seed = 5, .refuse_unknown_fields = true};

typedef struct Decoding {
    Arena arena;
    Record record;
    Str why;
    Status status;
} Decoding;

/* The message's texts are gone when it returns: the record must not need them. */
static void decode(Decoding *decoding, SourceMessage message, const RecordPolicy *by)
{
    char raw[4096];
    assert_true(message.raw.len <= sizeof raw);
    memcpy(raw, message.raw.len ? message.raw.ptr : "", message.raw.len);
    message.raw.ptr = raw;
    *decoding = (Decoding){.why = STR("")};
    arena_init(&decoding->arena, 4096, 1 << 20);
    decoding->status = decode_message(&message, by, &decoding->arena, &decoding->record, &decoding->why);
    memset(raw, '?', sizeof raw);
}

static void check_record(SourceMessage message, const char *traceparent)
{
    Decoding decoding;
    decode(&decoding, message, &policy);
    assert_text(decoding.why, "");
    assert_int_equal(decoding.status, STATUS_OK);
    const Record *record = &decoding.record;
    assert_text(record->record_id, "rec-1");
    assert_text(record->source_id, "s");
    assert_text(record->destination_id, "d");
    assert_text(record->unit, "EUR");
    assert_text(record->reference, "r");
    assert_text(record->traceparent, traceparent);
    assert_true(record->value == 150 && record->type == RECORD_NEGATIVE);
    assert_true(record->time_us == INT64_C(1735725600000000));
    assert_true(record->identity_hash == record_identity_hash(record, IDENTITY_RECORD_ID, 5));
    arena_release(&decoding.arena);
}

static void check_why(SourceMessage message, const RecordPolicy *by, const char *expected)
{
    Decoding decoding;
    decode(&decoding, message, by);
    assert_int_equal(decoding.status, STATUS_REFUSED);
    assert_text(decoding.why, expected);
    arena_release(&decoding.arena);
}

static SourceMessage json(Str raw) { return (SourceMessage){.raw = raw, .format = SOURCE_FORMAT_JSON}; }

static SourceMessage csv(Str raw) { return (SourceMessage){.raw = raw, .format = SOURCE_FORMAT_CSV}; }

static void test_json_records(void **state)
{
    (void)state;
    check_record(json(STR(GOOD)), "");
    check_record(json(STR(" {" FIELDS ",\"more\":[1,{}]} \r\n")), "");
    check_record(json(STR("{" FIELDS ",\"note\":\"\\\"specversion\\\"\"}")), "");
    SourceMessage traced = json(STR(GOOD));
    traced.traceparent = STR(TRACE);
    check_record(traced, TRACE);
    traced.traceparent = STR("nonsense");
    check_record(traced, "");
}

static void test_json_that_is_no_record(void **state)
{
    (void)state;
    check_why(json(STR("{" FIELDS ",\"more\":1}")), &strict, "more is not a field of a record");
    check_why(json(STR("{\"recordId\":\"rec-1\"}")), &policy,
              "time is required; sourceId is required; destinationId is required; type is required; value is required; "
              "unit is required; reference is required");
}

/* Nobody would simulate it. Where it was allowed, it was passed over. */
static void test_no_failure_is_asked_for(void **state)
{
    static const RecordPolicy lenient = {.scale = 2, .hash_seed = 5, .faults_allowed = true};
    static const char why[] = "simulateFailure is possible only at the top of a request with a single record or event";
    (void)state;
    check_why(json(STR("{" FIELDS ",\"simulateFailure\":\"after\"}")), &lenient, why);
    check_why(json(STR("{" FIELDS ",\"simulateFailure\":false}")), &policy, why);
    check_why(json(STR(EVENT("", "{" FIELDS ",\"simulateFailure\":true}"))), &lenient, why);
    check_why(json(STR(EVENT(",\"simulateFailure\":true", GOOD))), &lenient, why);
}

/* Whatever comes, there is a reason that is UTF-8, and it is short. */
static void test_every_reason_can_be_told(void **state)
{
    (void)state;
    static const Str raws[] = {
        STR("{"),
        STR("nonsense"),
        STR("null"),
        STR("[]"),
        STR("[" GOOD "]"),
        STR(GOOD GOOD),
        STR(GOOD "\n{}"),
        STR("{\"\xff\":1}"),
        STR("\xff\xfe{}"),
        STR("{}"),
        STR("\"text\""),
        STR("17"),
        STR("{\"a\0b\":1}"),
        STR("{\"value\":1,\"value\":2}"),
        STR("   "),
        STR("\n"),
        STR("\0"),
        STR("\xef\xbb\xbf"),
    };
    for (size_t i = 0; i < sizeof raws / sizeof raws[0]; i++) {
        for (int way = 0; way < 4; way++) {
            Decoding decoding;
            decode(&decoding, way % 2 ? csv(raws[i]) : json(raws[i]), way / 2 ? &strict : &policy);
            assert_int_equal(decoding.status, STATUS_REFUSED);
            assert_in_range(decoding.why.len, 5, 4096);
            assert_true(str_count_code_points(decoding.why) > 0);
            arena_release(&decoding.arena);
        }
    }
}

static void test_what_is_refused_from_the_start(void **state)
{
    (void)state;
    SourceMessage message = json(STR(GOOD));
    message.refused = STR("is a null");
    check_why(message, &policy, "is a null");
    check_why(json(STR("")), &policy, "is empty");
    check_why(csv(STR("")), &policy, "is empty");
    check_why(json(STR("{\"specversion\":\"1.0\"")), &policy,
              "the record is not valid JSON: line 1, column 21: unexpected end of data");
}

static void test_cloudevents(void **state)
{
    (void)state;
    check_record(json(STR(EVENT("", GOOD))), "");
    check_record(json(STR(EVENT(",\"traceparent\":\"" TRACE "\"", GOOD))), TRACE);
    SourceMessage both = json(STR(EVENT(",\"traceparent\":\"" TRACE "\"", GOOD)));
    both.traceparent = STR(OTHER);
    check_record(both, TRACE); /* the event's own */
    SourceMessage outer = json(STR(EVENT("", GOOD)));
    outer.traceparent = STR(OTHER);
    check_record(outer, OTHER);
    check_why(json(STR(EVENT("", "{\"recordId\":\"rec-1\"}"))), &policy,
              "time is required; sourceId is required; destinationId is required; type is required; value is required; "
              "unit is required; reference is required");
    Decoding decoding;
    decode(&decoding,
           json(STR("{\"specversion\":\"0.3\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\",\"data\":" GOOD "}")),
           &policy);
    assert_int_equal(decoding.status, STATUS_REFUSED);
    assert_non_null(memmem(decoding.why.ptr, decoding.why.len, "specversion", 11));
    arena_release(&decoding.arena);
}

static void test_csv_records(void **state)
{
    (void)state;
    check_record(csv(STR(HEADER "\n" LINE)), "");
    check_record(csv(STR(HEADER "\r\n" LINE "\r\n")), "");
    check_record(csv(STR(HEADER "\n" LINE "\n\n")), "");
    check_record(csv(STR("\xef\xbb\xbf" HEADER ",more\n" LINE ",\"a\nb\"\n")), "");
}

static void test_csv_that_is_no_record(void **state)
{
    (void)state;
    check_why(csv(STR(HEADER "\n" LINE "\n" LINE "\n")), &policy, "has more than one line behind the header");
    check_why(csv(STR(HEADER "\nrec-1,2025-01-01 10:00:00,s,d,sideways,1.50,EUR,r")), &policy,
              "type must be positive or negative");
    Decoding decoding;
    decode(&decoding, csv(STR(HEADER)), &policy);
    assert_int_equal(decoding.status, STATUS_REFUSED);
    arena_release(&decoding.arena);
    decode(&decoding, csv(STR(HEADER ",\xff\xfe\n" LINE ",1")), &strict);
    assert_int_equal(decoding.status, STATUS_REFUSED);
    assert_true(str_count_code_points(decoding.why) > 0);
    arena_release(&decoding.arena);
}

/* Where there is no memory that is not the message's fault. */
static void test_no_memory(void **state)
{
    (void)state;
    Arena arena;
    Record record;
    Str why = STR("");
    SourceMessage message = json(STR(GOOD));
    arena_init(&arena, 16, 16);
    assert_int_equal(decode_message(&message, &policy, &arena, &record, &why), STATUS_BUSY);
    message.raw = STR("");
    message.refused = STR("a reason that has no room in so few bytes");
    assert_int_equal(decode_message(&message, &policy, &arena, &record, &why), STATUS_BUSY);
    arena_release(&arena);
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

#define LOOSE "\"source\":\"c\",\"payload\":{\"metric\":\"m\",\"amount\":\"-1.50\",\"ts\":1700000000}"

static const EventPath far_path = {{{"who", 3}}, 1};
static const Mapping far_mapping = {.name = {"far", 3}, .parts[EVENT_CLIENT] = {.items = &far_path, .count = 1}};

typedef struct EventDecoding {
    Decoding base;
    EventItem item;
} EventDecoding;

static void decode_loose(EventDecoding *decoding, SourceMessage message, const char *asked)
{
    MappingSet *mappings = NULL;
    Error error = {0};
    assert_int_equal(mapping_set_new(&far_mapping, 1, &mappings, &error), STATUS_OK);
    *decoding = (EventDecoding){.base.why = STR("")};
    arena_init(&decoding->base.arena, 4096, 1 << 20);
    decoding->base.status = decode_event(&message, mappings, str_from(asked), &policy, &decoding->base.arena,
                                         &decoding->base.record, &decoding->item, &decoding->base.why);
    /* The mapping's name outlives the message, and so does the set in a service. */
    decoding->item.mapping = arena_copy(&decoding->base.arena, decoding->item.mapping);
    mapping_set_free(mappings);
}

static void check_event(SourceMessage message, const char *asked, const char *raw, const char *mapping,
                        const char *traceparent)
{
    EventDecoding decoding;
    decode_loose(&decoding, message, asked);
    assert_text(decoding.base.why, "");
    assert_int_equal(decoding.base.status, STATUS_OK);
    const Record *record = &decoding.base.record;
    assert_true(str_starts_with(record->record_id, STR("sha256:")));
    assert_text(record->source_id, "c");
    assert_text(record->reference, "m");
    assert_true(record->value == 150 && record->type == RECORD_NEGATIVE &&
                record->time_us == INT64_C(1700000000000000));
    assert_text(record->traceparent, traceparent);
    assert_text(decoding.item.client, "c");
    assert_text(decoding.item.raw, raw);
    assert_text(decoding.item.mapping, mapping);
    arena_release(&decoding.base.arena);
}

static void check_no_event(SourceMessage message, const char *asked, const char *client, const char *why)
{
    EventDecoding decoding;
    decode_loose(&decoding, message, asked);
    assert_int_equal(decoding.base.status, STATUS_REFUSED);
    if (!str_starts_with(decoding.base.why, str_from(why))) {
        fail_msg("%.*s", STR_ARGS(decoding.base.why));
    }
    assert_text(decoding.item.client, client);
    arena_release(&decoding.base.arena);
}

static void test_events(void **state)
{
    (void)state;
    check_event(json(STR("{" LOOSE "}")), "", "{" LOOSE "}", "builtin", "");
    check_event(json(STR(" {" LOOSE ",\"more\":[]}\r\n")), "", " {" LOOSE ",\"more\":[]}\r\n", "builtin", "");
    check_event(json(STR("{\"who\":\"c\"," LOOSE "}")), "far", "{\"who\":\"c\"," LOOSE "}", "far", "");
    check_event(json(STR("{" LOOSE "}")), "gone", "{" LOOSE "}", "builtin", "");
    SourceMessage traced = json(STR("{" LOOSE "}"));
    traced.traceparent = STR(TRACE);
    check_event(traced, "", "{" LOOSE "}", "builtin", TRACE);
}

/* Of a CloudEvent the data is the event, and is kept. */
static void test_events_in_cloudevents(void **state)
{
    (void)state;
    SourceMessage message = json(STR(EVENT(",\"traceparent\":\"" OTHER "\"", "{" LOOSE "}")));
    check_event(message, "", "{" LOOSE "}", "builtin", OTHER);
    message.traceparent = STR(TRACE); /* what is nearer to the event goes first */
    check_event(message, "", "{" LOOSE "}", "builtin", OTHER);
    check_no_event(json(STR(EVENT("", "{\"client\":\"c\"}"))), "", "c", "metric is missing");
    check_no_event(json(STR(EVENT("", "7"))), "", "", "");
}

static void test_what_is_no_event(void **state)
{
    (void)state;
    check_no_event(json(STR("")), "", "", "is empty");
    check_no_event(json(STR("{")), "", "", "event is not valid JSON: line 1, column 2: unexpected end of data");
    check_no_event(json(STR("[{" LOOSE "}]")), "", "", "");
    check_no_event(json(STR("{\"client\":\"c\",\"metric\":\"m\",\"amount\":\"1,200\",\"time\":1700000000}")), "", "c",
                   "amount is ambiguous");
    check_no_event(json(STR("{" LOOSE "}")), "far", "", "client is missing; looked for who");
    check_no_event(json(STR("{" LOOSE ",\"simulateFailure\":\"before\"}")), "", "c",
                   "simulateFailure is possible only");
    check_no_event((SourceMessage){.refused = STR("is a null"), .format = SOURCE_FORMAT_JSON}, "", "", "is a null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_records),
        cmocka_unit_test(test_json_that_is_no_record),
        cmocka_unit_test(test_no_failure_is_asked_for),
        cmocka_unit_test(test_every_reason_can_be_told),
        cmocka_unit_test(test_what_is_refused_from_the_start),
        cmocka_unit_test(test_cloudevents),
        cmocka_unit_test(test_csv_records),
        cmocka_unit_test(test_csv_that_is_no_record),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_events_in_cloudevents),
        cmocka_unit_test(test_what_is_no_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "reading.h"

/* The good record with the value of one field exchanged: `json` as it stands, NULL to leave the field out. */
static void write_with(Buf *buf, const char *field, const char *json)
{
    static const char *const values[RECORD_FIELD_COUNT] = {
        "\"rec-001\"", "\"2025-01-01 10:00:00\"", "\"source-1\"", "\"dest-1\"", "\"positive\"", "\"100.50\"", "\"EUR\"",
        "\"ref-001\"",
    };
    buf_put_char(buf, '{');
    for (size_t i = 0; i < RECORD_FIELD_COUNT; i++) {
        bool is_it = strcmp(record_field_names[i], field) == 0;
        if (!is_it || json) {
            buf_put_key(buf, record_field_names[i]);
            buf_put(buf, str_from(is_it ? json : values[i]));
        }
    }
    buf_put_char(buf, '}');
    assert_false(buf->failed);
}

static void check_field(const char *field, const char *json, const char *problem)
{
    Buf buf;
    char expected[256] = "";
    buf_init(&buf, 1 << 16);
    write_with(&buf, field, json);
    if (*problem) {
        snprintf(expected, sizeof expected, "%s %s", field, problem);
    }
    check_problems(buf_str(&buf), &policy, expected);
    buf_release(&buf);
}

static void test_good_record(void **state)
{
    (void)state;
    for (int way = 0; way < 2; way++) {
        Reading reading;
        (way ? read_value : read_line)(&reading, STR(GOOD), &strict);
        assert_int_equal(reading.status, STATUS_OK);
        const Record *record = &reading.record;
        assert_text(record->record_id, "rec-001");
        assert_text(record->source_id, "source-1");
        assert_text(record->destination_id, "dest-1");
        assert_text(record->unit, "EUR");
        assert_text(record->reference, "ref-001");
        assert_true(record->time_us == INT64_C(1735725600000000));
        assert_true(record->value == 10050);
        assert_int_equal(record->type, RECORD_POSITIVE);
        assert_int_equal(record->traceparent.len, 0);
        assert_true(record->identity_hash == record_identity_hash(record, IDENTITY_RECORD_ID, 5));
        assert_int_equal(reading.problems.count, 0);
        assert_int_equal(reading.problems.unknown_count, 0);
        assert_text(reading.problems.record_id, "rec-001");
        reading_release(&reading);
    }
}

static void test_every_field_is_required(void **state)
{
    (void)state;
    for (size_t i = 0; i < RECORD_FIELD_COUNT; i++) {
        check_field(record_field_names[i], NULL, "is required");
        check_field(record_field_names[i], "null", "must not be null");
    }
    check_problems(STR("{}"), &policy,
                   "recordId is required; time is required; sourceId is required; destinationId is required; "
                   "type is required; value is required; unit is required; reference is required");
}

static void test_texts(void **state)
{
    (void)state;
    static const char *const fields[] = {"recordId", "sourceId", "destinationId", "unit", "reference"};
    static const char *const wrong[] = {"\"\"", "1", "true", "[]", "[\"a\"]", "{}", "{\"a\":1}", "1.5e3"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        for (size_t j = 0; j < sizeof wrong / sizeof wrong[0]; j++) {
            check_field(fields[i], wrong[j], "must be a string of 1 to 255 characters");
        }
        check_field(fields[i], "\"a\\u0000b\"", "must not contain the character NUL");
        check_field(fields[i], "\"\\u0000\"", "must not contain the character NUL");
        check_field(fields[i], "\" \"", "");
        check_field(fields[i], "\"\\n\\t\\\"\\\\\\/\\u00e9\\ud83d\\ude00\"", "");
    }
}

/* 255 characters of one to four bytes, plain and as escapes, and one more. */
static void test_text_lengths(void **state)
{
    (void)state;
    static const char *const characters[] = {"x", "é", "€", "😀", "\\u20ac", "\\ud83d\\ude00", "\\\\"};
    for (size_t i = 0; i < sizeof characters / sizeof characters[0]; i++) {
        Buf buf;
        buf_init(&buf, 1 << 16);
        buf_put_char(&buf, '"');
        for (int n = 0; n < 255; n++) {
            buf_put(&buf, str_from(characters[i]));
        }
        BUF_PUT(&buf, "\"\0");
        check_field("recordId", buf.ptr, "");
        buf.len -= 2;
        buf_put(&buf, str_from(characters[i]));
        BUF_PUT(&buf, "\"\0");
        check_field("recordId", buf.ptr, "must be a string of 1 to 255 characters");
        buf_release(&buf);
    }
}

static void test_types(void **state)
{
    (void)state;
    static const char *const wrong[] = {"\"\"",         "\"Positive\"",   "\"POSITIVE\"", "\"positive \"",
                                        "\"positivE\"", "\"negativ\"",    "\"+\"",        "1",
                                        "true",         "[\"positive\"]", "{}",           "\"positive\\u0000\""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        check_field("type", wrong[i], "must be positive or negative");
    }
    check_field("type", "\"negative\"", "");
    check_field("type", "\"\\u0070ositive\"", "");
}

static void test_values(void **state)
{
    (void)state;
    static const char sign[] = "must not have a sign: the type says whether it is positive or negative";
    static const char places[] = "must have at most 2 decimal places";
    static const char large[] = "must be at most 9999999999999.99";
    static const char digits[] = "must be a decimal number such as 100.50";
    static const char kind[] = "must be a number or a string such as \"100.50\"";
    static const struct {
        const char *json, *problem;
    } cases[] = {
        {"0", ""},
        {"\"0\"", ""},
        {"125.50", ""},
        {"1.5e3", ""},
        {"1e0", ""},
        {"12300e-2", ""},
        {"9999999999999.99", ""},
        {"\"9999999999999.99\"", ""},
        {"10000000000000", large},
        {"\"10000000000000.00\"", large},
        {"1e400", large},
        {"1e-400", places},
        {"1.005", places},
        {"\"1.005\"", places},
        {"\"1.000\"", places},
        {"-0", sign},
        {"\"-0\"", sign},
        {"-1", sign},
        {"\"-1.50\"", sign},
        {"\"+1\"", sign},
        {"\"1e2\"", digits},
        {"\"١٢\"", digits},
        {"\"\"", digits},
        {"\" 1\"", digits},
        {"\"1,50\"", digits},
        {"\"NaN\"", digits},
        {"\"0x1\"", digits},
        {"\"1\\u0000\"", digits},
        {"true", kind},
        {"[1]", kind},
        {"{\"value\":1}", kind},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_field("value", cases[i].json, cases[i].problem);
    }
}

static void test_other_scales(void **state)
{
    (void)state;
    static const struct {
        unsigned scale;
        const char *value, *problem;
    } cases[] = {
        {0, "999999999999999", ""},
        {0, "1.5", "value must be a whole number"},
        {0, "1000000000000000", "value must be at most 999999999999999"},
        {1, "1.55", "value must have at most 1 decimal place"},
        {1, "100000000000000", "value must be at most 99999999999999.9"},
        {3, "1.5555", "value must have at most 3 decimal places"},
        {3, "1000000000000", "value must be at most 999999999999.999"},
        {4, "1.55555", "value must have at most 4 decimal places"},
        {4, "100000000000", "value must be at most 99999999999.9999"},
        {5, "1.555555", "value must have at most 5 decimal places"},
        {5, "10000000000", "value must be at most 9999999999.99999"},
        {6, "1.5555555", "value must have at most 6 decimal places"},
        {6, "1000000000", "value must be at most 999999999.999999"},
        {6, "999999999.999999", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Buf buf;
        RecordPolicy by = {.scale = cases[i].scale};
        buf_init(&buf, 4096);
        write_with(&buf, "value", cases[i].value);
        check_problems(buf_str(&buf), &by, cases[i].problem);
        buf_release(&buf);
    }
}

static void test_times(void **state)
{
    (void)state;
    static const char kind[] = "must be a string with a date and time such as 2025-01-01T10:00:00Z";
    static const struct {
        const char *json, *problem;
    } cases[] = {
        {"\"2025-01-01T10:00:00.123456+02:00\"", ""},
        {"\"2024-02-29 23:59:59\"", ""},
        {"\"0000-01-01T00:00:00Z\"", "must have a year from 0001 to 9999"},
        {"\"9999-12-31T23:59:59-00:01\"", "must lie within the years 0001 to 9999 in UTC"},
        {"\"2025-02-29 00:00:00\"", "is not a day of that month"},
        {"\"2025-01-01 24:00:00\"", "must have an hour from 00 to 23"},
        {"\"2025-01-01 23:59:60\"", "must have a second from 00 to 59"},
        {"\"2025-01-01T10:00:00\"", "has no time zone: end it with Z or an offset such as +02:00"},
        {"\"yesterday\"", "is not a date and time such as 2025-01-01T10:00:00Z"},
        {"\"\"", "is not a date and time such as 2025-01-01T10:00:00Z"},
        {"1735725600", kind},
        {"true", kind},
        {"[]", kind},
        {"{}", kind},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_field("time", cases[i].json, cases[i].problem);
    }
}

static void test_all_problems_are_named(void **state)
{
    (void)state;
    Reading reading;
    static const char text[] =
        "{\"recordId\":\"r\",\"type\":\"x\",\"value\":-1,\"time\":\"2025-02-29 00:00:00\",\"unit\":7,"
        "\"sourceId\":\"\",\"destinationId\":null}";
    read_line(&reading, STR(text), &policy);
    assert_int_equal(reading.status, STATUS_REFUSED);
    assert_text(reading.problems.record_id, "r");
    assert_string_equal(
        reading.shown,
        "time is not a day of that month; sourceId must be a string of 1 to 255 characters; destinationId "
        "must not be null; type must be positive or negative; value must not have a sign: the type says "
        "whether it is positive or negative; unit must be a string of 1 to 255 characters; reference is "
        "required");
    Buf buf;
    buf_init(&buf, 4096);
    record_problems_put_json(&buf, &reading.problems);
    assert_text(
        buf_str(&buf),
        "{\"time\":[\"is not a day of that month\"],\"sourceId\":[\"must be a string of 1 to 255 characters\"],"
        "\"destinationId\":[\"must not be null\"],\"type\":[\"must be positive or negative\"],\"value\":[\"must not "
        "have a sign: the type says whether it is positive or negative\"],\"unit\":[\"must be a string of 1 to 255 "
        "characters\"],\"reference\":[\"is required\"]}");
    buf_release(&buf);
    reading_release(&reading);
}

static void test_not_an_object(void **state)
{
    (void)state;
    static const char *const texts[] = {"[]", "1", "\"a\"", "null", "true", "[" GOOD "]"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        check_problems(str_from(texts[i]), &policy, "the record must be a JSON object");
    }
}

/* The good record with more text before its closing brace. */
static void check_with_more(const char *more, const RecordPolicy *by, const char *problems)
{
    char text[2048];
    int len = snprintf(text, sizeof text, "%.*s,%s}", (int)sizeof GOOD - 2, GOOD, more);
    check_problems((Str){text, (size_t)len}, by, problems);
}

/* Where nobody would look at it, it must not be, whatever else is allowed and whatever it says. */
static void test_faults_refused(void **state)
{
    (void)state;
    static const char *const problem =
        "simulateFailure is possible only at the top of a request with a single record or event";
    RecordPolicy by = policy;
    by.faults_refused = true;
    for (int i = 0; i < 2; i++, by.faults_allowed = true) {
        check_with_more("\"simulateFailure\":true", &by, problem);
        check_with_more("\"simulateFailure\":null", &by, problem);
    }
    by.refuse_unknown_fields = true;
    check_with_more("\"simulateFailure\":\"before\"", &by, problem);
}

static void test_duplicate_keys(void **state)
{
    (void)state;
    static const char inside[] = "note contains an object with the same key twice";
    check_with_more("\"value\":\"100.50\"", &policy, "value must not be given twice");
    check_with_more("\"v\\u0061lue\":1", &policy, "value must not be given twice");
    check_with_more("\"unit\":null,\"unit\":7,\"time\":0", &policy,
                    "time must not be given twice; unit must not be given twice");
    check_with_more("\"note\":1,\"note\":1", &policy, "note must not be given twice");
    check_with_more("\"note\":1,\"n\\u006fte\":2", &policy, "note must not be given twice");
    check_with_more("\"note\":{\"a\":1,\"a\":1}", &policy, inside);
    check_with_more("\"note\":[1,[{\"b\":{\"a\":1,\"c\":[],\"a\":1}}]]", &policy, inside);
    check_with_more("\"note\":{\"a\":{\"b\":1},\"b\":{\"a\":1}}", &policy, "");
    check_with_more("\"note\":[{\"a\":1},{\"a\":1}]", &policy, "");
    check_with_more("\"note\":{\"a\":\"a\",\"A\":1,\"\":2}", &policy, "");
    check_with_more("\"note\":{\"\":1,\"\":2}", &policy, inside);
    check_with_more("\"note\":{\"a\\u0000b\":1,\"a\\u0000c\":2}", &policy, "");
    check_with_more("\"note\":{\"a\\u0000b\":1,\"a\\u0000b\":2}", &policy, inside);
}

/* Many keys, the last of which may be the first again: in the record itself and in an object inside. */
static void check_many_keys(size_t count, bool inside, bool twice)
{
    Buf buf;
    char expected[64] = "";
    buf_init(&buf, 8 << 20);
    buf_put(&buf, (Str){GOOD, sizeof GOOD - 2});
    buf_put(&buf, inside ? STR(",\"note\":{\"k\":0") : STR(""));
    for (size_t i = 0; i < count; i++) {
        buf_printf(&buf, ",\"k%zu\":%zu", twice && i == count - 1 ? 0 : i, i);
    }
    buf_put(&buf, inside ? STR("}}") : STR("}"));
    if (twice) {
        snprintf(expected, sizeof expected, "%s",
                 inside ? "note contains an object with the same key twice" : "k0 must not be given twice");
    }
    check_problems(buf_str(&buf), &policy, expected);
    buf_release(&buf);
}

static void test_many_keys(void **state)
{
    (void)state;
    static const size_t counts[] = {2, 3, 4, 5, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000, 20000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        for (int way = 0; way < 4; way++) {
            check_many_keys(counts[i], way & 1, way & 2);
        }
    }
}

static void test_unknown_fields_are_warnings(void **state)
{
    (void)state;
    Reading reading;
    char text[1024];
    int len = snprintf(text, sizeof text, "%.*s,\"note\":{\"a\":[1,2]},\"record_id\":\"x\",\"simulateFailure\":true}",
                       (int)sizeof GOOD - 2, GOOD);
    read_line(&reading, (Str){text, (size_t)len}, &policy);
    assert_int_equal(reading.status, STATUS_OK);
    assert_int_equal(reading.problems.unknown_count, 3);
    assert_text(reading.problems.unknown_fields[0], "note");
    assert_text(reading.problems.unknown_fields[1], "record_id");
    assert_text(reading.problems.unknown_fields[2], "simulateFailure");
    assert_text(reading.record.reference, "ref-001");
    reading_release(&reading);
}

static void test_unknown_fields_are_refused(void **state)
{
    (void)state;
    check_with_more("\"note\":1", &strict, "note is not a field of a record");
    check_with_more("\"record_id\":1", &strict, "record_id is not a field of a record; did you mean recordId?");
    check_with_more("\"Unit\":1", &strict, "Unit is not a field of a record; did you mean unit?");
    check_with_more("\"destinationID\":1", &strict,
                    "destinationID is not a field of a record; did you mean destinationId?");
    check_with_more("\"refernce\":1", &strict, "refernce is not a field of a record; did you mean reference?");
    check_with_more("\"traceparent\":1", &strict, "traceparent is not a field of a record");
    check_with_more("\"\":1", &strict, "\"(no name)\" is not a field of a record");
    check_with_more("\"a \\n\":1,\"é\":2", &strict,
                    "\"a \\n\" is not a field of a record; \"é\" is not a field of a record");
}

/* A client's names come back in the answer: few, and not long. */
static void test_unknown_names_are_cut(void **state)
{
    (void)state;
    Reading reading;
    Buf buf;
    buf_init(&buf, 1 << 20);
    buf_put(&buf, (Str){GOOD, sizeof GOOD - 2});
    for (int i = 0; i < 100; i++) {
        buf_printf(&buf, ",\"%03d", i);
        for (int n = 0; n < 200; n++) {
            BUF_PUT(&buf, "é");
        }
        BUF_PUT(&buf, "\":1");
    }
    buf_put_char(&buf, '}');
    read_line(&reading, buf_str(&buf), &strict);
    assert_int_equal(reading.status, STATUS_REFUSED);
    assert_int_equal(reading.problems.count, RECORD_PROBLEMS_MAX);
    assert_int_equal(reading.problems.unknown_count, 100);
    for (size_t i = 0; i < RECORD_WARNINGS_MAX; i++) {
        assert_int_equal(reading.problems.unknown_fields[i].len, 127);
        assert_int_equal(str_count_code_points(reading.problems.unknown_fields[i]), 3 + 62);
    }
    reading_release(&reading);
    buf_release(&buf);
}

static void test_identity_option(void **state)
{
    (void)state;
    static const RecordIdentity identities[] = {IDENTITY_RECORD_ID, IDENTITY_SOURCE_AND_RECORD_ID, IDENTITY_CONTENT};
    for (size_t i = 0; i < 3; i++) {
        Reading reading;
        RecordPolicy by = {.scale = 2, .identity = identities[i], .hash_seed = 77};
        read_line(&reading, STR(GOOD), &by);
        assert_true(reading.record.identity_hash == record_identity_hash(&reading.record, identities[i], 77));
        reading_release(&reading);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_record),
        cmocka_unit_test(test_every_field_is_required),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_text_lengths),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_other_scales),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_all_problems_are_named),
        cmocka_unit_test(test_not_an_object),
        cmocka_unit_test(test_faults_refused),
        cmocka_unit_test(test_duplicate_keys),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_unknown_fields_are_warnings),
        cmocka_unit_test(test_unknown_fields_are_refused),
        cmocka_unit_test(test_unknown_names_are_cut),
        cmocka_unit_test(test_identity_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

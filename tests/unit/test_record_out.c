#include "unit.h"

#include "record/record_json.h"
#include "support/random.h"

static const RecordPolicy policy = {.scale = 2, .identity = IDENTITY_RECORD_ID, .hash_seed = 5};

static StoredRecord stored_example(void)
{
    return (StoredRecord){
        .seq = 7,
        .record = {.record_id = STR("rec,\"1\"\n"),
                   .source_id = STR("s"),
                   .destination_id = STR("d"),
                   .unit = STR("EUR"),
                   .reference = STR("é"),
                   .time_us = INT64_C(1735725600500000),
                   .value = 5,
                   .type = RECORD_NEGATIVE},
    };
}

static void test_json_out(void **state)
{
    (void)state;
    Buf buf;
    StoredRecord stored = stored_example();
    buf_init(&buf, 4096);
    record_put_json(&buf, &stored, 2);
    assert_text(
        buf_str(&buf),
        "{\"id\":7,\"recordId\":\"rec,\\\"1\\\"\\n\",\"time\":\"2025-01-01T10:00:00.5Z\",\"sourceId\":\"s\","
        "\"destinationId\":\"d\",\"type\":\"negative\",\"value\":\"0.05\",\"unit\":\"EUR\",\"reference\":\"é\"}");
    buf_reset(&buf);
    stored.record.traceparent = STR("00-1");
    BUF_PUT(&buf, "{\"a\":1");
    record_put_json_fields(&buf, &stored.record, 8, 0);
    assert_text(
        buf_str(&buf),
        "{\"a\":1,\"id\":8,\"recordId\":\"rec,\\\"1\\\"\\n\",\"time\":\"2025-01-01T10:00:00.5Z\",\"sourceId\":\"s\","
        "\"destinationId\":\"d\",\"type\":\"negative\",\"value\":\"5\",\"unit\":\"EUR\",\"reference\":\"é\","
        "\"traceparent\":\"00-1\"");
    buf_reset(&buf);
    buf_put_decimal_json(&buf, -(Total)INT64_MAX * 1000, 2);
    buf_put_time_json(&buf, -1);
    assert_text(buf_str(&buf), "\"-92233720368547758070.00\"\"1969-12-31T23:59:59.999999Z\"");
    buf_release(&buf);
}

/* The longest texts, each character the longest in JSON, and the largest numbers: read again, it is the same record. */
static void test_content(void **state)
{
    static char controls[RECORD_TEXT_CODE_POINTS_MAX], letters[4 * RECORD_TEXT_CODE_POINTS_MAX];
    Buf buf;
    Arena arena;
    Record record = {.time_us = INT64_C(253402300799999999), .value = RECORD_VALUE_MAX, .type = RECORD_NEGATIVE};
    Record read;
    RecordProblems problems;
    (void)state;
    memset(controls, 1, sizeof controls);
    for (size_t i = 0; i < sizeof letters; i += 4) {
        memcpy(letters + i, "\xf0\x9f\x98\x80", 4);
    }
    record.record_id = record.source_id = record.destination_id = record.unit = (Str){controls, sizeof controls};
    record.reference = (Str){letters, sizeof letters};
    record.traceparent = STR("00-1"); /* goes beside it */
    record.identity_hash = record_identity_hash(&record, policy.identity, policy.hash_seed);
    buf_init(&buf, RECORD_JSON_CONTENT_BYTES_MAX);
    arena_init(&arena, 4096, 1 << 20);
    record_put_json_content(&buf, &record, policy.scale);
    assert_false(buf.failed);
    size_t len = buf.len;
    char *text = arena_alloc(&arena, len + YYJSON_PADDING_SIZE);
    memcpy(text, buf.ptr, len);
    assert_int_equal(record_parse_line(text, len, &policy, &arena, &read, &problems), STATUS_OK);
    assert_int_equal(problems.unknown_count, 0);
    assert_int_equal(record_differs(&record, &read), 0);
    assert_int_equal(read.identity_hash, record.identity_hash);
    arena_release(&arena);
    buf_release(&buf);
}

static void test_csv_out(void **state)
{
    (void)state;
    Buf buf;
    StoredRecord stored = stored_example();
    buf_init(&buf, 4096);
    record_put_csv_header(&buf);
    record_put_csv(&buf, &stored, 2);
    assert_text(buf_str(&buf), "id,recordId,time,sourceId,destinationId,type,value,unit,reference\r\n"
                               "7,\"rec,\"\"1\"\"\n\",2025-01-01T10:00:00.5Z,s,d,negative,0.05,EUR,é\r\n");
    buf_release(&buf);
}

static void test_writing_stops_at_the_ceiling(void **state)
{
    (void)state;
    StoredRecord stored = stored_example();
    for (size_t max = 0; max < 200; max += 7) {
        Buf buf;
        buf_init(&buf, max);
        record_put_json(&buf, &stored, 2);
        record_put_csv(&buf, &stored, 2);
        assert_true(buf.failed);
        assert_true(buf.len <= max);
        buf_release(&buf);
    }
}

/* What goes out comes in again, as JSON and as CSV, for many texts, times and values. */
static void make_record(uint64_t *seed, char texts[5][64], Record *ret)
{
    static const char *const pieces[] = {"a", "Z", "\"", "\\", ",",    "\n",   "\r", "\t",
                                         "é", "€", "😀",  " ",  "\x01", "\x7f", "/"};
    Str *fields[] = {&ret->record_id, &ret->source_id, &ret->destination_id, &ret->unit, &ret->reference};
    for (size_t i = 0; i < 5; i++) {
        size_t len = 0, count = 1 + random_next(seed) % 12;
        for (size_t n = 0; n < count; n++) {
            const char *piece = pieces[random_next(seed) % (sizeof pieces / sizeof pieces[0])];
            memcpy(texts[i] + len, piece, strlen(piece));
            len += strlen(piece);
        }
        *fields[i] = (Str){texts[i], len};
    }
    ret->time_us = INT64_C(-62135596800000000) + (int64_t)(random_next(seed) % UINT64_C(315537897600000000));
    ret->value = (int64_t)(random_next(seed) % (uint64_t)(RECORD_VALUE_MAX + 1));
    ret->type = random_next(seed) % 2 ? RECORD_NEGATIVE : RECORD_POSITIVE;
}

static void check_json_round_trip(const StoredRecord *stored, Buf *buf, Arena *arena)
{
    Record back;
    RecordProblems problems;
    buf_reset(buf);
    record_put_json(buf, stored, 2);
    size_t len = buf->len;
    BUF_PUT(buf, "####");
    assert_int_equal(record_parse_line(buf->ptr, len, &policy, arena, &back, &problems), STATUS_OK);
    assert_int_equal(record_differs(&stored->record, &back), 0);
    assert_int_equal(problems.unknown_count, 1);
}

static void check_csv_round_trip(const StoredRecord *stored, Buf *buf)
{
    Record back;
    RecordProblems problems;
    CsvHeader header;
    Str cells[CSV_COLUMNS_MAX], rest;
    size_t count;
    buf_reset(buf);
    record_put_csv_header(buf);
    record_put_csv(buf, stored, 2);
    rest = buf_str(buf);
    assert_int_equal(csv_line_split(&rest, false, cells, &count, NULL), STATUS_OK);
    assert_int_equal(csv_header_parse(cells, count, &policy, &header, NULL), STATUS_OK);
    assert_int_equal(csv_line_split(&rest, false, cells, &count, NULL), STATUS_OK);
    assert_int_equal(record_from_csv(cells, count, &header, &policy, &back, &problems), STATUS_OK);
    assert_int_equal(record_differs(&stored->record, &back), 0);
    assert_int_equal(rest.len, 0);
}

static void test_round_trips(void **state)
{
    (void)state;
    uint64_t seed = 3;
    Buf buf;
    Arena arena;
    buf_init(&buf, 1 << 16);
    arena_init(&arena, 4096, 1 << 16);
    for (int round = 0; round < 20000; round++) {
        char texts[5][64];
        StoredRecord stored = {.seq = round};
        make_record(&seed, texts, &stored.record);
        check_json_round_trip(&stored, &buf, &arena);
        check_csv_round_trip(&stored, &buf);
    }
    arena_release(&arena);
    buf_release(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_out),    cmocka_unit_test(test_content),
        cmocka_unit_test(test_csv_out),     cmocka_unit_test(test_writing_stops_at_the_ceiling),
        cmocka_unit_test(test_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

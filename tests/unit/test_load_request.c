#include "unit.h"

#include "base/clock.h"
#include "bench/load_request.h"

static int64_t fixed_us(void *self)
{
    (void)self;
    return INT64_C(1735725600000000);
}

static const Clock fixed = {.wall_us = fixed_us, .monotonic_us = fixed_us};

/* All parts of a request, one behind another. */
static Str put_all(const LoadOptions *options, LoadRange *range)
{
    static char text[4 << 20];
    static LoadMaker maker;
    size_t bytes = 0;
    Error error;
    assert_int_equal(load_maker_init(&maker, options, STR("host:1"), options->path, &error), STATUS_OK);
    while (!range->ended) {
        assert_true(bytes + load_request_bytes_max(options) <= sizeof text);
        size_t part = load_request_put(&maker, range, text + bytes);
        assert_true(part > 0 && part <= load_request_bytes_max(options));
        bytes += part;
    }
    assert_int_equal(range->written, range->count);
    return (Str){text, bytes};
}

/* The head goes off the front; `value` is what the header says. */
static Str take_head(Str *request, const char *header)
{
    Str value = {0};
    for (Str line = str_split(request, '\n'); line.len > 1; line = str_split(request, '\n')) {
        assert_int_equal(line.ptr[line.len - 1], '\r');
        Str rest = line;
        Str name = str_split(&rest, ':');
        value = str_is(name, header) ? str_trim(rest) : value;
    }
    return value;
}

static size_t count_char(Str text, char c)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += text.ptr[i] == c;
    }
    return count;
}

static void test_single(void **state)
{
    (void)state;
    LoadOptions options = load_options_default(LOAD_SINGLE, &fixed);
    LoadRange range = {.first = 5, .count = 1};
    Str request = put_all(&options, &range);
    assert_true(str_starts_with(request, STR("POST /api/records HTTP/1.1\r\nHost: host:1\r\n")));
    uint64_t length;
    assert_true(str_to_u64(take_head(&request, "Content-Length"), 1000, &length));
    assert_int_equal(length, request.len);
    assert_true(str_starts_with(request, STR("{\"recordId\"")));
    assert_int_equal(request.ptr[request.len - 1], '}');
}

static void test_array(void **state)
{
    (void)state;
    LoadOptions options = load_options_default(LOAD_ARRAY, &fixed);
    LoadRange range = {.first = 0, .count = 500};
    Str request = put_all(&options, &range);
    uint64_t length;
    assert_true(str_to_u64(take_head(&request, "Content-Length"), 1000000, &length));
    assert_int_equal(length, request.len);
    assert_int_equal(request.ptr[0], '[');
    assert_int_equal(request.ptr[request.len - 1], ']');
    assert_int_equal(count_char(request, '{'), 500);
    assert_int_equal(count_char(request, '['), 1);
}

static uint64_t hex(Str text)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char *digits = "0123456789abcdef", *at = strchr(digits, text.ptr[i]);
        assert_non_null(at);
        value = value * 16 + (uint64_t)(at - digits);
    }
    return value;
}

/* Checks the chunks of a body and counts their lines. */
static size_t count_lines(Str body)
{
    size_t lines = 0;
    for (;;) {
        uint64_t size = hex(str_trim(str_split(&body, '\n')));
        assert_true(size + 2 <= body.len);
        Str data = {body.ptr, size};
        assert_memory_equal(body.ptr + size, "\r\n", 2);
        body = (Str){body.ptr + size + 2, body.len - size - 2};
        if (size == 0) {
            assert_int_equal(body.len, 0);
            return lines;
        }
        assert_int_equal(data.ptr[size - 1], '\n');
        lines += count_char(data, '\n');
    }
}

static void test_stream(void **state)
{
    (void)state;
    LoadOptions options = load_options_default(LOAD_NDJSON, &fixed);
    for (uint64_t count = 1; count < 10000; count = count * 3 + 1) {
        LoadRange range = {.first = 7, .count = count};
        Str request = put_all(&options, &range);
        assert_text(take_head(&request, "Transfer-Encoding"), "chunked");
        assert_int_equal(count_lines(request), count);
    }
}

/* A run that is stopped ends its streams properly, wherever they are. */
static void test_stream_cut_short(void **state)
{
    (void)state;
    static char text[1 << 20];
    static LoadMaker maker;
    LoadOptions options = load_options_default(LOAD_NDJSON, &fixed);
    LoadRange range = {.first = 0, .count = 1000000};
    Error error;
    assert_int_equal(load_maker_init(&maker, &options, STR("host:1"), options.path, &error), STATUS_OK);
    size_t bytes = load_request_put(&maker, &range, text);
    assert_false(range.ended);
    range.count = range.written;
    bytes += load_request_put(&maker, &range, text + bytes);
    assert_true(range.ended);
    Str request = {text, bytes};
    (void)take_head(&request, "Host");
    assert_int_equal(count_lines(request), range.count);
}

static void test_head_too_long(void **state)
{
    (void)state;
    static char path[LOAD_REQUEST_HEAD_BYTES_MAX];
    static LoadMaker maker;
    LoadOptions options = load_options_default(LOAD_SINGLE, &fixed);
    Error error;
    memset(path, '/', sizeof path);
    assert_int_equal(load_maker_init(&maker, &options, STR("h"), (Str){path, sizeof path}, &error), STATUS_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single),           cmocka_unit_test(test_array),         cmocka_unit_test(test_stream),
        cmocka_unit_test(test_stream_cut_short), cmocka_unit_test(test_head_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

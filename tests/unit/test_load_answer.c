#include "unit.h"

#include "bench/load_answer.h"

static LoadAnswer answer;

/* Feeds `text` in pieces of `step` bytes and returns how much of it was taken. */
static size_t feed(Str text, size_t step)
{
    size_t used = 0;
    load_answer_begin(&answer);
    while (used < text.len && answer.part != LOAD_ANSWER_DONE && answer.part != LOAD_ANSWER_BROKEN) {
        size_t piece = text.len - used < step ? text.len - used : step;
        size_t taken = load_answer_feed(&answer, text.ptr + used, piece);
        used += taken;
        if (taken < piece) {
            break;
        }
    }
    return used;
}

typedef struct Case {
    const char *text;
    int status;
    bool close;
    const char *body;
} Case;

static const Case whole[] = {
    {"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nDate: x\r\n\r\nhello", 201, false, "hello"},
    {"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", 200, false, ""},
    {"HTTP/1.1 204 No Content\r\n\r\n", 204, false, ""},
    {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", 200, true, "ab"},
    {"HTTP/1.1 503 Busy\r\nConnection: close\r\nRetry-After: 2\r\nContent-Length: 1\r\n\r\nx", 503, true, "x"},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0A;a=b\r\n0123456789\r\n0\r\n\r\n", 200, false,
     "abc0123456789"},
    {"HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: Chunked\r\n\r\n1\r\nz\r\n000\r\nTrailer: x\r\nOther: y\r\n\r\n", 200, false,
     "z"},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!", 200, false, "!"},
};

static void test_whole_and_in_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        Str text = str_from(whole[i].text);
        for (size_t step = 1; step <= text.len; step++) {
            assert_int_equal(feed(text, step), text.len);
            assert_int_equal(answer.part, LOAD_ANSWER_DONE);
            assert_int_equal(answer.status, whole[i].status);
            assert_int_equal(answer.close, whole[i].close);
            assert_text(((Str){answer.body, answer.body_bytes}), whole[i].body);
        }
    }
}

/* The next answer's bytes are left alone. */
static void test_stops_behind_one(void **state)
{
    (void)state;
    Str two = STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 201 Created\r\n");
    for (size_t step = 1; step <= two.len; step++) {
        assert_int_equal(feed(two, step), 39);
        assert_int_equal(answer.part, LOAD_ANSWER_DONE);
    }
}

static void test_unfinished(void **state)
{
    (void)state;
    Str text = STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    for (size_t bytes = 0; bytes < text.len; bytes++) {
        (void)feed((Str){text.ptr, bytes}, 7);
        assert_int_not_equal(answer.part, LOAD_ANSWER_DONE);
        assert_int_not_equal(answer.part, LOAD_ANSWER_BROKEN);
        load_answer_end(&answer);
        assert_int_equal(answer.part, LOAD_ANSWER_BROKEN);
    }
}

static void test_until_close(void **state)
{
    (void)state;
    Str text = STR("HTTP/1.1 200 OK\r\n\r\nall of it");
    assert_int_equal(feed(text, 4), text.len);
    assert_int_equal(answer.part, LOAD_ANSWER_UNTIL_CLOSE);
    load_answer_end(&answer);
    assert_int_equal(answer.part, LOAD_ANSWER_DONE);
    assert_true(answer.close);
    assert_text(((Str){answer.body, answer.body_bytes}), "all of it");
}

static void test_not_http(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 600 High\r\n\r\n",
        "HTTP/1.1 2x0 Letters\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (size_t step = 1; step < 100; step += 3) {
            (void)feed(str_from(texts[i]), step);
            assert_int_equal(answer.part, LOAD_ANSWER_BROKEN);
        }
    }
}

static void test_head_too_long(void **state)
{
    (void)state;
    static char text[LOAD_ANSWER_HEAD_BYTES_MAX * 2];
    memset(text, 'x', sizeof text);
    memcpy(text, "HTTP/1.1 200 OK\r\n", 17);
    (void)feed((Str){text, sizeof text}, 1000);
    assert_int_equal(answer.part, LOAD_ANSWER_BROKEN);
}

static void test_long_body_is_skipped(void **state)
{
    (void)state;
    static char text[100000];
    int head = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n");
    memset(text + head, 'b', 90000);
    assert_int_equal(feed((Str){text, (size_t)head + 90000}, 4096), head + 90000);
    assert_int_equal(answer.part, LOAD_ANSWER_DONE);
    assert_int_equal(answer.body_bytes, LOAD_ANSWER_BODY_BYTES_KEPT);
}

static void test_retry_after(void **state)
{
    (void)state;
    (void)feed(str_from(whole[4].text), 1000);
    assert_int_equal(answer.retry_after, 2);
    (void)feed(STR("HTTP/1.1 503 Busy\r\nRetry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\nContent-Length: 0\r\n\r\n"),
               1000);
    assert_int_equal(answer.part, LOAD_ANSWER_DONE);
    assert_int_equal(answer.retry_after, 0);
}

static void test_numbers(void **state)
{
    (void)state;
    (void)feed(STR("HTTP/1.1 200 OK\r\n\r\n"
                   "{\"message\":\"created\",\"data\":{\"received\":12,\"created\":10,\"duplicates\":2,\"x\":"),
               1000);
    assert_int_equal(load_answer_number(&answer, "received"), 12);
    assert_int_equal(load_answer_number(&answer, "created"), 10);
    assert_int_equal(load_answer_number(&answer, "duplicates"), 2);
    assert_int_equal(load_answer_number(&answer, "conflicts"), 0);
    assert_int_equal(load_answer_number(&answer, "x"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_and_in_pieces),
        cmocka_unit_test(test_stops_behind_one),
        cmocka_unit_test(test_unfinished),
        cmocka_unit_test(test_until_close),
        cmocka_unit_test(test_not_http),
        cmocka_unit_test(test_head_too_long),
        cmocka_unit_test(test_long_body_is_skipped),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

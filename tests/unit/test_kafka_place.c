/* A place as the offset's metadata has it, and what errors of brokers mean. */
#include "unit.h"

#include "broker/kafka_error.h"
#include "deliver/kafka_place.h"

static const char good[] = "weir epoch=3 sent=41 writer=0123456789abcdef";

static void test_there_and_back(void **state)
{
    (void)state;
    KafkaPlace place = {.place = {.cursor = 50, .sent_seq = 41}, .epoch = 3, .writer = "0123456789abcdef"}, back;
    char text[KAFKA_PLACE_TEXT_BYTES];
    kafka_place_format(&place, text);
    assert_string_equal(text, good);
    assert_true(kafka_place_parse(51, str_from(text), &back));
    assert_int_equal(back.place.cursor, 50);
    assert_int_equal(back.place.sent_seq, 41);
    assert_int_equal(back.epoch, 3);
    assert_string_equal(back.writer, place.writer);
}

static void test_largest(void **state)
{
    (void)state;
    KafkaPlace place = {.place = {INT64_MAX - 1, INT64_MAX - 1}, .epoch = INT64_MAX, .writer = "0123456789abcdef"},
               back;
    char text[KAFKA_PLACE_TEXT_BYTES];
    kafka_place_format(&place, text);
    assert_true(kafka_place_parse(INT64_MAX, str_from(text), &back));
    assert_int_equal(back.place.cursor, INT64_MAX - 1);
    assert_int_equal(back.epoch, INT64_MAX);
}

/* Whatever else a group of that name may have been given. */
static void test_what_is_none(void **state)
{
    static const char *const texts[] = {
        "",
        "weir",
        "kafka epoch=3 sent=41 writer=0123456789abcdef",
        "weir epoch=0 sent=41 writer=0123456789abcdef",
        "weir epoch=-1 sent=41 writer=0123456789abcdef",
        "weir epoch=3 sent= writer=0123456789abcdef",
        "weir epoch=3 sent=9223372036854775808 writer=0123456789abcdef",
        "weir sent=41 epoch=3 writer=0123456789abcdef",
        "weir epoch=3 sent=41",
        "weir epoch=3 sent=41 writer=0123456789abcde",
        "weir epoch=3 sent=41 writer=0123456789abcdef0",
        "weir epoch=3 sent=41 writer=0123456789ABCDEF",
        "weir epoch=3 sent=41 writer=0123456789\n\n\n\n\n\n",
    };
    (void)state;
    KafkaPlace place = {.epoch = 99};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_false(kafka_place_parse(51, str_from(texts[i]), &place));
    }
    assert_false(kafka_place_parse(0, str_from(good), &place));
    assert_false(
        kafka_place_parse(-1001, str_from(good), &place)); /* RD_KAFKA_OFFSET_INVALID: no offset is committed */
    assert_int_equal(place.epoch, 99);
}

static void test_errors(void **state)
{
    (void)state;
    assert_int_equal(kafka_error_status(RD_KAFKA_RESP_ERR_NO_ERROR), STATUS_OK);
    assert_int_equal(kafka_error_status(RD_KAFKA_RESP_ERR__TIMED_OUT), STATUS_BUSY);
    assert_int_equal(kafka_error_status(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), STATUS_BUSY);
    assert_int_equal(kafka_error_status(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED), STATUS_REFUSED);
    assert_true(kafka_error_blames_message(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE));
    assert_false(kafka_error_blames_message(RD_KAFKA_RESP_ERR__PURGE_QUEUE));
    assert_true(kafka_error_is_fenced(RD_KAFKA_RESP_ERR__FENCED));
    Error error;
    rd_kafka_error_t *broken = rd_kafka_error_new(RD_KAFKA_RESP_ERR__TRANSPORT, "the line is cut");
    assert_int_equal(kafka_error_take(broken, "asking", &error), STATUS_BUSY);
    assert_string_equal(error.message, "asking: the line is cut");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

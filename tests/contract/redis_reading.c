#include "redis_reading.h"

const StoreInfo reading_info = {.id = {0xab, 2, 3}, .epoch = 1};

int64_t reading_now_us(void) { return clock_monotonic_us(&clock_system); }

void reading_open(Reading *reading, const char *streams, const char *lists)
{
    source_close(reading->source);
    reading->options.streams = streams;
    reading->options.lists = lists;
    if (source_open(&reading->context, &reading->source, &reading->error) != STATUS_OK) {
        fail_msg("open: %s", reading->error.message);
    }
}

int reading_setup(void **state)
{
    Reading *reading = test_calloc(1, sizeof *reading);
    redis_server_start(&reading->server, "always");
    reading->options = (SourceOptions){.name = "here",
                                       .type = SOURCE_REDIS,
                                       .group_messages_max = 1000,
                                       .message_bytes_max = 1 << 20,
                                       .timeout_us = 10000000,
                                       .url = reading->server.url,
                                       .ca_file = "",
                                       .cert_file = "",
                                       .key_file = "",
                                       .group = "weir",
                                       .consumer = "",
                                       .from_beginning = true,
                                       .claim_us = 60000000};
    reading->context = (SourceContext){.options = &reading->options, .info = &reading_info, .clock = &clock_system};
    source_group_init(&reading->group, reading->options.group_messages_max);
    reading_open(reading, "k", "");
    *state = reading;
    return 0;
}

int reading_teardown(void **state)
{
    Reading *reading = *state;
    source_close(reading->source);
    source_group_release(&reading->group);
    redis_server_stop(&reading->server);
    test_free(reading);
    return 0;
}

Status reading_try_connect(Reading *reading)
{
    size_t count = reading->place.part.len ? 1 : 0;
    return reading->source->ops->connect(reading->source, &reading->place, count, &reading->error);
}

void reading_connect(Reading *reading)
{
    if (reading_try_connect(reading) != STATUS_OK) {
        fail_msg("connect: %s", reading->error.message);
    }
}

Status reading_fetch_once(Reading *reading)
{
    source_group_reset(&reading->group);
    return reading->source->ops->fetch(reading->source, &reading->group, &reading->error);
}

/* Until something has come, or it fails. */
Status reading_fetch(Reading *reading)
{
    int64_t until_us = reading_now_us() + PATIENCE_US;
    Status status = reading_fetch_once(reading);
    while (status == STATUS_OK && reading->group.count == 0) {
        assert_true(reading_now_us() < until_us);
        reading->source->ops->wait(reading->source, 1000000);
        status = reading_fetch_once(reading);
    }
    return status;
}

void reading_store(Reading *reading)
{
    for (size_t i = 0; i < reading->group.place_count; i++) {
        SourcePlace place = reading->group.places[i];
        snprintf(reading->part, sizeof reading->part, "%.*s", STR_ARGS(place.part));
        assert_true(str_equal(place.part, str_from(reading->part)));
        snprintf(reading->mark, sizeof reading->mark, "%.*s", STR_ARGS(place.mark));
        reading->place = (SourcePlace){str_from(reading->part), place.next, str_from(reading->mark)};
    }
    assert_int_equal(reading->source->ops->acknowledge(reading->source, &reading->group, &reading->error), STATUS_OK);
}

/* Takes so many as a feeder does; each is "{}". */
void reading_take(Reading *reading, size_t count)
{
    for (size_t taken = 0; taken < count; taken += reading->group.count) {
        if (reading_fetch(reading) != STATUS_OK) {
            fail_msg("fetch: %s", reading->error.message);
        }
        assert_true(taken + reading->group.count <= count);
        reading_store(reading);
    }
}

void reading_check_quiet(Reading *reading)
{
    for (int64_t until_us = reading_now_us() + 400000; reading_now_us() < until_us;) {
        assert_int_equal(reading_fetch_once(reading), STATUS_OK);
        assert_int_equal(reading->group.count, 0);
        reading->source->ops->wait(reading->source, 50000);
    }
}

void reading_check_error(const Reading *reading, const char *what)
{
    if (!strstr(reading->error.message, what) || !strstr(reading->error.message, "redis at ")) {
        fail_msg("%s", reading->error.message);
    }
    assert_null(strstr(reading->error.message, "cret"));
}

void reading_check_notice(const Reading *reading, const char *what)
{
    if (what ? !memmem(reading->source->notice.ptr, reading->source->notice.len, what, strlen(what))
             : reading->source->notice.len > 0) {
        fail_msg("the notice is: %.*s", STR_ARGS(reading->source->notice));
    }
}

void reading_add(Reading *reading, int count)
{
    for (int i = 0; i < count; i++) {
        redis_server_do(&reading->server, "XADD k * record {}");
    }
}

int64_t reading_number(redisReply *reply)
{
    int64_t number = reply->type == REDIS_REPLY_ARRAY ? reply->element[0]->integer : reply->integer;
    freeReplyObject(reply);
    return number;
}

/* Where a Redis is, from its URL. */
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "broker/redis_url.h"

static RedisUrl parsed(const char *text)
{
    RedisUrl url;
    Error error = {0};
    if (redis_url_parse(text, &url, &error) != STATUS_OK) {
        fail_msg("%s: %s", text, error.message);
    }
    return url;
}

static void check_refused(const char *text, const char *why)
{
    RedisUrl url;
    Error error = {0};
    if (redis_url_parse(text, &url, &error) != STATUS_REFUSED) {
        fail_msg("%s was not refused", text);
    }
    if (!strstr(error.message, why)) {
        fail_msg("%s: %s", text, error.message);
    }
    assert_null(strstr(error.message, "secret"));
}

static void test_tcp(void **state)
{
    (void)state;
    RedisUrl url = parsed("redis://example.com");
    assert_string_equal(url.host, "example.com");
    assert_int_equal(url.port, 6379);
    assert_int_equal(url.db, 0);
    assert_false(url.tls);
    assert_string_equal(url.user, "");
    assert_string_equal(url.password, "");
    assert_string_equal(url.path, "");
    url = parsed("redis://user:p%40ss%2Fw@10.0.0.1:7000/12");
    assert_string_equal(url.host, "10.0.0.1");
    assert_int_equal(url.port, 7000);
    assert_int_equal(url.db, 12);
    assert_string_equal(url.user, "user");
    assert_string_equal(url.password, "p@ss/w");
    url = parsed("redis://:alone@[::1]:7001/");
    assert_string_equal(url.host, "::1");
    assert_string_equal(url.user, "");
    assert_string_equal(url.password, "alone");
    assert_int_equal(url.db, 0);
    url = parsed("rediss://example.com");
    assert_true(url.tls);
}

static void test_unix(void **state)
{
    (void)state;
    RedisUrl url = parsed("unix:///run/redis/redis.sock");
    assert_string_equal(url.path, "/run/redis/redis.sock");
    assert_int_equal(url.db, 0);
    url = parsed("unix:///run/with%20space?db=4");
    assert_string_equal(url.path, "/run/with space");
    assert_int_equal(url.db, 4);
    url = parsed("unix://user:pass@/run/x");
    assert_string_equal(url.path, "/run/x");
    assert_string_equal(url.user, "user");
    assert_string_equal(url.password, "pass");
    url = parsed("unix://:pass@localhost/run/x");
    assert_string_equal(url.path, "/run/x");
    assert_string_equal(url.password, "pass");
}

static void test_refused(void **state)
{
    (void)state;
    check_refused("", "names no host");
    check_refused("example.com:6379", "not a URL");
    check_refused("http://example.com", "scheme");
    check_refused("redis://", "names no host");
    check_refused("redis:///3", "names no host");
    check_refused("redis://:secret@", "names no host");
    check_refused("redis://:secret@/3", "names no host");
    check_refused("redis://user@example.com", "without a password");
    check_refused("redis://example.com:0", "port");
    check_refused("redis://example.com:70000", "not a URL");
    check_refused("redis://:secret@example.com/x", "database");
    check_refused("redis://example.com/1/2", "database");
    check_refused("redis://example.com/99999999", "database");
    check_refused("redis://example.com?db=1", "query");
    check_refused("redis://example.com/1#x", "fragment");
    check_refused("redis://:secret%00@example.com", "cannot be in one");
    check_refused("unix://", "absolute path");
    check_refused("unix:///", "absolute path");
    check_refused("unix://elsewhere/run/x", "absolute path");
    check_refused("unix:///run/x?timeout=1", "db=n");
    check_refused("unix:///run/x?db=", "database");
}

static void test_too_long(void **state)
{
    (void)state;
    char text[4096] = "unix:///";
    memset(text + strlen(text), 'a', 200);
    check_refused(text, "longer than 107 bytes");
    char host[4096] = "redis://:secret@";
    memset(host + strlen(host), 'a', 3000);
    check_refused(host, "too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests_name("redis_url", tests, NULL, NULL);
}

#include "unit.h"

#include "http/origin.h"

typedef struct Row {
    const char *host, *origin, *fetch_site;
    bool reads, writes; /* whether a request with these headers may */
} Row;

static bool may(const OriginRules *rules, const Row *row, bool only_reads)
{
    OriginClaims claims = {.host = str_from(row->host),
                           .origin = str_from(row->origin),
                           .fetch_site = str_from(row->fetch_site),
                           .only_reads = only_reads};
    return !origin_problem(rules, &claims);
}

static void check_rows(const OriginRules *rules, const Row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const Row *row = &rows[i];
        bool reads = may(rules, row, true), writes = may(rules, row, false);
        if (reads != row->reads || writes != row->writes) {
            fail_msg("Host %s, Origin %s, Sec-Fetch-Site %s: reads %d, writes %d", row->host, row->origin,
                     row->fetch_site, reads, writes);
        }
    }
}
#define CHECK_ROWS(rules, rows) check_rows((rules), (rows), sizeof(rows) / sizeof((rows)[0]))

static void test_hosts(void **state)
{
    static const Row rows[] = {
        {"127.0.0.1", NULL, NULL, true, true},
        {"127.0.0.1:8080", NULL, NULL, true, true},
        {"10.1.2.3:80", NULL, NULL, true, true},
        {"[::1]", NULL, NULL, true, true},
        {"[fe80::1]:8080", NULL, NULL, true, true},
        {"localhost", NULL, NULL, true, true},
        {"LocalHost:8080", NULL, NULL, true, true},
        {"weir.localhost:8080", NULL, NULL, true, true},
        {"weir.example", NULL, NULL, true, true},
        {"Weir.Example:443", NULL, NULL, true, true},
        {"other", NULL, NULL, true, true},
        {NULL, NULL, NULL, true, true}, /* HTTP/1.0 */
        {"evil.example", NULL, NULL, false, false},
        {"evil.example:8080", NULL, NULL, false, false},
        {"weir.example.evil.example", NULL, NULL, false, false},
        {"notlocalhost", NULL, NULL, false, false},
        {"localhost.evil.example", NULL, NULL, false, false},
        {"localhost.", NULL, NULL, false, false},
        {"127.0.0.1.evil.example", NULL, NULL, false, false},
        {"127.0.0.1:80:80", NULL, NULL, false, false},
        {"[::1", NULL, NULL, false, false},
        {"[]", NULL, NULL, false, false},
        {"[127.0.0.1]", NULL, NULL, false, false},
        {"::1", NULL, NULL, false, false},
        {":8080", NULL, NULL, false, false},
        {"8080", NULL, NULL, false, false},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb", NULL, NULL, false, false},
        /* A page under a name that leads here is of the same origin for the browser, and is told by the name alone. */
        {"evil.example:8080", "http://evil.example:8080", "same-origin", false, false},
    };
    const OriginRules rules = {.hosts = "weir.example, other"};
    (void)state;
    CHECK_ROWS(&rules, rows);
}

static void test_pages(void **state)
{
    static const Row rows[] = {
        {"localhost:8080", "http://localhost:8080", "same-origin", true, true},
        {"localhost:8080", NULL, "none", true, true},
        {"localhost:8080", "http://localhost:8080", NULL, true, true},
        {"weir.example", "https://weir.example", NULL, true, true},
        {"[::1]:8080", "http://[::1]:8080", NULL, true, true},
        {"localhost:8080", "https://evil.example", "cross-site", true, false},
        {"localhost:8080", "https://evil.example", NULL, true, false},
        {"localhost:8080", "http://localhost:3000", "same-site", true, false},
        {"localhost:8080", "http://localhost:3000", NULL, true, false},
        {"localhost:8080", "http://127.0.0.1:8080", NULL, true, false},
        {"localhost:8080", "null", NULL, true, false},
        {"localhost:8080", "null", "cross-site", true, false},
        {"localhost:8080", NULL, "cross-site", true, false},
        {"localhost:8080", NULL, "same-site", true, false},
        {"localhost:8080", NULL, "Same-Origin", true, false},
        {"localhost:8080", "localhost:8080", NULL, true, false},
        {"localhost:8080", "://localhost:8080", NULL, true, false},
        {"localhost:8080", "http://localhost:8080@evil.example", NULL, true, false},
        {NULL, "https://evil.example", NULL, true, false},
        {NULL, "null", NULL, true, false},
        /* A proxy that asks for another Host than the browser did. */
        {"127.0.0.1:8080", "https://weir.example", "same-origin", true, true},
        {"127.0.0.1:8080", "http://weir.example:8443", NULL, true, true},
        {"127.0.0.1:8080", "https://console.example", "cross-site", true, true},
        {"127.0.0.1:8080", "https://weir.example.evil.example", "cross-site", true, false},
    };
    const OriginRules rules = {.hosts = "weir.example, console.example"};
    (void)state;
    CHECK_ROWS(&rules, rows);
}

/* Whoever names some does not mean any. */
static void test_any_host_but_some_are_named(void **state)
{
    static const Row rows[] = {
        {"weir.lan:8080", NULL, NULL, true, true},
        {"10.1.2.3", NULL, NULL, true, true},
        {"evil.example", "http://evil.example", "same-origin", false, false},
    };
    const OriginRules rules = {.hosts = "weir.lan", .any_host = true};
    (void)state;
    CHECK_ROWS(&rules, rows);
}

static void test_any_host(void **state)
{
    static const Row rows[] = {
        {"weir.lan:8080", NULL, NULL, true, true},
        {"weir.lan:8080", "http://weir.lan:8080", NULL, true, true},
        {"weir.lan:8080", "https://evil.example", NULL, true, false},
        {"weir.lan:8080", "https://evil.example", "cross-site", true, false},
    };
    const OriginRules rules = {.hosts = "", .any_host = true};
    (void)state;
    CHECK_ROWS(&rules, rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_any_host),
        cmocka_unit_test(test_any_host_but_some_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

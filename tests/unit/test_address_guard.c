#include "deliver/address_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "unit.h"

static size_t make_address(const char *text, struct sockaddr_storage *ret_address)
{
    *ret_address = (struct sockaddr_storage){0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        return sizeof *v4;
    }
    assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    v6->sin6_family = AF_INET6;
    return sizeof *v6;
}

static AddressGuard guard_of(const char *cidrs)
{
    AddressGuard guard;
    Error error = {0};
    if (address_guard_init(&guard, str_from(cidrs), &error) != STATUS_OK) {
        fail_msg("%s", error.message);
    }
    return guard;
}

static void check(const char *allowed, const char *text, const char *expected)
{
    AddressGuard guard = guard_of(allowed);
    struct sockaddr_storage address;
    size_t bytes = make_address(text, &address);
    const char *what = address_guard_refuses(&guard, (struct sockaddr *)&address, bytes);
    if ((what == NULL) != (expected == NULL) || (what && strcmp(what, expected) != 0)) {
        fail_msg("%s is \"%s\" instead of \"%s\"", text, what ? what : "fine", expected ? expected : "fine");
    }
}

static void test_public_addresses(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1.1.1.1",         "8.8.8.8",      "9.255.255.255", "11.0.0.0",      "100.63.255.255", "100.128.0.0",
        "126.255.255.255", "128.0.0.1",    "168.63.129.15", "169.253.0.1",   "169.255.0.0",    "172.15.255.255",
        "172.32.0.0",      "192.167.0.1",  "192.169.0.1",   "198.17.0.1",    "198.20.0.0",     "223.255.255.255",
        "93.184.216.34",   "2606:4700::1", "2a00:1450::1",  "2001:4860::88", "2400:cb00::1",   "2003::1",
        "3ffe::1",         "2001:200::1",  "2000::1",       "192.0.1.1",     "203.0.112.255",  "203.0.114.0"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        check("", texts[i], NULL);
    }
}

static void test_ipv4_that_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *what;
    } cases[] = {{"0.0.0.0", "unspecified"},
                 {"0.1.2.3", "unspecified"},
                 {"10.0.0.0", "private"},
                 {"10.255.255.255", "private"},
                 {"172.16.0.0", "private"},
                 {"172.31.255.255", "private"},
                 {"192.168.0.1", "private"},
                 {"100.64.0.0", "shared (carrier-grade NAT)"},
                 {"100.127.255.255", "shared (carrier-grade NAT)"},
                 {"127.0.0.1", "loopback"},
                 {"127.255.255.255", "loopback"},
                 {"169.254.0.1", "link-local"},
                 {"169.254.169.253", "link-local"},
                 {"169.254.169.254", "a cloud's metadata address"},
                 {"100.100.100.200", "a cloud's metadata address"},
                 {"168.63.129.16", "a cloud's metadata address"},
                 {"192.0.0.192", "reserved"},
                 {"192.0.2.1", "reserved"},
                 {"192.88.99.1", "reserved"},
                 {"198.18.0.1", "reserved"},
                 {"198.19.255.255", "reserved"},
                 {"198.51.100.7", "reserved"},
                 {"203.0.113.7", "reserved"},
                 {"224.0.0.1", "multicast"},
                 {"239.255.255.255", "multicast"},
                 {"240.0.0.1", "reserved"},
                 {"255.255.255.255", "reserved"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check("", cases[i].text, cases[i].what);
    }
}

static void test_ipv6_that_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *what;
    } cases[] = {{"::", "unspecified"},
                 {"::1", "loopback"},
                 {"::2", "reserved"},
                 {"::127.0.0.1", "reserved"},
                 {"::ffff:127.0.0.1", "IPv4-mapped"},
                 {"::ffff:8.8.8.8", "IPv4-mapped"},
                 {"::ffff:a9fe:a9fe", "IPv4-mapped"},
                 {"::ffff:0:10.0.0.1", "IPv4-translated"},
                 {"64:ff9b::10.0.0.1", "IPv4-translated"},
                 {"64:ff9b::8.8.8.8", "IPv4-translated"},
                 {"64:ff9b:1:ffff::1", "IPv4-translated"},
                 {"2002:7f00:1::", "of 6to4"},
                 {"2002:0808:0808::1", "of 6to4"},
                 {"2001::1", "of Teredo"},
                 {"2001:0:4136:e378:8000:63bf:3fff:fdd2", "of Teredo"},
                 {"2001:10::1", "reserved"},
                 {"2001:1ff:ffff::1", "reserved"},
                 {"2001:db8::1", "reserved"},
                 {"3fff:fff::1", "reserved"},
                 {"100::1", "reserved"},
                 {"fc00::1", "private (unique local)"},
                 {"fdff:ffff::1", "private (unique local)"},
                 {"fd00:ec2::254", "a cloud's metadata address"},
                 {"fd00:ec2::253", "private (unique local)"},
                 {"fe80::1", "link-local"},
                 {"febf::1", "link-local"},
                 {"fec0::1", "site-local"},
                 {"ff02::1", "multicast"},
                 {"4000::1", "reserved"},
                 {"7fff::1", "reserved"},
                 {"8000::1", "reserved"},
                 {"e000::1", "reserved"},
                 {"fe00::1", "reserved"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check("", cases[i].text, cases[i].what);
    }
}

static void test_allowed_ranges(void **state)
{
    (void)state;
    check("127.0.0.1", "127.0.0.1", NULL);
    check("127.0.0.1/32", "127.0.0.2", "loopback");
    check("127.0.0.0/8", "127.9.9.9", NULL);
    check("10.0.0.0/8, 192.168.7.0/24", "10.1.2.3", NULL);
    check("10.0.0.0/8, 192.168.7.0/24", "192.168.7.255", NULL);
    check("10.0.0.0/8,192.168.7.0/24", "192.168.8.0", "private");
    check("10.128.0.0/9", "10.127.255.255", "private");
    check("10.128.0.0/9", "10.128.0.0", NULL);
    check("0.0.0.0/0", "169.254.169.254", NULL);
    check("0.0.0.0/0", "::1", "loopback"); /* of the other kind */
    check("::/0", "127.0.0.1", "loopback");
    check("::/0", "::ffff:127.0.0.1", NULL);
    check("::1", "::1", NULL);
    check("fd00::/8", "fd12::1", NULL);
    check("fd00::/8", "fc12::1", "private (unique local)");
    check("fe80::/10", "febf::7", NULL);
    /* A range of IPv4 addresses does not open the ways around it. */
    check("127.0.0.0/8", "::ffff:127.0.0.1", "IPv4-mapped");
    check("::ffff:127.0.0.0/104", "::ffff:127.0.0.1", NULL);
    check("64:ff9b::/96", "64:ff9b::8.8.8.8", NULL);
    check(" ", "10.0.0.1", "private");
}

static void check_no_range(const char *cidrs, const char *part)
{
    AddressGuard guard;
    Error error = {0};
    assert_int_equal(address_guard_init(&guard, str_from(cidrs), &error), STATUS_REFUSED);
    if (!strstr(error.message, part)) {
        fail_msg("\"%s\": \"%s\" does not say \"%s\"", cidrs, error.message, part);
    }
}

static void test_ranges_that_are_refused(void **state)
{
    (void)state;
    static const char *const none[] = {"localhost",    "10.0.0.0/33", "10.0.0.0/",   "10.0.0.0/-1", "10.0.0.0/8x",
                                       "10.0.0/8",     "::1/129",     "10.0.0.0 /8", "[::1]",       "10.0.0.0/8/8",
                                       "fe80::1%eth0", "1",           "0x7f.0.0.1",  "010.0.0.1/8x"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        check_no_range(none[i], "no range of addresses");
    }
    check_no_range("10.0.0.0/8,,127.0.0.1", "has \"\"");
    check_no_range("10.0.0.0/8,", "has \"\"");
    check_no_range("10.0.0.1/8", "goes on behind its /8");
    check_no_range("fd00::1/8", "goes on behind its /8");
    check_no_range("0.0.0.1/0", "goes on behind its /0");
    char many[2048] = "1.1.1.1";
    for (size_t i = 0; i < ADDRESS_GUARD_CIDRS_MAX; i++) {
        memcpy(many + strlen(many), ",1.1.1.1", 9);
    }
    check_no_range(many, "more than 64");
    memset(many, '1', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    check_no_range(many, "has \"111");
}

static void test_other_families(void **state)
{
    (void)state;
    AddressGuard guard = guard_of("0.0.0.0/0, ::/0");
    struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/run/socket"};
    assert_string_equal(address_guard_refuses(&guard, (struct sockaddr *)&path, sizeof path), "not of the internet");
    struct sockaddr_storage address;
    size_t bytes = make_address("8.8.8.8", &address);
    assert_null(address_guard_refuses(&guard, (struct sockaddr *)&address, bytes));
    assert_non_null(address_guard_refuses(&guard, (struct sockaddr *)&address, bytes - 1));
    assert_non_null(address_guard_refuses(&guard, (struct sockaddr *)&address, 0));
    char text[ADDRESS_GUARD_TEXT_BYTES_MAX];
    address_guard_format((struct sockaddr *)&address, bytes, text);
    assert_string_equal(text, "8.8.8.8");
    bytes = make_address("fd00:ec2::254", &address);
    address_guard_format((struct sockaddr *)&address, bytes, text);
    assert_string_equal(text, "fd00:ec2::254");
    address_guard_format((struct sockaddr *)&path, sizeof path, text);
    assert_string_equal(text, "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public_addresses),        cmocka_unit_test(test_ipv4_that_is_refused),
        cmocka_unit_test(test_ipv6_that_is_refused),    cmocka_unit_test(test_allowed_ranges),
        cmocka_unit_test(test_ranges_that_are_refused), cmocka_unit_test(test_other_families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

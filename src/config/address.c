#include "config/address.h"

#include <arpa/inet.h>
#include <stdio.h>

static bool set_ipv4(const char *host, Address *address)
{
    struct in_addr in;
    if (inet_pton(AF_INET, host, &in) != 1) {
        return false;
    }
    address->is_ipv6 = false;
    address->is_loopback = ntohl(in.s_addr) >> 24 == 127;
    return true;
}

static bool set_ipv6(const char *host, Address *address)
{
    struct in6_addr in;
    if (inet_pton(AF_INET6, host, &in) != 1) {
        return false;
    }
    address->is_ipv6 = true;
    address->is_loopback = IN6_IS_ADDR_LOOPBACK(&in);
    return true;
}

/* Splits at the last colon; brackets around the host protect its own colons. */
static bool split(Str text, Str *ret_host, Str *ret_port)
{
    size_t at = text.len;
    while (at > 0 && text.ptr[at - 1] != ':') {
        at--;
    }
    if (at == 0) {
        return false;
    }
    *ret_host = (Str){text.ptr, at - 1};
    *ret_port = (Str){text.ptr + at, text.len - at};
    return true;
}

static bool set_host(Str host, Address *address)
{
    bool bracketed = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (bracketed) {
        host = (Str){host.ptr + 1, host.len - 2};
    } else if (str_is(host, "localhost")) {
        host = STR("127.0.0.1");
    } else if (str_is(host, "*")) {
        host = STR("0.0.0.0");
    }
    if (host.len >= sizeof address->host || (host.len && memchr(host.ptr, 0, host.len))) {
        return false;
    }
    snprintf(address->host, sizeof address->host, "%.*s", STR_ARGS(host));
    return bracketed ? set_ipv6(address->host, address) : set_ipv4(address->host, address);
}

Status address_parse(Str text, Address *ret_address, Error *reterr)
{
    Address address = {0};
    Str host, port;
    uint64_t number = 0;
    if (!split(text, &host, &port) || !str_to_u64(port, UINT16_MAX, &number)) {
        return error_set(reterr, STATUS_REFUSED, "\"%.*s\" does not end in a colon and a port from 0 to 65535",
                         STR_ARGS(text));
    }
    if (!set_host(host, &address)) {
        return error_set(reterr, STATUS_REFUSED,
                         "\"%.*s\" is not a numeric address like 127.0.0.1 or [::1], localhost or *", STR_ARGS(host));
    }
    address.port = (uint16_t)number;
    *ret_address = address;
    return STATUS_OK;
}

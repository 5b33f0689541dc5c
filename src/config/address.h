/* A network address as people write it: HOST:PORT, an IPv6 host in brackets. */
#ifndef WEIR_CONFIG_ADDRESS_H
#define WEIR_CONFIG_ADDRESS_H

#include "base/err.h"
#include "base/str.h"

enum { ADDRESS_HOST_BYTES_MAX = 64 };

typedef struct Address {
    char host[ADDRESS_HOST_BYTES_MAX]; /* numeric, without brackets: "127.0.0.1", "::1" */
    bool is_ipv6;
    bool is_loopback; /* only this machine can reach it */
    uint16_t port;    /* 0: any free one */
} Address;

/* Numeric hosts, "localhost" (127.0.0.1) and "*" (0.0.0.0); names are not looked up. REFUSED with what is wrong. */
Status address_parse(Str text, Address *ret_address, Error *reterr) MUST_CHECK;

#endif

/* Which addresses may be called. A webhook's URL is written by people who may not reach what the machine can reach, so
 * addresses that are not of the public internet are refused unless they are allowed by name: CIDRs of the option
 * allow_private.
 *
 * It judges addresses, not names, at the moment when a connection is opened: what a name resolves to may change between
 * two looks. The ranges are those of IANA's special-purpose registries (RFC 6890 and what followed) and addresses where
 * clouds keep their metadata. IPv6 addresses that carry an IPv4 address (mapped, translated, 6to4, Teredo) are refused
 * as a whole: what they lead to depends on the network. */
#ifndef WEIR_DELIVER_ADDRESS_GUARD_H
#define WEIR_DELIVER_ADDRESS_GUARD_H

#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"

enum { ADDRESS_GUARD_CIDRS_MAX = 64, ADDRESS_GUARD_TEXT_BYTES_MAX = 64 };

typedef struct AddressRange {
    bool is_ipv6;
    uint8_t bytes[16]; /* network order; 4 of an IPv4 range */
    unsigned bits;     /* that count */
} AddressRange;

/* Plain memory. */
typedef struct AddressGuard {
    AddressRange allowed[ADDRESS_GUARD_CIDRS_MAX];
    size_t allowed_count;
} AddressGuard;

/* "10.0.0.0/8, fd00::/8, 127.0.0.1"; empty for none. REFUSED with a phrase that names what is wrong: "has
 * \"10.0.0.1/8\", which …". */
Status address_guard_init(AddressGuard *guard, Str cidrs, Error *reterr) MUST_CHECK;

/* NULL when it may be called, else what it is, as an adjective: "private", "loopback", "link-local". `bytes` is its
 * length. */
const char *address_guard_refuses(const AddressGuard *guard, const struct sockaddr *address, size_t bytes);

/* "127.0.0.1", "::1"; "?" for what is no address. */
void address_guard_format(const struct sockaddr *address, size_t bytes, char ret_text[ADDRESS_GUARD_TEXT_BYTES_MAX]);

#endif

#include "deliver/address_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>

typedef struct RefusedRange {
    uint8_t bytes[16];
    unsigned bits;
    const char *what;
} RefusedRange;

/* The first that fits gives the name. */
static const RefusedRange refused_ipv4[] = {
    {{0}, 8, "unspecified"},
    {{10}, 8, "private"},
    {{100, 100, 100, 200}, 32, "a cloud's metadata address"},
    {{100, 64}, 10, "shared (carrier-grade NAT)"},
    {{127}, 8, "loopback"},
    {{168, 63, 129, 16}, 32, "a cloud's metadata address"},
    {{169, 254, 169, 254}, 32, "a cloud's metadata address"},
    {{169, 254}, 16, "link-local"},
    {{172, 16}, 12, "private"},
    {{192, 0, 0}, 24, "reserved"},
    {{192, 0, 2}, 24, "reserved"},
    {{192, 31, 196}, 24, "reserved"},
    {{192, 52, 193}, 24, "reserved"},
    {{192, 88, 99}, 24, "reserved"},
    {{192, 168}, 16, "private"},
    {{192, 175, 48}, 24, "reserved"},
    {{198, 18}, 15, "reserved"},
    {{198, 51, 100}, 24, "reserved"},
    {{203, 0, 113}, 24, "reserved"},
    {{224}, 4, "multicast"},
    {{240}, 4, "reserved"},
};

/* What is not in 2000::/3 is refused by the last lines, whatever it will be used for. */
static const RefusedRange refused_ipv6[] = {
    {{0}, 128, "unspecified"},
    {{[15] = 1}, 128, "loopback"},
    {{[10] = 0xFF, 0xFF}, 96, "IPv4-mapped"},
    {{[8] = 0xFF, 0xFF}, 96, "IPv4-translated"},
    {{0, 0x64, 0xFF, 0x9B}, 96, "IPv4-translated"},
    {{0, 0x64, 0xFF, 0x9B, 0, 1}, 48, "IPv4-translated"},
    {{0x20, 0x01, 0, 0}, 32, "of Teredo"},
    {{0x20, 0x01}, 23, "reserved"},
    {{0x20, 0x01, 0x0D, 0xB8}, 32, "reserved"},
    {{0x20, 0x02}, 16, "of 6to4"},
    {{0x26, 0x20, 0, 0x4F, 0x80}, 48, "reserved"},
    {{0x3F, 0xFF}, 20, "reserved"},
    {{0xFD, 0x00, 0x0E, 0xC2, [14] = 0x02, 0x54}, 128, "a cloud's metadata address"},
    {{0xFC}, 7, "private (unique local)"},
    {{0xFE, 0x80}, 10, "link-local"},
    {{0xFE, 0xC0}, 10, "site-local"},
    {{0xFF}, 8, "multicast"},
    {{0}, 3, "reserved"},
    {{0x40}, 2, "reserved"},
    {{0x80}, 1, "reserved"},
};

static bool range_has(const uint8_t *range, unsigned bits, const uint8_t *bytes)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(range, bytes, whole) != 0) {
        return false;
    }
    return rest == 0 || (range[whole] ^ bytes[whole]) >> (8 - rest) == 0;
}

static const char *first_that_fits(const RefusedRange *ranges, size_t count, const uint8_t *bytes)
{
    for (size_t i = 0; i < count; i++) {
        if (range_has(ranges[i].bytes, ranges[i].bits, bytes)) {
            return ranges[i].what;
        }
    }
    return NULL;
}

static bool is_allowed(const AddressGuard *guard, bool is_ipv6, const uint8_t *bytes)
{
    for (size_t i = 0; i < guard->allowed_count; i++) {
        const AddressRange *range = &guard->allowed[i];
        if (range->is_ipv6 == is_ipv6 && range_has(range->bytes, range->bits, bytes)) {
            return true;
        }
    }
    return false;
}

/* The address in network order, copied out since nobody promises its alignment; false for other families. */
static bool address_bytes(const struct sockaddr *address, size_t count, bool *ret_is_ipv6, uint8_t ret_bytes[16])
{
    sa_family_t family = AF_UNSPEC;
    if (count >= offsetof(struct sockaddr, sa_family) + sizeof family) {
        memcpy(&family, (const char *)address + offsetof(struct sockaddr, sa_family), sizeof family);
    }
    if (family == AF_INET && count >= sizeof(struct sockaddr_in)) {
        memcpy(ret_bytes, (const char *)address + offsetof(struct sockaddr_in, sin_addr), 4);
    } else if (family == AF_INET6 && count >= sizeof(struct sockaddr_in6)) {
        memcpy(ret_bytes, (const char *)address + offsetof(struct sockaddr_in6, sin6_addr), 16);
    } else {
        return false;
    }
    *ret_is_ipv6 = family == AF_INET6;
    return true;
}

const char *address_guard_refuses(const AddressGuard *guard, const struct sockaddr *address, size_t bytes)
{
    bool is_ipv6;
    uint8_t text[16];
    if (!address_bytes(address, bytes, &is_ipv6, text)) {
        return "not of the internet";
    }
    if (is_allowed(guard, is_ipv6, text)) {
        return NULL;
    }
    return is_ipv6 ? first_that_fits(refused_ipv6, sizeof refused_ipv6 / sizeof refused_ipv6[0], text)
                   : first_that_fits(refused_ipv4, sizeof refused_ipv4 / sizeof refused_ipv4[0], text);
}

void address_guard_format(const struct sockaddr *address, size_t bytes, char ret_text[ADDRESS_GUARD_TEXT_BYTES_MAX])
{
    bool is_ipv6;
    uint8_t text[16];
    if (!address_bytes(address, bytes, &is_ipv6, text) ||
        !inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, text, ret_text, ADDRESS_GUARD_TEXT_BYTES_MAX)) {
        snprintf(ret_text, ADDRESS_GUARD_TEXT_BYTES_MAX, "?");
    }
}

/* ---- CIDRs ------------------------------------------------------------------------------------------------------- */

/* 10.0.0.1/8 is more likely a mistake than a wish. */
static bool has_bits_behind(const AddressRange *range)
{
    unsigned count = range->is_ipv6 ? 128 : 32;
    for (unsigned bit = range->bits; bit < count; bit++) {
        if (range->bytes[bit / 8] & (0x80 >> bit % 8)) {
            return true;
        }
    }
    return false;
}

static bool parse_range(Str text, AddressRange *ret_range)
{
    char host[ADDRESS_GUARD_TEXT_BYTES_MAX];
    Str rest = text, address = str_split(&rest, '/');
    if (address.len >= sizeof host || memchr(address.ptr, '\0', address.len)) {
        return false;
    }
    memcpy(host, address.ptr, address.len);
    host[address.len] = '\0';
    *ret_range = (AddressRange){.is_ipv6 = memchr(address.ptr, ':', address.len) != NULL};
    unsigned bits_max = ret_range->is_ipv6 ? 128 : 32;
    uint64_t bits = bits_max;
    if (inet_pton(ret_range->is_ipv6 ? AF_INET6 : AF_INET, host, ret_range->bytes) != 1 ||
        (rest.ptr && !str_to_u64(rest, bits_max, &bits))) {
        return false;
    }
    ret_range->bits = (unsigned)bits;
    return true;
}

Status address_guard_init(AddressGuard *guard, Str cidrs, Error *reterr)
{
    guard->allowed_count = 0;
    Str rest = str_trim(cidrs);
    if (rest.len == 0) {
        return STATUS_OK;
    }
    while (rest.ptr) {
        Str text = str_trim(str_split(&rest, ','));
        AddressRange range;
        if (guard->allowed_count == ADDRESS_GUARD_CIDRS_MAX) {
            return error_set(reterr, STATUS_REFUSED, "has more than %d ranges", ADDRESS_GUARD_CIDRS_MAX);
        }
        if (!parse_range(text, &range)) {
            return error_set(reterr, STATUS_REFUSED,
                             "has \"%.*s\", which is no range of addresses (10.0.0.0/8, fd00::/8)", STR_ARGS(text));
        }
        if (has_bits_behind(&range)) {
            return error_set(reterr, STATUS_REFUSED, "has \"%.*s\", whose address goes on behind its /%u",
                             STR_ARGS(text), range.bits);
        }
        guard->allowed[guard->allowed_count++] = range;
    }
    return STATUS_OK;
}

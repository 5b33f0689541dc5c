#include <arpa/inet.h>

#include "config/address.h"
#include "config/options.h"
#include "config/units.h"
#include "config/url.h"

static Status parse_bool(Str text, int64_t *ret_number, Error *reterr)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        if (str_equal_nocase(text, str_from(words[i]))) {
            *ret_number = i % 2;
            return STATUS_OK;
        }
    }
    return error_set(reterr, STATUS_REFUSED, "\"%.*s\" is neither true nor false", STR_ARGS(text));
}

static bool find_choice(const Option *option, Str text, int64_t *ret_place)
{
    for (int i = 0; i < OPTION_CHOICES_MAX && option->choices[i]; i++) {
        if (str_is(text, option->choices[i])) {
            *ret_place = i;
            return true;
        }
    }
    return false;
}

static Status parse_choice(const Option *option, Str text, int64_t *ret_number, Error *reterr)
{
    if (find_choice(option, text, ret_number)) {
        return STATUS_OK;
    }
    Buf known;
    buf_init(&known, ERROR_MESSAGE_BYTES_MAX);
    option_put_choices(&known, option);
    Str list = buf_str(&known);
    error_set(reterr, STATUS_REFUSED, "\"%.*s\" is not one of %.*s", STR_ARGS(text), STR_ARGS(list));
    buf_release(&known);
    return STATUS_REFUSED;
}

static Status parse_integer(const Option *option, Str text, int64_t *ret_number, Error *reterr)
{
    Status status = units_parse_integer(text, ret_number, reterr);
    if (status == STATUS_OK || !option->choices[0]) {
        return status;
    }
    Buf known;
    buf_init(&known, ERROR_MESSAGE_BYTES_MAX);
    option_put_choices(&known, option);
    Str list = buf_str(&known);
    error_set(reterr, STATUS_REFUSED, "\"%.*s\" is neither %.*s nor a whole number", STR_ARGS(text), STR_ARGS(list));
    buf_release(&known);
    return STATUS_REFUSED;
}

static Status parse_address(Str text, int64_t *ret_number, Error *reterr)
{
    Address address;
    Status status = address_parse(text, &address, reterr);
    if (status == STATUS_OK) {
        *ret_number = address.port;
    }
    return status;
}

static Status refuse_hidden(Error *reterr)
{
    return error_set(reterr, STATUS_REFUSED, "\"" OPTION_HIDDEN "\" stands for what was not printed; put that in");
}

static Status parse_text(const Option *option, Str text, int64_t *ret_number, Error *reterr)
{
    if (text.len == 0) {
        return error_set(reterr, STATUS_REFUSED, "must not be empty");
    }
    if ((option->marks & OPTION_SECRET) && str_is(text, OPTION_HIDDEN)) {
        return refuse_hidden(reterr);
    }
    *ret_number = 0;
    return STATUS_OK;
}

/* What is wrong is not repeated: there may be a password in it. */
static Status parse_url(Str text, int64_t *ret_number, Error *reterr)
{
    Url url;
    if (!url_split(text, &url)) {
        return error_set(reterr, STATUS_REFUSED, "is no URL like https://example.com/path");
    }
    if (str_is(url.user, OPTION_HIDDEN)) {
        return refuse_hidden(reterr);
    }
    *ret_number = 0;
    return STATUS_OK;
}

static Status parse_host(Str text, int64_t *ret_number, Error *reterr)
{
    static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    for (size_t i = 0; i < text.len; i++) {
        if (!memchr(known, text.ptr[i], sizeof known - 1)) {
            return error_set(reterr, STATUS_REFUSED,
                             "\"%.*s\" is no host's name like weir.example (without scheme and port, in ASCII)",
                             STR_ARGS(text));
        }
    }
    *ret_number = 0;
    return STATUS_OK;
}

static Status parse_cidr(Str text, int64_t *ret_number, Error *reterr)
{
    char address[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    Str bits = text;
    Str host = str_split(&bits, '/');
    uint64_t number;
    bool fits = host.len > 0 && host.len < sizeof address && !memchr(host.ptr, 0, host.len);
    snprintf(address, sizeof address, "%.*s", fits ? (int)host.len : 0, fits ? host.ptr : "");
    uint64_t bits_max = inet_pton(AF_INET, address, bytes) == 1    ? 32
                        : inet_pton(AF_INET6, address, bytes) == 1 ? 128
                                                                   : 0;
    if (bits_max == 0 || (bits.ptr && !str_to_u64(bits, bits_max, &number))) {
        return error_set(reterr, STATUS_REFUSED, "\"%.*s\" is no range of addresses like 10.0.0.0/8 or fd00::/8",
                         STR_ARGS(text));
    }
    *ret_number = 0;
    return STATUS_OK;
}

static Status parse_property(Str text, int64_t *ret_number, Error *reterr)
{
    Str value = text;
    Str name = str_split(&value, '=');
    if (!value.ptr || str_trim(name).len == 0) {
        return error_set(reterr, STATUS_REFUSED, "holds something that is not NAME=VALUE");
    }
    if (str_is(str_trim(value), OPTION_HIDDEN)) {
        return refuse_hidden(reterr);
    }
    *ret_number = 0;
    return STATUS_OK;
}

static Status parse_number(const Option *option, Str text, unsigned scale, int64_t *ret_number, Error *reterr)
{
    switch (option->type) {
    case OPTION_TEXT: return parse_text(option, text, ret_number, reterr);
    case OPTION_BOOL: return parse_bool(text, ret_number, reterr);
    case OPTION_INTEGER: return parse_integer(option, text, ret_number, reterr);
    case OPTION_BYTES: return units_parse_bytes(text, ret_number, reterr);
    case OPTION_DURATION: return units_parse_duration(text, ret_number, reterr);
    case OPTION_DECIMAL: return units_parse_decimal(text, scale, ret_number, reterr);
    case OPTION_CHOICE: return parse_choice(option, text, ret_number, reterr);
    case OPTION_ADDRESS: return parse_address(text, ret_number, reterr);
    case OPTION_URL: return parse_url(text, ret_number, reterr);
    case OPTION_HOST: return parse_host(text, ret_number, reterr);
    case OPTION_CIDR: return parse_cidr(text, ret_number, reterr);
    case OPTION_PROPERTY: return parse_property(text, ret_number, reterr);
    }
    return error_set(reterr, STATUS_REFUSED, "is of no known type");
}

static Status check_limits(const Option *option, int64_t number, Error *reterr)
{
    if ((!option->min && !option->max) || (number >= option->min && number <= option->max)) {
        return STATUS_OK;
    }
    if (option->type == OPTION_DECIMAL) {
        return error_set(reterr, STATUS_REFUSED, number < option->min ? "must be greater than 0" : "is too large");
    }
    Buf text;
    buf_init(&text, ERROR_MESSAGE_BYTES_MAX);
    option_put_limits(&text, option);
    Str range = buf_str(&text);
    error_set(reterr, STATUS_REFUSED, "must be within %.*s", STR_ARGS(range));
    buf_release(&text);
    return STATUS_REFUSED;
}

static Status parse_one(const Option *option, Str text, unsigned scale, int64_t *ret_number, Error *reterr)
{
    if (option->type == OPTION_INTEGER && find_choice(option, text, ret_number)) {
        *ret_number = -*ret_number; /* a word is no number that could be too small */
        return STATUS_OK;
    }
    Status status = parse_number(option, text, scale, ret_number, reterr);
    return status == STATUS_OK ? check_limits(option, *ret_number, reterr) : status;
}

static Status parse_list(const Option *option, Str text, unsigned scale, int64_t *ret_number, Error *reterr)
{
    int64_t bits = 0, count = 0, number = 0;
    Str item;
    for (OptionItems items = option_items(text); option_items_next(&items, &item); count++) {
        Status status = parse_one(option, item, scale, &number, reterr);
        if (status != STATUS_OK) {
            return status;
        }
        bits |= option->type == OPTION_CHOICE ? INT64_C(1) << number : 0;
    }
    if (count == 0) {
        return error_set(reterr, STATUS_REFUSED, "must not be empty");
    }
    if (count > (option->marks & OPTION_MANY ? OPTION_MANY_ITEMS_MAX : OPTION_ITEMS_MAX)) {
        return error_set(reterr, STATUS_REFUSED, "holds %lld values; %d are the most", (long long)count,
                         option->marks & OPTION_MANY ? OPTION_MANY_ITEMS_MAX : OPTION_ITEMS_MAX);
    }
    *ret_number = option->type == OPTION_CHOICE ? bits : count;
    return STATUS_OK;
}

Status option_parse(const Option *option, Str text, unsigned scale, int64_t *ret_number, Error *reterr)
{
    int64_t number = 0;
    Status status = STATUS_OK;
    if (text.len > 0 || option->initial[0]) { /* else it is not set, and need not be */
        status = option->marks & OPTION_LIST ? parse_list(option, text, scale, &number, reterr)
                                             : parse_one(option, text, scale, &number, reterr);
    }
    if (status == STATUS_OK) {
        *ret_number = number;
    }
    return status;
}

#include "config/options.h"

#include <ctype.h>

#include "config/address.h"
#include "config/units.h"

OptionId option_find(Str name)
{
    OptionId id = 0;
    while (id < OPTION_COUNT && !str_is(name, option_table[id].name)) {
        id++;
    }
    return id;
}

/* Somebody who leaves the section out ("listen") means the option too. */
static unsigned distance_to(Str name, const char *option)
{
    enum { FAR = 100 };
    unsigned whole = str_distance(name, str_from(option), FAR);
    unsigned last = str_distance(name, str_from(strchr(option, '.') + 1), FAR);
    return whole < last + 1 ? whole : last + 1;
}

const char *option_nearest(Str name)
{
    const char *nearest = NULL;
    unsigned least = name.len < 12 ? 3 : 4;
    for (OptionId id = 0; id < OPTION_COUNT && name.len > 0 && name.len < 64; id++) {
        unsigned distance = distance_to(name, option_table[id].name);
        if (distance <= least) {
            nearest = option_table[id].name;
            least = distance ? distance - 1 : 0;
        }
    }
    return nearest;
}

void option_environment_name(OptionId id, char ret_name[OPTION_ENVIRONMENT_BYTES_MAX])
{
    snprintf(ret_name, OPTION_ENVIRONMENT_BYTES_MAX, "WEIR_%s", option_table[id].name);
    for (char *c = ret_name; *c; c++) {
        *c = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
    }
}

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

static Status parse_choice(const Option *option, Str text, int64_t *ret_number, Error *reterr)
{
    Buf known;
    buf_init(&known, ERROR_MESSAGE_BYTES_MAX);
    for (int i = 0; i < OPTION_CHOICES_MAX && option->choices[i]; i++) {
        if (str_is(text, option->choices[i])) {
            buf_release(&known);
            *ret_number = i;
            return STATUS_OK;
        }
        buf_printf(&known, "%s%s", i ? ", " : "", option->choices[i]);
    }
    Str list = buf_str(&known);
    error_set(reterr, STATUS_REFUSED, "\"%.*s\" is not one of %.*s", STR_ARGS(text), STR_ARGS(list));
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

static Status parse_text(Str text, int64_t *ret_number, Error *reterr)
{
    if (text.len == 0) {
        return error_set(reterr, STATUS_REFUSED, "must not be empty");
    }
    *ret_number = 0;
    return STATUS_OK;
}

static Status parse_number(const Option *option, Str text, unsigned scale, int64_t *ret_number, Error *reterr)
{
    switch (option->type) {
    case OPTION_TEXT: return parse_text(text, ret_number, reterr);
    case OPTION_BOOL: return parse_bool(text, ret_number, reterr);
    case OPTION_INTEGER: return units_parse_integer(text, ret_number, reterr);
    case OPTION_BYTES: return units_parse_bytes(text, ret_number, reterr);
    case OPTION_DURATION: return units_parse_duration(text, ret_number, reterr);
    case OPTION_DECIMAL: return units_parse_decimal(text, scale, ret_number, reterr);
    case OPTION_CHOICE: return parse_choice(option, text, ret_number, reterr);
    case OPTION_ADDRESS: return parse_address(text, ret_number, reterr);
    }
    return error_set(reterr, STATUS_REFUSED, "is of no known type");
}

/* A limit as it would be written in the file. */
static void put_number(Buf *buf, OptionType type, int64_t number)
{
    switch (type) {
    case OPTION_BYTES: units_put_bytes(buf, number); break;
    case OPTION_DURATION: units_put_duration(buf, number); break;
    default: buf_put_i64(buf, number);
    }
}

static bool has_limits(const Option *option)
{
    return (option->min || option->max) && option->type != OPTION_DECIMAL && option->type != OPTION_ADDRESS;
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
    put_number(&text, option->type, option->min);
    BUF_PUT(&text, " to ");
    put_number(&text, option->type, option->max);
    Str range = buf_str(&text);
    error_set(reterr, STATUS_REFUSED, "must be within %.*s", STR_ARGS(range));
    buf_release(&text);
    return STATUS_REFUSED;
}

Status option_parse(OptionId id, Str text, unsigned scale, int64_t *ret_number, Error *reterr)
{
    int64_t number = 0;
    Status status = parse_number(&option_table[id], text, scale, &number, reterr);
    if (status == STATUS_OK) {
        status = check_limits(&option_table[id], number, reterr);
    }
    if (status == STATUS_OK) {
        *ret_number = number;
    }
    return status;
}

void option_put_type(Buf *buf, OptionId id)
{
    static const char *const names[] = {
        [OPTION_TEXT] = "text",     [OPTION_BOOL] = "true or false", [OPTION_INTEGER] = "integer",
        [OPTION_BYTES] = "bytes",   [OPTION_DURATION] = "duration",  [OPTION_DECIMAL] = "decimal above 0",
        [OPTION_CHOICE] = "one of", [OPTION_ADDRESS] = "host:port",
    };
    const Option *option = &option_table[id];
    buf_put(buf, str_from(names[option->type]));
    for (int i = 0; i < OPTION_CHOICES_MAX && option->choices[i]; i++) {
        buf_printf(buf, "%s %s", i ? "," : "", option->choices[i]);
    }
    if (has_limits(option)) {
        BUF_PUT(buf, ", ");
        put_number(buf, option->type, option->min);
        BUF_PUT(buf, " to ");
        put_number(buf, option->type, option->max);
    }
}

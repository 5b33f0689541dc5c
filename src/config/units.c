#include "config/units.h"

#include <stdio.h>

#include "base/decimal.h"

typedef struct Unit {
    const char *name;
    int64_t size;
} Unit;

/* From small to large. The decimal ones are understood, but not written. */
static const Unit byte_units[] = {{"B", 1},
                                  {"KiB", INT64_C(1) << 10},
                                  {"MiB", INT64_C(1) << 20},
                                  {"GiB", INT64_C(1) << 30},
                                  {"TiB", INT64_C(1) << 40}};
static const Unit decimal_byte_units[] = {
    {"", 1}, {"kB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {"TB", INT64_C(1000000000000)}};
static const Unit time_units[] = {{"us", 1},       {"ms", 1000},      {"s", 1000000},
                                  {"m", 60000000}, {"h", 3600000000}, {"d", INT64_C(86400000000)}};
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Splits "16 MiB" into its digits and its unit. */
static bool split(Str text, uint64_t *ret_number, Str *ret_unit)
{
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9') {
        digits++;
    }
    *ret_unit = str_trim((Str){text.ptr + digits, text.len - digits});
    return str_to_u64((Str){text.ptr, digits}, INT64_MAX, ret_number);
}

static bool convert(const Unit *units, size_t count, uint64_t number, Str unit, int64_t *ret_number)
{
    for (size_t i = 0; i < count; i++) {
        if (str_is(unit, units[i].name)) {
            return !__builtin_mul_overflow((int64_t)number, units[i].size, ret_number);
        }
    }
    return false;
}

Status units_parse_integer(Str text, int64_t *ret_number, Error *reterr)
{
    uint64_t number;
    if (!str_to_u64(text, INT64_MAX, &number)) {
        return error_set(reterr, STATUS_REFUSED, "\"%.*s\" is not a whole number", STR_ARGS(text));
    }
    *ret_number = (int64_t)number;
    return STATUS_OK;
}

Status units_parse_bytes(Str text, int64_t *ret_bytes, Error *reterr)
{
    uint64_t number;
    Str unit;
    if (split(text, &number, &unit) &&
        (convert(byte_units, COUNT(byte_units), number, unit, ret_bytes) ||
         convert(decimal_byte_units, COUNT(decimal_byte_units), number, unit, ret_bytes))) {
        return STATUS_OK;
    }
    return error_set(reterr, STATUS_REFUSED, "\"%.*s\" is not a size like 65536, 64KiB or 16MiB", STR_ARGS(text));
}

Status units_parse_duration(Str text, int64_t *ret_us, Error *reterr)
{
    uint64_t number;
    Str unit;
    if (split(text, &number, &unit)) {
        if (number == 0 && unit.len == 0) {
            *ret_us = 0;
            return STATUS_OK;
        }
        if (convert(time_units, COUNT(time_units), number, unit, ret_us)) {
            return STATUS_OK;
        }
    }
    return error_set(reterr, STATUS_REFUSED, "\"%.*s\" is not a duration like 50ms, 30s, 5m or 2h", STR_ARGS(text));
}

Status units_parse_decimal(Str text, unsigned scale, int64_t *ret_minor, Error *reterr)
{
    static const int64_t minor_max = INT64_C(999999999999999);
    switch (decimal_parse(text, scale, minor_max, ret_minor)) {
    case DECIMAL_OK: return STATUS_OK;
    case DECIMAL_TOO_PRECISE:
        return error_set(reterr, STATUS_REFUSED, "\"%.*s\" has more than %u digits behind the point", STR_ARGS(text),
                         scale);
    case DECIMAL_TOO_LARGE: return error_set(reterr, STATUS_REFUSED, "\"%.*s\" is too large", STR_ARGS(text));
    case DECIMAL_SIGNED:
    case DECIMAL_NOT_A_NUMBER: break;
    }
    return error_set(reterr, STATUS_REFUSED, "\"%.*s\" is not a decimal number like 1000.00", STR_ARGS(text));
}

static void put(Buf *buf, const Unit *units, size_t count, int64_t number)
{
    size_t i = count - 1;
    while (i > 0 && (number == 0 || number % units[i].size != 0)) {
        i--;
    }
    buf_put_i64(buf, number / units[i].size);
    buf_put(buf, str_from(number == 0 ? "" : units[i].name));
}

void units_put_bytes(Buf *buf, int64_t bytes) { put(buf, byte_units, COUNT(byte_units), bytes); }

void units_put_duration(Buf *buf, int64_t us) { put(buf, time_units, COUNT(time_units), us); }

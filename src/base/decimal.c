#include "base/decimal.h"

/* The digits of a number without its point: value = digits × 10^-fraction. */
typedef struct Digits {
    Str whole, fraction; /* `whole` has at least one digit; `fraction` has none or at least one */
    Str rest;            /* what follows the number */
} Digits;

/* False when the text does not begin with digits, or has a point without digits behind it. */
static bool split_digits(Str text, Digits *ret_digits)
{
    *ret_digits = (Digits){.whole = str_take_digits(&text)};
    if (text.len > 0 && text.ptr[0] == '.') {
        text = (Str){text.ptr + 1, text.len - 1};
        ret_digits->fraction = str_take_digits(&text);
        if (ret_digits->fraction.len == 0) {
            return false;
        }
    }
    ret_digits->rest = text;
    return ret_digits->whole.len > 0;
}

/* Takes more digits into `value`; false once it exceeds `max`, so that no count of leading zeros or digits can
 * overflow. */
static bool add_digits(int64_t *value, Str digits, int64_t max)
{
    for (size_t i = 0; i < digits.len; i++) {
        uint64_t more = (uint64_t)*value * 10 + (uint64_t)(digits.ptr[i] - '0');
        if (*value > max / 10 || more > (uint64_t)max) {
            return false;
        }
        *value = (int64_t)more;
    }
    return true;
}

static bool shift_up(int64_t *value, int64_t places, int64_t max)
{
    /* However many places: a value other than 0 is beyond any `max` after nineteen. */
    for (; places > 0 && *value > 0; places--) {
        if (*value > max / 10) {
            return false;
        }
        *value *= 10;
    }
    return true;
}

static DecimalProblem from_plain(const Digits *digits, unsigned scale, int64_t max, int64_t *ret_value)
{
    int64_t value = 0;
    if (digits->fraction.len > scale) {
        return DECIMAL_TOO_PRECISE;
    }
    if (!add_digits(&value, digits->whole, max) || !add_digits(&value, digits->fraction, max) ||
        !shift_up(&value, (int64_t)(scale - digits->fraction.len), max)) {
        return DECIMAL_TOO_LARGE;
    }
    *ret_value = value;
    return DECIMAL_OK;
}

DecimalProblem decimal_parse(Str text, unsigned scale, int64_t max, int64_t *ret_value)
{
    Digits digits;
    bool has_sign = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    if (has_sign) {
        text = (Str){text.ptr + 1, text.len - 1};
    }
    if (!split_digits(text, &digits) || digits.rest.len > 0) {
        return DECIMAL_NOT_A_NUMBER;
    }
    return has_sign ? DECIMAL_SIGNED : from_plain(&digits, scale, max, ret_value);
}

/* "e+5" → 5. Beyond what any text's own digits could make up for, the exponent stays where it is. */
static bool parse_exponent(Str text, int64_t *ret_exponent)
{
    const int64_t enough = INT64_MAX / 16;
    bool negative = text.len > 1 && text.ptr[1] == '-';
    size_t start = text.len > 1 && (negative || text.ptr[1] == '+') ? 2 : 1;
    Str left = {text.ptr + start, text.len - start};
    Str digits = str_take_digits(&left);
    int64_t exponent = 0;
    if (digits.len == 0 || left.len > 0) {
        return false;
    }
    for (size_t i = 0; i < digits.len && exponent < enough; i++) {
        exponent = exponent * 10 + (digits.ptr[i] - '0');
    }
    *ret_exponent = negative ? -exponent : exponent;
    return true;
}

static Str without_trailing_zeros(Str digits)
{
    while (digits.len > 0 && digits.ptr[digits.len - 1] == '0') {
        digits.len--;
    }
    return digits;
}

/* Zeros at the end of the digits are moved into the exponent, so that 1.50e-1 is as exact as 0.15. What is left ends in
 * a digit that counts, and `exponent` is its place. */
static DecimalProblem from_exponent(Digits digits, int64_t exponent, unsigned scale, int64_t max, int64_t *ret_value)
{
    int64_t value = 0;
    digits.fraction = without_trailing_zeros(digits.fraction);
    if (digits.fraction.len == 0) {
        Str whole = without_trailing_zeros(digits.whole);
        exponent += (int64_t)(digits.whole.len - whole.len);
        digits.whole = whole;
    }
    if (digits.whole.len == 0) {
        *ret_value = 0;
        return DECIMAL_OK;
    }
    exponent += (int64_t)scale - (int64_t)digits.fraction.len;
    if (exponent < 0) {
        return DECIMAL_TOO_PRECISE;
    }
    if (!add_digits(&value, digits.whole, max) || !add_digits(&value, digits.fraction, max) ||
        !shift_up(&value, exponent, max)) {
        return DECIMAL_TOO_LARGE;
    }
    *ret_value = value;
    return DECIMAL_OK;
}

DecimalProblem decimal_parse_json_number(Str text, unsigned scale, int64_t max, int64_t *ret_value)
{
    Digits digits;
    int64_t exponent;
    bool has_sign = text.len > 0 && text.ptr[0] == '-';
    if (has_sign) {
        text = (Str){text.ptr + 1, text.len - 1};
    }
    if (!split_digits(text, &digits)) {
        return DECIMAL_NOT_A_NUMBER;
    }
    if (digits.rest.len == 0) {
        return has_sign ? DECIMAL_SIGNED : from_plain(&digits, scale, max, ret_value);
    }
    if ((digits.rest.ptr[0] != 'e' && digits.rest.ptr[0] != 'E') || !parse_exponent(digits.rest, &exponent)) {
        return DECIMAL_NOT_A_NUMBER;
    }
    return has_sign ? DECIMAL_SIGNED : from_exponent(digits, exponent, scale, max, ret_value);
}

/* Writes the digits of `value` so that they end before `end`; at least `least` of them. Returns where they begin. */
static char *put_digits(char *end, unsigned __int128 value, unsigned least)
{
    char *at = end;
    /* 128-bit division is slow, and most totals fit into 64 bits. */
    while (value > UINT64_MAX) {
        *--at = (char)('0' + (int)(value % 10));
        value /= 10;
    }
    for (uint64_t low = (uint64_t)value; low > 0; low /= 10) {
        *--at = (char)('0' + (int)(low % 10));
    }
    while (end - at < (ptrdiff_t)least) {
        *--at = '0';
    }
    return at;
}

size_t decimal_format(__int128 value, unsigned scale, char ret_text[DECIMAL_TEXT_BYTES_MAX])
{
    char digits[DECIMAL_TEXT_BYTES_MAX];
    char *end = digits + sizeof digits;
    unsigned __int128 magnitude = value < 0 ? 0 - (unsigned __int128)value : (unsigned __int128)value;
    char *at = put_digits(end, magnitude, scale + 1);
    size_t whole = (size_t)(end - at) - scale;
    size_t len = 0;
    if (value < 0) {
        ret_text[len++] = '-';
    }
    memcpy(ret_text + len, at, whole);
    len += whole;
    if (scale > 0) {
        ret_text[len++] = '.';
        memcpy(ret_text + len, at + whole, scale);
        len += scale;
    }
    ret_text[len] = '\0';
    return len;
}

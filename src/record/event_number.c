#include "record/event_number.h"

static bool take_char(Str *text, char c)
{
    bool found = text->len > 0 && text->ptr[0] == c;
    if (found) {
        *text = (Str){text->ptr + 1, text->len - 1};
    }
    return found;
}

/* Beyond what any text's own digits could make up for, the exponent stays where it is. */
static bool read_exponent(Str text, int64_t *ret_exponent)
{
    const int64_t enough = INT64_MAX / 16;
    int64_t exponent = 0;
    bool negative = take_char(&text, '-');
    if (!negative) {
        (void)take_char(&text, '+');
    }
    Str digits = str_take_digits(&text);
    for (size_t i = 0; i < digits.len && exponent < enough; i++) {
        exponent = exponent * 10 + (digits.ptr[i] - '0');
    }
    *ret_exponent = negative ? -exponent : exponent;
    return digits.len > 0 && text.len == 0;
}

bool event_number_read(Str text, EventNumber *ret_number)
{
    *ret_number = (EventNumber){.negative = take_char(&text, '-')};
    ret_number->whole = str_take_digits(&text);
    if (ret_number->whole.len == 0) {
        return false;
    }
    if (take_char(&text, '.')) {
        ret_number->fraction = str_take_digits(&text);
        if (ret_number->fraction.len == 0) {
            return false;
        }
    }
    if (text.len == 0) {
        return true;
    }
    return (take_char(&text, 'e') || take_char(&text, 'E')) && read_exponent(text, &ret_number->exponent);
}

/* The digit at a place of whole and fraction taken as one row. */
static char digit_at(const EventNumber *number, size_t at)
{
    return at < number->whole.len ? number->whole.ptr[at] : number->fraction.ptr[at - number->whole.len];
}

/* Where the digits that count begin and end: behind leading zeros, before trailing ones. Both are 0 for a zero. */
typedef struct Row {
    size_t first, end;
} Row;

static Row significant(const EventNumber *number)
{
    Row row = {0, number->whole.len + number->fraction.len};
    while (row.first < row.end && digit_at(number, row.first) == '0') {
        row.first++;
    }
    while (row.end > row.first && digit_at(number, row.end - 1) == '0') {
        row.end--;
    }
    return row.first < row.end ? row : (Row){0, 0};
}

static bool add_digit(int64_t *value, int digit, int64_t max)
{
    if (*value > (max - digit) / 10) {
        return false;
    }
    *value = *value * 10 + digit;
    return true;
}

DecimalProblem event_number_magnitude(const EventNumber *number, unsigned scale, int64_t max, int64_t *ret_magnitude)
{
    int64_t value = 0;
    Row row = significant(number);
    /* The last digit that counts stands for so many powers of ten of the smallest unit. */
    int64_t places = (int64_t)number->whole.len - (int64_t)row.end + number->exponent + (int64_t)scale;
    if (row.end == 0) {
        *ret_magnitude = 0;
        return DECIMAL_OK;
    }
    if (places < 0) {
        return DECIMAL_TOO_PRECISE;
    }
    for (size_t at = row.first; at < row.end; at++) {
        if (!add_digit(&value, digit_at(number, at) - '0', max)) {
            return DECIMAL_TOO_LARGE;
        }
    }
    for (; places > 0; places--) { /* ends after nineteen at the latest: the value is not 0 */
        if (!add_digit(&value, 0, max)) {
            return DECIMAL_TOO_LARGE;
        }
    }
    *ret_magnitude = value;
    return DECIMAL_OK;
}

int64_t event_number_whole_digits(const EventNumber *number)
{
    Row row = significant(number);
    int64_t digits = (int64_t)number->whole.len - (int64_t)row.first + number->exponent;
    return row.end > 0 && digits > 0 ? digits : 0;
}

bool event_number_spell(const EventNumber *number, char ret_text[EVENT_NUMBER_BYTES_MAX], size_t *ret_len)
{
    Row row = significant(number);
    char *at = ret_text;
    if (row.end == 0) {
        *ret_text = '0';
        *ret_len = 1;
        return true;
    }
    /* Places of the first digit that is written and of the one behind the last, counted from the point to the left. */
    int64_t shift = (int64_t)number->whole.len + number->exponent;
    int64_t high = shift - (int64_t)row.first, low = shift - (int64_t)row.end;
    int64_t begin = high > 0 ? high : 1, end = low < 0 ? low : 0;
    if (begin > EVENT_NUMBER_DIGITS_MAX || end < -EVENT_NUMBER_DIGITS_MAX || begin - end > EVENT_NUMBER_DIGITS_MAX) {
        return false;
    }
    if (number->negative) {
        *at++ = '-';
    }
    for (int64_t place = begin; place > end; place--) {
        bool is_written = place <= high && place > low;
        if (place == 0) {
            *at++ = '.';
        }
        *at++ = is_written ? digit_at(number, (size_t)(shift - place)) : '0';
    }
    *ret_len = (size_t)(at - ret_text);
    return true;
}

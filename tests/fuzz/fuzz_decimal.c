/* Decimals against arithmetic on strings of digits, which has no limits to get wrong. */
#include "fuzz.h"

#include "base/decimal.h"

enum { DIGITS_MAX = 8192, EXPONENT_MAX = 1 << 20 };

/* A number as people write it: digits, and the power of ten that they are multiplied by. */
typedef struct Written {
    bool is_number, has_sign, has_exponent;
    char digits[DIGITS_MAX]; /* without zeros in front */
    size_t count, fraction;
    long exponent; /* cut at ±EXPONENT_MAX */
} Written;

static void add_digit(Written *written, char digit)
{
    if (written->count > 0 || digit != '0') {
        written->digits[written->count++] = digit;
    }
}

/* The state of a reader that looks at one character after another. */
typedef enum Place { AT_START, AT_WHOLE, AT_POINT, AT_FRACTION, AT_E, AT_EXPONENT_SIGN, AT_EXPONENT, AT_FAULT } Place;

static Place take_digit(Written *written, Place place, char digit, bool negative)
{
    switch (place) {
    case AT_START:
    case AT_WHOLE: add_digit(written, digit); return AT_WHOLE;
    case AT_POINT:
    case AT_FRACTION:
        add_digit(written, digit);
        written->fraction++;
        return AT_FRACTION;
    case AT_E:
    case AT_EXPONENT_SIGN:
    case AT_EXPONENT:
        written->exponent = written->exponent * 10 + (negative ? -1 : 1) * (digit - '0');
        written->exponent = written->exponent > EXPONENT_MAX    ? EXPONENT_MAX
                            : written->exponent < -EXPONENT_MAX ? -EXPONENT_MAX
                                                                : written->exponent;
        return AT_EXPONENT;
    case AT_FAULT: break;
    }
    return AT_FAULT;
}

static Place take_other(Written *written, Place place, char c)
{
    if (c == '.' && place == AT_WHOLE) {
        return AT_POINT;
    }
    if ((c == 'e' || c == 'E') && (place == AT_WHOLE || place == AT_FRACTION)) {
        written->has_exponent = true;
        return AT_E;
    }
    return (c == '+' || c == '-') && place == AT_E ? AT_EXPONENT_SIGN : AT_FAULT;
}

static Written *read_written(Str text, const char *signs)
{
    static Written written;
    Place place = AT_START;
    bool negative = false;
    written = (Written){.has_sign = text.len > 0 && text.ptr[0] && strchr(signs, text.ptr[0])};
    PROMISE(text.len < DIGITS_MAX);
    for (size_t i = written.has_sign; i < text.len; i++) {
        char c = text.ptr[i];
        if (c >= '0' && c <= '9') {
            place = take_digit(&written, place, c, negative);
        } else {
            negative = place == AT_E && c == '-';
            place = take_other(&written, place, c);
        }
    }
    written.is_number = place == AT_WHOLE || place == AT_FRACTION || place == AT_EXPONENT;
    return &written;
}

/* Whether a string of digits is more than a number. */
static bool exceeds(const char *digits, size_t count, int64_t max)
{
    char text[32];
    size_t len = (size_t)snprintf(text, sizeof text, "%lld", (long long)max);
    return count != len ? count > len : memcmp(digits, text, len) > 0;
}

static DecimalProblem judge(Written *written, unsigned scale, int64_t max, int64_t *ret_value)
{
    if (!written->is_number || written->has_sign) {
        return written->is_number ? DECIMAL_SIGNED : DECIMAL_NOT_A_NUMBER;
    }
    long places = (long)scale + written->exponent - (long)written->fraction;
    /* Zeros at the end count only where there is no exponent. */
    for (; written->has_exponent && written->count > 0 && written->digits[written->count - 1] == '0'; places++) {
        written->count--;
    }
    if (places < 0 && (written->count > 0 || !written->has_exponent)) {
        return DECIMAL_TOO_PRECISE;
    }
    for (; places > 0 && written->count > 0 && written->count < 40; places--) {
        written->digits[written->count++] = '0';
    }
    if (exceeds(written->digits, written->count, max)) {
        return DECIMAL_TOO_LARGE;
    }
    written->digits[written->count] = '\0';
    *ret_value = strtoll(written->count ? written->digits : "0", NULL, 10);
    return DECIMAL_OK;
}

static void check_format(int64_t value, unsigned scale, int64_t max)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    int64_t back = -1;
    Str formatted = {text, decimal_format(value, scale, text)};
    PROMISE(decimal_parse(formatted, scale, max, &back) == DECIMAL_OK && back == value);
}

static void check_parsed(DecimalProblem problem, int64_t value, Written *written, unsigned scale, int64_t max)
{
    int64_t expected = -1;
    PROMISE(problem == judge(written, scale, max, &expected));
    PROMISE(value == expected);
    if (problem == DECIMAL_OK) {
        PROMISE(value >= 0 && value <= max);
        check_format(value, scale, max);
    }
}

/* digits = digits × 2 + bit */
static void double_digits(char *digits, size_t count, unsigned carry)
{
    for (size_t i = count; i > 0; i--) {
        unsigned sum = (unsigned)(digits[i - 1] - '0') * 2 + carry;
        digits[i - 1] = (char)('0' + sum % 10);
        carry = sum / 10;
    }
}

/* Any 128 bits, printed, against the same built bit by bit out of digits. */
static void check_wide(const uint8_t *data, size_t size, unsigned scale)
{
    char digits[40], expected[64], text[DECIMAL_TEXT_BYTES_MAX];
    unsigned __int128 bits = 0;
    memset(digits, '0', sizeof digits);
    memcpy(&bits, data, size < sizeof bits ? size : sizeof bits);
    bool negative = bits >> 127;
    unsigned __int128 magnitude = negative ? -bits : bits;
    for (int bit = 127; bit >= 0; bit--) {
        double_digits(digits, sizeof digits, (unsigned)(magnitude >> bit) & 1);
    }
    size_t first = 0, whole = sizeof digits - scale;
    while (first + 1 < whole && digits[first] == '0') {
        first++;
    }
    int len = snprintf(expected, sizeof expected, "%s%.*s%s%.*s", negative ? "-" : "", (int)(whole - first),
                       digits + first, scale ? "." : "", (int)scale, digits + whole);
    PROMISE(decimal_format((__int128)bits, scale, text) == (size_t)len && strcmp(text, expected) == 0);
}

/* The first byte chooses the scale and the ceiling, the rest is the number. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t ceilings[] = {INT64_C(999999999999999), INT64_MAX, 0, 12345};
    if (size == 0 || size > DIGITS_MAX) {
        return 0;
    }
    uint8_t choice = fuzz_take(&data, &size);
    unsigned scale = choice % (DECIMAL_SCALE_MAX + 1u);
    int64_t max = ceilings[choice / (DECIMAL_SCALE_MAX + 1u) % 4], plain = -1, number = -1;
    char *copy = fuzz_copy(data, size);
    Str text = {copy, size};
    DecimalProblem problem = decimal_parse(text, scale, max, &plain);
    Written *written = read_written(text, "+-");
    written->is_number = written->is_number && !written->has_exponent;
    check_parsed(problem, plain, written, scale, max);
    problem = decimal_parse_json_number(text, scale, max, &number);
    check_parsed(problem, number, read_written(text, "-"), scale, max);
    check_wide(data, size, scale);
    free(copy);
    return 0;
}

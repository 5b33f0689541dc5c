#include "fuzz.h"

#include "base/decimal.h"

static void check_value(DecimalProblem problem, unsigned scale, int64_t max, int64_t value)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    int64_t back = -1;
    if (problem != DECIMAL_OK) {
        PROMISE(value == -1);
        return;
    }
    PROMISE(value >= 0 && value <= max);
    Str formatted = {text, decimal_format(value, scale, text)};
    PROMISE(decimal_parse(formatted, scale, max, &back) == DECIMAL_OK && back == value);
}

/* The first byte chooses the scale and the ceiling, the rest is the number. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t ceilings[] = {INT64_C(999999999999999), INT64_MAX, 0, 12345};
    if (size == 0) {
        return 0;
    }
    unsigned scale = data[0] % (DECIMAL_SCALE_MAX + 1u);
    int64_t max = ceilings[data[0] / (DECIMAL_SCALE_MAX + 1u) % 4], plain = -1, number = -1;
    Str text = {(const char *)data + 1, size - 1};
    DecimalProblem plain_problem = decimal_parse(text, scale, max, &plain);
    DecimalProblem number_problem = decimal_parse_json_number(text, scale, max, &number);
    check_value(plain_problem, scale, max, plain);
    check_value(number_problem, scale, max, number);
    /* Without an exponent (and a plus, which JSON does not have) both read the same language. */
    if (plain_problem != DECIMAL_NOT_A_NUMBER && text.ptr[0] != '+') {
        PROMISE(plain_problem == number_problem && plain == number);
    }
    return 0;
}

#include "unit.h"

#include "base/decimal.h"
#include "support/random.h"

#define MAX INT64_C(999999999999999)

typedef struct Case {
    const char *text;
    DecimalProblem problem;
    int64_t value;
} Case;

typedef DecimalProblem Parse(Str text, unsigned scale, int64_t max, int64_t *ret_value);

static void check_cases(Parse *parse, const Case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t value = -77;
        DecimalProblem problem = parse(str_from(cases[i].text), 2, MAX, &value);
        if (problem != cases[i].problem || value != (problem == DECIMAL_OK ? cases[i].value : -77)) {
            fail_msg("\"%s\" gave problem %d, value %lld", cases[i].text, (int)problem, (long long)value);
        }
    }
}
#define CHECK_CASES(parse, cases) check_cases((parse), (cases), sizeof(cases) / sizeof(cases)[0])

static void test_strings(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"0", DECIMAL_OK, 0},
        {"0.00", DECIMAL_OK, 0},
        {"100.50", DECIMAL_OK, 10050},
        {"100.5", DECIMAL_OK, 10050},
        {"007.50", DECIMAL_OK, 750},
        {"0000000000000000000000000000000000000000000001", DECIMAL_OK, 100},
        {"9999999999999.99", DECIMAL_OK, MAX},
        {"9999999999999.9", DECIMAL_OK, MAX - 9}, /* the largest with a place to fill */
        {"9999999999999", DECIMAL_OK, MAX - 99},
        {"10000000000000", DECIMAL_TOO_LARGE, 0},
        {"10000000000000.00", DECIMAL_TOO_LARGE, 0},
        {"99999999999999999999999999999999999999999999", DECIMAL_TOO_LARGE, 0},
        {"1.005", DECIMAL_TOO_PRECISE, 0},
        {"1.000", DECIMAL_TOO_PRECISE, 0},
        {"-1", DECIMAL_SIGNED, 0},
        {"-0", DECIMAL_SIGNED, 0},
        {"+1", DECIMAL_SIGNED, 0},
        {"", DECIMAL_NOT_A_NUMBER, 0},
        {"-", DECIMAL_NOT_A_NUMBER, 0},
        {"--1", DECIMAL_NOT_A_NUMBER, 0},
        {".", DECIMAL_NOT_A_NUMBER, 0},
        {".5", DECIMAL_NOT_A_NUMBER, 0},
        {"5.", DECIMAL_NOT_A_NUMBER, 0},
        {"1.2.3", DECIMAL_NOT_A_NUMBER, 0},
        {"1,5", DECIMAL_NOT_A_NUMBER, 0},
        {" 1", DECIMAL_NOT_A_NUMBER, 0},
        {"1 ", DECIMAL_NOT_A_NUMBER, 0},
        {"1e2", DECIMAL_NOT_A_NUMBER, 0},
        {"0x10", DECIMAL_NOT_A_NUMBER, 0},
        {"NaN", DECIMAL_NOT_A_NUMBER, 0},
        {"١٢", DECIMAL_NOT_A_NUMBER, 0},
        {"１２", DECIMAL_NOT_A_NUMBER, 0},
    };
    CHECK_CASES(decimal_parse, cases);
    int64_t value;
    assert_int_equal(decimal_parse((Str){"1\0", 2}, 2, MAX, &value), DECIMAL_NOT_A_NUMBER);
    assert_int_equal(decimal_parse((Str){NULL, 0}, 2, MAX, &value), DECIMAL_NOT_A_NUMBER);
}

static void test_json_numbers(void **state)
{
    (void)state;
    static const Case cases[] = {
        {"125.50", DECIMAL_OK, 12550},
        {"0", DECIMAL_OK, 0},
        {"1.5e3", DECIMAL_OK, 150000},
        {"1.5E+3", DECIMAL_OK, 150000},
        {"12300e-2", DECIMAL_OK, 12300},
        {"12345e-3", DECIMAL_TOO_PRECISE, 0},
        {"12340e-3", DECIMAL_OK, 1234},
        {"1.500e0", DECIMAL_OK, 150},
        {"1.50e-1", DECIMAL_OK, 15},
        {"1.000", DECIMAL_TOO_PRECISE, 0},
        {"0.01e0", DECIMAL_OK, 1},
        {"0.001e1", DECIMAL_OK, 1},
        {"0.001e0", DECIMAL_TOO_PRECISE, 0},
        {"1e400", DECIMAL_TOO_LARGE, 0},
        {"1e-400", DECIMAL_TOO_PRECISE, 0},
        {"0e400", DECIMAL_OK, 0},
        {"0.000e-400", DECIMAL_OK, 0},
        {"1e99999999999999999999999999", DECIMAL_TOO_LARGE, 0},
        {"1e-99999999999999999999999999", DECIMAL_TOO_PRECISE, 0},
        {"0e-99999999999999999999999999", DECIMAL_OK, 0},
        {"1e12", DECIMAL_OK, INT64_C(100000000000000)},
        {"1e13", DECIMAL_TOO_LARGE, 0},
        {"9999999999999.99e0", DECIMAL_OK, MAX},
        {"99999999999999.9e-1", DECIMAL_OK, MAX},
        {"9999999999999.9e0", DECIMAL_OK, MAX - 9},
        {"999999999999999e-2", DECIMAL_OK, MAX},
        {"1000000000000000e-2", DECIMAL_TOO_LARGE, 0},
        {"100000000000000000000000000000000e-30", DECIMAL_OK, 10000},
        {"-0", DECIMAL_SIGNED, 0},
        {"-0.0", DECIMAL_SIGNED, 0},
        {"-1e2", DECIMAL_SIGNED, 0},
        {"1e", DECIMAL_NOT_A_NUMBER, 0},
        {"1e+", DECIMAL_NOT_A_NUMBER, 0},
        {"1e2x", DECIMAL_NOT_A_NUMBER, 0},
        {"1x", DECIMAL_NOT_A_NUMBER, 0},
        {"e5", DECIMAL_NOT_A_NUMBER, 0},
        {"", DECIMAL_NOT_A_NUMBER, 0},
        {"+1", DECIMAL_NOT_A_NUMBER, 0},
    };
    CHECK_CASES(decimal_parse_json_number, cases);
}

static void test_largest_integers(void **state)
{
    (void)state;
    int64_t value;
    assert_int_equal(decimal_parse(STR("9223372036854775807"), 0, INT64_MAX, &value), DECIMAL_OK);
    assert_true(value == INT64_MAX);
    assert_int_equal(decimal_parse(STR("9223372036854775808"), 0, INT64_MAX, &value), DECIMAL_TOO_LARGE);
    assert_int_equal(decimal_parse(STR("9223372036854.775807"), 6, INT64_MAX, &value), DECIMAL_OK);
    assert_true(value == INT64_MAX);
    assert_int_equal(decimal_parse(STR("7"), 0, 5, &value), DECIMAL_TOO_LARGE);
    assert_int_equal(decimal_parse(STR("0"), 0, 0, &value), DECIMAL_OK);
    assert_int_equal(decimal_parse(STR("1"), 0, 0, &value), DECIMAL_TOO_LARGE);
}

static void test_format(void **state)
{
    (void)state;
    const struct {
        __int128 value;
        unsigned scale;
        const char *text;
    } cases[] = {
        {0, 2, "0.00"},
        {0, 0, "0"},
        {5, 2, "0.05"},
        {-5, 2, "-0.05"},
        {10050, 2, "100.50"},
        {-123450, 2, "-1234.50"},
        {123, 0, "123"},
        {1, 6, "0.000001"},
        {(__int128)UINT64_MAX, 0, "18446744073709551615"},
        {(__int128)UINT64_MAX + 1, 0, "18446744073709551616"},
        {(__int128)UINT64_MAX * 10 + 6, 2, "1844674407370955161.56"},
        {(__int128)(~(unsigned __int128)0 >> 1), 2, "1701411834604692317316873037158841057.27"},
        {-(__int128)(~(unsigned __int128)0 >> 1) - 1, 6, "-170141183460469231731687303715884.105728"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[DECIMAL_TEXT_BYTES_MAX];
        size_t len = decimal_format(cases[i].value, cases[i].scale, text);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(len, strlen(text));
    }
}

/* The value as 10^40ths, the slow and obvious way: long multiplication in a decimal array. */
enum { POINT = 30, PLACES = 90 };

typedef struct Slow {
    unsigned char digits[PLACES]; /* digits[i] × 10^(i - POINT) */
    bool lost;                    /* a digit fell out at either end */
} Slow;

static Slow slow_number(const char *mantissa, size_t digits, int point_from_right, int exponent)
{
    Slow slow = {0};
    for (size_t i = 0; i < digits; i++) {
        int place = POINT + (int)(digits - 1 - i) - point_from_right + exponent;
        unsigned char digit = (unsigned char)(mantissa[i] - '0');
        if (place >= 0 && place < PLACES) {
            slow.digits[place] = digit;
        } else if (digit) {
            slow.lost = true;
        }
    }
    return slow;
}

/* As decimal_parse_json_number with an exponent should answer: exact or not, small enough or not. */
static DecimalProblem slow_parse(const Slow *slow, unsigned scale, int64_t max, int64_t *ret_value)
{
    __int128 value = 0;
    for (int place = 0; place < POINT - (int)scale; place++) {
        if (slow->digits[place]) {
            return DECIMAL_TOO_PRECISE;
        }
    }
    for (int place = PLACES - 1; place >= POINT - (int)scale; place--) {
        value = value * 10 + slow->digits[place];
        if (value > max) {
            return DECIMAL_TOO_LARGE;
        }
    }
    *ret_value = (int64_t)value;
    return DECIMAL_OK;
}

static void test_against_slow_arithmetic(void **state)
{
    (void)state;
    uint64_t seed = 20250101, accepted = 0;
    for (int round = 0; round < 200000; round++) {
        char mantissa[20], text[64];
        size_t digits = 1 + random_next(&seed) % 18;
        int behind = (int)(random_next(&seed) % digits), exponent = (int)(random_next(&seed) % 21) - 10;
        unsigned scale = (unsigned)(random_next(&seed) % (DECIMAL_SCALE_MAX + 1));
        bool many_zeros = random_next(&seed) % 2;
        for (size_t i = 0; i < digits; i++) {
            mantissa[i] = (char)('0' + (many_zeros && random_next(&seed) % 4 ? 0 : (int)(random_next(&seed) % 10)));
        }
        size_t whole = digits - (size_t)behind;
        snprintf(text, sizeof text, "%.*s%s%.*se%d", (int)whole, mantissa, behind ? "." : "", behind, mantissa + whole,
                 exponent);

        int64_t value = 0, expected = 0;
        Slow slow = slow_number(mantissa, digits, behind, exponent);
        assert_false(slow.lost);
        DecimalProblem problem = decimal_parse_json_number(str_from(text), scale, MAX, &value);
        if (problem != slow_parse(&slow, scale, MAX, &expected) || value != expected) {
            fail_msg("%s at scale %u gave problem %d, value %lld", text, scale, (int)problem, (long long)value);
        }
        accepted += problem == DECIMAL_OK;
    }
    assert_in_range(accepted, 20000, 180000);
}

static void test_format_and_parse_agree(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (int round = 0; round < 100000; round++) {
        char text[DECIMAL_TEXT_BYTES_MAX];
        int64_t value = (int64_t)(random_next(&seed) >> (1 + random_next(&seed) % 63)), back = -1;
        unsigned scale = (unsigned)(random_next(&seed) % (DECIMAL_SCALE_MAX + 1));
        Str formatted = {text, decimal_format(value, scale, text)};
        assert_int_equal(decimal_parse(formatted, scale, INT64_MAX, &back), DECIMAL_OK);
        assert_true(back == value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_json_numbers),
        cmocka_unit_test(test_largest_integers),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_against_slow_arithmetic),
        cmocka_unit_test(test_format_and_parse_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

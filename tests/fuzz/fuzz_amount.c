/* Amounts of events: what is accepted can be written down plainly and is read as the same again; no reading without a
 * style differs from the readings with one. */
#include "fuzz.h"

#include "base/decimal.h"
#include "record/event.h"

typedef struct Amount {
    int64_t value;
    bool accepted, negative;
    Str unit;
} Amount;

static Amount parse(Str text, bool is_number, AmountStyle style, unsigned scale)
{
    const int64_t untouched = -77;
    Amount amount = {.value = untouched};
    const char *problem =
        event_amount_parse(text, is_number, style, scale, &amount.value, &amount.negative, &amount.unit);
    amount.accepted = !problem;
    PROMISE(problem ? problem[0] != '\0' && amount.value == untouched : amount.value >= 0);
    return amount;
}

static void check_same(const Amount *a, const Amount *b)
{
    PROMISE(a->accepted && b->accepted && a->value == b->value && a->negative == b->negative);
    PROMISE(str_equal(a->unit, b->unit));
}

/* "-1234.50 EUR" and, as JSON has no currencies, -1234.50. */
static void check_plain(const Amount *amount, unsigned scale)
{
    char digits[DECIMAL_TEXT_BYTES_MAX], text[DECIMAL_TEXT_BYTES_MAX + 16];
    __int128 value = amount->negative ? -(__int128)amount->value : amount->value;
    int len = (int)decimal_format(value, scale, digits);
    Amount number = parse((Str){digits, (size_t)len}, true, AMOUNT_UNAMBIGUOUS, scale);
    number.unit = amount->unit;
    check_same(amount, &number);
    len = snprintf(text, sizeof text, "%s %.*s", digits, STR_ARGS(amount->unit));
    Amount again = parse((Str){text, (size_t)len}, false, AMOUNT_POINT, scale);
    check_same(amount, &again);
}

/* Where both styles accept a text and differ, nothing is guessed; what is clear is what one of them says. */
static void check_styles(Str text, unsigned scale)
{
    Amount point = parse(text, false, AMOUNT_POINT, scale), comma = parse(text, false, AMOUNT_COMMA, scale);
    Amount clear = parse(text, false, AMOUNT_UNAMBIGUOUS, scale);
    if (point.accepted && comma.accepted && point.value != comma.value) {
        PROMISE(!clear.accepted);
    }
    if (clear.accepted) {
        PROMISE(point.accepted || comma.accepted);
        check_same(&clear, point.accepted && point.value == clear.value ? &point : &comma);
    }
}

/* What the parsers of records accept means the same here. */
static void check_records(Str text, bool is_number, unsigned scale)
{
    int64_t value;
    Amount amount = parse(text, is_number, AMOUNT_POINT, scale);
    DecimalProblem problem = is_number ? decimal_parse_json_number(text, scale, RECORD_VALUE_MAX, &value)
                                       : decimal_parse(text, scale, RECORD_VALUE_MAX, &value);
    if (problem == DECIMAL_OK && (is_number || text.len <= 128)) {
        PROMISE(amount.accepted && amount.value == value && !amount.negative && amount.unit.len == 0);
    }
}

/* The first byte chooses scale, style, and whether it is a number of JSON. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t choice = fuzz_take(&data, &size);
    unsigned scale = choice % (DECIMAL_SCALE_MAX + 1u), rest = choice / (DECIMAL_SCALE_MAX + 1u);
    bool is_number = rest % 2;
    char *copy = fuzz_copy(data, size);
    Str text = {copy, size};
    Amount amount = parse(text, is_number, (AmountStyle)(rest / 2 % 3), scale);
    if (amount.accepted) {
        PROMISE(amount.value <= RECORD_VALUE_MAX && (amount.value > 0 || !amount.negative));
        PROMISE(!is_number || amount.unit.len == 0);
        check_plain(&amount, scale);
    }
    check_styles(text, scale);
    check_records(text, is_number, scale);
    free(copy);
    return 0;
}

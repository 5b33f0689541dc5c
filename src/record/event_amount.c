/* Amounts. The text is taken apart into sign, currency and number; the number is copied with its separators in one
 * spelling, so that the rules on them read plainly, and then has its digits taken together. */
#include "record/event.h"
#include "record/event_currency.h"
#include "record/event_number.h"
#include "record/event_text.h"
#include "record/record_check.h"

enum { NUMBER_BYTES_MAX = 128 };

static const char not_an_amount[] =
    "must be a number such as 1200.50 in the digits 0 to 9, with at most a sign and a currency";
static const char no_currency[] = "has letters that are not a currency's code of ISO 4217 in capitals";
static const char two_signs[] = "has more than one sign";
static const char bad_groups[] = "must have groups of three digits: 1,234,567.89";
static const char ambiguous[] =
    "is ambiguous, as its separator may be one of thousands or of decimals: the mapping's amounts (point or "
    "comma) can say which";

/* ---- The number and its separators ------------------------------------------------------------------------------- */

/* Digits, and for each kind of separator one character: '.', ',', ' ' (also those that do not break, and the thin one),
 * '\''. */
typedef struct NumberText {
    char at[NUMBER_BYTES_MAX];
    size_t len;
} NumberText;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* '\0' and no bytes when there is none. */
static char separator_of(Str text, size_t *ret_bytes)
{
    static const struct {
        Str text;
        char is;
    } separators[] = {
        {STR("."), '.'},
        {STR(","), ','},
        {STR(" "), ' '},
        {STR("\xC2\xA0"), ' '},
        {STR("\xE2\x80\xAF"), ' '},
        {STR("\xE2\x80\x89"), ' '},
        {STR("'"), '\''},
        {STR("\xE2\x80\x99"), '\''},
    };
    *ret_bytes = 0;
    for (size_t i = 0; i < sizeof separators / sizeof separators[0]; i++) {
        if (str_starts_with(text, separators[i].text)) {
            *ret_bytes = separators[i].text.len;
            return separators[i].is;
        }
    }
    return '\0';
}

/* One character of a number; '\0' for any other. */
static char number_char(Str text, size_t *ret_bytes)
{
    if (is_digit(*text.ptr)) {
        *ret_bytes = 1;
        return *text.ptr;
    }
    return separator_of(text, ret_bytes);
}

static bool is_group_sign(char c) { return c == ' ' || c == '\''; }

/* Takes the number off the front of the text. A space or an apostrophe belongs to it only between digits. */
static const char *take_number(Str *text, NumberText *ret_number)
{
    size_t at = 0, bytes;
    ret_number->len = 0;
    while (at < text->len) {
        Str rest = {text->ptr + at, text->len - at};
        char c = number_char(rest, &bytes);
        bool before_digit = c && bytes < rest.len && is_digit(rest.ptr[bytes]);
        if (!c || (is_group_sign(c) && (!before_digit || ret_number->len == 0))) {
            break;
        }
        if (ret_number->len == NUMBER_BYTES_MAX) {
            return "must have at most 128 digits and separators";
        }
        ret_number->at[ret_number->len++] = c;
        at += bytes;
    }
    *text = (Str){text->ptr + at, text->len - at};
    return ret_number->len > 0 ? NULL : not_an_amount;
}

static size_t count(const NumberText *number, char c)
{
    size_t found = 0;
    for (size_t i = 0; i < number->len; i++) {
        found += number->at[i] == c;
    }
    return found;
}

static size_t last_place(const NumberText *number, char c)
{
    const char *found = memrchr(number->at, c, number->len);
    return found ? (size_t)(found - number->at) : 0;
}

/* A single separator, and no other of any kind: with up to three digits before it and three behind, it may be either.
 * Groups do not begin with 0, so 0.125 is clear; 01.200 is not, as programs that fill up with zeros do that to groups,
 * too. */
static bool is_ambiguous(const NumberText *number, size_t at)
{
    bool is_zero = at == 1 && number->at[0] == '0';
    return at >= 1 && at <= 3 && number->len - at - 1 == 3 && !is_zero;
}

/* Which of the two is the decimal separator of a number that has to speak for itself; '\0' for none. */
static const char *judge_decimal(const NumberText *number, char *ret_decimal)
{
    size_t points = count(number, '.'), commas = count(number, ',');
    char only = points ? '.' : ',';
    *ret_decimal = '\0';
    if (points && commas) {
        *ret_decimal = last_place(number, '.') > last_place(number, ',') ? '.' : ',';
    } else if (points + commas == 1) {
        bool is_grouped = count(number, ' ') || count(number, '\'');
        *ret_decimal = only;
        return !is_grouped && is_ambiguous(number, last_place(number, only)) ? ambiguous : NULL;
    } else if (points + commas > 1 && (count(number, ' ') || count(number, '\''))) {
        return bad_groups;
    }
    return NULL;
}

/* Groups of three behind a first one of one to three that does not begin with 0, all with the same separator, which is
 * taken out. */
static const char *join_groups(NumberText *number, size_t whole_len)
{
    size_t kept = 0, since = 0;
    char separator = '\0';
    for (size_t i = 0; i < whole_len; i++) {
        char c = number->at[i];
        if (is_digit(c)) {
            number->at[kept++] = c;
            since++;
            continue;
        }
        bool fits = separator ? c == separator && since == 3 : since >= 1 && since <= 3 && number->at[0] != '0';
        if (!fits) {
            return bad_groups;
        }
        separator = c;
        since = 0;
    }
    number->len = kept;
    return separator && since != 3 ? bad_groups : NULL;
}

static const char *split_number(NumberText *number, AmountStyle style, EventNumber *ret_number)
{
    char decimal = style == AMOUNT_POINT ? '.' : ',';
    const char *problem = style == AMOUNT_UNAMBIGUOUS ? judge_decimal(number, &decimal) : NULL;
    if (problem) {
        return problem;
    }
    size_t decimals = decimal ? count(number, decimal) : 0;
    size_t at = decimals ? last_place(number, decimal) : number->len;
    if (decimals > 1) {
        return "has more than one decimal separator";
    }
    Str fraction = decimals ? (Str){number->at + at + 1, number->len - at - 1} : (Str){NULL, 0};
    for (size_t i = 0; i < fraction.len; i++) {
        if (!is_digit(fraction.ptr[i])) {
            return bad_groups;
        }
    }
    if (decimals && fraction.len == 0) {
        return "must have digits behind its decimal separator";
    }
    problem = join_groups(number, at); /* the whole part becomes shorter, the fraction stays where it is */
    *ret_number = (EventNumber){.whole = {number->at, number->len}, .fraction = fraction};
    return problem;
}

/* ---- What stands around the number ------------------------------------------------------------------------------- */

typedef struct Frame {
    bool has_sign, is_negative, is_open; /* a parenthesis, which is a sign too */
    Str currency;
} Frame;

static bool take(Str *text, Str token)
{
    bool found = str_starts_with(*text, token);
    if (found) {
        *text = (Str){text->ptr + token.len, text->len - token.len};
    }
    return found;
}

static bool take_sign(Str *text, Frame *frame)
{
    bool open = take(text, STR("("));
    bool minus = open || take(text, STR("-")) || take(text, STR("\xE2\x88\x92")); /* U+2212, the minus of typesetters */
    frame->is_open |= open;
    frame->is_negative |= minus;
    return minus || take(text, STR("+"));
}

static const char *take_front(Str *text, Frame *frame)
{
    for (;;) {
        Str currency;
        *text = event_text_trim(*text);
        if (take_sign(text, frame)) {
            if (frame->has_sign) {
                return two_signs;
            }
            frame->has_sign = true;
        } else if (event_currency_take(text, &currency)) {
            if (frame->currency.len > 0) {
                return "has more than one currency";
            }
            frame->currency = currency;
        } else {
            return NULL;
        }
    }
}

static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

static bool is_exponent(Str text)
{
    bool has_e = text.len > 1 && (text.ptr[0] == 'e' || text.ptr[0] == 'E');
    return has_e && (is_digit(text.ptr[1]) || text.ptr[1] == '+' || text.ptr[1] == '-');
}

/* Letters beside a number can only be meant as a currency. */
static const char *judge_letters(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_digit(text.ptr[i])) {
            return no_currency;
        }
    }
    return not_an_amount;
}

static const char *judge_rest(Str rest)
{
    if (is_exponent(rest)) {
        return "must not have an exponent in a text: write it out, or send a JSON number";
    }
    if (rest.len > 0 && (rest.ptr[0] == '-' || rest.ptr[0] == '+')) {
        return "must have its sign in front";
    }
    return rest.len > 0 && is_letter(rest.ptr[0]) ? no_currency : not_an_amount;
}

static const char *take_back(Str text, Frame *frame)
{
    for (;;) {
        Str currency;
        text = event_text_trim(text);
        if (frame->is_open && take(&text, STR(")"))) {
            frame->is_open = false;
        } else if (event_currency_take(&text, &currency)) {
            if (frame->currency.len > 0) {
                return "has more than one currency";
            }
            frame->currency = currency;
        } else {
            break;
        }
    }
    if (text.len > 0) {
        return judge_rest(text);
    }
    return frame->is_open ? "has a parenthesis that is not closed" : NULL;
}

static const char *read_text(Str text, AmountStyle style, NumberText *number, EventNumber *ret_number, Str *ret_unit)
{
    Frame frame = {0};
    const char *problem = take_front(&text, &frame);
    if (!problem) {
        problem = text.len > 0 && is_letter(text.ptr[0]) ? judge_letters(text) : take_number(&text, number);
    }
    if (!problem) {
        problem = take_back(text, &frame);
    }
    if (!problem) {
        problem = split_number(number, style, ret_number);
    }
    ret_number->negative = frame.is_negative;
    *ret_unit = frame.currency;
    return problem;
}

const char *event_amount_parse(Str text, bool is_number, AmountStyle style, unsigned scale, int64_t *ret_value,
                               bool *ret_negative, Str *ret_unit)
{
    NumberText digits;
    EventNumber number = {0};
    Str unit = {NULL, 0};
    int64_t value = 0;
    const char *problem = NULL;
    if (!is_number) {
        problem = read_text(text, style, &digits, &number, &unit);
    } else if (!event_number_read(text, &number)) {
        problem = not_an_amount;
    }
    if (!problem) {
        problem = record_value_problem(event_number_magnitude(&number, scale, RECORD_VALUE_MAX, &value), scale);
    }
    if (!problem) {
        *ret_value = value;
        *ret_negative = number.negative && value > 0;
        *ret_unit = unit;
    }
    return problem;
}

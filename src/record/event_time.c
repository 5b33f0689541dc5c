/* Times. What timestamp_parse() reads is left to it; other spellings are read into fields, written down as RFC 3339 and
 * given to it as well, so that one place decides which dates there are. */
#include "base/timestamp.h"
#include "record/event.h"
#include "record/event_number.h"
#include "record/event_text.h"

static const char not_a_time[] =
    "must be a time such as 2025-01-01T10:00:00Z, 2025/01/01, 2025-01-01 10:00 or seconds since 1970";
static const char unknown_order[] =
    "has day and month in an order that is not known: the mapping's dates (day_first or month_first) can say it";
static const char short_year[] = "must have a year of four digits";
static const char unknown_zone[] = "must have its zone as Z, UTC, GMT, UT or an offset such as +02:00";
static const char too_fine[] = "must have at most six digits of a second's fraction";
static const char out_of_years[] = "must lie within the years 0001 to 9999 in UTC";

typedef struct Moment {
    unsigned year, month, day, hour, minute, second, us;
    bool west;
    unsigned offset_hours, offset_minutes;
    unsigned weekday; /* from 1, a Sunday; 0 when none was named */
} Moment;

/* ---- Pieces ------------------------------------------------------------------------------------------------------ */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

static char front(Str text) { return text.len > 0 ? text.ptr[0] : '\0'; }

static void skip(Str *text, size_t bytes) { *text = (Str){text->ptr + bytes, text->len - bytes}; }

static bool take_char(Str *text, char c)
{
    bool found = text->len > 0 && text->ptr[0] == c;
    if (found) {
        skip(text, 1);
    }
    return found;
}

static bool take_spaces(Str *text)
{
    bool any = false;
    while (take_char(text, ' ')) {
        any = true;
    }
    return any;
}

/* A number of at most four digits; how many there were, 0 when there were none or more. */
static size_t take_number(Str *text, unsigned *ret_value)
{
    size_t digits = 0;
    unsigned value = 0;
    while (digits < text->len && digits < 5 && is_digit(text->ptr[digits])) {
        value = value * 10 + (unsigned)(text->ptr[digits++] - '0');
    }
    if (digits > 4) {
        return 0;
    }
    skip(text, digits);
    *ret_value = value;
    return digits;
}

static bool take_two(Str *text, unsigned *ret_value)
{
    bool fits = text->len >= 2 && is_digit(text->ptr[0]) && is_digit(text->ptr[1]);
    if (fits) {
        *ret_value = (unsigned)(text->ptr[0] - '0') * 10 + (unsigned)(text->ptr[1] - '0');
        skip(text, 2);
    }
    return fits;
}

/* ---- Time of day and zone ---------------------------------------------------------------------------------------- */

/* Digits beyond the sixth have to be zeros. */
static const char *take_fraction(Str *text, unsigned *ret_us)
{
    unsigned us = 0, unit = 100000;
    size_t digits = 0;
    if (!take_char(text, '.') && !take_char(text, ',')) {
        return NULL;
    }
    for (; is_digit(front(*text)); digits++, unit /= 10) {
        unsigned digit = (unsigned)(front(*text) - '0');
        if (unit == 0 && digit != 0) {
            return too_fine;
        }
        us += digit * unit;
        skip(text, 1);
    }
    *ret_us = us;
    return digits > 0 ? NULL : not_a_time;
}

/* "AM" and "PM" behind hours of 1 to 12. */
static const char *take_half(Str *text, Moment *moment)
{
    Str at = *text;
    (void)take_spaces(&at);
    Str word = {at.ptr, at.len < 2 ? at.len : 2};
    bool is_pm = str_equal_nocase(word, STR("PM"));
    bool is_longer = at.len > 2 && is_letter(at.ptr[2]);
    if (is_longer || (!is_pm && !str_equal_nocase(word, STR("AM")))) {
        return NULL;
    }
    if (moment->hour < 1 || moment->hour > 12) {
        return "must have an hour from 1 to 12 before AM or PM";
    }
    moment->hour = moment->hour % 12 + (is_pm ? 12 : 0);
    skip(&at, 2);
    *text = at;
    return NULL;
}

/* "10:00", "9:05:07.25", "10:00 PM" */
static const char *take_clock(Str *text, Moment *moment)
{
    size_t digits = take_number(text, &moment->hour);
    if (digits < 1 || digits > 2 || !take_char(text, ':') || !take_two(text, &moment->minute)) {
        return not_a_time;
    }
    const char *problem = NULL;
    if (take_char(text, ':')) {
        problem = take_two(text, &moment->second) ? take_fraction(text, &moment->us) : not_a_time;
    }
    return problem ? problem : take_half(text, moment);
}

/* "1000", "100007.25" behind a date without separators */
static const char *take_basic_clock(Str *text, Moment *moment)
{
    if (!take_two(text, &moment->hour) || !take_two(text, &moment->minute)) {
        return not_a_time;
    }
    return take_two(text, &moment->second) ? take_fraction(text, &moment->us) : NULL;
}

/* "+02:00", "+0200", "+02" */
static const char *take_offset(Str *text, Moment *moment)
{
    moment->west = front(*text) == '-';
    skip(text, 1);
    if (!take_two(text, &moment->offset_hours)) {
        return unknown_zone;
    }
    bool has_minutes = take_char(text, ':');
    if (!take_two(text, &moment->offset_minutes) && has_minutes) {
        return unknown_zone;
    }
    return NULL;
}

/* The zone, if there is one, ends the text. */
static const char *take_zone(Str text, Moment *moment)
{
    static const char *const utc[] = {"Z", "UTC", "GMT", "UT"};
    (void)take_spaces(&text);
    if (front(text) == '+' || front(text) == '-') {
        const char *problem = take_offset(&text, moment);
        return problem ? problem : text.len == 0 ? NULL : unknown_zone;
    }
    bool is_known = text.len == 0;
    for (size_t i = 0; i < sizeof utc / sizeof utc[0]; i++) {
        is_known |= str_equal_nocase(text, str_from(utc[i]));
    }
    return is_known ? NULL : is_letter(front(text)) ? unknown_zone : not_a_time;
}

/* ---- Dates ------------------------------------------------------------------------------------------------------- */

static const char *order_date(const unsigned parts[3], const size_t digits[3], DateOrder order, Moment *moment)
{
    if (digits[0] == 4) {
        *moment = (Moment){.year = parts[0], .month = parts[1], .day = parts[2]};
        return digits[2] <= 2 ? NULL : not_a_time;
    }
    if (digits[0] > 2 || digits[2] == 3) {
        return not_a_time;
    }
    if (order == DATE_YEAR_FIRST) {
        return unknown_order;
    }
    bool day_first = order == DATE_DAY_FIRST;
    *moment = (Moment){.year = parts[2], .month = parts[day_first], .day = parts[!day_first]};
    return digits[2] == 4 ? NULL : short_year;
}

/* "2024-01-01", "2024/1/1", "01.02.2024" */
static const char *take_date(Str *text, DateOrder order, Moment *moment)
{
    unsigned parts[3];
    size_t digits[3];
    char separator = '\0';
    for (int i = 0; i < 3; i++) {
        if (i == 1) {
            separator = front(*text);
        }
        if (i > 0 && ((separator != '-' && separator != '/' && separator != '.') || !take_char(text, separator))) {
            return not_a_time;
        }
        digits[i] = take_number(text, &parts[i]);
        if (digits[i] == 0 || (i == 1 && digits[i] > 2)) {
            return not_a_time;
        }
    }
    return order_date(parts, digits, order, moment);
}

static const char *parse_numeric(Str text, DateOrder order, Moment *moment)
{
    const char *problem = take_date(&text, order, moment);
    if (problem || text.len == 0) {
        return problem;
    }
    if (!take_char(&text, 'T') && !take_char(&text, 't') && !take_char(&text, ' ')) {
        return not_a_time;
    }
    problem = take_clock(&text, moment);
    return problem ? problem : take_zone(text, moment);
}

/* "20240101T100000Z" */
static bool is_basic(Str text)
{
    for (size_t i = 0; i < 8; i++) {
        if (i >= text.len || !is_digit(text.ptr[i])) {
            return false;
        }
    }
    return text.len > 8 && (text.ptr[8] == 'T' || text.ptr[8] == 't');
}

static const char *parse_basic(Str text, Moment *moment)
{
    unsigned century, year;
    *moment = (Moment){0};
    bool has_date = take_two(&text, &century) && take_two(&text, &year) && take_two(&text, &moment->month) &&
                    take_two(&text, &moment->day);
    if (!has_date) {
        return not_a_time;
    }
    moment->year = century * 100 + year;
    skip(&text, 1);
    const char *problem = take_basic_clock(&text, moment);
    return problem ? problem : take_zone(text, moment);
}

/* ---- RFC 2822 ---------------------------------------------------------------------------------------------------- */

/* The place of a name of three letters, from 0; `count` when it is none. */
static unsigned take_name(Str *text, const char *names, unsigned count)
{
    Str word = {text->ptr, text->len < 3 ? text->len : 3};
    unsigned at = 0;
    while (at < count && !str_equal_nocase(word, (Str){names + 3 * (size_t)at, 3})) {
        at++;
    }
    if (at < count) {
        skip(text, 3);
    }
    return at;
}

static bool is_mail_date(Str text)
{
    size_t at = 0;
    while (at < text.len && is_digit(text.ptr[at])) {
        at++;
    }
    while (at < text.len && text.ptr[at] == ' ') {
        at++;
    }
    return at < text.len && is_letter(text.ptr[at]) && text.ptr[at] != 'T' && text.ptr[at] != 't';
}

/* "(UTC)" at the end says nothing that the offset does not. */
static Str cut_comment(Str text)
{
    const char *open = text.len > 0 && text.ptr[text.len - 1] == ')' ? memrchr(text.ptr, '(', text.len) : NULL;
    if (open) {
        text.len = (size_t)(open - text.ptr);
        while (text.len > 0 && text.ptr[text.len - 1] == ' ') {
            text.len--;
        }
    }
    return text;
}

/* "1 Jan 2024" */
static const char *take_mail_date(Str *text, Moment *moment)
{
    size_t digits = take_number(text, &moment->day);
    bool is_apart = take_spaces(text);
    moment->month = take_name(text, "JanFebMarAprMayJunJulAugSepOctNovDec", 12) + 1;
    if (digits < 1 || digits > 2 || !is_apart || moment->month > 12 || !take_spaces(text)) {
        return not_a_time;
    }
    digits = take_number(text, &moment->year);
    return digits == 4 ? NULL : digits == 2 ? short_year : not_a_time;
}

static const char *parse_mail(Str text, Moment *moment)
{
    *moment = (Moment){0};
    unsigned weekday = take_name(&text, "SunMonTueWedThuFriSat", 7);
    if (weekday < 7 && !take_char(&text, ',')) {
        return not_a_time;
    }
    (void)take_spaces(&text);
    const char *problem = take_mail_date(&text, moment);
    if (problem) {
        return problem;
    }
    moment->weekday = weekday < 7 ? weekday + 1 : 0;
    text = cut_comment(text);
    if (text.len == 0) {
        return NULL;
    }
    problem = take_spaces(&text) ? take_clock(&text, moment) : not_a_time;
    return problem ? problem : take_zone(text, moment);
}

/* ---- Epochs ------------------------------------------------------------------------------------------------------ */

static unsigned two_at(Str digits, size_t at)
{
    return (unsigned)(digits.ptr[at] - '0') * 10 + (unsigned)(digits.ptr[at + 1] - '0');
}

/* "0101", "010110", "01011000", "0101100000": a month, a day, and what there is of a clock. */
static bool is_day_and_clock(Str text)
{
    static const unsigned least[] = {1, 1, 0, 0, 0}, most[] = {12, 31, 23, 59, 59};
    for (size_t i = 0; i < text.len / 2 && i < sizeof most / sizeof *most; i++) {
        unsigned part = two_at(text, 2 * i);
        if (part < least[i] || part > most[i]) {
            return false;
        }
    }
    return true;
}

static bool is_date_like(Str text, size_t year_digits)
{
    bool is_year = year_digits == 2 || two_at(text, 0) == 19 || two_at(text, 0) == 20;
    return is_year && is_day_and_clock((Str){text.ptr + year_digits, text.len - year_digits});
}

/* Hours to milliseconds, with the century or without. Ten digits without one are seconds since 1970 from 2001 on, so
 * only those that would be a time behind 2036 may be meant as a date. */
static bool is_date_of_its_length(Str text)
{
    switch (text.len) {
    case 10: return is_date_like(text, 4) || (two_at(text, 0) >= 21 && is_date_like(text, 2));
    case 12: return is_date_like(text, 4) || is_date_like(text, 2);
    case 14:
    case 17: return is_date_like(text, 4);
    default: return false;
    }
}

/* Digits that read as a date and a time, of this century or the last. */
static bool reads_as_date(const EventNumber *number)
{
    char spelt[EVENT_NUMBER_BYTES_MAX];
    size_t len;
    if (number->negative || !event_number_spell(number, spelt, &len)) {
        return false;
    }
    Str rest = {spelt, len};
    Str text = str_split(&rest, '.');
    return is_date_of_its_length(text);
}

/* Fewer digits may be a date in some spelling (20240101, 311224, 01.02, 2024), the days of a spreadsheet (45292), or
 * nothing at all (0). As seconds they would be a time before March 1973, which hardly any event tells of: so many wrong
 * ones for so few right ones. */
enum { COUNT_DIGITS_MIN = 9 };

static bool is_ambiguous(const EventNumber *number)
{
    bool is_padded = number->whole.len > 1 && number->whole.ptr[0] == '0';
    return is_padded || event_number_whole_digits(number) < COUNT_DIGITS_MIN || reads_as_date(number);
}

/* Digits behind the point that are still whole microseconds. */
static unsigned epoch_scale(const EventNumber *number, EpochUnit epoch)
{
    int64_t digits = event_number_whole_digits(number);
    switch (epoch) {
    case EPOCH_BY_SIZE: break;
    case EPOCH_SECONDS: return 6;
    case EPOCH_MILLISECONDS: return 3;
    case EPOCH_MICROSECONDS: return 0;
    }
    return digits <= 11 ? 6 : digits <= 14 ? 3 : 0;
}

static const char *parse_epoch(const EventNumber *number, EpochUnit epoch, int64_t *ret_us)
{
    int64_t us;
    if (epoch == EPOCH_BY_SIZE && is_ambiguous(number)) {
        return "is ambiguous, as it may be a date or a count since 1970: write 2025-01-01, or set the mapping's epoch";
    }
    switch (event_number_magnitude(number, epoch_scale(number, epoch), TIMESTAMP_MAX, &us)) {
    case DECIMAL_OK: break;
    case DECIMAL_TOO_PRECISE: return "must not be finer than a microsecond";
    default: return out_of_years;
    }
    us = number->negative ? -us : us;
    if (us < TIMESTAMP_MIN) {
        return out_of_years;
    }
    *ret_us = us;
    return NULL;
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */

static char *put_digits(char *at, unsigned value, unsigned digits)
{
    for (unsigned i = digits; i > 0; i--, value /= 10) {
        at[i - 1] = (char)('0' + value % 10);
    }
    return at + digits;
}

/* The epoch was a Thursday. */
static bool is_weekday(const Moment *moment)
{
    int64_t days = timestamp_days_from_date(moment->year, moment->month, moment->day) + 4;
    return (days % 7 + 7) % 7 == moment->weekday - 1;
}

/* All numbers have as many digits as were read, which is what fits here. */
static const char *to_microseconds(const Moment *moment, int64_t *ret_us)
{
    int64_t us = 0;
    char text[sizeof "2025-01-01T10:00:00.123456+02:00"];
    char *at = put_digits(text, moment->year, 4);
    const unsigned parts[] = {moment->month, moment->day, moment->hour, moment->minute, moment->second};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        *at++ = "--T::"[i];
        at = put_digits(at, parts[i], 2);
    }
    *at++ = '.';
    at = put_digits(at, moment->us, 6);
    *at++ = moment->west ? '-' : '+';
    at = put_digits(at, moment->offset_hours, 2);
    *at++ = ':';
    at = put_digits(at, moment->offset_minutes, 2);
    const char *problem = timestamp_parse((Str){text, (size_t)(at - text)}, &us);
    if (!problem && moment->weekday > 0 && !is_weekday(moment)) {
        problem = "names a day of the week that does not fit its date";
    }
    *ret_us = problem ? *ret_us : us;
    return problem;
}

static bool is_plain_number(Str text)
{
    size_t start = front(text) == '-', points = 0;
    for (size_t i = start; i < text.len; i++) {
        bool is_point = text.ptr[i] == '.';
        points += is_point;
        if (!is_digit(text.ptr[i]) && !is_point) {
            return false;
        }
    }
    return text.len > start && points <= 1;
}

static const char *parse_text(Str text, DateOrder dates, int64_t *ret_us)
{
    Moment moment;
    const char *problem;
    if (is_letter(front(text)) || is_mail_date(text)) {
        problem = parse_mail(text, &moment);
    } else if (is_basic(text)) {
        problem = parse_basic(text, &moment);
    } else {
        problem = parse_numeric(text, dates, &moment);
    }
    return problem ? problem : to_microseconds(&moment, ret_us);
}

const char *event_time_parse(Str text, bool is_number, DateOrder dates, EpochUnit epoch, int64_t *ret_us)
{
    EventNumber number;
    if (!is_number) {
        text = event_text_trim(text);
        if (!timestamp_parse(text, ret_us)) {
            return NULL;
        }
    }
    if (is_number || is_plain_number(text)) {
        return event_number_read(text, &number) ? parse_epoch(&number, epoch, ret_us) : not_a_time;
    }
    return parse_text(text, dates, ret_us);
}

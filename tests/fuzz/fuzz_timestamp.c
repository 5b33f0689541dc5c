/* Timestamps against the C library's calendar. */
#include "fuzz.h"

#include <time.h>

#include "base/timestamp.h"

enum { US = 1000000 };

/* d is a digit, T one of "Tt ". */
static bool has_shape(const char *text, const char *shape)
{
    for (; *shape; shape++, text++) {
        bool fits = *shape == 'd'   ? *text >= '0' && *text <= '9'
                    : *shape == 'T' ? *text == 'T' || *text == 't' || *text == ' '
                    : *shape == 's' ? *text == '+' || *text == '-'
                                    : *text == *shape;
        if (!fits) {
            return false;
        }
    }
    return true;
}

static int number_at(const char *text, int digits)
{
    char copy[8];
    snprintf(copy, sizeof copy, "%.*s", digits, text);
    return (int)strtol(copy, NULL, 10);
}

/* A date that does not exist is moved to one that does, which shows. */
static bool seconds_of(const char *text, int64_t *ret_seconds)
{
    struct tm tm = {.tm_year = number_at(text, 4) - 1900,
                    .tm_mon = number_at(text + 5, 2) - 1,
                    .tm_mday = number_at(text + 8, 2),
                    .tm_hour = number_at(text + 11, 2),
                    .tm_min = number_at(text + 14, 2),
                    .tm_sec = number_at(text + 17, 2)};
    struct tm moved = tm;
    *ret_seconds = timegm(&moved);
    return tm.tm_year > -1900 && moved.tm_year == tm.tm_year && moved.tm_mon == tm.tm_mon &&
           moved.tm_mday == tm.tm_mday && moved.tm_hour == tm.tm_hour && moved.tm_min == tm.tm_min &&
           moved.tm_sec == tm.tm_sec;
}

/* The zone at the end: false when it is none. */
static bool offset_of(const char *text, bool may_be_missing, int64_t *ret_seconds)
{
    *ret_seconds = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0 || (*text == '\0' && may_be_missing)) {
        return true;
    }
    if (strlen(text) != 6 || !has_shape(text, "sdd:dd") || number_at(text + 1, 2) > 23 || number_at(text + 4, 2) > 59) {
        return false;
    }
    *ret_seconds = (number_at(text + 1, 2) * 60 + number_at(text + 4, 2)) * (text[0] == '-' ? -60 : 60);
    return true;
}

static bool read_reference(const char *text, size_t size, int64_t *ret_us)
{
    int64_t seconds, offset, fraction = 0;
    if (strlen(text) != size || !has_shape(text, "dddd-dd-ddTdd:dd:dd")) {
        return false;
    }
    const char *rest = text + 19;
    if (*rest == '.') {
        size_t digits = strspn(rest + 1, "0123456789");
        if (digits < 1 || digits > 6) {
            return false;
        }
        char padded[8] = "000000";
        memcpy(padded, rest + 1, digits);
        fraction = strtol(padded, NULL, 10);
        rest += 1 + digits;
    }
    if (!offset_of(rest, text[10] == ' ', &offset) || !seconds_of(text, &seconds)) {
        return false;
    }
    *ret_us = (seconds - offset) * US + fraction;
    return *ret_us >= TIMESTAMP_MIN && *ret_us <= TIMESTAMP_MAX;
}

static void check_format(int64_t us)
{
    char text[TIMESTAMP_TEXT_BYTES_MAX], expected[64];
    int64_t back;
    int64_t fraction = (us % US + US) % US;
    time_t seconds = (us - fraction) / US;
    struct tm tm;
    PROMISE(gmtime_r(&seconds, &tm) != NULL);
    int len = snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                       tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (fraction > 0) {
        len += snprintf(expected + len, sizeof expected - (size_t)len, ".%06d", (int)fraction);
        while (expected[len - 1] == '0') {
            len--;
        }
    }
    snprintf(expected + len, sizeof expected - (size_t)len, "Z");
    size_t text_len = timestamp_format(us, text);
    PROMISE(strcmp(text, expected) == 0 && text_len == strlen(expected));
    PROMISE(timestamp_parse((Str){text, text_len}, &back) == NULL && back == us);
}

/* The first eight bytes as a point in time, too. */
static void check_any(const uint8_t *data, size_t size)
{
    int64_t us = 0;
    memcpy(&us, data, size < sizeof us ? size : sizeof us);
    if (us >= TIMESTAMP_MIN && us <= TIMESTAMP_MAX) {
        check_format(us);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t us = INT64_MIN, expected;
    char *exact = fuzz_copy(data, size), *text = malloc(size + 1);
    PROMISE(text != NULL);
    memcpy(text, exact, size);
    text[size] = '\0';
    const char *problem = timestamp_parse((Str){exact, size}, &us);
    PROMISE((problem == NULL) == read_reference(text, size, &expected));
    if (problem) {
        PROMISE(us == INT64_MIN && problem[0] != '\0');
    } else {
        PROMISE(us == expected);
        check_format(us);
    }
    check_any(data, size);
    free(text);
    free(exact);
    return 0;
}

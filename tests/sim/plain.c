#include "sim/plain.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/need.h"

/* Most are short, and a long division takes its time. */
static int take_digit(Exact *value)
{
    int digit;
    if (*value >= INT64_MIN && *value <= INT64_MAX) {
        int64_t narrow = (int64_t)*value;
        digit = (int)(narrow % 10);
        *value = narrow / 10;
    } else {
        digit = (int)(*value % 10);
        *value /= 10;
    }
    return digit < 0 ? -digit : digit;
}

const char *plain_decimal(Exact value, unsigned scale, char ret_text[PLAIN_TEXT_BYTES_MAX])
{
    char reversed[PLAIN_TEXT_BYTES_MAX];
    size_t len = 0, at = 0;
    bool negative = value < 0;
    for (unsigned digits = 0; value != 0 || digits <= scale; digits++) {
        if (scale > 0 && digits == scale) {
            reversed[len++] = '.';
        }
        reversed[len++] = (char)('0' + take_digit(&value));
    }
    if (negative) {
        ret_text[at++] = '-';
    }
    while (len > 0) {
        ret_text[at++] = reversed[--len];
    }
    ret_text[at] = '\0';
    return ret_text;
}

/* ---- The calendar ------------------------------------------------------------------------------------------------ */

static bool is_leap(int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

static int64_t days_of_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month] + (month == 1 && is_leap(year));
}

typedef struct Date {
    int64_t year, day; /* day 1 … 31 */
    int month;         /* 0 … 11 */
} Date;

static int64_t days_before_year(int64_t year)
{
    int64_t years = year - 1;
    return years * 365 + years / 4 - years / 100 + years / 400;
}

/* A year that is not too late, from there on year by year, then month by month. */
static Date date_of(int64_t days_since_1970)
{
    enum { DAYS_FROM_YEAR_1 = 719162 };
    int64_t days = days_since_1970 + DAYS_FROM_YEAR_1;
    Date date = {.year = 1 + days / 366};
    while (days_before_year(date.year + 1) <= days) {
        date.year++;
    }
    days -= days_before_year(date.year);
    while (days >= days_of_month(date.year, date.month)) {
        days -= days_of_month(date.year, date.month);
        date.month++;
    }
    date.day = days + 1;
    return date;
}

static int64_t floor_to(int64_t value, int64_t unit)
{
    int64_t rest = value % unit;
    return value - (rest < 0 ? rest + unit : rest);
}

#define SECOND_US INT64_C(1000000)
#define DAY_US    (86400 * SECOND_US)

static char *put_digits(char *at, int64_t value, int digits)
{
    for (int i = digits; i-- > 0; value /= 10) {
        at[i] = (char)('0' + value % 10);
    }
    return at + digits;
}

const char *plain_time(int64_t time_us, char ret_text[PLAIN_TEXT_BYTES_MAX])
{
    int64_t midnight = floor_to(time_us, DAY_US), rest = time_us - midnight, seconds = rest / SECOND_US;
    Date date = date_of(midnight / DAY_US);
    const struct {
        int64_t value;
        int digits;
        char after;
    } parts[] = {{date.year, 4, '-'},        {date.month + 1, 2, '-'},    {date.day, 2, 'T'},
                 {seconds / 3600, 2, ':'},   {seconds / 60 % 60, 2, ':'}, {seconds % 60, 2, '.'},
                 {rest % SECOND_US, 6, '\0'}};
    char *at = ret_text;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        at = put_digits(at, parts[i].value, parts[i].digits);
        *at++ = parts[i].after;
    }
    at--;
    while (at[-1] == '0' && rest % SECOND_US != 0) {
        at--;
    }
    at -= rest % SECOND_US == 0 ? 7 : 0; /* no fraction at all */
    memcpy(at, "Z", 2);
    return ret_text;
}

const char *plain_duration(int64_t us, char ret_text[PLAIN_TEXT_BYTES_MAX])
{
    const char *sign = us < 0 ? "-" : "";
    int64_t size = us < 0 ? -us : us, seconds = size / SECOND_US;
    if (size < 1000) {
        snprintf(ret_text, PLAIN_TEXT_BYTES_MAX, "%s%" PRId64 " us", sign, size);
    } else if (size < SECOND_US) {
        snprintf(ret_text, PLAIN_TEXT_BYTES_MAX, "%s%" PRId64 ".%03" PRId64 " ms", sign, size / 1000, size % 1000);
    } else if (seconds < 60) {
        snprintf(ret_text, PLAIN_TEXT_BYTES_MAX, "%s%" PRId64 ".%06" PRId64 " s", sign, seconds, size % SECOND_US);
    } else {
        snprintf(ret_text, PLAIN_TEXT_BYTES_MAX, "%s%" PRId64 " d %" PRId64 " h %" PRId64 " min %" PRId64 " s", sign,
                 seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    }
    return ret_text;
}

int64_t plain_window_start(const char *kind, int64_t time_us)
{
    int64_t midnight = floor_to(time_us, DAY_US);
    if (strcmp(kind, "minute") == 0) {
        return floor_to(time_us, 60 * SECOND_US);
    }
    if (strcmp(kind, "hour") == 0) {
        return floor_to(time_us, 3600 * SECOND_US);
    }
    if (strcmp(kind, "week") == 0) { /* 1970 began on a Thursday, and its Monday was 1969-12-29 */
        return floor_to(time_us + 3 * DAY_US, 7 * DAY_US) - 3 * DAY_US;
    }
    return strcmp(kind, "month") == 0 ? midnight - (date_of(midnight / DAY_US).day - 1) * DAY_US : midnight;
}

/* ---- The map ----------------------------------------------------------------------------------------------------- */

void plain_map_init(PlainMap *map)
{
    *map = (PlainMap){.capacity = 64};
    map->slots = need(calloc(map->capacity, sizeof *map->slots));
    arena_init(&map->keys, 65536, SIZE_MAX);
}

void plain_map_release(PlainMap *map)
{
    free(map->slots);
    arena_release(&map->keys);
}

void plain_map_clear(PlainMap *map)
{
    memset(map->slots, 0, map->capacity * sizeof *map->slots);
    map->count = 0;
    arena_reset(&map->keys);
}

static struct PlainSlot *slot_of(const PlainMap *map, Str key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key.len; i++) {
        hash = (hash ^ (unsigned char)key.ptr[i]) * UINT64_C(0x100000001b3);
    }
    size_t at = (hash ^ hash >> 32) & (map->capacity - 1);
    while (map->slots[at].value && !str_equal(map->slots[at].key, key)) {
        at = (at + 1) & (map->capacity - 1);
    }
    return &map->slots[at];
}

static void grow(PlainMap *map)
{
    PlainMap larger = {.capacity = map->capacity * 2};
    larger.slots = need(calloc(larger.capacity, sizeof *larger.slots));
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->slots[i].value) {
            *slot_of(&larger, map->slots[i].key) = map->slots[i];
        }
    }
    free(map->slots);
    map->slots = larger.slots;
    map->capacity = larger.capacity;
}

int64_t plain_map_get(const PlainMap *map, Str key) { return slot_of(map, key)->value; }

void plain_map_put(PlainMap *map, Str key, int64_t value)
{
    assert(value != 0);
    if (map->count * 2 >= map->capacity) {
        grow(map);
    }
    struct PlainSlot *slot = slot_of(map, key);
    if (!slot->value) {
        slot->key = arena_copy(&map->keys, key);
        need((void *)(uintptr_t)slot->key.ptr);
        map->count++;
    }
    slot->value = value;
}

void plain_key_add(PlainKey *key, Str text)
{
    plain_key_add_number(key, (int64_t)text.len);
    assert(text.len <= sizeof key->bytes - key->len);
    if (text.len > 0) {
        memcpy(key->bytes + key->len, text.ptr, text.len);
    }
    key->len += text.len;
}

void plain_key_add_number(PlainKey *key, int64_t number)
{
    assert(sizeof number <= sizeof key->bytes - key->len);
    memcpy(key->bytes + key->len, &number, sizeof number);
    key->len += sizeof number;
}

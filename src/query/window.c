#include "query/window.h"

#include "base/timestamp.h"

#include <stdlib.h>

#include <unicode/ucal.h>
#include <unicode/uenum.h>
#include <unicode/ustring.h>

#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US   (60 * MINUTE_US)
#define DAY_US    (24 * HOUR_US)

/* Nowhere is local time further from UTC than this (Manila, before 1844: almost 16 hours). */
#define OFFSET_US_MAX (18 * HOUR_US)

/* A stretch of time with one offset from UTC. */
typedef struct Stretch {
    int64_t from_us, to_us; /* half open; INT64_MIN and INT64_MAX when there is no change on that side */
    int64_t offset_us;      /* local time is UTC plus this */
} Stretch;

enum { DAY_CACHE = 256, STRETCHES_MAX = 65536, ZONE_BYTES_MAX = 64 };

struct Window {
    WindowKind kind;
    UCalendar *calendar; /* NULL for UTC */
    Stretch *stretches;  /* those met so far, in order of time; owns */
    size_t stretch_count, stretch_cap;
    size_t last; /* index of the stretch used last */
    struct {
        int64_t day, start_us;
        bool filled;
    } days[DAY_CACHE]; /* where local days begin */
};

static const char *const kind_names[] = {[WINDOW_MINUTE] = "minute",
                                         [WINDOW_HOUR] = "hour",
                                         [WINDOW_DAY] = "day",
                                         [WINDOW_WEEK] = "week",
                                         [WINDOW_MONTH] = "month"};

bool window_kind_parse(Str text, WindowKind *ret_kind)
{
    for (WindowKind kind = WINDOW_MINUTE; kind <= WINDOW_MONTH; kind++) {
        if (str_is(text, kind_names[kind])) {
            *ret_kind = kind;
            return true;
        }
    }
    return false;
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* ICU also knows the three-letter names of old Java versions, among them BST for Bangladesh and IST for India. They are
 * not in the IANA database, and whoever writes one most likely means something else. */
static bool is_java_name(Str zone)
{
    static const char names[] =
        "ACT AET AGT ART AST BET BST CAT CNT CST CTT EAT ECT IET IST JST MIT NET NST PLT PNT PRT PST SST VST";
    for (Str rest = STR(names); rest.ptr;) {
        if (str_equal(str_split(&rest, ' '), zone)) {
            return true;
        }
    }
    return false;
}

/* Looks through ICU's zones: whether `zone` is one of them, and which comes nearest. */
static bool find_zone(Str zone, char ret_nearest[ZONE_BYTES_MAX])
{
    enum { DISTANCE_MAX = 3 };
    UErrorCode status = U_ZERO_ERROR;
    UEnumeration *zones = ucal_openTimeZones(&status);
    unsigned best = DISTANCE_MAX + 1;
    bool found = false;
    int32_t len = 0;
    const char *name;
    ret_nearest[0] = '\0';
    while (!found && U_SUCCESS(status) && (name = uenum_next(zones, &len, &status)) != NULL) {
        Str known = {name, (size_t)len};
        if (is_java_name(known) || known.len >= ZONE_BYTES_MAX) {
            continue;
        }
        found = str_equal(known, zone);
        unsigned distance = str_distance(known, zone, DISTANCE_MAX);
        if (distance < best && distance <= known.len / 2) {
            best = distance;
            memcpy(ret_nearest, known.ptr, known.len + 1);
        }
    }
    uenum_close(zones);
    return found;
}

static Status open_calendar(Window *window, Str zone, Error *reterr)
{
    char nearest[ZONE_BYTES_MAX];
    UChar name[ZONE_BYTES_MAX];
    UErrorCode status = U_ZERO_ERROR;
    if (!find_zone(zone, nearest)) {
        return nearest[0] ? error_set(reterr, STATUS_REFUSED, "is not a known time zone; did you mean %s?", nearest)
                          : error_set(reterr, STATUS_REFUSED,
                                      "is not a known time zone; use an IANA name like Europe/Stockholm");
    }
    u_charsToUChars(zone.ptr, name, (int32_t)zone.len);
    window->calendar = ucal_open(name, (int32_t)zone.len, "en_US_POSIX", UCAL_GREGORIAN, &status);
    if (U_FAILURE(status)) {
        return error_set(reterr, STATUS_BUSY, "the time zone's rules cannot be read: %s", u_errorName(status));
    }
    return STATUS_OK;
}

Status window_new(WindowKind kind, Str zone, Window **ret_window, Error *reterr)
{
    Window *window = calloc(1, sizeof *window);
    if (!window) {
        return error_set(reterr, STATUS_BUSY, "no memory for a window");
    }
    window->kind = kind;
    if (zone.len && !str_is(zone, "UTC")) {
        Status status = open_calendar(window, zone, reterr);
        if (status != STATUS_OK) {
            window_free(window);
            return status;
        }
    }
    *ret_window = window;
    return STATUS_OK;
}

void window_free(Window *window)
{
    if (window) {
        if (window->calendar) {
            ucal_close(window->calendar);
        }
        free(window->stretches);
        free(window);
    }
}

bool window_holds_utc_days(const Window *window) { return !window->calendar && window->kind >= WINDOW_DAY; }

/* ---- Offsets ----------------------------------------------------------------------------------------------------- */

static int64_t offset_at(UCalendar *calendar, double time_ms)
{
    UErrorCode status = U_ZERO_ERROR;
    ucal_setMillis(calendar, time_ms, &status);
    int32_t zone_ms = ucal_get(calendar, UCAL_ZONE_OFFSET, &status);
    int32_t saving_ms = ucal_get(calendar, UCAL_DST_OFFSET, &status);
    return U_SUCCESS(status) ? ((int64_t)zone_ms + saving_ms) * 1000 : 0;
}

/* The next change of the clocks from `time_ms` in one direction, changes that leave the offset as it is (the name
 * alone, say) not counted. False when there is none. */
static bool find_change(UCalendar *calendar, double time_ms, int64_t offset_us, bool forward, double *ret_ms)
{
    double at = time_ms;
    for (;;) {
        UErrorCode status = U_ZERO_ERROR;
        UTimeZoneTransitionType type = forward ? UCAL_TZ_TRANSITION_NEXT : UCAL_TZ_TRANSITION_PREVIOUS_INCLUSIVE;
        ucal_setMillis(calendar, at, &status);
        if (!ucal_getTimeZoneTransitionDate(calendar, type, &at, &status) || U_FAILURE(status) ||
            at * 1000 < (double)TIMESTAMP_MIN || at * 1000 > (double)TIMESTAMP_MAX) {
            return false;
        }
        if (offset_at(calendar, forward ? at : at - 1) != offset_us) {
            *ret_ms = at;
            return true;
        }
        at = forward ? at : at - 1;
    }
}

static Stretch ask_stretch(const Window *window, int64_t time_us)
{
    double time_ms = (double)floor_div(time_us, 1000), change_ms;
    Stretch stretch = {INT64_MIN, INT64_MAX, offset_at(window->calendar, time_ms)};
    if (find_change(window->calendar, time_ms, stretch.offset_us, false, &change_ms)) {
        stretch.from_us = (int64_t)change_ms * 1000;
    }
    if (find_change(window->calendar, time_ms, stretch.offset_us, true, &change_ms)) {
        stretch.to_us = (int64_t)change_ms * 1000;
    }
    return stretch;
}

/* Keeps a stretch at its place in the order. Without room it is asked for again the next time, which is only slower. */
static void keep_stretch(Window *window, size_t at, Stretch stretch)
{
    if (window->stretch_count == window->stretch_cap) {
        size_t cap = window->stretch_cap ? window->stretch_cap * 2 : 16;
        Stretch *grown = cap > STRETCHES_MAX ? NULL : realloc(window->stretches, cap * sizeof *grown);
        if (!grown) {
            return;
        }
        window->stretches = grown;
        window->stretch_cap = cap;
    }
    memmove(window->stretches + at + 1, window->stretches + at, (window->stretch_count - at) * sizeof stretch);
    window->stretches[at] = stretch;
    window->stretch_count++;
    window->last = at;
}

static bool stretch_holds(const Stretch *stretch, int64_t time_us)
{
    return time_us >= stretch->from_us && time_us < stretch->to_us;
}

static Stretch find_stretch(Window *window, int64_t time_us)
{
    if (!window->calendar) {
        return (Stretch){INT64_MIN, INT64_MAX, 0};
    }
    if (window->last < window->stretch_count && stretch_holds(&window->stretches[window->last], time_us)) {
        return window->stretches[window->last];
    }
    size_t low = 0, high = window->stretch_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (window->stretches[middle].to_us <= time_us) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < window->stretch_count && stretch_holds(&window->stretches[low], time_us)) {
        window->last = low;
        return window->stretches[low];
    }
    Stretch stretch = ask_stretch(window, time_us);
    keep_stretch(window, low, stretch);
    return stretch;
}

/* ---- Windows ----------------------------------------------------------------------------------------------------- */

/* The first instant that shows local time `local_us` or later. */
static int64_t first_instant_of(Window *window, int64_t local_us)
{
    for (int64_t probe_us = local_us - OFFSET_US_MAX;;) {
        Stretch stretch = find_stretch(window, probe_us);
        int64_t start_us = local_us - stretch.offset_us;
        if (start_us < stretch.to_us) {
            return start_us > stretch.from_us ? start_us : stretch.from_us;
        }
        probe_us = stretch.to_us;
    }
}

static int64_t start_of_day(Window *window, int64_t day)
{
    size_t slot = (uint64_t)day % DAY_CACHE;
    if (!window->days[slot].filled || window->days[slot].day != day) {
        window->days[slot].start_us = first_instant_of(window, day * DAY_US);
        window->days[slot].day = day;
        window->days[slot].filled = true;
    }
    return window->days[slot].start_us;
}

static int64_t first_day_of(WindowKind kind, int64_t day)
{
    if (kind == WINDOW_WEEK) {
        int64_t from_monday = (day + 3) % 7; /* 1970-01-01 was a Thursday */
        return day - (from_monday < 0 ? from_monday + 7 : from_monday);
    }
    if (kind == WINDOW_MONTH) {
        int64_t year;
        unsigned month, month_day;
        timestamp_date_from_days(day, &year, &month, &month_day);
        return day - (int64_t)month_day + 1;
    }
    return day;
}

static int64_t at_least_first(int64_t time_us) { return time_us > TIMESTAMP_MIN ? time_us : TIMESTAMP_MIN; }

int64_t window_start(Window *window, int64_t time_us)
{
    Stretch stretch = find_stretch(window, time_us);
    int64_t local_us = time_us + stretch.offset_us;
    if (window->kind >= WINDOW_DAY) {
        return at_least_first(start_of_day(window, first_day_of(window->kind, floor_div(local_us, DAY_US))));
    }
    int64_t length_us = window->kind == WINDOW_HOUR ? HOUR_US : MINUTE_US;
    int64_t start_us = floor_div(local_us, length_us) * length_us - stretch.offset_us;
    return at_least_first(start_us > stretch.from_us ? start_us : stretch.from_us);
}

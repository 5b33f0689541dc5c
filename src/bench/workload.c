#include "bench/workload.h"

#include "base/timestamp.h"

static const int64_t SECOND_US = 1000000, DAY_US = INT64_C(86400000000);

WorkloadOptions workload_options_default(int64_t start_us)
{
    return (WorkloadOptions){
        .seed = 1,
        .destinations = 1000,
        .flows = 1000000,
        .alert_percent = 1,
        .start_us = start_us,
        .step_us = 3,
    };
}

/* A percentage as a bound for a 64-bit random number; all ones stands for certainty. */
static uint64_t bound_of_percent(double percent)
{
    return percent >= 100 ? UINT64_MAX : (uint64_t)(percent / 100 * 18446744073709551616.0);
}

Status workload_init(Workload *workload, const WorkloadOptions *options, Error *reterr)
{
    if (options->destinations < 1 || options->destinations > WORKLOAD_DESTINATIONS_MAX) {
        return error_set(reterr, STATUS_REFUSED, "destinations must be 1 to %d", WORKLOAD_DESTINATIONS_MAX);
    }
    if (options->flows < options->destinations || options->flows > WORKLOAD_FLOWS_MAX) {
        return error_set(reterr, STATUS_REFUSED, "flows must be %u (the number of destinations) to %d",
                         options->destinations, WORKLOAD_FLOWS_MAX);
    }
    if (!(options->alert_percent >= 0 && options->alert_percent <= 100 && options->repeat_percent >= 0 &&
          options->repeat_percent < 100)) {
        return error_set(reterr, STATUS_REFUSED, "a percentage must be 0 to 100, and of repetitions less than 100");
    }
    *workload = (Workload){
        .options = *options,
        .alert_below = bound_of_percent(options->alert_percent),
        .repeat_below = bound_of_percent(options->repeat_percent),
        .day = INT64_MIN,
    };
    return STATUS_OK;
}

/* splitmix64's output function (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014), on a
 * counter. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Evenly in [0, n) from the upper bits, without a division. */
static uint64_t below(uint64_t random, uint64_t n) { return (uint64_t)(((unsigned __int128)random * n) >> 64); }

/* The record that number `number` is, which is an earlier one's when it is a repetition, and that may be one itself. */
static uint64_t original_of(const Workload *workload, uint64_t number)
{
    while (number > 0 && workload->repeat_below > 0) {
        uint64_t random = mix(number ^ mix(workload->options.seed ^ UINT64_C(0x72657065617400)));
        if (random >= workload->repeat_below) {
            break;
        }
        number = below(mix(random), number);
    }
    return number;
}

#define PUT(at, literal) ((char *)memcpy((at), literal, sizeof(literal) - 1) + sizeof(literal) - 1)

/* Two digits at a time. */
static const char PAIRS[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
    "49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697"
    "9899";

static char *put_pair(char *at, uint32_t value)
{
    at[0] = PAIRS[value * 2];
    at[1] = PAIRS[value * 2 + 1];
    return at + 2;
}

/* `value` in exactly `digits` digits. */
static char *put_digits(char *at, uint64_t value, unsigned digits)
{
    for (unsigned i = digits; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + digits;
}

/* Sixteen hex digits at once: the nibbles are spread over bytes, and those above 9 are lifted to the letters. */
static void put_hex(char at[static 16], uint64_t value)
{
    for (unsigned half = 0; half < 2; half++) {
        uint64_t x = half == 0 ? value >> 32 : value & UINT32_MAX;
        x = ((x & 0xffff0000) << 16) | (x & 0xffff);
        x = ((x << 8) & UINT64_C(0x00ff000000ff0000)) | (x & UINT64_C(0x000000ff000000ff));
        x = ((x << 4) & UINT64_C(0x0f000f000f000f00)) | (x & UINT64_C(0x000f000f000f000f));
        uint64_t letters = ((x + UINT64_C(0x0606060606060606)) >> 4) & UINT64_C(0x0101010101010101);
        x = __builtin_bswap64(x + UINT64_C(0x3030303030303030) + letters * ('a' - '0' - 10));
        memcpy(at + (size_t)half * 8, &x, 8);
    }
}

/* 8-4-4-4-12 hex digits with the version (4) and variant bits of RFC 9562. */
static char *put_uuid(char *at, uint64_t high, uint64_t low)
{
    char hex[32];
    put_hex(hex, (high & ~UINT64_C(0xf000)) | 0x4000);
    put_hex(hex + 16, (low & ~(UINT64_C(3) << 62)) | (UINT64_C(2) << 62));
    memcpy(at, hex, 8);
    at[8] = '-';
    memcpy(at + 9, hex + 8, 4);
    at[13] = '-';
    memcpy(at + 14, hex + 12, 4);
    at[18] = '-';
    memcpy(at + 19, hex + 16, 4);
    at[23] = '-';
    memcpy(at + 24, hex + 20, 12);
    return at + 36;
}

static void put_date(char *at, int64_t day)
{
    int64_t year;
    unsigned month, of_month;
    timestamp_date_from_days(day, &year, &month, &of_month);
    put_digits(at, (uint64_t)year, 4);
    at[4] = '-';
    put_pair(at + 5, month);
    at[7] = '-';
    put_pair(at + 8, of_month);
}

/* 2025-01-01T10:00:00.123456Z */
static char *put_time(Workload *workload, char *at, int64_t us)
{
    int64_t day = us / DAY_US;
    int64_t in_day = us % DAY_US;
    if (in_day < 0) {
        day--;
        in_day += DAY_US;
    }
    if (day != workload->day) {
        put_date(workload->date, day);
        workload->day = day;
    }
    uint32_t seconds = (uint32_t)(in_day / SECOND_US), fraction = (uint32_t)(in_day % SECOND_US);
    memcpy(at, workload->date, 10);
    at[10] = 'T';
    put_pair(at + 11, seconds / 3600);
    at[13] = ':';
    put_pair(at + 14, seconds / 60 % 60);
    at[16] = ':';
    put_pair(at + 17, seconds % 60);
    at[19] = '.';
    put_pair(at + 20, fraction / 10000);
    put_pair(at + 22, fraction / 100 % 100);
    put_pair(at + 24, fraction % 100);
    at[26] = 'Z';
    return at + 27;
}

static int64_t time_of(const WorkloadOptions *options, uint64_t number, uint64_t random)
{
    if (options->spread_us > 0) {
        return options->start_us - (int64_t)below(random, (uint64_t)options->spread_us);
    }
    return options->start_us + (int64_t)number * options->step_us;
}

/* 0.01 … 999.99, or 1,000.01 … 9,999.99 for one that fires an alert. */
static char *put_value(const Workload *workload, char *at, uint64_t random)
{
    bool alert = random < workload->alert_below;
    uint64_t spread = mix(random);
    uint32_t cents = (uint32_t)(alert ? 100001 + below(spread, 899999) : 1 + below(spread, 99999));
    uint32_t whole = cents / 100;
    at = put_digits(at, whole, whole >= 1000 ? 4 : whole >= 100 ? 3 : whole >= 10 ? 2 : 1);
    *at++ = '.';
    return put_pair(at, cents % 100);
}

/* A flow's number decides its destination, its reference and its unit. */
static char *put_flow(const Workload *workload, char *at, uint64_t flow)
{
    static const char units[] = "EURUSDGBPCHF";
    at = PUT(at, "\",\"unit\":\"");
    memcpy(at, units + flow % 4 * 3, 3);
    at = PUT(at + 3, "\",\"destinationId\":\"destination-");
    at = put_digits(at, flow % workload->options.destinations, 5);
    at = PUT(at, "\",\"reference\":\"contract-");
    return put_digits(at, flow / workload->options.destinations, 8);
}

char *workload_put_record(Workload *workload, uint64_t number, char *at)
{
    const WorkloadOptions *options = &workload->options;
    number = original_of(workload, number);
    uint64_t base = mix(options->seed) + number * 8;
    at = PUT(at, "{\"recordId\":\"");
    at = put_uuid(at, mix(base), mix(base + 1));
    at = PUT(at, "\",\"time\":\"");
    at = put_time(workload, at, time_of(options, number, mix(base + 2)));
    uint64_t random = mix(base + 3);
    at = PUT(at, "\",\"sourceId\":\"source-");
    at = put_digits(at, random >> 8 & 63, 3);
    at = random & 128 ? PUT(at, "\",\"type\":\"negative\",\"value\":\"")
                      : PUT(at, "\",\"type\":\"positive\",\"value\":\"");
    at = put_value(workload, at, mix(base + 4));
    at = put_flow(workload, at, below(mix(base + 5), options->flows));
    return PUT(at, "\"}");
}

Status workload_parse_times(Str text, WorkloadOptions *options, Error *reterr)
{
    static const char units[] = "smhd";
    static const int64_t seconds[] = {1, 60, 3600, 86400};
    if (str_is(text, "now")) {
        options->spread_us = 0;
        return STATUS_OK;
    }
    const char *unit = text.len ? strchr(units, text.ptr[text.len - 1]) : NULL;
    uint64_t count;
    if (!str_starts_with(text, STR("spread:")) || !unit || !*unit ||
        !str_to_u64((Str){text.ptr + 7, text.len - 8}, UINT64_C(315360000), &count) || count == 0 ||
        (int64_t)count * seconds[unit - units] > INT64_C(315360000)) {
        return error_set(reterr, STATUS_REFUSED,
                         "times are now or, for example, spread:30d (units s, m, h, d), not %.*s", STR_ARGS(text));
    }
    options->spread_us = (int64_t)count * seconds[unit - units] * SECOND_US;
    return STATUS_OK;
}

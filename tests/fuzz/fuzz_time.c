/* Times of events: what is accepted can be written down as RFC 3339, and as a count, and is read as the same again. */
#include "fuzz.h"

#include "base/timestamp.h"
#include "record/event.h"
#include "record/event_text.h"

static const int64_t untouched = INT64_MIN;

static bool parse(Str text, bool is_number, DateOrder dates, EpochUnit epoch, int64_t *ret_us)
{
    *ret_us = untouched;
    const char *problem = event_time_parse(text, is_number, dates, epoch, ret_us);
    PROMISE(problem ? problem[0] != '\0' && *ret_us == untouched
                    : *ret_us >= TIMESTAMP_MIN && *ret_us <= TIMESTAMP_MAX);
    return !problem;
}

static void check_again(int64_t us)
{
    char text[TIMESTAMP_TEXT_BYTES_MAX];
    Str written = {text, timestamp_format(us, text)};
    int64_t again;
    for (DateOrder dates = DATE_YEAR_FIRST; dates <= DATE_MONTH_FIRST; dates++) {
        PROMISE(parse(written, false, dates, EPOCH_BY_SIZE, &again) && again == us);
    }
    written.len = (size_t)snprintf(text, sizeof text, "%lld", (long long)us);
    PROMISE(parse(written, true, DATE_YEAR_FIRST, EPOCH_MICROSECONDS, &again) && again == us);
    PROMISE(parse(written, false, DATE_DAY_FIRST, EPOCH_MICROSECONDS, &again) && again == us);
}

/* A text is not read as two times by mappings that say different things of its kind, unless it is of that kind. */
static void check_orders(Str text, int64_t us)
{
    int64_t day_first, month_first;
    bool both = parse(text, false, DATE_DAY_FIRST, EPOCH_BY_SIZE, &day_first) &&
                parse(text, false, DATE_MONTH_FIRST, EPOCH_BY_SIZE, &month_first);
    if (us != untouched) {
        PROMISE(both && day_first == us && month_first == us);
    }
}

static void check_records(Str text)
{
    int64_t us, found;
    if (!timestamp_parse(event_text_trim(text), &us)) {
        PROMISE(parse(text, false, DATE_YEAR_FIRST, EPOCH_SECONDS, &found) && found == us);
    }
}

/* The first byte chooses the order of dates, what is counted, and whether it is a number of JSON. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t choice = fuzz_take(&data, &size);
    char *copy = fuzz_copy(data, size);
    Str text = {copy, size};
    int64_t us;
    if (parse(text, choice & 1, (DateOrder)(choice / 2 % 3), (EpochUnit)(choice / 6 % 4), &us)) {
        check_again(us);
    }
    (void)parse(text, false, DATE_YEAR_FIRST, EPOCH_BY_SIZE, &us);
    check_orders(text, us);
    check_records(text);
    free(copy);
    return 0;
}

/* Test records, made fast: about 230 bytes of JSON each, from nothing but a seed and the record's number.
 *
 * Record number n is the same bytes on every machine and in every run with the same options, so that any part of a
 * stream can be sent again to see how duplicates are treated, and several threads can make parts of it. Ids look like
 * UUIDs (version 4); flows, sources and values are spread evenly. */
#ifndef WEIR_BENCH_WORKLOAD_H
#define WEIR_BENCH_WORKLOAD_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { WORKLOAD_RECORD_BYTES_MAX = 256, WORKLOAD_DESTINATIONS_MAX = 99999, WORKLOAD_FLOWS_MAX = 99999999 };

typedef struct WorkloadOptions {
    uint64_t seed;
    uint32_t destinations; /* 1 … WORKLOAD_DESTINATIONS_MAX */
    uint32_t flows;        /* destinations … WORKLOAD_FLOWS_MAX */
    double alert_percent;  /* so many values are above 1,000.00, the default alert rule's threshold */
    double repeat_percent; /* so many records are an earlier one once more */
    int64_t start_us;      /* time of record 0, or the end of the spread */
    int64_t step_us;       /* record n lies n steps behind the start … */
    int64_t spread_us;     /* … or, when this is not 0, at random in so long a time before it */
} WorkloadOptions;

/* Seed 1, 1 M flows over 1,000 destinations, 1 % alerts, no repetitions, 3 us from record to record from `start_us`
 * on. */
WorkloadOptions workload_options_default(int64_t start_us);

typedef struct Workload {
    WorkloadOptions options;
    uint64_t alert_below, repeat_below; /* the percentages as fractions of 2^64 */
    int64_t day;                        /* whose date is in `date`; a cache */
    char date[11];
} Workload;

/* REFUSED when an option is out of range. One per thread: the date is cached in it. */
Status workload_init(Workload *workload, const WorkloadOptions *options, Error *reterr) MUST_CHECK;

/* Writes the JSON object of record `number` to `at`, which has room for WORKLOAD_RECORD_BYTES_MAX, and returns where it
 * ends.
 * No line break, no NUL. */
char *workload_put_record(Workload *workload, uint64_t number, char *at);

/* "now" or "spread:30d" (units s, m, h, d; at most ten years) into the options. REFUSED when it is neither. */
Status workload_parse_times(Str text, WorkloadOptions *options, Error *reterr) MUST_CHECK;

#endif

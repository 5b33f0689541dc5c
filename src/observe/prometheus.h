/* The text format that Prometheus scrapes (https://prometheus.io/docs/instrumenting/exposition_formats/, version
 * 0.0.4). */
#ifndef WEIR_OBSERVE_PROMETHEUS_H
#define WEIR_OBSERVE_PROMETHEUS_H

#include "base/buf.h"

#define PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* The two lines of comment in front of a family's samples; `type` is "counter", "gauge" or "histogram". */
void prometheus_family(Buf *buf, const char *name, const char *type, const char *help);

/* One sample: begin, labels, end. Times are seconds; the _seconds forms take microseconds. */
void prometheus_begin(Buf *buf, const char *name);
void prometheus_put_label(Buf *buf, const char *name, const char *value);
void prometheus_end(Buf *buf, int64_t value);
void prometheus_end_seconds(Buf *buf, int64_t us);

/* A whole histogram of times without labels; `limits_us` has one fewer than there are buckets. */
void prometheus_histogram(Buf *buf, const char *name, const char *help, const int64_t *buckets,
                          const int64_t *limits_us, size_t bucket_count, int64_t us_total);

/* A family of one sample without labels. */
void prometheus_value(Buf *buf, const char *name, const char *type, const char *help, int64_t value);
void prometheus_seconds(Buf *buf, const char *name, const char *type, const char *help, int64_t us);

#endif

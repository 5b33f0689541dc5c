#include "observe/prometheus.h"

#include <stdio.h>

void prometheus_family(Buf *buf, const char *name, const char *type, const char *help)
{
    buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void prometheus_begin(Buf *buf, const char *name) { buf_put(buf, str_from(name)); }

static bool has_labels(const Buf *buf) { return buf->len > 0 && buf->ptr[buf->len - 1] == '"'; }

void prometheus_put_label(Buf *buf, const char *name, const char *value)
{
    buf_put_char(buf, has_labels(buf) ? ',' : '{');
    buf_printf(buf, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\' || *value == '\n') {
            buf_put_char(buf, '\\');
        }
        buf_put_char(buf, *value == '\n' ? 'n' : *value);
    }
    buf_put_char(buf, '"');
}

static void end_labels(Buf *buf)
{
    if (has_labels(buf)) {
        buf_put_char(buf, '}');
    }
    buf_put_char(buf, ' ');
}

void prometheus_end(Buf *buf, int64_t value)
{
    end_labels(buf);
    buf_put_i64(buf, value);
    buf_put_char(buf, '\n');
}

void prometheus_end_seconds(Buf *buf, int64_t us)
{
    end_labels(buf);
    buf_printf(buf, "%.6f\n", (double)us / 1e6);
}

void prometheus_value(Buf *buf, const char *name, const char *type, const char *help, int64_t value)
{
    prometheus_family(buf, name, type, help);
    prometheus_begin(buf, name);
    prometheus_end(buf, value);
}

void prometheus_seconds(Buf *buf, const char *name, const char *type, const char *help, int64_t us)
{
    prometheus_family(buf, name, type, help);
    prometheus_begin(buf, name);
    prometheus_end_seconds(buf, us);
}

void prometheus_histogram(Buf *buf, const char *name, const char *help, const int64_t *buckets,
                          const int64_t *limits_us, size_t bucket_count, int64_t us_total)
{
    int64_t count = 0;
    prometheus_family(buf, name, "histogram", help);
    for (size_t i = 0; i < bucket_count; i++) {
        char limit[24] = "+Inf";
        count += buckets[i];
        if (i < bucket_count - 1) {
            snprintf(limit, sizeof limit, "%g", (double)limits_us[i] / 1e6);
        }
        buf_printf(buf, "%s_bucket{le=\"%s\"} %lld\n", name, limit, (long long)count);
    }
    buf_printf(buf, "%s_sum %.6f\n%s_count %lld\n", name, (double)us_total / 1e6, name, (long long)count);
}

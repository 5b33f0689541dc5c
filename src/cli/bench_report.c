#include "cli/bench_report.h"

#include "base/timestamp.h"
#include "cli/progress.h"

const char *load_mode_name(LoadMode mode)
{
    static const char *const names[] = {
        [LOAD_RATE] = "rate", [LOAD_SINGLE] = "single", [LOAD_ARRAY] = "array", [LOAD_NDJSON] = "ndjson"};
    return names[mode];
}

static double per_second(double count, double seconds) { return seconds > 0 ? count / seconds : 0; }

static void put_grouped(Buf *buf, uint64_t value)
{
    char text[COUNT_BYTES_MAX];
    buf_put(buf, str_from(count_format(value, text)));
}

static void put_duration(Buf *buf, int64_t us)
{
    if (us < 1000) {
        buf_printf(buf, "%lld us", (long long)us);
    } else if (us < 1000000) {
        buf_printf(buf, "%.2f ms", (double)us / 1e3);
    } else {
        buf_printf(buf, "%.2f s", (double)us / 1e6);
    }
}

static void put_label(Buf *buf, const char *label) { buf_printf(buf, "%-13s", label); }

/* Nothing when it is 0. */
static void put_count(Buf *buf, const char *label, uint64_t count)
{
    if (count > 0) {
        buf_printf(buf, "  %s ", label);
        put_grouped(buf, count);
    }
}

static void put_rate(Buf *buf, const char *label, uint64_t count, double seconds)
{
    put_label(buf, label);
    put_grouped(buf, count);
    BUF_PUT(buf, "  ");
    put_grouped(buf, (uint64_t)per_second((double)count, seconds));
    BUF_PUT(buf, "/s");
}

static void put_statuses(Buf *buf, const LoadCounts *counts)
{
    put_label(buf, "answers");
    for (int status = 0; status < 600; status++) {
        if (counts->statuses[status] > 0) {
            buf_printf(buf, "%d: ", status);
            put_grouped(buf, counts->statuses[status]);
            BUF_PUT(buf, "  ");
        }
    }
    put_count(buf, "refused connections", counts->connect_failures);
    put_count(buf, "broken off", counts->broken);
    put_count(buf, "timed out", counts->timeouts);
    BUF_PUT(buf, "\n");
}

static void put_latencies(Buf *buf, const char *label, const Latencies *latencies)
{
    static const struct {
        const char *name;
        double percent;
    } columns[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}, {"max", 100}};
    put_label(buf, label);
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        buf_printf(buf, "%s ", columns[i].name);
        put_duration(buf, latencies_percentile(latencies, columns[i].percent));
        BUF_PUT(buf, "  ");
    }
    BUF_PUT(buf, "mean ");
    put_duration(buf, latencies_mean(latencies));
    BUF_PUT(buf, "\n");
}

static void put_records(Buf *buf, const LoadResult *result)
{
    const LoadCounts *counts = &result->counts;
    put_rate(buf, "records", counts->records_answered, result->seconds);
    put_count(buf, "created", counts->created);
    put_count(buf, "duplicates", counts->duplicates);
    put_count(buf, "conflicts", counts->conflicts);
    put_count(buf, "rejected", counts->rejected);
    put_count(buf, "sent", counts->records_sent);
    BUF_PUT(buf, "\n");
}

static void put_millions(Buf *buf, const LoadResult *result)
{
    if (result->millions_count < 2) {
        return;
    }
    put_label(buf, "by million");
    for (uint64_t i = 0; i < result->millions_count; i++) {
        if (i > 0 && i % 10 == 0) {
            buf_printf(buf, "\n%13s", "");
        }
        put_grouped(buf, (uint64_t)result->millions[i]);
        BUF_PUT(buf, "  ");
    }
    double first = result->millions[0], last = result->millions[result->millions_count - 1];
    buf_printf(buf, "\n%-13s%.2f\n", "last : first", first > 0 ? last / first : 0);
}

void report_put_table(Buf *buf, const LoadOptions *options, const LoadResult *result)
{
    put_label(buf, "mode");
    buf_printf(buf, "%s, %u connections, %u thread%s, %.1f s\n", load_mode_name(options->mode), options->connections,
               options->threads, options->threads > 1 ? "s" : "", result->seconds);
    put_rate(buf, "requests", result->counts.requests, result->seconds);
    buf_printf(buf, "  %.1f MB/s\n", per_second((double)result->counts.bytes_sent, result->seconds) / 1e6);
    put_records(buf, result);
    put_statuses(buf, &result->counts);
    put_latencies(buf, "latency", &result->latencies);
    if (options->mode == LOAD_RATE) {
        put_latencies(buf, "service", &result->service);
    }
    put_millions(buf, result);
    put_label(buf, "client CPU");
    buf_printf(buf, "%.2f s, %.2f us a record\n", result->cpu_s,
               per_second(result->cpu_s * 1e6, (double)result->counts.records_sent));
    char start[TIMESTAMP_TEXT_BYTES_MAX];
    timestamp_format(options->workload.start_us, start);
    put_label(buf, "same again");
    buf_printf(buf, "--seed %llu --start %s\n", (unsigned long long)options->workload.seed, start);
}

static void put_member(Buf *buf, const char *name, uint64_t value)
{
    buf_put_key(buf, name);
    buf_put_u64(buf, value);
}

static void put_real(Buf *buf, const char *name, double value)
{
    buf_put_key(buf, name);
    buf_printf(buf, "%.3f", value);
}

static void put_json_latencies(Buf *buf, const char *name, const Latencies *latencies)
{
    buf_put_key(buf, name);
    BUF_PUT(buf, "{");
    put_member(buf, "mean", (uint64_t)latencies_mean(latencies));
    put_member(buf, "p50", (uint64_t)latencies_percentile(latencies, 50));
    put_member(buf, "p90", (uint64_t)latencies_percentile(latencies, 90));
    put_member(buf, "p99", (uint64_t)latencies_percentile(latencies, 99));
    put_member(buf, "p999", (uint64_t)latencies_percentile(latencies, 99.9));
    put_member(buf, "max", (uint64_t)latencies->max_us);
    BUF_PUT(buf, "}");
}

static void put_json_records(Buf *buf, const LoadResult *result)
{
    const LoadCounts *counts = &result->counts;
    buf_put_key(buf, "records");
    BUF_PUT(buf, "{");
    put_member(buf, "sent", counts->records_sent);
    put_member(buf, "answered", counts->records_answered);
    put_real(buf, "perSecond", per_second((double)counts->records_answered, result->seconds));
    put_member(buf, "created", counts->created);
    put_member(buf, "duplicates", counts->duplicates);
    put_member(buf, "conflicts", counts->conflicts);
    put_member(buf, "rejected", counts->rejected);
    BUF_PUT(buf, "}");
}

static void put_json_answers(Buf *buf, const LoadCounts *counts)
{
    buf_put_key(buf, "statuses");
    BUF_PUT(buf, "{");
    for (int status = 0; status < 600; status++) {
        char name[8];
        snprintf(name, sizeof(name), "%d", status);
        if (counts->statuses[status] > 0) {
            put_member(buf, name, counts->statuses[status]);
        }
    }
    BUF_PUT(buf, "}");
    buf_put_key(buf, "failures");
    BUF_PUT(buf, "{");
    put_member(buf, "connect", counts->connect_failures);
    put_member(buf, "broken", counts->broken);
    put_member(buf, "timeouts", counts->timeouts);
    BUF_PUT(buf, "}");
}

static void put_json_millions(Buf *buf, const LoadResult *result)
{
    buf_put_key(buf, "millions");
    BUF_PUT(buf, "[");
    for (uint64_t i = 0; i < result->millions_count; i++) {
        buf_printf(buf, i > 0 ? ",%.0f" : "%.0f", result->millions[i]);
    }
    BUF_PUT(buf, "]");
}

void report_put_json(Buf *buf, const LoadOptions *options, const LoadResult *result)
{
    BUF_PUT(buf, "{");
    buf_put_key(buf, "mode");
    buf_put_json(buf, str_from(load_mode_name(options->mode)));
    buf_put_key(buf, "url");
    buf_put_json(buf, options->url);
    put_member(buf, "connections", options->connections);
    put_member(buf, "threads", options->threads);
    put_real(buf, "seconds", result->seconds);
    put_member(buf, "requests", result->counts.requests);
    put_real(buf, "requestsPerSecond", per_second((double)result->counts.requests, result->seconds));
    put_member(buf, "bytesSent", result->counts.bytes_sent);
    put_json_records(buf, result);
    put_json_answers(buf, &result->counts);
    put_json_latencies(buf, "latency", &result->latencies);
    put_json_latencies(buf, "service", &result->service);
    put_json_millions(buf, result);
    put_real(buf, "clientCpuSeconds", result->cpu_s);
    put_member(buf, "seed", options->workload.seed);
    char start[TIMESTAMP_TEXT_BYTES_MAX];
    timestamp_format(options->workload.start_us, start);
    buf_put_key(buf, "startTime");
    buf_put_json(buf, str_from(start));
    BUF_PUT(buf, "}\n");
}

bool report_is_clean(const LoadResult *result)
{
    const LoadCounts *counts = &result->counts;
    uint64_t good = 0;
    for (int status = 200; status < 300; status++) {
        good += counts->statuses[status];
    }
    return good == counts->requests && counts->requests > 0 && counts->broken == 0 && counts->timeouts == 0;
}

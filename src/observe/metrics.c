#include "observe/metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include "observe/prometheus.h"

static void counter(Buf *buf, const char *name, const char *help, int64_t value)
{
    prometheus_value(buf, name, "counter", help, value);
}

static void gauge(Buf *buf, const char *name, const char *help, int64_t value)
{
    prometheus_value(buf, name, "gauge", help, value);
}

static void put_runs(Buf *buf, const StoreMetrics *metrics)
{
    const struct {
        const char *index;
        int64_t runs;
    } rows[] = {{"ids", metrics->runs_ids},
                {"flows", metrics->runs_flows},
                {"times", metrics->runs_times},
                {"rollups", metrics->runs_rollups}};
    prometheus_family(buf, "weir_store_index_runs", "gauge", "Sorted run files of an index.");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        prometheus_begin(buf, "weir_store_index_runs");
        prometheus_put_label(buf, "index", rows[i].index);
        prometheus_end(buf, rows[i].runs);
    }
}

void metrics_put_store(Buf *buf, const StoreMetrics *metrics)
{
    gauge(buf, "weir_store_last_seq", "The last committed sequence.", metrics->last_seq);
    gauge(buf, "weir_store_published_seq", "The sequence up to which derived data is published.",
          metrics->published_seq);
    gauge(buf, "weir_store_records", "Records in the log.", metrics->record_count);
    gauge(buf, "weir_store_messages", "Messages in the log that are not records.", metrics->message_count);
    gauge(buf, "weir_store_database_bytes", "Size of the database.", (int64_t)metrics->database_bytes);
    gauge(buf, "weir_store_wal_bytes", "Size of the write-ahead log.", (int64_t)metrics->wal_bytes);
    gauge(buf, "weir_store_index_bytes", "Size of the run files.", (int64_t)metrics->index_bytes);
    gauge(buf, "weir_store_disk_free_bytes", "What is left on the disk.", (int64_t)metrics->free_bytes);
    gauge(buf, "weir_store_disk_low", "1 while nothing is taken in because the disk is nearly full.",
          metrics->disk_low);
    put_runs(buf, metrics);
    counter(buf, "weir_store_flow_cache_hits_total", "Flows whose totals were in memory.", metrics->flow_cache_hits);
    counter(buf, "weir_store_flow_cache_misses_total", "Flows whose totals were looked up.",
            metrics->flow_cache_misses);
    counter(buf, "weir_store_commits_total", "Transactions that are on disk.", metrics->commits);
    prometheus_seconds(buf, "weir_store_commit_seconds_total", "counter", "Time spent in commits.",
                       metrics->commit_us_total);
    counter(buf, "weir_store_checkpoints_total", "Times the write-ahead log was moved into the database.",
            metrics->checkpoints);
    counter(buf, "weir_store_sync_failures_total", "Syncs that failed; the first one ends the process.",
            metrics->sync_failed);
}

static void put_outcomes(Buf *buf, const ProcessorMetrics *metrics)
{
    const struct {
        const char *outcome;
        int64_t count;
    } rows[] = {{"created", metrics->created},
                {"duplicate", metrics->duplicates},
                {"conflict", metrics->conflicts},
                {"rejected", metrics->rejected}};
    prometheus_family(buf, "weir_records_total", "counter", "Records that the processor decided on.");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        prometheus_begin(buf, "weir_records_total");
        prometheus_put_label(buf, "outcome", rows[i].outcome);
        prometheus_end(buf, rows[i].count);
    }
}

void metrics_put_processor(Buf *buf, const ProcessorMetrics *metrics)
{
    put_outcomes(buf, metrics);
    counter(buf, "weir_batches_total", "Batches that were committed.", metrics->batches);
    prometheus_seconds(buf, "weir_batch_seconds_total", "counter", "Time spent on batches.", metrics->batch_us_total);
    counter(buf, "weir_submissions_total", "Submissions that were taken.", metrics->submissions);
    counter(buf, "weir_submissions_refused_total", "Submissions that found the queue full.", metrics->refused_busy);
    gauge(buf, "weir_queue_bytes", "What waits to be committed.", metrics->queue_bytes);
    gauge(buf, "weir_queue_bytes_max", "What may wait to be committed.", metrics->queue_bytes_max);
}

static int64_t us_of(struct timeval time) { return (int64_t)time.tv_sec * 1000000 + time.tv_usec; }

/* The second number of /proc/self/statm: resident pages. 0 where there is no such file. */
static int64_t resident_bytes(void)
{
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (fscanf(file, "%*s %lld", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

void metrics_put_process(Buf *buf, const char *version, int64_t uptime_us)
{
    struct rusage usage;
    prometheus_family(buf, "weir_build_info", "gauge", "The version that runs.");
    prometheus_begin(buf, "weir_build_info");
    prometheus_put_label(buf, "version", version);
    prometheus_end(buf, 1);
    prometheus_seconds(buf, "weir_uptime_seconds", "gauge", "Since the server began.", uptime_us);
    gauge(buf, "process_resident_memory_bytes", "Resident memory.", resident_bytes());
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        prometheus_seconds(buf, "process_cpu_seconds_total", "counter", "User and system time.",
                           us_of(usage.ru_utime) + us_of(usage.ru_stime));
    }
}

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
    gauge(buf, "weir_dead_letters_open", "Dead letters that somebody has to look at.", metrics->dead_letters_open);
    gauge(buf, "weir_dead_letter_bytes", "What dead letters of intake take, with their reasons and notices.",
          (int64_t)metrics->dead_letter_bytes);
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

/* ---- Sinks ------------------------------------------------------------------------------------------------------- */

static void put_sink_label(Buf *buf, const char *name, const LineStatus *line)
{
    prometheus_begin(buf, name);
    prometheus_put_label(buf, "sink", line->options->name);
}

/* One sample for each state that there is, of which one is 1. */
static void put_states(Buf *buf, const LineStatus *lines, size_t count)
{
    prometheus_family(buf, "weir_sink_state", "gauge", "1 for the state that the sink is in.");
    for (size_t i = 0; i < count; i++) {
        for (LineState state = LINE_CONNECTING; state <= LINE_DISABLED && !lines[i].job; state++) {
            put_sink_label(buf, "weir_sink_state", &lines[i]);
            prometheus_put_label(buf, "state", line_state_name(state));
            prometheus_end(buf, lines[i].state == state);
        }
    }
    prometheus_family(buf, "weir_sink_breaker_state", "gauge",
                      "1 for the state that the sink's circuit breaker is in.");
    for (size_t i = 0; i < count; i++) {
        for (BreakerState state = BREAKER_CLOSED; state <= BREAKER_HALF_OPEN && !lines[i].job; state++) {
            put_sink_label(buf, "weir_sink_breaker_state", &lines[i]);
            prometheus_put_label(buf, "state", breaker_state_name(state));
            prometheus_end(buf, lines[i].breaker == state);
        }
    }
}

static int64_t lag_of(const LineStatus *line)
{
    return line->last_seq > line->cursor ? line->last_seq - line->cursor : 0;
}
static int64_t retries_of(const LineStatus *line) { return line->retries; }
static int64_t in_flight_of(const LineStatus *line) { return line->in_flight; }
static int64_t taken_of(const LineStatus *line) { return line->taken; }
static int64_t failed_of(const LineStatus *line) { return line->failed; }
static int64_t dead_of(const LineStatus *line) { return line->dead; }
static int64_t opened_of(const LineStatus *line) { return line->breaker_opened; }

void metrics_put_sinks(Buf *buf, const LineStatus *lines, size_t count)
{
    static const struct {
        const char *name, *type, *help;
        int64_t (*value)(const LineStatus *line);
    } families[] = {
        {"weir_sink_lag", "gauge", "Sequences that are committed and that the sink's cursor has not passed.", lag_of},
        {"weir_sink_retries", "gauge", "Messages that wait for another attempt.", retries_of},
        {"weir_sink_in_flight", "gauge", "Messages that are sent and not answered yet.", in_flight_of},
        {"weir_sink_messages_taken_total", "counter", "Messages that the other side has taken.", taken_of},
        {"weir_sink_attempts_failed_total", "counter", "Attempts to deliver that have failed.", failed_of},
        {"weir_sink_dead_letters_total", "counter", "Dead letters that were made.", dead_of},
        {"weir_sink_breaker_opened_total", "counter", "Times the circuit breaker has opened.", opened_of},
    };
    if (count == 0) {
        return;
    }
    for (size_t family = 0; family < sizeof families / sizeof families[0]; family++) {
        prometheus_family(buf, families[family].name, families[family].type, families[family].help);
        for (size_t i = 0; i < count; i++) {
            if (!lines[i].job) {
                put_sink_label(buf, families[family].name, &lines[i]);
                prometheus_end(buf, families[family].value(&lines[i]));
            }
        }
    }
    put_states(buf, lines, count);
}

/* ---- Sources ----------------------------------------------------------------------------------------------------- */

static void put_source_label(Buf *buf, const char *name, const SourceStatus *source)
{
    prometheus_begin(buf, name);
    prometheus_put_label(buf, "source", source->options->name);
}

static void put_source_states(Buf *buf, const SourceStatus *sources, size_t count)
{
    prometheus_family(buf, "weir_source_state", "gauge", "1 for the state that the source is in.");
    for (size_t i = 0; i < count; i++) {
        for (SourceCondition state = SOURCE_CONNECTING; state <= SOURCE_STOPPED; state++) {
            put_source_label(buf, "weir_source_state", &sources[i]);
            prometheus_put_label(buf, "state", source_condition_name(state));
            prometheus_end(buf, sources[i].condition == state);
        }
    }
}

static void put_source_records(Buf *buf, const SourceStatus *sources, size_t count)
{
    prometheus_family(buf, "weir_source_records_total", "counter", "What became of messages that were taken in.");
    for (size_t i = 0; i < count; i++) {
        const struct {
            const char *outcome;
            int64_t count;
        } rows[] = {{"created", sources[i].created},
                    {"duplicate", sources[i].duplicates},
                    {"conflict", sources[i].conflicts},
                    {"rejected", sources[i].rejected}};
        for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
            put_source_label(buf, "weir_source_records_total", &sources[i]);
            prometheus_put_label(buf, "outcome", rows[row].outcome);
            prometheus_end(buf, rows[row].count);
        }
    }
}

/* A sample is left out where nobody knows. */
static void put_source_times(Buf *buf, const SourceStatus *sources, size_t count, int64_t now_us)
{
    prometheus_family(buf, "weir_source_lag_seconds", "gauge",
                      "Age of the oldest message that waits on the other side.");
    for (size_t i = 0; i < count; i++) {
        int64_t oldest_us = sources[i].lag.oldest_us;
        if (oldest_us || sources[i].lag.messages == 0) {
            put_source_label(buf, "weir_source_lag_seconds", &sources[i]);
            prometheus_end_seconds(buf, oldest_us && now_us > oldest_us ? now_us - oldest_us : 0);
        }
    }
    prometheus_family(buf, "weir_source_last_message_timestamp_seconds", "gauge",
                      "When messages were last taken in, since the start.");
    for (size_t i = 0; i < count; i++) {
        if (sources[i].message_us) {
            put_source_label(buf, "weir_source_last_message_timestamp_seconds", &sources[i]);
            prometheus_end_seconds(buf, sources[i].message_us);
        }
    }
}

static int64_t up_of(const SourceStatus *source) { return source->condition == SOURCE_RUNNING; }
static int64_t source_lag_of(const SourceStatus *source) { return source->lag.messages; }
static int64_t messages_of(const SourceStatus *source) { return source->messages; }
static int64_t bytes_of(const SourceStatus *source) { return source->bytes; }
static int64_t letters_of(const SourceStatus *source) { return source->dead_letters; }
static int64_t errors_of(const SourceStatus *source) { return source->errors; }

void metrics_put_sources(Buf *buf, const SourceStatus *sources, size_t count, int64_t now_us)
{
    static const struct {
        const char *name, *type, *help;
        int64_t (*value)(const SourceStatus *source); /* negative where nobody knows */
    } families[] = {
        {"weir_source_up", "gauge", "1 while the source is read.", up_of},
        {"weir_source_lag", "gauge", "Messages that wait on the other side.", source_lag_of},
        {"weir_source_messages_total", "counter", "Messages that were taken in, as records or as dead letters.",
         messages_of},
        {"weir_source_bytes_total", "counter", "Their bytes.", bytes_of},
        {"weir_source_dead_letters_total", "counter", "Dead letters that were made.", letters_of},
        {"weir_source_errors_total", "counter", "Failures to connect, to read, to acknowledge or to store.", errors_of},
    };
    if (count == 0) {
        return;
    }
    for (size_t family = 0; family < sizeof families / sizeof families[0]; family++) {
        prometheus_family(buf, families[family].name, families[family].type, families[family].help);
        for (size_t i = 0; i < count; i++) {
            int64_t value = families[family].value(&sources[i]);
            if (value >= 0) {
                put_source_label(buf, families[family].name, &sources[i]);
                prometheus_end(buf, value);
            }
        }
    }
    put_source_records(buf, sources, count);
    put_source_times(buf, sources, count, now_us);
    put_source_states(buf, sources, count);
}

/* ---- The front door ---------------------------------------------------------------------------------------------- */

void metrics_put_front_door(Buf *buf, const FrontDoorStatus *status)
{
    gauge(buf, "weir_front_door_up", "1 while brokers can be reached.", status->state == FRONT_DOOR_OPEN);
    counter(buf, "weir_front_door_produced_total", "Records that the brokers have confirmed.",
            status->records_produced);
    counter(buf, "weir_front_door_failed_total", "Records that the brokers have not confirmed in time.",
            status->records_failed);
    counter(buf, "weir_front_door_refused_total", "Calls that found no room, or no broker.", status->calls_refused);
    gauge(buf, "weir_front_door_waiting", "Records that wait to be confirmed.", status->waiting_records);
    gauge(buf, "weir_front_door_waiting_bytes", "What they count for.", status->waiting_bytes);
    gauge(buf, "weir_front_door_waiting_bytes_max", "What may wait.", status->bytes_max);
    prometheus_histogram(buf, "weir_front_door_seconds",
                         "From handing a call's records in until the broker had all of them.", status->buckets,
                         front_door_bucket_us, FRONT_DOOR_BUCKETS, status->us_total);
}

/* ---- Onboarding -------------------------------------------------------------------------------------------------- */

static void put_jobs(Buf *buf, const OnboardCounts *counts)
{
    gauge(buf, "weir_onboarding_batches", "Batches of organizations.", counts->batches);
    gauge(buf, "weir_onboarding_organizations", "Organizations that are not deleted.", counts->organizations);
    prometheus_family(buf, "weir_onboarding_jobs", "gauge", "Jobs of all batches that are in the state.");
    for (size_t i = 0; i < JOB_STATE_COUNT; i++) {
        prometheus_begin(buf, "weir_onboarding_jobs");
        prometheus_put_label(buf, "state", job_state_names[i]);
        prometheus_end(buf, counts->jobs[i]);
    }
}

/* How long the job that waits longest has been due; 0 when none is. */
static void put_delay(Buf *buf, const OnboardCounts *counts, int64_t now_us)
{
    int64_t due_us = counts->oldest_due_us;
    prometheus_seconds(buf, "weir_onboarding_delay_seconds", "gauge",
                       "Since the pending job that waits longest was due.",
                       due_us > 0 && now_us > due_us ? now_us - due_us : 0);
}

static void put_verdicts(Buf *buf, const RunnerStatus *status)
{
    static const char *const names[] = {[JOB_VERDICT_COMPLETED] = "completed",
                                        [JOB_VERDICT_AGAIN] = "again",
                                        [JOB_VERDICT_FAILED] = "failed",
                                        [JOB_VERDICT_HELD] = "held"};
    prometheus_family(buf, "weir_onboarding_verdicts_total", "counter", "What became of jobs that were taken.");
    for (JobVerdict verdict = JOB_VERDICT_COMPLETED; verdict <= JOB_VERDICT_HELD; verdict++) {
        prometheus_begin(buf, "weir_onboarding_verdicts_total");
        prometheus_put_label(buf, "verdict", names[verdict]);
        prometheus_end(buf, status->verdicts[verdict]);
    }
}

static void put_runner_states(Buf *buf, const RunnerStatus *status)
{
    prometheus_family(buf, "weir_onboarding_state", "gauge", "1 for the state that onboarding is in.");
    for (RunnerState state = 0; state < RUNNER_STATE_COUNT; state++) {
        prometheus_begin(buf, "weir_onboarding_state");
        prometheus_put_label(buf, "state", runner_state_name(state));
        prometheus_end(buf, status->state == state);
    }
    prometheus_family(buf, "weir_onboarding_breaker_state", "gauge",
                      "1 for the state that the circuit breaker of the service that is called is in.");
    for (BreakerState state = BREAKER_CLOSED; state <= BREAKER_HALF_OPEN && status->calls; state++) {
        prometheus_begin(buf, "weir_onboarding_breaker_state");
        prometheus_put_label(buf, "state", breaker_state_name(state));
        prometheus_end(buf, status->breaker == state);
    }
}

void metrics_put_jobs(Buf *buf, const OnboardCounts *counts, int64_t now_us)
{
    put_jobs(buf, counts);
    put_delay(buf, counts, now_us);
}

void metrics_put_runner(Buf *buf, const RunnerStatus *status)
{
    gauge(buf, "weir_onboarding_in_flight", "Jobs that are being worked on.", status->in_flight);
    counter(buf, "weir_onboarding_attempts_total", "Calls that were begun.", status->attempts);
    counter(buf, "weir_onboarding_failures_total", "Attempts that have failed, for good or not.", status->failures);
    counter(buf, "weir_onboarding_stale_total", "Results that came when the job's lease was over and another had it.",
            status->stale);
    counter(buf, "weir_onboarding_domains_checked_total", "Domains that were looked up.", status->checked);
    counter(buf, "weir_onboarding_domains_absent_total", "Domains that do not exist.", status->absent);
    counter(buf, "weir_onboarding_domains_unsure_total", "Domains that could not be looked up.", status->unsure);
    counter(buf, "weir_onboarding_breaker_opened_total", "Times the circuit breaker has opened.",
            status->breaker_opened);
    put_verdicts(buf, status);
    put_runner_states(buf, status);
    prometheus_histogram(buf, "weir_onboarding_call_seconds", "From a call to its answer.", status->buckets,
                         runner_bucket_us, RUNNER_BUCKETS, status->us_total);
}

/* ---- The process ------------------------------------------------------------------------------------------------- */

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

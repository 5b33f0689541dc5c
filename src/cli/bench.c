/* weir bench: load for a server, and what came of it. */
#include <signal.h>
#include <sys/resource.h>

#include "base/decimal.h"
#include "base/timestamp.h"
#include "cli/bench_report.h"
#include "cli/command.h"
#include "cli/progress.h"

enum {
    REPORT_BYTES_MAX = 1 << 20,
    FILES_BESIDE_CONNECTIONS = 64,
    MICRO = 1000000,
    PRINT_RECORDS = 64,
    PRINT_DEFAULT = 10
};
static const int64_t RECORDS_MAX = INT64_C(1000000000000);

static volatile sig_atomic_t stop;

/* The first signal ends the run, and its report is still printed; a second one ends the program. */
static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void take_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void raise_file_limit(uint32_t connections)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections + FILES_BESIDE_CONNECTIONS;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* ---- Flags ------------------------------------------------------------------------------------------------------- */

/* A flag with digits and perhaps a fraction of up to six. */
static Status read_real(const Args *args, const char *name, double *real, Error *reterr)
{
    const char *text = args_text(args, name);
    Str digits = str_from(text);
    int64_t micro;
    if (!text) {
        return STATUS_OK;
    }
    const char *point = memchr(digits.ptr, '.', digits.len);
    size_t decimals = point ? digits.len - (size_t)(point - digits.ptr) - 1 : 0;
    if (decimals > 6 || decimal_parse(digits, (unsigned)decimals, INT64_MAX / MICRO, &micro) != DECIMAL_OK) {
        return error_set(reterr, STATUS_REFUSED, "--%s takes a number such as 28 or 0.5, not \"%s\"", name, text);
    }
    *real = (double)micro;
    for (size_t i = 0; i < decimals; i++) {
        *real /= 10;
    }
    return STATUS_OK;
}

static Status read_count(const Args *args, const char *name, int64_t min, int64_t max, uint64_t *count, Error *reterr)
{
    int64_t number;
    Status status = args_integer(args, name, min, max, (int64_t)*count, &number, reterr);
    *count = status == STATUS_OK ? (uint64_t)number : *count;
    return status;
}

static Status read_small(const Args *args, const char *name, uint32_t max, uint32_t *count, Error *reterr)
{
    uint64_t number = *count;
    Status status = read_count(args, name, 1, max, &number, reterr);
    *count = (uint32_t)number;
    return status;
}

static Status read_mode(const Args *args, LoadMode *ret_mode, Error *reterr)
{
    const char *text = args_text(args, "mode");
    *ret_mode = LOAD_RATE;
    for (LoadMode mode = LOAD_RATE; text && mode <= LOAD_NDJSON; mode++) {
        if (strcmp(text, load_mode_name(mode)) == 0) {
            *ret_mode = mode;
            return STATUS_OK;
        }
    }
    return text ? error_set(reterr, STATUS_REFUSED, "--mode is rate, single, array or ndjson, not \"%s\"", text)
                : STATUS_OK;
}

static Status read_start(const Args *args, int64_t *start_us, Error *reterr)
{
    const char *text = args_text(args, "start");
    const char *problem = text ? timestamp_parse(str_from(text), start_us) : NULL;
    return problem ? error_set(reterr, STATUS_REFUSED, "--start %s %s", text, problem) : STATUS_OK;
}

static Status read_workload(const Args *args, LoadOptions *options, Error *reterr)
{
    WorkloadOptions *workload = &options->workload;
    const char *times = args_text(args, "times");
    Status status = read_count(args, "seed", 0, INT64_MAX, &workload->seed, reterr);
    if (status == STATUS_OK) {
        status = read_start(args, &workload->start_us, reterr);
    }
    if (status == STATUS_OK && times) {
        status = workload_parse_times(str_from(times), workload, reterr);
    }
    if (status == STATUS_OK) {
        status = read_small(args, "destinations", WORKLOAD_DESTINATIONS_MAX, &workload->destinations, reterr);
    }
    if (status == STATUS_OK) {
        status = read_small(args, "flows", WORKLOAD_FLOWS_MAX, &workload->flows, reterr);
    }
    if (status == STATUS_OK) {
        status = read_real(args, "alerts", &workload->alert_percent, reterr);
    }
    if (status == STATUS_OK) {
        status = read_real(args, "repeats", &workload->repeat_percent, reterr);
    }
    return status;
}

static Status read_extent(const Args *args, LoadOptions *options, Error *reterr)
{
    Status status = read_count(args, "records", 1, RECORDS_MAX, &options->records, reterr);
    if (status == STATUS_OK) {
        status = read_count(args, "first", 0, RECORDS_MAX, &options->first, reterr);
    }
    if (status == STATUS_OK) {
        status = read_count(args, "per-request", 0, RECORDS_MAX, &options->per_request, reterr);
    }
    if (status == STATUS_OK) {
        status = read_real(args, "duration", &options->duration_s, reterr);
    }
    if (status == STATUS_OK) {
        status = read_real(args, "timeout", &options->timeout_s, reterr);
    }
    if (status == STATUS_OK) {
        status = read_real(args, "rate", &options->rate, reterr);
    }
    return status;
}

static Status read_shape(const Args *args, LoadOptions *options, Error *reterr)
{
    Status status = read_small(args, "connections", LOAD_CONNECTIONS_MAX, &options->connections, reterr);
    if (status == STATUS_OK) {
        status = read_small(args, "threads", LOAD_THREADS_MAX, &options->threads, reterr);
    }
    if (status == STATUS_OK) {
        status = read_small(args, "batch", LOAD_BATCH_MAX, &options->batch, reterr);
    }
    options->url = args_has(args, "to") ? str_from(args_text(args, "to")) : options->url;
    options->path = args_has(args, "path") ? str_from(args_text(args, "path")) : options->path;
    options->retry = args_has(args, "retry");
    return status;
}

/* Without a bound the run would never end; records of a fixed rate are as far apart as their requests. Old ids at new
 * times would contradict what an earlier run has left, so that a run is new unless it is asked to be an earlier one
 * again. */
static void settle_defaults(const Args *args, LoadOptions *options)
{
    bool sends = !args_has(args, "print") && !args_has(args, "dry");
    if (options->records == 0 && options->duration_s <= 0) {
        options->records = options->mode == LOAD_NDJSON ? MICRO : 0;
        options->duration_s = options->mode == LOAD_NDJSON ? 0 : options->mode == LOAD_RATE ? 60 : 10;
    }
    if (sends && options->mode == LOAD_RATE && options->rate > 0) {
        options->workload.step_us = (int64_t)(1e6 / options->rate);
    }
    if (!args_has(args, "seed") && !args_has(args, "start")) {
        options->workload.seed = (uint64_t)options->workload.start_us;
    }
}

static Status read_flags(const Args *args, LoadOptions *ret_options, Error *reterr)
{
    LoadMode mode;
    Status status = read_mode(args, &mode, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    *ret_options = load_options_default(mode, &clock_system);
    status = read_shape(args, ret_options, reterr);
    if (status == STATUS_OK) {
        status = read_extent(args, ret_options, reterr);
    }
    if (status == STATUS_OK) {
        status = read_workload(args, ret_options, reterr);
    }
    settle_defaults(args, ret_options);
    return status;
}

/* ---- The run ----------------------------------------------------------------------------------------------------- */

typedef struct Showing {
    Progress progress;
    const LoadOptions *options;
} Showing;

static void show(void *context, uint64_t records, double seconds)
{
    Showing *showing = context;
    const LoadOptions *options = showing->options;
    bool by_time = options->duration_s > 0;
    uint64_t total = by_time ? (uint64_t)(options->duration_s * (double)MICRO) : options->records;
    progress_show(&showing->progress, "sending", by_time ? (uint64_t)(seconds * (double)MICRO) : records, total,
                  records);
}

static int print_dry(const Args *args, const LoadResult *result)
{
    double records = (double)result->counts.records_sent;
    double ns = result->seconds * 1e9 / records, bytes = (double)result->counts.bytes_sent / records;
    char text[160];
    int length = snprintf(text, sizeof(text),
                          args_has(args, "json") ? "{\"records\":%.0f,\"nsPerRecord\":%.1f,\"bytesPerRecord\":%.1f}\n"
                                                 : "%.0f records made, %.1f ns each, %.1f bytes each\n",
                          records, ns, bytes);
    return command_print(args, (Str){text, (size_t)length});
}

static int print_report(const Args *args, const LoadOptions *options, const LoadResult *result)
{
    Buf text;
    buf_init(&text, REPORT_BYTES_MAX);
    if (args_has(args, "json")) {
        report_put_json(&text, options, result);
    } else {
        report_put_table(&text, options, result);
    }
    int code = command_print(args, buf_str(&text));
    buf_release(&text);
    return code == EXIT_OK && !report_is_clean(result) ? EXIT_PROBLEMS : code;
}

/* Nothing but the records, one a line. */
static int print_records(const Args *args, const LoadOptions *options)
{
    Workload workload;
    Error error;
    if (workload_init(&workload, &options->workload, &error) != STATUS_OK) {
        return command_fail(args, EXIT_USAGE, &error);
    }
    char text[PRINT_RECORDS * (WORKLOAD_RECORD_BYTES_MAX + 1)];
    uint64_t number = options->first, end = number + (options->records ? options->records : PRINT_DEFAULT);
    while (number < end) {
        char *at = text;
        for (int i = 0; i < PRINT_RECORDS && number < end; i++) {
            at = workload_put_record(&workload, number++, at);
            *at++ = '\n';
        }
        int code = command_print(args, (Str){text, (size_t)(at - text)});
        if (code != EXIT_OK) {
            return code;
        }
    }
    return EXIT_OK;
}

static int run_load(const Args *args, LoadOptions *options, LoadResult *result)
{
    Showing showing = {.options = options};
    Error error;
    progress_begin(&showing.progress);
    options->stop = &stop;
    options->progress = showing.progress.enabled ? show : NULL;
    options->progress_context = &showing;
    take_signals();
    raise_file_limit(options->connections);
    bool dry = args_has(args, "dry");
    Status status =
        dry ? load_run_dry(options, &clock_system, result, &error) : load_run(options, &clock_system, result, &error);
    progress_end(&showing.progress);
    if (status != STATUS_OK) {
        return command_fail(args, status == STATUS_REFUSED ? EXIT_USAGE : EXIT_FAILED, &error);
    }
    return dry ? print_dry(args, result) : print_report(args, options, result);
}

static int run(const Args *args)
{
    LoadOptions options;
    Error error;
    if (read_flags(args, &options, &error) != STATUS_OK) {
        return command_fail(args, EXIT_USAGE, &error);
    }
    if (args_has(args, "print")) {
        return print_records(args, &options);
    }
    LoadResult *result = calloc(1, sizeof(*result));
    if (!result) {
        return command_fail(args, EXIT_FAILED, &(Error){STATUS_BUSY, "not enough memory"});
    }
    int code = run_load(args, &options, result);
    free(result);
    return code;
}

static const Flag flags_bench[] = {
    {"to", "URL", "the server (default http://127.0.0.1:8080)", NULL, NULL},
    {"path", "PATH", "where records are posted (default /api/records)", NULL, NULL},
    {"mode", "rate|single|array|ndjson", "how they are sent (default rate)", NULL, NULL},
    {"rate", "NUMBER", "requests a second in mode rate (default 28)", NULL, NULL},
    {"connections", "NUMBER", "how many (default 50; single 64, array 8, ndjson 1)", NULL, NULL},
    {"threads", "NUMBER", "that share the connections (default 1)", NULL, NULL},
    {"duration", "SECONDS", "for so long (default 60; single and array 10; ndjson until all is sent)", NULL, NULL},
    {"records", "NUMBER", "so many and no more (default in mode ndjson 1000000)", NULL, NULL},
    {"batch", "NUMBER", "records an array (default 500)", NULL, NULL},
    {"per-request", "NUMBER", "records a stream (default 1000000; 0: all of a connection's in one)", NULL, NULL},
    {"timeout", "SECONDS", "give up a request on which nothing moves for so long (default 30)", NULL, NULL},
    {"retry", NULL, "send again, under the same ids, what got no answer or a 503", NULL, NULL},
    {"seed", "NUMBER", "which stream of records (default another one in each run; 1 with --start)", NULL, NULL},
    {"first", "NUMBER", "begin with this record of the stream (default 0)", NULL, NULL},
    {"times", "now|spread:30d", "records' times: forward from the start, or at random in so long before it", NULL,
     NULL},
    {"start", "TIME", "the start, for records that are the same in every run (default now)", NULL, NULL},
    {"destinations", "NUMBER", "distinct destinations (default 1000)", NULL, NULL},
    {"flows", "NUMBER", "distinct flows (default 1000000)", NULL, NULL},
    {"alerts", "PERCENT", "records above 1,000.00 (default 1)", NULL, NULL},
    {"repeats", "PERCENT", "records that are an earlier one once more (default 0)", NULL, NULL},
    {"print", NULL, "send nothing: write the records (default 10) to standard output, one a line", NULL, NULL},
    {"dry", NULL, "send nothing: measure what making the records costs", NULL, NULL},
    {0},
};

const Command command_bench = {
    .name = "bench",
    .summary = "puts load on a server and measures rates and latencies",
    .description =
        "In mode rate requests are due at fixed times, and latency counts from then, so that a stall is seen by every "
        "request that it held up. In the other modes each connection sends its next request when it has its answer.\n\n"
        "Records are made from the seed and the start alone: with both given, the same ones are sent in every run, and "
        "are duplicates the second time.",
    .example = "weir bench --rate 28 --duration 3600 --connections 50\n"
               "weir bench --mode single --connections 64 --duration 10\n"
               "weir bench --mode ndjson --records 10000000 --times spread:30d --json\n"
               "weir bench --print --records 1000 --seed 7 > records.ndjson\n",
    .exits = "0 everything was answered, and with 2xx\n"
             "1 something was not: the report says what\n"
             "2 flags are wrong\n"
             "3 nothing listens there\n",
    .flags = (const Flag *const[]){flags_bench, flags_json, NULL},
    .run = run,
};

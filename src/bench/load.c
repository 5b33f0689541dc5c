#include "bench/load.h"

#include <netdb.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/load_thread.h"

enum { MILLION = 1000000, PROGRESS_MS = 100, DRY_RECORDS = 5 * MILLION };

LoadOptions load_options_default(LoadMode mode, const Clock *clock)
{
    static const uint32_t connections[] = {[LOAD_RATE] = 50, [LOAD_SINGLE] = 64, [LOAD_ARRAY] = 8, [LOAD_NDJSON] = 1};
    return (LoadOptions){
        .mode = mode,
        .url = STR("http://127.0.0.1:8080"),
        .path = mode == LOAD_ARRAY || mode == LOAD_NDJSON ? STR("/api/records?results=none") : STR("/api/records"),
        .connections = connections[mode],
        .threads = 1,
        .batch = 500,
        .rate = 28,
        .per_request = MILLION,
        .timeout_s = 30,
        .workload = workload_options_default(clock_wall_us(clock)),
    };
}

static Status check_options(const LoadOptions *options, Error *reterr)
{
    if (options->connections < 1 || options->connections > LOAD_CONNECTIONS_MAX) {
        return error_set(reterr, STATUS_REFUSED, "connections must be 1 to %d", LOAD_CONNECTIONS_MAX);
    }
    if (options->threads < 1 || options->threads > LOAD_THREADS_MAX || options->threads > options->connections) {
        return error_set(reterr, STATUS_REFUSED, "threads must be 1 to %d, and not more than connections",
                         LOAD_THREADS_MAX);
    }
    if (options->batch < 1 || options->batch > LOAD_BATCH_MAX) {
        return error_set(reterr, STATUS_REFUSED, "batch must be 1 to %d", LOAD_BATCH_MAX);
    }
    if (!(options->rate > 0 && options->rate <= 1e6) || !(options->duration_s >= 0 && options->duration_s <= 1e7) ||
        !(options->timeout_s > 0 && options->timeout_s <= 1e5)) {
        return error_set(reterr, STATUS_REFUSED, "rate, duration and timeout must be positive and not absurd");
    }
    return STATUS_OK;
}

/* The parts of http://host:port/path; the port and the path may be missing, an IPv6 host stands in brackets. */
typedef struct Target {
    Str authority, path;
    char host[256], port[8];
} Target;

static bool split_url(Str url, Target *target)
{
    if (!str_starts_with(url, STR("http://"))) {
        return false;
    }
    Str rest = {url.ptr + 7, url.len - 7};
    const char *slash = memchr(rest.ptr, '/', rest.len);
    target->authority = (Str){rest.ptr, slash ? (size_t)(slash - rest.ptr) : rest.len};
    target->path = slash ? (Str){slash, rest.len - target->authority.len} : (Str){0};
    while (target->path.len > 0 && target->path.ptr[target->path.len - 1] == '/') {
        target->path.len--;
    }
    const char *colon = memrchr(target->authority.ptr, ':', target->authority.len);
    const char *bracket = memrchr(target->authority.ptr, ']', target->authority.len);
    Str host = target->authority, port = STR("80");
    if (colon && (!bracket || colon > bracket)) {
        host.len = (size_t)(colon - host.ptr);
        port = (Str){colon + 1, target->authority.len - host.len - 1};
    }
    if (bracket && host.ptr[0] == '[') {
        host = (Str){host.ptr + 1, (size_t)(bracket - host.ptr) - 1};
    }
    uint64_t number;
    snprintf(target->host, sizeof(target->host), "%.*s", STR_ARGS(host));
    snprintf(target->port, sizeof(target->port), "%.*s", STR_ARGS(port));
    return host.len > 0 && host.len < sizeof(target->host) && str_to_u64(port, 65535, &number);
}

/* Finds the first of the host's addresses that takes a connection, so that a server that is not there is said at
 * once. */
static Status reach(const Target *target, Load *load, Error *reterr)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int problem = getaddrinfo(target->host, target->port, &hints, &found);
    if (problem != 0) {
        return error_set(reterr, STATUS_REFUSED, "host %s: %s", target->host, gai_strerror(problem));
    }
    Status status = STATUS_BROKEN;
    for (const struct addrinfo *at = found; at && status != STATUS_OK; at = at->ai_next) {
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) == 0) {
            memcpy(&load->address, at->ai_addr, at->ai_addrlen);
            load->address_bytes = at->ai_addrlen;
            status = STATUS_OK;
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    freeaddrinfo(found);
    return status == STATUS_OK ? STATUS_OK
                               : error_set(reterr, status, "nothing answers at %.*s: is the server running?",
                                           STR_ARGS(target->authority));
}

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void counts_add(LoadCounts *counts, const LoadCounts *other)
{
    /* LoadCounts is nothing but uint64_t, all of them sums. */
    uint64_t *sums = (uint64_t *)counts;
    const uint64_t *added = (const uint64_t *)other;
    _Static_assert(sizeof(LoadCounts) % sizeof(uint64_t) == 0, "LoadCounts holds sums alone");
    for (size_t i = 0; i < sizeof(LoadCounts) / sizeof(uint64_t); i++) {
        sums[i] += added[i];
    }
}

static int compare_points(const void *a, const void *b)
{
    const LoadPoint *left = a, *right = b;
    return (left->records > right->records) - (left->records < right->records);
}

/* When `records` were done, on the straight line between the points around it. */
static double seconds_at(const Load *load, uint64_t records, double total_seconds, uint64_t total)
{
    double from = 0, from_records = 0, to = total_seconds, to_records = (double)total;
    for (size_t i = 0; i < load->points_count; i++) {
        double at = (double)(load->points[i].at_us - load->start_us) / 1e6;
        if (load->points[i].records >= records) {
            to = at;
            to_records = (double)load->points[i].records;
            break;
        }
        from = at;
        from_records = (double)load->points[i].records;
    }
    return to_records > from_records
               ? from + (to - from) * ((double)records - from_records) / (to_records - from_records)
               : to;
}

/* A rest of less than a tenth of a million says nothing and is left out, unless it is all there is. */
static void fill_millions(Load *load, LoadResult *result)
{
    uint64_t total = atomic_load(&load->settled), from = 0;
    double from_s = 0;
    qsort(load->points, load->points_count, sizeof(LoadPoint), compare_points);
    while (from < total && result->millions_count < LOAD_MILLIONS_MAX) {
        uint64_t to = total - from > MILLION ? from + MILLION : total;
        if (from > 0 && to - from < MILLION / 10) {
            break;
        }
        double to_s = to == total ? result->seconds : seconds_at(load, to, result->seconds, total);
        result->millions[result->millions_count++] = to_s > from_s ? (double)(to - from) / (to_s - from_s) : 0;
        result->last_records = to - from;
        from = to;
        from_s = to_s;
    }
}

static void gather(Load *load, LoadThread *const *threads, LoadResult *result)
{
    int64_t last_us = load->start_us;
    for (unsigned i = 0; i < load->options->threads; i++) {
        counts_add(&result->counts, &threads[i]->counts);
        latencies_merge(&result->latencies, &threads[i]->latencies);
        latencies_merge(&result->service, &threads[i]->service);
        last_us = threads[i]->last_us > last_us ? threads[i]->last_us : last_us;
    }
    result->seconds = (double)(last_us - load->start_us) / 1e6;
    fill_millions(load, result);
}

static void show_progress(const Load *load, const atomic_uint *running)
{
    int64_t began = clock_monotonic_us(load->clock);
    while (load->options->progress && atomic_load(running) > 0) {
        double seconds = (double)(clock_monotonic_us(load->clock) - began) / 1e6;
        load->options->progress(load->options->progress_context, atomic_load(&load->settled), seconds);
        (void)poll(NULL, 0, PROGRESS_MS);
    }
}

typedef struct Runner {
    LoadThread *thread;
    atomic_uint *running;
} Runner;

static void *run_thread(void *argument)
{
    Runner *runner = argument;
    (void)load_thread_run(runner->thread);
    atomic_fetch_sub(runner->running, 1);
    return NULL;
}

/* A thread that cannot be started would leave the others at the barrier for ever, so that is the end of the program. */
static void run_threads(Load *load, LoadThread *const *threads)
{
    unsigned count = load->options->threads;
    pthread_t handles[LOAD_THREADS_MAX];
    Runner runners[LOAD_THREADS_MAX];
    atomic_uint running = count;
    for (unsigned i = 0; i < count; i++) {
        runners[i] = (Runner){threads[i], &running};
        if (pthread_create(&handles[i], NULL, run_thread, &runners[i]) != 0) {
            fprintf(stderr, "bench: the system starts no further thread\n");
            exit(EXIT_FAILURE);
        }
    }
    show_progress(load, &running);
    for (unsigned i = 0; i < count; i++) {
        (void)pthread_join(handles[i], NULL);
    }
}

static Status run_load(Load *load, const LoadMaker *maker, LoadResult *result, Error *reterr)
{
    LoadThread *threads[LOAD_THREADS_MAX] = {0};
    unsigned count = load->options->threads, connections = load->options->connections;
    Status status = STATUS_OK;
    for (unsigned i = 0; i < count && status == STATUS_OK; i++) {
        threads[i] = load_thread_new(load, i, connections / count + (i < connections % count), maker);
        if (!threads[i]) {
            status = error_set(reterr, STATUS_BUSY, "not enough memory for %u connections", connections);
        }
    }
    if (status == STATUS_OK) {
        double cpu_s = cpu_seconds();
        run_threads(load, threads);
        result->cpu_s = cpu_seconds() - cpu_s;
        gather(load, threads, result);
    }
    for (unsigned i = 0; i < count; i++) {
        load_thread_free(threads[i]);
    }
    return status;
}

static Status run_against(Load *load, LoadResult *result, Error *reterr)
{
    const LoadOptions *options = load->options;
    Target target = {0};
    if (!split_url(options->url, &target)) {
        return error_set(reterr, STATUS_REFUSED, "a URL looks like http://127.0.0.1:8080, not %.*s",
                         STR_ARGS(options->url));
    }
    char path[LOAD_REQUEST_HEAD_BYTES_MAX];
    snprintf(path, sizeof(path), "%.*s%.*s", STR_ARGS(target.path), STR_ARGS(options->path));
    LoadMaker maker;
    Status status = load_maker_init(&maker, options, target.authority, str_from(path), reterr);
    if (status == STATUS_OK) {
        status = reach(&target, load, reterr);
    }
    return status == STATUS_OK ? run_load(load, &maker, result, reterr) : status;
}

Status load_run(const LoadOptions *options, const Clock *clock, LoadResult *ret_result, Error *reterr)
{
    Status status = check_options(options, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    Load *load = calloc(1, sizeof(*load));
    if (!load) {
        return error_set(reterr, STATUS_BUSY, "not enough memory");
    }
    load->options = options;
    load->clock = clock;
    (void)pthread_barrier_init(&load->connected, NULL, options->threads);
    (void)pthread_mutex_init(&load->points_lock, NULL);
    *ret_result = (LoadResult){0};
    status = run_against(load, ret_result, reterr);
    (void)pthread_barrier_destroy(&load->connected);
    (void)pthread_mutex_destroy(&load->points_lock);
    free(load);
    return status;
}

Status load_run_dry(const LoadOptions *options, const Clock *clock, LoadResult *ret_result, Error *reterr)
{
    LoadMaker maker;
    LoadOptions stream = *options;
    stream.mode = LOAD_NDJSON;
    Status status = load_maker_init(&maker, &stream, STR("dry"), STR("/"), reterr);
    char *out = status == STATUS_OK ? malloc(load_request_bytes_max(&stream)) : NULL;
    if (!out) {
        return status == STATUS_OK ? error_set(reterr, STATUS_BUSY, "not enough memory") : status;
    }
    *ret_result = (LoadResult){0};
    LoadRange range = {.first = options->first, .count = options->records ? options->records : DRY_RECORDS};
    double cpu_s = cpu_seconds();
    int64_t began = clock_monotonic_us(clock);
    while (!range.ended && !(options->stop && *options->stop)) {
        ret_result->counts.bytes_sent += load_request_put(&maker, &range, out);
    }
    ret_result->seconds = (double)(clock_monotonic_us(clock) - began) / 1e6;
    ret_result->cpu_s = cpu_seconds() - cpu_s;
    ret_result->counts.records_sent = range.written;
    free(out);
    return STATUS_OK;
}

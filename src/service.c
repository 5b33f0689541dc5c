#include "service.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "deliver/dispatcher.h"
#include "deliver/sink_config.h"
#include "engine.h"
#include "http/server.h"
#include "intake/front_door_config.h"
#include "intake/intake.h"
#include "intake/source_config.h"
#include "onboard/onboard_config.h"
#include "record/mapping_config.h"

enum { URL_BYTES_MAX = 128, OTHER_FILES = 256, MS_US = 1000 };

typedef struct Service {
    const ServiceOptions *options;
    int signals;  /* becomes readable when we are asked to stop */
    int breaking; /* becomes readable when the store breaks */
    Error broken; /* written before `breaking`, read after it */
    Engine engine;
    SinkConfig sinks;
    SourceConfig sources;
    MappingSet *mappings;
    Intake *intake;
    FrontDoor *front_door; /* NULL: POST /records goes straight to the store */
    OnboardConfig onboarding;
    /* The processor's thread looks at these while they are started and stopped. */
    _Atomic(Dispatcher *) dispatcher;
    _Atomic(Runner *) runner; /* NULL: there are no jobs to work on */
    _Atomic(HttpServer *) server;
} Service;

/* ---- Signals ----------------------------------------------------------------------------------------------------- */

/* Queries read the database through a mapping, where an I/O error is not a return code. Nothing that was acknowledged
 * depends on this process going on. */
static void on_unreadable(int signal)
{
    static const char text[] =
        "weir: the database could not be read: the disk has failed, or the file was cut off while the service "
        "ran; nothing more is done with it\n";
    (void)signal;
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
    _exit(SERVICE_EXIT_UNREADABLE);
}

/* Blocked before the first thread, so that all threads inherit it and only the main one takes them, from a
 * descriptor. */
static Status take_signals(Service *service, Error *reterr)
{
    struct sigaction unreadable = {.sa_handler = on_unreadable};
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigaction(SIGBUS, &unreadable, NULL);
    if (pthread_sigmask(SIG_BLOCK, &stop, NULL) != 0 || (service->signals = signalfd(-1, &stop, SFD_CLOEXEC)) < 0 ||
        (service->breaking = eventfd(0, EFD_CLOEXEC)) < 0) {
        return error_set(reterr, STATUS_BUSY, "signals cannot be waited for: %s", strerror(errno));
    }
    return STATUS_OK;
}

/* Whoever sends a signal twice at once, as some supervisors do, means one; whoever asks again does not want to wait for
 * the drain. */
static _Atomic int64_t stop_us;

static void end_at_once(int signal)
{
    enum { AT_ONCE_US = 1500000 };
    (void)signal;
    if (clock_monotonic_us(&clock_system) > stop_us + AT_ONCE_US) {
        _exit(SERVICE_EXIT_SECOND_SIGNAL);
    }
}

/* From now on the next signal is not waited for. */
static void let_signals_end_us(void)
{
    stop_us = clock_monotonic_us(&clock_system);
    struct sigaction action = {.sa_handler = end_at_once};
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
}

static void on_progress(void *self, const char *what, uint64_t done, uint64_t total)
{
    Service *service = self;
    sigset_t pending;
    if (sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT))) {
        _exit(SERVICE_EXIT_SECOND_SIGNAL); /* nothing was acknowledged yet, and a rebuild begins anew */
    }
    if (service->options->progress) {
        service->options->progress(service->options->self, what, done, total);
    }
}

/* ---- The processor's calls --------------------------------------------------------------------------------------- */

static void on_committed(void *self, int64_t last_seq)
{
    Service *service = self;
    dispatcher_committed(service->dispatcher);
    http_server_committed(service->server, last_seq);
}

static void on_jobs_made(void *self)
{
    Service *service = self;
    runner_wake(service->runner);
}

static void on_broken(void *self, const Error *error)
{
    Service *service = self;
    service->broken = *error;
    if (eventfd_write(service->breaking, 1) != 0) {
        abort(); /* it cannot be; and to go on would be to serve from a broken store */
    }
}

/* ---- Sinks ------------------------------------------------------------------------------------------------------- */

static Status open_sink(void *self, const SinkContext *context, Sink **ret_sink, Error *reterr)
{
    (void)self;
    return sink_open(context, ret_sink, reterr);
}

static Status start_sinks(Service *service, Error *reterr)
{
    Status status = sink_config_read(service->options->config, &service->sinks, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    DispatcherOptions options = {.store = service->engine.store,
                                 .processor = service->engine.processor,
                                 .clock = &clock_system,
                                 .random = &random_system,
                                 .sinks = service->sinks.items,
                                 .sink_count = service->sinks.count,
                                 .background = true,
                                 .open_sink = open_sink};
    Dispatcher *dispatcher = NULL;
    status = dispatcher_start(&options, &dispatcher, reterr);
    service->dispatcher = dispatcher;
    return status;
}

/* ---- Sources ----------------------------------------------------------------------------------------------------- */

static Status open_source(void *self, const SourceContext *context, Source **ret_source, Error *reterr)
{
    (void)self;
    return source_open(context, ret_source, reterr);
}

static Status start_sources(Service *service, Error *reterr)
{
    const Config *config = service->options->config;
    Status status = source_config_read(config, &service->sources, reterr);
    if (status == STATUS_OK) {
        status = mapping_config_read(config, &service->mappings, reterr);
    }
    if (status == STATUS_OK) {
        status = source_config_check_mappings(&service->sources, service->mappings, reterr);
    }
    if (status != STATUS_OK) {
        return status;
    }
    IntakeOptions options = {.store = service->engine.store,
                             .processor = service->engine.processor,
                             .clock = &clock_system,
                             .random = &random_system,
                             .policy = &service->engine.policy,
                             .mappings = service->mappings,
                             .first_wins = config_int(config, OPTION_RECORDS_ON_CONFLICT) == ON_CONFLICT_FIRST,
                             .sources = service->sources.items,
                             .source_count = service->sources.count,
                             .background = true,
                             .open_source = open_source};
    return intake_start(&options, &service->intake, reterr);
}

static Status start_front_door(Service *service, Error *reterr)
{
    FrontDoorOptions options;
    Status status = front_door_config_read(service->options->config, &service->sources, &options, reterr);
    if (status != STATUS_OK || !options.source) {
        return status;
    }
    options.clock = &clock_system;
    options.scale = service->engine.policy.scale;
    status = front_door_kafka_open(&options, &service->front_door, reterr);
    if (status == STATUS_OK) {
        status = front_door_start(service->front_door, reterr);
    }
    return status == STATUS_OK ? status : error_prefix(reterr, "http.front_door: sources.%s", options.source->name);
}

/* ---- Onboarding -------------------------------------------------------------------------------------------------- */

static Status open_check(void *self, const DomainCheckOptions *options, DomainCheck **ret_check, Error *reterr)
{
    (void)self;
    return domain_check_open(options, ret_check, reterr);
}

/* Jobs of a time with another handler are not completed as if somebody had worked on them, and nobody is to wait for
 * them in vain. */
static Status look_for_stranded_jobs(const Service *service, Error *reterr)
{
    StoreReader *reader = NULL;
    OnboardCounts counts = {0};
    Status status = store_reader_open(service->engine.store, &reader, reterr);
    if (status == STATUS_OK) {
        status = reader_onboard_counts(reader, &counts, reterr);
    }
    store_reader_close(reader);
    int64_t waiting = counts.jobs[JOB_PENDING] + counts.jobs[JOB_PROCESSING];
    if (status == STATUS_OK && waiting > 0) {
        log_warn(
            "jobs of onboarding wait and nobody works on them: give the handler that they were made for, or cancel "
            "their batches",
            log_int("jobs", waiting), log_text("handler", onboard_handler_name(service->onboarding.handler)));
    }
    return status;
}

static Status start_onboarding(Service *service, Error *reterr)
{
    OnboardConfig *onboarding = &service->onboarding;
    Status status = onboard_config_read(service->options->config, &service->sinks, onboarding, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (!onboarding->has_jobs) {
        return look_for_stranded_jobs(service, reterr);
    }
    RunnerOptions options = onboarding->runner;
    options.processor = service->engine.processor;
    options.info = store_info(service->engine.store);
    options.clock = &clock_system;
    options.random = &random_system;
    options.background = true;
    options.open_sink = open_sink;
    options.open_check = open_check;
    Runner *runner = NULL;
    status = runner_start(&options, &runner, reterr);
    service->runner = runner;
    return status;
}

/* ---- HTTP -------------------------------------------------------------------------------------------------------- */

static Status check_exposure(const Config *config, Error *reterr)
{
    if (config_address(config, OPTION_HTTP_LISTEN).is_loopback || config_bool(config, OPTION_HTTP_INSECURE)) {
        return STATUS_OK;
    }
    return error_set(
        reterr, STATUS_REFUSED,
        "%s can be reached by other machines, and nothing authenticates them; listen on 127.0.0.1, or allow it "
        "with --insecure",
        config_text(config, OPTION_HTTP_LISTEN));
}

/* Every connection is a file. The soft limit is a habit, the hard one is the administrator's word. */
static void raise_file_limit(int64_t connections_max)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections_max + OTHER_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted) {
        log_warn("fewer open files are allowed than http.connections_max needs",
                 log_int("allowed", (int64_t)limit.rlim_cur), log_int("needed", (int64_t)wanted));
    }
}

static HttpServerOptions http_options(const Service *service, const Config *config, const Address *address)
{
    HttpServerOptions options = http_server_options_default();
    options.address = address->host;
    options.port = address->port;
    options.origin = (OriginRules){.hosts = config_text(config, OPTION_HTTP_HOSTS),
                                   .any_host = config_bool(config, OPTION_HTTP_INSECURE)};
    options.version = WEIR_VERSION;
    options.processor = service->engine.processor;
    options.store = service->engine.store;
    options.dispatcher = service->dispatcher;
    options.intake = service->intake;
    options.runner = service->runner;
    options.onboard_complete = !service->onboarding.has_jobs;
    options.front_door = service->front_door;
    options.policy = &service->engine.policy;
    options.mappings = service->mappings;
    options.clock = &clock_system;
    options.random = &random_system;
    options.on_conflict = (OnConflict)config_int(config, OPTION_RECORDS_ON_CONFLICT);
    options.connection_threads = (unsigned)config_int(config, OPTION_HTTP_THREADS);
    options.query_threads = (unsigned)config_int(config, OPTION_QUERY_THREADS);
    options.header_bytes_max = config_size(config, OPTION_HTTP_HEADER_BYTES_MAX);
    options.body_bytes_max = config_size(config, OPTION_HTTP_BODY_BYTES_MAX);
    options.bodies_bytes_max = config_size(config, OPTION_HTTP_BODIES_BYTES_MAX);
    options.line_bytes_max = config_size(config, OPTION_HTTP_LINE_BYTES_MAX);
    options.group_bytes_max = config_size(config, OPTION_QUERY_GROUP_BYTES_MAX);
    options.groups_bytes_max = config_size(config, OPTION_QUERY_GROUPS_BYTES_MAX);
    options.event_streams_max = (unsigned)config_int(config, OPTION_HTTP_EVENT_STREAMS_MAX);
    options.connections_max = (unsigned)config_int(config, OPTION_HTTP_CONNECTIONS_MAX);
    options.connections_per_address_max = (unsigned)config_int(config, OPTION_HTTP_CONNECTIONS_PER_ADDRESS_MAX);
    options.idle_ms_max = config_int(config, OPTION_HTTP_IDLE_TIMEOUT) / MS_US;
    options.request_ms_max = config_int(config, OPTION_HTTP_REQUEST_TIMEOUT) / MS_US;
    options.drain_ms_max = config_int(config, OPTION_HTTP_DRAIN_TIMEOUT) / MS_US;
    return options;
}

static Status start_http(Service *service, Error *reterr)
{
    const Config *config = service->options->config;
    Address address = config_address(config, OPTION_HTTP_LISTEN);
    HttpServerOptions options = http_options(service, config, &address);
    HttpServer *server = NULL;
    raise_file_limit(config_int(config, OPTION_HTTP_CONNECTIONS_MAX));
    Status status = http_server_start(&options, &server, reterr);
    service->server = server;
    return status;
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */

static Status start(Service *service, Error *reterr)
{
    const Config *config = service->options->config;
    EngineHooks hooks = {.progress = on_progress,
                         .committed = on_committed,
                         .jobs_made = on_jobs_made,
                         .broken = on_broken,
                         .self = service};
    Status status;
    if ((status = check_exposure(config, reterr)) == STATUS_OK &&
        (status = take_signals(service, reterr)) == STATUS_OK &&
        (status = engine_open(config, &hooks, &service->engine, reterr)) == STATUS_OK &&
        (status = start_sinks(service, reterr)) == STATUS_OK &&
        (status = start_onboarding(service, reterr)) == STATUS_OK &&
        (status = start_sources(service, reterr)) == STATUS_OK &&
        (status = start_front_door(service, reterr)) == STATUS_OK &&
        (status = start_http(service, reterr)) == STATUS_OK) {
        log_info("started", log_text("version", WEIR_VERSION), log_text("store", config_text(config, OPTION_STORE_DIR)),
                 log_int("lastSeq", store_last_seq(service->engine.store)));
    }
    return status;
}

static void announce(Service *service)
{
    Address address = config_address(service->options->config, OPTION_HTTP_LISTEN);
    char url[URL_BYTES_MAX];
    snprintf(url, sizeof url, "http://%s%s%s:%u", address.is_ipv6 ? "[" : "", address.host, address.is_ipv6 ? "]" : "",
             http_server_port(service->server));
    service->options->listening(service->options->self, url);
}

/* What was done so far. The CPU's time tells of what leaves no trace in the log, too: questions, duplicates. */
typedef struct Effort {
    int64_t last_seq, cpu_us;
} Effort;

static Effort effort_so_far(const Service *service)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    int64_t cpu_us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) + usage.ru_utime.tv_usec +
                     usage.ru_stime.tv_usec;
    return (Effort){store_last_seq(service->engine.store), cpu_us};
}

enum { QUIET_MS = 3000, QUIET_CPU_US = 60000, WORTH_CPU_US = 100000 };

/* What was freed between what is still in use stays with us until it is asked for. To give it back takes some
 * milliseconds in which nobody gets memory, so it waits for three seconds in which nothing came in and next to nothing
 * was done, and happens once after each spell of work. */
static void trim_memory(const Service *service, Effort *seen, int64_t *trimmed_cpu_us)
{
    Effort now = effort_so_far(service);
    bool is_quiet = now.last_seq == seen->last_seq && now.cpu_us - seen->cpu_us < QUIET_CPU_US;
    if (is_quiet && now.cpu_us - *trimmed_cpu_us > WORTH_CPU_US) {
        malloc_trim(0);
        now = effort_so_far(service);
        *trimmed_cpu_us = now.cpu_us;
    }
    *seen = now;
}

/* Until somebody asks us to stop (OK) or the store breaks. */
static Status wait(Service *service, Error *reterr)
{
    Effort seen = effort_so_far(service);
    int64_t trimmed_cpu_us = 0;
    struct pollfd events[] = {{.fd = service->signals, .events = POLLIN}, {.fd = service->breaking, .events = POLLIN}};
    for (int ready = 0; ready <= 0;) {
        ready = poll(events, 2, QUIET_MS);
        if (ready == 0) {
            trim_memory(service, &seen, &trimmed_cpu_us);
        }
    }
    if (events[1].revents) {
        return error_set(reterr, STATUS_BROKEN, "the store takes nothing more: %s", service->broken.message);
    }
    struct signalfd_siginfo taken;
    if (read(service->signals, &taken, sizeof taken) == (ssize_t)sizeof taken) {
        log_info("stopping", log_text("signal", taken.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT"));
    }
    return STATUS_OK;
}

/* The reverse of start. What a request waits for is committed before its connection closes, and everything that was
 * committed is on disk before the store closes. Works on a half-started service too. */
static void drain(Service *service)
{
    let_signals_end_us();
    if (service->server) {
        http_server_set_ready(service->server, false);
    }
    http_server_stop(service->server);
    front_door_stop(service->front_door);
    intake_stop(service->intake);
    runner_stop(service->runner);
    dispatcher_stop(service->dispatcher);
    engine_stop(&service->engine);
    http_server_free(service->server);
    front_door_close(service->front_door);
    intake_free(service->intake);
    runner_free(service->runner);
    dispatcher_free(service->dispatcher);
    engine_close(&service->engine);
    sink_config_release(&service->sinks);
    source_config_release(&service->sources);
    mapping_set_free(service->mappings);
}

/* The store may break while it is drained, too. */
static bool has_broken(const Service *service)
{
    struct pollfd event = {.fd = service->breaking, .events = POLLIN};
    return service->breaking >= 0 && poll(&event, 1, 0) == 1;
}

static void close_signals(Service *service)
{
    close(service->breaking);
    close(service->signals);
}

Status service_run(const ServiceOptions *options, Error *reterr)
{
    Service service = {.options = options, .signals = -1, .breaking = -1};
    Status status = start(&service, reterr);
    if (status == STATUS_OK) {
        announce(&service);
        status = wait(&service, reterr);
    }
    drain(&service);
    if (status == STATUS_OK && has_broken(&service)) {
        status = error_set(reterr, STATUS_BROKEN, "the store failed while it was stopped: %s", service.broken.message);
    }
    close_signals(&service);
    if (status == STATUS_OK) {
        log_info("stopped", log_text("store", config_text(options->config, OPTION_STORE_DIR)));
    }
    return status;
}

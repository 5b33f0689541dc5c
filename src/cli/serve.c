/* weir serve: the service, until it is told to stop. */
#include <unistd.h>

#include "base/log.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "service.h"

enum { LOG_PROGRESS_US = 5000000 };

typedef struct Serving {
    Progress progress;
    int64_t logged_us;
} Serving;

/* A bar for people; for a log, a line now and then. */
static void on_progress(void *self, const char *what, uint64_t done, uint64_t total)
{
    Serving *serving = self;
    int64_t now = clock_monotonic_us(&clock_system);
    progress_show(&serving->progress, what, done, total, done);
    if (!serving->progress.enabled && now - serving->logged_us > LOG_PROGRESS_US) {
        log_info("opening the store", log_text("step", what), log_int("done", (int64_t)done),
                 log_int("total", (int64_t)total));
        serving->logged_us = now;
    }
}

/* Scripts read the first line; people get something to try. */
static void on_listening(void *self, const char *url)
{
    Serving *serving = self;
    progress_end(&serving->progress);
    printf("listening on %s\n", url);
    if (isatty(STDOUT_FILENO)) {
        printf("\ntry:\n"
               "  curl %s/api/records -H 'Content-Type: application/json' -d '{\"recordId\":\"try-001\",\n"
               "    \"time\":\"2025-01-01 10:00:00\",\"sourceId\":\"source-1\",\"destinationId\":\"dest-1\",\n"
               "    \"type\":\"positive\",\"value\":\"100.50\",\"unit\":\"EUR\",\"reference\":\"ref-001\"}'\n"
               "  curl %s/api/records/aggregate\n\n"
               "or open %s/ in a browser; Ctrl-C stops the service\n\n",
               url, url, url);
    }
    fflush(stdout);
}

static int run_service(const Args *args, const Config *config)
{
    Serving serving = {.logged_us = clock_monotonic_us(&clock_system)};
    progress_begin(&serving.progress);
    ServiceOptions options = {config, on_progress, on_listening, &serving};
    Error error;
    Status status = service_run(&options, &error);
    progress_end(&serving.progress);
    if (status == STATUS_OK) {
        return EXIT_OK;
    }
    return command_fail(args, status == STATUS_REFUSED ? EXIT_USAGE : EXIT_FAILED, &error);
}

static int run(const Args *args)
{
    Config *config = NULL;
    Error error;
    if (args_config(args, &config, &error) != STATUS_OK) {
        return command_fail(args, EXIT_USAGE, &error);
    }
    log_configure((LogLevel)config_int(config, OPTION_LOG_LEVEL), (LogFormat)config_int(config, OPTION_LOG_FORMAT));
    int code = run_service(args, config);
    config_free(config);
    return code;
}

static const Flag flags_serve[] = {
    {"listen", "HOST:PORT", "where to listen; port 0 takes a free one", "http.listen", NULL},
    {"insecure", NULL, "serve other machines though nothing authenticates them", "http.insecure", NULL},
    {0},
};

const Command command_serve = {
    .name = "serve",
    .summary = "runs the service: takes records in over HTTP and answers questions",
    .description = "Without flags it keeps its data in ./weir-data and listens on 127.0.0.1:8080. Once it is ready, "
                   "the first line on "
                   "standard output says where it listens; the log goes to standard error.\n\n"
                   "SIGTERM and SIGINT make it refuse new work, finish what it has begun, and exit; everything that it "
                   "has acknowledged is on "
                   "disk. A second signal ends it at once, which loses nothing that was acknowledged either.",
    .example = "weir serve\n"
               "weir serve --data /var/lib/weir --listen 127.0.0.1:0\n"
               "WEIR_ALERTS_THRESHOLD=500 weir serve --config weir.yaml\n",
    .exits = "0 it was asked to stop, and everything is on disk\n"
             "2 the configuration, the address or the store's directory cannot be used\n"
             "3 another process holds the store, or the store failed: the message says how\n"
             "74 the database could not be read: the disk failed, or the file was cut off\n"
             "130 ended by a second signal\n",
    .flags = (const Flag *const[]){flags_data, flags_serve, flags_config, NULL},
    .run = run,
};

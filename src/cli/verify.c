/* weir verify: proves the totals from the raw records, or makes the indexes and rollups anew from them first. */
#include "cli/command.h"
#include "cli/progress.h"
#include "engine.h"

enum { PROBLEMS_BYTES_MAX = 16 << 20 };

typedef struct Verifying {
    const Args *args;
    Progress progress;
    Buf problems; /* as the items of a JSON array, or as lines */
} Verifying;

static void on_problem(void *context, const char *text)
{
    Verifying *verifying = context;
    if (args_has(verifying->args, "json")) {
        buf_put(&verifying->problems, verifying->problems.len ? STR(",") : STR(""));
        buf_put_json(&verifying->problems, str_from(text));
    } else {
        buf_printf(&verifying->problems, "%s\n", text);
    }
}

static void on_progress(void *context, const char *what, uint64_t done, uint64_t total)
{
    Verifying *verifying = context;
    progress_show(&verifying->progress, what, done, total, done);
}

/* Opening a store for writing makes one where none is, and a misspelt directory would be found to be in order. */
static Status check_store(StoreOptions options, Error *reterr)
{
    Store *store = NULL;
    options.read_only = true;
    Status status = store_open(&options, &store, reterr);
    store_close(store);
    return status == STATUS_REFUSED ? STATUS_REFUSED : STATUS_OK;
}

/* Opens the store for writing, with everything derived made anew, and closes it again. */
static Status rebuild(Verifying *verifying, StoreOptions options, Error *reterr)
{
    Store *store = NULL;
    Status status = check_store(options, reterr);
    if (status == STATUS_OK) {
        options.rebuild = true;
        options.progress = progress_of_records;
        options.progress_self = &verifying->progress;
        status = store_open(&options, &store, reterr);
    }
    store_close(store);
    return status;
}

/* A store of ours whose indexes cannot even be opened has been verified all the same: it is found wrong. */
static Status count_as_problem(Verifying *verifying, VerifyReport *report, Status status, const Error *error)
{
    if (status != STATUS_REFUSED) {
        return status;
    }
    on_problem(verifying, error->message);
    report->problems++;
    return STATUS_OK;
}

/* Read as it is: opening it for writing would mend what is to be found. */
static Status verify(Verifying *verifying, StoreOptions options, VerifyReport *ret_report, Error *reterr)
{
    Store *store = NULL;
    StoreReader *reader = NULL;
    options.read_only = true;
    Status status = store_open(&options, &store, reterr);
    if (status == STATUS_OK) {
        status = store_reader_open(store, &reader, reterr);
        if (status == STATUS_OK) {
            status = store_verify(reader, on_problem, verifying, on_progress, ret_report, reterr);
        }
        status = count_as_problem(verifying, ret_report, status, reterr);
    }
    store_reader_close(reader);
    store_close(store);
    return status;
}

static void put_json(Buf *text, const VerifyReport *report, Str problems)
{
    buf_printf(
        text,
        "{\"records\":%lld,\"messages\":%lld,\"flows\":%lld,\"events\":%lld,\"problems\":%lld,\"places\":[%.*s]}\n",
        (long long)report->records, (long long)report->messages, (long long)report->flows, (long long)report->events,
        (long long)report->problems, STR_ARGS(problems));
}

static void put_text(Buf *text, const VerifyReport *report, bool is_rebuilt, Str problems)
{
    char records[COUNT_BYTES_MAX], messages[COUNT_BYTES_MAX], flows[COUNT_BYTES_MAX], count[COUNT_BYTES_MAX];
    buf_put(text, problems);
    buf_printf(text, "%s records, %s flows, %s other message%s: ", count_format((uint64_t)report->records, records),
               count_format((uint64_t)report->flows, flows), count_format((uint64_t)report->messages, messages),
               report->messages == 1 ? "" : "s");
    if (report->problems == 0) {
        BUF_PUT(text, "everything is right\n");
        return;
    }
    buf_printf(text, "%s places differ\n", count_format((uint64_t)report->problems, count));
    if (is_rebuilt) {
        BUF_PUT(text, "the indexes and rollups were made anew: what differs is in the records, or in what is stored "
                      "beside them\n");
    } else {
        BUF_PUT(text, "`weir verify --rebuild` makes the indexes and rollups anew from the records\n");
    }
}

static int print_report(const Verifying *verifying, const VerifyReport *report)
{
    Buf text;
    buf_init(&text, PROBLEMS_BYTES_MAX + 4096);
    if (args_has(verifying->args, "json")) {
        put_json(&text, report, buf_str(&verifying->problems));
    } else {
        put_text(&text, report, args_has(verifying->args, "rebuild"), buf_str(&verifying->problems));
    }
    int code = command_print(verifying->args, buf_str(&text));
    buf_release(&text);
    return code == EXIT_OK && report->problems > 0 ? EXIT_PROBLEMS : code;
}

static int run_with_config(const Args *args, const Config *config)
{
    Verifying verifying = {.args = args};
    VerifyReport report = {0};
    Error error;
    Status status = STATUS_OK;
    StoreOptions options = engine_store_options(config);
    buf_init(&verifying.problems, PROBLEMS_BYTES_MAX);
    progress_begin(&verifying.progress);
    if (args_has(args, "rebuild")) {
        status = rebuild(&verifying, options, &error);
    }
    if (status == STATUS_OK) {
        status = verify(&verifying, options, &report, &error);
    }
    progress_end(&verifying.progress);
    int code = status == STATUS_OK ? print_report(&verifying, &report)
                                   : command_fail(args, status == STATUS_REFUSED ? EXIT_USAGE : EXIT_FAILED, &error);
    buf_release(&verifying.problems);
    return code;
}

static int run(const Args *args)
{
    Config *config = NULL;
    Error error;
    if (args_config(args, &config, &error) != STATUS_OK) {
        return command_fail(args, EXIT_USAGE, &error);
    }
    int code = run_with_config(args, config);
    config_free(config);
    return code;
}

static const Flag flags_verify[] = {
    {"rebuild", NULL, "first make every index and rollup anew from the records; no server may hold the store", NULL,
     NULL},
    {0},
};

const Command command_verify = {
    .name = "verify",
    .summary = "proves every total from the raw records",
    .description =
        "Recomputes each total, chain, index entry and rollup from the raw records and says where one "
        "differs. It only reads, and may run "
        "beside a server.\n\n"
        "With --rebuild all indexes and rollups are thrown away and made anew first. Records, what is stored "
        "beside them, and what was acknowledged, are not touched by either.",
    .example = "weir verify --data ./weir-data\nweir verify --data ./weir-data --rebuild\n",
    .exits = "0 everything is right\n"
             "1 something differs: each line says where\n"
             "2 there is no store of ours in that directory, or the configuration is wrong\n"
             "3 the store cannot be read, or (--rebuild) another process holds it\n",
    .flags = (const Flag *const[]){flags_data, flags_verify, flags_json, flags_config, NULL},
    .run = run,
};

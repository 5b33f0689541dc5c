/* weir ingest: files into a store or to a server. The main thread reads and checks, another one commits. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/ingest_run.h"

enum { ERRORS_BYTES_MAX = 1 << 16, SECOND_US = 1000000 };

/* ---- Setting up -------------------------------------------------------------------------------------------------- */

static Status read_format(const Args *args, FileFormat *ret_format, Error *reterr)
{
    static const char *const names[] = {[FILE_FORMAT_AUTO] = "auto",
                                        [FILE_FORMAT_NDJSON] = "ndjson",
                                        [FILE_FORMAT_JSON] = "json",
                                        [FILE_FORMAT_CSV] = "csv"};
    const char *given = args_text(args, "format");
    for (FileFormat format = FILE_FORMAT_AUTO; format <= FILE_FORMAT_CSV; format++) {
        if (!given || strcmp(given, names[format]) == 0) {
            *ret_format = format;
            return STATUS_OK;
        }
    }
    return error_set(reterr, STATUS_REFUSED, "--format takes auto, ndjson, json or csv, not \"%s\"", given);
}

/* A name that is misspelt is found before anything is taken in. */
static Status check_files(const Args *args, Error *reterr)
{
    for (size_t i = 0; i < args_operand_count(args); i++) {
        const char *path = args_operand(args, i);
        struct stat info;
        if (strcmp(path, "-") == 0) {
            continue;
        }
        if (access(path, R_OK) != 0) {
            return error_set(reterr, STATUS_REFUSED, "%s cannot be read: %s", path, strerror(errno));
        }
        if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
            return error_set(reterr, STATUS_REFUSED, "%s is a directory; name the files in it", path);
        }
    }
    return STATUS_OK;
}

/* Of regular files; 0 when one is not, and then there is no bar. */
static uint64_t measure_files(const Args *args)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < args_operand_count(args); i++) {
        struct stat info;
        if (stat(args_operand(args, i), &info) != 0 || !S_ISREG(info.st_mode)) {
            return 0;
        }
        bytes += (uint64_t)info.st_size;
    }
    return bytes;
}

/* What is no regular file keeps no place: nobody can go on in it. */
static void find_path(IngestFile *file)
{
    struct stat info;
    char *path = file->is_input ? NULL : realpath(file->name, NULL);
    if (path && stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
        file->path = str_from(path);
    } else {
        free(path);
    }
}

static Status name_files(Ingest *ingest, Error *reterr)
{
    ingest->files = calloc(args_operand_count(ingest->args), sizeof *ingest->files);
    for (size_t i = 0; ingest->files && i < args_operand_count(ingest->args); i++) {
        const char *name = args_operand(ingest->args, i);
        bool is_input = strcmp(name, "-") == 0;
        ingest->files[i] = (IngestFile){.name = is_input ? "standard input" : name, .is_input = is_input};
        find_path(&ingest->files[i]);
    }
    return ingest->files ? STATUS_OK : error_set(reterr, STATUS_BUSY, "out of memory");
}

static void forget_files(Ingest *ingest)
{
    for (size_t i = 0; ingest->files && i < args_operand_count(ingest->args); i++) {
        free((char *)(uintptr_t)ingest->files[i].path.ptr);
        free((char *)(uintptr_t)ingest->files[i].header.ptr);
    }
    free(ingest->files);
}

static Status open_rejects(Ingest *ingest, Error *reterr)
{
    const char *path = args_text(ingest->args, "rejects");
    if (path && !(ingest->rejects = fopen(path, "we"))) {
        return error_set(reterr, STATUS_REFUSED, "--rejects: %s cannot be written: %s", path, strerror(errno));
    }
    return STATUS_OK;
}

static Status close_rejects(Ingest *ingest, Error *reterr)
{
    if (ingest->rejects && fclose(ingest->rejects) != 0) {
        return error_set(reterr, STATUS_BROKEN, "--rejects: cannot be written: %s", strerror(errno));
    }
    return STATUS_OK;
}

/* Runs all files through the target and prints what became of them. */
static int run_ingest(Ingest *ingest)
{
    Error error = {0}, closing;
    Status status = open_rejects(ingest, &error);
    if (status != STATUS_OK) {
        return command_fail(ingest->args, EXIT_USAGE, &error);
    }
    if (ingest->bytes_total > 0) { /* what is no file may be waited for, and nobody can go on with it */
        ingest_take_signals();
    }
    ingest->started_us = clock_monotonic_us(&clock_system);
    if ((status = ingest_pipeline_start(ingest->target, &ingest->pipeline, &error)) == STATUS_OK) {
        status = ingest_take_files(ingest, &error);
    }
    ingest_pipeline_stop(ingest->pipeline);
    progress_end(&ingest->progress);
    if (close_rejects(ingest, &closing) != STATUS_OK && status == STATUS_OK) {
        status = error_set(&error, closing.status, "%s", closing.message);
    }
    int code = ingest_print_summary(ingest, status == STATUS_OK ? NULL : &error);
    if (status != STATUS_OK) {
        return command_fail(ingest->args, EXIT_FAILED, &error);
    }
    return code == EXIT_OK && ingest_problem_count(ingest) > 0 ? EXIT_PROBLEMS : code;
}

/* The commit that failed says what has happened, with the same words. */
static void on_broken(void *self, const Error *error)
{
    (void)self;
    (void)error;
}

static int run_into_store(Ingest *ingest, const Config *config, int64_t wait_us)
{
    EngineHooks hooks = {.progress = progress_of_records, .broken = on_broken, .self = &ingest->progress};
    Engine engine;
    Error error;
    Status status = engine_open(config, &hooks, &engine, &error);
    if (status == STATUS_OK) {
        const IngestStoreOptions options = {
            .dry_run = args_has(ingest->args, "dry-run"),
            .first_wins = config_int(config, OPTION_RECORDS_ON_CONFLICT) == ON_CONFLICT_FIRST,
            .wait_us = wait_us,
        };
        status = ingest_store_open(&engine, &options, &ingest->target, &error);
    }
    progress_end(&ingest->progress);
    int code = status == STATUS_OK
                   ? run_ingest(ingest)
                   : command_fail(ingest->args, status == STATUS_REFUSED ? EXIT_USAGE : EXIT_FAILED, &error);
    if (status == STATUS_OK && ingest_problem_count(ingest) > 0 && !args_has(ingest->args, "dry-run")) {
        fprintf(stderr, "what was not taken in is kept as dead letters; a server that runs on the store shows them: "
                        "weir dead-letters --source ingest\n");
    }
    if (status == STATUS_BUSY) {
        fprintf(stderr, "a server that runs on it takes records with --to URL\n");
    }
    if (ingest->target) {
        ingest->target->close(ingest->target);
    }
    engine_close(&engine);
    return code;
}

static int run_to_server(Ingest *ingest, int64_t wait_us)
{
    Error error;
    const char *url = args_text(ingest->args, "to");
    if (ingest_server_open(url, args_has(ingest->args, "dry-run"), wait_us, &ingest->target, &error) != STATUS_OK) {
        return command_fail(ingest->args, EXIT_USAGE, &error);
    }
    int code = run_ingest(ingest);
    ingest->target->close(ingest->target);
    return code;
}

static int run_with_config(const Args *args, const Config *config)
{
    Ingest ingest = {.args = args, .item_bytes_max = config_size(config, OPTION_HTTP_LINE_BYTES_MAX)};
    Error error;
    int64_t wait_seconds;
    if (check_files(args, &error) != STATUS_OK || read_format(args, &ingest.format, &error) != STATUS_OK ||
        args_integer(args, "wait", 0, 86400, 60, &wait_seconds, &error) != STATUS_OK ||
        name_files(&ingest, &error) != STATUS_OK) {
        return command_usage(args, "%s", error.message);
    }
    ingest.from_start = args_has(args, "from-start");
    ingest.bytes_total = measure_files(args);
    buf_init(&ingest.errors, ERRORS_BYTES_MAX);
    buf_init(&ingest.line, ERRORS_BYTES_MAX + 6 * INGEST_RAW_SHOWN_BYTES_MAX + 8192);
    progress_begin(&ingest.progress);
    int code = args_has(args, "to") ? run_to_server(&ingest, wait_seconds * SECOND_US)
                                    : run_into_store(&ingest, config, wait_seconds * SECOND_US);
    buf_release(&ingest.errors);
    buf_release(&ingest.line);
    forget_files(&ingest);
    return code;
}

static int run(const Args *args)
{
    Config *config = NULL;
    Error error;
    if (args_has(args, "to") && args_has(args, "data")) {
        return command_usage(args, "--to and --data are two places; choose one");
    }
    if (args_config(args, &config, &error) != STATUS_OK) {
        return command_fail(args, EXIT_USAGE, &error);
    }
    int code = run_with_config(args, config);
    config_free(config);
    return code;
}

static const Flag flags_ingest[] = {
    {"format", "auto|ndjson|json|csv", "how the files are written; auto goes by their names, else by their first byte",
     NULL, NULL},
    {"rejects", "FILE", "write what this run does not take in there, as NDJSON: file, line, errors, raw", NULL, NULL},
    {"from-start", NULL, "read the files from the beginning, whatever was taken in of them before", NULL, NULL},
    {"wait", "SECONDS", "how long to wait for a server that is away, or for room on a full disk (60)", NULL, NULL},
    {"dry-run", NULL, "say what would become of each record, and take none of them in", NULL, NULL},
    {0},
};

const Command command_ingest = {
    .name = "ingest",
    .summary = "takes records in from files, into a store or to a server",
    .operands = "FILE…",
    .operands_min = 1,
    .operands_max = SIZE_MAX,
    .description =
        "Reads NDJSON, JSON (an array, or one object after another) and CSV with a header, also packed with gzip or "
        "Zstandard; - is standard input. With --to, records go to a running server, in requests that are sent "
        "again when it was away. With --data, or neither, they go straight into a store that no server holds.\n\n"
        "A record that cannot be taken in does not stop the others. Straight into a store, it becomes a dead letter "
        "as well (`weir dead-letters`), which can be tried again.\n\n"
        "Straight into a store, how far each file was read is stored together with its records: after an "
        "interruption, even of the power, the same command goes on where it stopped. A file that is finished is passed "
        "over. One that was written to since is compared with what was read: what was added to it is taken in, and if "
        "it is another text, it is read from the beginning. A file is known by its path; standard input cannot be gone "
        "on with. Ctrl-C (SIGINT, SIGTERM) lets what was read be taken in, and prints the summary.\n\n"
        "With --to, and with --from-start, what is there already counts as a duplicate: to send a file again is safe.",
    .example = "weir ingest orders.ndjson --to http://127.0.0.1:8080\n"
               "weir ingest 2024/*.csv.gz --data ./weir-data --rejects rejects.ndjson\n"
               "psql -c \"COPY orders TO STDOUT CSV HEADER\" | weir ingest - --format csv --data ./weir-data\n",
    .exits = "0 everything was taken in, or was there already\n"
             "1 some records of this run were rejected, or conflict with what is stored\n"
             "2 flags, the configuration, or the store's directory are wrong\n"
             "3 it stopped before the end: the message says where, the summary what was taken in\n",
    .flags = (const Flag *const[]){flags_server, flags_data, flags_ingest, flags_json, flags_config, NULL},
    .run = run,
};

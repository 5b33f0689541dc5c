/* weir ingest: files into a store or to a server. The main thread reads and checks, another one commits. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/ingest_batch.h"
#include "cli/progress.h"

enum { PROBLEMS_SHOWN_MAX = 10, ERRORS_BYTES_MAX = 1 << 16, RAW_SHOWN_BYTES_MAX = 1 << 16, SECOND_US = 1000000 };

typedef struct Ingest {
    const Args *args;
    FileFormat format;
    size_t item_bytes_max;
    IngestTarget *target;
    IngestPipeline *pipeline;
    IngestBatch *batch; /* that is being filled; NULL before the first record */
    FILE *rejects;      /* NULL when they are not kept */
    Progress progress;
    uint64_t counts[OUTCOME_REJECTED + 1]; /* by OutcomeKind */
    uint64_t bytes_total, bytes_before;    /* of all files; of the files that are finished */
    int64_t started_us;
    Buf errors, line; /* scratch */
} Ingest;

/* ---- What was not taken in ----------------------------------------------------------------------------------------- */

/* {"file":…,"line":…,"errors":{…},"raw":"…"} */
static void put_reject(Buf *buf, const IngestEntry *entry)
{
    Str raw = entry->raw;
    buf_put_char(buf, '{');
    buf_put_key(buf, "file");
    buf_put_json(buf, str_from(entry->file));
    buf_put_key(buf, "line");
    buf_put_u64(buf, entry->line);
    buf_put_key(buf, "errors");
    buf_put(buf, entry->errors);
    buf_put_key(buf, "raw");
    raw.len = raw.len > RAW_SHOWN_BYTES_MAX ? RAW_SHOWN_BYTES_MAX : raw.len;
    buf_put_json(buf, raw);
    BUF_PUT(buf, "}\n");
}

static void show_problem(Ingest *ingest, const IngestEntry *entry, uint64_t before)
{
    if (before < PROBLEMS_SHOWN_MAX) {
        buf_reset(&ingest->line);
        client_put_field_errors(&ingest->line, entry->errors);
        Str text = buf_str(&ingest->line);
        progress_end(&ingest->progress);
        fprintf(stderr, "%s:%llu: %.*s\n", entry->file, (unsigned long long)entry->line, STR_ARGS(text));
    } else if (before == PROBLEMS_SHOWN_MAX) {
        progress_end(&ingest->progress);
        fprintf(stderr, "and more; --rejects FILE keeps them all\n");
    }
}

static uint64_t problem_count(const Ingest *ingest)
{
    return ingest->counts[OUTCOME_CONFLICT] + ingest->counts[OUTCOME_REJECTED];
}

static Status report_problem(Ingest *ingest, const IngestEntry *entry, Error *reterr)
{
    if (!ingest->rejects) {
        show_problem(ingest, entry, problem_count(ingest));
        return STATUS_OK;
    }
    buf_reset(&ingest->line);
    put_reject(&ingest->line, entry);
    if (ingest->line.failed || fwrite(ingest->line.ptr, 1, ingest->line.len, ingest->rejects) != ingest->line.len) {
        return error_set(reterr, STATUS_BROKEN, "--rejects: cannot be written: %s", strerror(errno));
    }
    return STATUS_OK;
}

static Status count_entry(Ingest *ingest, const IngestEntry *entry, Error *reterr)
{
    Status status = STATUS_OK;
    if (entry->kind == OUTCOME_CONFLICT || entry->kind == OUTCOME_REJECTED) {
        status = report_problem(ingest, entry, reterr);
    }
    ingest->counts[entry->kind]++;
    return status;
}

/* Looks at what became of a batch and makes it empty again. */
static Status finish_batch(Ingest *ingest, IngestBatch *batch, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < batch->count && status == STATUS_OK; i++) {
        status = count_entry(ingest, &batch->entries[i], reterr);
    }
    uint64_t records = 0;
    for (OutcomeKind kind = OUTCOME_CREATED; kind <= OUTCOME_REJECTED; kind++) {
        records += ingest->counts[kind];
    }
    if (batch->count > 0) {
        progress_show(&ingest->progress, "taking in", batch->bytes_read, ingest->bytes_total, records);
    }
    ingest_batch_reset(batch);
    return status;
}

/* ---- Reading ------------------------------------------------------------------------------------------------------- */

static Status next_batch(Ingest *ingest, Error *reterr)
{
    Status status = ingest_pipeline_take(ingest->pipeline, &ingest->batch, reterr);
    return status == STATUS_OK ? finish_batch(ingest, ingest->batch, reterr) : status;
}

static Status commit_batch(Ingest *ingest, uint64_t bytes_read, Error *reterr)
{
    ingest->batch->bytes_read = ingest->bytes_before + bytes_read;
    ingest_pipeline_commit(ingest->pipeline, ingest->batch);
    ingest->batch = NULL;
    return next_batch(ingest, reterr);
}

static Status reject_item(Ingest *ingest, const char *file, const FileItem *item, Error *reterr)
{
    IngestEntry entry = {file, item->line, item->raw, OUTCOME_REJECTED, buf_str(&ingest->errors)};
    return count_entry(ingest, &entry, reterr);
}

/* Adds to the batch, or to the next one when this one is full. */
static Status take_item(Ingest *ingest, FileReader *reader, const char *file, const FileItem *item, Error *reterr)
{
    buf_reset(&ingest->errors);
    if (item->too_long) {
        ingest_put_error(&ingest->errors, "the line is too long");
        return reject_item(ingest, file, item, reterr);
    }
    FileFormat format = file_reader_format(reader);
    Status status = ingest->target->add(ingest->target, ingest->batch, item, format, &ingest->errors);
    if (status == STATUS_BUSY) {
        if ((status = commit_batch(ingest, file_reader_bytes_read(reader), reterr)) != STATUS_OK) {
            return status;
        }
        buf_reset(&ingest->errors);
        status = ingest->target->add(ingest->target, ingest->batch, item, format, &ingest->errors);
    }
    if (status == STATUS_BUSY) {
        ingest_put_error(&ingest->errors, "needs too much memory");
    }
    if (status != STATUS_OK) {
        return reject_item(ingest, file, item, reterr);
    }
    ingest->batch->entries[ingest->batch->count - 1].file = file;
    return STATUS_OK;
}

static Status take_header(Ingest *ingest, const char *file, const FileItem *item, Error *reterr)
{
    char *copy = malloc(item->raw.len + 1); /* which may hold a NUL */
    if (copy) {
        memcpy(copy, item->raw.ptr, item->raw.len);
    }
    Str text = {copy, item->raw.len}, cells[CSV_COLUMNS_MAX];
    size_t count = 0;
    Status status =
        copy ? csv_line_split(&text, true, cells, &count, reterr) : error_set(reterr, STATUS_BUSY, "out of memory");
    if (status == STATUS_OK) {
        status = ingest->target->header(ingest->target, cells, count, reterr);
    }
    free(copy);
    return status == STATUS_OK ? STATUS_OK : error_prefix(reterr, "%s:%llu", file, (unsigned long long)item->line);
}

static Status take_items(Ingest *ingest, FileReader *reader, const char *file, Error *reterr)
{
    Status status;
    for (uint64_t items = 0;; items++) {
        FileItem item;
        bool end;
        if ((status = file_reader_next(reader, &item, &end, reterr)) != STATUS_OK || end) {
            return status;
        }
        bool is_header = items == 0 && file_reader_format(reader) == FILE_FORMAT_CSV;
        status = is_header ? take_header(ingest, file, &item, reterr) : take_item(ingest, reader, file, &item, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

static Status take_file(Ingest *ingest, const char *path, Error *reterr)
{
    FileReader *reader = NULL;
    Status status = file_reader_open(path, ingest->format, ingest->item_bytes_max, &reader, reterr);
    if (status == STATUS_OK) {
        status = take_items(ingest, reader, strcmp(path, "-") == 0 ? "standard input" : path, reterr);
        ingest->bytes_before += file_reader_bytes_read(reader);
    }
    file_reader_close(reader);
    return status;
}

/* What was read before a file turned out to be unreadable is taken in all the same; the message says where it stopped. */
static Status take_files(Ingest *ingest, Error *reterr)
{
    Status status = next_batch(ingest, reterr);
    for (size_t i = 0; i < args_operand_count(ingest->args) && status == STATUS_OK; i++) {
        status = take_file(ingest, args_operand(ingest->args, i), reterr);
    }
    if (ingest->batch) {
        ingest->batch->bytes_read = ingest->bytes_before;
        ingest_pipeline_commit(ingest->pipeline, ingest->batch);
        ingest->batch = NULL;
    }
    Error error;
    for (IngestBatch *batch; (batch = ingest_pipeline_drain(ingest->pipeline));) {
        if (finish_batch(ingest, batch, &error) != STATUS_OK && status == STATUS_OK) {
            status = error_set(reterr, error.status, "%s", error.message);
        }
    }
    return status == STATUS_OK ? ingest_pipeline_status(ingest->pipeline, reterr) : status;
}

/* ---- The summary --------------------------------------------------------------------------------------------------- */

static uint64_t total(const Ingest *ingest)
{
    uint64_t records = 0;
    for (OutcomeKind kind = OUTCOME_CREATED; kind <= OUTCOME_REJECTED; kind++) {
        records += ingest->counts[kind];
    }
    return records;
}

static void put_json_summary(Buf *buf, const Ingest *ingest, double seconds, const Error *error)
{
    static const char *const names[] = {NULL, "created", "duplicates", "conflicts", "rejected"};
    buf_printf(buf, "{\"received\":%llu", (unsigned long long)total(ingest));
    for (OutcomeKind kind = OUTCOME_CREATED; kind <= OUTCOME_REJECTED; kind++) {
        buf_printf(buf, ",\"%s\":%llu", names[kind], (unsigned long long)ingest->counts[kind]);
    }
    buf_printf(buf, ",\"seconds\":%.3f", seconds);
    if (error) {
        BUF_PUT(buf, ",\"error\":");
        buf_put_json(buf, str_from(error->message));
    }
    BUF_PUT(buf, "}\n");
}

static void put_count(Buf *buf, const char *before, uint64_t count, const char *what)
{
    char text[COUNT_BYTES_MAX];
    buf_printf(buf, "%s%s %s", before, count_format(count, text), what);
}

static void put_text_summary(Buf *buf, const Ingest *ingest, double seconds)
{
    char text[COUNT_BYTES_MAX];
    put_count(buf, "", total(ingest), "records");
    buf_printf(buf, " in %.2f s (%s/s)", seconds, count_format((uint64_t)((double)total(ingest) / seconds), text));
    put_count(buf, ": ", ingest->counts[OUTCOME_CREATED],
              args_has(ingest->args, "dry-run") ? "would be created" : "created");
    put_count(buf, ", ", ingest->counts[OUTCOME_DUPLICATE], "duplicates");
    put_count(buf, ", ", ingest->counts[OUTCOME_CONFLICT], "conflicts");
    put_count(buf, ", ", ingest->counts[OUTCOME_REJECTED], "rejected");
    buf_put_char(buf, '\n');
}

static int print_summary(const Ingest *ingest, const Error *error)
{
    double seconds = (double)(clock_monotonic_us(&clock_system) - ingest->started_us) / (double)SECOND_US;
    Buf text;
    buf_init(&text, 1 << 16);
    if (args_has(ingest->args, "json")) {
        put_json_summary(&text, ingest, seconds, error);
    } else {
        put_text_summary(&text, ingest, seconds > 0 ? seconds : 1e-6);
    }
    int code = command_print(ingest->args, buf_str(&text));
    buf_release(&text);
    return code;
}

/* ---- Setting up ---------------------------------------------------------------------------------------------------- */

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
        if (strcmp(path, "-") != 0 && access(path, R_OK) != 0) {
            return error_set(reterr, STATUS_REFUSED, "%s cannot be read: %s", path, strerror(errno));
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
    ingest->started_us = clock_monotonic_us(&clock_system);
    if ((status = ingest_pipeline_start(ingest->target, &ingest->pipeline, &error)) == STATUS_OK) {
        status = take_files(ingest, &error);
    }
    ingest_pipeline_stop(ingest->pipeline);
    progress_end(&ingest->progress);
    if (close_rejects(ingest, &closing) != STATUS_OK && status == STATUS_OK) {
        status = error_set(&error, closing.status, "%s", closing.message);
    }
    int code = print_summary(ingest, status == STATUS_OK ? NULL : &error);
    if (status != STATUS_OK) {
        return command_fail(ingest->args, EXIT_FAILED, &error);
    }
    return code == EXIT_OK && problem_count(ingest) > 0 ? EXIT_PROBLEMS : code;
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
        args_integer(args, "wait", 0, 86400, 60, &wait_seconds, &error) != STATUS_OK) {
        return command_usage(args, "%s", error.message);
    }
    ingest.bytes_total = measure_files(args);
    buf_init(&ingest.errors, ERRORS_BYTES_MAX);
    buf_init(&ingest.line, ERRORS_BYTES_MAX + 6 * RAW_SHOWN_BYTES_MAX + 8192);
    progress_begin(&ingest.progress);
    int code = args_has(args, "to") ? run_to_server(&ingest, wait_seconds * SECOND_US)
                                    : run_into_store(&ingest, config, wait_seconds * SECOND_US);
    buf_release(&ingest.errors);
    buf_release(&ingest.line);
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
    {"rejects", "FILE", "write what was not taken in there, as NDJSON: file, line, errors, raw", NULL, NULL},
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
    .description = "Reads NDJSON, JSON (an array, or one object after another) and CSV with a header; - is standard "
                   "input. With --to, records "
                   "go to a running server, in requests that are sent again when it was away. With --data, or neither, "
                   "they go straight into a "
                   "store that no server holds.\n\n"
                   "A record that cannot be taken in does not stop the others. To send a file again is safe: what is "
                   "there already counts as a "
                   "duplicate. So is to interrupt the command and start it anew.",
    .example = "weir ingest orders.ndjson --to http://127.0.0.1:8080\n"
               "weir ingest 2024/*.csv --data ./weir-data --rejects rejects.ndjson\n"
               "gunzip -c orders.json.gz | weir ingest - --format json --data ./weir-data\n",
    .exits = "0 everything was taken in, or was there already\n"
             "1 some records were rejected, or conflict with what is stored\n"
             "2 flags, the configuration, or the store's directory are wrong\n"
             "3 it stopped before the end: the message says where, the summary what was taken in\n",
    .flags = (const Flag *const[]){flags_server, flags_data, flags_ingest, flags_json, flags_config, NULL},
    .run = run,
};

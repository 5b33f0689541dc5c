#include <errno.h>
#include <stdarg.h>

#include "cli/client.h"
#include "cli/ingest_run.h"

enum { PROBLEMS_SHOWN_MAX = 10, SECOND_US = 1000000 };

/* {"file":…,"line":…,"errors":{…},"raw":"…"} */
static void put_reject(Buf *buf, const IngestEntry *entry)
{
    Str raw = entry->raw;
    buf_put_char(buf, '{');
    buf_put_key(buf, "file");
    buf_put_json(buf, str_from(entry->file->name));
    buf_put_key(buf, "line");
    buf_put_u64(buf, entry->line);
    buf_put_key(buf, "errors");
    buf_put(buf, entry->errors);
    buf_put_key(buf, "raw");
    raw.len = raw.len > INGEST_RAW_SHOWN_BYTES_MAX ? INGEST_RAW_SHOWN_BYTES_MAX : raw.len;
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
        fprintf(stderr, "%s:%llu: %.*s\n", entry->file->name, (unsigned long long)entry->line, STR_ARGS(text));
    } else if (before == PROBLEMS_SHOWN_MAX) {
        progress_end(&ingest->progress);
        fprintf(stderr, "and more; --rejects FILE keeps them all\n");
    }
}

uint64_t ingest_problem_count(const Ingest *ingest)
{
    return ingest->counts[OUTCOME_CONFLICT] + ingest->counts[OUTCOME_REJECTED];
}

static Status report_problem(Ingest *ingest, const IngestEntry *entry, Error *reterr)
{
    if (!ingest->rejects) {
        show_problem(ingest, entry, ingest_problem_count(ingest));
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

static uint64_t total(const Ingest *ingest)
{
    uint64_t records = 0;
    for (OutcomeKind kind = OUTCOME_CREATED; kind <= OUTCOME_REJECTED; kind++) {
        records += ingest->counts[kind];
    }
    return records;
}

/* What was not committed is not counted: it comes again. */
Status ingest_report_batch(Ingest *ingest, const IngestBatch *batch, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < batch->refused_count && batch->committed && status == STATUS_OK; i++) {
        status = count_entry(ingest, &batch->refused[i], reterr);
    }
    for (size_t i = 0; i < batch->count && batch->committed && status == STATUS_OK; i++) {
        status = count_entry(ingest, &batch->entries[i], reterr);
    }
    if (batch->committed) {
        progress_show(&ingest->progress, "taking in", batch->bytes_read, ingest->bytes_total, total(ingest));
    }
    return status;
}

void ingest_say(Ingest *ingest, const char *format, ...)
{
    va_list args;
    progress_end(&ingest->progress);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* ---- The summary ------------------------------------------------------------------------------------------------- */

static void put_json_summary(Buf *buf, const Ingest *ingest, double seconds, const Error *error)
{
    static const char *const names[] = {NULL, "created", "duplicates", "conflicts", "rejected"};
    buf_printf(buf, "{\"received\":%llu", (unsigned long long)total(ingest));
    for (OutcomeKind kind = OUTCOME_CREATED; kind <= OUTCOME_REJECTED; kind++) {
        buf_printf(buf, ",\"%s\":%llu", names[kind], (unsigned long long)ingest->counts[kind]);
    }
    buf_printf(buf, ",\"before\":%llu,\"seconds\":%.3f", (unsigned long long)ingest->before, seconds);
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
    if (ingest->before > 0) {
        put_count(buf, "; ", ingest->before, "were taken in before");
    }
    buf_put_char(buf, '\n');
}

int ingest_print_summary(const Ingest *ingest, const Error *error)
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

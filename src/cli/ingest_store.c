/* `weir ingest` into a store that no other process holds. */
#include <unistd.h>

#include "cli/ingest_batch.h"

enum { RETRY_US = 500000, ERRORS_BYTES_MAX = 16384 };

typedef struct StoreTarget {
    IngestTarget base;
    Engine *engine;
    CsvHeader header;
    IngestStoreOptions options;
} StoreTarget;

static Status take_header(IngestTarget *base, const Str *names, size_t count, Error *reterr)
{
    StoreTarget *target = (StoreTarget *)base;
    return csv_header_parse(names, count, &target->engine->policy, &target->header, reterr);
}

/* A copy that parsing may change, padded as it asks. */
static Str copy_to_parse(IngestBatch *batch, Str raw)
{
    char *text = arena_alloc(&batch->arena, raw.len + YYJSON_PADDING_SIZE);
    if (!text) {
        return (Str){0};
    }
    memcpy(text, raw.ptr, raw.len);
    memset(text + raw.len, 0, YYJSON_PADDING_SIZE);
    return (Str){text, raw.len};
}

static Status parse_csv(StoreTarget *target, Str text, Record *record, RecordProblems *problems, Buf *errors)
{
    Str cells[CSV_COLUMNS_MAX];
    size_t count;
    Error error;
    if (csv_line_split(&text, true, cells, &count, &error) != STATUS_OK) {
        ingest_put_error(errors, error.message);
        return STATUS_REFUSED;
    }
    Status status = record_from_csv(cells, count, &target->header, &target->engine->policy, record, problems);
    if (status != STATUS_OK) {
        record_problems_put_json(errors, problems);
    }
    return status;
}

static Status parse_json(StoreTarget *target, IngestBatch *batch, Str text, Record *record, RecordProblems *problems,
                         Buf *errors)
{
    Status status =
        record_parse_line((char *)text.ptr, text.len, &target->engine->policy, &batch->arena, record, problems);
    if (status == STATUS_REFUSED) {
        record_problems_put_json(errors, problems);
    }
    return status;
}

static Status add(IngestTarget *base, IngestBatch *batch, const FileItem *item, FileFormat format, Buf *errors)
{
    StoreTarget *target = (StoreTarget *)base;
    RecordProblems problems;
    Record *record = &batch->records[batch->count];
    Str text = {0};
    if (!ingest_batch_begin_entry(batch, item) || !(text = copy_to_parse(batch, item->raw)).ptr) {
        return STATUS_BUSY;
    }
    Status status = format == FILE_FORMAT_CSV ? parse_csv(target, text, record, &problems, errors)
                                              : parse_json(target, batch, text, record, &problems, errors);
    batch->count += status == STATUS_OK;
    return status;
}

/* What became of each, in the words of the report. */
static Status fill_entries(const StoreTarget *target, IngestBatch *batch, Error *reterr)
{
    Buf errors;
    buf_init(&errors, ERRORS_BYTES_MAX);
    Status status = STATUS_OK;
    for (size_t i = 0; i < batch->count && status == STATUS_OK; i++) {
        IngestEntry *entry = &batch->entries[i];
        bool is_first = batch->outcomes[i].kind == OUTCOME_CONFLICT && target->options.first_wins;
        entry->kind = is_first ? OUTCOME_DUPLICATE : batch->outcomes[i].kind;
        if (entry->kind != OUTCOME_CONFLICT && entry->kind != OUTCOME_REJECTED) {
            continue;
        }
        buf_reset(&errors);
        if (entry->kind == OUTCOME_CONFLICT) {
            ingest_put_differs(&errors, batch->outcomes[i].differs);
        } else {
            ingest_put_error(&errors, "a total of its flow would be too large");
        }
        entry->errors = arena_copy(&batch->arena, buf_str(&errors));
        status = entry->errors.ptr ? STATUS_OK : error_set(reterr, STATUS_BUSY, "out of memory");
    }
    buf_release(&errors);
    return status;
}

static Status submit(StoreTarget *target, IngestBatch *batch, Error *reterr)
{
    Submission submission = {.bytes = batch->arena.taken + 1};
    submission.work.kind = WORK_RECORDS;
    submission.work.records.items = batch->records;
    submission.work.records.outcomes = batch->outcomes;
    submission.work.records.count = batch->count;
    submission.work.records.dry_run = target->options.dry_run;
    Status status = engine_submit_wait(target->engine, &submission, reterr);
    return status == STATUS_OK && submission.work.status != STATUS_OK
               ? error_set(reterr, submission.work.status, "%s", submission.work.error.message)
               : status;
}

/* A full disk may get room while we wait. Nothing has happened until then, or what has counts once all the same. */
static bool may_try_again(Status status) { return status == STATUS_BUSY || status == STATUS_UNKNOWN; }

static Status commit(IngestTarget *base, IngestBatch *batch, Error *reterr)
{
    StoreTarget *target = (StoreTarget *)base;
    int64_t since = clock_monotonic_us(&clock_system);
    Status status;
    while (may_try_again(status = submit(target, batch, reterr)) &&
           clock_monotonic_us(&clock_system) - since < target->options.wait_us) {
        usleep(RETRY_US);
    }
    return status == STATUS_OK ? fill_entries(target, batch, reterr) : status;
}

static void close_target(IngestTarget *base) { free(base); }

Status ingest_store_open(Engine *engine, const IngestStoreOptions *options, IngestTarget **ret_target, Error *reterr)
{
    StoreTarget *target = calloc(1, sizeof *target);
    if (!target) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    *target = (StoreTarget){
        .base = {.add = add, .commit = commit, .header = take_header, .close = close_target},
        .engine = engine,
        .options = *options,
    };
    *ret_target = &target->base;
    return STATUS_OK;
}

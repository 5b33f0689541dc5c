/* `weir ingest` into a store that no other process holds. */
#include <unistd.h>

#include "cli/client.h"
#include "cli/ingest_batch.h"
#include "cli/ingest_places.h"

enum { RETRY_US = 500000, ERRORS_BYTES_MAX = 16384, WHY_BYTES_MAX = 4096 };

typedef struct StoreTarget {
    IngestTarget base;
    Engine *engine;
    CsvHeader header;
    IngestStoreOptions options;
    IngestPlaces places;
} StoreTarget;

static bool find_place(IngestTarget *base, Str path, FileMark *ret_mark)
{
    return ingest_places_find(&((StoreTarget *)base)->places, path, ret_mark);
}

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
static void fill_entries(const StoreTarget *target, IngestBatch *batch)
{
    Buf errors;
    buf_init(&errors, ERRORS_BYTES_MAX);
    for (size_t i = 0; i < batch->count; i++) {
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
        Str copy = arena_copy(&batch->arena, buf_str(&errors));
        entry->errors = copy.ptr ? copy : STR("{}"); /* it is stored, whatever can be said of it */
    }
    buf_release(&errors);
}

/* ---- Dead letters ------------------------------------------------------------------------------------------------ */

/* A CSV line says nothing without its header. One that is so long that there is no room for both goes alone. */
static Str put_header_before(IngestBatch *batch, Str header, Str raw)
{
    char *text = arena_alloc(&batch->arena, header.len + 1 + raw.len);
    if (!text) {
        return raw;
    }
    memcpy(text, header.ptr, header.len);
    text[header.len] = '\n';
    memcpy(text + header.len + 1, raw.ptr, raw.len);
    return (Str){text, header.len + 1 + raw.len};
}

static bool fill_letter(IngestBatch *batch, const IngestEntry *entry, Str why, IntakeLetter *ret_letter)
{
    const IngestFile *file = entry->file;
    bool is_csv = file->format == FILE_FORMAT_CSV;
    Str path = file->path.len ? file->path : str_from(file->name);
    const char *place = arena_printf(&batch->arena, "%.*s:%llu", STR_ARGS(path), (unsigned long long)entry->line);
    *ret_letter = (IntakeLetter){
        .place = str_from(place),
        .format = is_csv ? STR("csv") : STR("json"),
        .raw = is_csv ? put_header_before(batch, file->header, entry->raw) : entry->raw,
        .error = why,
    };
    return place;
}

/* Why it is no record, as a sentence. Empty without memory. */
static Str describe(IngestBatch *batch, const IngestEntry *entry)
{
    Buf text;
    buf_init(&text, WHY_BYTES_MAX);
    client_put_field_errors(&text, entry->errors);
    Str copy = arena_copy(&batch->arena, text.len ? buf_str(&text) : STR("is no record"));
    copy = text.no_memory ? (Str){0} : copy;
    buf_release(&text);
    return copy;
}

static Status fill_letters(IngestBatch *batch, IntakeChange *intake, Error *reterr)
{
    bool ok = true;
    for (size_t i = 0; i < batch->count && ok; i++) {
        ok = fill_letter(batch, &batch->entries[i], STR(""), &batch->letters[i]);
    }
    for (size_t i = 0; i < batch->refused_count && ok; i++) {
        Str why = describe(batch, &batch->refused[i]);
        ok = why.ptr && fill_letter(batch, &batch->refused[i], why, &batch->letters[batch->count + i]);
    }
    intake->letters = batch->letters;
    intake->refused = batch->letters + batch->count;
    intake->refused_count = batch->refused_count;
    return ok ? STATUS_OK : error_set(reterr, STATUS_BROKEN, "no memory for what goes with the records");
}

/* ---- Committing -------------------------------------------------------------------------------------------------- */

/* The store has no room for dead letters. Nobody else can make some meanwhile: it is ours alone. */
static Status refuse_letters(const Submission *submission, Error *reterr)
{
    return error_set(reterr, STATUS_REFUSED, "%s", submission->work.error.message);
}

static Status submit(StoreTarget *target, IngestBatch *batch, IntakeChange *intake, Error *reterr)
{
    Submission submission = {.bytes = batch->arena.taken + 1};
    submission.work.kind = WORK_RECORDS;
    submission.work.records.items = batch->records;
    submission.work.records.outcomes = batch->outcomes;
    submission.work.records.count = batch->count;
    submission.work.records.dry_run = target->options.dry_run;
    submission.work.records.intake = target->options.dry_run ? NULL : intake;
    Status status = engine_submit_wait(target->engine, &submission, reterr);
    return status == STATUS_OK && submission.work.status != STATUS_OK ? refuse_letters(&submission, reterr) : status;
}

/* A full disk may get room while we wait. Nothing has happened until then, or what has counts once all the same. */
static bool may_try_again(Status status) { return status == STATUS_BUSY || status == STATUS_UNKNOWN; }

static Status commit(IngestTarget *base, IngestBatch *batch, Error *reterr)
{
    StoreTarget *target = (StoreTarget *)base;
    int64_t since = clock_monotonic_us(&clock_system);
    IntakeChange intake = {.source = INGEST_SOURCE,
                           .places = batch->places,
                           .place_count = batch->place_count,
                           .first_wins = target->options.first_wins};
    if (batch->count + batch->refused_count + batch->place_count == 0) {
        return STATUS_OK;
    }
    Status status = target->options.dry_run ? STATUS_OK : fill_letters(batch, &intake, reterr);
    while (status == STATUS_OK && may_try_again(status = submit(target, batch, &intake, reterr)) &&
           clock_monotonic_us(&clock_system) - since < target->options.wait_us) {
        status = STATUS_OK;
        usleep(RETRY_US);
    }
    if (status == STATUS_OK) {
        fill_entries(target, batch);
    }
    return status;
}

static void close_target(IngestTarget *base)
{
    ingest_places_release(&((StoreTarget *)base)->places);
    free(base);
}

Status ingest_store_open(Engine *engine, const IngestStoreOptions *options, IngestTarget **ret_target, Error *reterr)
{
    StoreTarget *target = calloc(1, sizeof *target);
    if (!target) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    *target = (StoreTarget){
        .base = {.add = add, .commit = commit, .header = take_header, .find_place = find_place, .close = close_target},
        .engine = engine,
        .options = *options,
    };
    Status status = options->dry_run ? STATUS_OK : ingest_places_read(&target->places, engine->store, reterr);
    if (status == STATUS_OK) {
        status = ingest_places_prune(&target->places, engine, reterr);
    }
    if (status != STATUS_OK) {
        close_target(&target->base);
        return status;
    }
    *ret_target = &target->base;
    return STATUS_OK;
}

/* `weir ingest --to URL`: batches go out as NDJSON, one request each. */
#include <unistd.h>

#include "cli/client.h"
#include "cli/ingest_batch.h"

enum {
    /* The server lists so many problems in one answer; with no more records than that in a request, none stays
     * unknown. */
    REQUEST_RECORDS_MAX = 10000,
    ANSWER_BYTES_MAX = 64 << 20,
    RETRY_US_MIN = 200000,
    RETRY_US_MAX = 5000000,
    SILENCE_SECONDS_MAX = 60,
};

typedef struct ServerTarget {
    IngestTarget base;
    Client *client; /* the committing thread's */
    Buf answer;
    CsvHeader header; /* the reading thread's */
    int64_t wait_us;
    bool dry_run;
} ServerTarget;

/* ---- Out: one line of NDJSON a record ---------------------------------------------------------------------------- */

static Status take_header(IngestTarget *base, const Str *names, size_t count, Error *reterr)
{
    ServerTarget *target = (ServerTarget *)base;
    return csv_header_parse(names, count, &(RecordPolicy){0}, &target->header, reterr);
}

/* The server says what is wrong with a value; only the shape of the line is ours to check. */
static Status put_csv(ServerTarget *target, IngestBatch *batch, Str raw, Buf *errors)
{
    Str text = arena_copy(&batch->arena, raw), cells[CSV_COLUMNS_MAX];
    size_t count = 0;
    Error error;
    if (!text.ptr) {
        return STATUS_BUSY;
    }
    if (csv_line_split(&text, true, cells, &count, &error) != STATUS_OK) {
        ingest_put_error(errors, error.message);
        return STATUS_REFUSED;
    }
    if (count != target->header.columns) {
        ingest_put_error(errors, "has not as many cells as the header");
        return STATUS_REFUSED;
    }
    buf_put_char(&batch->body, '{');
    for (size_t bit = 0; bit < RECORD_FIELD_COUNT; bit++) {
        Str cell = cells[target->header.column_of[bit]];
        if (cell.len > 0) { /* an empty cell is a missing field */
            buf_put_key(&batch->body, record_field_names[bit]);
            buf_put_json(&batch->body, cell);
        }
    }
    buf_put_char(&batch->body, '}');
    return STATUS_OK;
}

/* Line breaks between tokens become spaces; inside a string they are wrong, and would seem right as spaces. */
static Status put_json(IngestBatch *batch, Str raw, Buf *errors)
{
    char *at = buf_reserve(&batch->body, raw.len);
    bool in_string = false, escaped = false;
    for (size_t i = 0; at && i < raw.len; i++) {
        char c = raw.ptr[i];
        bool is_break = c == '\n' || c == '\r';
        if (is_break && in_string) {
            ingest_put_error(errors, "there is a line break inside a string");
            return STATUS_REFUSED;
        }
        in_string ^= c == '"' && !escaped;
        escaped = in_string && c == '\\' && !escaped;
        at[i] = is_break ? ' ' : c;
    }
    batch->body.len += at ? raw.len : 0;
    return STATUS_OK;
}

static Status add(IngestTarget *base, IngestBatch *batch, const FileItem *item, FileFormat format, Buf *errors)
{
    ServerTarget *target = (ServerTarget *)base;
    size_t before = batch->body.len;
    if (batch->count == REQUEST_RECORDS_MAX || !ingest_batch_begin_entry(batch, item)) {
        return STATUS_BUSY;
    }
    Status status =
        format == FILE_FORMAT_CSV ? put_csv(target, batch, item->raw, errors) : put_json(batch, item->raw, errors);
    buf_put_char(&batch->body, '\n');
    status = status == STATUS_OK && batch->body.failed ? STATUS_BUSY : status;
    if (status == STATUS_OK) {
        batch->count++;
    } else {
        batch->body.len = before;
        batch->body.failed = false;
    }
    return status;
}

/* ---- Back: what became of each ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    OutcomeKind kind;
} kinds[] = {{"created", OUTCOME_CREATED},
             {"duplicate", OUTCOME_DUPLICATE},
             {"conflict", OUTCOME_CONFLICT},
             {"rejected", OUTCOME_REJECTED}};

static OutcomeKind read_kind(yyjson_val *result)
{
    const char *name = yyjson_get_str(yyjson_obj_get(result, "status"));
    for (size_t i = 0; name && i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(name, kinds[i].name) == 0) {
            return kinds[i].kind;
        }
    }
    return OUTCOME_NONE;
}

static uint32_t read_differs(yyjson_val *names)
{
    size_t index, count;
    yyjson_val *name;
    uint32_t differs = 0;
    yyjson_arr_foreach(names, index, count, name)
    {
        for (unsigned bit = 0; bit < RECORD_FIELD_COUNT; bit++) {
            differs |= yyjson_equals_str(name, record_field_names[bit]) ? 1u << bit : 0;
        }
    }
    return differs;
}

static Str copy_errors(IngestBatch *batch, yyjson_val *result, OutcomeKind kind)
{
    if (kind == OUTCOME_CONFLICT) {
        Buf text;
        buf_init(&text, 4096);
        ingest_put_differs(&text, read_differs(yyjson_obj_get(result, "differs")));
        Str copy = arena_copy(&batch->arena, buf_str(&text));
        buf_release(&text);
        return copy;
    }
    yyjson_val *errors = yyjson_obj_get(result, "errors");
    size_t len = 0;
    char *text = yyjson_val_write(errors, 0, &len);
    Str copy = arena_copy(&batch->arena, text ? (Str){text, len} : STR("{}"));
    free(text);
    return copy;
}

/* Each that is not listed is taken for created. */
static Status read_results(IngestBatch *batch, yyjson_val *results, Error *reterr)
{
    size_t at, count;
    yyjson_val *result;
    for (size_t i = 0; i < batch->count; i++) {
        batch->entries[i].kind = OUTCOME_CREATED;
    }
    yyjson_arr_foreach(results, at, count, result)
    {
        uint64_t index = yyjson_get_uint(yyjson_obj_get(result, "index"));
        OutcomeKind kind = read_kind(result);
        if (index >= batch->count || kind == OUTCOME_NONE) {
            return error_set(reterr, STATUS_BROKEN, "the server's answer names a record that was not sent");
        }
        IngestEntry *entry = &batch->entries[index];
        entry->kind = kind;
        if (kind == OUTCOME_CONFLICT || kind == OUTCOME_REJECTED) {
            entry->errors = copy_errors(batch, result, kind);
        }
    }
    return STATUS_OK;
}

/* While a server is short of memory it counts what it does not list. */
static bool is_listed(const IngestBatch *batch, yyjson_val *data)
{
    static const char *const counts[] = {"created", "duplicates", "conflicts", "rejected"};
    bool same = true;
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        uint64_t count = 0;
        for (size_t i = 0; i < batch->count; i++) {
            count += batch->entries[i].kind == kinds[kind].kind;
        }
        same = same && yyjson_get_uint(yyjson_obj_get(data, counts[kind])) == count;
    }
    return same;
}

/* The server says what has become of all it received; anything less is not an answer to rely on. BUSY: what has become
 * of some cannot be told; sent again, they have what they have. */
static Status read_answer(ServerTarget *target, IngestBatch *batch, Error *reterr)
{
    yyjson_doc *document = yyjson_read(target->answer.ptr ? target->answer.ptr : "", target->answer.len, 0);
    yyjson_val *data = yyjson_obj_get(yyjson_doc_get_root(document), "data");
    Status status = STATUS_OK;
    if (!data || yyjson_get_uint(yyjson_obj_get(data, "received")) != batch->count) {
        status =
            error_set(reterr, STATUS_BROKEN, "the server's answer is not Weir's: it does not account for every record");
    }
    if (status == STATUS_OK) {
        status = read_results(batch, yyjson_obj_get(data, "results"), reterr);
    }
    if (status == STATUS_OK && !is_listed(batch, data)) {
        status = error_set(reterr, STATUS_BUSY, "the server has no memory to say what has become of each record");
    }
    yyjson_doc_free(document);
    return status;
}

static bool take_piece(void *context, Str piece)
{
    ServerTarget *target = context;
    buf_put(&target->answer, piece);
    return !target->answer.failed;
}

static Status send_once(ServerTarget *target, IngestBatch *batch, Error *reterr)
{
    QueryParam params[] = {{STR("results"), STR("problems")}, {STR("dryRun"), STR("true")}};
    ClientCall call = {
        .path = "/api/records",
        .params = params,
        .param_count = target->dry_run ? 2 : 1,
        .content_type = "application/x-ndjson",
        .body = buf_str(&batch->body),
        .sink = take_piece,
        .context = target,
        .seconds_max = SILENCE_SECONDS_MAX,
    };
    buf_reset(&target->answer);
    return client_call(target->client, &call, reterr);
}

/* A request that was lost midway may have been taken in; sending it again then makes duplicates of what is there. */
static Status commit(IngestTarget *base, IngestBatch *batch, Error *reterr)
{
    ServerTarget *target = (ServerTarget *)base;
    int64_t since = clock_monotonic_us(&clock_system), pause = RETRY_US_MIN;
    if (batch->count == 0) {
        return STATUS_OK;
    }
    for (;;) {
        Status status = send_once(target, batch, reterr);
        status = status == STATUS_OK ? read_answer(target, batch, reterr) : status;
        bool again = status == STATUS_BUSY || status == STATUS_UNKNOWN;
        if (!again || clock_monotonic_us(&clock_system) - since >= target->wait_us) {
            return status;
        }
        int64_t asked = client_retry_after_us(target->client);
        asked = asked > RETRY_US_MAX ? RETRY_US_MAX : asked;
        usleep((useconds_t)(asked > pause ? asked : pause));
        pause = pause * 2 > RETRY_US_MAX ? RETRY_US_MAX : pause * 2;
    }
}

/* What is sent again counts as a duplicate there. */
static bool find_place(IngestTarget *base, Str path, FileMark *ret_mark)
{
    (void)base;
    (void)path;
    (void)ret_mark;
    return false;
}

static void close_target(IngestTarget *base)
{
    ServerTarget *target = (ServerTarget *)base;
    client_close(target->client);
    buf_release(&target->answer);
    free(target);
}

Status ingest_server_open(const char *url, bool dry_run, int64_t wait_us, IngestTarget **ret_target, Error *reterr)
{
    ServerTarget *target = calloc(1, sizeof *target);
    if (!target) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    *target = (ServerTarget){
        .base = {.add = add, .commit = commit, .header = take_header, .find_place = find_place, .close = close_target},
        .wait_us = wait_us,
        .dry_run = dry_run,
    };
    buf_init(&target->answer, ANSWER_BYTES_MAX);
    Status status = client_open(url, &target->client, reterr);
    if (status != STATUS_OK) {
        close_target(&target->base);
        return status;
    }
    *ret_target = &target->base;
    return STATUS_OK;
}

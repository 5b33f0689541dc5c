#include "query/reprocess.h"

#include "query/corrections.h"
#include "query/request.h"
#include "record/event.h"
#include "record/record_check.h"

enum {
    PAGE_EVENTS = 256,
    PAGE_ENTRIES = 1024, /* corrections among them */
    PAGE_BYTES = 1 << 20,
    CALL_EVENTS = 20000, /* then the next call goes on */
    KEPT_BYTES_MAX = 16 << 20,
    SCRATCH_BYTES_MAX = 256 << 20,
    TOLD_BYTES_MAX = 16 << 20,
    TOLD_BYTES_ENOUGH = 4 << 20,
};

typedef struct PageEvent {
    int64_t seq;
    Str raw; /* with room for YYJSON_PADDING_SIZE behind it */
    Str mapping;
} PageEvent;

typedef struct ReprocessQuery {
    Query base;
    Request request;
    Str mapping;
    int64_t at, through; /* what is up to `at` is done */
    size_t limit;
    int64_t walked, looked, same, changed, unreadable;
    bool begun, all;
    Arena scratch, kept;
    PageEvent page[PAGE_EVENTS];
    size_t page_count, page_entries, page_bytes;
    int64_t page_last;
    Status page_status;
    Record *records; /* two for each that has changed */
    EventItem *items;
    Buf changes, refusals;
} ReprocessQuery;

/* One event, and what is in force of it. */
typedef struct Looking {
    ReprocessQuery *query;
    StoreReader *reader;
    const PageEvent *event;
    int64_t rounds, seq; /* corrections so far, and the record in force */
    Record record;       /* that record; in scratch */
    Str mapping;         /* by which it was read; likewise */
    Str hash_hex;        /* of the event itself */
    Status status;
    Error *reterr;
} Looking;

static Status starved(Error *reterr) { return error_set(reterr, STATUS_BUSY, "no memory to read an event again"); }

/* ---- A page of events ------------------------------------------------------------------------------------------------ */

static bool keep_event(ReprocessQuery *query, const StoredEvent *event)
{
    PageEvent *kept = &query->page[query->page_count];
    char *raw = arena_alloc_zero(&query->scratch, event->raw.len + YYJSON_PADDING_SIZE);
    *kept = (PageEvent){event->seq, {raw, event->raw.len}, arena_copy(&query->scratch, event->mapping)};
    if (!raw || !kept->mapping.ptr) {
        return false;
    }
    memcpy(raw, event->raw.len ? event->raw.ptr : "", event->raw.len);
    query->page_bytes += event->raw.len;
    query->page_count++;
    return true;
}

static bool take_event(void *context, const StoredEvent *event)
{
    ReprocessQuery *query = context;
    if (event->corrects == 0 && !keep_event(query, event)) {
        query->page_status = STATUS_BUSY;
        return false;
    }
    query->page_last = event->seq;
    query->page_entries++;
    return query->page_count < PAGE_EVENTS && query->page_entries < PAGE_ENTRIES && query->page_bytes < PAGE_BYTES;
}

/* *ret_last: there are none behind. */
static Status read_page(ReprocessQuery *query, StoreReader *reader, bool *ret_last, Error *reterr)
{
    arena_reset(&query->scratch);
    query->page_count = query->page_entries = query->page_bytes = 0;
    query->page_last = query->at;
    query->page_status = STATUS_OK;
    Status status = reader_events(reader, query->at, query->through, take_event, query, reterr);
    *ret_last = query->page_count < PAGE_EVENTS && query->page_entries < PAGE_ENTRIES && query->page_bytes < PAGE_BYTES;
    return status == STATUS_OK && query->page_status != STATUS_OK ? starved(reterr) : status;
}

/* ---- What is in force -------------------------------------------------------------------------------------------------- */

static Status find_in_force(Looking *looking)
{
    CorrectionRound round;
    Status status;
    looking->seq = looking->event->seq;
    looking->rounds = 0;
    while ((status = corrections_of(looking->reader, looking->seq, &round, looking->reterr)) == STATUS_OK &&
           round.replacement) {
        looking->seq = round.replacement;
        looking->rounds++;
    }
    return status;
}

static bool copy_record(Arena *arena, const Record *record, Record *ret_copy)
{
    *ret_copy = *record;
    Str *texts[] = {&ret_copy->record_id, &ret_copy->source_id, &ret_copy->destination_id, &ret_copy->unit,
                    &ret_copy->reference};
    ret_copy->traceparent = (Str){NULL, 0};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = arena_copy(arena, *texts[i]);
        if (!texts[i]->ptr) {
            return false;
        }
    }
    return true;
}

static bool take_record(void *context, const StoredRecord *stored)
{
    Looking *looking = context;
    uint64_t number;
    bool copied = copy_record(&looking->query->scratch, &stored->record, &looking->record);
    looking->status = copied ? STATUS_OK : starved(looking->reterr);
    if (copied && !record_is_event(&looking->record, &looking->hash_hex, &number)) {
        looking->status = error_set(looking->reterr, STATUS_BROKEN, "record %lld is none that an event became",
                                    (long long)stored->seq);
    }
    return true;
}

static bool take_mapping(void *context, const StoredEvent *event)
{
    Looking *looking = context;
    looking->mapping = arena_copy(&looking->query->scratch, event->mapping);
    looking->status = looking->mapping.ptr ? STATUS_OK : starved(looking->reterr);
    return true;
}

static Status read_in_force(Looking *looking)
{
    Status status = find_in_force(looking);
    if (status == STATUS_OK) {
        status = reader_get(looking->reader, looking->seq, take_record, looking, looking->reterr);
    }
    looking->mapping = looking->event->mapping;
    if (status == STATUS_OK && looking->status == STATUS_OK && looking->rounds) {
        status = reader_event(looking->reader, looking->seq, take_mapping, looking, looking->reterr);
    }
    return status == STATUS_OK ? looking->status : status;
}

static bool is_wanted(const Looking *looking)
{
    const ReprocessQuery *query = looking->query;
    return filter_matches(&query->request.filter, &looking->record) &&
           (query->mapping.len == 0 || str_equal(query->mapping, looking->mapping));
}

/* ---- What it would be ---------------------------------------------------------------------------------------------------- */

static Str choose_mapping(const Looking *looking, yyjson_val *value)
{
    const QueryOptions *options = &looking->query->base.options;
    const Mapping *used = mapping_find(options->mappings, looking->mapping);
    bool has_own = used && event_mapping_of_client(value, options->mappings, options->policy, &looking->query->scratch);
    return used && !has_own ? used->name : (Str){"", 0};
}

/* REFUSED with problems. */
static Status read_again(Looking *looking, Event *ret_event, RecordProblems *problems)
{
    ReprocessQuery *query = looking->query;
    const QueryOptions *options = &query->base.options;
    yyjson_val *value = NULL;
    Error error;
    const Str raw = looking->event->raw;
    Status status = json_read((char *)(uintptr_t)raw.ptr, raw.len, &query->scratch, &value, &error);
    if (status == STATUS_REFUSED) {
        const char *why = arena_printf(&query->scratch, "is not valid JSON: %s", error.message);
        record_problems_reset(problems);
        record_problems_add(problems, STR("event"), why ? why : "is not valid JSON");
    }
    return status == STATUS_OK ? event_from_json(value, options->mappings, choose_mapping(looking, value),
                                                 options->policy, &query->scratch, ret_event, problems)
                               : status;
}

static bool is_own_id(const Looking *looking, Str record_id)
{
    const Str prefix = STR("sha256:");
    return str_starts_with(record_id, prefix) &&
           str_equal((Str){record_id.ptr + prefix.len, record_id.len - prefix.len}, looking->hash_hex);
}

/* An event whose client sends it again is known by its own id, or by one that a correction stands for. */
static Status compare(Looking *looking, const Event *event, bool *ret_same)
{
    int64_t alias = 0;
    uint32_t differs = record_differs(&looking->record, &event->record) & ~(uint32_t)FIELD_RECORD_ID;
    *ret_same = differs == 0;
    if (differs || is_own_id(looking, event->record.record_id)) {
        return STATUS_OK;
    }
    Status status = reader_event_alias(looking->reader, event->record.record_id, &alias, looking->reterr);
    *ret_same = alias != 0;
    return status;
}

/* ---- What puts it right --------------------------------------------------------------------------------------------------- */

static bool make_record(Looking *looking, const Record *content, int64_t number, Record *ret_record)
{
    ReprocessQuery *query = looking->query;
    const StoreInfo *info = query->base.options.info;
    const char *id = arena_printf(&query->kept, "correction:%.*s:%lld", STR_ARGS(looking->hash_hex), (long long)number);
    if (!id || !copy_record(&query->kept, content, ret_record)) {
        return false;
    }
    ret_record->record_id = str_from(id);
    ret_record->identity_hash = record_identity_hash(ret_record, info->identity, info->hash_seed);
    return true;
}

static bool make_item(Looking *looking, Str mapping, Str known_as, EventItem *ret_item)
{
    ReprocessQuery *query = looking->query;
    int64_t now_us = clock_wall_us(query->base.options.clock);
    *ret_item = (EventItem){.raw = STR(""),
                            .mapping = arena_copy(&query->kept, mapping),
                            .known_as = arena_copy(&query->kept, known_as),
                            .received_us = now_us,
                            .normalised_us = now_us,
                            .hashed_us = now_us,
                            .corrects = looking->seq};
    return ret_item->mapping.ptr && ret_item->known_as.ptr;
}

/* The one that takes back comes first: see EventCorrection. */
static Status plan_pair(Looking *looking, const Event *event)
{
    ReprocessQuery *query = looking->query;
    size_t at = 2 * (size_t)query->changed;
    Record *records = &query->records[at];
    EventItem *items = &query->items[at];
    Str known_as = is_own_id(looking, event->record.record_id) ? STR("") : event->record.record_id;
    int64_t number = 2 * looking->rounds + 1;
    if (!make_record(looking, &looking->record, number, &records[0]) ||
        !make_record(looking, &event->record, number + 1, &records[1]) ||
        !make_item(looking, looking->mapping, STR(""), &items[0]) ||
        !make_item(looking, event->mapping->name, known_as, &items[1])) {
        return starved(looking->reterr);
    }
    records[0].type = looking->record.type == RECORD_POSITIVE ? RECORD_NEGATIVE : RECORD_POSITIVE;
    return STATUS_OK;
}

/* ---- What is told --------------------------------------------------------------------------------------------------------- */

static void put_side(Buf *out, const char *name, const Record *record, int64_t seq, Str mapping, unsigned scale)
{
    buf_put_key(out, name);
    buf_put_char(out, '{');
    event_put_json_fields(out, record, seq, scale);
    buf_put_key(out, "mapping");
    buf_put_json(out, mapping);
}

static void tell_change(Looking *looking)
{
    ReprocessQuery *query = looking->query;
    Buf *out = &query->changes;
    size_t at = 2 * (size_t)query->changed + 1;
    unsigned scale = query->base.options.info->scale;
    buf_put(out, out->len ? STR(",{") : STR("{"));
    buf_put_key(out, "id");
    buf_put_i64(out, looking->event->seq);
    put_side(out, "was", &looking->record, looking->seq, looking->mapping, scale);
    buf_put_char(out, '}');
    put_side(out, "becomes", &query->records[at], 0, query->items[at].mapping, scale);
    if (query->items[at].known_as.len) {
        buf_put_key(out, "knownAs");
        buf_put_json(out, query->items[at].known_as);
    }
    BUF_PUT(out, "}}");
}

static void tell_refusal(Looking *looking, const RecordProblems *problems)
{
    Buf *out = &looking->query->refusals;
    buf_put(out, out->len ? STR(",{") : STR("{"));
    buf_put_key(out, "id");
    buf_put_i64(out, looking->event->seq);
    buf_put_key(out, "hash");
    buf_put_json(out, looking->hash_hex);
    buf_put_key(out, "mapping");
    buf_put_json(out, looking->mapping);
    buf_put_key(out, "errors");
    record_problems_put_json(out, problems);
    buf_put_char(out, '}');
}

static bool see_taken(void *context, const StoredRecord *stored)
{
    bool *taken = context;
    (void)stored;
    *taken = true;
    return false;
}

/* Somebody may have handed in a record of that name. */
static Status find_taken(Looking *looking, const Record *record, bool *ret_taken)
{
    bool by_source = looking->query->base.options.info->identity == IDENTITY_SOURCE_AND_RECORD_ID;
    Str source_id = by_source ? record->source_id : STR("");
    int64_t at = 0;
    Status status = STATUS_OK;
    while (status == STATUS_OK && at != FIND_DONE && !*ret_taken) {
        status = reader_find(looking->reader, record->record_id, source_id, &at, see_taken, ret_taken, looking->reterr);
    }
    return status;
}

static Status keep_change(Looking *looking, const Event *event)
{
    ReprocessQuery *query = looking->query;
    const Record *pair = &query->records[2 * (size_t)query->changed];
    bool taken = false;
    Status status = plan_pair(looking, event);
    for (size_t i = 0; i < 2 && status == STATUS_OK && query->base.options.info->identity != IDENTITY_CONTENT; i++) {
        status = find_taken(looking, &pair[i], &taken);
    }
    if (status == STATUS_OK && taken) {
        RecordProblems problems;
        record_problems_reset(&problems);
        record_problems_add(&problems, STR("recordId"), "of its correction belongs to another record, that is none");
        tell_refusal(looking, &problems);
        query->unreadable++;
    } else if (status == STATUS_OK) {
        tell_change(looking);
        query->changed++;
    }
    return status;
}

/* ---- One after another ------------------------------------------------------------------------------------------------------ */

static Status judge(Looking *looking)
{
    ReprocessQuery *query = looking->query;
    RecordProblems problems;
    Event event;
    bool same = false;
    Status status = read_again(looking, &event, &problems);
    query->looked++;
    if (status == STATUS_REFUSED) {
        tell_refusal(looking, &problems);
        query->unreadable++;
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return starved(looking->reterr);
    }
    status = compare(looking, &event, &same);
    query->same += same;
    return status == STATUS_OK && !same ? keep_change(looking, &event) : status;
}

static Status look_at(ReprocessQuery *query, StoreReader *reader, const PageEvent *event, Error *reterr)
{
    Looking looking = {.query = query, .reader = reader, .event = event, .reterr = reterr};
    ArenaMark mark = arena_mark(&query->scratch);
    Status status = read_in_force(&looking);
    if (status == STATUS_OK && is_wanted(&looking)) {
        status = judge(&looking);
    }
    arena_rewind(&query->scratch, mark);
    return status;
}

static bool is_full(const ReprocessQuery *query)
{
    return (size_t)query->changed == query->limit || (size_t)query->unreadable == query->limit ||
           query->changes.len + query->refusals.len >= TOLD_BYTES_ENOUGH;
}

static Status look_at_page(ReprocessQuery *query, StoreReader *reader, Error *reterr)
{
    bool last = false;
    Status status = read_page(query, reader, &last, reterr);
    size_t i = 0;
    for (; i < query->page_count && status == STATUS_OK && !is_full(query); i++) {
        status = look_at(query, reader, &query->page[i], reterr);
        query->at = query->page[i].seq;
    }
    if (status == STATUS_OK && i == query->page_count) {
        query->at = query->page_last;
        query->all = last;
    }
    query->walked += (int64_t)i;
    return status;
}

static void put_answer(const ReprocessQuery *query, Buf *out)
{
    buf_printf(out, "{\"data\":{\"looked\":%lld,\"same\":%lld,\"changed\":%lld,\"unreadable\":%lld,\"next\":",
               (long long)query->looked, (long long)query->same, (long long)query->changed,
               (long long)query->unreadable);
    if (query->all) {
        BUF_PUT(out, "null");
    } else {
        buf_put_i64(out, query->at);
    }
    buf_put_key(out, "through");
    buf_put_i64(out, query->through);
    BUF_PUT(out, ",\"changes\":[");
    buf_put(out, buf_str(&query->changes));
    BUF_PUT(out, "],\"unreadableEvents\":[");
    buf_put(out, buf_str(&query->refusals));
    buf_put_char(out, ']');
    out->failed |= query->changes.failed || query->refusals.failed;
}

/* One event at least in a step, however long the looks at the others took. */
static Status reprocess_step(Query *base, QueryStep *step, bool *ret_done, Error *reterr)
{
    ReprocessQuery *query = (ReprocessQuery *)base;
    Status status = step_look(step, reterr);
    if (status == STATUS_OK && !query->begun) {
        int64_t bound = view_bound(step->view);
        query->through = query->through && query->through < bound ? query->through : bound;
        query->begun = true;
    }
    bool done = false;
    while (status == STATUS_OK && !done) {
        status = look_at_page(query, step->reader, reterr);
        done = query->all || is_full(query) || query->walked >= CALL_EVENTS;
        if (step_time_is_up(step)) {
            break;
        }
    }
    if (status == STATUS_OK && done) {
        put_answer(query, step->out);
        *ret_done = true;
    }
    return status;
}

static void release(Query *base)
{
    ReprocessQuery *query = (ReprocessQuery *)base;
    arena_release(&query->scratch);
    arena_release(&query->kept);
    buf_release(&query->changes);
    buf_release(&query->refusals);
}

static Status begin(ReprocessQuery *query, const ReprocessOptions *reprocess)
{
    query->limit = query->request.limit ? query->request.limit : REPROCESS_LIMIT_DEFAULT;
    query->at = reprocess->after;
    query->through = reprocess->through;
    query->mapping = arena_copy(&query->base.arena, reprocess->mapping.len ? reprocess->mapping : STR(""));
    query->records = ARENA_ARRAY(&query->kept, Record, 2 * query->limit);
    query->items = ARENA_ARRAY(&query->kept, EventItem, 2 * query->limit);
    return query->mapping.ptr && query->records && query->items ? STATUS_OK : STATUS_BUSY;
}

Status query_reprocess_new(const ReprocessOptions *reprocess, const QueryParam *params, size_t count,
                           const QueryOptions *options, Query **ret_query, QueryProblems *problems)
{
    problems->count = 0;
    ReprocessQuery *query = query_alloc(sizeof *query, options);
    if (!query) {
        return STATUS_BUSY;
    }
    query->base.step = reprocess_step;
    query->base.release = release;
    arena_init(&query->scratch, 64 << 10, SCRATCH_BYTES_MAX);
    arena_init(&query->kept, 64 << 10, KEPT_BYTES_MAX);
    buf_init(&query->changes, TOLD_BYTES_MAX);
    buf_init(&query->refusals, TOLD_BYTES_MAX);
    Status status = request_read(&query->request, REQUEST_REPROCESS, &query->base.arena, REPROCESS_LIMIT_MAX, params,
                                 count, problems);
    if (status == STATUS_OK) {
        status = begin(query, reprocess);
    }
    if (status != STATUS_OK) {
        query_free(&query->base);
        return status;
    }
    *ret_query = &query->base;
    return STATUS_OK;
}

ReprocessPlan query_reprocess_plan(const Query *base)
{
    const ReprocessQuery *query = (const ReprocessQuery *)base;
    return (ReprocessPlan){query->records, query->items, (size_t)query->changed};
}

#include "query/corrections.h"
#include "query/reprocess_parts.h"

enum {
    PAGE_ENTRIES = 1024, /* corrections among them */
    PAGE_BYTES = 1 << 20,
    CALL_EVENTS = 20000, /* then the next call goes on */
    KEPT_BYTES_MAX = 256 << 20,
    KEPT_EVENT_BYTES_ENOUGH = 4 << 20,
    SCRATCH_BYTES_MAX = 256 << 20,
    TOLD_BYTES_MAX = 16 << 20,
    TOLD_BYTES_ENOUGH = 4 << 20,
};

/* ---- A page of events -------------------------------------------------------------------------------------------- */

static bool keep_event(ReprocessQuery *query, const StoredEvent *event)
{
    PageEvent *kept = &query->page[query->page_count];
    char *raw = arena_alloc_zero(&query->scratch, event->raw.len + YYJSON_PADDING_SIZE);
    *kept = (PageEvent){event->seq, {raw, event->raw.len}, arena_copy(&query->scratch, event->mapping), STR("")};
    kept->asked = event->asked ? kept->mapping : STR("");
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
    return query->page_count < REPROCESS_PAGE_EVENTS && query->page_entries < PAGE_ENTRIES &&
           query->page_bytes < PAGE_BYTES;
}

/* *ret_last: there are none behind. */
static Status read_page(ReprocessQuery *query, StoreReader *reader, bool *ret_last, Error *reterr)
{
    arena_reset(&query->scratch);
    query->page_count = query->page_entries = query->page_bytes = 0;
    query->page_last = query->at;
    query->page_status = STATUS_OK;
    Status status = reader_events(reader, query->at, query->through, take_event, query, reterr);
    *ret_last = query->page_count < REPROCESS_PAGE_EVENTS && query->page_entries < PAGE_ENTRIES &&
                query->page_bytes < PAGE_BYTES;
    return status == STATUS_OK && query->page_status != STATUS_OK ? reprocess_starved(reterr) : status;
}

/* ---- What is in force -------------------------------------------------------------------------------------------- */

static Status find_in_force(Looking *looking)
{
    CorrectionRound round;
    Status status;
    looking->seq = looking->event->seq;
    looking->rounds = 0;
    looking->taken_back = false;
    while ((status = corrections_of(looking->reader, looking->seq, &round, looking->reterr)) == STATUS_OK &&
           round.replacement) {
        looking->seq = round.replacement;
        looking->rounds++;
    }
    looking->taken_back = status == STATUS_OK && round.reversal;
    return status;
}

static bool take_record(void *context, const StoredRecord *stored)
{
    Looking *looking = context;
    uint64_t number;
    bool copied = reprocess_copy(&looking->query->scratch, &stored->record, &looking->record);
    looking->status = copied ? STATUS_OK : reprocess_starved(looking->reterr);
    if (copied && !record_has_event_id(&looking->record, &looking->key, &number)) {
        looking->status = error_set(looking->reterr, STATUS_BROKEN, "record %lld is none that an event became",
                                    (long long)stored->seq);
    }
    return true;
}

static bool take_mapping(void *context, const StoredEvent *event)
{
    Looking *looking = context;
    looking->mapping = arena_copy(&looking->query->scratch, event->mapping);
    looking->status = looking->mapping.ptr ? STATUS_OK : reprocess_starved(looking->reterr);
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

/* Somebody may have handed in a record of that name. */
static Status find_taken(Looking *looking, bool *ret_taken)
{
    const ReprocessQuery *query = looking->query;
    Status status = STATUS_OK;
    for (size_t i = reprocess_plan_end(query); i < query->ends[query->changed] && status == STATUS_OK && !*ret_taken;
         i++) {
        int64_t seq = 0;
        status = reprocess_find_record(looking, &query->records[i], &seq);
        *ret_taken = seq != 0;
    }
    return status;
}

/* `unreadable`: why it cannot be read, and is taken back; NULL: it can. */
static Status keep_change(Looking *looking, const RecordProblems *unreadable)
{
    ReprocessQuery *query = looking->query;
    bool taken = false;
    Status status = unreadable ? reprocess_plan_end_of(looking) : reprocess_plan_change(looking);
    if (status == STATUS_OK && query->base.options.info->identity != IDENTITY_CONTENT) {
        status = find_taken(looking, &taken);
    }
    if (status == STATUS_OK && taken) {
        RecordProblems problems;
        record_problems_reset(&problems);
        record_problems_add(&problems, STR("recordId"), "of its correction belongs to another record, that is none");
        reprocess_tell_refusal(looking, &problems);
        query->unreadable++;
    } else if (status == STATUS_OK) {
        reprocess_tell_change(looking, unreadable);
        query->changed++;
    }
    return status;
}

/* ---- One after another ------------------------------------------------------------------------------------------- */

/* Nothing is to be done when it counts as what it is, or does not count and another one does. */
static bool is_right(const Looking *looking)
{
    uint32_t differs = record_differs(&looking->record, &looking->becomes.record) & ~(uint32_t)FIELD_RECORD_ID;
    return looking->taken_back ? looking->same_as != 0 : differs == 0 && looking->holder == looking->seq;
}

static Status judge_unreadable(Looking *looking, const RecordProblems *problems)
{
    ReprocessQuery *query = looking->query;
    if (!query->take_back) {
        reprocess_tell_refusal(looking, problems);
        query->unreadable++;
    } else if (looking->taken_back) {
        query->same++;
    } else {
        return keep_change(looking, problems);
    }
    return STATUS_OK;
}

static Status judge(Looking *looking, bool is_read, const RecordProblems *problems)
{
    ReprocessQuery *query = looking->query;
    query->looked++;
    if (!is_read) {
        return judge_unreadable(looking, problems);
    }
    Status status = reprocess_find_same(looking);
    if (status == STATUS_OK && is_right(looking)) {
        query->same++;
        return STATUS_OK;
    }
    return status == STATUS_OK ? keep_change(looking, NULL) : status;
}

/* The event comes behind what was taken for its duplicates: as long as it is what it was, filters find it, and so does
 * whoever comes again after a kill. */
static Status look_closer(Looking *looking, bool *ret_done)
{
    RecordProblems problems;
    Status status =
        reprocess_read(looking->query, looking->event->raw, looking->event->asked, &looking->becomes, &problems);
    bool is_read = status == STATUS_OK;
    if (!is_read && status != STATUS_REFUSED) {
        return reprocess_starved(looking->reterr);
    }
    status = reprocess_look_at_duplicates(looking, is_read, ret_done);
    return status == STATUS_OK && *ret_done ? judge(looking, is_read, &problems) : status;
}

static Status look_at(ReprocessQuery *query, StoreReader *reader, const PageEvent *event, bool *ret_done, Error *reterr)
{
    Looking looking = {.query = query, .reader = reader, .event = event, .reterr = reterr};
    ArenaMark mark = arena_mark(&query->scratch);
    Status status = read_in_force(&looking);
    *ret_done = true;
    if (status == STATUS_OK && is_wanted(&looking)) {
        status = look_closer(&looking, ret_done);
    }
    arena_rewind(&query->scratch, mark);
    return status;
}

bool reprocess_is_full(const ReprocessQuery *query)
{
    return (size_t)query->changed == query->limit || (size_t)query->unreadable == query->limit ||
           query->changes.len + query->refusals.len >= TOLD_BYTES_ENOUGH ||
           query->kept_bytes >= KEPT_EVENT_BYTES_ENOUGH;
}

static Status look_at_page(ReprocessQuery *query, StoreReader *reader, Error *reterr)
{
    bool last = false, done = true;
    Status status = read_page(query, reader, &last, reterr);
    size_t i = 0;
    while (i < query->page_count && status == STATUS_OK && done && !reprocess_is_full(query)) {
        status = look_at(query, reader, &query->page[i], &done, reterr);
        if (status == STATUS_OK && done) {
            query->at = query->page[i++].seq;
            query->duplicate_at = 0;
        }
    }
    if (status == STATUS_OK && i == query->page_count) {
        query->at = query->page_last;
        query->duplicate_at = 0;
        query->all = last;
    }
    query->walked += (int64_t)i;
    return status;
}

static void put_place(Buf *out, const char *name, int64_t place, bool is_there)
{
    buf_put_key(out, name);
    if (is_there) {
        buf_put_i64(out, place);
    } else {
        BUF_PUT(out, "null");
    }
}

static void put_answer(const ReprocessQuery *query, Buf *out)
{
    buf_printf(out, "{\"data\":{\"looked\":%lld,\"same\":%lld,\"changed\":%lld,\"unreadable\":%lld",
               (long long)query->looked, (long long)query->same, (long long)query->changed,
               (long long)query->unreadable);
    put_place(out, "next", query->at, !query->all);
    put_place(out, "through", query->through, true);
    put_place(out, "duplicates", query->duplicates, true);
    put_place(out, "nextDuplicate", query->duplicate_at, query->duplicate_at > 0);
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
        done = query->all || reprocess_is_full(query) || query->walked >= CALL_EVENTS;
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

static void init_memory(ReprocessQuery *query, Budget *whole)
{
    arena_init(&query->scratch, 64 << 10, SCRATCH_BYTES_MAX);
    arena_init(&query->kept, 64 << 10, KEPT_BYTES_MAX);
    buf_init(&query->changes, TOLD_BYTES_MAX);
    buf_init(&query->refusals, TOLD_BYTES_MAX);
    if (whole) {
        query->memory.whole = whole;
        query->scratch.budget = query->kept.budget = &query->memory;
        query->changes.budget = query->refusals.budget = &query->memory;
    }
}

static Status begin(ReprocessQuery *query, const ReprocessOptions *reprocess)
{
    query->limit = query->request.limit ? query->request.limit : REPROCESS_LIMIT_DEFAULT;
    query->at = reprocess->after;
    query->through = reprocess->through;
    query->duplicate_at = reprocess->after_duplicate;
    query->take_back = reprocess->take_back;
    query->mapping = arena_copy(&query->base.arena, reprocess->mapping.len ? reprocess->mapping : STR(""));
    query->records = ARENA_ARRAY(&query->kept, Record, 2 * query->limit);
    query->items = ARENA_ARRAY(&query->kept, EventItem, 2 * query->limit);
    query->ends = ARENA_ARRAY(&query->kept, size_t, query->limit);
    query->duplicate_ids = ARENA_ARRAY(&query->kept, int64_t, query->limit);
    return query->mapping.ptr && query->records && query->items && query->ends && query->duplicate_ids ? STATUS_OK
                                                                                                       : STATUS_BUSY;
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
    init_memory(query, options->memory);
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
    return (ReprocessPlan){query->records, query->items, query->ends, (size_t)query->changed};
}

/* An event read again, and who else counts as it. */
#include "query/reprocess_parts.h"

Status reprocess_read(ReprocessQuery *query, Str raw, Str asked, Event *ret_event, RecordProblems *problems)
{
    const QueryOptions *options = &query->base.options;
    yyjson_val *value = NULL;
    Error error;
    Status status = json_read((char *)(uintptr_t)raw.ptr, raw.len, &query->scratch, &value, &error);
    if (status == STATUS_REFUSED) {
        Str why = arena_copy(&query->scratch, str_from(error.message));
        record_problems_reset(problems);
        record_problems_add(problems, STR("event"), why.ptr ? why.ptr : "");
        status = why.ptr ? STATUS_REFUSED : STATUS_BUSY;
    }
    bool is_there = asked.len && mapping_find(options->mappings, asked);
    return status == STATUS_OK ? event_from_json(value, options->mappings, is_there ? asked : STR(""), options->policy,
                                                 &query->scratch, ret_event, problems)
                               : status;
}

static bool see_seq(void *context, const StoredRecord *stored)
{
    *(int64_t *)context = stored->seq;
    return false;
}

/* *ret_seq is 0 when there is none. */
Status reprocess_find_record(Looking *looking, const Record *record, int64_t *ret_seq)
{
    bool by_source = looking->query->base.options.info->identity == IDENTITY_SOURCE_AND_RECORD_ID;
    Str source_id = by_source ? record->source_id : STR("");
    int64_t at = 0;
    Status status = STATUS_OK;
    *ret_seq = 0;
    while (status == STATUS_OK && at != FIND_DONE && !*ret_seq) {
        status = reader_find(looking->reader, record->record_id, source_id, &at, see_seq, ret_seq, looking->reterr);
    }
    return status;
}

static bool see_event(void *context, const StoredEvent *event)
{
    *(bool *)context = event->seq > 0;
    return true;
}

/* A record that has the id and was no event holds nothing. */
static Status find_record_of_event(Looking *looking)
{
    bool is_event = false;
    Status status = reprocess_find_record(looking, &looking->becomes.record, &looking->holder);
    if (status == STATUS_OK && looking->holder) {
        status = reader_event(looking->reader, looking->holder, see_event, &is_event, looking->reterr);
        looking->holder = is_event ? looking->holder : 0;
    }
    return status == STATUS_REFUSED ? STATUS_OK : status;
}

/* Below 0: it was that one's, which was taken back. */
static Status find_holder(Looking *looking)
{
    Str id = looking->becomes.record.record_id;
    Status status = reader_event_alias(looking->reader, id, &looking->holder, looking->reterr);
    if (status == STATUS_OK && looking->holder == 0) {
        status = find_record_of_event(looking);
    }
    return status;
}

/* An event of the past that the one looked at may be the same as: its bytes, from the first of its corrections on. */
typedef struct Original {
    ReprocessQuery *query;
    Str raw, asked;
    int64_t corrects;
    bool starved;
} Original;

static bool take_original(void *context, const StoredEvent *event)
{
    Original *original = context;
    Arena *scratch = &original->query->scratch;
    char *raw = arena_alloc_zero(scratch, event->raw.len + YYJSON_PADDING_SIZE);
    Str asked = arena_copy(scratch, event->asked ? event->mapping : STR(""));
    original->starved = !raw || !asked.ptr;
    if (!original->starved) {
        memcpy(raw, event->raw.len ? event->raw.ptr : "", event->raw.len);
        original->raw = (Str){raw, event->raw.len};
        original->asked = asked;
        original->corrects = event->corrects;
    }
    return true;
}

static Status read_original(Looking *looking, Original *original)
{
    Status status = STATUS_OK;
    original->corrects = looking->holder;
    while (original->corrects && status == STATUS_OK && !original->starved) {
        status = reader_event(looking->reader, original->corrects, take_original, original, looking->reterr);
    }
    return status == STATUS_OK && original->starved ? reprocess_starved(looking->reterr) : status;
}

/* Does the holder keep the id? Not when the mappings of now give it another one: its own correction is still to come.
 * What cannot be read any more stays as it is, unless it is taken back; so does what came after this query began. */
static Status holder_keeps(Looking *looking, bool *ret_keeps)
{
    Original original = {.query = looking->query};
    RecordProblems problems;
    Event event;
    *ret_keeps = true;
    if (looking->holder > view_bound(looking->query->base.view)) {
        return STATUS_OK;
    }
    Status status = read_original(looking, &original);
    if (status == STATUS_OK) {
        status = reprocess_read(looking->query, original.raw, original.asked, &event, &problems);
        *ret_keeps = status == STATUS_OK ? str_equal(event.record.record_id, looking->becomes.record.record_id)
                                         : !looking->query->take_back;
    }
    return status == STATUS_BUSY || status == STATUS_BROKEN ? status : STATUS_OK;
}

/* The change before this one, in this query, that gets the same id, counted from 1; 0: none. */
static size_t find_planned(const Looking *looking)
{
    const ReprocessQuery *query = looking->query;
    for (size_t i = 0; i < (size_t)query->changed; i++) {
        size_t last = query->ends[i] - 1;
        const EventItem *item = &query->items[last];
        Str id = item->taken_for ? query->records[last].record_id : item->alias;
        if ((item->replaces || item->taken_for) && str_equal(id, looking->becomes.record.record_id)) {
            return i + 1;
        }
    }
    return 0;
}

Status reprocess_find_same(Looking *looking)
{
    const ReprocessQuery *query = looking->query;
    bool keeps = true;
    size_t planned = find_planned(looking);
    if (planned) {
        const EventItem *first = &query->items[planned > 1 ? query->ends[planned - 2] : 0];
        looking->same_as_duplicate = query->duplicate_ids[planned - 1];
        looking->same_as = looking->same_as_duplicate ? first->taken_for : first->corrects;
        looking->holder = EVENT_HOLDER_BEFORE_IT;
        return STATUS_OK;
    }
    Status status = find_holder(looking);
    looking->holder = looking->holder < 0 ? 0 : looking->holder;
    bool is_other = status == STATUS_OK && looking->holder && (looking->taken_back || looking->holder != looking->seq);
    if (is_other) {
        status = holder_keeps(looking, &keeps);
        looking->same_as = keeps ? looking->holder : 0;
    }
    return status;
}

/* One that was taken back and gets the id again is still to come, or was before. */
Status reprocess_find_counted(Looking *looking, bool *ret_counted)
{
    *ret_counted = find_planned(looking) != 0;
    if (*ret_counted) {
        return STATUS_OK;
    }
    Status status = find_holder(looking);
    bool was_ended = looking->holder < 0;
    if (status == STATUS_OK && looking->holder) {
        looking->holder = was_ended ? -looking->holder : looking->holder;
        status = holder_keeps(looking, ret_counted);
    }
    looking->holder = was_ended ? 0 : looking->holder;
    return status;
}

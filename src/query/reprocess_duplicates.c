/* What was taken for a duplicate of an event: by the mappings of now it may be another one, that counts nowhere. */
#include "query/reprocess_parts.h"

enum { PAGE_BYTES = 1 << 20 };

/* ---- A page of them ---------------------------------------------------------------------------------------------- */

static bool take_duplicate(void *context, const StoredDuplicate *duplicate)
{
    ReprocessQuery *query = context;
    PageDuplicate *kept = &query->duplicate_page[query->duplicate_count];
    *kept = (PageDuplicate){.id = duplicate->id,
                            .received_us = duplicate->received_us,
                            .raw = arena_copy(&query->scratch, duplicate->raw.len ? duplicate->raw : STR("")),
                            .mapping = arena_copy(&query->scratch, duplicate->mapping)};
    kept->asked = duplicate->asked ? kept->mapping : STR("");
    if (!kept->raw.ptr || !kept->mapping.ptr) {
        query->page_status = STATUS_BUSY;
        return false;
    }
    query->duplicate_bytes += duplicate->raw.len;
    query->duplicate_count++;
    return query->duplicate_count < REPROCESS_PAGE_EVENTS && query->duplicate_bytes < PAGE_BYTES;
}

/* *ret_last: there are none behind. */
static Status read_page(const Looking *looking, bool *ret_last)
{
    ReprocessQuery *query = looking->query;
    query->duplicate_count = query->duplicate_bytes = 0;
    query->page_status = STATUS_OK;
    Status status = reader_event_duplicates(looking->reader, looking->event->seq, query->duplicate_at, take_duplicate,
                                            query, looking->reterr);
    *ret_last = query->duplicate_count < REPROCESS_PAGE_EVENTS && query->duplicate_bytes < PAGE_BYTES;
    return status == STATUS_OK && query->page_status != STATUS_OK ? reprocess_starved(looking->reterr) : status;
}

/* ---- One after another ------------------------------------------------------------------------------------------- */

/* Reading changes the text, and the bytes are to be kept. */
static Status read_again(Looking *looking, RecordProblems *problems)
{
    ReprocessQuery *query = looking->query;
    Str raw = looking->duplicate->raw;
    char *text = arena_alloc_zero(&query->scratch, raw.len + YYJSON_PADDING_SIZE);
    if (!text) {
        return STATUS_BUSY;
    }
    memcpy(text, raw.ptr, raw.len);
    return reprocess_read(query, (Str){text, raw.len}, looking->duplicate->asked, &looking->becomes, problems);
}

/* `event` is what the event that it was taken for is by the mappings of now; NULL: nothing that can be read. */
static Status judge(Looking *looking, const Record *event)
{
    ReprocessQuery *query = looking->query;
    RecordProblems problems;
    Status status = read_again(looking, &problems);
    query->looked++;
    query->duplicates++;
    if (status == STATUS_REFUSED) {
        reprocess_tell_refusal(looking, &problems);
        query->unreadable++;
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return reprocess_starved(looking->reterr);
    }
    bool counted = event && str_equal(event->record_id, looking->becomes.record.record_id);
    if (!counted) {
        status = reprocess_find_counted(looking, &counted);
    }
    if (status == STATUS_OK && !counted) {
        status = reprocess_plan_taken(looking);
    }
    if (status == STATUS_OK && !counted) {
        reprocess_tell_change(looking, NULL);
    }
    *(counted ? &query->same : &query->changed) += status == STATUS_OK;
    return status;
}

static Status look_at(const Looking *of, const PageDuplicate *duplicate, bool is_read)
{
    ReprocessQuery *query = of->query;
    Looking looking = *of;
    ArenaMark mark = arena_mark(&query->scratch);
    looking.duplicate = duplicate;
    Status status = judge(&looking, is_read ? &of->becomes.record : NULL);
    arena_rewind(&query->scratch, mark);
    return status;
}

Status reprocess_look_at_duplicates(Looking *looking, bool is_read, bool *ret_done)
{
    ReprocessQuery *query = looking->query;
    bool last = false;
    size_t i = 0;
    Status status = read_page(looking, &last);
    for (; i < query->duplicate_count && status == STATUS_OK && !reprocess_is_full(query); i++) {
        status = look_at(looking, &query->duplicate_page[i], is_read);
        query->duplicate_at = query->duplicate_page[i].id;
    }
    query->walked += (int64_t)i;
    *ret_done = last && i == query->duplicate_count && !reprocess_is_full(query);
    return status;
}

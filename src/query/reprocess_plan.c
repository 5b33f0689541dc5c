/* What puts an event right, and what is told of it. */
#include "query/reprocess_parts.h"

bool reprocess_copy(Arena *arena, const Record *record, Record *ret_copy)
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

static bool make_record(Looking *looking, const Record *content, int64_t number, Record *ret_record)
{
    ReprocessQuery *query = looking->query;
    const StoreInfo *info = query->base.options.info;
    const char *id = arena_printf(&query->kept, "correction:%.*s:%lld", STR_ARGS(looking->key), (long long)number);
    if (!id || !reprocess_copy(&query->kept, content, ret_record)) {
        return false;
    }
    ret_record->record_id = str_from(id);
    ret_record->identity_hash = record_identity_hash(ret_record, info->identity, info->hash_seed);
    return true;
}

static bool make_item(Looking *looking, Str mapping, EventItem *ret_item)
{
    ReprocessQuery *query = looking->query;
    int64_t now_us = clock_wall_us(query->base.options.clock);
    *ret_item = (EventItem){.raw = STR(""),
                            .mapping = arena_copy(&query->kept, mapping),
                            .asked = looking->event->asked.len > 0,
                            .alias = STR(""),
                            .received_us = now_us,
                            .normalised_us = now_us,
                            .hashed_us = now_us,
                            .corrects = looking->seq};
    return ret_item->mapping.ptr;
}

size_t reprocess_plan_end(const ReprocessQuery *query) { return query->changed ? query->ends[query->changed - 1] : 0; }

static bool plan_reversal(Looking *looking, size_t at)
{
    ReprocessQuery *query = looking->query;
    Record *record = &query->records[at];
    if (!make_record(looking, &looking->record, 2 * looking->rounds + 1, record) ||
        !make_item(looking, looking->mapping, &query->items[at])) {
        return false;
    }
    record->type = looking->record.type == RECORD_POSITIVE ? RECORD_NEGATIVE : RECORD_POSITIVE;
    return true;
}

static bool plan_replacement(Looking *looking, size_t at)
{
    ReprocessQuery *query = looking->query;
    if (!make_record(looking, &looking->becomes.record, 2 * looking->rounds + 2, &query->records[at]) ||
        !make_item(looking, looking->becomes.mapping->name, &query->items[at])) {
        return false;
    }
    query->items[at].replaces = true;
    return true;
}

/* The one that takes back comes first: see EventCorrection. The last one says by whose leave. */
Status reprocess_plan_change(Looking *looking)
{
    ReprocessQuery *query = looking->query;
    size_t end = reprocess_plan_end(query);
    bool made = true;
    if (!looking->taken_back) {
        made = plan_reversal(looking, end++);
    }
    if (made && !looking->same_as) {
        made = plan_replacement(looking, end++);
    }
    query->ends[query->changed] = end;
    query->duplicate_ids[query->changed] = 0;
    EventItem *last = &query->items[end - 1];
    last->alias = arena_copy(&query->kept, looking->becomes.record.record_id);
    last->client = arena_copy(&query->kept, looking->becomes.record.source_id);
    last->holder = looking->holder;
    return made && last->alias.ptr && last->client.ptr ? STATUS_OK : reprocess_starved(looking->reterr);
}

Status reprocess_plan_end_of(Looking *looking)
{
    ReprocessQuery *query = looking->query;
    size_t end = reprocess_plan_end(query);
    bool made = plan_reversal(looking, end);
    EventItem *item = &query->items[end];
    item->client = arena_copy(&query->kept, looking->record.source_id);
    query->ends[query->changed] = end + 1;
    query->duplicate_ids[query->changed] = 0;
    return made && item->client.ptr ? STATUS_OK : reprocess_starved(looking->reterr);
}

static bool make_taken_item(const Looking *looking, EventItem *ret_item)
{
    ReprocessQuery *query = looking->query;
    const PageDuplicate *duplicate = looking->duplicate;
    int64_t now_us = clock_wall_us(query->base.options.clock);
    Str mapping = duplicate->asked.len ? duplicate->asked : looking->becomes.mapping->name;
    *ret_item = (EventItem){.client = arena_copy(&query->kept, looking->becomes.record.source_id),
                            .raw = arena_copy(&query->kept, duplicate->raw),
                            .mapping = arena_copy(&query->kept, mapping),
                            .asked = duplicate->asked.len > 0,
                            .alias = STR(""),
                            .received_us = duplicate->received_us,
                            .normalised_us = now_us,
                            .hashed_us = now_us,
                            .taken_for = looking->event->seq,
                            .holder = looking->holder};
    return ret_item->client.ptr && ret_item->raw.ptr && ret_item->mapping.ptr;
}

Status reprocess_plan_taken(Looking *looking)
{
    ReprocessQuery *query = looking->query;
    size_t end = reprocess_plan_end(query);
    bool made = reprocess_copy(&query->kept, &looking->becomes.record, &query->records[end]) &&
                make_taken_item(looking, &query->items[end]);
    query->ends[query->changed] = end + 1;
    query->duplicate_ids[query->changed] = looking->duplicate->id;
    query->kept_bytes += looking->duplicate->raw.len;
    return made ? STATUS_OK : reprocess_starved(looking->reterr);
}

/* ---- What is told ------------------------------------------------------------------------------------------------ */

static void put_side(Buf *out, const char *name, const Record *record, int64_t seq, Str mapping, unsigned scale)
{
    buf_put_key(out, name);
    buf_put_char(out, '{');
    event_put_json_fields(out, record, seq, scale);
    buf_put_key(out, "mapping");
    buf_put_json(out, mapping);
}

static bool is_own_id(const Looking *looking, Str record_id)
{
    const Str prefix = STR("sha256:");
    return str_starts_with(record_id, prefix) &&
           str_equal((Str){record_id.ptr + prefix.len, record_id.len - prefix.len}, looking->key);
}

static void put_was(Looking *looking)
{
    Buf *out = &looking->query->changes;
    if (looking->taken_back || looking->duplicate) {
        BUF_PUT(out, ",\"was\":null");
        return;
    }
    put_side(out, "was", &looking->record, looking->seq, looking->mapping, looking->query->base.options.info->scale);
    buf_put_char(out, '}');
}

static void put_duplicate(Buf *out, const char *name, int64_t id)
{
    if (id) {
        buf_put_key(out, name);
        buf_put_i64(out, id);
    }
}

/* `last` is the record of its replacement. */
static void put_becomes(Looking *looking, size_t last)
{
    const ReprocessQuery *query = looking->query;
    Buf *out = &looking->query->changes;
    const EventItem *item = &query->items[last];
    if (looking->same_as) {
        BUF_PUT(out, ",\"becomes\":null,\"sameAs\":");
        buf_put_i64(out, looking->same_as);
        put_duplicate(out, "sameAsDuplicate", looking->same_as_duplicate);
        return;
    }
    put_side(out, "becomes", &query->records[last], 0, item->mapping, query->base.options.info->scale);
    if (!looking->duplicate && !is_own_id(looking, item->alias)) {
        buf_put_key(out, "alias");
        buf_put_json(out, item->alias);
    }
    buf_put_char(out, '}');
}

void reprocess_tell_change(Looking *looking, const RecordProblems *problems)
{
    ReprocessQuery *query = looking->query;
    Buf *out = &query->changes;
    buf_put(out, out->len ? STR(",{") : STR("{"));
    buf_put_key(out, "id");
    buf_put_i64(out, looking->event->seq);
    put_duplicate(out, "duplicate", looking->duplicate ? looking->duplicate->id : 0);
    put_was(looking);
    if (problems) {
        BUF_PUT(out, ",\"becomes\":null,\"errors\":");
        record_problems_put_json(out, problems);
    } else {
        put_becomes(looking, query->ends[query->changed] - 1);
    }
    buf_put_char(out, '}');
}

void reprocess_tell_refusal(Looking *looking, const RecordProblems *problems)
{
    Buf *out = &looking->query->refusals;
    buf_put(out, out->len ? STR(",{") : STR("{"));
    buf_put_key(out, "id");
    buf_put_i64(out, looking->event->seq);
    put_duplicate(out, "duplicate", looking->duplicate ? looking->duplicate->id : 0);
    buf_put_key(out, "hash");
    buf_put_json(out, record_event_hash(&looking->record));
    buf_put_key(out, "mapping");
    buf_put_json(out, looking->duplicate ? looking->duplicate->mapping : looking->mapping);
    buf_put_key(out, "errors");
    record_problems_put_json(out, problems);
    buf_put_char(out, '}');
}

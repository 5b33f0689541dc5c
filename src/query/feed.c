/* GET /api/notifications and /api/alerts: messages in commit order. */
#include "deliver/message.h"
#include "query/task.h"

/* What is being written of a feed. */
typedef struct Feed {
    FeedKind kind;
    enum { FEED_PAGE, FEED_LINES, FEED_EVENTS } form;
    unsigned scale;
    int64_t after; /* the last message written, or where it began */
    int64_t bound;
    size_t left;  /* messages still to write */
    size_t count; /* messages written */
    Buf *out;
    size_t out_enough;
    bool stopped; /* enough for now */
    bool full;    /* `out` has no room for another message */
} Feed;

static void begin_message(const Feed *feed, int64_t seq)
{
    if (feed->form == FEED_PAGE && feed->count > 0) {
        buf_put_char(feed->out, ',');
    } else if (feed->form == FEED_EVENTS) {
        BUF_PUT(feed->out, "id: ");
        buf_put_i64(feed->out, seq);
        buf_put(feed->out,
                feed->kind == FEED_ALERTS ? STR("\nevent: alert\ndata: ") : STR("\nevent: notification\ndata: "));
    }
}

static void end_message(const Feed *feed)
{
    if (feed->form != FEED_PAGE) {
        buf_put(feed->out, feed->form == FEED_EVENTS ? STR("\n\n") : STR("\n"));
    }
}

/* Writes the message at `seq` whole or not at all; false when no more is wanted now. */
static bool put_message(Feed *feed, int64_t seq, const StoredRecord *stored, Str body)
{
    size_t before = feed->out->len;
    begin_message(feed, seq);
    if (feed->kind == FEED_ALERTS) {
        message_put_alert(feed->out, stored, body, feed->scale);
    } else {
        message_put_notification(feed->out, stored, feed->scale);
    }
    end_message(feed);
    if (feed->out->failed) {
        feed->out->failed = false;
        feed->out->len = before;
        feed->full = feed->stopped = true;
        return false;
    }
    feed->after = seq;
    feed->count++;
    feed->left--;
    feed->stopped = feed->left == 0 || feed->out->len >= feed->out_enough;
    return !feed->stopped;
}

static bool visit_notified(void *context, const StoredRecord *stored)
{
    return put_message(context, stored->seq, stored, (Str){NULL, 0});
}

/* ---- Alerts ------------------------------------------------------------------------------------------------------ */

/* Alerts are read some at a time, and then their records: one walk of the store inside another is not possible. */
enum { ALERTS_AT_ONCE = 64 };

typedef struct AlertChunk {
    Arena arena; /* the bodies */
    StoredMessage alerts[ALERTS_AT_ONCE];
    size_t count, wanted;
    bool failed;
} AlertChunk;

static bool visit_alert(void *context, const StoredMessage *message)
{
    AlertChunk *chunk = context;
    StoredMessage *alert = &chunk->alerts[chunk->count];
    *alert = *message;
    alert->kind = (Str){NULL, 0};
    alert->body = arena_copy(&chunk->arena, message->body);
    chunk->failed = !alert->body.ptr;
    chunk->count += !chunk->failed;
    return !chunk->failed && chunk->count < chunk->wanted;
}

/* An alert, while its record is being read. */
typedef struct AlertPair {
    Feed *feed;
    const StoredMessage *alert;
} AlertPair;

static bool visit_alerted(void *context, const StoredRecord *stored)
{
    AlertPair *pair = context;
    return put_message(pair->feed, pair->alert->seq, stored, pair->alert->body);
}

static Status put_chunk(Feed *feed, StoreReader *reader, AlertChunk *chunk, bool *ret_end, Error *reterr)
{
    Status status = reader_messages(reader, STR("alert"), feed->after, visit_alert, chunk, reterr);
    *ret_end = chunk->count < chunk->wanted;
    if (status == STATUS_OK && chunk->failed) {
        return error_set(reterr, STATUS_BUSY, "no memory for a page of alerts");
    }
    for (size_t i = 0; i < chunk->count && status == STATUS_OK && !feed->stopped; i++) {
        AlertPair pair = {feed, &chunk->alerts[i]};
        if (pair.alert->seq > feed->bound) {
            *ret_end = true;
            return STATUS_OK;
        }
        status = reader_get(reader, pair.alert->record_seq, visit_alerted, &pair, reterr);
        if (status == STATUS_REFUSED) {
            /* Retention may have removed the record of an old alert; the feed goes on behind it. */
            status = STATUS_OK;
            feed->after = pair.alert->seq;
        }
    }
    return status;
}

static Status put_alerts(Feed *feed, StoreReader *reader, Error *reterr)
{
    enum { CHUNK_BYTES = 16384, BODY_BYTES_MAX = 65536 };
    AlertChunk chunk = {.count = 0};
    Status status = STATUS_OK;
    bool end = false;
    arena_init(&chunk.arena, CHUNK_BYTES, (size_t)ALERTS_AT_ONCE * BODY_BYTES_MAX);
    while (status == STATUS_OK && !feed->stopped && !end) {
        arena_reset(&chunk.arena);
        chunk.count = 0;
        chunk.wanted = feed->left < ALERTS_AT_ONCE ? feed->left : ALERTS_AT_ONCE;
        status = put_chunk(feed, reader, &chunk, &end, reterr);
    }
    arena_release(&chunk.arena);
    return status;
}

/* Writes messages until one of the feed's limits stops it or there are no more. */
static Status put_messages(Feed *feed, StoreReader *reader, Error *reterr)
{
    feed->stopped = feed->left == 0;
    if (feed->stopped || feed->after >= feed->bound) {
        return STATUS_OK;
    }
    if (feed->kind == FEED_ALERTS) {
        return put_alerts(feed, reader, reterr);
    }
    return reader_scan(reader, feed->after, feed->bound, FIELD_ALL, visit_notified, feed, reterr);
}

Status feed_put_messages(StoreReader *reader, FeedKind kind, int64_t *after, size_t limit, bool sse,
                         const StoreInfo *info, Buf *out, size_t *ret_count, Error *reterr)
{
    StoreView *view = NULL;
    Status status = reader_begin(reader, &view, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    Feed feed = {.kind = kind,
                 .form = sse ? FEED_EVENTS : FEED_LINES,
                 .scale = info->scale,
                 .after = *after,
                 .bound = view_bound(view),
                 .left = limit,
                 .out = out,
                 .out_enough = SIZE_MAX};
    status = put_messages(&feed, reader, reterr);
    if (status == STATUS_OK) {
        status = reader_check(reader, reterr);
    }
    reader_end(reader);
    view_free(view);
    if (status == STATUS_OK && feed.full && feed.count == 0) {
        return error_set(reterr, STATUS_BUSY, "the buffer has no room for one message");
    }
    if (status == STATUS_OK) {
        *after = feed.after;
        *ret_count = feed.count;
    }
    return status;
}

/* ---- A page ------------------------------------------------------------------------------------------------------ */

typedef struct FeedQuery {
    Query base;
    Feed feed;
    bool begun;
} FeedQuery;

static Status feed_step(Query *query, QueryStep *step, bool *ret_done, Error *reterr)
{
    Feed *feed = &((FeedQuery *)query)->feed;
    Status status = step_look(step, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (!((FeedQuery *)query)->begun) {
        BUF_PUT(step->out, "{\"data\":[");
        feed->bound = view_bound(step->view);
        ((FeedQuery *)query)->begun = true;
    }
    feed->out = step->out;
    feed->out_enough = step->out_enough;
    status = put_messages(feed, step->reader, reterr);
    if (status == STATUS_OK && feed->full) {
        return error_set(reterr, STATUS_BUSY, "no memory for this piece of the answer");
    }
    *ret_done = feed->left == 0 || !feed->stopped;
    if (status == STATUS_OK && *ret_done) {
        buf_put_char(step->out, ']');
        buf_put_key_i64(step->out, "nextAfter", feed->after);
        buf_put_char(step->out, '}');
    }
    return status;
}

Status query_feed_new(FeedKind kind, int64_t after, size_t limit, const QueryOptions *options, Query **ret_query)
{
    FeedQuery *query = query_alloc(sizeof *query, options);
    if (!query) {
        return STATUS_BUSY;
    }
    query->base.step = feed_step;
    query->feed = (Feed){.kind = kind, .form = FEED_PAGE, .scale = options->info->scale, .after = after, .left = limit};
    *ret_query = &query->base;
    return STATUS_OK;
}

/* The pull feed: pages of messages, long polls, event streams. */
#include "http/parts.h"
#include "http/route_handlers.h"

enum {
    LIMIT_DEFAULT = 1000,
    WAIT_SECONDS_MAX = 30,
    HEARTBEAT_US = 15000000,
    STREAM_MESSAGES = 200, /* a step of a stream */
    STREAM_BYTES = 256 << 10,
};

typedef struct Feed {
    FeedKind kind;
    int64_t after;
    size_t limit;
    bool is_limited;  /* the client said how many; a stream ends after them */
    int64_t until_us; /* of a long poll; 0: an empty page is an answer */
    int64_t said_us;  /* when a stream last said something */
} Feed;

static bool is_draining(const Request *request) { return atomic_load(&request->server->draining); }

/* ---- Pages ------------------------------------------------------------------------------------------------------- */

/* Whether there is a message behind `after`; a failure counts as one, for the page to find. */
static bool has_messages(Request *request, StoreReader *reader, const Feed *feed)
{
    enum { MESSAGE_BYTES_MAX = 1 << 20 };
    Buf probe;
    size_t count = 0;
    int64_t after = feed->after;
    buf_init(&probe, MESSAGE_BYTES_MAX);
    Status status = feed_put_messages(reader, feed->kind, &after, 1, false, request_store_info(request), &probe, &count,
                                      &request->error);
    buf_release(&probe);
    return status != STATUS_OK || count > 0;
}

static JobNext page_step(Request *request, StoreReader *reader)
{
    Feed *feed = request->state;
    enum { PAGE_BYTES = 64 << 10 };
    if (!request->query) {
        request->seen_seq = atomic_load(&request->server->last_seq);
        bool waits = request_now_us(request) < feed->until_us && !is_draining(request);
        if (waits && !has_messages(request, reader, feed)) {
            request->wake_us = feed->until_us;
            request->wake_on_commit = true;
            return JOB_SLEEP;
        }
        request->failed =
            query_feed_new(feed->kind, feed->after, feed->limit, request_query_options(request), &request->query);
        if (request->failed != STATUS_OK) {
            return JOB_FINISHED;
        }
    }
    return request_step_query(request, reader, PAGE_BYTES);
}

static void say_page(Request *request)
{
    if (request->failed == STATUS_BUSY) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the page");
    } else if (request->failed != STATUS_OK) {
        request_failed(request, request->failed, &request->error);
    } else if (request->finished) {
        request_answer(request, 200, JSON_TYPE);
    } else {
        request_stream(request, page_step, &(Answer){.code = 200, .content_type = JSON_TYPE});
    }
}

/* ---- Event streams ----------------------------------------------------------------------------------------------- */

static JobNext events_step(Request *request, StoreReader *reader)
{
    Feed *feed = request->state;
    size_t count = 0, limit = feed->limit < STREAM_MESSAGES ? feed->limit : STREAM_MESSAGES;
    int64_t now_us = request_now_us(request);
    if (is_draining(request)) {
        request->finished = true;
        return JOB_FINISHED;
    }
    request->seen_seq = atomic_load(&request->server->last_seq);
    request->failed = feed_put_messages(reader, feed->kind, &feed->after, limit, true, request_store_info(request),
                                        &request->out, &count, &request->error);
    feed->limit -= feed->is_limited ? count : 0;
    request->finished = feed->limit == 0;
    if (request->failed == STATUS_OK && count == 0) {
        if (now_us < feed->said_us + HEARTBEAT_US) {
            request->wake_us = feed->said_us + HEARTBEAT_US;
            request->wake_on_commit = true;
            return JOB_SLEEP;
        }
        BUF_PUT(&request->out, ": still here\n\n");
    }
    feed->said_us = now_us;
    return JOB_FINISHED;
}

static void stream_events(Request *request, Feed *feed)
{
    if (!request_begin_events(request)) {
        return;
    }
    feed->said_us = request_now_us(request);
    /* A word at once, so that the client knows that it is connected. */
    BUF_PUT(&request->out, ": connected\n\n");
    request_stream_events(request, events_step);
}

/* ---- The call ---------------------------------------------------------------------------------------------------- */

/* Where a broken event stream left off, or ?after=, which may be "latest". A browser that connects again sends the
 * address as it was at first: the header, which it adds, is the newer word. */
static bool read_after(Request *request, bool is_stream, int64_t *ret_after)
{
    const QueryParam *param = request_param(request, "after");
    Str last_event_id = is_stream ? request_header(request, "Last-Event-ID") : (Str){NULL, 0};
    uint64_t after = 0;
    if (last_event_id.len) {
        if (!str_to_u64(last_event_id, INT64_MAX, &after)) {
            request_invalid(request, "Last-Event-ID", "must be the id of an event of this stream");
            return false;
        }
    } else if (param && str_is(param->value, "latest")) {
        after = (uint64_t)store_last_seq(request_options(request)->store);
    } else if (param && !str_to_u64(param->value, INT64_MAX, &after)) {
        request_invalid(request, "after", "must be a sequence (0 for the beginning) or latest");
        return false;
    }
    *ret_after = (int64_t)after;
    return true;
}

static bool read_feed(Request *request, bool is_stream, Feed *feed)
{
    static const char *const known[] = {"after", "limit", "wait", "format"};
    uint64_t limit, wait;
    if (!request_check_params(request, known, 4) || !read_after(request, is_stream, &feed->after) ||
        !request_u64_param(request, "wait", 0, WAIT_SECONDS_MAX, &wait)) {
        return false;
    }
    if (!request_u64_param(request, "limit", LIMIT_DEFAULT, FEED_LIMIT_MAX, &limit)) {
        return false;
    }
    if (limit == 0) {
        request_invalid(request, "limit", "must be a number from 1 to %d", FEED_LIMIT_MAX);
        return false;
    }
    feed->limit = limit;
    feed->is_limited = request_param(request, "limit") != NULL;
    feed->until_us = wait ? request->started_us + (int64_t)wait * 1000000 : 0;
    return true;
}

static void get(Request *request, FeedKind kind)
{
    MediaAnswer answer;
    Feed *feed = ARENA_NEW(&request->arena, Feed);
    if (!feed) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return;
    }
    feed->kind = kind;
    request->state = feed;
    if (!request_media(request, ANSWER_JSON | ANSWER_EVENTS, &answer) ||
        !read_feed(request, answer == ANSWER_EVENTS, feed)) {
        return;
    }
    if (answer == ANSWER_EVENTS) {
        stream_events(request, feed);
    } else {
        request_run_for(request, page_step, say_page, feed->until_us);
    }
}

void notifications_get(Request *request) { get(request, FEED_NOTIFICATIONS); }
void alerts_get(Request *request) { get(request, FEED_ALERTS); }

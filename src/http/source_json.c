#include "http/source_json.h"

#include "http/members.h"

const char *source_state_text(const SourceStatus *status, const StoredSource *stored)
{
    if (stored && stored->state == SOURCE_STATE_PAUSED) {
        return source_condition_name(SOURCE_PAUSED);
    }
    return source_condition_name(status->condition == SOURCE_PAUSED ? SOURCE_CONNECTING : status->condition);
}

/* Where it reads. */
static void put_where(Buf *buf, const SourceOptions *options)
{
    switch (options->type) {
    case SOURCE_KAFKA:
        member_put_text(buf, "brokers", str_from(options->brokers));
        member_put_text(buf, "topics", str_from(options->topics));
        member_put_text(buf, "group", str_from(options->group));
        return;
    case SOURCE_REDIS:
        member_put_url(buf, "url", str_from(options->url));
        member_put_text(buf, "streams", str_from(options->streams));
        member_put_text(buf, "lists", str_from(options->lists));
        member_put_text(buf, "group", options->lists[0] ? (Str){NULL, 0} : str_from(options->group));
        return;
    case SOURCE_FILES:
        member_put_text(buf, "dir", str_from(options->dir));
        member_put_text(buf, "pattern", str_from(options->pattern));
        return;
    }
}

static void put_lag(Buf *buf, const SourceLag *lag)
{
    buf_put_key(buf, "lag");
    if (lag->messages >= 0) {
        buf_put_i64(buf, lag->messages);
    } else {
        BUF_PUT(buf, "null");
    }
    member_put_time(buf, "oldestWaitingSince", lag->oldest_us);
}

static void put_counts(Buf *buf, const SourceStatus *status)
{
    buf_put_key_i64(buf, "messages", status->messages);
    buf_put_key_i64(buf, "bytes", status->bytes);
    buf_put_key_i64(buf, "created", status->created);
    buf_put_key_i64(buf, "duplicates", status->duplicates);
    buf_put_key_i64(buf, "conflicts", status->conflicts);
    buf_put_key_i64(buf, "rejected", status->rejected);
    buf_put_key_i64(buf, "deadLetters", status->dead_letters);
    buf_put_key_i64(buf, "errors", status->errors);
}

/* 0 when it waits for no try. */
static int64_t next_try_of(const SourceStatus *status, bool is_paused)
{
    bool waits = status->condition == SOURCE_CONNECTING || status->condition == SOURCE_HOLDING ||
                 status->condition == SOURCE_FAILED;
    return waits && !is_paused ? status->next_try_us : 0;
}

void source_put_fields(Buf *buf, const SourceStatus *status, const StoredSource *stored)
{
    bool is_paused = stored && stored->state == SOURCE_STATE_PAUSED;
    buf_put_char(buf, '{');
    member_put_text(buf, "name", str_from(status->options->name));
    member_put_text(buf, "type", str_from(source_type_names[status->options->type]));
    member_put_text(buf, "state", str_from(source_state_text(status, stored)));
    member_put_text(buf, "reason", is_paused ? stored->reason : (Str){NULL, 0});
    member_put_time(buf, "pausedAt", is_paused ? stored->updated_us : 0);
    put_lag(buf, &status->lag);
    put_counts(buf, status);
    member_put_time(buf, "lastMessageAt", status->message_us);
    member_put_time(buf, "lastErrorAt", status->error_us);
    member_put_text(buf, "lastError", str_from(status->error));
    member_put_time(buf, "nextTryAt", next_try_of(status, is_paused));
    member_put_text(buf, "notice", str_from(status->notice));
    put_where(buf, status->options);
}

void source_put_place(Buf *buf, const SourcePlace *place)
{
    buf_put_char(buf, '{');
    member_put_text(buf, "part", place->part);
    buf_put_key_i64(buf, "next", place->next);
    member_put_text(buf, "mark", place->mark);
    buf_put_char(buf, '}');
}

void source_put_idle(Buf *buf, const SourceStatus *statuses, size_t count)
{
    const char *separator = "";
    buf_put_char(buf, '[');
    for (size_t i = 0; i < count; i++) {
        if (statuses[i].condition == SOURCE_RUNNING) {
            continue;
        }
        buf_printf(buf, "%s{", separator);
        member_put_text(buf, "name", str_from(statuses[i].options->name));
        member_put_text(buf, "state", str_from(source_condition_name(statuses[i].condition)));
        member_put_text(buf, "error", str_from(statuses[i].condition == SOURCE_PAUSED ? "" : statuses[i].error));
        buf_put_char(buf, '}');
        separator = ",";
    }
    buf_put_char(buf, ']');
}

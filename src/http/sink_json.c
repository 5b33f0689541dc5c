#include "http/sink_json.h"

#include <openssl/evp.h>

#include "config/url.h"
#include "deliver/subscription_json.h"
#include "record/record_json.h"

static void put_text(Buf *buf, const char *name, Str text)
{
    buf_put_key(buf, name);
    if (text.len) {
        buf_put_json(buf, text);
    } else {
        BUF_PUT(buf, "null");
    }
}

static void put_count(Buf *buf, const char *name, int64_t count)
{
    buf_put_key(buf, name);
    buf_put_i64(buf, count);
}

static void put_time(Buf *buf, const char *name, int64_t us)
{
    buf_put_key(buf, name);
    if (us) {
        buf_put_time_json(buf, us);
    } else {
        BUF_PUT(buf, "null");
    }
}

/* ---- Sinks --------------------------------------------------------------------------------------------------------- */

const char *sink_state_text(const LineStatus *line, const StoredSink *stored)
{
    if (stored && stored->state != SINK_STATE_ACTIVE) {
        return line_state_name(stored->state == SINK_STATE_PAUSED ? LINE_PAUSED : LINE_DISABLED);
    }
    bool was_held = line->state == LINE_PAUSED || line->state == LINE_DISABLED;
    return line_state_name(stored && was_held ? LINE_CONNECTING : line->state);
}

/* Where it goes: a URL without user and query, or the brokers. */
static void put_place(Buf *buf, const SinkOptions *options)
{
    Str url = str_from(options->url);
    Url parts;
    if (options->type == SINK_KAFKA) {
        put_text(buf, "brokers", str_from(options->brokers));
        return;
    }
    Str shown = str_split(&url, '?');
    shown = str_split(&shown, '#');
    Buf text;
    buf_init(&text, 4096);
    if (url_split(shown, &parts)) {
        buf_printf(&text, "%.*s://%.*s%s%.*s%.*s", STR_ARGS(parts.scheme), STR_ARGS(parts.host),
                   parts.port.len ? ":" : "", STR_ARGS(parts.port), STR_ARGS(parts.rest));
    } else if (str_starts_with(shown, STR("unix://"))) {
        const char *at = memrchr(shown.ptr, '@', shown.len);
        size_t from = at ? (size_t)(at + 1 - shown.ptr) : sizeof "unix://" - 1;
        buf_printf(&text, "unix://%.*s", (int)(shown.len - from), shown.ptr + from);
    }
    put_text(buf, "url", buf_str(&text));
    buf_release(&text);
}

static void put_line(Buf *buf, const LineStatus *line)
{
    put_text(buf, "breaker", str_from(breaker_state_name(line->breaker)));
    put_count(buf, "cursor", line->cursor);
    put_count(buf, "lastSeq", line->last_seq);
    put_count(buf, "lag", line->last_seq > line->cursor ? line->last_seq - line->cursor : 0);
    put_count(buf, "inFlight", line->in_flight);
    put_count(buf, "retries", line->retries);
    put_count(buf, "taken", line->taken);
    put_count(buf, "failed", line->failed);
    put_count(buf, "deadLetters", line->dead);
    put_count(buf, "breakerOpened", line->breaker_opened);
    put_time(buf, "lastTakenAt", line->taken_us);
    put_time(buf, "lastFailedAt", line->failed_us);
    put_time(buf, "nextTryAt", line->next_try_us);
    put_text(buf, "lastError", str_from(line->error));
}

static void put_running(Buf *buf, const LineStatus *line)
{
    buf_put(buf, buf->ptr && buf->ptr[buf->len - 1] == '}' ? STR(",{") : STR("{"));
    put_count(buf, "id", line->job);
    put_text(buf, "state", str_from(line_state_name(line->state)));
    put_line(buf, line);
    buf_put_char(buf, '}');
}

void sink_put_json(Buf *buf, const LineStatus *line, const StoredSink *stored, const LineStatus *lines, size_t count,
                   unsigned scale)
{
    buf_put_char(buf, '{');
    put_text(buf, "name", str_from(line->options->name));
    put_text(buf, "type", str_from(sink_type_names[line->options->type]));
    put_text(buf, "state", str_from(sink_state_text(line, stored)));
    put_text(buf, "reason", stored ? stored->reason : (Str){NULL, 0});
    put_line(buf, line);
    put_place(buf, line->options);
    buf_put_key(buf, "filter");
    subscription_put_json(buf, &line->options->subscription, scale);
    put_time(buf, "createdAt", stored ? stored->created_us : 0);
    buf_put_key(buf, "replays");
    buf_put_char(buf, '[');
    for (size_t i = 0; i < count; i++) {
        if (lines[i].job && strcmp(lines[i].options->name, line->options->name) == 0) {
            put_running(buf, &lines[i]);
        }
    }
    BUF_PUT(buf, "]}");
}

/* ---- Replays ------------------------------------------------------------------------------------------------------- */

void replay_put_json(Buf *buf, const StoredReplay *replay, const LineStatus *line)
{
    static const char *const states[] = {
        [REPLAY_RUNNING] = "running", [REPLAY_DONE] = "done", [REPLAY_CANCELLED] = "cancelled"};
    buf_put_char(buf, '{');
    put_count(buf, "id", replay->id);
    put_text(buf, "sink", replay->sink);
    put_text(buf, "state", str_from(states[replay->state]));
    put_count(buf, "after", replay->after);
    put_count(buf, "through", replay->through);
    put_count(buf, "cursor", line && line->cursor > replay->place.cursor ? line->cursor : replay->place.cursor);
    put_count(buf, "sent", replay->sent);
    put_count(buf, "failed", replay->failed);
    put_text(buf, "lastError", line ? str_from(line->error) : (Str){NULL, 0});
    buf_put_key(buf, "filter");
    buf_put(buf, replay->filter.len ? replay->filter : STR("{}"));
    put_time(buf, "createdAt", replay->created_us);
    put_time(buf, "updatedAt", replay->updated_us);
    buf_put_char(buf, '}');
}

/* ---- Dead letters -------------------------------------------------------------------------------------------------- */

void dead_letter_put_fields(Buf *buf, const DeadLetter *letter)
{
    bool is_delivery = letter->stage == DEAD_LETTER_DELIVERY;
    put_count(buf, "id", letter->id);
    put_text(buf, "stage", str_from(dead_letter_stage_names[letter->stage]));
    put_text(buf, "state", str_from(dead_letter_state_names[letter->state]));
    put_text(buf, is_delivery ? "sink" : "source", letter->origin);
    if (is_delivery) {
        put_count(buf, "seq", letter->seq);
    } else {
        put_text(buf, "place", letter->place);
        put_text(buf, "format", letter->format);
        put_count(buf, "rawBytes", (int64_t)letter->raw.len);
    }
    put_text(buf, "error", letter->error);
    put_count(buf, "attempts", letter->attempts);
    put_time(buf, "createdAt", letter->created_us);
    put_time(buf, "updatedAt", letter->updated_us);
}

static void put_base64(Buf *buf, Str bytes)
{
    size_t whole = (bytes.len + 2) / 3 * 4;
    char *at = buf_reserve(buf, whole + 1); /* with OpenSSL's NUL */
    if (at) {
        EVP_EncodeBlock((unsigned char *)at, (const unsigned char *)bytes.ptr, (int)bytes.len);
        buf->len += whole;
    }
}

void dead_letter_put_raw(Buf *buf, Str raw)
{
    if (str_count_code_points(raw) >= 0) {
        buf_put_key(buf, "raw");
        buf_put_json(buf, raw);
        return;
    }
    buf_put_key(buf, "rawBase64");
    buf_put_char(buf, '"');
    put_base64(buf, raw);
    buf_put_char(buf, '"');
}

void message_put_envelope(Buf *buf, const Message *message)
{
    buf_put_char(buf, '{');
    put_count(buf, "seq", message->seq);
    put_text(buf, "id", message->id);
    put_text(buf, "type", str_from(message_kind_name(message->kind)));
    put_time(buf, "time", message->created_us);
    put_text(buf, "key", message->key);
    if (message->traceparent.len) {
        put_text(buf, "traceparent", message->traceparent);
    }
    buf_put_key(buf, "data");
    buf_put(buf, message->body);
    buf_put_char(buf, '}');
}

/* ---- Deliveries ---------------------------------------------------------------------------------------------------- */

void delivery_put_fields(Buf *buf, const Delivery *delivery)
{
    buf_put_char(buf, '{');
    put_text(buf, "sink", str_from(delivery->sink->name));
    put_text(buf, "state", str_from(delivery_state_name(delivery->state)));
    if (delivery->dead_letter) {
        put_count(buf, "deadLetterId", delivery->dead_letter);
    }
    if (delivery->due_us) {
        put_time(buf, "nextAttemptAt", delivery->due_us);
    }
}

void attempt_put_json(Buf *buf, const StoredAttempt *attempt)
{
    buf_put_char(buf, '{');
    put_count(buf, "number", attempt->number);
    put_time(buf, "time", attempt->begun_us);
    buf_put_key(buf, "taken");
    buf_put(buf, attempt->taken ? STR("true") : STR("false"));
    buf_put_key(buf, "code");
    if (attempt->code) {
        buf_put_i64(buf, attempt->code);
    } else {
        BUF_PUT(buf, "null");
    }
    buf_put_key(buf, "latencyMs");
    buf_printf(buf, "%lld.%03lld", (long long)(attempt->latency_us / 1000), (long long)(attempt->latency_us % 1000));
    put_text(buf, "error", attempt->error);
    put_text(buf, "response", attempt->response);
    if (attempt->job) {
        put_count(buf, "replay", attempt->job);
    }
    buf_put_char(buf, '}');
}

#include "http/sink_json.h"

#include "base/base64.h"
#include "deliver/subscription_json.h"
#include "http/members.h"

enum { RAW_BYTES_ALWAYS_TEXT = 1 << 20 };

/* ---- Sinks ------------------------------------------------------------------------------------------------------- */

const char *sink_state_text(const LineStatus *line, const StoredSink *stored)
{
    if (stored && stored->state != SINK_STATE_ACTIVE) {
        return line_state_name(stored->state == SINK_STATE_PAUSED ? LINE_PAUSED : LINE_DISABLED);
    }
    bool was_held = line->state == LINE_PAUSED || line->state == LINE_DISABLED;
    return line_state_name(stored && was_held ? LINE_CONNECTING : line->state);
}

/* Where it goes. */
static void put_place(Buf *buf, const SinkOptions *options)
{
    if (options->type == SINK_KAFKA) {
        member_put_text(buf, "brokers", str_from(options->brokers));
    } else {
        member_put_url(buf, "url", str_from(options->url));
    }
}

static void put_line(Buf *buf, const LineStatus *line)
{
    member_put_text(buf, "breaker", str_from(breaker_state_name(line->breaker)));
    buf_put_key_i64(buf, "cursor", line->cursor);
    buf_put_key_i64(buf, "lastSeq", line->last_seq);
    buf_put_key_i64(buf, "lag", line->last_seq > line->cursor ? line->last_seq - line->cursor : 0);
    buf_put_key_i64(buf, "inFlight", line->in_flight);
    buf_put_key_i64(buf, "retries", line->retries);
    buf_put_key_i64(buf, "taken", line->taken);
    buf_put_key_i64(buf, "failed", line->failed);
    buf_put_key_i64(buf, "deadLetters", line->dead);
    buf_put_key_i64(buf, "breakerOpened", line->breaker_opened);
    member_put_time(buf, "lastTakenAt", line->taken_us);
    member_put_time(buf, "lastFailedAt", line->failed_us);
    member_put_time(buf, "nextTryAt", line->next_try_us);
    member_put_text(buf, "lastError", str_from(line->error));
}

static void put_running(Buf *buf, const LineStatus *line)
{
    buf_put(buf, buf->ptr && buf->ptr[buf->len - 1] == '}' ? STR(",{") : STR("{"));
    buf_put_key_i64(buf, "id", line->job);
    member_put_text(buf, "state", str_from(line_state_name(line->state)));
    put_line(buf, line);
    buf_put_char(buf, '}');
}

void sink_put_json(Buf *buf, const LineStatus *line, const StoredSink *stored, const LineStatus *lines, size_t count,
                   unsigned scale)
{
    buf_put_char(buf, '{');
    member_put_text(buf, "name", str_from(line->options->name));
    member_put_text(buf, "type", str_from(sink_type_names[line->options->type]));
    member_put_text(buf, "state", str_from(sink_state_text(line, stored)));
    member_put_text(buf, "reason", stored ? stored->reason : (Str){NULL, 0});
    put_line(buf, line);
    put_place(buf, line->options);
    buf_put_key(buf, "filter");
    subscription_put_json(buf, &line->options->subscription, scale);
    member_put_time(buf, "createdAt", stored ? stored->created_us : 0);
    buf_put_key(buf, "replays");
    buf_put_char(buf, '[');
    for (size_t i = 0; i < count; i++) {
        if (lines[i].job && strcmp(lines[i].options->name, line->options->name) == 0) {
            put_running(buf, &lines[i]);
        }
    }
    BUF_PUT(buf, "]}");
}

/* ---- Replays ----------------------------------------------------------------------------------------------------- */

void replay_put_json(Buf *buf, const StoredReplay *replay, const LineStatus *line)
{
    static const char *const states[] = {
        [REPLAY_RUNNING] = "running", [REPLAY_DONE] = "done", [REPLAY_CANCELLED] = "cancelled"};
    buf_put_char(buf, '{');
    buf_put_key_i64(buf, "id", replay->id);
    member_put_text(buf, "sink", replay->sink);
    member_put_text(buf, "state", str_from(states[replay->state]));
    buf_put_key_i64(buf, "after", replay->after);
    buf_put_key_i64(buf, "through", replay->through);
    buf_put_key_i64(buf, "cursor", line && line->cursor > replay->place.cursor ? line->cursor : replay->place.cursor);
    buf_put_key_i64(buf, "sent", replay->sent);
    buf_put_key_i64(buf, "failed", replay->failed);
    member_put_text(buf, "lastError", line ? str_from(line->error) : (Str){NULL, 0});
    buf_put_key(buf, "filter");
    buf_put(buf, replay->filter.len ? replay->filter : STR("{}"));
    member_put_time(buf, "createdAt", replay->created_us);
    member_put_time(buf, "updatedAt", replay->updated_us);
    buf_put_char(buf, '}');
}

/* ---- Dead letters ------------------------------------------------------------------------------------------------ */

/* Of a job: "job/17". */
static void put_job(Buf *buf, const DeadLetter *letter)
{
    Str place = letter->place;
    uint64_t job = 0;
    (void)str_split(&place, '/');
    member_put_text(buf, "batchId", letter->origin);
    if (place.ptr && str_to_u64(place, INT64_MAX, &job)) {
        buf_put_key_i64(buf, "jobId", (int64_t)job);
    }
}

static void put_origin(Buf *buf, const DeadLetter *letter)
{
    switch (letter->stage) {
    case DEAD_LETTER_DELIVERY:
        member_put_text(buf, "sink", letter->origin);
        buf_put_key_i64(buf, "seq", letter->seq);
        break;
    case DEAD_LETTER_JOB: put_job(buf, letter); break;
    case DEAD_LETTER_INTAKE:
        member_put_text(buf, "source", letter->origin);
        member_put_text(buf, "place", letter->place);
        member_put_text(buf, "format", letter->format);
        buf_put_key_i64(buf, "rawBytes", (int64_t)letter->raw_bytes);
        break;
    }
}

void dead_letter_put_fields(Buf *buf, const DeadLetter *letter)
{
    buf_put_key_i64(buf, "id", letter->id);
    member_put_text(buf, "stage", str_from(dead_letter_stage_names[letter->stage]));
    member_put_text(buf, "state", str_from(dead_letter_state_names[letter->state]));
    put_origin(buf, letter);
    member_put_text(buf, "error", letter->error);
    buf_put_key_i64(buf, "attempts", letter->attempts);
    member_put_time(buf, "createdAt", letter->created_us);
    member_put_time(buf, "updatedAt", letter->updated_us);
}

/* What JSON has to escape may make it six times as long, Base64 makes it a third longer: of a long one, the shorter is
 * taken. */
static bool is_text(Str raw)
{
    size_t more = 0;
    for (size_t i = 0; raw.len > RAW_BYTES_ALWAYS_TEXT && i < raw.len; i++) {
        unsigned char c = (unsigned char)raw.ptr[i];
        more += c < ' ' ? 5 : c == '"' || c == '\\';
    }
    return more <= raw.len / 3 && str_count_code_points(raw) >= 0;
}

void dead_letter_put_raw(Buf *buf, Str raw)
{
    if (is_text(raw)) {
        buf_put_key(buf, "raw");
        buf_put_json(buf, raw);
        return;
    }
    buf_put_key(buf, "rawBase64");
    buf_put_char(buf, '"');
    base64_put(buf, raw);
    buf_put_char(buf, '"');
}

void message_put_envelope(Buf *buf, const Message *message)
{
    buf_put_char(buf, '{');
    buf_put_key_i64(buf, "seq", message->seq);
    member_put_text(buf, "id", message->id);
    member_put_text(buf, "type", str_from(message_kind_name(message->kind)));
    member_put_time(buf, "time", message->created_us);
    member_put_text(buf, "key", message->key);
    if (message->traceparent.len) {
        member_put_text(buf, "traceparent", message->traceparent);
    }
    buf_put_key(buf, "data");
    buf_put(buf, message->body);
    buf_put_char(buf, '}');
}

/* ---- Deliveries -------------------------------------------------------------------------------------------------- */

void delivery_put_fields(Buf *buf, const Delivery *delivery)
{
    buf_put_char(buf, '{');
    member_put_text(buf, "sink", str_from(delivery->sink->name));
    member_put_text(buf, "state", str_from(delivery_state_name(delivery->state)));
    if (delivery->dead_letter) {
        buf_put_key_i64(buf, "deadLetterId", delivery->dead_letter);
    }
    if (delivery->due_us) {
        member_put_time(buf, "nextAttemptAt", delivery->due_us);
    }
}

void attempt_put_json(Buf *buf, const StoredAttempt *attempt)
{
    buf_put_char(buf, '{');
    buf_put_key_i64(buf, "number", attempt->number);
    member_put_time(buf, "time", attempt->begun_us);
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
    member_put_text(buf, "error", attempt->error);
    member_put_text(buf, "response", attempt->response);
    if (attempt->job) {
        buf_put_key_i64(buf, "replay", attempt->job);
    }
    buf_put_char(buf, '}');
}

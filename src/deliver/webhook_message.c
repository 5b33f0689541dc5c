#include "deliver/webhook_message.h"

#include <curl/curl.h>

#include "base/timestamp.h"

#define SECOND_US INT64_C(1000000)
#define DAY_S     INT64_C(86400)

void webhook_put_body(Buf *buf, const Message *message)
{
    char created[TIMESTAMP_TEXT_BYTES_MAX];
    size_t created_len = timestamp_format(message->created_us, created);
    BUF_PUT(buf, "{\"type\":\"");
    buf_put(buf, message->call.len > 0 ? message->call : str_from(message_kind_name(message->kind)));
    BUF_PUT(buf, "\",\"timestamp\":\"");
    buf_put(buf, (Str){created, created_len});
    BUF_PUT(buf, "\",\"data\":");
    buf_put(buf, message->body);
    buf_put_char(buf, '}');
}

bool webhook_is_header_value(Str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < ' ' || value.ptr[i] > '~') {
            return false;
        }
    }
    return value.len > 0;
}

static int64_t seconds_until_date(Str value, int64_t wall_us)
{
    char text[64];
    if (value.len >= sizeof text || !webhook_is_header_value(value)) {
        return 0;
    }
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    time_t date = curl_getdate(text, NULL);
    return date < 0 ? 0 : (int64_t)date - wall_us / SECOND_US;
}

int64_t webhook_retry_after_us(Str value, int64_t wall_us)
{
    Str trimmed = str_trim(value);
    bool digits = trimmed.len > 0;
    for (size_t i = 0; i < trimmed.len; i++) {
        digits = digits && trimmed.ptr[i] >= '0' && trimmed.ptr[i] <= '9';
    }
    uint64_t seconds = 0;
    if (!digits) {
        int64_t until = seconds_until_date(trimmed, wall_us);
        seconds = until > 0 ? (uint64_t)until : 0;
    } else if (!str_to_u64(trimmed, (uint64_t)DAY_S, &seconds)) {
        seconds = (uint64_t)DAY_S; /* more than that, however many digits */
    }
    return (seconds < (uint64_t)DAY_S ? (int64_t)seconds : DAY_S) * SECOND_US;
}

SinkVerdict webhook_verdict(int code)
{
    if (code >= 200 && code < 300) {
        return SINK_TAKEN;
    }
    return code == 410 ? SINK_GONE : SINK_FAILED;
}

bool webhook_is_judgement(int code)
{
    static const int codes[] = {400, 409, 413, 415, 422};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i] == code) {
            return true;
        }
    }
    return false;
}

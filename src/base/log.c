#include "base/log.h"

#include <errno.h>
#include <unistd.h>

#include "base/timestamp.h"

static LogLevel level_least = LOG_INFO;
static LogFormat line_format = LOG_FORMAT_LOGFMT;

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error"};

void log_configure(LogLevel least, LogFormat format)
{
    level_least = least;
    line_format = format;
}

/* Logfmt leaves plain words bare and quotes the rest. */
static bool is_bare(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '=' || c == '\\') {
            return false;
        }
    }
    return text.len > 0;
}

static void put_text(Buf *buf, LogFormat format, Str text)
{
    if (text.len > LOG_TEXT_BYTES_MAX) {
        text.len = LOG_TEXT_BYTES_MAX;
    }
    if (format == LOG_FORMAT_LOGFMT && is_bare(text)) {
        buf_put(buf, text);
    } else {
        buf_put_json(buf, text);
    }
}

static void put_key(Buf *buf, LogFormat format, const char *key)
{
    if (format == LOG_FORMAT_JSON) {
        buf_put_key(buf, key);
        return;
    }
    if (buf->len > 0) {
        buf_put_char(buf, ' ');
    }
    buf_put(buf, str_from(key));
    buf_put_char(buf, '=');
}

static void put_pair(Buf *buf, LogFormat format, LogPair pair)
{
    put_key(buf, format, pair.key);
    if (pair.is_number) {
        buf_put_i64(buf, pair.number);
    } else {
        put_text(buf, format, pair.text);
    }
}

void log_format(Buf *buf, LogFormat format, int64_t wall_us, LogLevel level, const char *message, const LogPair *pairs)
{
    char time[TIMESTAMP_TEXT_BYTES_MAX];
    Str when = {time, timestamp_format(wall_us, time)};
    if (format == LOG_FORMAT_JSON) {
        buf_put_char(buf, '{');
    }
    put_pair(buf, format, log_str("time", when));
    put_pair(buf, format, log_text("level", level_names[level]));
    put_pair(buf, format, log_text("msg", message));
    for (; pairs->key; pairs++) {
        put_pair(buf, format, *pairs);
    }
    if (format == LOG_FORMAT_JSON) {
        buf_put_char(buf, '}');
    }
    buf_put_char(buf, '\n');
}

void log_line(LogLevel level, const char *message, const LogPair *pairs)
{
    if (level < level_least) {
        return;
    }
    Buf line;
    buf_init(&line, LOG_LINE_BYTES_MAX);
    log_format(&line, line_format, clock_wall_us(&clock_system), level, message, pairs);
    if (line.failed) {
        buf_reset(&line);
        log_format(&line, line_format, clock_wall_us(&clock_system), level, message, &(LogPair){.key = NULL});
    }
    while (write(STDERR_FILENO, line.ptr, line.len) < 0 && errno == EINTR) {
    }
    buf_release(&line);
}

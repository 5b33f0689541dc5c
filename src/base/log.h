/* The program's log: one line an event, to standard error.
 *
 *     time=2025-01-01T10:00:00Z level=info msg="store opened" dir=./weir-data records=7
 *
 * as logfmt, or the same as one JSON object a line. A line is written by one write(2), so that lines of different
 * threads never mix. Whoever absorbs an error logs it, once; functions below service.c return what went wrong
 * instead. */
#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H

#include "base/buf.h"
#include "base/clock.h"

typedef enum LogLevel { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR } LogLevel;
typedef enum LogFormat { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON } LogFormat;

/* A key, a literal of ours, and what it is: text (borrowed for the call) or a number. */
typedef struct LogPair {
    const char *key; /* NULL ends a list */
    Str text;
    int64_t number;
    bool is_number;
} LogPair;

static inline LogPair log_text(const char *key, const char *text) { return (LogPair){key, str_from(text), 0, false}; }
static inline LogPair log_str(const char *key, Str text) { return (LogPair){key, text, 0, false}; }
static inline LogPair log_int(const char *key, int64_t number) { return (LogPair){key, {0}, number, true}; }

/* Before other threads are started; until then info and above go to standard error as logfmt. */
void log_configure(LogLevel least, LogFormat format);

/* log_info("store opened", log_text("dir", dir), log_int("records", count)); */
#define log_debug(...)                LOG_LINE(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)                 LOG_LINE(LOG_INFO, __VA_ARGS__)
#define log_warn(...)                 LOG_LINE(LOG_WARN, __VA_ARGS__)
#define log_error(...)                LOG_LINE(LOG_ERROR, __VA_ARGS__)
#define LOG_LINE(level, message, ...) log_line((level), (message), (LogPair[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})

/* Any thread. Never fails: a line that cannot be written is lost, a line that is too long is cut. */
void log_line(LogLevel level, const char *message, const LogPair *pairs);

/* The line itself, with its line feed; for log_line and its tests. */
enum { LOG_LINE_BYTES_MAX = 8192, LOG_TEXT_BYTES_MAX = 1024 };
void log_format(Buf *buf, LogFormat format, int64_t wall_us, LogLevel level, const char *message, const LogPair *pairs);

#endif

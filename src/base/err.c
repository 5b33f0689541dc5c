#include "base/err.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int http_code;
} statuses[STATUS_COUNT] = {
    [STATUS_OK] = {"ok", 200},     [STATUS_REFUSED] = {"refused", 422}, [STATUS_CONFLICT] = {"conflict", 409},
    [STATUS_BUSY] = {"busy", 503}, [STATUS_UNKNOWN] = {"unknown", 503}, [STATUS_BROKEN] = {"broken", 500},
};

int status_http_code(Status status) { return statuses[status].http_code; }

const char *status_name(Status status) { return statuses[status].name; }

/* vsnprintf may have cut a UTF-8 sequence in two; step back over the torn one. */
static void cut_at_character(char *text, size_t size)
{
    size_t len = strlen(text);
    if (len + 1 < size) {
        return;
    }
    while (len > 0 && ((unsigned char)text[len - 1] & 0xC0) == 0x80) {
        len--;
    }
    if (len > 0 && (unsigned char)text[len - 1] >= 0xC0) {
        len--;
    }
    text[len] = '\0';
}

Status error_set(Error *reterr, Status status, const char *format, ...)
{
    if (reterr) {
        va_list args;
        va_start(args, format);
        reterr->status = status;
        vsnprintf(reterr->message, sizeof reterr->message, format, args);
        va_end(args);
        cut_at_character(reterr->message, sizeof reterr->message);
    }
    return status;
}

Status error_prefix(Error *reterr, const char *format, ...)
{
    char old[ERROR_MESSAGE_BYTES_MAX];
    memcpy(old, reterr->message, sizeof old);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(reterr->message, sizeof reterr->message, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof reterr->message) {
        snprintf(reterr->message + used, sizeof reterr->message - (size_t)used, ": %s", old);
    }
    cut_at_character(reterr->message, sizeof reterr->message);
    return reterr->status;
}

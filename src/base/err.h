/* What went wrong: a Status for the caller, an Error for a person.
 *
 * A status says what may be done next; it never says why. The error says why, names the field, file or line, and gives
 * a hint when there is one. Functions that can fail return a Status and fill `reterr`, which is left alone on
 * success. */
#ifndef WEIR_BASE_ERR_H
#define WEIR_BASE_ERR_H

#include <stdarg.h>

typedef enum Status {
    STATUS_OK,
    STATUS_REFUSED,  /* the input is wrong; the same bytes will fail again */
    STATUS_CONFLICT, /* well formed, but contradicts what is recorded */
    STATUS_BUSY,     /* nothing happened; try again later */
    STATUS_UNKNOWN,  /* it may have happened; look before repeating */
    STATUS_BROKEN,   /* this part cannot continue */
    STATUS_COUNT,
} Status;

enum { ERROR_MESSAGE_BYTES_MAX = 512 };

/* Plain memory, needs no release. `message` is one sentence without a final period; it may be empty. */
typedef struct Error {
    Status status;
    char message[ERROR_MESSAGE_BYTES_MAX];
} Error;

#define MUST_CHECK __attribute__((warn_unused_result))

/* Fills `reterr` (which may be NULL) and returns `status`, so that failing is one statement:
 *     return error_set(reterr, STATUS_REFUSED, "line %zu is longer than %zu bytes", line, max);
 * A message that is too long is cut at a whole character. */
Status error_set(Error *reterr, Status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of a message that is already there, and returns its status. */
Status error_prefix(Error *reterr, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a status means elsewhere: one table for HTTP, retries and metrics. */
int status_http_code(Status status);
const char *status_name(Status status); /* "ok", "refused", … as metric labels and in JSON */

#endif

/* Windows of time in a zone: which minute, hour, day, week or month of local time an instant belongs to. */
#ifndef WEIR_QUERY_WINDOW_H
#define WEIR_QUERY_WINDOW_H

#include "base/err.h"
#include "base/str.h"

typedef enum WindowKind {
    WINDOW_NONE,
    WINDOW_MINUTE,
    WINDOW_HOUR,
    WINDOW_DAY,
    WINDOW_WEEK, /* from Monday, ISO 8601 */
    WINDOW_MONTH,
} WindowKind;

bool window_kind_parse(Str text, WindowKind *ret_kind); /* "minute" … "month" */

typedef struct Window Window;

/* An empty `zone` is UTC. REFUSED when the zone is not known, with a phrase ("is not a known time zone; did you mean
 * Europe/Stockholm?") as the message; BUSY without memory. One thread at a time. */
Status window_new(WindowKind kind, Str zone, Window **ret_window, Error *reterr) MUST_CHECK;
void window_free(Window *window); /* accepts NULL */

/* The instant at which the window of `time_us` begins.
 *
 * Days, weeks and months are those of the local calendar (proleptic Gregorian), of 23, 24 or 25 hours, and begin at the
 * first instant that shows their date; a midnight that clocks skipped is the instant of the change. Minutes and hours
 * are stretches of local time that also end when the clocks are changed: the hour that is repeated in autumn is two
 * windows. Nothing begins before TIMESTAMP_MIN. */
int64_t window_start(Window *window, int64_t time_us);

/* Whether the windows begin at UTC's midnights (or hours), so that whole days (or hours) of UTC never straddle two.
 * Only known for UTC itself; for other zones compare window_start() at both ends. */
bool window_holds_utc_days(const Window *window);

#endif

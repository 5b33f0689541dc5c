/* What the routes share that look things up in the store, or have the processor change them: the look itself, and what
 * is answered when it failed or there was nothing. */
#ifndef WEIR_HTTP_LOOK_H
#define WEIR_HTTP_LOOK_H

#include "http/request.h"

/* Reads in a look at the store (reader_begin), as a job's step. `read` fills request->error. */
typedef Status LookRead(Request *request, StoreReader *reader);
void look_read(Request *request, StoreReader *reader, LookRead *read);

/* After a look. False when it failed, and that is said. */
bool look_is_done(Request *request);

/* After a look for what the address names. False, and an answer is said, when the look failed, or nothing was `found`:
 * there is no `what` of that id. */
bool look_has_found(Request *request, bool found, const char *what);
/* The 404. */
void look_say_none(Request *request, const char *what);

/* After a look that wrote the whole answer as JSON; a RequestThen. */
void look_say(Request *request);

/* After a submission: true when it was done. Else the answer is said; `lost` is what it means when what was to be
 * changed was not there any more. */
bool look_is_written(Request *request, ProblemKind lost);

/* How many were changed, or of a dry run would be. */
void look_say_count(Request *request, int code, bool dry_run, int64_t count);

#endif

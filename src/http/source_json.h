/* Sources as the API says them. */
#ifndef WEIR_HTTP_SOURCE_JSON_H
#define WEIR_HTTP_SOURCE_JSON_H

#include "base/buf.h"
#include "intake/intake.h"

/* A source, without the last brace so that its places can follow; without the URL's user and query, and without the
 * properties, which may be secrets. `stored` is NULL for one about which the store has no word. */
void source_put_fields(Buf *buf, const SourceStatus *status, const StoredSource *stored);

void source_put_place(Buf *buf, const SourcePlace *place);

/* What a person should take the state for: the store has the word of whoever paused a source, and the source follows it
 * in a moment. */
const char *source_state_text(const SourceStatus *status, const StoredSource *stored);

/* Of those that are not running, what /ready says: [{"name":…,"state":…,"error":…}]. */
void source_put_idle(Buf *buf, const SourceStatus *statuses, size_t count);

#endif

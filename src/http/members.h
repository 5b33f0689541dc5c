/* Members of JSON objects as the answers have them: what is not known is null. */
#ifndef WEIR_HTTP_MEMBERS_H
#define WEIR_HTTP_MEMBERS_H

#include "base/buf.h"

void member_put_text(Buf *buf, const char *name, Str text);   /* null when it is empty */
void member_put_time(Buf *buf, const char *name, int64_t us); /* null for 0 */

/* A URL without user, query and fragment, which may be secrets; null when it is none. */
void member_put_url(Buf *buf, const char *name, Str url);

#endif

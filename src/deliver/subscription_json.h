/* A subscription as the HTTP API writes it, and as a replay keeps it:
 *
 *     {"messages":["notification","alert"],"sourceId":…,"destinationId":…,"unit":…,"type":"positive","valueMin":"100.00",
 *      "startTime":…,"endTime":…}
 *
 * Every member may be left out. */
#ifndef WEIR_DELIVER_SUBSCRIPTION_JSON_H
#define WEIR_DELIVER_SUBSCRIPTION_JSON_H

#include <yyjson.h>

#include "deliver/outbox.h"

enum { SUBSCRIPTION_JSON_BYTES_MAX = 16384 };

void subscription_put_json(Buf *buf, const Subscription *subscription, unsigned scale);

/* Members that are left out stay as they are in *subscription. Texts go into the arena. REFUSED: the message names the
 * member. */
Status subscription_read_json(Str json, unsigned scale, Arena *arena, Subscription *subscription,
                              Error *reterr) MUST_CHECK;

/* One member; numbers are raw (YYJSON_READ_NUMBER_AS_RAW). REFUSED: the message does not name it. */
Status subscription_read_member(Str name, yyjson_val *value, unsigned scale, Arena *arena, Subscription *subscription,
                                Error *reterr) MUST_CHECK;

#endif

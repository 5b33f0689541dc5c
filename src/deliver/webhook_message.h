/* A webhook's request and answer as bytes; the sending itself is in sink_webhook.c. */
#ifndef WEIR_DELIVER_WEBHOOK_MESSAGE_H
#define WEIR_DELIVER_WEBHOOK_MESSAGE_H

#include "base/buf.h"
#include "deliver/sink.h"

/* {"type":"notification","timestamp":"2025-01-01T10:00:00Z","data":{…}}: the message's body in the envelope that
 * Standard Webhooks suggests. The same bytes for each attempt. */
void webhook_put_body(Buf *buf, const Message *message);

/* A header's value that goes out as it is: printable ASCII. What is not is left out, since it could end the header. */
bool webhook_is_header_value(Str value);

/* What Retry-After asks for (RFC 9110, 10.2.3): seconds, or an HTTP date; at most a day; 0 for what cannot be read or
 * has gone by. */
int64_t webhook_retry_after_us(Str value, int64_t wall_us);

/* 2xx is taken, 410 wants nothing more, everything else has failed: redirects are not followed. */
SinkVerdict webhook_verdict(int code);
/* Whether so answers who has read the message and found fault with it. Refusals that are about everything, like 401 and
 * 404, are none. */
bool webhook_is_judgement(int code);

#endif

/* Sinks, replays, dead letters and attempts, as the API says them. */
#ifndef WEIR_HTTP_SINK_JSON_H
#define WEIR_HTTP_SINK_JSON_H

#include "deliver/deliveries.h"

/* A sink without the URL's user and query, which may be secrets, and without every other secret. `stored` is NULL for
 * one that the store does not know yet. `lines` are all, so that the replays that run are told. */
void sink_put_json(Buf *buf, const LineStatus *line, const StoredSink *stored, const LineStatus *lines, size_t count,
                   unsigned scale);

/* `line` is the one that it runs on; NULL when it does not, or waits for its turn. */
void replay_put_json(Buf *buf, const StoredReplay *replay, const LineStatus *line);

/* Without braces, so that a caller can add to it. */
void dead_letter_put_fields(Buf *buf, const DeadLetter *letter);
/* "raw":"…", or "rawBase64":"…" when it is no text, or is long and shorter that way. */
void dead_letter_put_raw(Buf *buf, Str raw);

/* The message as a sink sends it: {"seq":7,"id":…,"type":…,"time":…,"key":…,"traceparent":…,"data":{…}}. */
void message_put_envelope(Buf *buf, const Message *message);

/* Of one sink: {"sink":…,"state":…,…} without its last brace. */
void delivery_put_fields(Buf *buf, const Delivery *delivery);
void attempt_put_json(Buf *buf, const StoredAttempt *attempt);

/* What a person should take the state for: the store has the word of whoever paused a sink, and the line follows it in
 * a moment. */
const char *sink_state_text(const LineStatus *line, const StoredSink *stored);

#endif

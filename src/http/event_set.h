/* The events of a call on their way to the processor: each one's bytes go with the record that was made of it, and
 * those that are no record become dead letters, in the same transaction. */
#ifndef WEIR_HTTP_EVENT_SET_H
#define WEIR_HTTP_EVENT_SET_H

#include "http/server.h"
#include "record/event.h"

typedef struct EventSet {
    const HttpServerOptions *options; /* mappings, clock */
    RecordPolicy policy;              /* the server's; the owner may change it */
    Arena *arena;                     /* borrows; for texts */
    Str mapping;                      /* the one that was asked for; empty: whichever fits */
    Str format;                       /* of their dead letters; likewise */
    bool opened;                      /* the owner takes events out of their CloudEvents; else event_set_read() does */
    EventItem *items, *failed;
    IntakeLetter *letters, *refused;
    size_t count, failed_count, max;
    EventChange events;
    IntakeChange intake;
} EventSet;

/* What all of this takes of an arena for so many events, at most; and the bytes of each, with EVENT_RAW_BYTES more,
 * where they are copied. */
size_t event_set_bytes_max(size_t count);
enum { EVENT_RAW_BYTES = 32 };

/* For `max` events. The set must not be moved afterwards. False without memory. */
bool event_set_init(EventSet *set, const HttpServerOptions *options, Arena *arena, Str mapping, size_t max) MUST_CHECK;
/* For other events, when the arena was reset. */
bool event_set_reset(EventSet *set) MUST_CHECK;

/* A record of the event, whose bytes were `raw`, which the arena keeps. What has `specversion` is a CloudEvent, as it
 * is from a source, whatever the call's content type says: its data is the event, and the bytes are those of the data.
 * REFUSED with `problems`, and it is one of the dead letters then; problems->record_id is empty. BUSY: no memory.
 * `received_us` is when it came, by the wall clock. */
Status event_set_read(EventSet *set, yyjson_val *value, Str raw, int64_t received_us, Record *ret_record,
                      RecordProblems *problems) MUST_CHECK;

/* One that is not even JSON. BUSY: no memory. */
Status event_set_refuse(EventSet *set, Str raw, int64_t received_us, const RecordProblems *problems) MUST_CHECK;

/* Puts what goes with the records into their work, which tells under which recordId each is stored where it does not
 * ask for more. */
void event_set_attach(EventSet *set, Work *work);

#endif

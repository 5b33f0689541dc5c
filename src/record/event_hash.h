/* What an event is known by: its canonical form and the hash of that. Internal to the folder. */
#ifndef WEIR_RECORD_EVENT_HASH_H
#define WEIR_RECORD_EVENT_HASH_H

#include "record/event.h"

/* An extra field; the name is its path. */
typedef struct EventExtra {
    Str name, value;
} EventExtra;

/* What decides which event it is, read and normalised. */
typedef struct EventMeaning {
    Str client, metric, unit;
    Str id; /* empty: there is none, and everything else counts */
    RecordType type;
    int64_t value, time_us;
    unsigned scale;
    EventExtra extra[MAPPING_PATHS_MAX]; /* in the order of their names */
    size_t extra_count;
} EventMeaning;

/* The canonical form. ptr is NULL without memory. */
Str event_canonical_text(const EventMeaning *meaning, Arena *arena);

#endif

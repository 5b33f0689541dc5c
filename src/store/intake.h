/* What the store keeps about sources, in small ordinary tables beside the log: how far each has got, and whether a
 * person has paused it. What a source could not take in is a dead letter (store/delivery.h) of stage `intake`.
 *
 * A source's place moves in the transaction of the records that it covers: what was taken in is never read again, what
 * was not is never skipped. Texts of what is written borrow until the work is done, texts that a visitor gets until it
 * returns. */
#ifndef WEIR_STORE_INTAKE_H
#define WEIR_STORE_INTAKE_H

#include "store/delivery.h"

typedef enum SourceState {
    SOURCE_STATE_ACTIVE,
    SOURCE_STATE_PAUSED, /* by a person */
} SourceState;

/* One without a row is active. */
typedef struct StoredSource {
    Str name;
    SourceState state;
    Str reason; /* why it is paused */
    int64_t updated_us;
} StoredSource;

/* How far a source has got in one part of what it reads: a partition of a topic, a file. */
typedef struct SourcePlace {
    Str part;     /* "records.in/0", a file's path */
    int64_t next; /* the first offset that was not taken in; counts messages or bytes, as the source says */
    Str mark;     /* by which the source knows the place again, in words of its own; at most SOURCE_MARK_BYTES_MAX */
} SourcePlace;
enum { SOURCE_PART_BYTES_MAX = 4096, SOURCE_MARK_BYTES_MAX = 512 };

/* A message as it came, in case it cannot be taken in. */
typedef struct IntakeLetter {
    Str place; /* where it was: "records.in/2/1041", "orders/1714-0", "orders.csv:17"; cut at DEAD_LETTER_PLACE_BYTES_MAX */
    Str format;     /* how it is to be read: "json", "csv" (a header and one line); at most INTAKE_FORMAT_BYTES_MAX */
    Str raw;        /* its bytes */
    Str error;      /* why it is no record; empty while it may become one */
    int64_t letter; /* the dead letter that is tried again with it; 0: it comes for the first time */
} IntakeLetter;
enum { INTAKE_FORMAT_BYTES_MAX = 128 };

/* The dead letter that becomes of it, for the reason `why`; texts borrow, cut where they are too long. */
DeadLetter intake_dead_letter(Str source, const IntakeLetter *from, Str why, int64_t now_us);

/* Goes with WORK_RECORDS, in one piece with it: where the records are from. A record that conflicts with what is
 * stored, or that is rejected, becomes a dead letter as the refused ones do. The same message may come again, after a
 * crash or from a source that keeps no place: it makes no second dead letter while the first, of the same source, place
 * and bytes, is open or tried again.
 *
 * A dead letter that is tried again is resolved when its record is created or a duplicate; otherwise it is open again,
 * with the new reason and one attempt more. One that is not RETRYING any more stays as it is.
 *
 * The work is BUSY, and nothing of it happens, when dead letters of intake would count for more than
 * StoreOptions.dead_letter_bytes_max (dead_letter_bytes); those that are resolved or discarded make room first, the
 * oldest before the others. What came over HTTP may have half of it (DEAD_LETTER_CLIENTS_SHARE), sources all. A longer
 * one is taken when it is the only one. What conflicts is known too late for that: it may go beyond, and holds up what
 * comes next. Letters that are tried again always may be. */
typedef struct IntakeChange {
    Str source;
    const SourcePlace *places; /* put; a part that is not named keeps its place */
    size_t place_count;
    const IntakeLetter *letters; /* one for each record, in their order; `error` is not looked at */
    const IntakeLetter *refused; /* messages that are no records */
    size_t refused_count;
    bool first_wins; /* a record that conflicts is a duplicate; events always are */
    size_t lettered; /* filled: dead letters made or opened again */
} IntakeChange;

#endif

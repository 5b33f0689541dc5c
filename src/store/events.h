/* What the store keeps about events, in ordinary tables beside the log: the bytes of each as they came, those of what
 * was taken for its duplicate, what was tried, and counts of each client. All of it is written in the transaction of
 * the records, or not at all. Texts of what is written borrow until the batch is applied, texts that a visitor gets
 * until it returns. */
#ifndef WEIR_STORE_EVENTS_H
#define WEIR_STORE_EVENTS_H

#include "base/str.h"

/* How an event came to be a record. */
typedef struct EventItem {
    /* of one that failed: as far as it could be read, else empty; of a correction: whose the event is by the mappings
     * of now */
    Str client;
    Str raw;     /* its bytes; not looked at of one that failed (its dead letter has them); empty of a correction */
    Str mapping; /* by which it was read; likewise */
    bool asked;  /* for that mapping, by the request or by the source; else whose client it is decided */
    int64_t received_us, normalised_us, hashed_us; /* wall clock */
    /* Of a correction; else all of it is empty. */
    int64_t corrects; /* the seq of the record that it takes back or replaces */
    bool replaces;    /* the corrected event counts as this one from now on; else what `corrects` is counts no more */
    /* the record id that the event has by the mappings of now; empty of what only makes room for the next one */
    Str alias;
    int64_t holder; /* which record was known by that id when this was decided, 0 for none, or EVENT_HOLDER_BEFORE_IT */
    /* Of one that had been taken for a duplicate: the seq of the event that it was taken for. `holder` is then that of
     * its own id, and never EVENT_HOLDER_BEFORE_IT. Else 0. */
    int64_t taken_for;
} EventItem;

/* A correction before this one in the same piece of work brings it. */
enum { EVENT_HOLDER_BEFORE_IT = -1 };

/* Goes with WORK_RECORDS, in one piece with it; a dry run writes nothing of it. Events are `first_wins`, also where
 * IntakeChange or `atomic` go with them: a conflict is a duplicate, and its outcome tells what differs.
 *
 * Where a record is created its event is kept (`processed`); where it is a duplicate or conflicts an attempt is
 * (`duplicates`); one that is rejected has `failed`, as the `failed` ones have: that these are dead letters is up to
 * IntakeChange. What is handed in again counts again, also when a dead letter is tried once more. The bytes of a
 * duplicate are kept when they are others than those of its event and of each of its duplicates so far
 * (StoredDuplicate): the mapping that took one for the other may have been wrong.
 *
 * An event is known by its record id, unless an alias says otherwise. A record that has the id and was no event is none
 * of its business, but where records are known by their content: the event is then another one, as below. A correction
 * that replaces makes its alias lead to itself: an event with that id is a duplicate of it. One that takes back ends
 * what leads to the record that it takes back: that record's own id, and its aliases.
 * A further event with such an id is another event, whose meaning was first given to the wrong one: it is created under
 * the id, ":" and its seq (or the next number that no record has), and the id leads to it. The same bytes as before are
 * the same event still, and a duplicate.
 *
 * Corrections are handed in `atomic`, are not counted, and leave nothing when they are there already. One with an alias
 * conflicts when that id's holder has become another record since; a replacement goes ahead where nobody holds it any
 * more.
 *
 * One that had been taken for a duplicate (`taken_for`) comes again with the same bytes, read otherwise. Where nobody
 * is known by its id but, at most, `holder`, it becomes an event: `processed`, no duplicate any more in the counts, and
 * what was kept of it as one goes; the attempt stays, as what it was answered. Where somebody is, it is a duplicate of
 * that one, which leaves nothing; what is kept stays. It conflicts, with a seq of 0 and nothing is left, when nothing
 * is kept of it any more: somebody else made an event of it. A piece of work that is `atomic` is refused then. */
typedef struct EventChange {
    const EventItem *items; /* one for each record, in their order */
    const EventItem *failed;
    size_t failed_count;
} EventChange;

/* An event that is in the log. */
typedef struct StoredEvent {
    int64_t seq; /* its record's */
    Str raw, mapping;
    bool asked;
    int64_t received_us, normalised_us, hashed_us, stored_us;
    int64_t corrects;
    int64_t taken_for; /* the event of which it had been taken for a duplicate; 0: it was none */
    int64_t attempts;  /* all in all, the first included; at least so many when all others have left the ring */
} StoredEvent;

/* What was taken for a duplicate of the event at `seq` and came as other bytes, or for another mapping that was asked
 * for; the same ones are kept once, however often they come. */
typedef struct StoredDuplicate {
    int64_t id;  /* rising, in the order in which they came; that of one which has become an event may be used again */
    int64_t seq; /* of the event itself, also where the record that counts for it is a correction */
    Str raw, mapping;
    bool asked;
    int64_t received_us;
} StoredDuplicate;

/* A record that takes back or replaces another one. What takes back is in the log before what replaces, if anything
 * does. */
typedef struct EventCorrection {
    int64_t seq, corrects; /* its own, and the other's */
} EventCorrection;

/* One that was there already, sent again. They are a ring: the oldest go when there are
 * StoreOptions.event_attempts_max. */
typedef struct EventAttempt {
    int64_t id;     /* rising */
    int64_t seq;    /* of the record that is there */
    int64_t number; /* the first attempt, which made the record, is 1 and not among them; see StoredEvent.attempts */
    int64_t received_us, normalised_us, hashed_us, decided_us;
    uint32_t differs; /* RecordField bits; 0: none */
} EventAttempt;
enum { STORE_EVENT_ATTEMPTS_MAX = 1000000 };

/* The counts of one client. Those of clients beyond StoreOptions.event_clients_max, and of events whose client could
 * not be read (or is longer than a record's text may be), are in the row of the empty name. received = processed +
 * duplicates + failed. */
typedef struct EventClient {
    Str client;
    int64_t received, processed, duplicates, failed;
    int64_t first_us, last_us; /* when the first and the last of them were received */
} EventClient;
enum { STORE_EVENT_CLIENTS_MAX = 10000 };

typedef struct EventAttemptFilter {
    int64_t seq;    /* of one record; 0 for all */
    int64_t before; /* those with a smaller id; 0 for all */
} EventAttemptFilter;

#endif

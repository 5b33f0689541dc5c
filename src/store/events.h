/* What the store keeps about events, in ordinary tables beside the log: the bytes of each as they came, what was tried, and counts of each
 * client. All of it is written in the transaction of the records, or not at all. Texts of what is written borrow until the batch is
 * applied, texts that a visitor gets until it returns. */
#ifndef WEIR_STORE_EVENTS_H
#define WEIR_STORE_EVENTS_H

#include "base/str.h"

/* How an event came to be a record. */
typedef struct EventItem {
    Str client;  /* of one that failed: as far as it could be read, else empty */
    Str raw;     /* its bytes; not looked at of one that failed (its dead letter has them); empty of a correction */
    Str mapping; /* by which it was read; likewise */
    int64_t received_us, normalised_us, hashed_us; /* wall clock */
    int64_t corrects; /* a correction: the seq of the record that it takes back or replaces; 0: none */
    /* A correction that stands for an event which clients may send once more: the record id under which the mappings of now know that
     * event. In what is handed in behind it an event with this id is a duplicate of the correction, unless the log has a record with it, and
     * until another correction takes this one back or replaces it. Empty: none. */
    Str known_as;
} EventItem;

/* Goes with WORK_RECORDS, in one piece with it; a dry run writes nothing of it. Events are `first_wins`, also where IntakeChange or `atomic` go
 * with them: a conflict is a duplicate, and its outcome tells what differs.
 *
 * Where a record is created its event is kept (`processed`); where it is a duplicate or conflicts an attempt is (`duplicates`); one that
 * is rejected has `failed`, as the `failed` ones have: that these are dead letters is up to IntakeChange. What is handed in again counts
 * again, also when a dead letter is tried once more. Corrections are not counted, and one that is there already leaves nothing. */
typedef struct EventChange {
    const EventItem *items; /* one for each record, in their order */
    const EventItem *failed;
    size_t failed_count;
} EventChange;

/* An event that is in the log. */
typedef struct StoredEvent {
    int64_t seq; /* its record's */
    Str raw, mapping;
    int64_t received_us, normalised_us, hashed_us, stored_us;
    int64_t corrects;
    int64_t attempts; /* all in all, the first included; at least so many when all others have left the ring */
} StoredEvent;

/* A record that takes back or replaces another one. What takes back is in the log before what replaces, in one piece of work with it. */
typedef struct EventCorrection {
    int64_t seq, corrects; /* its own, and the other's */
} EventCorrection;

/* One that was there already, sent again. They are a ring: the oldest go when there are StoreOptions.event_attempts_max. */
typedef struct EventAttempt {
    int64_t id;     /* rising */
    int64_t seq;    /* of the record that is there */
    int64_t number; /* the first attempt, which made the record, is 1 and not among them; see StoredEvent.attempts */
    int64_t received_us, normalised_us, hashed_us, decided_us;
    uint32_t differs; /* RecordField bits; 0: none */
} EventAttempt;
enum { STORE_EVENT_ATTEMPTS_MAX = 1000000 };

/* The counts of one client. Those of clients beyond StoreOptions.event_clients_max, and of events whose client could not be read (or is longer
 * than a record's text may be), are in the row of the empty name. received = processed + duplicates + failed. */
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

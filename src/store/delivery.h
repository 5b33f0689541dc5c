/* What the store keeps about deliveries: small ordinary tables beside the log. A sink's cursor, the messages behind it
 * that wait for another attempt, what was tried, what was given up (dead letters of every stage), and replays.
 *
 * Texts of what is written borrow until the work is done, texts that a visitor gets until it returns. */
#ifndef WEIR_STORE_DELIVERY_H
#define WEIR_STORE_DELIVERY_H

#include "base/str.h"

/* ---- Sinks ------------------------------------------------------------------------------------------------------- */

typedef enum SinkState {
    SINK_STATE_ACTIVE,
    SINK_STATE_PAUSED,   /* by a person */
    SINK_STATE_DISABLED, /* by the other side (410) or because it cannot work; resumed by a person */
} SinkState;

/* How far a line has got: all that it wanted up to `cursor` was taken, waits as a retry, or is a dead letter;
 * `sent_seq` is the last message that was sent in order (cursor ≥ sent_seq: what is between was not wanted). */
typedef struct SinkPlace {
    int64_t cursor, sent_seq;
} SinkPlace;

typedef struct StoredSink {
    Str name;
    SinkState state;
    Str reason; /* why it is paused or disabled */
    SinkPlace place;
    /* Grows with whatever a person does: the state, retried dead letters, replays. The line then looks again. */
    int64_t version;
    int64_t created_us, updated_us; /* updated: when the version grew */
} StoredSink;

/* A message behind the cursor that waits for its next attempt. */
typedef struct StoredRetry {
    int64_t seq;
    int64_t attempts; /* that have failed */
    int64_t due_us;   /* by the wall clock */
    uint64_t flow_hash;
} StoredRetry;
/* Of one line. The line sees to it, and WORK_DEAD_LETTERS; a line may find a few more stored than that, when both
 * filled it up at once. */
enum { STORE_RETRIES_MAX = 10000 };

/* An attempt to deliver a message: the failed ones, and samples of the others. The oldest go when there are too
 * many. */
typedef struct StoredAttempt {
    int64_t seq;
    Str sink;
    int64_t job;    /* of a replay; 0 for the live line */
    int64_t number; /* 1 … */
    int64_t begun_us, latency_us;
    int64_t code; /* the other side's, 0 for none */
    bool taken;
    Str error, response;
} StoredAttempt;
enum { STORE_ATTEMPTS_MAX = 100000 }; /* of all sinks; each with at most 16 KiB of response */

/* ---- Dead letters ------------------------------------------------------------------------------------------------ */

typedef enum DeadLetterStage {
    DEAD_LETTER_INTAKE,
    DEAD_LETTER_DELIVERY,
    DEAD_LETTER_JOB,
} DeadLetterStage;

typedef enum DeadLetterState {
    DEAD_LETTER_OPEN,      /* somebody has to look */
    DEAD_LETTER_RETRYING,  /* it is tried again; open once more when that fails */
    DEAD_LETTER_RESOLVED,  /* a retry went well */
    DEAD_LETTER_DISCARDED, /* somebody decided that it is not wanted */
} DeadLetterState;

typedef struct DeadLetter {
    int64_t id; /* 1 …; made by the store */
    DeadLetterStage stage;
    DeadLetterState state;
    Str origin;       /* delivery: the sink's name; intake: the source's */
    int64_t seq;      /* delivery: the message; else 0 */
    Str error;        /* why; of intake at most DEAD_LETTER_ERROR_BYTES_MAX, what is longer is cut */
    int64_t attempts; /* that have failed */
    /* Intake: where it was (topic/partition/offset, stream/id, file:line …), how it is to be read, the bytes as they
     * came. */
    Str place, format, raw;
    size_t raw_bytes; /* how long `raw` is; of one that was read */
    int64_t created_us, updated_us;
} DeadLetter;

/* The work of a longer one is REFUSED: SQLite keeps no value of 10^9 bytes. The options let none come near. */
enum { DEAD_LETTER_RAW_BYTES_MAX = 256 << 20 };

/* What came over HTTP (EVENT_LETTER_SOURCE) may have one part in so many of the room: whoever can post must not be able
 * to hold up every source. */
enum { DEAD_LETTER_CLIENTS_SHARE = 2 };

enum { DEAD_LETTER_ROW_BYTES = 320, DEAD_LETTER_PLACE_BYTES_MAX = 4608, DEAD_LETTER_ERROR_BYTES_MAX = 4096 };

/* What a letter of intake counts for in StoreOptions.dead_letter_bytes_max: all that is stored because of it. Its
 * message and what it is read by are there once, its reason once more in its notice, its origin and place in an index,
 * too; rows, keys and the rest of the notice are DEAD_LETTER_ROW_BYTES. */
int64_t dead_letter_bytes(const DeadLetter *letter);

extern const char *const dead_letter_stage_names[]; /* "intake", "delivery", "job" */
extern const char *const dead_letter_state_names[]; /* "open", "retrying", "resolved", "discarded" */

typedef struct DeadLetterFilter {
    int stage, state; /* -1 for all */
    Str origin;       /* empty for all */
    int64_t id;       /* 0 for all */
    int64_t before;   /* those with a smaller id; 0 for all */
    int64_t seq;      /* those of the delivery of this message; 0 for all */
    int64_t behind;   /* those of deliveries, of a message behind this one; 0 for all */
    Str place;        /* those of intake that were there; empty for all. Goes with an origin */
    bool without_raw; /* `raw` is empty: it may be long, and a look at a thousand of them would not end in time */
} DeadLetterFilter;
#define DEAD_LETTER_FILTER_ALL ((DeadLetterFilter){.stage = -1, .state = -1})

typedef enum DeadLetterAction { DEAD_LETTER_RETRY, DEAD_LETTER_DISCARD } DeadLetterAction;

/* ---- Replays ----------------------------------------------------------------------------------------------------- */

typedef enum ReplayState { REPLAY_RUNNING, REPLAY_DONE, REPLAY_CANCELLED } ReplayState;

/* A bounded job beside a sink's live line, which it never moves. */
typedef struct StoredReplay {
    int64_t id; /* 1 …; made by the store */
    Str sink;
    int64_t after, through; /* messages with after < seq ≤ through */
    Str filter;             /* what else they are, as the HTTP API writes it: a JSON object */
    ReplayState state;
    SinkPlace place;
    int64_t sent, failed; /* messages */
    int64_t created_us, updated_us;
} StoredReplay;

/* ---- What is written --------------------------------------------------------------------------------------------- */

/* WORK_DELIVERY: how a line has moved, in one piece. REFUSED: no such sink or replay (any more). */
typedef struct DeliveryChange {
    Str sink;
    int64_t job; /* 0: the sink's live line */
    SinkPlace place;
    const StoredRetry *retries; /* put, in place of those with the same seq */
    size_t retry_count;
    /* Retries that are no more: delivered, or dead. Where one came from a dead letter, that is resolved. */
    const int64_t *settled;
    size_t settled_count;
    const StoredAttempt *attempts; /* kept, within STORE_ATTEMPTS_MAX */
    size_t attempt_count;
    /* Of seq: error, attempts. One that is there (a retry that failed) is open again, no second one is made. */
    const DeadLetter *dead;
    size_t dead_count;
    size_t dead_made; /* filled: how many of them are new */
    bool announce;    /* a new dead letter makes a message "dead_letter.created"; one about such a message never does */
    int64_t sent, failed; /* a replay's counts, all in all: a change that is written once more counts nothing twice */
    bool done;            /* the replay has come to its end */
} DeliveryChange;

/* WORK_DEAD_LETTERS: the ones that the filter picks, and that are open, are tried again or discarded. One that waits
 * for a delivery becomes a retry that is due and has failed as often as the letter says, as long as its line has fewer
 * than STORE_RETRIES_MAX. One of intake is RETRYING until it was taken in or refused again (IntakeChange). One of a job
 * is RETRYING, and its job pending with no attempts, until that is completed or gives up again (store/onboard.h). The
 * oldest come first, deliveries sink by sink. */
typedef struct DeadLetterChange {
    DeadLetterFilter filter;
    DeadLetterAction action;
    size_t limit;
    Str raw;      /* retry, with an id: what an intake letter's bytes are from now on; empty: as they were */
    size_t count; /* filled: how many it was done to */
} DeadLetterChange;

#endif

/* The front door: what POST /records hands records to when a broker has them before the store does (http.front_door).
 * They come back through the source that reads the broker, and only then are stored: so what is taken here is
 * acknowledged as soon as the broker has it, and a duplicate or a conflict is found later, by the source.
 *
 * This is the seam between HTTP and the ways to produce. Records that go to the same destination reach the store in the
 * order in which they were handed in. */
#ifndef WEIR_INTAKE_FRONT_DOOR_H
#define WEIR_INTAKE_FRONT_DOOR_H

#include "base/clock.h"
#include "base/err.h"
#include "intake/source.h"
#include "record/record.h"

typedef struct FrontDoor FrontDoor;

/* What one client call hands in. Owned by the caller, who keeps it and the records untouched until `done`. */
typedef struct FrontDoorCall {
    const Record *records;
    size_t count; /* at least 1 */
    /* Called once, on the front door's thread, when it is known of each record whether the broker has it. Must not
     * block. OK: it has all of them, in every replica that is in sync. BUSY: it has none, and gets none. UNKNOWN: it
     * has some, or may have. Of neither but OK may anything be acknowledged; handing all of them in again is
     * harmless. */
    void (*done)(struct FrontDoorCall *call, Status status, const Error *error);
    void *owner; /* the caller's */

    /* The front door's, until `done`. */
    struct FrontDoorCall *next, *previous;
    size_t bytes, waiting, taken; /* what it counts for; records that were not heard of, and that the broker has */
    int failure;                  /* the broker's word of one that it has not; 0: none */
    bool is_unknown;              /* it may have one of them all the same */
    int64_t begun_us;
} FrontDoorCall;

typedef enum FrontDoorAnswer {
    FRONT_DOOR_TAKEN,
    FRONT_DOOR_FULL, /* as much waits already as may; there is room again when the broker has taken some of it */
    FRONT_DOOR_SHUT, /* no broker can be reached, or the service is stopping */
} FrontDoorAnswer;

typedef enum FrontDoorState {
    FRONT_DOOR_CONNECTING, /* no broker has answered yet */
    FRONT_DOOR_OPEN,
    FRONT_DOOR_DOWN, /* no broker can be reached, or the topic is not there; calls are refused at once */
} FrontDoorState;
const char *front_door_state_name(FrontDoorState state); /* "connecting", "open", "down" */

enum { FRONT_DOOR_BUCKETS = 12 };
extern const int64_t front_door_bucket_us[FRONT_DOOR_BUCKETS - 1]; /* upper limits; the last bucket has none */

typedef struct FrontDoorStatus {
    const char *source, *topic; /* borrow until the front door closes */
    FrontDoorState state;
    int64_t records_produced, records_failed; /* confirmed by the broker, and not */
    int64_t calls_refused;                    /* full or shut */
    int64_t waiting_records, waiting_bytes, bytes_max;
    int64_t buckets[FRONT_DOOR_BUCKETS], us_total; /* calls that were confirmed, by how long it took */
    char error
        [ERROR_MESSAGE_BYTES_MAX]; /* why it is not open, or what the last call failed with; empty when all is well */
} FrontDoorStatus;

/* Every member is required. */
typedef struct FrontDoorOps {
    /* Begins to take calls, and to connect; that nobody is there is no failure. BUSY: no memory or threads. Once. */
    Status (*start)(FrontDoor *door, Error *reterr);

    /* From any thread; does not wait. But for TAKEN nothing happened, `done` is not called, and reterr has a sentence
     * for the client. A call larger than the whole bound is taken when nothing waits. */
    FrontDoorAnswer (*hand_in)(FrontDoor *door, FrontDoorCall *call, Error *reterr);

    /* From any thread. */
    void (*look)(FrontDoor *door, FrontDoorStatus *ret_status);

    /* Takes nothing more in and waits for nothing more: each `done` has been called when it returns, within seconds.
     * Also without start. */
    void (*stop)(FrontDoor *door);

    /* After stop. */
    void (*close)(FrontDoor *door);
} FrontDoorOps;

/* Implementations embed this as their first member. */
struct FrontDoor {
    const FrontDoorOps *ops;
};

static inline Status front_door_start(FrontDoor *door, Error *reterr) { return door->ops->start(door, reterr); }
static inline FrontDoorAnswer front_door_hand_in(FrontDoor *door, FrontDoorCall *call, Error *reterr)
{
    return door->ops->hand_in(door, call, reterr);
}
static inline void front_door_look(FrontDoor *door, FrontDoorStatus *ret_status) { door->ops->look(door, ret_status); }
void front_door_stop(FrontDoor *door);  /* accepts NULL */
void front_door_close(FrontDoor *door); /* accepts NULL */

typedef struct FrontDoorOptions {
    const SourceOptions *source; /* a Kafka source with one topic; borrows until the front door closes */
    const Clock *clock;          /* likewise */
    int64_t timeout_us;          /* for a record to be confirmed */
    size_t bytes_max;            /* of what waits for that */
    unsigned scale;              /* of the records' values */
} FrontDoorOptions;

/* Connects to nothing yet. REFUSED: an option of the source that does not go with producing; the message names it. */
Status front_door_kafka_open(const FrontDoorOptions *options, FrontDoor **ret_door, Error *reterr) MUST_CHECK;

#endif

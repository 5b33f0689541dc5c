/* Those who hand records and rules in, through several intakes, each with several calls under way; and what they are
 * told, held against the model.
 *
 * A call that was told BUSY, or that was cut off, is made again most of the time, as clients do. A batch whose commit
 * failed may have happened: the next commit in the same life says that it has not, and otherwise clients_settle finds
 * out after the next start. From then on it has, or has not. */
#ifndef WEIR_TESTS_SIM_CLIENTS_H
#define WEIR_TESTS_SIM_CLIENTS_H

#include "process/processor.h"
#include "sim/model.h"

typedef struct World World;
typedef struct Call Call;

enum { CLIENTS_INTAKES_MAX = 4 };

/* The intake of events: see senders.h. */
#define CLIENTS_OF_EVENTS CLIENTS_INTAKES_MAX

typedef struct CallList {
    Call *first, **last;
    size_t count;
} CallList;

/* What was handed in with a batch whose commit failed. */
typedef struct Unsure {
    struct Unsure *next;
    int64_t batch;  /* those with the same number happened together or not at all */
    int64_t now_us; /* of its commit */
    int64_t call;
    ModelWork work; /* owns its items */
    Work *delivery; /* instead of it: a line's or a person's work; owns */
} Unsure;

typedef struct Clients {
    uint64_t random;
    size_t intakes, calls_max; /* calls under way of each intake */
    size_t under_way[CLIENTS_INTAKES_MAX + 1];
    size_t queue_bytes; /* of all that the processor was handed, by lines and people, too */
    CallList repeat;    /* to be made again */
    Unsure *unsure;     /* the newest batch first, each in the order of its calls */
    size_t unsure_count;
    int64_t number;
    ProcessorMetrics told; /* what the processor must have counted in this life */
} Clients;

void clients_init(World *world, uint64_t seed);
void clients_release(World *world); /* no call is under way */

/* Makes a call, if an intake has room for one. */
void clients_call(World *world);
/* Makes one for events; takes the work's arrays. */
void clients_call_events(World *world, const ModelWork *work);
/* The oldest of those that were to be made again; false when there are none. */
bool clients_call_events_again(World *world);
/* Is any under way? */
bool clients_wait(const World *world);

/* Calls begin to count anew. */
void clients_begin_life(World *world);

/* After a start: one of the batches that were unsure has happened, all of it, or none has. */
void clients_settle(World *world);

/* A line's or a person's work on deliveries, which may have happened. */
void clients_add_unsure(World *world, const Work *work);

/* What was unsure never happened. */
void clients_forget_unsure(World *world);

/* For ProcessorOptions.committed. */
void clients_committed(void *world, int64_t last_seq);

#endif

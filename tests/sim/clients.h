/* Those who hand records and rules in, through several intakes, each with several calls under way; and what they are told,
 * held against the model.
 *
 * A call that was told BUSY, or that was cut off, is made again most of the time, as clients do. A call that was cut off while the
 * store worked on it may have happened: clients_settle finds out after the next start, and from then on it has, or has not. */
#ifndef WEIR_TESTS_SIM_CLIENTS_H
#define WEIR_TESTS_SIM_CLIENTS_H

#include "process/processor.h"
#include "sim/model.h"

typedef struct World World;
typedef struct Call Call;

enum { CLIENTS_INTAKES_MAX = 4 };

typedef struct CallList {
    Call *first, **last;
    size_t count;
} CallList;

typedef struct Clients {
    uint64_t random;
    size_t intakes, calls_max; /* calls under way of each intake */
    size_t under_way[CLIENTS_INTAKES_MAX];
    size_t queue_bytes; /* of all calls under way */
    CallList repeat;    /* to be made again */
    CallList unsure;    /* may have happened, in this order */
    int64_t number;
    ProcessorMetrics told; /* what the processor must have counted in this life */
} Clients;

void clients_init(World *world, uint64_t seed);
void clients_release(World *world); /* no call is under way */

/* Makes a call, if an intake has room for one. */
void clients_call(World *world);
/* Is any under way? */
bool clients_wait(const World *world);

/* Calls begin to count anew. */
void clients_begin_life(World *world);

/* After a start: what was unsure has happened, all of it, or nothing of it. `last_seq` and `same_rules` tell what the store has:
 * same_rules(world) whether its rules are the model's. */
void clients_settle(World *world, int64_t last_seq, bool (*same_rules)(World *world));

/* What was unsure never happened. */
void clients_forget_unsure(World *world);

/* For ProcessorOptions.committed. */
void clients_committed(void *world, int64_t last_seq);

#endif

/* Those who hand events in, and those who put right what was read by a wrong mapping. They have a stream of random
 * numbers of their own, so that a seed's other traffic is what it is without them; half of the seeds have none.
 *
 * An event is a number and its bytes, which name it. What it means is up to a mapping: under the first one event 7 is
 * meaning 7; under the others some events are another's meaning, some share one with a neighbour, and some have the
 * same id with other content. A meaning has one id and one content, so that whoever comes first, and whatever is
 * corrected when, ids cross each other. */
#ifndef WEIR_TESTS_SIM_SENDERS_H
#define WEIR_TESTS_SIM_SENDERS_H

#include "sim/clients.h"

enum { SENDERS_CLIENTS_MAX = 40, SENDERS_MAPPINGS = 5 };

/* Which event it is, and how it is read. */
typedef struct Sent {
    uint64_t event;
    unsigned mapping, spelling;
} Sent;

typedef struct Senders {
    uint64_t random;
    unsigned busy_percent; /* of steps; 0: nobody sends events in this run */
    uint64_t key;          /* what events mean, follows from it */
    Str clients[SENDERS_CLIENTS_MAX];
    size_t client_count;
    unsigned mapping; /* in force */
    uint64_t made;    /* events: 1 … */
    uint64_t events_max;
    uint64_t failed; /* broken ones: 1 … */
    Sent last;
    unsigned repeat_percent, fail_percent, correct_percent, fault_percent;
    size_t events_at_once, calls_max;
    int64_t number; /* of calls */
    CallList repeat;
} Senders;

void senders_init(World *world, uint64_t seed);

/* Whether anybody sends events in this run. */
bool senders_are_there(const World *world);

/* The store's bounds may be others from the next start on. */
void senders_draw_settings(World *world);
/* After a start, when what was unsure is settled. */
void senders_begin_life(World *world);

/* Somebody hands something in, or looks at what is kept of events. */
void senders_step(World *world);

/* For the story: not hashed. */
void senders_tell_item(World *world, const EventItem *item);

#endif

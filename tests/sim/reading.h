/* Those who read: looks at the log by hand, views that are held while others write, and all of it against the model.
 *
 * Whatever a reader answers with OK has to be right, at every moment and whatever fails around it; an answer that is
 * not OK needs an excuse (see faults.h). */
#ifndef WEIR_TESTS_SIM_READING_H
#define WEIR_TESTS_SIM_READING_H

#include "sim/feeds.h"
#include "sim/model.h"
#include "sim/tasks.h"

typedef struct World World;

/* A view that was begun some time ago. */
typedef struct HeldView {
    StoreView *view; /* NULL: none; owns */
    bool looking;    /* its transaction is open */
    int64_t bound;   /* where the log ended then */
} HeldView;

typedef struct Reading {
    uint64_t random;
    Feeds feeds;
    Tasks tasks;
    HeldView held;
} Reading;

void reading_init(World *world, uint64_t seed);
void reading_release(World *world);

/* One look at something. */
void reading_step(World *world);
/* Looks at everything: the log from its beginning, in every order and by every index, all messages, totals, and
 * verify. */
void reading_all(World *world);

/* What is open is closed. Before machine_end. */
void reading_end_life(World *world);
/* The log has become shorter: those who read on begin where it ends. */
void reading_rewound(World *world);

/* Whether the store has exactly what the model has, as far as that shows behind the sequence `after` and in the rules.
 * Ends the run when it cannot be read. */
bool reading_is_same(World *world, int64_t after);
/* The same after a start, which ends all leases that it finds, when there is room for that: then the model has it,
 * too. */
bool reading_is_same_after_start(World *world, int64_t after);
/* "seq 7, and 2 rules" */
void reading_put_state(World *world, char *ret_text, size_t room);

#endif

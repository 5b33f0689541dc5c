/* The content of a file on the simulated disk: what it is now, and all that is needed to know what a power loss may
 * make of it.
 *
 * The present bytes are in one piece. Of each sector that was written since the last sync, the bytes before each of
 * those writes are kept, oldest first, and the same of the length: a power loss goes back from the present by as many
 * steps as it likes, each sector on its own. What a sync that succeeded has covered is beyond reach. A sync that failed
 * leaves sectors that look written and are not ("stuck"): only a later write of such a sector and a sync after it make
 * it durable.
 *
 * Used by disk.c and names.c alone. Aborts without memory. */
#ifndef WEIR_TESTS_SIM_DISK_NODE_H
#define WEIR_TESTS_SIM_DISK_NODE_H

#include "disk.h"

typedef struct SimNode SimNode;

/* How much of what waits for a sync gets lost. The order is that of the writes. */
typedef enum SimPattern {
    SIM_KEEP_ALL,
    SIM_KEEP_NONE,
    SIM_KEEP_SOME, /* each with an even chance */
    SIM_KEEP_FIRST,
    SIM_KEEP_LAST,
    SIM_KEEP_BUT_ONE,
    SIM_KEEP_ONE,
    SIM_KEEP_ODD,
    SIM_PATTERN_COUNT,
} SimPattern;

/* A drawn decision for each of `count` things in a row, or for what they are about (`key`: a sector). */
typedef struct SimSieve {
    SimPattern pattern;
    uint64_t at, key; /* where the first or last begin; the one */
    uint64_t *random;
} SimSieve;
bool sim_sieve_keeps(SimSieve *sieve, uint64_t index, uint64_t key);

/* One reference for the caller. *used is told of every change of the length, and of the end. */
SimNode *sim_node_new(uint64_t *used);
SimNode *sim_node_keep(SimNode *node); /* accepts NULL */
void sim_node_drop(SimNode *node);     /* accepts NULL */

uint64_t sim_node_bytes(const SimNode *node);
const uint8_t *sim_node_data(const SimNode *node); /* borrows until the node changes */

size_t sim_node_read(const SimNode *node, uint64_t offset, void *data, size_t count);
void sim_node_write(SimNode *node, uint64_t offset, const void *data, size_t count);
void sim_node_truncate(SimNode *node, uint64_t bytes);
void sim_node_sync(SimNode *node);

/* A sync that fails: some of what waited is durable, the rest is stuck or, as the draw has it, gone for reads, too.
 * While a truncation waits, nothing is decided yet. */
void sim_node_sync_fails(SimNode *node, uint64_t *random);

/* The power fails: what waits is kept by the pattern, what is stuck is lost. */
void sim_node_lose(SimNode *node, SimPattern pattern, uint64_t *random);

/* Changes a bit in the present and in every earlier version. */
void sim_node_flip(SimNode *node, uint64_t offset, uint8_t mask);

#endif

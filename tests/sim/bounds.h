/* Bounds of the store that are so wide that nothing in a simulated run comes near them, drawn in for it.
 *
 * The linker (--wrap, see meson.build) puts functions of ours in the place of a few of the store's; they call those
 * with the smaller bound. What they promise stays as it is. */
#ifndef WEIR_TESTS_SIM_BOUNDS_H
#define WEIR_TESTS_SIM_BOUNDS_H

#include <stddef.h>
#include <stdint.h>

typedef struct Bounds {
    size_t merge_step;   /* pairs or rows that a step of a merge takes at most */
    size_t tail_records; /* that the memory tables hold at most; no less than a batch */
    uint64_t hashes;     /* how many different hashes of identities and flows there are; 0: as many as ever */
} Bounds;

void bounds_set(Bounds bounds);

#endif

/* Reads of the lines fail, each now and then: what a line learns from the store decides what it sends, and its few
 * reads are hardly ever hit by what strikes the disk. Here they fail whatever the disk does (the linker puts looks.c in
 * the place of reader_sinks and its like). */
#ifndef WEIR_TESTS_SIM_LOOKS_H
#define WEIR_TESTS_SIM_LOOKS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct World World;

typedef struct Looks {
    uint64_t random;
    unsigned fail; /* of a thousand */
} Looks;

void looks_init(Looks *looks, uint64_t seed);

/* Around a step of the lines. Returns whether a read has failed. */
void looks_begin(World *world);
bool looks_end(void);

/* A line begins its part of the step; and whether a read of its has failed since, so that it cannot know what people
 * have just said. */
void looks_begin_line(void);
bool looks_line_failed(void);

#endif

/* Damage to a run file, as an input says. Its first byte has the flags: it is a whole file, or changes to a sound one,
 * {offset 2 bytes, count 1 byte, bytes}, after which the checksums are made to fit (or not) and the file is cut (or
 * not). */
#ifndef WEIR_TESTS_FUZZ_RUN_DAMAGE_H
#define WEIR_TESTS_FUZZ_RUN_DAMAGE_H

#include "fuzz.h"
#include "support/io_memory.h"

/* Leaves the damaged file at `to`. True when no checksum was made to fit: what is read from it is right, or an
 * error. */
bool run_damage(IoMemory *memory, const char *sound, const char *to, const uint8_t *data, size_t size);

#endif

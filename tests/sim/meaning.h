/* What events mean under each mapping: see senders.h. The same key and numbers always give the same. */
#ifndef WEIR_TESTS_SIM_MEANING_H
#define WEIR_TESTS_SIM_MEANING_H

#include "base/str.h"
#include "record/record.h"

typedef struct World World;

typedef struct Meaning {
    uint64_t number;  /* its id */
    unsigned variant; /* its content, of those that the id may have */
} Meaning;

Meaning meaning_of(uint64_t key, uint64_t event, unsigned mapping);

/* Of an id. */
uint64_t meaning_number(Str id);

/* As a record; its texts live as long as the world. */
Record meaning_record(World *world, Meaning meaning);
/* An event's bytes, in one of several spellings. */
Str meaning_bytes(World *world, uint64_t event, unsigned spelling);
/* Whose they are. */
uint64_t meaning_event(Str raw);

Str meaning_mapping(unsigned mapping);

#endif

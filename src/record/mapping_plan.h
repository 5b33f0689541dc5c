/* The paths of a mapping as one tree, so that an event's keys are looked at once, however many names a part may have.
 * Internal to the folder. */
#ifndef WEIR_RECORD_MAPPING_PLAN_H
#define WEIR_RECORD_MAPPING_PLAN_H

#include <openssl/evp.h>

#include "record/mapping.h"

enum { MAPPING_NODES_MAX = (EVENT_PART_COUNT + 1) * MAPPING_PATHS_MAX * MAPPING_DEPTH_MAX + 1, MAPPING_NO_RANK = 0xFF };

/* A place in an event that a path goes through or ends at. */
typedef struct MappingNode {
    Str key, path;         /* "amount", "payload.amount" */
    uint64_t place;        /* the key as a place in an array; UINT64_MAX when it is none */
    uint16_t parent;       /* its node's index */
    bool ends, leads_on;   /* a path ends here; others go on from here */
    bool leads_into_array; /* one goes on at a place */
    /* Whether the path that ends here is the part's first, second … from 0; or MAPPING_NO_RANK. */
    uint8_t rank[EVENT_PART_COUNT];
    uint8_t extra; /* which of the extra paths ends here, or MAPPING_NO_RANK */
} MappingNode;

typedef struct MappingPlan {
    MappingNode *nodes; /* the first is the event itself */
    size_t count;
    uint16_t *slots; /* (parent, key) → node; 0 for an empty one */
    size_t slot_mask;
    size_t extra_count;
    uint8_t extra_order[MAPPING_PATHS_MAX]; /* the extra paths in the order of their texts */
    uint16_t extra_node[MAPPING_PATHS_MAX];
    const char *missing[EVENT_PART_COUNT]; /* what to say of a part that was not found */
} MappingPlan;

/* A mapping and what was made of it. The mapping is the first member, so that one leads to the other. */
typedef struct MappingEntry {
    Mapping mapping;
    MappingPlan plan;
} MappingEntry;

static inline const MappingPlan *mapping_plan(const Mapping *mapping)
{
    return &((const MappingEntry *)(const void *)mapping)->plan;
}

/* Everything in it is the arena's. BUSY without memory. */
Status mapping_plan_make(const Mapping *mapping, Arena *arena, MappingPlan *ret_plan) MUST_CHECK;

/* The node of a key of the node's object; 0 when no path names it. */
uint16_t mapping_plan_step(const MappingPlan *plan, uint16_t node, Str key);

/* Whether any of the mappings names clients. */
bool mapping_set_has_clients(const MappingSet *set);
/* SHA-256, looked up once. */
const EVP_MD *mapping_set_digest(const MappingSet *set);

/* The built-in one; its texts live for ever, the rest is the arena's. False without memory. */
bool mapping_builtin(Arena *arena, Mapping *ret_mapping) MUST_CHECK;

/* "payload.amount", with backslashes where a key has a point or a backslash. ptr is NULL without memory. */
Str mapping_path_text(const EventPath *path, size_t depth, Arena *arena);

#endif

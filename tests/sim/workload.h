/* What clients hand in: each seed draws its own kind of traffic, and from it one piece of work after another.
 *
 * Records come from skewed flows; some are there already (the same, or with a field changed), some are late, far in the
 * future, or of one time with others; texts are of any kind that is valid. All texts live as long as the workload. */
#ifndef WEIR_TESTS_SIM_WORKLOAD_H
#define WEIR_TESTS_SIM_WORKLOAD_H

#include "sim/model.h"

enum { WORKLOAD_TEXTS_MAX = 64 };

/* A few texts that come again and again, the first of them most often. */
typedef struct WorkloadTexts {
    Str items[WORKLOAD_TEXTS_MAX];
    size_t count;
} WorkloadTexts;

typedef struct Workload {
    uint64_t random;
    RecordIdentity identity;
    unsigned scale;
    WorkloadTexts sources, destinations, references, units, rule_names;
    unsigned repeat_percent;                                /* of records: one that was handed in before */
    unsigned change_percent;                                /* of those: with something changed */
    unsigned atomic_percent, dry_run_percent, rule_percent; /* of pieces of work */
    size_t records_max;                                     /* in a piece of work, as a rule */
    size_t burst_records_max;                               /* now and then */
    size_t records_left;                                    /* so many new ones may still come */
    int64_t value_typical;
    int64_t spread_us; /* of times around now */
    bool odd_texts;
    uint64_t hashes; /* 0, or so few that they collide; see bounds.h */
    bool is_large;   /* so many records that indexes have more than one tier */
    Arena texts;
    Record *seen; /* all that was ever handed in; owns */
    size_t seen_count, seen_capacity;
    int64_t made; /* records with a new id */
} Workload;

void workload_init(Workload *workload, uint64_t seed);
void workload_release(Workload *workload);

/* Draws a piece of work. The items are the caller's to free; `rules` are those in force, for changes to them. */
void workload_draw(Workload *workload, const Model *model, int64_t now_us, ModelWork *ret_work);

/* An id that was handed in before, or one that never was; and a source, or none. Draws from `random`, so that looking
 * changes nothing of what comes. */
Str workload_draw_id(const Workload *workload, uint64_t *random, Str *ret_source_id);

#endif

/* Walks through the store's log in each of its orders, every record on the way held against the model.
 *
 * `reader` has a look under way (reader_begin or reader_resume), which ends at `bound`. False, where that is answered:
 * the reader failed, and had an excuse. */
#ifndef WEIR_TESTS_SIM_WALK_H
#define WEIR_TESTS_SIM_WALK_H

#include "store/store.h"

typedef struct World World;

bool walk_scan(World *world, StoreReader *reader, int64_t after, int64_t bound, const char *what);
bool walk_times(World *world, StoreReader *reader, int64_t bound, bool descending, const char *what);
/* Between two places that are drawn, either way; and whether the view's estimate is high enough. */
void walk_between(World *world, StoreReader *reader, const StoreView *view);
void walk_find(World *world, StoreReader *reader, int64_t bound, Str id, Str source);
/* Every flow's newest record, by the index of flows; up to so many flows. */
void walk_flows(World *world, StoreReader *reader, int64_t bound, size_t most);
bool walk_messages(World *world, StoreReader *reader, int64_t bound);
/* Whether the records behind `after` are the model's, by their content. Fails nothing. */
bool walk_is_same(World *world, StoreReader *reader, int64_t after);
/* Whether the rules in the store are the model's. */
bool walk_rules(World *world, StoreReader *reader);

/* A record as the store shows it has to be the model's at `seq`. */
void walk_check_record(World *world, const StoredRecord *stored, int64_t seq, const char *what);
/* For the story: not hashed. */
void walk_tell_record(World *world, const char *label, const Record *record);

#endif

/* Rollups of what has come in since the last publish: count, sum, least and greatest value by hour, destination, unit and
 * type, in memory until they are added to the table. One thread at a time. */
#ifndef WEIR_STORE_SQLITE_ROLLUP_MAP_H
#define WEIR_STORE_SQLITE_ROLLUP_MAP_H

#include "base/arena.h"
#include "store/store.h"

typedef struct RollupMap RollupMap;

RollupMap *rollup_map_new(void);
void rollup_map_free(RollupMap *map); /* accepts NULL */
void rollup_map_clear(RollupMap *map);

/* Adds one record to its hour. BUSY without memory. */
Status rollup_map_add(RollupMap *map, const Record *record, Error *reterr) MUST_CHECK;

size_t rollup_map_count(const RollupMap *map);

/* Fills `ret_sorted` with the rollups of a level in key order; for days and weeks their hours are added up. Room for rollup_map_count;
 * returns how many. Texts borrow until clear or free. */
size_t rollup_map_sorted(const RollupMap *map, RollupLevel level, Rollup *ret_sorted);

/* Adds b to a (same key). */
void rollup_merge(Rollup *a, const Rollup *b);

/* Hour, day or week of a time, rounding down also before 1970. */
int64_t rollup_bucket(RollupLevel level, int64_t time_us);

#endif

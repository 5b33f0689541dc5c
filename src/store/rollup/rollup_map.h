/* Rollups in memory: count, sum, least and greatest value by hour, destination, unit and type, until they are written
 * as a run. One thread at a time. */
#ifndef WEIR_STORE_ROLLUP_ROLLUP_MAP_H
#define WEIR_STORE_ROLLUP_ROLLUP_MAP_H

#include "base/arena.h"
#include "store/store.h"

typedef struct RollupMap RollupMap;

RollupMap *rollup_map_new(void);      /* NULL without memory */
void rollup_map_free(RollupMap *map); /* accepts NULL */
void rollup_map_clear(RollupMap *map);

/* Adds one record to its hour. BUSY without memory. */
Status rollup_map_add(RollupMap *map, const Record *record, Error *reterr) MUST_CHECK;

/* Of hours: no other level has more. Up to 16 too many, until the next visit. */
size_t rollup_map_count(const RollupMap *map);

/* Visits the rollups of a level in the order of rollup_compare(); for days and weeks their hours are added up. Texts
 * borrow until clear or free. A visitor that returns false ends it. BUSY without memory for sorting (32 bytes a
 * rollup). */
Status rollup_map_visit(RollupMap *map, RollupLevel level, RollupVisitor *visit, void *context,
                        Error *reterr) MUST_CHECK;

/* Adds b to a (same key). */
void rollup_add(Rollup *a, const Rollup *b);

/* The order of rollups of one level: bucket, destination, unit, type. */
int rollup_compare(const Rollup *a, const Rollup *b);

/* Hour, day or week of a time, rounding down also before 1970. */
int64_t rollup_bucket(RollupLevel level, int64_t time_us);

#endif

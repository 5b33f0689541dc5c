/* A record is left out of the rollups, now and then. */
#include "now_and_then.h"
#include "store/rollup/rollup_map.h"

Status __real_rollup_map_add(RollupMap *map, const Record *record, Error *reterr);
Status __wrap_rollup_map_add(RollupMap *map, const Record *record, Error *reterr);

Status __wrap_rollup_map_add(RollupMap *map, const Record *record, Error *reterr)
{
    static unsigned calls;
    return now_and_then(&calls, 100) ? STATUS_OK : __real_rollup_map_add(map, record, reterr);
}

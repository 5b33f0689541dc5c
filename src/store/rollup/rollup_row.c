#include "store/rollup/rollup_row.h"

#include <assert.h>

/* In front of the texts. In the machine's own order, like everything in a run. */
typedef struct RowHead {
    uint64_t key;
    int64_t count;
    uint64_t sum_low;
    int64_t sum_high;
    int64_t min, max;
    uint16_t destination_bytes, unit_bytes;
    uint8_t type;
    uint8_t zeros[3];
} RowHead;

_Static_assert(sizeof(RowHead) == 56, "the format has no padding");
_Static_assert((int)ROLLUP_ROW_BYTES_MAX <= (int)RUN_ROW_BYTES_MAX, "a row fits into a block");

enum { LEVEL_SHIFT = 48 };
/* In the middle, so that buckets before 1970 come first. */
#define BUCKET_ZERO (INT64_C(1) << (LEVEL_SHIFT - 1))

uint64_t rollup_key(RollupLevel level, int64_t bucket)
{
    bucket = bucket < -BUCKET_ZERO ? -BUCKET_ZERO : bucket >= BUCKET_ZERO ? BUCKET_ZERO - 1 : bucket;
    return (uint64_t)level << LEVEL_SHIFT | (uint64_t)(bucket + BUCKET_ZERO);
}

size_t rollup_row_put(RollupLevel level, const Rollup *rollup, char *ret_row)
{
    RowHead head = {.key = rollup_key(level, rollup->bucket),
                    .count = rollup->count,
                    .sum_low = (uint64_t)rollup->sum,
                    .sum_high = (int64_t)(rollup->sum >> 64),
                    .min = rollup->min,
                    .max = rollup->max,
                    .destination_bytes = (uint16_t)rollup->destination_id.len,
                    .unit_bytes = (uint16_t)rollup->unit.len,
                    .type = (uint8_t)rollup->type};
    size_t bytes = sizeof head + rollup->destination_id.len + rollup->unit.len;
    assert(bytes <= ROLLUP_ROW_BYTES_MAX);
    memcpy(ret_row, &head, sizeof head);
    memcpy(ret_row + sizeof head, rollup->destination_id.ptr, rollup->destination_id.len);
    memcpy(ret_row + sizeof head + rollup->destination_id.len, rollup->unit.ptr, rollup->unit.len);
    return bytes;
}

bool rollup_row_get(Str row, RollupLevel *ret_level, Rollup *ret_rollup)
{
    RowHead head;
    if (row.len < sizeof head || row.len > ROLLUP_ROW_BYTES_MAX) {
        return false;
    }
    memcpy(&head, row.ptr, sizeof head);
    uint64_t level = head.key >> LEVEL_SHIFT;
    if (row.len != sizeof head + head.destination_bytes + head.unit_bytes || level > ROLLUP_WEEK ||
        head.type > RECORD_NEGATIVE) {
        return false;
    }
    *ret_level = (RollupLevel)level;
    *ret_rollup = (Rollup){
        .bucket = (int64_t)(head.key & ((UINT64_C(1) << LEVEL_SHIFT) - 1)) - BUCKET_ZERO,
        .destination_id = {row.ptr + sizeof head, head.destination_bytes},
        .unit = {row.ptr + sizeof head + head.destination_bytes, head.unit_bytes},
        .type = (RecordType)head.type,
        .count = head.count,
        .sum = (Total)(((unsigned __int128)(uint64_t)head.sum_high << 64) | head.sum_low),
        .min = head.min,
        .max = head.max,
    };
    return true;
}

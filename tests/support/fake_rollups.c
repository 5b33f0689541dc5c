#include "support/fake_rollups.h"

#include <assert.h>
#include <stdlib.h>

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static int compare_buckets(const void *a, const void *b)
{
    int64_t left = ((const Rollup *)a)->bucket, right = ((const Rollup *)b)->bucket;
    return (left > right) - (left < right);
}

static void add_to_rollups(Rollup *rollups, size_t *count, int64_t bucket, const Record *record)
{
    Rollup *found = NULL;
    for (size_t i = *count; i > 0 && !found; i--) {
        Rollup *rollup = &rollups[i - 1];
        if (rollup->bucket == bucket && rollup->type == record->type && str_equal(rollup->unit, record->unit) &&
            str_equal(rollup->destination_id, record->destination_id)) {
            found = rollup;
        }
    }
    if (!found) {
        found = &rollups[(*count)++];
        *found = (Rollup){bucket, record->destination_id, record->unit, record->type, 0, 0, INT64_MAX, INT64_MIN};
    }
    found->count++;
    found->sum += record->value;
    found->min = record->value < found->min ? record->value : found->min;
    found->max = record->value > found->max ? record->value : found->max;
}

size_t fake_rollups(const StoredRecord *rows, size_t row_count, int64_t bound, RollupLevel level, int64_t from,
                    int64_t to, RollupVisitor *visit, void *context)
{
    int64_t day_us = INT64_C(86400000000), offset_us = level == ROLLUP_WEEK ? 3 * day_us : 0;
    int64_t unit_us = level == ROLLUP_WEEK ? 7 * day_us : level == ROLLUP_DAY ? day_us : day_us / 24;
    size_t count = 0, visited = 0;
    bool go_on = true;
    Rollup *rollups = calloc(row_count + 1, sizeof *rollups);
    assert(rollups);
    for (size_t i = 0; i < row_count; i++) {
        int64_t bucket = floor_div(rows[i].record.time_us + offset_us, unit_us);
        if (rows[i].seq <= bound && bucket >= from && bucket < to) {
            add_to_rollups(rollups, &count, bucket, &rows[i].record);
        }
    }
    qsort(rollups, count, sizeof *rollups, compare_buckets);
    while (visited < count && go_on) {
        go_on = visit(context, &rollups[visited++]);
    }
    free(rollups);
    return visited;
}

/* Totals by group: a hash table of cells, each for one combination of window and keys.
 *
 * A cell is always for one unit, so that totals per unit can be told; what has the unit not among its keys adds cells
 * up when it prints. Texts are kept once each. All memory comes from one arena with a ceiling. */
#ifndef WEIR_QUERY_GROUPS_H
#define WEIR_QUERY_GROUPS_H

#include "base/arena.h"
#include "query/sample.h"
#include "record/record.h"

typedef enum GroupKey {
    KEY_DESTINATION_ID,
    KEY_SOURCE_ID,
    KEY_REFERENCE,
    KEY_TYPE,
    KEY_UNIT,
    GROUP_KEY_COUNT,
} GroupKey;
extern const char *const group_key_names[GROUP_KEY_COUNT]; /* "destinationId", … */
bool group_key_parse(Str text, GroupKey *ret_key);

/* A text that occurs in keys. */
typedef struct GroupText {
    Str text;
    uint32_t hash;
    uint32_t rank; /* after groups_sort: its place in the order of all texts */
} GroupText;

typedef struct GroupCell {
    int64_t window; /* where it begins, 0 without windows */
    uint32_t hash;
    int64_t count;
    int64_t min, max; /* of the values; not kept by what is taken away */
    Sample *sample;   /* NULL when percentiles were not asked for */
    Total gross, net;
    const GroupText *keys[]; /* by column */
} GroupCell;

typedef struct Groups Groups;

typedef struct GroupSpec {
    GroupKey keys[GROUP_KEY_COUNT]; /* each at most once */
    size_t key_count;
    bool percentiles;
    uint64_t hash_seed; /* so that nobody outside can choose collisions */
    size_t bytes_max;
    Budget *budget; /* may be NULL */
} GroupSpec;

/* NULL without memory. */
Groups *groups_new(const GroupSpec *spec);
void groups_free(Groups *groups); /* accepts NULL */

/* The columns of the cells' keys: the spec's keys in their order, and the unit when it is not among them. */
size_t groups_column_count(const Groups *groups);
GroupKey groups_column(const Groups *groups, size_t column);
/* The fields that a record must have filled to be added, as RecordField bits. */
uint32_t groups_fields(const Groups *groups);

/* After something was false for lack of room: whether it was not this one's own ceiling. */
bool groups_is_starved(const Groups *groups);

/* Adds a record (sign 1) or takes one away that was added before (sign -1). False when the ceiling is reached; nothing
 * more can be added then. Percentiles cannot be taken away. */
bool groups_add_record(Groups *groups, int64_t window, const Record *record, int sign) MUST_CHECK;

/* Many records at once, all of one destination, unit and type, which `keys` holds. */
typedef struct GroupAmount {
    int64_t count;
    Total sum;
    int64_t min, max;
} GroupAmount;
bool groups_add_amount(Groups *groups, int64_t window, const Record *keys, const GroupAmount *amount,
                       int sign) MUST_CHECK;

/* Forgets everything added. */
void groups_reset(Groups *groups);

/* Orders the cells that hold any record by window, then by the columns. Nothing can be added afterwards. */
void groups_sort(Groups *groups);
size_t groups_cell_count(const Groups *groups); /* before groups_sort those that became empty count too */
GroupCell *groups_cell_at(const Groups *groups, size_t index); /* after groups_sort */
int64_t groups_record_count(const Groups *groups);             /* of all cells */

#endif

/* A request to onboard many: {"organizations":[…]}, the array alone, or CSV → contents for the store, and what is wrong
 * with the others.
 *
 * CSV has a header (name,domain,contact_email[,metadata], in any order, onboard/organization.h); empty lines are
 * skipped. Organizations are counted from 0, by their place in the array or among the lines of the CSV; in CSV the line
 * of the text, from 1, is told, too, and is what problems are named after.
 *
 * A domain may be there once, whatever its spelling: the second and each later one is a problem that names both, also
 * where the first has problems of its own, since nobody but the client knows which of them was meant. */
#ifndef WEIR_ONBOARD_BULK_H
#define WEIR_ONBOARD_BULK_H

#include "onboard/organization.h"

enum {
    BULK_PROBLEMS_MAX = 4 * ONBOARD_ITEMS_MAX, /* kept; further ones are counted, but each bad one keeps its first */
    BULK_WARNINGS_MAX = RECORD_WARNINGS_MAX,
};

typedef enum BulkForm { BULK_JSON, BULK_CSV } BulkForm;

typedef struct BulkBad {
    int64_t item, line; /* the line is 0 in JSON */
    const FieldProblem *problems;
    size_t problem_count; /* kept */
} BulkBad;

/* Borrows from the text and the arena. */
typedef struct Bulk {
    size_t given; /* organizations in the request; more than ONBOARD_ITEMS_MAX are counted and not read */
    OrganizationContent *content; /* of the good ones */
    int64_t *items;               /* the place of each, rising */
    size_t count;
    BulkBad *bad; /* the others, rising */
    size_t bad_count;
    size_t problem_count; /* of all bad ones, kept or not */
    FieldProblem whole;   /* of the request as a whole (problem NULL: none); then nothing else is filled but `given` */
    Str warnings[BULK_WARNINGS_MAX]; /* the names of unknown fields, each once; further ones are left out */
    size_t warning_count;
} Bulk;

/* Reads `len` bytes of `text`, which are changed and need YYJSON_PADDING_SIZE writable bytes behind them. The arena's
 * ceiling is raised by what this takes at most besides reading JSON.
 * OK: all are good, 1 to ONBOARD_ITEMS_MAX. REFUSED: some are bad, or the request as a whole is (bulk->whole, which is
 * not for mode=partial either). BUSY without memory. */
Status bulk_read(char *text, size_t len, BulkForm form, const RecordPolicy *policy, Arena *arena,
                 Bulk *ret_bulk) MUST_CHECK;

/* {"organizations.3.domain":["must …"],"organizations":["…"]}; in CSV "lines.5.domain", "lines.5" for a line as a
 * whole. For `errors`. */
void bulk_put_errors(Buf *buf, const Bulk *bulk);
/* [{"index":3,"errors":{"domain":["…"]}}], in CSV with "line":5 behind the index. Problems of one as a whole are under
 * "organization". */
void bulk_put_bad(Buf *buf, const Bulk *bulk);

#endif

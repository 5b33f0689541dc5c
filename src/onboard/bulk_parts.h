/* What the readers of the two forms of a bulk request share. */
#ifndef WEIR_ONBOARD_BULK_PARTS_H
#define WEIR_ONBOARD_BULK_PARTS_H

#include "onboard/bulk.h"

/* Where a domain was met first, by its hash. */
typedef struct SeenDomain {
    Str domain; /* ptr NULL: a free slot */
    int64_t item, line;
} SeenDomain;

typedef struct BulkReading {
    Bulk *bulk;
    const RecordPolicy *policy;
    Arena *arena;
    SeenDomain *seen;
    size_t seen_mask;
    size_t problems_kept;
    RecordProblems problems; /* of the organization that is being read */
} BulkReading;

/* Room for that many, at most ONBOARD_ITEMS_MAX. BUSY without memory. */
Status bulk_reserve(BulkReading *reading, size_t count) MUST_CHECK;

/* What became of reading the next organization, whose problems are in reading->problems: it is one of the good ones, or
 * of the bad. BUSY without memory; a `read` that is BUSY is handed on. */
Status bulk_add(BulkReading *reading, int64_t line, Status read, const OrganizationContent *content) MUST_CHECK;

void bulk_add_warnings(BulkReading *reading);

/* The request as a whole is refused: the rest of what was read is forgotten. Texts are copied. REFUSED, or BUSY without
 * memory. */
Status bulk_refuse(BulkReading *reading, Str field, const char *problem) MUST_CHECK;
/* The body is not what it should be: "is not valid CSV: ", and why. */
Status bulk_refuse_text(BulkReading *reading, const char *what, const Error *error) MUST_CHECK;
Status bulk_refuse_count(BulkReading *reading) MUST_CHECK; /* bulk->given is not 1 to ONBOARD_ITEMS_MAX */

Status bulk_read_json(BulkReading *reading, char *text, size_t len) MUST_CHECK;
Status bulk_read_csv(BulkReading *reading, char *text, size_t len) MUST_CHECK;

#endif

/* Events of the past, read again by the mappings of now: what would become of each, and the records that put it
 * right. */
#ifndef WEIR_QUERY_REPROCESS_H
#define WEIR_QUERY_REPROCESS_H

#include "query/query.h"

enum { REPROCESS_LIMIT_MAX = 500, REPROCESS_LIMIT_DEFAULT = 100 };

typedef struct ReprocessOptions {
    Str mapping;             /* those that are in force as this mapping read them; empty: whichever. Copied */
    int64_t after;           /* those behind this sequence … */
    int64_t after_duplicate; /* … of the first one without the duplicates up to this id, which are done; else 0 */
    int64_t through;         /* … up to this one; 0: as far as the view sees */
    bool take_back;          /* an event that cannot be read any more has changed, too: it counts no more */
} ReprocessOptions;

/* POST /api/events/reprocess: ?client&startDate&endDate&limit (1–REPROCESS_LIMIT_MAX, default REPROCESS_LIMIT_DEFAULT);
 * the filters are of what is in force now.
 *
 * Each event is read by the mapping that was asked for with it if that still is there, else by the one that names its
 * client, else by the built-in one. It has changed when its content has; or when its id has, by which it would be known
 * again, and that id leads elsewhere. Everything becomes as if the mappings of now had been there from the beginning:
 * of two events that are one by them the first counts, and the other is only taken back. (Of those that change in the
 * same way, a dry run sees this within one call.)
 *
 * With each event goes what was taken for its duplicate and came as other bytes or for another mapping: before the
 * event itself. One that is another event by the mappings of now, and that nobody counts as, has changed, too: it
 * becomes an event of its own. In all counts it is one that was looked at, as `duplicates` says.
 *
 * A query looks through a bounded part of the log, and stops early when `limit` events have changed or cannot be read.
 * It appends
 * {"data":{"looked":9,"same":7,"changed":1,"unreadable":1,"next":7|null,"through":9,"duplicates":0,"nextDuplicate":3|null,"changes":[{"id":3,"was":{…event…,"mapping":"builtin"}, "becomes":{…event…,"mapping":"shop"}}],"unreadableEvents":[{"id":5,"hash":"…","errors":{…}}] without the two braces, so that more members can follow. `next` is
 * where the next query begins; null: it was all. "nextDuplicate" is its after_duplicate. "becomes" has "alias" when the
 * event's id is another one now; it is null, and "sameAs" the "id" of the event that counts, when only one of the two
 * does. "was" is null for an event that was taken back and counts again, and for what was taken for a duplicate: that
 * has "duplicate", the id as which it is kept, and the "id" of the event that it was taken for. An event that is taken
 * back since it cannot be read has "errors" and no "sameAs".
 * "sameAsDuplicate" is that id where "sameAs" is such
 * an event, of whose duplicates one counts. */
Status query_reprocess_new(const ReprocessOptions *reprocess, const QueryParam *params, size_t count,
                           const QueryOptions *options, Query **ret_query, QueryProblems *problems) MUST_CHECK;

/* What puts right the changed ones: for each what takes back, what replaces, or one after the other, or what had been
 * taken for a duplicate; and their items. They are ready to be handed in; received_us and the like are when they were
 * read. Borrows until query_free. */
typedef struct ReprocessPlan {
    const Record *records;
    const EventItem *items;
    const size_t *ends; /* of each change: one behind its last record */
    size_t changes;
} ReprocessPlan;
ReprocessPlan query_reprocess_plan(const Query *query);

#endif

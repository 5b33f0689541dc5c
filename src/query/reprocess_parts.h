/* The parts of reprocess.h. Internal to reprocess*.c: the query walks and judges, _duplicates does so with what was
 * taken for a duplicate, _same finds who else counts as an event, _plan makes what puts it right, and tells it. */
#ifndef WEIR_QUERY_REPROCESS_PARTS_H
#define WEIR_QUERY_REPROCESS_PARTS_H

#include "query/reprocess.h"
#include "query/request.h"
#include "query/task.h"
#include "record/event.h"
#include "record/record_check.h"

enum { REPROCESS_PAGE_EVENTS = 256 };

typedef struct PageEvent {
    int64_t seq;
    Str raw;     /* with room for YYJSON_PADDING_SIZE behind it */
    Str mapping; /* by which it was read first */
    Str asked;   /* the same, when it was asked for; else empty */
} PageEvent;

/* What was taken for a duplicate. */
typedef struct PageDuplicate {
    int64_t id, received_us;
    Str raw, mapping, asked; /* likewise, but there is no room behind the bytes */
} PageDuplicate;

typedef struct ReprocessQuery {
    Query base;
    Request request;
    Str mapping;
    int64_t at, through;  /* what is up to `at` is done */
    int64_t duplicate_at; /* and of the event behind it, its duplicates up to this id */
    size_t limit;
    int64_t walked, looked, same, changed, unreadable, duplicates;
    bool begun, all, take_back;
    Budget memory; /* of both, and of what is told */
    Arena scratch, kept;
    PageEvent page[REPROCESS_PAGE_EVENTS];
    size_t page_count, page_entries, page_bytes;
    int64_t page_last;
    PageDuplicate duplicate_page[REPROCESS_PAGE_EVENTS];
    size_t duplicate_count, duplicate_bytes;
    Status page_status;
    Record *records; /* one or two for each that has changed */
    EventItem *items;
    size_t *ends;           /* one behind the last of each */
    int64_t *duplicate_ids; /* of each; 0: it is about the event itself */
    size_t kept_bytes;      /* of events in it */
    Buf changes, refusals;
} ReprocessQuery;

/* One event, and what is in force of it. */
typedef struct Looking {
    ReprocessQuery *query;
    StoreReader *reader;
    const PageEvent *event;
    const PageDuplicate *duplicate; /* of it; NULL: the event itself */
    int64_t rounds, seq;            /* corrections so far, and the record in force */
    bool taken_back;                /* nothing is in force: that record was the last one that was */
    Record record;                  /* that record; in scratch */
    Str mapping;                    /* by which it was read; likewise */
    Str key;                        /* of the event itself */
    Event becomes;                  /* by the mappings of now; likewise */
    int64_t holder;                 /* who is known by the id that it gets; see EventItem */
    int64_t same_as;                /* the event that counts for it, too; 0: none */
    int64_t same_as_duplicate;      /* or this duplicate of that one; else 0 */
    Status status;
    Error *reterr;
} Looking;

static inline Status reprocess_starved(Error *reterr)
{
    return error_set(reterr, STATUS_BUSY, "no memory to read an event again");
}

/* Reads an event's bytes, with room for YYJSON_PADDING_SIZE behind them, by the mappings of now; `asked` is the mapping
 * that was asked for with it, and counts as long as there is one of that name; empty: none was.
 * REFUSED with problems. */
Status reprocess_read(ReprocessQuery *query, Str raw, Str asked, Event *ret_event, RecordProblems *problems) MUST_CHECK;
/* Who has this record's id: *ret_seq is 0 when nobody has. */
Status reprocess_find_record(Looking *looking, const Record *record, int64_t *ret_seq) MUST_CHECK;
/* Sets `holder` and `same_as`. */
Status reprocess_find_same(Looking *looking) MUST_CHECK;
/* Sets `holder`, and whether an event counts as what was taken for a duplicate, or will when it is put right. */
Status reprocess_find_counted(Looking *looking, bool *ret_counted) MUST_CHECK;

/* Whether the call has enough. */
bool reprocess_is_full(const ReprocessQuery *query);
/* Looks at the next few of what was taken for duplicates of an event. `is_read`: the event itself could be read again.
 * *ret_done: at all of them. */
Status reprocess_look_at_duplicates(Looking *looking, bool is_read, bool *ret_done) MUST_CHECK;

/* False: no memory. */
bool reprocess_copy(Arena *arena, const Record *record, Record *ret_copy);
/* The records so far. */
size_t reprocess_plan_end(const ReprocessQuery *query);
/* Makes the records that put the event right, behind those so far. They count when `changed` does. */
Status reprocess_plan_change(Looking *looking) MUST_CHECK;
/* Likewise what only takes it back. */
Status reprocess_plan_end_of(Looking *looking) MUST_CHECK;
/* Likewise what had been taken for a duplicate, as an event of its own. */
Status reprocess_plan_taken(Looking *looking) MUST_CHECK;
/* `problems`: why it cannot be read, NULL if it can. */
void reprocess_tell_change(Looking *looking, const RecordProblems *problems);
void reprocess_tell_refusal(Looking *looking, const RecordProblems *problems);

#endif

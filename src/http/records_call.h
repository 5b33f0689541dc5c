/* A call that hands in records, or events: what its parameters and headers say, and the answer to many of them. */
#ifndef WEIR_HTTP_RECORDS_CALL_H
#define WEIR_HTTP_RECORDS_CALL_H

#include "http/fault.h"

typedef enum ResultsWanted { RESULTS_PROBLEMS, RESULTS_ALL, RESULTS_NONE } ResultsWanted;

typedef struct RecordsCall {
    ResultsWanted results;
    bool atomic, dry_run;
    bool first_wins;    /* on_conflict: first */
    bool accepts_only;  /* POST /records, which answers 202 */
    bool by_front_door; /* and hands its records to the front door */
    bool events;        /* POST /api/events, which makes records of them; they are first_wins */
    Str mapping;        /* by which they are to be read; empty: whichever fits */
    Fault fault;        /* of a single one */
    MediaType media;
    Str traceparent; /* kept with each record; empty when there is none */
} RecordsCall;

/* What is handed in, and how it is answered. */
typedef enum RecordsRoute { ROUTE_RECORDS, ROUTE_RECORDS_ACCEPTED, ROUTE_EVENTS } RecordsRoute;

/* Reads the request's parameters and headers into its arena. NULL when an answer was said. */
RecordsCall *records_call_read(Request *request, RecordsRoute route);
/* Takes the trace of this header, if there is one, in place of an earlier one. False, and a 503 is said, without
 * memory. */
bool records_call_trace(Request *request, RecordsCall *call, const char *header);

enum { RESULTS_LISTED_MAX = 10000 };

/* The answer to many records, as it grows: counts that are exact, and the results that are listed, in order. */
typedef struct Results {
    ResultsWanted wanted;
    bool first_wins;    /* a conflict is told as a duplicate of the first one, with what differs */
    bool by_front_door; /* what becomes of the records that were accepted is not known yet */
    bool events;        /* they are these: fields have their names */
    uint64_t received, accepted, created, duplicates, conflicts, rejected;
    Buf list; /* owns; whole entries, also when it is `failed`, which is when no more go in */
    size_t listed;
    bool truncated;
    Str warnings[RECORD_WARNINGS_MAX]; /* unknown fields, each once; in the arena */
    size_t warning_count;
} Results;

/* Where a record came from, for its place in the answer; `line` is 0 when it came from an array. */
typedef struct ResultPlace {
    uint64_t index, line;
} ResultPlace;

/* For the answer to this call, whose list counts in the budget. A clash stops an atomic one all the same: not all of it
 * could be taken in. */
void results_init(Results *results, const RecordsCall *call, Budget *budget);
void results_release(Results *results);
/* Where there is no room for the list, the counts are told without; nothing more is listed. */
void results_forget_list(Results *results);

void results_add(Results *results, ResultPlace place, const Record *record, const Outcome *outcome);
/* One that the front door has taken. */
void results_add_accepted(Results *results, ResultPlace place, const Record *record);

/* A record that was refused before the processor saw it, in two steps: its entry can be written as soon as it is known,
 * and added when its turn in the order comes. One whose entry is empty is counted, and missing in the list. */
void results_put_refused(Buf *buf, ResultPlace place, const RecordProblems *problems);
void results_add_refused(Results *results, Str entry);

/* Remembers unknown fields; copies. */
void results_add_warnings(Results *results, const RecordProblems *problems, Arena *arena);

/* The answer to a call that was carried out: {"message":"…","data":{…},"warnings":[…]}. Nothing else is asked of
 * `results` afterwards. */
void results_answer(Request *request, const RecordsCall *call, Results *results);

/* {"received":…,"created":…,…,"results":[…]}, or {"received":…,"accepted":…,"rejected":…,"results":[…]} by the front
 * door. */
void results_put(Buf *buf, const Results *results);
/* ,"warnings":["…"] or nothing. */
void warnings_put(Buf *buf, const Str *fields, size_t count);

/* The front door has not, or not surely, taken all of it: 503. */
void records_say_not_handed_in(Request *request);

/* Why a record, or an event, cannot be taken in: 422. `members` go in front of its errors, each with a comma behind
 * it. */
/* Of an outcome that is starved. */
void records_say_starved(Request *request);
void records_say_invalid(Request *request, Str members, const RecordProblems *problems);

/* route_events_post.c: a single event, whose bytes were `raw`; and one that is not even JSON, with why: "is not valid
 * JSON: …". */
void events_post_single(Request *request, yyjson_val *value, Str raw);
void events_post_unreadable(Request *request, Str raw, const char *why);

/* route_records_many.c: the values of an array. */
void records_post_many(Request *request, yyjson_val *items);
/* route_records_ndjson.c: from `begin`, and when the body is there. */
void records_begin_ndjson(Request *request);
void records_finish_ndjson(Request *request);

#endif

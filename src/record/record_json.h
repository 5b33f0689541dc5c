/* Records from JSON and CSV, and back: what is required of a record, each bad field named (all of them, not the
 * first). */
#ifndef WEIR_RECORD_RECORD_JSON_H
#define WEIR_RECORD_RECORD_JSON_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "record/record.h"

/* How records are checked here; fixed while the program runs. */
typedef struct RecordPolicy {
    unsigned scale;
    RecordIdentity identity;
    uint64_t hash_seed;
    bool refuse_unknown_fields;
    bool faults_allowed; /* FAULT_MEMBER may be there, which is no field */
    bool faults_refused; /* it must not: what is read is not the whole of a request, so that nobody would look at it */
} RecordPolicy;

#define FAULT_MEMBER "simulateFailure" /* of records and events that ask for a failure */

enum { RECORD_PROBLEMS_MAX = 32, RECORD_WARNINGS_MAX = 16, FIELD_NAME_BYTES_MAX = 128 };

typedef struct FieldProblem {
    Str field; /* the field's name as the client wrote it, cut at FIELD_NAME_BYTES_MAX; "" for the record as a whole */
    const char *problem; /* a sentence: "must be a string of 1 to 255 characters" */
} FieldProblem;

/* What was found in one record. Texts borrow from the input or the arena. */
typedef struct RecordProblems {
    FieldProblem items[RECORD_PROBLEMS_MAX];
    size_t count;
    Str unknown_fields[RECORD_WARNINGS_MAX]; /* for `warnings`; further ones are only counted */
    size_t unknown_count;
    Str record_id; /* of a bad record too, when it could be read: so that answers can name it */
} RecordProblems;

/* Reads JSON with numbers as raw text, strict RFC 8259, no allocation beyond the arena. `text` is changed (strings are
 * decoded in place) and must have YYJSON_PADDING_SIZE writable bytes behind it, which are restored. The result borrows
 * from both. REFUSED with a phrase that follows the text's name: "is not valid JSON: line 3, column 7: unexpected
 * character" (columns count bytes) when it is malformed. BUSY when the system or the arena has no memory, but REFUSED
 * when the arena reached its ceiling with more than half of it free at the call: then it is this text that "has too many
 * values, or is nested too deep" (records need about 3 bytes a byte of text, the densest JSON 12). */
Status json_read(char *text, size_t len, Arena *arena, yyjson_val **ret_root, Error *reterr) MUST_CHECK;

/* The value as JSON without white space, its numbers as they were written. ptr is NULL without memory. */
Str json_write(const yyjson_val *value, Arena *arena) MUST_CHECK;

/* A record from a JSON value. REFUSED with `problems` filled (which is reset first); BUSY when there is no memory to
 * look for keys that are given twice: in the record or in anything inside it that is a problem. The record borrows from
 * the value's text. */
Status record_from_json(yyjson_val *value, const RecordPolicy *policy, Record *ret_record,
                        RecordProblems *problems) MUST_CHECK;

/* json_read() and record_from_json() in one, for one line of NDJSON: faster, as it leaves nothing in the arena but the
 * text of a problem. The record borrows from `line`, which is changed and needs the same padding (the next line may be
 * there: it is restored). REFUSED with `problems` filled, also when the line is not JSON. BUSY as for json_read(), and
 * then `line` is spoilt for another try: an arena that is kept less than half full never gets there. */
Status record_parse_line(char *line, size_t len, const RecordPolicy *policy, Arena *arena, Record *ret_record,
                         RecordProblems *problems) MUST_CHECK;

/* Column names of a CSV header → record fields; REFUSED when one is missing, doubled or (by policy) unknown. Names are
 * the JSON names, or their snake_case forms; a byte order mark in front of the first is skipped. */
enum { CSV_COLUMNS_MAX = 64 };
typedef struct CsvHeader {
    int column_of[RECORD_FIELD_COUNT]; /* by bit number of RecordField */
    size_t columns;
} CsvHeader;
Status csv_header_parse(const Str *names, size_t count, const RecordPolicy *policy, CsvHeader *ret_header,
                        Error *reterr) MUST_CHECK;
/* As record_from_json. An empty cell is a missing field. The record borrows from the cells. */
Status record_from_csv(const Str *cells, size_t count, const CsvHeader *header, const RecordPolicy *policy,
                       Record *ret_record, RecordProblems *problems) MUST_CHECK;

/* Takes one CSV line (RFC 4180: quoted cells, doubled quotes, line breaks inside quotes, CRLF or LF) off the front of
 * `rest`.
 * Cells are unquoted in place and borrow from `rest`. OK with count 0 for an empty line; BUSY when the text ends inside
 * a line and `complete` is false (more is to come; nothing is consumed or changed); REFUSED for a stray quote or too
 * many columns, and then `rest` is behind the bad line. */
Status csv_line_split(Str *rest, bool complete, Str ret_cells[CSV_COLUMNS_MAX], size_t *ret_count,
                      Error *reterr) MUST_CHECK;

/* Where the line that csv_line_split would take ends, good or bad: its length, and that of the line break behind it.
 * False when the text ends inside the line and `complete` is false; the line has at least *ret_bytes then: a carriage
 * return at the end may be of the line break. */
bool csv_line_measure(Str text, bool complete, size_t *ret_bytes, size_t *ret_break_bytes) MUST_CHECK;

/* The fields of a record as the API shows them, without braces:
 * "id":7,"recordId":"rec-001","time":"…Z",…,"value":"100.50",… */
void record_put_json_fields(Buf *buf, const Record *record, int64_t seq, unsigned scale);
/* {"recordId":"rec-001",…,"reference":"…"}: what makes it up and nothing more, so that record_from_json reads the same
 * record out of it. */
enum { RECORD_JSON_CONTENT_BYTES_MAX = 8 << 10 };
void record_put_json_content(Buf *buf, const Record *record, unsigned scale);
/* With braces. */
void record_put_json(Buf *buf, const StoredRecord *stored, unsigned scale);
/* What is of the event itself, without braces:
 * "hash":"…","recordId":"…","id":7,"client":"A","metric":"revenue","amount":"-12.50","unit":"EUR", "timestamp":"…". The
 * id is left out when `seq` is 0. */
void event_put_json_fields(Buf *buf, const Record *record, int64_t seq, unsigned scale);

/* The line of names (those of the JSON, without traceparent), and a line of values, each with CRLF. */
void record_put_csv_header(Buf *buf);
void record_put_csv(Buf *buf, const StoredRecord *stored, unsigned scale);

/* ["value","time"] of RecordField bits. */
void record_differs_put_json(Buf *buf, uint32_t differs);
/* The same of an event's record, by the names of an event's parts: ["amount","time"]. */
void event_differs_put_json(Buf *buf, uint32_t differs);

/* "records.3.value":["…"],"records.3.time":["…","…"], a name of each once, behind a comma where something is before it:
 * names are `prefix` (at most FIELD_PREFIX_BYTES_MAX) and the field's, `whole` for what has no field. */
enum { FIELD_PREFIX_BYTES_MAX = 64 };
void field_problems_put(Buf *buf, const char *prefix, const char *whole, const FieldProblem *items, size_t count);

/* {"value":["…"],"time":["…","…"]}; problems of the record as a whole are under "record". */
void record_problems_put_json(Buf *buf, const RecordProblems *problems);
/* One sentence that names every field, for logs and lists. */
void record_problems_put_text(Buf *buf, const RecordProblems *problems);
/* The same in the arena, at most so many bytes of it, as it is kept with a dead letter. BUSY without memory: a letter
 * without its reason helps nobody. */
Status record_problems_say(const RecordProblems *problems, size_t bytes_max, Arena *arena, Str *ret_text) MUST_CHECK;

void buf_put_decimal_json(Buf *buf, Total value, unsigned scale); /* "100.50" with quotes */
void buf_put_time_json(Buf *buf, int64_t time_us);                /* "2025-01-01T10:00:00Z" with quotes */
void buf_put_key_time(Buf *buf, const char *name, int64_t time_us);

#endif

/* The record: Weir's standardized unit, and the totals that run along its flow. */
#ifndef WEIR_RECORD_RECORD_H
#define WEIR_RECORD_RECORD_H

#include "base/str.h"

typedef enum RecordType { RECORD_POSITIVE, RECORD_NEGATIVE } RecordType;

/* A valid record. All texts borrow: from the arena of the submission, or from the store's row until the visitor
 * returns. */
typedef struct Record {
    Str record_id, source_id, destination_id, unit, reference; /* 1–255 code points each, valid UTF-8, no NUL */
    Str traceparent;                                           /* W3C Trace Context, empty when there was none */
    int64_t time_us;                                           /* since 1970 UTC; years 0001–9999 */
    int64_t value;                                             /* minor units, 0 … RECORD_VALUE_MAX */
    RecordType type;
    uint64_t identity_hash; /* record_identity_hash(), of the fields that the store's identity option names */
} Record;

#define RECORD_VALUE_MAX INT64_C(999999999999999) /* 9,999,999,999,999.99 at scale 2 */
enum { RECORD_TEXT_CODE_POINTS_MAX = 255 };

/* What makes two records the same record. */
typedef enum RecordIdentity {
    IDENTITY_RECORD_ID,
    IDENTITY_SOURCE_AND_RECORD_ID,
    IDENTITY_CONTENT, /* everything but the recordId */
} RecordIdentity;

/* One bit a field, in the order in which answers list them. Also the columns that a scan asks for. */
typedef enum RecordField {
    FIELD_RECORD_ID = 1 << 0,
    FIELD_TIME = 1 << 1,
    FIELD_SOURCE_ID = 1 << 2,
    FIELD_DESTINATION_ID = 1 << 3,
    FIELD_TYPE = 1 << 4,
    FIELD_VALUE = 1 << 5,
    FIELD_UNIT = 1 << 6,
    FIELD_REFERENCE = 1 << 7,
    FIELD_TOTALS = 1 << 8, /* not a field of a record: the running totals, prev_seq, received_us and traceparent */
    FIELD_ALL = (1 << 9) - 1,
    FIELD_EVENT = 1 << 9, /* is_event, which is no part of the row but looked up beside it: it is not in FIELD_ALL */
} RecordField;
enum { RECORD_FIELD_COUNT = 8 };
extern const char *const record_field_names[RECORD_FIELD_COUNT]; /* "recordId", "time", … by bit number */

/* Exact totals in minor units. */
typedef __int128 Total;

/* The largest magnitude that a store keeps (hi × 10^15 + lo with hi an int64): beyond it a record is refused. */
#define TOTAL_MAX ((Total)INT64_MAX * 1000000000000000)

/* The running totals of a flow, one record included after another. */
typedef struct FlowTotals {
    int64_t positive_count, negative_count;
    Total positive_total, negative_total; /* both ≥ 0 */
} FlowTotals;

static inline int64_t flow_totals_count(const FlowTotals *t) { return t->positive_count + t->negative_count; }
static inline Total flow_totals_gross(const FlowTotals *t) { return t->positive_total + t->negative_total; }
static inline Total flow_totals_net(const FlowTotals *t) { return t->positive_total - t->negative_total; }

/* Adds (sign 1) or takes away (sign -1) one record; false, and nothing changed, when a total would leave ±TOTAL_MAX. */
bool flow_totals_add(FlowTotals *totals, RecordType type, int64_t value, int sign);

/* A record as the log holds it. */
typedef struct StoredRecord {
    Record record;
    int64_t seq;
    int64_t prev_seq;    /* the flow's previous record, 0 for the first */
    int64_t received_us; /* when its batch was committed, by the wall clock */
    FlowTotals totals;   /* of the flow, this record included */
    bool is_event;       /* it came from an event, or corrects one: the store has that beside it */
} StoredRecord;

/* The summary that a notification carries: the flow before this record. */
FlowTotals stored_record_summary(const StoredRecord *stored);

/* Its value with the sign of its type. */
static inline Total record_amount(const Record *record)
{
    return record->type == RECORD_POSITIVE ? record->value : -(Total)record->value;
}

/* The bits of RecordField in which two records differ, after normalising. traceparent is not content. */
uint32_t record_differs(const Record *a, const Record *b);

/* The fields that make up an identity, as RecordField bits. Two records are the same record when none of them
 * differs. */
uint32_t record_identity_fields(RecordIdentity identity);

/* XXH3 with the store's own seed, so that nobody outside can choose collisions. Never 0. A hash finds candidates;
 * whether they are the same is always decided by comparing the fields. */
uint64_t record_identity_hash(const Record *record, RecordIdentity identity, uint64_t seed);
uint64_t record_flow_hash(Str destination_id, Str reference, Str unit, uint64_t seed);

/* Whether its recordId is like those of events: "sha256:" and a key, or a correction of one, "correction:" with the
 * key, ":" and a number. The key is 64 hexadecimal digits, the hash of what the event means; or those, ":" and a
 * number, where an event that means the same was there before and had been taken back. `ret_number` is 0 for an event
 * itself; the odd ones take back what was counted, the even ones take its place. Every event has such an id, but any
 * record may: whether it came from an event is StoredRecord.is_event. */
enum { EVENT_HASH_HEX_BYTES = 64, EVENT_KEY_BYTES_MAX = EVENT_HASH_HEX_BYTES + 1 + 20 };
bool record_has_event_id(const Record *record, Str *ret_key, uint64_t *ret_number);
/* The hash of its event; empty when there is none. */
Str record_event_hash(const Record *record);

static inline bool record_same_flow(const Record *a, const Record *b)
{
    return str_equal(a->destination_id, b->destination_id) && str_equal(a->reference, b->reference) &&
           str_equal(a->unit, b->unit);
}

#endif

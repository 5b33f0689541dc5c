/* Events: a client's raw message becomes a record. Its client, metric, amount and time are found and normalised, and it
 * is known again by their meaning: the same event has the same hash, however it is spelt. */
#ifndef WEIR_RECORD_EVENT_H
#define WEIR_RECORD_EVENT_H

#include "record/mapping.h"
#include "record/record_json.h"

enum { EVENT_HASH_BYTES = 32 };

typedef struct Event {
    Record record; /* its recordId is "sha256:" and the hash in hexadecimal */
    uint8_t hash[EVENT_HASH_BYTES];
    const Mapping *mapping; /* that was used */
} Event;

/* What becomes of an event. `value` is from json_read(); `asked` names a mapping, empty: that of the client, else the
 * built-in one (whose paths then find the client). Texts borrow from the value and the arena. A top-level FAULT_MEMBER
 * is not looked at, or refused by the policy.
 * REFUSED with `problems` filled: the fields are paths as the event has them, and unknown_fields are those that no path
 * of the mapping names.
 * Where the client could be read, problems->record_id is the client. BUSY: no memory. */
Status event_from_json(yyjson_val *value, const MappingSet *mappings, Str asked, const RecordPolicy *policy,
                       Arena *arena, Event *ret_event, RecordProblems *problems) MUST_CHECK;

/* The canonical form of an event, for people; else as event_from_json(). */
Status event_canonical(yyjson_val *value, const MappingSet *mappings, Str asked, const RecordPolicy *policy,
                       Arena *arena, Str *ret_text, RecordProblems *problems) MUST_CHECK;

/* The canonical form, of which the hash is the SHA-256, is the JSON array
 *   ["weir-event-1", client, metric, type, amount, unit, time, {extra fields by path}]
 * with the amount without trailing zeros and the time as microseconds in RFC 3339; where the mapping names an id, it is
 *   ["weir-event-id-1", client, id]. docs/events.md shows both, so that a client can make the hash itself. */

/* ---- Spellings; each is NULL when it was understood, else what is wrong as a phrase ------------------------------ */

/* "1,200.50", "€ 1200", "-12.5 EUR", "(12.00)", as text; numbers of JSON as they are written. Exact at the scale.
 * ret_unit is what the text names besides: an ISO 4217 code (for a sign that stands for one currency alone, too), the
 * sign itself where it stands for several ("$", "¥"), empty for nothing. A zero is not negative. */
const char *event_amount_parse(Str text, bool is_number, AmountStyle style, unsigned scale, int64_t *ret_value,
                               bool *ret_negative, Str *ret_unit);

/* RFC 3339, "2024/01/01", "2024-01-01 10:00", RFC 2822, epoch numbers (text or number); without a zone it is UTC. */
const char *event_time_parse(Str text, bool is_number, DateOrder dates, EpochUnit epoch, int64_t *ret_us);

#endif

#include "record/record.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <endian.h>

const char *const record_field_names[RECORD_FIELD_COUNT] = {
    "recordId", "time", "sourceId", "destinationId", "type", "value", "unit", "reference",
};

bool flow_totals_add(FlowTotals *totals, RecordType type, int64_t value, int sign)
{
    Total *total = type == RECORD_POSITIVE ? &totals->positive_total : &totals->negative_total;
    int64_t *count = type == RECORD_POSITIVE ? &totals->positive_count : &totals->negative_count;
    Total sum = *total + (Total)value * sign;
    if (sum > TOTAL_MAX || sum < -TOTAL_MAX) {
        return false;
    }
    *total = sum;
    *count += sign;
    return true;
}

FlowTotals stored_record_summary(const StoredRecord *stored)
{
    FlowTotals before = stored->totals;
    /* The totals hold this record, so taking it away only brings them nearer to zero. */
    (void)flow_totals_add(&before, stored->record.type, stored->record.value, -1);
    return before;
}

uint32_t record_differs(const Record *a, const Record *b)
{
    uint32_t fields = 0;
    fields |= str_equal(a->record_id, b->record_id) ? 0 : FIELD_RECORD_ID;
    fields |= a->time_us == b->time_us ? 0 : FIELD_TIME;
    fields |= str_equal(a->source_id, b->source_id) ? 0 : FIELD_SOURCE_ID;
    fields |= str_equal(a->destination_id, b->destination_id) ? 0 : FIELD_DESTINATION_ID;
    fields |= a->type == b->type ? 0 : FIELD_TYPE;
    fields |= a->value == b->value ? 0 : FIELD_VALUE;
    fields |= str_equal(a->unit, b->unit) ? 0 : FIELD_UNIT;
    fields |= str_equal(a->reference, b->reference) ? 0 : FIELD_REFERENCE;
    return fields;
}

static bool is_hex(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!((text.ptr[i] >= '0' && text.ptr[i] <= '9') || (text.ptr[i] >= 'a' && text.ptr[i] <= 'f'))) {
            return false;
        }
    }
    return true;
}

/* Takes ":" and a number that is not 0 from the end of `text`. */
static bool take_number(Str *text, uint64_t *ret_number)
{
    size_t at = text->len;
    while (at > 0 && text->ptr[at - 1] >= '0' && text->ptr[at - 1] <= '9') {
        at--;
    }
    bool is_there = at > 0 && text->ptr[at - 1] == ':' &&
                    str_to_u64((Str){text->ptr + at, text->len - at}, UINT64_MAX, ret_number) && *ret_number > 0;
    text->len = is_there ? at - 1 : text->len;
    return is_there;
}

static bool is_key(Str key)
{
    uint64_t number;
    return (key.len <= EVENT_HASH_HEX_BYTES || take_number(&key, &number)) && key.len == EVENT_HASH_HEX_BYTES &&
           is_hex(key);
}

bool record_has_event_id(const Record *record, Str *ret_key, uint64_t *ret_number)
{
    const Str event = STR("sha256:"), correction = STR("correction:");
    Str id = record->record_id;
    bool is_correction = str_starts_with(id, correction);
    size_t at = is_correction ? correction.len : event.len;
    if (!is_correction && !str_starts_with(id, event)) {
        return false;
    }
    *ret_key = (Str){id.ptr + at, id.len - at};
    *ret_number = 0;
    return (!is_correction || take_number(ret_key, ret_number)) && is_key(*ret_key);
}

Str record_event_hash(const Record *record)
{
    Str key;
    uint64_t number;
    return record_has_event_id(record, &key, &number) ? (Str){key.ptr, EVENT_HASH_HEX_BYTES} : STR("");
}

uint32_t record_identity_fields(RecordIdentity identity)
{
    switch (identity) {
    case IDENTITY_SOURCE_AND_RECORD_ID: return FIELD_SOURCE_ID | FIELD_RECORD_ID;
    case IDENTITY_CONTENT:
        return FIELD_TIME | FIELD_SOURCE_ID | FIELD_DESTINATION_ID | FIELD_TYPE | FIELD_VALUE | FIELD_UNIT |
               FIELD_REFERENCE;
    case IDENTITY_RECORD_ID: break;
    }
    return FIELD_RECORD_ID;
}

/* What is hashed: each text with its length (32 bits) in front, each number as 64 bits, little-endian, so that no two
 * lists of fields read the same. It goes through a buffer, and only a long list needs XXH3's (larger, slower) streaming
 * state; both ways give the same hash. Index files keep these hashes: a change here makes every one of them wrong. */
typedef struct HashInput {
    size_t len;
    bool streaming;
    uint64_t seed;
    char bytes[512];
    XXH3_state_t state; /* set up once `streaming` */
} HashInput;

/* Leaves the large members as they are: clearing them would cost more than the hash. */
static inline void hash_begin(HashInput *input, uint64_t seed)
{
    input->len = 0;
    input->streaming = false;
    input->seed = seed;
}

static void hash_flush(HashInput *input)
{
    if (!input->streaming) {
        input->streaming = true;
        XXH3_INITSTATE(&input->state); /* the reset compares its seed with the one before */
        XXH3_64bits_reset_withSeed(&input->state, input->seed);
    }
    XXH3_64bits_update(&input->state, input->bytes, input->len);
    input->len = 0;
}

static inline void hash_bytes(HashInput *input, const void *bytes, size_t len)
{
    if (len > sizeof input->bytes - input->len) {
        hash_flush(input);
    }
    if (len > sizeof input->bytes) {
        XXH3_64bits_update(&input->state, bytes, len);
        return;
    }
    memcpy(input->bytes + input->len, bytes, len);
    input->len += len;
}

static inline void hash_text(HashInput *input, Str text)
{
    uint32_t len = htole32((uint32_t)text.len);
    hash_bytes(input, &len, sizeof len);
    if (text.len > 0) {
        hash_bytes(input, text.ptr, text.len);
    }
}

static inline void hash_number(HashInput *input, int64_t number)
{
    uint64_t bytes = htole64((uint64_t)number);
    hash_bytes(input, &bytes, sizeof bytes);
}

static inline uint64_t hash_finish(HashInput *input)
{
    uint64_t hash;
    if (input->streaming) {
        hash_flush(input);
        hash = XXH3_64bits_digest(&input->state);
    } else {
        hash = XXH3_64bits_withSeed(input->bytes, input->len, input->seed);
    }
    return hash ? hash : 1;
}

static void hash_content(HashInput *input, const Record *record)
{
    hash_number(input, record->time_us);
    hash_text(input, record->source_id);
    hash_text(input, record->destination_id);
    hash_number(input, record->type);
    hash_number(input, record->value);
    hash_text(input, record->unit);
    hash_text(input, record->reference);
}

uint64_t record_identity_hash(const Record *record, RecordIdentity identity, uint64_t seed)
{
    HashInput input;
    hash_begin(&input, seed);
    switch (identity) {
    case IDENTITY_CONTENT: hash_content(&input, record); break;
    case IDENTITY_SOURCE_AND_RECORD_ID: hash_text(&input, record->source_id); __attribute__((fallthrough));
    case IDENTITY_RECORD_ID: hash_text(&input, record->record_id); break;
    }
    return hash_finish(&input);
}

uint64_t record_flow_hash(Str destination_id, Str reference, Str unit, uint64_t seed)
{
    HashInput input;
    hash_begin(&input, seed);
    hash_text(&input, destination_id);
    hash_text(&input, reference);
    hash_text(&input, unit);
    return hash_finish(&input);
}

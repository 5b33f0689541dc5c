#include "query/filter.h"

#include <xxhash.h>

uint32_t filter_fields(const Filter *filter)
{
    uint32_t fields = 0;
    fields |= filter->start_us != TIMESTAMP_MIN || filter->end_us != TIMESTAMP_MAX ? FIELD_TIME : 0u;
    fields |= filter->type >= 0 ? FIELD_TYPE : 0u;
    fields |= filter->source_id.len ? FIELD_SOURCE_ID : 0u;
    fields |= filter->destination_id.len ? FIELD_DESTINATION_ID : 0u;
    fields |= filter->reference.len ? FIELD_REFERENCE : 0u;
    fields |= filter->unit.len ? FIELD_UNIT : 0u;
    fields |= filter->events ? FIELD_EVENT : 0u;
    return fields;
}

static bool text_matches(Str wanted, Str text) { return wanted.len == 0 || str_equal(wanted, text); }

bool filter_matches(const Filter *filter, const Record *record)
{
    /* Where an end is open, the scan may not have filled the time. */
    return (filter->start_us == TIMESTAMP_MIN || record->time_us >= filter->start_us) &&
           (filter->end_us == TIMESTAMP_MAX || record->time_us <= filter->end_us) &&
           (filter->type < 0 || filter->type == (int)record->type) &&
           text_matches(filter->destination_id, record->destination_id) && text_matches(filter->unit, record->unit) &&
           text_matches(filter->source_id, record->source_id) && text_matches(filter->reference, record->reference);
}

bool filter_takes(const Filter *filter, const StoredRecord *stored)
{
    return (stored->is_event || !filter->events) && filter_matches(filter, &stored->record);
}

uint64_t filter_hash(const Filter *filter, uint64_t seed)
{
    const int64_t numbers[] = {filter->start_us, filter->end_us, filter->type, filter->events};
    const Str texts[] = {filter->source_id, filter->destination_id, filter->reference, filter->unit};
    uint64_t hash = XXH3_64bits_withSeed(numbers, sizeof numbers, seed);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        hash = XXH3_64bits_withSeed(texts[i].len ? texts[i].ptr : "", texts[i].len, hash);
    }
    return hash;
}

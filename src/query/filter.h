/* Which records a question is about. */
#ifndef WEIR_QUERY_FILTER_H
#define WEIR_QUERY_FILTER_H

#include "base/timestamp.h"
#include "record/record.h"

/* An empty text matches everything. Texts borrow until the query is freed. */
typedef struct Filter {
    int64_t start_us, end_us; /* both inclusive; TIMESTAMP_MIN and TIMESTAMP_MAX when open */
    int type;                 /* RecordType, or -1 for both */
    Str source_id, destination_id, reference, unit;
    bool events; /* nothing but events, and what corrects them */
} Filter;

/* Matches everything. */
#define FILTER_ALL ((Filter){.start_us = TIMESTAMP_MIN, .end_us = TIMESTAMP_MAX, .type = -1})

/* The fields that filter_takes looks at, as RecordField bits: a scan needs no others for it. */
uint32_t filter_fields(const Filter *filter);

/* Whether a row with these fields is meant. */
bool filter_takes(const Filter *filter, const StoredRecord *stored);
/* The same of a record that is known to be an event if it has to be one. */
bool filter_matches(const Filter *filter, const Record *record);

/* Equal for equal filters. */
uint64_t filter_hash(const Filter *filter, uint64_t seed);

#endif

/* From a message's bytes to a record. */
#ifndef WEIR_INTAKE_DECODE_H
#define WEIR_INTAKE_DECODE_H

#include "intake/source_group.h"
#include "record/mapping.h"
#include "record/record_json.h"

/* A message cannot ask for a failure (FAULT_MEMBER): one that does is refused.
 *
 * JSON: a record, or a CloudEvent in structured mode whose data is one. CSV: a header and one line. REFUSED: it is
 * none, and *ret_why is a sentence that names every field that is wrong. BUSY: no memory. The record and the sentence
 * borrow from the arena, where the bytes are copied. */
Status decode_message(const SourceMessage *message, const RecordPolicy *policy, Arena *arena, Record *ret_record,
                      Str *ret_why) MUST_CHECK;

/* JSON: an event, or a CloudEvent in structured mode whose data is one; `asked` names a mapping, empty, or one that
 * there is not: whichever fits. As above; `item` is filled but for its times, and so is its client when the event is
 * REFUSED and has one. */
Status decode_event(const SourceMessage *message, const MappingSet *mappings, Str asked, const RecordPolicy *policy,
                    Arena *arena, Record *ret_record, EventItem *item, Str *ret_why) MUST_CHECK;

#endif

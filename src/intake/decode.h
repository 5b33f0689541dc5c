/* From a message's bytes to a record. */
#ifndef WEIR_INTAKE_DECODE_H
#define WEIR_INTAKE_DECODE_H

#include "intake/source_group.h"
#include "record/record_json.h"

/* JSON: a record, or a CloudEvent in structured mode whose data is one. CSV: a header and one line. REFUSED: it is none, and *ret_why is a
 * sentence that names every field that is wrong. BUSY: no memory. The record and the sentence borrow from the arena, where the bytes are copied. */
Status decode_message(const SourceMessage *message, const RecordPolicy *policy, Arena *arena, Record *ret_record,
                      Str *ret_why) MUST_CHECK;

#endif

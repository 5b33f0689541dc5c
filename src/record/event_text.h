/* Texts of events. */
#ifndef WEIR_RECORD_EVENT_TEXT_H
#define WEIR_RECORD_EVENT_TEXT_H

#include "record/record.h"

/* Without white space at both ends: spaces, tabs and line breaks of ASCII, and the spaces U+00A0, U+2009 and U+202F. */
Str event_text_trim(Str text);

/* "positive", "credit", "in", "+" … in any case. NULL, or what is wrong as a phrase. */
const char *event_type_parse(Str text, RecordType *ret_type);

#endif

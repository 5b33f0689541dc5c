/* Dead letters of events that clients hand in: by what they are known again, and how they are read when they are tried again. */
#ifndef WEIR_RECORD_EVENT_LETTER_H
#define WEIR_RECORD_EVENT_LETTER_H

#include "base/arena.h"

#define EVENT_LETTER_SOURCE STR("events") /* where they come from */

/* Where one was: the hash of its bytes, so that the same event refused again is the same letter. ptr is NULL without memory. */
Str event_letter_place(Str raw, Arena *arena) MUST_CHECK;

/* "event", or "event:NAME" with the mapping that was asked for (empty: whichever fits). ptr is NULL without memory. */
Str event_letter_format(Str mapping, Arena *arena) MUST_CHECK;

/* Whether messages of this format are events, and which mapping they ask for. */
bool event_format_parse(Str format, Str *ret_mapping);

#endif

/* Dead letters of events that clients hand in: by what they are known again, and how they are read when they are tried
 * again. */
#ifndef WEIR_RECORD_EVENT_LETTER_H
#define WEIR_RECORD_EVENT_LETTER_H

#include "base/arena.h"

#define EVENT_LETTER_SOURCE STR("events") /* where they come from */

/* Where one was that could not be read: "bytes:" and the SHA-256 of what came, so that the same bytes refused again are
 * the same letter.
 * The mapping that was asked for (empty: whichever fits) belongs to it, "bytes:…?mapping=shop": to be read in another
 * way is another letter. ptr is NULL without memory. */
Str event_letter_place(Str raw, Str mapping, Arena *arena) MUST_CHECK;

/* Where one was that could be read: its record's id, "sha256:…", with the mapping likewise. Borrows the id when there
 * is none. */
Str event_letter_place_of_record(Str record_id, Str mapping, Arena *arena) MUST_CHECK;

/* "event", or "event:NAME" with the mapping that was asked for (empty: whichever fits). ptr is NULL without memory. */
Str event_letter_format(Str mapping, Arena *arena) MUST_CHECK;

/* Whether messages of this format are events, and which mapping they ask for. */
bool event_format_parse(Str format, Str *ret_mapping);

#endif

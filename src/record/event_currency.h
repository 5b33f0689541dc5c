/* Currencies as amounts name them: codes of ISO 4217 and signs. */
#ifndef WEIR_RECORD_EVENT_CURRENCY_H
#define WEIR_RECORD_EVENT_CURRENCY_H

#include "base/str.h"

/* Takes a currency off the front of the text: a code in capitals ("EUR", no letter behind it) or a sign ("€", "US$").
 * What it stands for lives for ever: a code, or the sign itself ("$", "¥") when it stands for several. */
bool event_currency_take(Str *text, Str *ret_currency);

/* Whether what an amount names can be meant by a record's unit: "EUR" by "EUR" alone, "$" by every dollar and peso. */
bool event_currency_fits(Str currency, Str unit);

/* A unit as amounts name it: the code of a sign that stands for one currency alone; everything else is what it is.
 * Borrows, or lives for ever. */
Str event_currency_unit(Str unit);

/* Whether it is a sign that stands for several. */
bool event_currency_is_ambiguous(Str currency);

#endif

/* W3C Trace Context, as far as it is kept with a record. */
#ifndef WEIR_RECORD_TRACEPARENT_H
#define WEIR_RECORD_TRACEPARENT_H

#include "base/str.h"

/* A header or attribute of W3C Trace Context that can be kept; empty when it is not well formed, as the standard
 * asks. */
Str traceparent_check(Str text);

#endif

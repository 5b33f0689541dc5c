/* Dead letters of intake as a source: those that somebody wants to be tried again come once more, as if they had just
 * arrived. */
#ifndef WEIR_INTAKE_SOURCE_LETTERS_H
#define WEIR_INTAKE_SOURCE_LETTERS_H

#include "intake/source.h"

/* `self` is the Store, which outlives the source. See FeederOpen. */
Status source_letters_open(void *self, const SourceContext *context, Source **ret_source, Error *reterr) MUST_CHECK;

#endif

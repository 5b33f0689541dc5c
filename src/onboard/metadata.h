/* An organization's metadata: a JSON object, read from a value or from text, and kept as short as it can be written.
 *
 * Numbers stay as they were written and keys in their order. It has at most ONBOARD_METADATA_BYTES_MAX and
 * ORGANIZATION_METADATA_DEPTH_MAX levels, no NUL in its texts (some stores cannot keep it) and no key twice in one
 * object.
 *
 * OK; REFUSED with a phrase that follows the field's name; BUSY without memory. Results are in the arena. */
#ifndef WEIR_ONBOARD_METADATA_H
#define WEIR_ONBOARD_METADATA_H

#include <yyjson.h>

#include "base/arena.h"

Status metadata_from_json(yyjson_val *value, uint64_t hash_seed, Arena *arena, Str *ret_metadata,
                          const char **ret_problem) MUST_CHECK;

/* The text is changed and needs YYJSON_PADDING_SIZE writable bytes behind it, which are restored. */
Status metadata_from_text(Str text, uint64_t hash_seed, Arena *arena, Str *ret_metadata,
                          const char **ret_problem) MUST_CHECK;

#endif

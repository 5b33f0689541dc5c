/* Reading JSON text, for the modules of this folder: what record_json.h offers to others, and the same with scratch
 * memory. */
#ifndef WEIR_RECORD_JSON_READ_H
#define WEIR_RECORD_JSON_READ_H

#include <yyjson.h>

#include "base/arena.h"

/* Memory for one reading: first `local` (which may be absent), then the arena. 16-byte aligned. */
typedef struct JsonMemory {
    char *local_at, *local_end;
    Arena *arena;
} JsonMemory;

#define JSON_TOO_MUCH "has too many values, or is nested too deep" /* for the arena: no fault of its grammar */

/* yyjson's own words for what is wrong with the text, and where; the padding behind the text is restored either way.
 * NULL when it failed. */
yyjson_val *json_read_with(JsonMemory *memory, char *text, size_t len, yyjson_read_err *reterr);

#endif

/* Alert rules as JSON, in and out. */
#ifndef WEIR_HTTP_RULE_JSON_H
#define WEIR_HTTP_RULE_JSON_H

#include <yyjson.h>

#include "base/buf.h"
#include "process/rules.h"
#include "query/query.h"

/* Changes what the object names and leaves the rest:
 * {"name","sourceId","destinationId","unit","reference","type","measure", "threshold","enabled"}; null or "" takes a
 * filter away. "version" has to be the rule's own (or be left out). REFUSED with all problems (which are reset first),
 * CONFLICT when it is another version. The texts borrow from the value. */
Status rule_apply_json(AlertRule *rule, yyjson_val *value, unsigned scale, QueryProblems *problems) MUST_CHECK;

/* Whether what every rule needs is there: a name and a threshold; adds to the problems. */
void rule_require(const AlertRule *rule, bool needs_name, QueryProblems *problems);

/* A rule that is new: both types, by value, enabled. */
AlertRule rule_default(void);

void rule_put_json(Buf *buf, const AlertRule *rule, unsigned scale);

#endif

/* What an organization has to be, and the one spelling that each of its fields is kept in, wherever it comes from.
 *
 *     field          required
 *     name           yes       1 to 255 characters without control characters; white space around it is taken off
 *     domain         yes       a domain name (onboard/domain.h): "https://Acme.com/x", "ACME.com." and "acme.com" are
 *                              acme.com
 *     contact_email  yes       an e-mail address (onboard/domain.h); its domain is spelt like `domain`
 *     metadata       no        a JSON object of at most ONBOARD_METADATA_BYTES_MAX, written short, and
 *                              ORGANIZATION_METADATA_DEPTH_MAX levels, without NUL and without keys that are given
 *                              twice; null is none
 *
 * All problems are named, not the first alone, as those of records are (record/record_json.h); unknown fields are
 * warnings, or problems by the same policy. What was normalised is the same when it is normalised again. */
#ifndef WEIR_ONBOARD_ORGANIZATION_H
#define WEIR_ONBOARD_ORGANIZATION_H

#include "record/record_json.h"
#include "store/onboard.h"

enum { ORGANIZATION_METADATA_DEPTH_MAX = 32 };

typedef enum OrganizationField {
    ORGANIZATION_NAME,
    ORGANIZATION_DOMAIN,
    ORGANIZATION_CONTACT_EMAIL,
    ORGANIZATION_METADATA,
    ORGANIZATION_FIELD_COUNT,
} OrganizationField;
extern const char
    *const organization_field_names[ORGANIZATION_FIELD_COUNT]; /* "name", "domain", "contact_email", "metadata" */

typedef enum OrganizationExtent {
    ORGANIZATION_WHOLE, /* every required field */
    /* at least one of the fields, to be changed: the others' texts have a NULL pointer. Metadata of null is empty with
     * a pointer: none from now on */
    ORGANIZATION_PARTS,
} OrganizationExtent;

/* REFUSED with `problems` filled, BUSY without memory. Fields that are good are filled even when others are not (others
 * are empty). Texts borrow from the value's text and from the arena. `problems` is reset first; those of the
 * organization as a whole have no field. */
Status organization_from_json(yyjson_val *value, OrganizationExtent extent, const RecordPolicy *policy, Arena *arena,
                              OrganizationContent *ret_content, RecordProblems *problems) MUST_CHECK;

/* Names of a CSV header → fields, in any order, ASCII case ignored. An unknown column is noted as a warning in
 * `problems` or (by policy) refused. REFUSED with a sentence when a required one is missing, one is doubled or none is
 * UTF-8. */
typedef struct OrganizationColumns {
    int column_of[ORGANIZATION_FIELD_COUNT]; /* -1: there is none */
    size_t columns;
} OrganizationColumns;
Status organization_columns_parse(const Str *names, size_t count, const RecordPolicy *policy,
                                  OrganizationColumns *ret_columns, RecordProblems *problems, Error *reterr) MUST_CHECK;

/* As organization_from_json() for a whole one. An empty cell is a missing field; metadata is JSON text, which is
 * changed, so that the cell needs YYJSON_PADDING_SIZE writable bytes behind it (the next cells may be there). */
Status organization_from_csv(const Str *cells, size_t count, const OrganizationColumns *columns,
                             const RecordPolicy *policy, Arena *arena, OrganizationContent *ret_content,
                             RecordProblems *problems) MUST_CHECK;

/* {"domain":["must …"]}; under "organization" what is wrong with it as a whole. */
void organization_problems_put_json(Buf *buf, const RecordProblems *problems);

#endif

/* What a small call says: members of a JSON object, query parameters, or both. */
#ifndef WEIR_HTTP_JSON_BODY_H
#define WEIR_HTTP_JSON_BODY_H

#include "http/request.h"

typedef enum BodyNeed { BODY_REQUIRED, BODY_OPTIONAL } BodyNeed;

/* The body's root, which lives as long as the request; NULL for an optional one that is empty. `what` is sent: "the
 * rule". False when an answer was said. Numbers are raw (YYJSON_READ_NUMBER_AS_RAW). */
bool request_json_body(Request *request, const char *what, BodyNeed need, yyjson_val **ret_root);

/* What is wrong with a value, as a phrase ("must be …"); NULL when it was understood. The phrase is copied, at most
 * FIELD_PROBLEM_BYTES_MAX of it. A parameter's value is a JSON string. */
enum { FIELD_PROBLEM_BYTES_MAX = 256 };
typedef const char *FieldReader(void *self, const char *name, yyjson_val *value);

typedef struct Field {
    const char *name;
    FieldReader *read;
} Field;
enum { FIELDS_MAX = 32 };

/* Reads the parameters of the query and the members of `body` (NULL: none); each field may be given once. False, and a
 * 422 is said that names each unknown one with the nearest known name, and each bad one. */
bool request_read_fields(Request *request, yyjson_val *body, const Field *fields, size_t count, void *self);

/* Readers' helpers: numbers and words as JSON has them, or as the text of a parameter. */
bool field_integer(yyjson_val *value, uint64_t max, uint64_t *ret_number);
bool field_bool(yyjson_val *value, bool *ret_bool);
bool field_text(yyjson_val *value, Str *ret_text); /* 1–255 characters without NUL; borrows */

#endif

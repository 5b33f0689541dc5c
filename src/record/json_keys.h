/* Duplicate keys in JSON objects. RFC 8259 leaves their meaning open, and two readers that choose differently are a
 * hole: here they are refused. */
#ifndef WEIR_RECORD_JSON_KEYS_H
#define WEIR_RECORD_JSON_KEYS_H

#include <stdint.h>
#include <yyjson.h>

enum { KEY_SET_LOCAL_SLOTS = 128 };

/* The keys of one object that were seen so far. Objects of up to 64 keys cost no allocation; larger ones take 16 to 32
 * bytes a key until release. */
typedef struct KeySet {
    uint64_t seed;
    size_t mask;
    yyjson_val **slots; /* owns unless it is `local` */
    yyjson_val *local[KEY_SET_LOCAL_SLOTS];
} KeySet;

/* For at most `keys` keys. The seed is a secret, so that nobody can choose keys that collide. False without memory. */
bool key_set_init(KeySet *set, size_t keys, uint64_t seed);
void key_set_release(KeySet *set);

/* False when an equal key is there already. Borrows the key until release. */
bool key_set_add(KeySet *set, yyjson_val *key);

/* Looks at every object in `value`, itself included, however deep. NULL when no key is given twice, else what is wrong,
 * as a phrase: that there are two, or (json_keys_no_memory itself) that there was no memory to look. */
extern const char json_keys_no_memory[];
const char *json_check_keys(yyjson_val *value, uint64_t seed);

#endif

/* Every option of the program, in one table: name, type, default, limits, help. The configuration file, the environment, the
 * command line, `weir config print` and docs/configuration.md are all read off it; a new option is one line in options.c and
 * one here. */
#ifndef WEIR_CONFIG_OPTIONS_H
#define WEIR_CONFIG_OPTIONS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* In the order of the table. */
typedef enum OptionId {
    OPTION_HTTP_LISTEN,
    OPTION_HTTP_INSECURE,
    OPTION_HTTP_THREADS,
    OPTION_HTTP_CONNECTIONS_MAX,
    OPTION_HTTP_CONNECTIONS_PER_ADDRESS_MAX,
    OPTION_HTTP_HEADER_BYTES_MAX,
    OPTION_HTTP_BODY_BYTES_MAX,
    OPTION_HTTP_BODIES_BYTES_MAX,
    OPTION_HTTP_LINE_BYTES_MAX,
    OPTION_HTTP_IDLE_TIMEOUT,
    OPTION_HTTP_REQUEST_TIMEOUT,
    OPTION_HTTP_DRAIN_TIMEOUT,
    OPTION_STORE_DIR,
    OPTION_STORE_IDENTITY,
    OPTION_STORE_SCALE,
    OPTION_STORE_FLOW_CACHE_BYTES,
    OPTION_STORE_FREE_RESERVE_BYTES,
    OPTION_STORE_WAL_BYTES_MAX,
    OPTION_STORE_PUBLISH_RECORDS,
    OPTION_PROCESS_QUEUE_BYTES_MAX,
    OPTION_PROCESS_BATCH_RECORDS_MAX,
    OPTION_INTAKE_UNKNOWN_FIELDS,
    OPTION_RECORDS_ON_CONFLICT,
    OPTION_ALERTS_THRESHOLD,
    OPTION_QUERY_THREADS,
    OPTION_QUERY_GROUP_BYTES_MAX,
    OPTION_QUERY_GROUPS_BYTES_MAX,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
    OPTION_COUNT,
} OptionId;

/* What a value's number means. */
typedef enum OptionType {
    OPTION_TEXT,     /* nothing; the text is the value */
    OPTION_BOOL,     /* 0 or 1: true, yes, on, false, no, off */
    OPTION_INTEGER,  /* itself */
    OPTION_BYTES,    /* bytes: 65536, 64KiB, 16MiB, 1GiB; also kB, MB, GB */
    OPTION_DURATION, /* microseconds: 50ms, 30s, 5m, 2h, 1d */
    OPTION_DECIMAL,  /* minor units at the store's scale: 1000.00 */
    OPTION_CHOICE,   /* the place among the choices, from 0 */
    OPTION_ADDRESS,  /* the port; see address.h for the host: 127.0.0.1:8080, [::1]:8080 */
} OptionType;

enum { OPTION_CHOICES_MAX = 4 };

typedef struct Option {
    const char *name; /* "http.listen" */
    OptionType type;
    const char *initial;                     /* the default, as it would be written in the file */
    int64_t min, max;                        /* of the number, where both are not 0 */
    const char *choices[OPTION_CHOICES_MAX]; /* of a choice; NULL behind the last */
    const char *help;                        /* sentences */
} Option;

extern const Option option_table[OPTION_COUNT];

/* Exact name; OPTION_COUNT when there is none. */
OptionId option_find(Str name);

/* The name that is nearest to a misspelt one, or NULL when none is near. */
const char *option_nearest(Str name);

/* "WEIR_HTTP_LISTEN" for http.listen. */
enum { OPTION_ENVIRONMENT_BYTES_MAX = 64 };
void option_environment_name(OptionId id, char ret_name[OPTION_ENVIRONMENT_BYTES_MAX]);

/* Reads a value of the option's type. `scale` is the store's, for decimals. REFUSED with what is wrong and what would be
 * right, without the option's name. */
Status option_parse(OptionId id, Str text, unsigned scale, int64_t *ret_number, Error *reterr) MUST_CHECK;

/* "integer, 0 to 64" for people. */
void option_put_type(Buf *buf, OptionId id);

#endif

/* Every option of the program, in tables: name, type, default, limits, help. The configuration file, the environment,
 * the command line, `weir config print` and docs/configuration.md are all read off them; a new option is one line in
 * option_table.c and one here.
 *
 * Some options come in groups, of which there can be any number, each with a name that the user gives it:
 * sinks.<name>.url. A group has a table of its own (mappings_table.h, sinks_table.h, sources_table.h). */
#ifndef WEIR_CONFIG_OPTIONS_H
#define WEIR_CONFIG_OPTIONS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* In the order of the table. */
typedef enum OptionId {
    OPTION_HTTP_LISTEN,
    OPTION_HTTP_INSECURE,
    OPTION_HTTP_HOSTS,
    OPTION_HTTP_THREADS,
    OPTION_HTTP_CONNECTIONS_MAX,
    OPTION_HTTP_CONNECTIONS_PER_ADDRESS_MAX,
    OPTION_HTTP_EVENT_STREAMS_MAX,
    OPTION_HTTP_HEADER_BYTES_MAX,
    OPTION_HTTP_BODY_BYTES_MAX,
    OPTION_HTTP_BODIES_BYTES_MAX,
    OPTION_HTTP_LINE_BYTES_MAX,
    OPTION_HTTP_IDLE_TIMEOUT,
    OPTION_HTTP_REQUEST_TIMEOUT,
    OPTION_HTTP_DRAIN_TIMEOUT,
    OPTION_HTTP_FRONT_DOOR,
    OPTION_HTTP_FRONT_DOOR_SOURCE,
    OPTION_HTTP_FRONT_DOOR_BYTES_MAX,
    OPTION_STORE_DIR,
    OPTION_STORE_IDENTITY,
    OPTION_STORE_SCALE,
    OPTION_STORE_FLOW_CACHE_BYTES,
    OPTION_STORE_FREE_RESERVE_BYTES,
    OPTION_STORE_WAL_BYTES_MAX,
    OPTION_STORE_PUBLISH_RECORDS,
    OPTION_STORE_DEAD_LETTER_BYTES_MAX,
    OPTION_PROCESS_QUEUE_BYTES_MAX,
    OPTION_PROCESS_BATCH_RECORDS_MAX,
    OPTION_INTAKE_UNKNOWN_FIELDS,
    OPTION_FAULTS_ALLOW,
    OPTION_RECORDS_ON_CONFLICT,
    OPTION_ALERTS_THRESHOLD,
    OPTION_ONBOARDING_HANDLER,
    OPTION_ONBOARDING_URL,
    OPTION_ONBOARDING_SECRET,
    OPTION_ONBOARDING_SECRET_FILE,
    OPTION_ONBOARDING_ALLOW_PRIVATE,
    OPTION_ONBOARDING_CA_FILE,
    OPTION_ONBOARDING_TIMEOUT,
    OPTION_ONBOARDING_CONCURRENCY,
    OPTION_ONBOARDING_RATE,
    OPTION_ONBOARDING_ATTEMPTS,
    OPTION_ONBOARDING_BACKOFF,
    OPTION_ONBOARDING_LEASE,
    OPTION_ONBOARDING_DNS,
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
    OPTION_INTEGER,  /* itself; the words among its choices stand for 0, -1, -2 … */
    OPTION_BYTES,    /* bytes: 65536, 64KiB, 16MiB, 1GiB; also kB, MB, GB */
    OPTION_DURATION, /* microseconds: 50ms, 30s, 5m, 2h, 1d */
    OPTION_DECIMAL,  /* minor units at the store's scale: 1000.00 */
    OPTION_CHOICE,   /* the place among the choices, from 0 */
    OPTION_ADDRESS,  /* the port; see address.h for the host: 127.0.0.1:8080, [::1]:8080 */
    OPTION_URL,      /* nothing: scheme://host… A user and a password in it are shown as "***" */
    OPTION_HOST,     /* nothing: weir.example, without a port */
    OPTION_CIDR,     /* nothing: 10.0.0.0/8, fd00::/8; a bare address is itself alone */
    OPTION_PROPERTY, /* nothing: name=value. The value is shown as "***" where the name speaks of a password or a key */
} OptionType;

enum {
    OPTION_CHOICES_MAX = 12,
    OPTION_ITEMS_MAX = 32,       /* of a list */
    OPTION_MANY_ITEMS_MAX = 256, /* of one that is marked so */
};

/* What there is to know of an option besides, as bits. */
enum {
    /* Its value is any number of values of the type, separated by commas, or by line feeds where there is one; in the
     * file also a YAML list. The number has the bits 1 << place of a list of choices; of others it is how many there
     * are. See option_items; line feeds are kept only where an item has a comma. */
    OPTION_LIST = 1,
    OPTION_SECRET = 2, /* it is shown as "***" */
    OPTION_MANY = 4,   /* a list of up to OPTION_MANY_ITEMS_MAX items */
};

typedef struct Option {
    const char *name; /* "http.listen"; in a group what follows its name: "filter.unit" */
    OptionType type;
    const char *initial; /* the default, as it would be written in the file. Where it is "", nothing need be set */
    int64_t min, max;    /* of the number (in a list: of each), where both are not 0 */
    /* of a choice, or words that may stand for a number; NULL behind the last */
    const char *choices[OPTION_CHOICES_MAX];
    const char *help; /* sentences */
    unsigned marks;   /* OPTION_LIST … */
    unsigned kinds;   /* in a group: bits 1 << kind of the members that it is for; 0: of all */
} Option;

typedef struct OptionTable {
    const Option *items;
    unsigned count;
} OptionTable;

extern const Option option_table[OPTION_COUNT];
#define OPTION_TABLE ((OptionTable){option_table, OPTION_COUNT})

/* Options that come once for each name that the user gives: prefix.<name>.<option>. Where members are of kinds, the
 * first option is a choice without a default, the member's kind, and says which of the others it may have. */
typedef struct OptionGroup {
    const char *prefix; /* "sinks" */
    OptionTable table;
    unsigned members_max;
    bool has_kinds;
    const char *help;    /* paragraphs for docs/configuration.md */
    const char *example; /* YAML */
} OptionGroup;

typedef enum OptionGroupId { OPTION_SOURCES, OPTION_SINKS, OPTION_MAPPINGS, OPTION_GROUP_COUNT } OptionGroupId;
extern const OptionGroup *const option_groups[OPTION_GROUP_COUNT];

/* A member's name: [a-z0-9][a-z0-9_-]*, so long at most. */
enum { OPTION_MEMBER_BYTES_MAX = 64 };
bool option_is_member_name(Str name);

/* Exact name; the table's count when there is none. */
unsigned option_find(OptionTable table, Str name);

/* "http" of http.listen; whether the option before it is of another one. */
Str option_section(OptionId id);
bool option_begins_section(OptionId id);

/* The name that is nearest to a misspelt one, or NULL when none is near. */
const char *option_nearest(OptionTable table, Str name);

/* As a part of a variable's name: "HTTP_LISTEN" for http.listen. */
enum { OPTION_ENVIRONMENT_BYTES_MAX = 64 };
void option_environment_name(const char *name, char ret_name[OPTION_ENVIRONMENT_BYTES_MAX]);

/* Reads a value of the option's type. `scale` is the store's, for decimals. REFUSED with what is wrong and what would
 * be right, without the option's name; what may be a secret is not repeated. */
Status option_parse(const Option *option, Str text, unsigned scale, int64_t *ret_number, Error *reterr) MUST_CHECK;

/* The items of a list, without the white space around them:
 *     for (OptionItems items = option_items(text); option_items_next(&items, &item);)
 * Items borrow from the text. */
typedef struct OptionItems {
    Str rest;
    char separator;
} OptionItems;
OptionItems option_items(Str text);
bool option_items_next(OptionItems *items, Str *ret_item);

/* One value of the option (of a list: one item) as it may be shown to anybody. What is hidden in it cannot be read
 * again: it is refused, with the reason. */
#define OPTION_HIDDEN "***"
void option_put_shown(Buf *buf, const Option *option, Str text);
/* The same of a whole value, which may be a list. */
void option_put_all_shown(Buf *buf, const Option *option, Str text);

/* "integer, 0 to 64" for people. */
void option_put_type(Buf *buf, const Option *option);
/* "webhook, kafka, redis" */
void option_put_choices(Buf *buf, const Option *option);
/* "0 to 64" */
void option_put_limits(Buf *buf, const Option *option);

#endif

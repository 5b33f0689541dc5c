/* Mappings: where in a client's loosely shaped message the parts of a record are, and how amounts and times are written
 * there.
 *
 * A part has a list of paths. The first of them at which there is something (null is nothing) is taken; a default
 * stands in where there is none. What is ambiguous is refused unless the mapping says how it is meant: nothing is
 * guessed. docs/events.md has the rules. */
#ifndef WEIR_RECORD_MAPPING_H
#define WEIR_RECORD_MAPPING_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* What is looked for in an event. */
typedef enum EventPart {
    EVENT_CLIENT, /* → sourceId and destinationId */
    EVENT_METRIC, /* → reference */
    EVENT_AMOUNT, /* → value, and type by its sign */
    EVENT_TIME,   /* → time */
    EVENT_UNIT,   /* → unit; a currency that the amount names goes before the default */
    EVENT_TYPE,   /* → type, when the amount's sign does not say it: "positive", "credit", "in" … */
    EVENT_ID,     /* where a client has event ids, these tell events apart, and nothing else does */
    EVENT_PART_COUNT,
} EventPart;
extern const char *const event_part_names[EVENT_PART_COUNT]; /* "client", "metric", … */

/* How numbers with separators are meant. */
typedef enum AmountStyle {
    AMOUNT_UNAMBIGUOUS, /* "1,200.50" and "1.200,50" are clear; "1,200" and "1.200" are refused */
    AMOUNT_POINT,       /* the point is the decimal one: 1,200 is twelve hundred, 1.200 is one and a fifth */
    AMOUNT_COMMA,       /* the comma is the decimal one: 1.200 is twelve hundred */
} AmountStyle;

/* How dates of three short numbers are meant. One that begins with a year of four digits is clear. */
typedef enum DateOrder { DATE_YEAR_FIRST, DATE_DAY_FIRST, DATE_MONTH_FIRST } DateOrder;

/* What a time that is a bare number counts since 1970. */
typedef enum EpochUnit {
    EPOCH_BY_SIZE, /* below 10^11 seconds, below 10^14 milliseconds, else microseconds */
    EPOCH_SECONDS,
    EPOCH_MILLISECONDS,
    EPOCH_MICROSECONDS,
} EpochUnit;

enum {
    MAPPINGS_MAX = 64,
    MAPPING_PATHS_MAX = 64, /* of one part */
    MAPPING_DEPTH_MAX = 8,  /* keys of a path */
    MAPPING_KEY_BYTES_MAX = 255,
    MAPPING_CLIENTS_MAX = 256,
};

/* "payload.amount", "items.0.price": keys of objects, or places in arrays from 0. A backslash in front of a point makes
 * it part of a key. */
typedef struct EventPath {
    Str keys[MAPPING_DEPTH_MAX];
    size_t depth;
} EventPath;

typedef struct EventPaths {
    const EventPath *items;
    size_t count;
} EventPaths;

/* Immutable; its texts are the set's. */
typedef struct Mapping {
    Str name; /* "builtin", or what the configuration calls it */
    EventPaths parts[EVENT_PART_COUNT];
    /* Empty: none. An event that lacks a part without one is refused; id may be missing only when no path is set, type
     * always. */
    Str defaults[EVENT_PART_COUNT];
    EventPaths extra; /* fields that tell events apart besides client, metric, amount and time */
    AmountStyle amounts;
    DateOrder dates;
    EpochUnit epoch;
    const Str *clients; /* whose events it is for when none is asked for */
    size_t client_count;
} Mapping;

/* All mappings of the configuration and the built-in one. Immutable after it was made; any thread. */
typedef struct MappingSet MappingSet;

/* Copies. REFUSED, naming mapping and option: a path that is malformed or too deep, two mappings for one client, a name
 * that is there twice. */
Status mapping_set_new(const Mapping *items, size_t count, MappingSet **ret_set, Error *reterr) MUST_CHECK;
void mapping_set_free(MappingSet *set); /* accepts NULL */

/* By name; NULL when there is none. "builtin" always is there. */
const Mapping *mapping_find(const MappingSet *set, Str name);
/* The one that names the client; NULL when none does. */
const Mapping *mapping_for_client(const MappingSet *set, Str client);

/* Reads the text of a path into `ret_path`, whose keys borrow from the arena. NULL, or what is wrong as a phrase. */
const char *event_path_parse(Str text, Arena *arena, EventPath *ret_path);

#endif

/* Sinks: each seed draws some, their other sides, what these do to messages, and what people do about it. The
 * dispatcher is the real one; what it sends and has stored is checked in wire.h, when it does so. */
#ifndef WEIR_TESTS_SIM_DELIVERIES_H
#define WEIR_TESTS_SIM_DELIVERIES_H

#include "sim/looks.h"
#include "sim/wire.h"

typedef struct World World;

/* What a replay may be asked for besides its range. */
enum { DELIVERIES_FILTERS = 4 };
typedef struct SimFilter {
    Str text;
    unsigned kinds; /* 0: as the sink */
    int type;       /* -1: as the sink */
    Str destination_id;
} SimFilter;

enum { DELIVERIES_KINDS_BYTES = 256 };
/* "notification, alert": of a Subscription's kinds. Returns ret_text. */
const char *deliveries_kinds(unsigned kinds, char ret_text[DELIVERIES_KINDS_BYTES]);

typedef struct Deliveries {
    uint64_t random;
    uint64_t fakes_random, jitter_random;
    Random fakes_numbers, jitter_numbers;
    FakeSinks *fakes; /* owns */
    SinkOptions options[TABLES_SINKS_MAX];
    SimSink sinks[TABLES_SINKS_MAX];
    size_t count;
    SimReplay *replays; /* by id; owns */
    size_t replay_room;
    SimFilter filters[DELIVERIES_FILTERS];
    Looks looks;
    StoreInfo info;          /* of the store, for the ids of messages */
    int64_t line_us;         /* the line's time, while it makes a step */
    int64_t step_wall_us;    /* when the step began; INT64_MIN: what lines leave undone has a reason */
    int64_t write_failed_us; /* by the monotonic clock: a line's work was turned away */
    bool is_stopping;        /* nothing may be sent any more */
    bool is_peaceful;        /* nothing goes wrong any more */
    bool lost_something;     /* a receiver did, and its lines may not have noticed */
} Deliveries;

void deliveries_init(World *world, uint64_t seed);
void deliveries_release(World *world); /* no life is under way */

/* After a start, and after the log was put back. */
void deliveries_begin_life(World *world);
void deliveries_rewound(World *world);

/* Lines move on a little, receivers fail, people do something. */
void deliveries_step(World *world);

/* Receivers and people are good from here on; time goes by until all lines have come to rest, and everything has
 * come. */
void deliveries_finish(World *world);

#endif

/* What goes over the wire between the lines and the receivers: every call that a line makes to its sink passes through
 * here, and so does all work that lines and people hand to the processor. Each is held against the model and the
 * tables.
 *
 * The receivers are those of tests/support/fake_sink.h. They are other machines: they outlive each crash of this
 * one. */
#ifndef WEIR_TESTS_SIM_WIRE_H
#define WEIR_TESTS_SIM_WIRE_H

#include "process/processor.h"
#include "sim/attempts.h"
#include "sim/tables.h"
#include "support/fake_sink.h"

/* What is known of a message at a sink. */
typedef struct Seen {
    uint16_t arrived;  /* on the live line: how often, and it was not lost since */
    bool ever;         /* it has arrived once */
    bool was_dead;     /* there is a dead letter about it, or was */
    bool is_ahead;     /* when the receiver began anew it waited, and what was before it in the log was still to come */
    bool lost;         /* it had come out of order, and the receiver lost it: nobody knows */
    int64_t flow_last; /* of the flow whose first record this is: the last message that has come for the first time */
} Seen;

typedef struct SimSink {
    SimLine line;
    FakeStyle style;
    FakeReceiver *receiver;
    Seen *seen; /* by sequence; owns */
    size_t seen_count, seen_room;
    size_t looked;      /* so many of the receiver's deliveries were looked at */
    int64_t placed_seq; /* of the last that has come with a place */
    int64_t first_seq;  /* of the last that has come for the first time */
    int64_t base;       /* what is up to here was taken before the receiver began anew; */
    int64_t older;      /* of what is up to here, some may have been taken before */
    int64_t quiet_us;   /* not active: since this moment, by the monotonic clock, the line may know it */
    bool silent;        /* nothing may be sent now */
    int64_t gone_job;   /* which of its lines was told that nothing more is wanted: its job and one more; 0: none */
    int64_t down_until_step;
} SimSink;

/* What has come of a replay's messages. */
enum { WIRE_ARRIVED = 1, WIRE_GIVEN_UP = 2, WIRE_IS_AHEAD = 4 /* as Seen's */ };
typedef struct SimReplay {
    SimLine line;
    uint8_t *marks; /* by sequence; owns */
    size_t count;
    int64_t base;      /* as SimSink's */
    int64_t life;      /* it has begun in */
    int64_t first_seq; /* of the last that has come for the first time */
    struct {
        int64_t flow, last;
    } * flows; /* the last of each flow that has come for the first time; owns */
    size_t flow_count, flow_room;
} SimReplay;

/* DispatcherOptions.open_sink; `world` is the World. */
Status wire_open(void *world, const SinkContext *context, Sink **ret_sink, Error *reterr);

/* dispatcher_step, and a look at what has come. Returns what it does. */
int64_t wire_step(World *world);
/* dispatcher_stop, while the processor goes on: nothing more is sent, and what was answered is stored. */
void wire_stop(World *world);
/* FakeSinksOptions.sleep: a line waits, and the processor works. */
void wire_sleep(void *world, int64_t us);
/* Looks at what the receivers have got since the last look. */
void wire_look(World *world);

/* Work that was handed in, and what became of it. */
void wire_told(World *world, const Work *work, Status status, const Error *error);
/* Work that was unsure has happened after all. */
void wire_apply(World *world, const Work *work);

/* The last `count` messages that the receiver has got are gone, and so are its connections. */
void wire_lose(World *world, size_t sink, size_t count);
/* All receivers begin anew, where the tables' cursors are. */
void wire_begin_anew(World *world);
void wire_begin_life(World *world);
void wire_forget_replays(World *world);

/* Does the line want the message? */
bool wire_wants(const World *world, size_t sink, int64_t job, int64_t seq);
Seen *wire_seen(World *world, size_t sink, int64_t seq);
/* Of the replay of that id. */
SimReplay *wire_replay(World *world, int64_t id);
/* The live line, or a replay's. */
SimLine *wire_line(World *world, size_t sink, int64_t job);
/* All of them: the live lines, then as many as there is room for replays, some of which never were. */
SimLine *wire_line_at(World *world, size_t at);

#endif

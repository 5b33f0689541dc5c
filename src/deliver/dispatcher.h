/* The dispatcher: sends what was committed to every sink, in commit order, whatever fails on the way.
 *
 * Each sink has a line: a cursor in the store, a window of messages under way, retries, a circuit breaker. A replay is
 * a line of its own beside the live one. Lines read the committed log and hand what must be remembered to the
 * processor; they share nothing with each other and never make intake wait.
 *
 * Control goes through the store alone: whoever pauses a sink, retries a dead letter or asks for a replay submits that
 * work to the processor, and the lines see it (StoredSink.version) within CONTROL_US. */
#ifndef WEIR_DELIVER_DISPATCHER_H
#define WEIR_DELIVER_DISPATCHER_H

#include "deliver/breaker.h"
#include "deliver/sink.h"
#include "process/processor.h"

#define DISPATCHER_CONTROL_US INT64_C(200000)
enum {
    DISPATCHER_SINKS_MAX = 64,
    DISPATCHER_REPLAYS_MAX = 8, /* replays beyond wait for their turn */
    DISPATCHER_REPLAYS_OF_A_SINK_MAX = 2,
};

typedef struct Dispatcher Dispatcher;

typedef struct DispatcherOptions {
    Store *store;             /* borrows until dispatcher_free */
    Processor *processor;     /* borrows until dispatcher_stop */
    const Clock *clock;       /* likewise */
    const Random *random;     /* for jitter; likewise */
    const SinkOptions *sinks; /* borrows until dispatcher_free */
    size_t sink_count;        /* at most DISPATCHER_SINKS_MAX */
    bool background;          /* a thread for each line; otherwise whoever owns the dispatcher calls dispatcher_step */
    /* Makes the sinks; sink_open but in simulations. */
    Status (*open_sink)(void *self, const SinkContext *context, Sink **ret_sink, Error *reterr);
    void *self;
} DispatcherOptions;

/* REFUSED: an option that a sink cannot work with; the message names both. A place that cannot be reached is no
 * failure. */
Status dispatcher_start(const DispatcherOptions *options, Dispatcher **ret_dispatcher, Error *reterr) MUST_CHECK;

/* From any thread: something was committed. Cheap. Accepts NULL. */
void dispatcher_committed(Dispatcher *dispatcher);

/* Not in the background: moves every line on by a piece. Returns after how many microseconds, at most, there may be
 * more to do. */
int64_t dispatcher_step(Dispatcher *dispatcher);

/* Ends the lines; what was taken is remembered before it returns, as far as the processor still takes work. Accepts
 * NULL. */
void dispatcher_stop(Dispatcher *dispatcher);
void dispatcher_free(Dispatcher *dispatcher); /* after dispatcher_stop; accepts NULL */

typedef enum LineState {
    LINE_CONNECTING, /* not connected, and trying */
    LINE_RUNNING,
    LINE_HOLDING, /* the breaker is open, or the last connection failed a moment ago; see next_try_us */
    LINE_PAUSED,
    LINE_DISABLED,
    LINE_DONE, /* of a replay */
} LineState;
const char *line_state_name(LineState state); /* "connecting", "running", "holding", … */

typedef struct LineStatus {
    const SinkOptions *options; /* as they were configured; borrows until dispatcher_free */
    int64_t job;                /* of a replay; 0 for the live line */
    LineState state;
    BreakerState breaker;
    int64_t cursor, last_seq;            /* the lag is what is between */
    int64_t in_flight, retries;          /* messages */
    int64_t taken, failed, dead;         /* messages, attempts, dead letters made; since the start of the process */
    int64_t breaker_opened;              /* how often, since the start of the process */
    int64_t taken_us, failed_us;         /* when the last one was, by the wall clock; 0: never */
    int64_t next_try_us;                 /* holding: when it goes on, by the wall clock */
    char error[ERROR_MESSAGE_BYTES_MAX]; /* the last one; empty when there was none */
} LineStatus;

/* From any thread. The live lines in the order of the options, then the replays that run. Returns how many were
 * filled. */
size_t dispatcher_status(Dispatcher *dispatcher, LineStatus *ret_status, size_t cap);
/* How many there are at the moment. */
size_t dispatcher_line_count(Dispatcher *dispatcher);

#endif

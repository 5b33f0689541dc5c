/* The contract of sink.h as a suite of tests: run on every way to send, and on the fake.
 *
 * A way to send provides its other side, a fresh one for each test, and how that is looked at; the suite does the rest
 * through sink.h. Whatever a SinkSide's functions cannot do fails the test (assert). */
#ifndef WEIR_TESTS_CONTRACT_SINK_SUITE_H
#define WEIR_TESTS_CONTRACT_SINK_SUITE_H

#include "deliver/sink.h"

/* A message as the other side has it. Texts borrow until the next call. */
typedef struct SideMessage {
    Str id, body, traceparent;
    bool replayed; /* it says of itself that it belongs to a replay */
} SideMessage;

typedef struct SinkSide {
    const char *name;
    bool groups;        /* a send is settled as a whole, in commit order */
    bool remembers;     /* the other side keeps the line's place */
    const Clock *clock; /* what the sinks and the suite's deadlines go by */

    /* A fresh other side, nothing in it, which takes everything; and its end. */
    void *(*start)(void);
    void (*stop)(void *side);

    /* A sink of it that is not connected yet. `replay_job` as in SinkContext. */
    Sink *(*open)(void *side, int64_t replay_job);

    /* The messages that have come, in order where the side keeps one. */
    size_t (*count)(void *side);
    SideMessage (*message)(void *side, size_t index);

    /* The next attempt at a message whose id ends in "-<seq>" is answered so. Returns false when this side has no such
     * answer. */
    bool (*answer)(void *side, int64_t seq, SinkVerdict verdict);
    /* From now on, until it is taken back, nobody can reach it; what it has stays. Returns false when that cannot be
     * had. */
    bool (*unreachable)(void *side, bool unreachable);
    /* From now on answers wait, until it is taken back. Returns false when this side answers within send(). */
    bool (*stall)(void *side, bool stall);
} SinkSide;

/* Runs all tests; returns how many failed. */
int sink_suite_run(const SinkSide *side);

#endif

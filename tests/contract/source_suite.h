/* The contract of source.h as a suite of tests: run on every way to read, and on the fake.
 *
 * A way to read provides its other side, a fresh one for each test, and how that is filled and looked at; the suite
 * does the rest through source.h, as a feeder does: it keeps the places of what it has stored, and gives them back at
 * connect. Whatever a SourceSide's functions cannot do fails the test (assert). */
#ifndef WEIR_TESTS_CONTRACT_SOURCE_SUITE_H
#define WEIR_TESTS_CONTRACT_SOURCE_SUITE_H

#include "intake/source.h"

/* These of SourceOptions are the suite's; the side adds what else its source needs. */
typedef struct SideLimits {
    size_t group_messages_max;
    size_t message_bytes_max;
} SideLimits;

typedef struct SourceSide {
    const char *name;
    bool places;    /* it goes by the places that it is given at connect: what is behind them does not come again */
    bool remembers; /* what the other side knows was acknowledged does not come again without our places */
    bool any_bytes; /* a message may be any bytes; otherwise a line of text */
    size_t parts;   /* that can be put to, at least 1; at most 48 are used */
    size_t message_bytes_max; /* the longest message that can be put */
    const Clock *clock;       /* what the sources and the suite's deadlines go by */

    /* A fresh other side, nothing in it; and its end. */
    void *(*start)(void);
    void (*stop)(void *side);

    /* A source of it that is not connected yet, from the beginning of what is there. At most one is open at a time. */
    Source *(*open)(void *side, SideLimits limits);

    /* Puts messages there, to be read in this order among the messages of the same part and the same call. Also while a
     * source is open, and from any thread. A part can be a partition, a key, a file: a new one with each call is
     * fine. */
    void (*put)(void *side, size_t part, const Str *raws, size_t count);
    /* Puts one that can be no record whatever its bytes say, such as a null. Returns false when this side has no such
     * thing. */
    bool (*put_unfit)(void *side);

    /* How many messages are there that were not acknowledged. -1 when the side cannot tell. */
    int64_t (*left)(void *side);

    /* From now on, until it is taken back, nobody can reach it; what it has stays. Returns false when that cannot be
     * had. */
    bool (*unreachable)(void *side, bool unreachable);
} SourceSide;

/* Runs all tests; returns how many failed. */
int source_suite_run(const SourceSide *side);

#endif

/* What a line may spend on a message: its schedule, its breaker, and what the other side asked for, as docs/delivery.md
 * and docs/webhooks.md promise them. Times of attempts are the wall clock's, times of breakers the monotonic one's. */
#ifndef WEIR_TESTS_SIM_ATTEMPTS_H
#define WEIR_TESTS_SIM_ATTEMPTS_H

#include "deliver/dispatcher.h"

typedef struct World World;

/* A message on a line, as far as this life knows. */
typedef struct Trial {
    int64_t low_us, high_us; /* it is not tried again before the one, and is due at the other */
    int64_t older_us;        /* before an attempt failed that was not spent, it was due at this */
    uint32_t sent;           /* under way while this is the line's connection */
    uint16_t spent;          /* attempts that have failed and count */
    uint16_t given_up;       /* after so many attempts; 0: it was not */
    bool is_retry;           /* it waits (or waited) behind the cursor for another attempt */
    bool is_in_turn;         /* it was sent in its turn */
    bool is_taken;
} Trial;

/* A breaker that keeps every outcome of its window. */
typedef struct SimBreaker {
    BreakerState state;
    bool is_probing;
    int64_t open_until_us;
    struct {
        int64_t slice;
        bool taken;
    } * outcomes; /* owns */
    size_t count, room;
} SimBreaker;

/* A live line, or a replay's. */
typedef struct SimLine {
    const Sink *sink; /* while it is open; borrows */
    SimBreaker breaker;
    Trial *trials; /* by sequence, from base + 1 on; owns */
    size_t count, room;
    int64_t base;
    uint32_t connection; /* 1 … */
    size_t to_be_stored; /* dead letters that the store does not have yet: nothing is sent before */
    bool is_running;     /* so it said after the last step */
    bool has_room;       /* before this step */
    bool is_unsettled;   /* in this step it was connected, or told of a failure */
    bool has_retried;    /* in this step */
} SimLine;

void attempts_begin_line(SimLine *line, int64_t base); /* of a line that is all zero, or was used before */
void attempts_release_line(SimLine *line);
Trial *attempts_trial(SimLine *line, int64_t seq);
bool attempts_is_under_way(const SimLine *line, const Trial *trial);

/* After a start: what is stored is what lines know. */
void attempts_begin_life(World *world);
/* What was promised for a moment of the clock before is promised no more. */
void attempts_forget_times(World *world);

/* A line is about to send these; `placed`: in their turn. */
void attempts_check_send(World *world, size_t sink, int64_t job, const Message *messages, size_t count, bool placed);
/* The connection is gone or new: what was under way is not any more. */
void attempts_drop(World *world, size_t sink, int64_t job);
/* The line goes on elsewhere: what it has sent in turn it sends again. */
void attempts_rewind(World *world, size_t sink, int64_t job);
/* Returns whether the line waited for it. */
bool attempts_note_verdict(World *world, size_t sink, int64_t job, const SinkResult *result);

/* Whether a change says the same of retries and dead letters; before the tables have it. */
void attempts_check_change(World *world, size_t sink, const DeliveryChange *change);
/* Dead letters that were tried again by it begin anew; `before`: their states. */
void attempts_note_letters(World *world, const DeadLetterState *before);

/* Around each step of the dispatcher: a line that is free to send leaves no retry that is due. */
void attempts_before_step(World *world);
void attempts_after_step(World *world);

/* The lines have ended in order, and all that they handed in was stored: it is all that they knew. */
void attempts_check_stopped(World *world);

#endif

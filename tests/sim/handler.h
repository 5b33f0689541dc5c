/* Who works on jobs: the real runner with a handler that is another machine, and beside it somebody else who takes jobs
 * and is slow to say what became of them. What the runner sends, is answered and has stored passes through here and is
 * held against the oracle. */
#ifndef WEIR_TESTS_SIM_HANDLER_H
#define WEIR_TESTS_SIM_HANDLER_H

#include "process/processor.h"
#include "sim/onboard_model.h"
#include "support/fake_sink.h"

/* What is known of a job's calls. */
typedef struct SimCall {
    Str body, before; /* what its handler is to be sent: since it was last taken, and the time before that */
    int64_t attempt;  /* 1 … */
    bool under_way;   /* it was called and has not answered */
    bool answered;    /* with a 2xx, since it was made or a person tried it again */
    bool is_final;    /* the last answer */
    int64_t ended_us; /* when that came, by the wall clock */
    int64_t tried;    /* which attempt that was of */
    int64_t asked_us; /* the time that it asked for */
} SimCall;

enum { HANDLER_OTHERS_MAX = 8 };

typedef struct Handler {
    FakeSinks *fakes; /* owns */
    FakeReceiver *service;
    Random fakes_numbers, jitter_numbers;
    uint64_t fakes_random, jitter_random;
    SinkOptions sink;
    SimCall *calls; /* by job; owns */
    size_t call_room;
    TakenJob others[HANDLER_OTHERS_MAX]; /* that somebody else has taken, or had; some have ended */
    size_t other_count;
    int64_t down_until_step;
    bool is_stopping; /* nothing may be called any more */
} Handler;

/* Draws it all from the world's onboarding. */
void handler_init(World *world);
void handler_release(World *world); /* no life is under way */
/* The log has become shorter: what was known is of other jobs. */
void handler_rewound(World *world);

/* Something goes wrong on the other side, or it is well again. */
void handler_go_wrong(World *world);
void handler_end_outage(World *world);
void handler_make_peace(World *world);

/* runner_step, and time that goes by, at most so long, until there may be more to do. */
void handler_move_on(World *world, int64_t us_max);
/* The runner ends in order, while the processor goes on. */
void handler_stop(World *world);

/* Somebody else takes jobs, or says what became of some. */
void handler_act_as_other(World *world);

/* What is known of a job's calls. Borrows until another job is asked for. */
SimCall *handler_call(World *world, int64_t job);

/* handler_check.c: work on onboarding was committed, or failed. */
void handler_told(World *world, const Work *work, Status status, const Error *error, bool by_runner);

/* For the wrapped processor_submit; see wire.c. */
bool handler_is_stepping(void);
Status handler_submit(Submission *submission, Error *reterr);

#endif

/* The runner as its own files see it: runner.c (life, what is done in a step), runner_jobs.c (a job's way from being
 * taken to its end), runner_calls.c (what is sent to the handler, and its answers), runner_store.c (what is taken from
 * the store and told to it). Callers use runner.h. */
#ifndef WEIR_ONBOARD_RUNNER_PARTS_H
#define WEIR_ONBOARD_RUNNER_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/wakeup.h"
#include "onboard/rate.h"
#include "onboard/runner.h"

enum {
    RUNNER_KEY_BYTES_MAX = 64,
    RUNNER_BODY_BYTES_MAX = 160 << 10, /* metadata, and six bytes for each one of the texts at worst */
    RUNNER_BODY_KEPT_BYTES = 8 << 10,  /* a job's memory for a larger one is given back */
    RUNNER_TAKE_BYTES_MAX = RUNNER_GROUP_MAX * (ONBOARD_METADATA_BYTES_MAX + (8 << 10)),
    RUNNER_RESULTS_MAX = 64, /* taken at once */
};
#define RUNNER_RETRY_US     INT64_C(100000)   /* the first wait after a failure of the store or of a connection … */
#define RUNNER_RETRY_US_MAX INT64_C(30000000) /* … and the longest */
#define RUNNER_HELD_US      INT64_C(1000000)  /* what was not tried through no fault of its own is due again so late */
#define RUNNER_WRITE_US     INT64_C(5000000)  /* at the end, for what was answered to be written */

typedef enum RunnerStage {
    STAGE_FREE,
    STAGE_CHECKING, /* its domain is being looked up */
    STAGE_READY,    /* to be called */
    STAGE_CALLED,
    STAGE_ENDED,   /* the store is to be told */
    STAGE_WRITING, /* and is being told */
    STAGE_COUNT,
} RunnerStage;

typedef struct RunnerJob {
    RunnerStage stage;
    int64_t id, token, attempt;
    int64_t taken_us; /* by the wall clock */
    int64_t question; /* to the domain check */
    int64_t until_us; /* an answer is waited for so long, by the monotonic clock */
    Buf body;         /* owns */
    char domain[DOMAIN_BYTES_MAX + 1];
    char key[RUNNER_KEY_BYTES_MAX];
    JobVerdict verdict;
    int64_t due_us; /* by the wall clock */
    char error[ONBOARD_ERROR_BYTES_MAX], warning[ONBOARD_ERROR_BYTES_MAX];
} RunnerJob;

/* Work that the processor has, or is to have. */
typedef struct RunnerWork {
    struct Runner *runner;
    Submission submission;
    bool flying; /* the thread's own: the processor has it */
    bool landed; /* the processor is done with it: `status` and `error` say how. Guarded by the runner's lock */
    Status status;
    Error error;
} RunnerWork;

struct Runner {
    RunnerOptions options;
    pthread_t thread;
    bool has_thread;
    atomic_bool stopping, woken;
    Wakeup wakeup;
    Sink *sink;
    SinkContext context;
    DomainCheck *check;
    Breaker breaker;
    Rate rate;

    RunnerJob *jobs; /* owns; twice `concurrency`, so that calls go on while what has ended is written */
    size_t job_count;
    size_t stages[STAGE_COUNT]; /* how many of them are in each */
    int64_t last_question;

    bool connected;
    unsigned failed_connects; /* in a row */
    int64_t connect_at_us;

    RunnerWork taking, ending;
    Arena texts; /* of the jobs that are being taken */
    TakenJob taken[RUNNER_GROUP_MAX];
    JobResult results[RUNNER_GROUP_MAX];
    RunnerJob *written[RUNNER_GROUP_MAX]; /* whose these are */
    int64_t due_us;                       /* when there is something to take, by the wall clock; INT64_MAX: never */
    int64_t due_by_us;                    /* the same by the monotonic clock, since the wall clock may be set back */
    unsigned store_failures;              /* in a row */
    int64_t store_at_us;                  /* nothing for the store before, by the monotonic clock */

    bool finishing;
    int64_t finish_us; /* calls are waited for until then */

    int64_t next_us;  /* when there is something to do, by the monotonic clock */
    RunnerState told; /* in the program's log */
    pthread_mutex_t lock;
    RunnerStatus status; /* guarded by the lock */
    RunnerStatus next;   /* the thread's own, copied to `status` after each step */
};

/* There is something to do then, by the monotonic clock. */
void runner_at(Runner *runner, int64_t us);
void runner_fail(Runner *runner, const char *error);
/* From any thread: there is something to do, other than to take jobs. */
void runner_nudge(Runner *runner);

/* runner_jobs.c */

void runner_move(Runner *runner, RunnerJob *job, RunnerStage stage);
/* A job has been taken from the store. */
void runner_take_in(Runner *runner, const TakenJob *taken, int64_t now_us);
/* It is to be pending again, without an attempt spent, after so long. */
void runner_hold(Runner *runner, RunnerJob *job, int64_t after_us, const char *why);
/* An attempt has failed. Unless it was the last one there is another, not before `after_us` from now. */
void runner_fail_attempt(Runner *runner, RunnerJob *job, int64_t after_us);
void runner_end(Runner *runner, RunnerJob *job, JobVerdict verdict, int64_t after_us);
/* Takes what the domain check has answered, and waits no longer for what takes too long. */
void runner_take_answers(Runner *runner, int64_t now_us);

/* runner_calls.c */

/* How many more jobs can be begun on now. */
size_t runner_capacity(Runner *runner, int64_t now_us);
void runner_call(Runner *runner, int64_t now_us);
void runner_take_results(Runner *runner, int64_t now_us);

/* runner_store.c */

/* Takes the processor's answers where they are there. */
void runner_reap(Runner *runner, int64_t now_us);
/* Hands over what has ended, and asks for more. */
void runner_write(Runner *runner, int64_t now_us);
void runner_take(Runner *runner, int64_t now_us);

#endif

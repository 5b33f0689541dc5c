/* The runner: works on the jobs of onboarding. It takes those that are due (WORK_JOBS_TAKE), has their domains looked
 * up where that is asked for, calls the handler, and has the store remember what became of them (WORK_JOBS_END).
 *
 *   pending ── taken ──► CHECKING ──► READY ──► CALLED ──► ENDED ──► completed, failed, pending again
 *                (domain_check.h)      (rate, room, breaker)   (the store is told, in groups)
 *
 * The handler is a sink (deliver/sink.h) that gets a message a job, under a key that stays the same however often it is
 * called. What was called and not answered when the process ends is left to its lease: the next one to take it calls
 * again. While the handler's service is down (deliver/breaker.h) jobs are held, and none of their attempts is spent.
 *
 * One thread, but for runner_wake and runner_status. */
#ifndef WEIR_ONBOARD_RUNNER_H
#define WEIR_ONBOARD_RUNNER_H

#include "deliver/breaker.h"
#include "deliver/sink.h"
#include "onboard/domain_check.h"
#include "process/processor.h"

enum { RUNNER_CONCURRENCY_MAX = 1000, RUNNER_GROUP_MAX = 256, RUNNER_BUCKETS = 12 };
#define RUNNER_BACKOFF_US_MAX INT64_C(3600000000) /* between two attempts, unless the other side asks for more */
#define RUNNER_LOOK_US        INT64_C(10000000)   /* the longest that it looks at nothing */

typedef enum DnsMode { DNS_OFF, DNS_WARN, DNS_REQUIRE } DnsMode;

typedef struct Runner Runner;

typedef struct RunnerOptions {
    const char *handler;   /* what it is called by people: "webhook"; borrows until runner_free */
    Processor *processor;  /* borrows until runner_stop */
    const StoreInfo *info; /* borrows until runner_free, as does what follows */
    const Clock *clock;
    const Random *random;    /* for jitter */
    const SinkOptions *sink; /* the handler; NULL: a job is done when its domain was looked at */
    DnsMode dns;
    size_t concurrency; /* jobs at once, 1 … RUNNER_CONCURRENCY_MAX */
    int64_t rate;       /* calls a second; 0: no limit */
    int64_t attempts;   /* then a job has failed */
    int64_t backoff_us; /* after the first failed one; then twice as long each time, of which half is jitter */
    int64_t lease_us;   /* longer by far than `timeout_us` */
    int64_t timeout_us; /* of the look-up of a domain */
    int64_t drain_us;   /* what calls that are under way get when the runner is to end */
    bool background;    /* a thread of its own; otherwise whoever owns the runner calls runner_step */
    /* sink_open and domain_check_open but in tests. */
    Status (*open_sink)(void *self, const SinkContext *context, Sink **ret_sink, Error *reterr);
    Status (*open_check)(void *self, const DomainCheckOptions *options, DomainCheck **ret_check, Error *reterr);
    void *self;
} RunnerOptions;

/* REFUSED: an option that the handler cannot work with, named in the message. A service that cannot be reached is no
 * failure. */
Status runner_start(const RunnerOptions *options, Runner **ret_runner, Error *reterr) MUST_CHECK;

/* From any thread: jobs may be due that were not. Cheap. Accepts NULL. */
void runner_wake(Runner *runner);

/* Not in the background: does a bounded piece of work. Returns after how many microseconds, at most, there may be more;
 * 0 for at once. */
int64_t runner_step(Runner *runner);

/* Likewise: the first step towards the end. Nothing more is taken or called, what was taken and not called is given
 * back; steps then take what is answered in time and have it written. */
void runner_finish(Runner *runner);
bool runner_is_finished(const Runner *runner);

/* Ends the thread, within `drain_us` and a few seconds; without one, whoever steps has finished it. Accepts NULL. */
void runner_stop(Runner *runner);
void runner_free(Runner *runner); /* after processor_stop, which has its work; accepts NULL */

typedef enum RunnerState {
    RUNNER_RUNNING,
    RUNNER_HOLDING, /* the breaker is open; see next_try_us */
    RUNNER_FAILING, /* the store takes nothing now; likewise */
} RunnerState;
#define RUNNER_STATE_COUNT ((RunnerState)3)
const char *runner_state_name(RunnerState state); /* "running", "holding", "failing" */

extern const int64_t runner_bucket_us[RUNNER_BUCKETS - 1]; /* upper limits; the last bucket has none */

/* What it did since the start of the process. */
typedef struct RunnerStatus {
    const char *handler; /* as in the options */
    RunnerState state;
    bool calls; /* there is a handler that is called; else breaker and latency say nothing */
    BreakerState breaker;
    int64_t breaker_opened;
    int64_t in_flight;                         /* jobs that are being worked on */
    int64_t verdicts[JOB_VERDICT_HELD + 1];    /* of jobs, as they were stored: by JobVerdict */
    int64_t stale;                             /* of those whose lease was another one's when they ended */
    int64_t attempts, failures;                /* begun; failed, for good or not */
    int64_t checked, absent, unsure;           /* domains: looked up; not there; nobody could tell */
    int64_t buckets[RUNNER_BUCKETS], us_total; /* calls that were answered, by how long it took */
    int64_t completed_us, failed_us;           /* when the last one was, by the wall clock; 0: never */
    int64_t next_try_us;                       /* holding or failing: when it goes on, by the wall clock */
    char error[ERROR_MESSAGE_BYTES_MAX];       /* the last one; empty when there was none */
} RunnerStatus;

/* From any thread. */
void runner_status(Runner *runner, RunnerStatus *ret_status);

#endif

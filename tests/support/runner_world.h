/* A runner of onboarding's jobs with a store that knows nothing but jobs, a processor that is stepped, a fake service
 * behind a fake sink, names that are looked up in a table, and a clock that stands still until it is moved.
 *
 * After each step it is checked that no job is completed that the service has not taken. Whatever fails here fails the
 * test. */
#ifndef WEIR_TESTS_SUPPORT_RUNNER_WORLD_H
#define WEIR_TESTS_SUPPORT_RUNNER_WORLD_H

#include "onboard/runner.h"
#include "store/store_ops.h"
#include "support/fake_sink.h"
#include "support/handles.h"

#define SECOND_US INT64_C(1000000)

enum { WORLD_JOBS_MAX = 512, WORLD_QUESTIONS_MAX = 64 };

/* As the store has it; job n is at n - 1. */
typedef struct WorldJob {
    JobState state;
    int64_t attempts, due_us, token;
    char error[ONBOARD_ERROR_BYTES_MAX];
    size_t ends; /* how often something became of it */
} WorldJob;

typedef struct WorldStore {
    Store base;
    const Clock *clock;
    RuleSet *rules;
    WorldJob jobs[WORLD_JOBS_MAX];
    size_t count;
    int64_t batch; /* the number of theirs, 1 in the beginning */
    int64_t last_token;
    size_t takes, ends; /* calls */
    Status failure;     /* of the next `failures` batches; UNKNOWN ones happen all the same */
    unsigned failures;
} WorldStore;

/* What a domain's look-up comes to. */
typedef struct WorldName {
    DomainVerdict verdict;
    bool silent; /* no answer comes */
} WorldName;

typedef struct WorldCheck {
    DomainCheck base;
    int64_t questions[WORLD_QUESTIONS_MAX];
    WorldName names[WORLD_QUESTIONS_MAX];
    size_t count, asked;
    size_t room;
} WorldCheck;

typedef struct World {
    ManualClock manual;
    Clock clock;
    uint64_t seed;
    Random random;
    StoreInfo info;
    WorldStore store;
    Processor *processor;
    bool processor_stands; /* it is not stepped */
    FakeSinks *sinks;
    FakeReceiver *service;
    SinkOptions sink;
    WorldCheck check;
    WorldName answer; /* for all domains */
    bool check_open;
    RunnerOptions options;
    Runner *runner;
    size_t steps; /* of the runner, but for those of its own thread */
} JobsWorld;

/* *state is the JobsWorld. There is no runner yet: attempts 3, backoff 10 s, lease 5 min, concurrency 10, no limit of
 * rate, no breaker, no look-ups. */
int jobs_setup(void **state);
int jobs_teardown(void **state);
/* Before there is a runner: it and the processor get threads of their own, and time goes by. What the threads share
 * with a test is then looked at when they have ended. */
void jobs_use_threads(JobsWorld *world);
void jobs_open_runner(JobsWorld *world);
void jobs_close_runner(JobsWorld *world);

void jobs_add(JobsWorld *world, size_t count); /* due now */
const WorldJob *jobs_at(const JobsWorld *world, int64_t id);
size_t jobs_count(const JobsWorld *world, JobState state);

int64_t jobs_step(JobsWorld *world);
void jobs_settle(JobsWorld *world);              /* no time goes by */
void jobs_run_for(JobsWorld *world, int64_t us); /* with a step whenever the runner asks for one */
RunnerStatus jobs_status(JobsWorld *world);

/* How often the service was called for a job, as far as it was told. */
size_t jobs_calls(const JobsWorld *world, int64_t id);
/* The next `times` calls are answered so. */
void jobs_script(JobsWorld *world, unsigned times, SinkVerdict verdict, int code);

#endif

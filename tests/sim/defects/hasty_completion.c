/* A job whose call has failed is taken for completed, now and then. */
#include "now_and_then.h"
#include "onboard/runner_parts.h"

void __real_runner_end(Runner *runner, RunnerJob *job, JobVerdict verdict, int64_t after_us);
void __wrap_runner_end(Runner *runner, RunnerJob *job, JobVerdict verdict, int64_t after_us);

void __wrap_runner_end(Runner *runner, RunnerJob *job, JobVerdict verdict, int64_t after_us)
{
    static unsigned calls;
    bool hasty = verdict == JOB_VERDICT_FAILED && now_and_then(&calls, 4);
    __real_runner_end(runner, job, hasty ? JOB_VERDICT_COMPLETED : verdict, after_us);
}

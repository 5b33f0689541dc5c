/* A small life of onboarding, step by step: batches with and without keys, jobs that are taken and end, people who
 * change organizations. Each step can be made again at any moment, and what is kept can be told in one line, so that
 * tests that have something fail in each of them can say whether it has happened, all of it or nothing. */
#ifndef WEIR_TESTS_CONTRACT_ONBOARD_STEPS_H
#define WEIR_TESTS_CONTRACT_ONBOARD_STEPS_H

#include "store/store.h"

enum { ONBOARD_STEPS = 12, ONBOARD_STEP_JOBS = 16, ONBOARD_DIGEST_BYTES = 1024 };

/* One of them on its way; what it borrows is its own, or lives for good. */
typedef struct OnboardStep {
    int number;
    OnboardOutcome outcomes[4];
    IdempotencyAnswer answer;
    TakenJob jobs[ONBOARD_STEP_JOBS];
    JobResult results[ONBOARD_STEP_JOBS];
    Arena texts;
    Work works[2];
} OnboardStep;

/* `taken` is what the last step took that took jobs; the step that ends jobs ends those. Give back with
 * onboard_step_release. */
void onboard_step_make(OnboardStep *step, int number, const OnboardStep *taken);
void onboard_step_release(OnboardStep *step);
/* Whether it takes jobs, or ends those that are taken: then a start in between has them taken again first. */
bool onboard_step_takes(int number);
bool onboard_step_ends(int number);
/* Whether each of its works was told what it has to be: `again` when it had happened before. */
bool onboard_step_is_right(const OnboardStep *step, bool again);

/* All that is kept, but for times, and for jobs that are taken, which count as waiting. The counts of each batch have
 * to add up: else the line says so, and is like no other. */
Status onboard_digest(StoreReader *reader, char ret_digest[ONBOARD_DIGEST_BYTES], Error *reterr) MUST_CHECK;

#endif

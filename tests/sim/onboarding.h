/* Those who onboard organizations, in batches, beside whatever else goes on: requests that are made again, whole and in
 * part, under keys; people who change organizations, try failed jobs again and call batches off. In some of the seeds
 * there are any; nothing of the others changes. */
#ifndef WEIR_TESTS_SIM_ONBOARDING_H
#define WEIR_TESTS_SIM_ONBOARDING_H

#include "sim/handler.h"

enum { ONBOARDING_DOMAINS_MAX = 60, ONBOARDING_REQUESTS_MAX = 60 };

/* What was asked for; kept to be asked for again. Texts and arrays live as long as the world. */
typedef struct SimRequest {
    OrganizationContent *content;
    int64_t *items;
    size_t count;
    OnDuplicate on_duplicate;
    bool complete;
    Str key, batch_id;
    uint8_t hash;
} SimRequest;

typedef struct Onboarding {
    uint64_t random;
    unsigned busy_percent; /* of steps; 0: nobody onboards anything in this run */
    bool has_runner;
    size_t domains, items_max, requests_max;
    SimRequest requests[ONBOARDING_REQUESTS_MAX];
    size_t request_count;
    int64_t number; /* of batches and names: 1 … */
    unsigned key_percent, repeat_percent, skip_percent, fail_percent;
    Handler handler;
} Onboarding;

void onboarding_init(World *world, uint64_t seed);
void onboarding_release(World *world);
bool onboarding_is_there(const World *world);

/* After a start, when what was unsure is settled. */
void onboarding_begin_life(World *world);
void onboarding_rewound(World *world);
void onboarding_step(World *world);
/* The program ends in order. */
void onboarding_stop(World *world);
/* Nothing goes wrong any more: every job comes to its end. */
void onboarding_finish(World *world);

/* A person tries the job again: what it was answered before counts no more. */
void onboarding_forget_answers(World *world, int64_t job);
/* Hands it in, unless the queue is full. It borrows only what lives as long as the world, but for the arrays that are
 * filled. */
void onboarding_submit(World *world, const Work *work);

#endif

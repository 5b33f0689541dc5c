/* What the tests of onboarding share: batches on their way into the store, jobs that are taken and end, and looks at
 * what is kept.
 *
 * Whatever fails here fails the test. */
#ifndef WEIR_TESTS_CONTRACT_ONBOARD_FIXTURE_H
#define WEIR_TESTS_CONTRACT_ONBOARD_FIXTURE_H

#include "delivery_fixture.h"

enum { BATCH_ORGANIZATIONS_MAX = ONBOARD_ITEMS_MAX + 1, LOOK_BYTES = 16 << 10, LEASE_US = 300 * 1000000 };

/* Opens the store once more, with a clock that stands still until it is set. */
void use_stopped_clock(Fixture *fixture);
extern int64_t stopped_us;

/* A batch on its way. Texts borrow until it is freed. */
typedef struct Batch {
    OrganizationContent content[BATCH_ORGANIZATIONS_MAX];
    int64_t items[BATCH_ORGANIZATIONS_MAX];
    OnboardOutcome outcomes[BATCH_ORGANIZATIONS_MAX];
    IdempotencyAnswer answer;
    Work work;
} Batch;

Batch *batch_new(const char *id, OnDuplicate on_duplicate); /* free with test_free */
/* One more: an organization with this domain and name. */
OrganizationContent *add_organization(Batch *batch, const char *domain, const char *name);
/* With an answer under this key, to the request that the letter stands for. */
void put_key(Batch *batch, const char *key, char request, const char *answer);
/* OK, or the work's own status. */
Status onboard(Fixture *fixture, Batch *batch);
/* A batch of its own for a few domains, separated by spaces. */
void onboard_domains(Fixture *fixture, const char *id, const char *domains, bool complete);

/* Jobs that were taken; copies. */
typedef struct Taken {
    Arena arena; /* give back with taken_release */
    TakenJob jobs[16];
    size_t count;
    int64_t next_due_us;
} Taken;
Taken take_jobs(Fixture *fixture, size_t limit);
void taken_release(Taken *taken);
/* What became of one; whether that counted. */
bool end_job(Fixture *fixture, const TakenJob *job, JobVerdict verdict, const char *error, int64_t due_us);
/* Takes all that are due, and all end in this way. */
size_t end_all(Fixture *fixture, JobVerdict verdict, const char *error);

/* How many jobs it was done to; -1: REFUSED. */
int change_batch(Fixture *fixture, WorkKind kind, const char *id);
/* `content` may be NULL. */
Status edit_organization(Fixture *fixture, int64_t id, OrganizationAction action, const OrganizationContent *content,
                         int64_t version, OrganizationEdit *ret_edit);

/* ---- Looks ------------------------------------------------------------------------------------------------------- */

typedef struct Look {
    size_t count, limit;
    char text[LOOK_BYTES];
} Look;

/* Expected: id:domain=name#version/status, newest first, a space behind each. A deleted one has a ! in front. */
void assert_organizations(Fixture *fixture, OrganizationFilter filter, const char *expected);
/* Expected: action by who#version changed, newest first, a ; behind each. */
void assert_changes(Fixture *fixture, int64_t organization, const char *expected);
/* Expected: item:state*attempts(error), a space behind each. */
void assert_jobs(Fixture *fixture, JobFilter filter, const char *expected);
/* Expected: total=pending/processing/completed/failed/cancelled, and behind that > when it has begun, ! when it is
 * finished. */
void assert_batch(Fixture *fixture, const char *id, const char *expected);
/* Expected: the ids, newest first, a space behind each. */
void assert_batches(Fixture *fixture, BatchFilter filter, const char *expected);
/* Expected: batches organizations=pending/processing/completed/failed/cancelled. */
void assert_counts(Fixture *fixture, const char *expected);
/* Expected: kind:domain or kind:batch id of those behind `after`, in order, a space behind each. */
void assert_messages(Fixture *fixture, int64_t after, const char *expected);
/* The body of one. */
void assert_body(Fixture *fixture, int64_t seq, const char *expected);
/* Expected: code answer, or nothing when there is none. */
void assert_answer(Fixture *fixture, const char *key, const char *expected);

#endif

/* The oracle of store/onboard.h: organizations, batches, jobs, the audit trail and the answers under idempotency keys,
 * each piece of work done once more in words of its own. What becomes of it is known to the microsecond: the store
 * looks at the clock once for each commit.
 *
 * Texts borrow for as long as the world lives. */
#ifndef WEIR_TESTS_SIM_ONBOARD_MODEL_H
#define WEIR_TESTS_SIM_ONBOARD_MODEL_H

#include "store/store.h"

typedef struct World World;

typedef struct TableJob {
    StoredJob stored;
    int64_t token;
    size_t batch; /* its place among the batches */
} TableJob;

typedef struct TableBatch {
    StoredBatch stored;
    int64_t first_job;
} TableBatch;

/* What the last piece of work has to have been told, besides what is in its own arrays. */
typedef struct OnboardTold {
    OnboardConflict conflict;
    size_t count;
    int64_t next_due_us, new_version;
    bool version_differs;
} OnboardTold;

typedef struct OnboardTables {
    StoredOrganization *organizations; /* of id 1, 2, 3 …; their status is that of their job; owns */
    size_t organization_count, organization_room;
    TableJob *jobs; /* of id 1, 2, 3 …; owns */
    size_t job_count, job_room;
    TableBatch *batches; /* of number 1, 2, 3 …; owns */
    size_t batch_count, batch_room;
    OrganizationChange *changes; /* in their order; owns */
    size_t change_count, change_room;
    IdempotencyAnswer *answers; /* in the order in which they were stored; owns */
    size_t answer_count, answer_room;
    bool leases_are_over; /* those who had them are gone, and nothing was committed since */
    int64_t now_us;       /* of the commit at hand */
    OnboardTold told;
} OnboardTables;

void onboard_release(OnboardTables *tables);
void onboard_copy(const OnboardTables *from, OnboardTables *to);

/* NULL where there is none. Borrows until the tables change. */
TableJob *onboard_job(const OnboardTables *tables, int64_t id);
StoredOrganization *onboard_organization(const OnboardTables *tables, int64_t id);
TableBatch *onboard_batch(const OnboardTables *tables, Str id);
const IdempotencyAnswer *onboard_answer(const OnboardTables *tables, Str key);
JobState onboard_status(const OnboardTables *tables, const StoredOrganization *organization);

/* All processes that had leases are gone. */
void onboard_begin_life(World *world);
/* A commit of that moment: before anything of it is applied. Returns whether leases have ended by it. May be called
 * again for each of its pieces. */
bool onboard_begin_commit(World *world, int64_t now_us);

/* Does to the tables, and to the log, what the work does, and fills in its arrays what they have to have. Returns its
 * status. */
Status onboard_apply(World *world, const Work *work);
static inline bool onboard_is_work(WorkKind kind) { return kind >= WORK_ONBOARD && kind <= WORK_ORGANIZATION; }

/* The failed job is pending again; false: it is not failed. */
bool onboard_retry(World *world, int64_t job);

/* A copy of the work with arrays of its own, and the memory of one. */
void onboard_keep_work(World *world, Work *work);
void onboard_free_work(Work *work);

/* ---- onboard_words.c: what has to be said ------------------------------------------------------------------------ */

/* The bodies of messages, and what a handler is sent. */
Str onboard_organization_body(World *world, const StoredOrganization *organization, JobState status,
                              const StoredJob *job);
Str onboard_batch_body(World *world, const StoredBatch *batch);
Str onboard_call_body(World *world, const TakenJob *taken);
/* {"name":["old","new"],…} */
Str onboard_differences(World *world, const OrganizationContent *before, const OrganizationContent *after);
/* What the one who asked wants to be told under its key. */
Str onboard_answer_text(World *world, Str batch_id, const OnboardOutcome *outcomes, size_t count);

/* ---- onboard_check.c --------------------------------------------------------------------------------------------- */

enum { ONBOARD_TEXT_BYTES = 400 };

/* When the store has ended the leases of jobs that the tables still have as taken; 0: it has not. */
int64_t onboard_end_of_leases(World *world, StoreReader *reader);
/* Whether the store has the same; else the first difference. A reader that was struck says yes. */
bool onboard_check(World *world, StoreReader *reader, char ret_difference[ONBOARD_TEXT_BYTES]);

#endif

/* What the writers and the reader of onboarding share. */
#ifndef WEIR_STORE_SQLITE_ONBOARD_PARTS_H
#define WEIR_STORE_SQLITE_ONBOARD_PARTS_H

#include "store/sqlite/db.h"
#include "store/sqlite/sqlite_store.h"

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

/* Each is followed by what joins and picks; texts of what is read borrow until the statement's next step or reset. */
#define ORGANIZATION_COLUMNS                                                                                           \
    "o.id, o.job, o.version, o.created_us, o.updated_us, o.deleted_us, o.domain, o.name, o.contact_email,"             \
    " o.metadata, j.state, b.id"
#define ORGANIZATION_JOINS " JOIN jobs AS j ON j.id = o.job JOIN onboard_batches AS b ON b.number = j.batch"
StoredOrganization onboard_read_organization(sqlite3_stmt *stmt);

#define JOB_COLUMNS                                                                                                    \
    "j.id, b.id, j.item, j.organization, j.state, j.attempts, j.due_us, j.error, j.created_us, j.updated_us,"          \
    " j.finished_us"
#define JOB_FROM " FROM jobs AS j CROSS JOIN onboard_batches AS b ON b.number = j.batch"
StoredJob onboard_read_job(sqlite3_stmt *stmt);

#define BATCH_SQL                                                                                                      \
    "SELECT number, id, total, pending, processing, completed, failed, cancelled, created_us, updated_us, started_us," \
    " finished_us, first_job FROM onboard_batches"
StoredBatch onboard_read_batch(sqlite3_stmt *stmt);

/* ---- The writer -------------------------------------------------------------------------------------------------- */

/* A job as its writer knows it. Texts are in the batch's memory. */
typedef struct OnboardJob {
    StoredJob stored;
    int64_t batch; /* its number */
    int64_t token;
} OnboardJob;

/* *ret_found: there is one. Its texts are copied into the batch's memory (store->scratch). */
Status onboard_find_organization(SqliteStore *store, int64_t id, StoredOrganization *ret_organization, bool *ret_found,
                                 Error *reterr) MUST_CHECK;
Status onboard_find_job(SqliteStore *store, int64_t id, OnboardJob *ret_job, bool *ret_found, Error *reterr) MUST_CHECK;
/* The job that has been due the longest, among them those whose lease has ended. */
Status onboard_find_due(SqliteStore *store, int64_t now_us, OnboardJob *ret_job, bool *ret_found,
                        Error *reterr) MUST_CHECK;
/* The organization that has this domain and is not deleted, or the newest deleted one; 0 for none. */
Status onboard_find_domain(SqliteStore *store, Str domain, bool and_deleted, int64_t *ret_id, Error *reterr) MUST_CHECK;
/* By its number, or (0) by its id. */
Status onboard_find_batch(SqliteStore *store, int64_t number, Str id, StoredBatch *ret_batch, int64_t *ret_first_job,
                          bool *ret_found, Error *reterr) MUST_CHECK;

void onboard_bind_organization(sqlite3_stmt *stmt, const StoredOrganization *organization);
/* All that may change of it. */
Status onboard_put_organization(SqliteStore *store, const StoredOrganization *organization, Error *reterr) MUST_CHECK;
Status onboard_put_job(SqliteStore *store, const StoredJob *job, Error *reterr) MUST_CHECK;

/* The counts of a batch, and of all, follow its jobs; when the last one has ended the batch is finished, and says
 * so. */
Status onboard_move_jobs(SqliteStore *store, int64_t batch, JobState from, JobState to, int64_t count, int64_t now_us,
                         Error *reterr) MUST_CHECK;

/* {"name":["old","new"],…} in store->onboard.text; returns whether anything differs. */
bool onboard_put_differences(SqliteStore *store, const OrganizationContent *before, const OrganizationContent *after);

/* A row of the audit trail: change->batch_id is not looked at. */
Status onboard_append_change(SqliteStore *store, const OrganizationChange *change, int64_t batch,
                             Error *reterr) MUST_CHECK;
/* `action`, CREATED, UPDATED, PROCESSED or FAILED, is the kind. */
Status onboard_announce(SqliteStore *store, OrganizationAction action, const StoredOrganization *organization,
                        const StoredJob *job, int64_t now_us, Error *reterr) MUST_CHECK;
Status onboard_announce_batch(SqliteStore *store, const StoredBatch *batch, int64_t now_us, Error *reterr) MUST_CHECK;

/* ---- Between the writers ----------------------------------------------------------------------------------------- */

/* jobs_again.c: a job that has not ended is cancelled, and a dead letter that was tried again with it discarded. */
Status onboard_call_off(SqliteStore *store, OnboardJob *job, int64_t now_us, Error *reterr) MUST_CHECK;
/* A job that is pending is cancelled, another one stays as it is. *ret_cancelled: it was. */
Status onboard_cancel_job(SqliteStore *store, int64_t id, int64_t now_us, bool *ret_cancelled,
                          Error *reterr) MUST_CHECK;
/* The dead letter of a job that has failed; one that it has is open again. */
Status onboard_open_letter(SqliteStore *store, const StoredJob *job, bool announce, int64_t now_us,
                           Error *reterr) MUST_CHECK;
/* The letter of a job, if it has one, from one state to another. */
Status onboard_move_letter(SqliteStore *store, const StoredJob *job, DeadLetterState from, DeadLetterState to,
                           int64_t now_us, Error *reterr) MUST_CHECK;
/* A failed job is pending again; false when it is not failed. */
Status onboard_retry_job(SqliteStore *store, int64_t id, int64_t now_us, bool *ret_retried, Error *reterr) MUST_CHECK;

#endif

/* What verify finds about onboarding: counts that do not add up, and jobs, organizations and dead letters without each
 * other. */
#include <assert.h>

#include "store/sqlite/db.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_store.h"

/* Each row is a sentence. */
static const char *const adrift_sql[] = {
    "SELECT 'batch ' || b.id || ': its counts are not those of its jobs' FROM onboard_batches AS b"
    " LEFT JOIN (SELECT batch, count(*) AS total, sum(state = 0) AS pending, sum(state = 1) AS processing,"
    " sum(state = 2) AS completed, sum(state = 3) AS failed, sum(state = 4) AS cancelled FROM jobs GROUP BY batch)"
    " AS j ON j.batch = b.number"
    " WHERE b.total <> coalesce(j.total, 0) OR b.pending <> coalesce(j.pending, 0)"
    " OR b.processing <> coalesce(j.processing, 0) OR b.completed <> coalesce(j.completed, 0)"
    " OR b.failed <> coalesce(j.failed, 0) OR b.cancelled <> coalesce(j.cancelled, 0)"
    " OR b.total <> b.pending + b.processing + b.completed + b.failed + b.cancelled",
    "SELECT 'batch ' || id || ': it is ' || CASE finished_us WHEN 0 THEN 'not ' ELSE '' END || 'finished, and ' ||"
    " (pending + processing) || ' of its jobs are not' FROM onboard_batches"
    " WHERE (finished_us = 0) <> (pending + processing > 0)",
    "SELECT 'job ' || j.id || ': there is no batch ' || j.batch || ' that has it' FROM jobs AS j WHERE NOT EXISTS"
    " (SELECT 1 FROM onboard_batches AS b"
    " WHERE b.number = j.batch AND j.id >= b.first_job AND j.id < b.first_job + b.total)",
    "SELECT 'job ' || j.id || ': there is no organization ' || j.organization FROM jobs AS j WHERE NOT EXISTS"
    " (SELECT 1 FROM organizations WHERE id = j.organization)",
    "SELECT 'job ' || id || ': it has no state' FROM jobs WHERE state NOT BETWEEN 0 AND 4",
    "SELECT 'organization ' || o.id || ': its newest job is not ' || o.job FROM organizations AS o"
    " LEFT JOIN (SELECT organization, max(id) AS job FROM jobs GROUP BY organization) AS j ON j.organization = o.id"
    " WHERE j.job IS NULL OR j.job <> o.job",
    "SELECT 'the domain ' || domain || ' has ' || count(*) || ' organizations' FROM organizations NOT INDEXED"
    " WHERE deleted_us = 0 GROUP BY domain HAVING count(*) > 1",
    "SELECT 'organization ' || o.id || ': its version is ' || o.version || ', and its last change made ' || c.version"
    " FROM organizations AS o JOIN organization_changes AS c"
    " ON c.id = (SELECT max(id) FROM organization_changes WHERE organization = o.id) WHERE c.version <> o.version",
    "SELECT 'organization ' || id || ': nothing says who made it' FROM organizations AS o"
    " WHERE NOT EXISTS (SELECT 1 FROM organization_changes WHERE organization = o.id)",
    "SELECT 'dead letter ' || l.id || ': ' || l.place || ' has not failed' FROM dead_letters AS l"
    " LEFT JOIN jobs AS j ON j.id = CAST(substr(l.place, 5) AS INTEGER)"
    " WHERE l.stage = 2 AND l.state = 0 AND coalesce(j.state, -1) <> 3",
    "SELECT 'dead letter ' || l.id || ': ' || l.place || ' is not tried again' FROM dead_letters AS l"
    " LEFT JOIN jobs AS j ON j.id = CAST(substr(l.place, 5) AS INTEGER)"
    " WHERE l.stage = 2 AND l.state = 1 AND coalesce(j.state, -1) NOT IN (0, 1)",
    "SELECT 'job ' || j.id || ': it has failed, and there is no dead letter' FROM jobs AS j"
    " JOIN onboard_batches AS b ON b.number = j.batch WHERE j.state = 3 AND j.state <> 2 AND NOT EXISTS"
    " (SELECT 1 FROM dead_letters WHERE stage = 2 AND origin = b.id AND place = 'job/' || j.id)",
    "SELECT 'the counts of onboarding are not those of the tables' FROM onboard_counts AS c,"
    " (SELECT count(*) AS batches, coalesce(max(number), 0) AS newest, coalesce(sum(pending), 0) AS pending,"
    " coalesce(sum(processing), 0) AS processing, coalesce(sum(completed), 0) AS completed,"
    " coalesce(sum(failed), 0) AS failed, coalesce(sum(cancelled), 0) AS cancelled FROM onboard_batches) AS b"
    " WHERE c.batches <> b.batches OR c.pending <> b.pending OR c.processing <> b.processing"
    " OR c.completed <> b.completed OR c.failed <> b.failed OR c.cancelled <> b.cancelled OR c.last_batch < b.newest"
    " OR c.last_job < (SELECT coalesce(max(id), 0) FROM jobs)"
    " OR c.last_organization < (SELECT coalesce(max(id), 0) FROM organizations)"
    " OR c.organizations <> (SELECT count(*) FROM organizations WHERE deleted_us = 0)"
    " OR c.answers <> (SELECT count(*) FROM idempotency_answers)",
};
static_assert(JOB_PENDING == 0 && JOB_PROCESSING == 1 && JOB_COMPLETED == 2 && JOB_FAILED == 3 && JOB_CANCELLED == 4 &&
                  DEAD_LETTER_JOB == 2 && DEAD_LETTER_OPEN == 0 && DEAD_LETTER_RETRYING == 1,
              "the statements say so");

Status sqlite_check_onboard(sqlite3 *db, void (*tell)(void *context, Str sentence), void *context, int64_t *ret_jobs,
                            Error *reterr)
{
    int64_t version = 0;
    Status status = schema_version(db, &version, reterr);
    if (status != STATUS_OK || version < SCHEMA_ONBOARD) {
        return status;
    }
    status = db_get_int(db, "SELECT count(*) FROM jobs", 0, ret_jobs, reterr);
    for (size_t i = 0; i < sizeof adrift_sql / sizeof *adrift_sql && status == STATUS_OK; i++) {
        status = db_visit_texts(db, adrift_sql[i], tell, context, reterr);
    }
    return status;
}

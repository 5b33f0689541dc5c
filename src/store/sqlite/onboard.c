/* What all writers of onboarding do: rows found and changed, counts kept, changes noted, messages appended. */
#include "store/sqlite/onboard.h"

#include <assert.h>

#include "deliver/message.h"
#include "store/sqlite/onboard_parts.h"

enum { TEXT_BYTES_MAX = 512 << 10 };

static_assert(JOB_PENDING == 0 && JOB_PROCESSING == 1 && DEAD_LETTER_JOB == 2 && DEAD_LETTER_OPEN == 0,
              "the statements say so");

static const char *const statements_sql[] = {
    [ONBOARD_GET_COUNTS] = "SELECT batches, organizations, answers, pending, processing, completed, failed, cancelled,"
                           " last_batch, last_organization, last_job FROM onboard_counts",
    [ONBOARD_PUT_COUNTS] = "UPDATE onboard_counts SET batches = ?, organizations = ?, answers = ?, pending = ?,"
                           " processing = ?, completed = ?, failed = ?, cancelled = ?, last_batch = ?,"
                           " last_organization = ?, last_job = ?",
    [ONBOARD_FIND_DOMAIN] = "SELECT id FROM organizations WHERE domain = ? AND deleted_us = 0",
    [ONBOARD_FIND_DELETED] = "SELECT id FROM organizations WHERE domain = ? AND deleted_us <> 0 ORDER BY id DESC"
                             " LIMIT 1",
    [ONBOARD_FIND_ORGANIZATION] =
        "SELECT " ORGANIZATION_COLUMNS " FROM organizations AS o" ORGANIZATION_JOINS " WHERE o.id = ?",
    [ONBOARD_ADD_ORGANIZATION] = "INSERT INTO organizations(id, job, version, created_us, updated_us, deleted_us,"
                                 " domain, name, contact_email, metadata) VALUES(?,?,?,?,?,?,?,?,?,?)"
                                 " ON CONFLICT DO NOTHING",
    [ONBOARD_PUT_ORGANIZATION] = "UPDATE organizations SET job = ?2, version = ?3, created_us = ?4, updated_us = ?5,"
                                 " deleted_us = ?6, domain = ?7, name = ?8, contact_email = ?9, metadata = ?10"
                                 " WHERE id = ?1",
    [ONBOARD_ADD_CHANGE] = "INSERT INTO organization_changes(organization, action, version, at_us, batch, who,"
                           " changed) VALUES(?,?,?,?,?,?,?)",
    [ONBOARD_HAS_BATCH] = "SELECT number FROM onboard_batches WHERE id = ?",
    [ONBOARD_FIND_BATCH] = BATCH_SQL " WHERE number = ?",
    [ONBOARD_ADD_BATCH] = "INSERT INTO onboard_batches(number, id, first_job, total, pending, processing, completed,"
                          " failed, cancelled, created_us, updated_us, started_us, finished_us)"
                          " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [ONBOARD_MOVE_BATCH] = "UPDATE onboard_batches SET pending = ?2, processing = ?3, completed = ?4, failed = ?5,"
                           " cancelled = ?6, updated_us = ?7, started_us = ?8, finished_us = ?9 WHERE number = ?1",
    [ONBOARD_FIND_JOB] = "SELECT " JOB_COLUMNS ", j.batch, j.token" JOB_FROM " WHERE j.id = ?",
    [ONBOARD_FIND_DUE] = "SELECT " JOB_COLUMNS ", j.batch, j.token" JOB_FROM
                         " WHERE j.state < 2 AND j.due_us <= ? ORDER BY j.due_us, j.id LIMIT 1",
    [ONBOARD_NEXT_DUE] = "SELECT due_us FROM jobs WHERE state < 2 ORDER BY due_us LIMIT 1",
    [ONBOARD_ADD_JOB] = "INSERT INTO jobs(id, batch, item, organization, state, attempts, due_us, token, created_us,"
                        " updated_us, finished_us, error) VALUES(?1, ?2, ?3, ?4, ?5, 0, ?6, 0, ?6, ?6, ?7, '')",
    [ONBOARD_TAKE_JOB] = "UPDATE jobs SET state = 1, attempts = attempts + 1, token = token + 1, due_us = ?2,"
                         " updated_us = ?3 WHERE id = ?1",
    [ONBOARD_PUT_JOB] = "UPDATE jobs SET state = ?2, attempts = ?3, due_us = ?4, error = ?5, updated_us = ?6,"
                        " finished_us = ?7 WHERE id = ?1",
    [ONBOARD_FIND_LETTER] = "SELECT id, state FROM dead_letters WHERE stage = 2 AND origin = ? AND place = ?",
    [ONBOARD_ADD_LETTER] = "INSERT INTO dead_letters(stage, state, origin, seq, place, error, attempts, raw,"
                           " created_us, updated_us) VALUES(2, 0, ?1, 0, ?2, ?3, ?4, x'', ?5, ?5)",
    [ONBOARD_MOVE_LETTER] = "UPDATE dead_letters SET state = ?4, updated_us = ?5"
                            " WHERE stage = 2 AND origin = ?1 AND place = ?2 AND state = ?3",
    [ONBOARD_FIND_ANSWER] = "SELECT body_hash FROM idempotency_answers WHERE key = ?",
    [ONBOARD_TRIM_ANSWERS] = "DELETE FROM idempotency_answers WHERE created_us < ?1"
                             " AND id IN (SELECT id FROM idempotency_answers ORDER BY id LIMIT ?2)",
    [ONBOARD_ADD_ANSWER] = "INSERT INTO idempotency_answers(key, created_us, code, body_hash, answer)"
                           " VALUES(?,?,?,?,?)",
};
static_assert(sizeof statements_sql / sizeof *statements_sql == ONBOARD_STATEMENT_COUNT, "one for each");

Status sqlite_prepare_onboard(SqliteStore *store, Error *reterr)
{
    buf_init(&store->onboard.text, TEXT_BYTES_MAX);
    store->onboard.latest_us = INT64_MAX;
    return db_prepare_all(store->db, statements_sql, ONBOARD_STATEMENT_COUNT, store->onboard.statements, reterr);
}

void sqlite_finalize_onboard(SqliteStore *store)
{
    db_finalize_all(store->onboard.statements, ONBOARD_STATEMENT_COUNT);
    buf_release(&store->onboard.text);
}

/* ---- Counts ------------------------------------------------------------------------------------------------------ */

/* In the order of the columns. */
enum { TOTALS_MAX = 6 + JOB_STATE_COUNT };
static void list_totals(OnboardTotals *totals, int64_t *ret_list[TOTALS_MAX])
{
    size_t at = 0;
    ret_list[at++] = &totals->batches;
    ret_list[at++] = &totals->organizations;
    ret_list[at++] = &totals->answers;
    for (size_t i = 0; i < JOB_STATE_COUNT; i++) {
        ret_list[at++] = &totals->jobs[i];
    }
    ret_list[at++] = &totals->last_batch;
    ret_list[at++] = &totals->last_organization;
    ret_list[at++] = &totals->last_job;
}

Status sqlite_begin_onboard(SqliteStore *store, Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_GET_COUNTS];
    int64_t *list[TOTALS_MAX];
    bool row = false;
    Status status = db_step(stmt, "read the counts of onboarding", &row, reterr);
    list_totals(&store->onboard.totals, list);
    for (int i = 0; i < (int)TOTALS_MAX && status == STATUS_OK && row; i++) {
        *list[i] = sqlite3_column_int64(stmt, i);
    }
    sqlite3_reset(stmt);
    return status == STATUS_OK && !row ? error_set(reterr, STATUS_BROKEN, "the store has no counts of onboarding")
                                       : status;
}

Status sqlite_end_onboard(SqliteStore *store, Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_PUT_COUNTS];
    int64_t *list[TOTALS_MAX];
    list_totals(&store->onboard.totals, list);
    for (int i = 0; i < (int)TOTALS_MAX; i++) {
        sqlite3_bind_int64(stmt, i + 1, *list[i]);
    }
    return db_run(stmt, "write the counts of onboarding", reterr);
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

StoredOrganization onboard_read_organization(sqlite3_stmt *stmt)
{
    return (StoredOrganization){.id = sqlite3_column_int64(stmt, 0),
                                .job = sqlite3_column_int64(stmt, 1),
                                .version = sqlite3_column_int64(stmt, 2),
                                .created_us = sqlite3_column_int64(stmt, 3),
                                .updated_us = sqlite3_column_int64(stmt, 4),
                                .deleted_us = sqlite3_column_int64(stmt, 5),
                                .content = {.domain = db_text(stmt, 6),
                                            .name = db_text(stmt, 7),
                                            .contact_email = db_text(stmt, 8),
                                            .metadata = db_text(stmt, 9)},
                                .status = (JobState)sqlite3_column_int(stmt, 10),
                                .batch_id = db_text(stmt, 11)};
}

StoredJob onboard_read_job(sqlite3_stmt *stmt)
{
    return (StoredJob){.id = sqlite3_column_int64(stmt, 0),
                       .batch_id = db_text(stmt, 1),
                       .item = sqlite3_column_int64(stmt, 2),
                       .organization = sqlite3_column_int64(stmt, 3),
                       .state = (JobState)sqlite3_column_int(stmt, 4),
                       .attempts = sqlite3_column_int64(stmt, 5),
                       .due_us = sqlite3_column_int64(stmt, 6),
                       .error = db_text(stmt, 7),
                       .created_us = sqlite3_column_int64(stmt, 8),
                       .updated_us = sqlite3_column_int64(stmt, 9),
                       .finished_us = sqlite3_column_int64(stmt, 10)};
}

StoredBatch onboard_read_batch(sqlite3_stmt *stmt)
{
    StoredBatch batch = {.number = sqlite3_column_int64(stmt, 0),
                         .id = db_text(stmt, 1),
                         .total = sqlite3_column_int64(stmt, 2),
                         .created_us = sqlite3_column_int64(stmt, 8),
                         .updated_us = sqlite3_column_int64(stmt, 9),
                         .started_us = sqlite3_column_int64(stmt, 10),
                         .finished_us = sqlite3_column_int64(stmt, 11)};
    for (int i = 0; i < (int)JOB_STATE_COUNT; i++) {
        batch.jobs[i] = sqlite3_column_int64(stmt, 3 + i);
    }
    return batch;
}

/* Each text becomes its copy. */
static Status keep_texts(SqliteStore *store, Str *const texts[], size_t count, Error *reterr)
{
    for (size_t i = 0; i < count; i++) {
        *texts[i] = arena_copy(&store->scratch, *texts[i]);
        if (!texts[i]->ptr) {
            return error_set(reterr, STATUS_BUSY, "out of memory for organizations");
        }
    }
    return STATUS_OK;
}

Status onboard_find_organization(SqliteStore *store, int64_t id, StoredOrganization *ret_organization, bool *ret_found,
                                 Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_FIND_ORGANIZATION];
    sqlite3_bind_int64(stmt, 1, id);
    *ret_found = false;
    Status status = db_step(stmt, "look for an organization", ret_found, reterr);
    if (status == STATUS_OK && *ret_found) {
        *ret_organization = onboard_read_organization(stmt);
        OrganizationContent *content = &ret_organization->content;
        Str *const texts[] = {&content->domain, &content->name, &content->contact_email, &content->metadata,
                              &ret_organization->batch_id};
        status = keep_texts(store, texts, sizeof texts / sizeof *texts, reterr);
    }
    sqlite3_reset(stmt);
    return status;
}

/* What a statement has picked. */
static Status read_picked(SqliteStore *store, sqlite3_stmt *stmt, OnboardJob *ret_job, bool *ret_found, Error *reterr)
{
    *ret_found = false;
    Status status = db_step(stmt, "look for a job", ret_found, reterr);
    if (status == STATUS_OK && *ret_found) {
        *ret_job = (OnboardJob){.stored = onboard_read_job(stmt),
                                .batch = sqlite3_column_int64(stmt, 11),
                                .token = sqlite3_column_int64(stmt, 12)};
        Str *const texts[] = {&ret_job->stored.batch_id, &ret_job->stored.error};
        status = keep_texts(store, texts, sizeof texts / sizeof *texts, reterr);
    }
    sqlite3_reset(stmt);
    return status;
}

Status onboard_find_job(SqliteStore *store, int64_t id, OnboardJob *ret_job, bool *ret_found, Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_FIND_JOB];
    sqlite3_bind_int64(stmt, 1, id);
    return read_picked(store, stmt, ret_job, ret_found, reterr);
}

Status onboard_find_due(SqliteStore *store, int64_t now_us, OnboardJob *ret_job, bool *ret_found, Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_FIND_DUE];
    sqlite3_bind_int64(stmt, 1, now_us);
    return read_picked(store, stmt, ret_job, ret_found, reterr);
}

static Status find_id(SqliteStore *store, OnboardStatement which, Str text, int64_t *ret_id, Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[which];
    bool row = false;
    db_bind_text(stmt, 1, text);
    Status status = db_step(stmt, "look for an organization or a batch", &row, reterr);
    *ret_id = status == STATUS_OK && row ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return status;
}

Status onboard_find_domain(SqliteStore *store, Str domain, bool and_deleted, int64_t *ret_id, Error *reterr)
{
    Status status = find_id(store, ONBOARD_FIND_DOMAIN, domain, ret_id, reterr);
    return status == STATUS_OK && *ret_id == 0 && and_deleted
               ? find_id(store, ONBOARD_FIND_DELETED, domain, ret_id, reterr)
               : status;
}

Status onboard_find_batch(SqliteStore *store, int64_t number, Str id, StoredBatch *ret_batch, int64_t *ret_first_job,
                          bool *ret_found, Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_FIND_BATCH];
    Status status = number ? STATUS_OK : find_id(store, ONBOARD_HAS_BATCH, id, &number, reterr);
    *ret_found = false;
    if (status != STATUS_OK || number == 0) {
        return status;
    }
    sqlite3_bind_int64(stmt, 1, number);
    status = db_step(stmt, "look for a batch", ret_found, reterr);
    if (status == STATUS_OK && *ret_found) {
        *ret_batch = onboard_read_batch(stmt);
        *ret_first_job = sqlite3_column_int64(stmt, 12);
        Str *const texts[] = {&ret_batch->id};
        status = keep_texts(store, texts, 1, reterr);
    }
    sqlite3_reset(stmt);
    return status;
}

void onboard_bind_organization(sqlite3_stmt *stmt, const StoredOrganization *organization)
{
    sqlite3_bind_int64(stmt, 1, organization->id);
    sqlite3_bind_int64(stmt, 2, organization->job);
    sqlite3_bind_int64(stmt, 3, organization->version);
    sqlite3_bind_int64(stmt, 4, organization->created_us);
    sqlite3_bind_int64(stmt, 5, organization->updated_us);
    sqlite3_bind_int64(stmt, 6, organization->deleted_us);
    db_bind_text(stmt, 7, organization->content.domain);
    db_bind_text(stmt, 8, organization->content.name);
    db_bind_text(stmt, 9, organization->content.contact_email);
    db_bind_text(stmt, 10, organization->content.metadata);
}

Status onboard_put_organization(SqliteStore *store, const StoredOrganization *organization, Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_PUT_ORGANIZATION];
    onboard_bind_organization(stmt, organization);
    return db_run(stmt, "change an organization", reterr);
}

Status onboard_put_job(SqliteStore *store, const StoredJob *job, Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_PUT_JOB];
    sqlite3_bind_int64(stmt, 1, job->id);
    sqlite3_bind_int(stmt, 2, (int)job->state);
    sqlite3_bind_int64(stmt, 3, job->attempts);
    sqlite3_bind_int64(stmt, 4, job->due_us);
    db_bind_text(stmt, 5, str_cut(job->error, ONBOARD_ERROR_BYTES_MAX));
    sqlite3_bind_int64(stmt, 6, job->updated_us);
    sqlite3_bind_int64(stmt, 7, job->finished_us);
    return db_run(stmt, "change a job", reterr);
}

/* ---- Batches ----------------------------------------------------------------------------------------------------- */

static Status move_batch(SqliteStore *store, const StoredBatch *batch, Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_MOVE_BATCH];
    sqlite3_bind_int64(stmt, 1, batch->number);
    for (int i = 0; i < (int)JOB_STATE_COUNT; i++) {
        sqlite3_bind_int64(stmt, 2 + i, batch->jobs[i]);
    }
    sqlite3_bind_int64(stmt, 7, batch->updated_us);
    sqlite3_bind_int64(stmt, 8, batch->started_us);
    sqlite3_bind_int64(stmt, 9, batch->finished_us);
    return db_run(stmt, "change a batch", reterr);
}

Status onboard_move_jobs(SqliteStore *store, int64_t number, JobState from, JobState to, int64_t count, int64_t now_us,
                         Error *reterr)
{
    StoredBatch batch = {0};
    int64_t first_job = 0;
    bool found = false;
    Status status = onboard_find_batch(store, number, (Str){0}, &batch, &first_job, &found, reterr);
    if (status != STATUS_OK || !found || count == 0) {
        return status == STATUS_OK && !found ? error_set(reterr, STATUS_BROKEN, "a job's batch is not there") : status;
    }
    OnboardTotals *totals = &store->onboard.totals;
    batch.jobs[from] -= count, totals->jobs[from] -= count;
    batch.jobs[to] += count, totals->jobs[to] += count;
    batch.updated_us = now_us;
    batch.started_us = batch.started_us == 0 && to == JOB_PROCESSING ? now_us : batch.started_us;
    bool is_over = batch.jobs[JOB_PENDING] == 0 && batch.jobs[JOB_PROCESSING] == 0;
    batch.finished_us = is_over ? now_us : 0;
    status = move_batch(store, &batch, reterr);
    return status == STATUS_OK && is_over ? onboard_announce_batch(store, &batch, now_us, reterr) : status;
}

/* ---- What is told ------------------------------------------------------------------------------------------------ */

static void put_side(Buf *buf, Str text, bool is_json)
{
    if (is_json) {
        buf_put(buf, text.len ? text : STR("null"));
    } else {
        buf_put_json(buf, text);
    }
}

static void put_difference(Buf *buf, const char *name, Str before, Str after, bool is_json)
{
    if (!str_equal(before, after)) {
        buf_put_key(buf, name);
        buf_put_char(buf, '[');
        put_side(buf, before, is_json);
        buf_put_char(buf, ',');
        put_side(buf, after, is_json);
        buf_put_char(buf, ']');
    }
}

bool onboard_put_differences(SqliteStore *store, const OrganizationContent *before, const OrganizationContent *after)
{
    Buf *buf = &store->onboard.text;
    buf_reset(buf);
    buf_put_char(buf, '{');
    put_difference(buf, "name", before->name, after->name, false);
    put_difference(buf, "domain", before->domain, after->domain, false);
    put_difference(buf, "contact_email", before->contact_email, after->contact_email, false);
    put_difference(buf, "metadata", before->metadata, after->metadata, true);
    bool any = buf->len > 1;
    buf_put_char(buf, '}');
    return any;
}

Status onboard_append_change(SqliteStore *store, const OrganizationChange *change, int64_t batch, Error *reterr)
{
    sqlite3_stmt *stmt = store->onboard.statements[ONBOARD_ADD_CHANGE];
    sqlite3_bind_int64(stmt, 1, change->organization);
    sqlite3_bind_int(stmt, 2, (int)change->action);
    sqlite3_bind_int64(stmt, 3, change->version);
    sqlite3_bind_int64(stmt, 4, change->at_us);
    sqlite3_bind_int64(stmt, 5, batch);
    db_bind_text(stmt, 6, str_cut(change->who, ONBOARD_WHO_BYTES_MAX));
    db_bind_text(stmt, 7, change->changed);
    return db_run(stmt, "note what was done to an organization", reterr);
}

static Status append(SqliteStore *store, Str kind, int64_t now_us, Error *reterr)
{
    const Buf *body = &store->onboard.text;
    const StoredMessage message = {.kind = kind, .created_us = now_us, .body = buf_str(body)};
    return body->failed ? error_set(reterr, STATUS_BUSY, "out of memory for a message")
                        : sqlite_append_message(store, &message, reterr);
}

Status onboard_announce(SqliteStore *store, OrganizationAction action, const StoredOrganization *organization,
                        const StoredJob *job, int64_t now_us, Error *reterr)
{
    Str kind = action == ORGANIZATION_CREATED     ? STR("organization.created")
               : action == ORGANIZATION_PROCESSED ? STR("organization.processed")
               : action == ORGANIZATION_FAILED    ? STR("organization.failed")
                                                  : STR("organization.updated");
    buf_reset(&store->onboard.text);
    message_put_organization_body(&store->onboard.text, organization, job);
    return append(store, kind, now_us, reterr);
}

Status onboard_announce_batch(SqliteStore *store, const StoredBatch *batch, int64_t now_us, Error *reterr)
{
    buf_reset(&store->onboard.text);
    message_put_batch_body(&store->onboard.text, batch);
    return append(store, batch->jobs[JOB_FAILED] ? STR("batch.failed") : STR("batch.completed"), now_us, reterr);
}

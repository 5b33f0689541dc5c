/* What readers see of onboarding: the small tables as they are now, whatever a view's bound. */
#include <stdio.h>

#include "store/sqlite/onboard_parts.h"
#include "store/sqlite/schema.h"

#define WHAT "read what is kept of onboarding"

enum { SQL_BYTES_MAX = 4096, PATTERN_BYTES_MAX = 4096 };

static Status prepare(SqliteReader *reader, const Buf *sql, sqlite3_stmt **ret_stmt, Error *reterr)
{
    return sql->failed ? error_set(reterr, STATUS_BUSY, "out of memory")
                       : db_prepare(reader->db, sql->ptr, ret_stmt, reterr);
}

/* ---- Organizations ----------------------------------------------------------------------------------------------- */

/* Those that are in a state: from the few that are not completed, where the state is another one. With a batch, from
 * its jobs, of which an organization may have two. The parts of the condition repeat what the partial indexes say, or
 * they would not be used. */
static void put_organizations_sql(Buf *sql, const OrganizationFilter *filter)
{
    bool by_state = filter->status >= 0 && filter->status != JOB_COMPLETED && !filter->batch_id.len && !filter->id &&
                    !filter->domain.len;
    BUF_PUT(sql, "SELECT " ORGANIZATION_COLUMNS);
    buf_put(sql, by_state
                     ? STR(" FROM jobs AS j CROSS JOIN organizations AS o ON o.id = j.organization AND o.job = j.id"
                           " CROSS JOIN onboard_batches AS b ON b.number = j.batch WHERE j.state <> 2")
                     : STR(" FROM organizations AS o" ORGANIZATION_JOINS " WHERE 1"));
    buf_put(sql, filter->id ? STR("") : filter->deleted ? STR(" AND o.deleted_us <> 0") : STR(" AND o.deleted_us = 0"));
    buf_put(sql, filter->id ? STR(" AND o.id = ?1") : STR(""));
    buf_put(sql, filter->domain.len ? STR(" AND o.domain = ?2") : STR(""));
    buf_put(sql, filter->status >= 0 ? STR(" AND j.state = ?3") : STR(""));
    Str id = by_state ? STR("j.organization") : STR("o.id"); /* by the index that is walked along */
    if (filter->before) {
        buf_printf(sql, " AND %.*s < ?4", STR_ARGS(id));
    }
    if (filter->after) {
        buf_printf(sql, " AND %.*s > ?8", STR_ARGS(id));
    }
    buf_put(sql,
            filter->search.len ? STR(" AND (o.domain LIKE ?5 ESCAPE '\\' OR o.name LIKE ?6 ESCAPE '\\')") : STR(""));
    buf_put(sql, filter->batch_id.len
                     ? STR(" AND o.id IN (SELECT organization FROM jobs, onboard_batches AS batch WHERE batch.id = ?7"
                           " AND jobs.id >= batch.first_job AND jobs.id < batch.first_job + batch.total)")
                     : STR(""));
    buf_printf(sql, " ORDER BY %.*s DESC", STR_ARGS(id));
    buf_put_char(sql, '\0');
}

/* What LIKE takes for itself stands for itself. */
static void put_pattern(Buf *pattern, Str text, bool anywhere)
{
    buf_put(pattern, anywhere ? STR("%") : STR(""));
    for (size_t i = 0; i < text.len; i++) {
        bool is_special = text.ptr[i] == '%' || text.ptr[i] == '_' || text.ptr[i] == '\\';
        buf_put(pattern, is_special ? STR("\\") : STR(""));
        buf_put_char(pattern, text.ptr[i]);
    }
    buf_put_char(pattern, '%');
}

/* False without memory for a copy. */
static bool bind_pattern(sqlite3_stmt *stmt, int at, Str text, bool anywhere, Buf *pattern)
{
    buf_reset(pattern);
    put_pattern(pattern, text, anywhere);
    return sqlite3_bind_text(stmt, at, pattern->ptr, (int)pattern->len, SQLITE_TRANSIENT) != SQLITE_NOMEM;
}

static Status prepare_organizations(SqliteReader *reader, const OrganizationFilter *filter, sqlite3_stmt **ret_stmt,
                                    Error *reterr)
{
    Buf sql, pattern;
    bool bound = true;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_init(&pattern, PATTERN_BYTES_MAX);
    put_organizations_sql(&sql, filter);
    Status status = prepare(reader, &sql, ret_stmt, reterr);
    if (status == STATUS_OK) { /* those that the statement does not have are out of its range, or not looked at */
        sqlite3_bind_int64(*ret_stmt, 1, filter->id);
        db_bind_text(*ret_stmt, 2, filter->domain);
        sqlite3_bind_int(*ret_stmt, 3, filter->status);
        sqlite3_bind_int64(*ret_stmt, 4, filter->before);
        Str beginning = filter->beginning.len ? filter->beginning : filter->search;
        bound = bind_pattern(*ret_stmt, 5, beginning, false, &pattern) &&
                bind_pattern(*ret_stmt, 6, filter->search, true, &pattern);
        db_bind_text(*ret_stmt, 7, filter->batch_id);
        sqlite3_bind_int64(*ret_stmt, 8, filter->after);
    }
    if (status == STATUS_OK && (pattern.failed || !bound)) {
        bool is_long = filter->search.len > PATTERN_BYTES_MAX / 4; /* else memory gave out */
        status = error_set(reterr, is_long ? STATUS_REFUSED : STATUS_BUSY, "%s",
                           is_long ? "what is searched for is too long" : "out of memory for a search");
    }
    buf_release(&sql);
    buf_release(&pattern);
    return status;
}

Status sqlite_organizations(StoreReader *base, const OrganizationFilter *filter, OrganizationVisitor *visit,
                            void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true, has = false;
    Status status = sqlite_reader_has(reader, SCHEMA_ONBOARD, &has, reterr);
    if (has) {
        status = prepare_organizations(reader, filter, &stmt, reterr);
    }
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        StoredOrganization organization = onboard_read_organization(stmt);
        go_on = visit(context, &organization);
    }
    sqlite3_finalize(stmt);
    return status;
}

Status sqlite_organization_changes(StoreReader *base, int64_t organization, int64_t before,
                                   OrganizationChangeVisitor *visit, void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    Status status =
        sqlite_reader_take(reader, SCHEMA_ONBOARD, READER_ORGANIZATION_CHANGES,
                           "SELECT c.id, c.organization, c.action, c.version, c.at_us, c.who, c.changed,"
                           " coalesce((SELECT id FROM onboard_batches WHERE number = c.batch), '')"
                           " FROM organization_changes AS c WHERE c.organization = ?1 AND c.id < ?2 ORDER BY c.id DESC",
                           &stmt, reterr);
    if (stmt) {
        sqlite3_bind_int64(stmt, 1, organization);
        sqlite3_bind_int64(stmt, 2, before ? before : INT64_MAX);
    }
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        OrganizationChange change = {.id = sqlite3_column_int64(stmt, 0),
                                     .organization = sqlite3_column_int64(stmt, 1),
                                     .action = (OrganizationAction)sqlite3_column_int(stmt, 2),
                                     .version = sqlite3_column_int64(stmt, 3),
                                     .at_us = sqlite3_column_int64(stmt, 4),
                                     .who = db_text(stmt, 5),
                                     .changed = db_text(stmt, 6),
                                     .batch_id = db_text(stmt, 7)};
        go_on = visit(context, &change);
    }
    sqlite_reader_give_back(reader, READER_ORGANIZATION_CHANGES, stmt);
    return status;
}

/* ---- Jobs and batches -------------------------------------------------------------------------------------------- */

/* The ids of a batch's jobs are a range. */
static void put_jobs_sql(Buf *sql, const JobFilter *filter)
{
    bool in_batch = filter->batch_id.len > 0;
    BUF_PUT(sql, "SELECT " JOB_COLUMNS);
    buf_put(sql, in_batch ? STR(" FROM onboard_batches AS b CROSS JOIN jobs AS j ON j.id >= b.first_job"
                                " AND j.id < b.first_job + b.total WHERE b.id = ?1")
                          : STR(JOB_FROM " WHERE 1"));
    buf_put(sql, filter->id ? STR(" AND j.id = ?2") : STR(""));
    buf_put(sql, filter->state >= 0 ? STR(" AND j.state = ?3") : STR(""));
    buf_put(sql, filter->after < 0 ? STR("") : in_batch ? STR(" AND j.item > ?4") : STR(" AND j.id > ?4"));
    BUF_PUT(sql, " ORDER BY j.id");
    buf_put_char(sql, '\0');
}

static Status prepare_jobs(SqliteReader *reader, const JobFilter *filter, sqlite3_stmt **ret_stmt, Error *reterr)
{
    Buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    put_jobs_sql(&sql, filter);
    Status status = prepare(reader, &sql, ret_stmt, reterr);
    if (status == STATUS_OK) {
        db_bind_text(*ret_stmt, 1, filter->batch_id);
        sqlite3_bind_int64(*ret_stmt, 2, filter->id);
        sqlite3_bind_int(*ret_stmt, 3, filter->state);
        sqlite3_bind_int64(*ret_stmt, 4, filter->after);
    }
    buf_release(&sql);
    return status;
}

Status sqlite_jobs(StoreReader *base, const JobFilter *filter, JobVisitor *visit, void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true, has = false;
    Status status = sqlite_reader_has(reader, SCHEMA_ONBOARD, &has, reterr);
    if (has) {
        status = prepare_jobs(reader, filter, &stmt, reterr);
    }
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        StoredJob job = onboard_read_job(stmt);
        go_on = visit(context, &job);
    }
    sqlite3_finalize(stmt);
    return status;
}

Status sqlite_batches(StoreReader *base, const BatchFilter *filter, BatchVisitor *visit, void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    ReaderKept which = filter->id.len ? READER_BATCH : READER_BATCHES;
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    Status status = sqlite_reader_take(reader, SCHEMA_ONBOARD, which,
                                       filter->id.len ? BATCH_SQL " WHERE number < ?1 AND id = ?2"
                                                      : BATCH_SQL " WHERE number < ?1 ORDER BY number DESC",
                                       &stmt, reterr);
    if (stmt) {
        sqlite3_bind_int64(stmt, 1, filter->before ? filter->before : INT64_MAX);
    }
    if (stmt && filter->id.len) {
        db_bind_text(stmt, 2, filter->id);
    }
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        StoredBatch batch = onboard_read_batch(stmt);
        go_on = visit(context, &batch);
    }
    sqlite_reader_give_back(reader, which, stmt);
    return status;
}

Status sqlite_onboard_counts(StoreReader *base, OnboardCounts *ret_counts, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    Status status = sqlite_reader_take(
        reader, SCHEMA_ONBOARD, READER_ONBOARD_COUNTS,
        "SELECT batches, organizations, pending, processing, completed, failed, cancelled,"
        " coalesce((SELECT due_us FROM jobs WHERE state < 2 AND state = 0 ORDER BY due_us LIMIT 1), 0)"
        ", last_organization FROM onboard_counts",
        &stmt, reterr);
    *ret_counts = (OnboardCounts){0};
    if (db_next(stmt, true, WHAT, &status, reterr)) {
        ret_counts->batches = sqlite3_column_int64(stmt, 0);
        ret_counts->organizations = sqlite3_column_int64(stmt, 1);
        for (int i = 0; i < (int)JOB_STATE_COUNT; i++) {
            ret_counts->jobs[i] = sqlite3_column_int64(stmt, 2 + i);
        }
        ret_counts->oldest_due_us = sqlite3_column_int64(stmt, 7);
        ret_counts->last_organization = sqlite3_column_int64(stmt, 8);
    }
    sqlite_reader_give_back(reader, READER_ONBOARD_COUNTS, stmt);
    return status;
}

/* ---- Idempotency ------------------------------------------------------------------------------------------------- */

static IdempotencyAnswer read_answer(sqlite3_stmt *stmt)
{
    IdempotencyAnswer answer = {.key = db_text(stmt, 0),
                                .created_us = sqlite3_column_int64(stmt, 1),
                                .code = sqlite3_column_int64(stmt, 2),
                                .answer = db_text(stmt, 4)};
    if (sqlite3_column_bytes(stmt, 3) == (int)sizeof answer.body_hash) {
        memcpy(answer.body_hash, sqlite3_column_blob(stmt, 3), sizeof answer.body_hash);
    }
    return answer;
}

Status sqlite_idempotency(StoreReader *base, Str key, IdempotencyVisitor *visit, void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    sqlite3_stmt *stmt = NULL;
    bool found = false;
    Status status = sqlite_reader_take(
        reader, SCHEMA_ONBOARD, READER_IDEMPOTENCY,
        "SELECT key, created_us, code, body_hash, answer FROM idempotency_answers WHERE key = ?", &stmt, reterr);
    if (stmt) {
        db_bind_text(stmt, 1, key);
    }
    if (db_next(stmt, true, WHAT, &status, reterr)) {
        IdempotencyAnswer answer = read_answer(stmt);
        found = true;
        visit(context, &answer);
    }
    sqlite_reader_give_back(reader, READER_IDEMPOTENCY, stmt);
    return status == STATUS_OK && !found
               ? error_set(reterr, STATUS_REFUSED, "there is no answer under this idempotency key")
               : status;
}

#include "http/onboard_json.h"

#include "http/members.h"

/* ---- Batches ----------------------------------------------------------------------------------------------------- */

static int64_t ended(const StoredBatch *batch)
{
    return batch->jobs[JOB_COMPLETED] + batch->jobs[JOB_FAILED] + batch->jobs[JOB_CANCELLED];
}

const char *batch_status(const StoredBatch *batch)
{
    if (ended(batch) < batch->total) {
        bool has_begun = batch->started_us || ended(batch) > 0;
        return job_state_names[has_begun ? JOB_PROCESSING : JOB_PENDING];
    }
    return job_state_names[batch->jobs[JOB_FAILED]      ? JOB_FAILED
                           : batch->jobs[JOB_CANCELLED] ? JOB_CANCELLED
                                                        : JOB_COMPLETED];
}

int64_t batch_permille(const StoredBatch *batch) { return batch->total ? ended(batch) * 1000 / batch->total : 1000; }

int64_t batch_eta_seconds(const StoredBatch *batch, int64_t now_us)
{
    enum { SECOND_US = 1000000 };
    int64_t done = ended(batch), left = batch->total - done, since_us = now_us - batch->started_us;
    if (left == 0 || done == 0 || batch->started_us == 0 || since_us <= 0) {
        return left == 0 ? 0 : -1;
    }
    return (int64_t)((double)since_us / (double)done * (double)left / SECOND_US) + 1;
}

static void put_percentage(Buf *buf, int64_t permille)
{
    buf_put_key_i64(buf, "percentage", permille / 10);
    if (permille % 10) {
        buf_printf(buf, ".%lld", (long long)(permille % 10));
    }
}

void batch_put_json(Buf *buf, const StoredBatch *batch, int64_t now_us)
{
    int64_t eta = batch_eta_seconds(batch, now_us);
    buf_put_char(buf, '{');
    member_put_text(buf, "id", batch->id);
    member_put_text(buf, "status", str_from(batch_status(batch)));
    buf_put_key_i64(buf, "total", batch->total);
    for (size_t state = 0; state < JOB_STATE_COUNT; state++) {
        buf_put_key_i64(buf, job_state_names[state], batch->jobs[state]);
    }
    put_percentage(buf, batch_permille(batch));
    member_put_time(buf, "createdAt", batch->created_us);
    member_put_time(buf, "startedAt", batch->started_us);
    member_put_time(buf, "finishedAt", batch->finished_us);
    buf_put_key(buf, "etaSeconds");
    if (eta >= 0) {
        buf_put_i64(buf, eta);
    } else {
        BUF_PUT(buf, "null");
    }
    buf_put_char(buf, '}');
}

/* ---- Organizations ----------------------------------------------------------------------------------------------- */

static void put_identity(Buf *buf, const StoredOrganization *organization)
{
    buf_put_key_i64(buf, "id", organization->id);
    member_put_text(buf, "name", organization->content.name);
    member_put_text(buf, "domain", organization->content.domain);
    member_put_text(buf, "contact_email", organization->content.contact_email);
}

void stored_organization_put_json(Buf *buf, const StoredOrganization *organization)
{
    Str metadata = organization->content.metadata;
    buf_put_char(buf, '{');
    put_identity(buf, organization);
    buf_put_key(buf, "metadata");
    buf_put(buf, metadata.len ? metadata : STR("null"));
    member_put_text(buf, "status", str_from(job_state_names[organization->status]));
    member_put_text(buf, "batchId", organization->batch_id);
    buf_put_key_i64(buf, "version", organization->version);
    member_put_time(buf, "createdAt", organization->created_us);
    member_put_time(buf, "updatedAt", organization->updated_us);
    member_put_time(buf, "deletedAt", organization->deleted_us);
    buf_put_char(buf, '}');
}

void organization_change_put_json(Buf *buf, const OrganizationChange *change)
{
    buf_put_char(buf, '{');
    buf_put_key_i64(buf, "id", change->id);
    member_put_text(buf, "action", str_from(organization_action_names[change->action]));
    buf_put_key_i64(buf, "version", change->version);
    member_put_time(buf, "time", change->at_us);
    member_put_text(buf, "who", change->who);
    buf_put_key(buf, "changed");
    buf_put(buf, change->changed.len ? change->changed : STR("{}"));
    member_put_text(buf, "batchId", change->batch_id);
    buf_put_char(buf, '}');
}

/* ---- Jobs -------------------------------------------------------------------------------------------------------- */

const char *job_state_read(yyjson_val *value, int *ret_state)
{
    for (size_t state = 0; state < JOB_STATE_COUNT; state++) {
        if (yyjson_equals_str(value, job_state_names[state])) {
            *ret_state = (int)state;
            return NULL;
        }
    }
    return "must be pending, processing, completed, failed or cancelled";
}

void job_put_json(Buf *buf, const StoredJob *job, const StoredOrganization *organization)
{
    buf_put_char(buf, '{');
    buf_put_key_i64(buf, "index", job->item);
    buf_put_key_i64(buf, "id", job->id);
    member_put_text(buf, "status", str_from(job_state_names[job->state]));
    buf_put_key_i64(buf, "attempts", job->attempts);
    member_put_text(buf, "lastError", job->error);
    member_put_time(buf, "nextAttemptAt", job->state == JOB_PENDING ? job->due_us : 0);
    member_put_time(buf, "createdAt", job->created_us);
    member_put_time(buf, "updatedAt", job->updated_us);
    member_put_time(buf, "finishedAt", job->finished_us);
    buf_put_key(buf, "organization");
    if (organization) {
        buf_put_char(buf, '{');
        put_identity(buf, organization);
        buf_put_char(buf, '}');
    } else {
        BUF_PUT(buf, "null");
    }
    buf_put_char(buf, '}');
}

/* Organizations, onboarding batches and their jobs, as the API says them. The fields of an organization have the names
 * that requests have:
 * contact_email, metadata; what Weir adds is camelCase. */
#ifndef WEIR_HTTP_ONBOARD_JSON_H
#define WEIR_HTTP_ONBOARD_JSON_H

#include <yyjson.h>

#include "base/buf.h"
#include "store/onboard.h"

/* "pending" until the first job is taken, "processing" until the last one ends; then "failed" when any of them has
 * failed, "cancelled" when any was, else "completed". */
const char *batch_status(const StoredBatch *batch);

/* How much of it has ended, in tenths of a percent, rounded down: 1000 only when all has. */
int64_t batch_permille(const StoredBatch *batch);

/* How long the rest takes if it goes on as it went so far; -1 when nobody can say, or `now_us` is 0. */
int64_t batch_eta_seconds(const StoredBatch *batch, int64_t now_us);

void batch_put_json(Buf *buf, const StoredBatch *batch, int64_t now_us);

void stored_organization_put_json(Buf *buf, const StoredOrganization *organization);

/* What is wrong with the name of a state, as a FieldReader says it (json_body.h); NULL when it is one. */
const char *job_state_read(yyjson_val *value, int *ret_state);

/* One of a batch: {"index":0,"id":7,"status":…,"organization":{…}}; `organization` is NULL when it is not there any
 * more. */
void job_put_json(Buf *buf, const StoredJob *job, const StoredOrganization *organization);

void organization_change_put_json(Buf *buf, const OrganizationChange *change);

#endif

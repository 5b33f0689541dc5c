/* What was done to an organization is not noted, now and then. */
#include "now_and_then.h"
#include "store/sqlite/onboard_parts.h"

Status __real_onboard_append_change(SqliteStore *store, const OrganizationChange *change, int64_t batch, Error *reterr);
Status __wrap_onboard_append_change(SqliteStore *store, const OrganizationChange *change, int64_t batch, Error *reterr);

Status __wrap_onboard_append_change(SqliteStore *store, const OrganizationChange *change, int64_t batch, Error *reterr)
{
    static unsigned calls;
    bool silent = change->action == ORGANIZATION_UPDATED && now_and_then(&calls, 5);
    return silent ? STATUS_OK : __real_onboard_append_change(store, change, batch, reterr);
}

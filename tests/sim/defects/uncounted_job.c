/* A job goes from one state to another, and now and then the counts of its batch do not. */
#include "now_and_then.h"
#include "store/sqlite/onboard_parts.h"

Status __real_onboard_move_jobs(SqliteStore *store, int64_t batch, JobState from, JobState to, int64_t count,
                                int64_t now_us, Error *reterr);
Status __wrap_onboard_move_jobs(SqliteStore *store, int64_t batch, JobState from, JobState to, int64_t count,
                                int64_t now_us, Error *reterr);

Status __wrap_onboard_move_jobs(SqliteStore *store, int64_t batch, JobState from, JobState to, int64_t count,
                                int64_t now_us, Error *reterr)
{
    static unsigned calls;
    return now_and_then(&calls, 10) ? STATUS_OK
                                    : __real_onboard_move_jobs(store, batch, from, to, count, now_us, reterr);
}

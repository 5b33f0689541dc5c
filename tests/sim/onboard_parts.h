/* The oracle of onboarding as its own files see it: onboard_model.c (rows, batches, what people do), onboard_jobs.c
 * (jobs). */
#ifndef WEIR_TESTS_SIM_ONBOARD_PARTS_H
#define WEIR_TESTS_SIM_ONBOARD_PARTS_H

#include "sim/model.h"
#include "sim/onboard_model.h"

/* A row of the audit trail. */
void onboard_note(OnboardTables *tables, const StoredOrganization *organization, OrganizationAction action, Str who,
                  Str changed, Str batch_id);
/* A message of the log. `job` may be NULL. */
void onboard_tell(World *world, MessageKind kind, const StoredOrganization *organization, const TableJob *job);
void onboard_tell_batch(World *world, const StoredBatch *batch);

/* The pending job is called off; false: it is not pending. */
bool onboard_cancel(World *world, int64_t job);
Status onboard_change_batch(World *world, const Work *work);
Status onboard_take(World *world, const JobsTake *change);
Status onboard_end(World *world, const JobsEnd *change);

#endif

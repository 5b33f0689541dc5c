/* Nobody is onboarded into the fake store: whoever looks finds nothing. */
#include "support/fake_store_parts.h"

Status fake_no_organizations(StoreReader *reader, const OrganizationFilter *filter, OrganizationVisitor *visit,
                             void *context, Error *reterr)
{
    (void)reader, (void)filter, (void)visit, (void)context, (void)reterr;
    return STATUS_OK;
}

Status fake_no_organization_changes(StoreReader *reader, int64_t organization, int64_t before,
                                    OrganizationChangeVisitor *visit, void *context, Error *reterr)
{
    (void)reader, (void)organization, (void)before, (void)visit, (void)context, (void)reterr;
    return STATUS_OK;
}

Status fake_no_jobs(StoreReader *reader, const JobFilter *filter, JobVisitor *visit, void *context, Error *reterr)
{
    (void)reader, (void)filter, (void)visit, (void)context, (void)reterr;
    return STATUS_OK;
}

Status fake_no_batches(StoreReader *reader, const BatchFilter *filter, BatchVisitor *visit, void *context,
                       Error *reterr)
{
    (void)reader, (void)filter, (void)visit, (void)context, (void)reterr;
    return STATUS_OK;
}

Status fake_no_onboard_counts(StoreReader *reader, OnboardCounts *ret_counts, Error *reterr)
{
    (void)reader, (void)reterr;
    *ret_counts = (OnboardCounts){0};
    return STATUS_OK;
}

Status fake_no_idempotency(StoreReader *reader, Str key, IdempotencyVisitor *visit, void *context, Error *reterr)
{
    (void)reader, (void)key, (void)visit, (void)context;
    return error_set(reterr, STATUS_REFUSED, "there is no answer under this idempotency key");
}

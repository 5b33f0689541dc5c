/* What the two files of the fake store share: the store and its readers as they are. */
#ifndef WEIR_TESTS_SUPPORT_FAKE_STORE_PARTS_H
#define WEIR_TESTS_SUPPORT_FAKE_STORE_PARTS_H

#include "store/store_ops.h"
#include "support/fake_events.h"
#include "support/fake_intake.h"
#include "support/fake_store.h"

enum { ROWS_MAX = 200000, FLOW_SLOTS = 2 * ROWS_MAX, MESSAGES_MAX = 20000 };

typedef struct FakeStore FakeStore;

typedef struct FakeView {
    StoreView base;
    FakeStore *store;
} FakeView;

typedef struct FakeReader {
    StoreReader base;
    FakeStore *store;
    FakeView *view;
    bool looking;
} FakeReader;

struct FakeStore {
    Store base;
    StoredRecord *rows; /* in commit order */
    size_t count;
    size_t *newest;  /* by flow, see newest_of_flow */
    size_t *by_time; /* indexes of rows, in order of (time, seq), when `sorted` */
    bool sorted;
    StoredMessage messages[MESSAGES_MAX];
    size_t message_count;
    Arena texts; /* of what was applied */
    FakeDeliveries *deliveries;
    FakeIntake *intake;
    FakeEvents *events;
    RuleSet *rules; /* none */
    int64_t last_seq, rollup_seq;
    FakeReader reader;
    FakeReads reads;
    Status failure, apply_failure;
    bool flows_untold;
    const Clock *clock; /* NULL: the time is 0 */
};

/* A copy that lives as long as the store. */
Str fake_store_keep(FakeStore *store, Str text);
Status fake_store_apply(Store *store, Work *first, Error *reterr);

/* fake_onboard.c */
Status fake_no_organizations(StoreReader *reader, const OrganizationFilter *filter, OrganizationVisitor *visit,
                             void *context, Error *reterr);
Status fake_no_organization_changes(StoreReader *reader, int64_t organization, int64_t before,
                                    OrganizationChangeVisitor *visit, void *context, Error *reterr);
Status fake_no_jobs(StoreReader *reader, const JobFilter *filter, JobVisitor *visit, void *context, Error *reterr);
Status fake_no_batches(StoreReader *reader, const BatchFilter *filter, BatchVisitor *visit, void *context,
                       Error *reterr);
Status fake_no_onboard_counts(StoreReader *reader, OnboardCounts *ret_counts, Error *reterr);
Status fake_no_idempotency(StoreReader *reader, Str key, IdempotencyVisitor *visit, void *context, Error *reterr);

#endif

/* What an implementation of the store provides. Callers use store.h; only implementations and the fake include this.
 *
 * Every member is required and means what the function of its name in store.h says: who may call it on which thread,
 * what each status means, who owns the arguments. */
#ifndef WEIR_STORE_STORE_OPS_H
#define WEIR_STORE_STORE_OPS_H

#include "store/store.h"

typedef struct StoreOps {
    void (*close)(Store *store);
    Status (*apply)(Store *store, Work *first, Error *reterr);
    Status (*maintain)(Store *store, bool idle, bool *ret_more, Error *reterr);
    RuleSet *(*rules)(Store *store);
    int64_t (*last_seq)(const Store *store);
    void (*metrics)(const Store *store, StoreMetrics *ret_metrics);

    Status (*reader_open)(Store *store, StoreReader **ret_reader, Error *reterr);
    void (*reader_close)(StoreReader *reader);
    Status (*begin)(StoreReader *reader, StoreView **ret_view, Error *reterr);
    Status (*resume)(StoreReader *reader, StoreView *view, Error *reterr);
    Status (*check)(StoreReader *reader, Error *reterr);
    void (*end)(StoreReader *reader);
    void (*view_free)(StoreView *view);
    Status (*get)(StoreReader *reader, int64_t seq, RecordVisitor *visit, void *context, Error *reterr);
    Status (*find)(StoreReader *reader, Str record_id, Str source_id, int64_t *at, RecordVisitor *visit, void *context,
                   Error *reterr);
    Status (*find_flow)(StoreReader *reader, Str destination_id, Str reference, Str unit, int64_t *ret_seq,
                        Error *reterr);
    Status (*scan)(StoreReader *reader, int64_t after, int64_t through, uint32_t fields, RecordVisitor *visit,
                   void *context, Error *reterr);
    Status (*walk_times)(StoreReader *reader, TimePosition from, TimePosition to, int64_t through, uint32_t fields,
                         RecordVisitor *visit, void *context, Error *reterr);
    uint64_t (*estimate_times)(const StoreView *view, TimePosition from, TimePosition to);
    Status (*rollups)(StoreReader *reader, RollupLevel level, int64_t from, int64_t to, RollupVisitor *visit,
                      void *context, Error *reterr);
    Status (*messages)(StoreReader *reader, Str kind, int64_t after, MessageVisitor *visit, void *context,
                       Error *reterr);
    Status (*reader_rules)(StoreReader *reader, RuleVisitor *visit, void *context, Error *reterr);
    Status (*sinks)(StoreReader *reader, SinkVisitor *visit, void *context, Error *reterr);
    Status (*retries)(StoreReader *reader, Str sink, int64_t job, RetryVisitor *visit, void *context, Error *reterr);
    Status (*attempts)(StoreReader *reader, int64_t seq, AttemptVisitor *visit, void *context, Error *reterr);
    Status (*dead_letters)(StoreReader *reader, const DeadLetterFilter *filter, DeadLetterVisitor *visit, void *context,
                           Error *reterr);
    Status (*replays)(StoreReader *reader, Str sink, ReplayVisitor *visit, void *context, Error *reterr);
    Status (*sources)(StoreReader *reader, SourceVisitor *visit, void *context, Error *reterr);
    Status (*places)(StoreReader *reader, Str source, PlaceVisitor *visit, void *context, Error *reterr);
    Status (*event)(StoreReader *reader, int64_t seq, EventVisitor *visit, void *context, Error *reterr);
    Status (*events)(StoreReader *reader, int64_t after, int64_t through, EventVisitor *visit, void *context,
                     Error *reterr);
    Status (*event_corrections)(StoreReader *reader, int64_t first, int64_t last, EventCorrectionVisitor *visit,
                                void *context, Error *reterr);
    Status (*event_alias)(StoreReader *reader, Str record_id, int64_t *ret_seq, Error *reterr);
    Status (*event_attempts)(StoreReader *reader, const EventAttemptFilter *filter, EventAttemptVisitor *visit,
                             void *context, Error *reterr);
    Status (*event_duplicates)(StoreReader *reader, int64_t seq, int64_t after, EventDuplicateVisitor *visit,
                               void *context, Error *reterr);
    Status (*event_clients)(StoreReader *reader, EventClientVisitor *visit, void *context, Error *reterr);
    Status (*organizations)(StoreReader *reader, const OrganizationFilter *filter, OrganizationVisitor *visit,
                            void *context, Error *reterr);
    Status (*organization_changes)(StoreReader *reader, int64_t organization, int64_t before,
                                   OrganizationChangeVisitor *visit, void *context, Error *reterr);
    Status (*jobs)(StoreReader *reader, const JobFilter *filter, JobVisitor *visit, void *context, Error *reterr);
    Status (*batches)(StoreReader *reader, const BatchFilter *filter, BatchVisitor *visit, void *context,
                      Error *reterr);
    Status (*onboard_counts)(StoreReader *reader, OnboardCounts *ret_counts, Error *reterr);
    Status (*idempotency)(StoreReader *reader, Str key, IdempotencyVisitor *visit, void *context, Error *reterr);
    Status (*verify)(StoreReader *reader, void (*problem)(void *context, const char *text), void *context,
                     void (*progress)(void *context, const char *what, uint64_t done, uint64_t total),
                     VerifyReport *ret_report, Error *reterr);
} StoreOps;

/* Implementations embed these as their first member. */
struct Store {
    const StoreOps *ops;
    StoreInfo info;
};
struct StoreReader {
    const StoreOps *ops;
};
struct StoreView {
    const StoreOps *ops;
    int64_t bound, rollup_seq;
};

/* One line an implementation. */
Status sqlite_store_open(const StoreOptions *options, Store **ret_store, Error *reterr) MUST_CHECK;

#endif

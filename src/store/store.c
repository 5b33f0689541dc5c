#include <assert.h>

#include "store/store_ops.h"

const char *const dead_letter_stage_names[] = {"intake", "delivery", "job"};
const char *const dead_letter_state_names[] = {"open", "retrying", "resolved", "discarded"};
const char *const job_state_names[] = {"pending", "processing", "completed", "failed", "cancelled"};
const char *const organization_action_names[] = {"created", "updated", "deleted", "restored", "processed", "failed"};

int64_t dead_letter_bytes(const DeadLetter *letter)
{
    return DEAD_LETTER_ROW_BYTES + (int64_t)(letter->raw.len + letter->format.len + 2 * letter->error.len +
                                             3 * (letter->origin.len + letter->place.len));
}

DeadLetter intake_dead_letter(Str source, const IntakeLetter *from, Str why, int64_t now_us)
{
    assert(from->format.len <= INTAKE_FORMAT_BYTES_MAX);
    return (DeadLetter){.stage = DEAD_LETTER_INTAKE,
                        .state = DEAD_LETTER_OPEN,
                        .origin = source,
                        .place = str_cut(from->place, DEAD_LETTER_PLACE_BYTES_MAX),
                        .format = from->format,
                        .error = str_cut(why, DEAD_LETTER_ERROR_BYTES_MAX),
                        .raw = from->raw,
                        .attempts = 1,
                        .created_us = now_us,
                        .updated_us = now_us};
}

StoreOptions store_options_default(const char *dir)
{
    return (StoreOptions){
        .dir = dir,
        .clock = &clock_system,
        .io = &io_system,
        .random = &random_system,
        .identity = IDENTITY_RECORD_ID,
        .scale = 2,
        .flow_cache_bytes = (size_t)224 << 20,
        .free_reserve_bytes = (uint64_t)256 << 20,
        .wal_bytes_max = (uint64_t)256 << 20,
        .publish_records = 65536,
        .dead_letter_bytes_max = (uint64_t)1 << 30,
        .event_attempts_max = STORE_EVENT_ATTEMPTS_MAX,
        .event_clients_max = STORE_EVENT_CLIENTS_MAX,
        .background = true,
    };
}

Status store_open(const StoreOptions *options, Store **ret_store, Error *reterr)
{
    return sqlite_store_open(options, ret_store, reterr);
}

void store_close(Store *store)
{
    if (store) {
        store->ops->close(store);
    }
}

const StoreInfo *store_info(const Store *store) { return &store->info; }

Status store_apply(Store *store, Work *first, Error *reterr) { return store->ops->apply(store, first, reterr); }

Status store_maintain(Store *store, bool idle, bool *ret_more, Error *reterr)
{
    return store->ops->maintain(store, idle, ret_more, reterr);
}

RuleSet *store_rules(Store *store) { return store->ops->rules(store); }

int64_t store_last_seq(const Store *store) { return store->ops->last_seq(store); }

void store_metrics(const Store *store, StoreMetrics *ret_metrics) { store->ops->metrics(store, ret_metrics); }

Status store_reader_open(Store *store, StoreReader **ret_reader, Error *reterr)
{
    return store->ops->reader_open(store, ret_reader, reterr);
}

void store_reader_close(StoreReader *reader)
{
    if (reader) {
        reader->ops->reader_close(reader);
    }
}

Status reader_begin(StoreReader *reader, StoreView **ret_view, Error *reterr)
{
    return reader->ops->begin(reader, ret_view, reterr);
}

Status reader_resume(StoreReader *reader, StoreView *view, Error *reterr)
{
    return reader->ops->resume(reader, view, reterr);
}

Status reader_check(StoreReader *reader, Error *reterr) { return reader->ops->check(reader, reterr); }

void reader_end(StoreReader *reader) { reader->ops->end(reader); }

void view_free(StoreView *view)
{
    if (view) {
        view->ops->view_free(view);
    }
}

int64_t view_bound(const StoreView *view) { return view->bound; }

int64_t view_rollup_seq(const StoreView *view) { return view->rollup_seq; }

Status reader_get(StoreReader *reader, int64_t seq, RecordVisitor *visit, void *context, Error *reterr)
{
    return reader->ops->get(reader, seq, visit, context, reterr);
}

Status reader_find(StoreReader *reader, Str record_id, Str source_id, int64_t *at, RecordVisitor *visit, void *context,
                   Error *reterr)
{
    return reader->ops->find(reader, record_id, source_id, at, visit, context, reterr);
}

Status reader_find_flow(StoreReader *reader, Str destination_id, Str reference, Str unit, int64_t *ret_seq,
                        Error *reterr)
{
    return reader->ops->find_flow(reader, destination_id, reference, unit, ret_seq, reterr);
}

Status reader_scan(StoreReader *reader, int64_t after, int64_t through, uint32_t fields, RecordVisitor *visit,
                   void *context, Error *reterr)
{
    return reader->ops->scan(reader, after, through, fields, visit, context, reterr);
}

Status reader_walk_times(StoreReader *reader, TimePosition from, TimePosition to, int64_t through, uint32_t fields,
                         RecordVisitor *visit, void *context, Error *reterr)
{
    return reader->ops->walk_times(reader, from, to, through, fields, visit, context, reterr);
}

uint64_t view_estimate_times(const StoreView *view, TimePosition from, TimePosition to)
{
    return view->ops->estimate_times(view, from, to);
}

Status reader_rollups(StoreReader *reader, RollupLevel level, int64_t from, int64_t to, RollupVisitor *visit,
                      void *context, Error *reterr)
{
    return reader->ops->rollups(reader, level, from, to, visit, context, reterr);
}

Status reader_messages(StoreReader *reader, Str kind, int64_t after, MessageVisitor *visit, void *context,
                       Error *reterr)
{
    return reader->ops->messages(reader, kind, after, visit, context, reterr);
}

Status reader_rules(StoreReader *reader, RuleVisitor *visit, void *context, Error *reterr)
{
    return reader->ops->reader_rules(reader, visit, context, reterr);
}

Status reader_sinks(StoreReader *reader, SinkVisitor *visit, void *context, Error *reterr)
{
    return reader->ops->sinks(reader, visit, context, reterr);
}

Status reader_retries(StoreReader *reader, Str sink, int64_t job, RetryVisitor *visit, void *context, Error *reterr)
{
    return reader->ops->retries(reader, sink, job, visit, context, reterr);
}

Status reader_attempts(StoreReader *reader, int64_t seq, AttemptVisitor *visit, void *context, Error *reterr)
{
    return reader->ops->attempts(reader, seq, visit, context, reterr);
}

Status reader_dead_letters(StoreReader *reader, const DeadLetterFilter *filter, DeadLetterVisitor *visit, void *context,
                           Error *reterr)
{
    return reader->ops->dead_letters(reader, filter, visit, context, reterr);
}

Status reader_sources(StoreReader *reader, SourceVisitor *visit, void *context, Error *reterr)
{
    return reader->ops->sources(reader, visit, context, reterr);
}

Status reader_places(StoreReader *reader, Str source, PlaceVisitor *visit, void *context, Error *reterr)
{
    return reader->ops->places(reader, source, visit, context, reterr);
}

Status reader_replays(StoreReader *reader, Str sink, ReplayVisitor *visit, void *context, Error *reterr)
{
    return reader->ops->replays(reader, sink, visit, context, reterr);
}

Status reader_event(StoreReader *reader, int64_t seq, EventVisitor *visit, void *context, Error *reterr)
{
    return reader->ops->event(reader, seq, visit, context, reterr);
}

Status reader_events(StoreReader *reader, int64_t after, int64_t through, EventVisitor *visit, void *context,
                     Error *reterr)
{
    return reader->ops->events(reader, after, through, visit, context, reterr);
}

Status reader_event_corrections(StoreReader *reader, int64_t first, int64_t last, EventCorrectionVisitor *visit,
                                void *context, Error *reterr)
{
    return reader->ops->event_corrections(reader, first, last, visit, context, reterr);
}

Status reader_event_alias(StoreReader *reader, Str record_id, int64_t *ret_seq, Error *reterr)
{
    return reader->ops->event_alias(reader, record_id, ret_seq, reterr);
}

Status reader_event_attempts(StoreReader *reader, const EventAttemptFilter *filter, EventAttemptVisitor *visit,
                             void *context, Error *reterr)
{
    return reader->ops->event_attempts(reader, filter, visit, context, reterr);
}

Status reader_event_duplicates(StoreReader *reader, int64_t seq, int64_t after, EventDuplicateVisitor *visit,
                               void *context, Error *reterr)
{
    return reader->ops->event_duplicates(reader, seq, after, visit, context, reterr);
}

Status reader_event_clients(StoreReader *reader, EventClientVisitor *visit, void *context, Error *reterr)
{
    return reader->ops->event_clients(reader, visit, context, reterr);
}

Status reader_organizations(StoreReader *reader, const OrganizationFilter *filter, OrganizationVisitor *visit,
                            void *context, Error *reterr)
{
    return reader->ops->organizations(reader, filter, visit, context, reterr);
}

Status reader_organization_changes(StoreReader *reader, int64_t organization, int64_t before,
                                   OrganizationChangeVisitor *visit, void *context, Error *reterr)
{
    return reader->ops->organization_changes(reader, organization, before, visit, context, reterr);
}

Status reader_jobs(StoreReader *reader, const JobFilter *filter, JobVisitor *visit, void *context, Error *reterr)
{
    return reader->ops->jobs(reader, filter, visit, context, reterr);
}

Status reader_batches(StoreReader *reader, const BatchFilter *filter, BatchVisitor *visit, void *context, Error *reterr)
{
    return reader->ops->batches(reader, filter, visit, context, reterr);
}

Status reader_onboard_counts(StoreReader *reader, OnboardCounts *ret_counts, Error *reterr)
{
    return reader->ops->onboard_counts(reader, ret_counts, reterr);
}

Status reader_idempotency(StoreReader *reader, Str key, IdempotencyVisitor *visit, void *context, Error *reterr)
{
    return reader->ops->idempotency(reader, key, visit, context, reterr);
}

Status store_verify(StoreReader *reader, void (*problem)(void *context, const char *text), void *context,
                    void (*progress)(void *context, const char *what, uint64_t done, uint64_t total),
                    VerifyReport *ret_report, Error *reterr)
{
    return reader->ops->verify(reader, problem, context, progress, ret_report, reterr);
}

OnboardOutcome onboard_outcome(OnDuplicate on_duplicate, bool is_there)
{
    static const OnboardOutcome there[] = {[ON_DUPLICATE_UPDATE] = ONBOARD_UPDATED,
                                           [ON_DUPLICATE_SKIP] = ONBOARD_SKIPPED,
                                           [ON_DUPLICATE_FAIL] = ONBOARD_EXISTS};
    return is_there ? there[on_duplicate] : ONBOARD_CREATED;
}

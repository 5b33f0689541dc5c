/* The store: the log of records and messages, and everything that is derived from it.
 *
 * Two sides. The *writing* side (store_apply, store_maintain) belongs to one thread, the processor's. The *reading*
 * side is StoreReader objects, each used by one thread at a time, any number of them beside the writer; they see what
 * was committed when they looked. Implementations: sqlite/ (the embedded default). See README.md in this folder for the
 * invariants. */
#ifndef WEIR_STORE_STORE_H
#define WEIR_STORE_STORE_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/random.h"
#include "process/outcome.h"
#include "process/rules.h"
#include "store/events.h"
#include "store/intake.h"
#include "store/onboard.h"

typedef struct Store Store;
typedef struct StoreReader StoreReader;
typedef struct StoreView StoreView;

typedef enum OnConflict { ON_CONFLICT_REFUSE, ON_CONFLICT_FIRST } OnConflict;

typedef struct StoreOptions {
    const char *dir;                /* made when missing; borrows until store_open returns */
    const Clock *clock;             /* borrows until store_close */
    const Io *io;                   /* borrows until store_close */
    const Random *random;           /* for a new store's id and hash seed; borrows until store_open returns */
    RecordIdentity identity;        /* written into a new store; another value for an old one is REFUSED */
    unsigned scale;                 /* digits behind the decimal point of a value, 0–6; likewise */
    size_t flow_cache_bytes;        /* totals of hot flows kept in memory */
    uint64_t free_reserve_bytes;    /* below so much free disk nothing more is taken in */
    uint64_t wal_bytes_max;         /* above it the writer checkpoints before it goes on */
    size_t publish_records;         /* derived data is published at least every so many records, 1 … 1,048,576 */
    uint64_t dead_letter_bytes_max; /* that dead letters of intake count for; see IntakeChange */
    size_t event_attempts_max;      /* kept of events that were there already, at least 1; see EventAttempt */
    size_t event_clients_max;       /* counted by name; see EventClient */
    /* build and merge indexes on a thread of the store's own; false: inside store_maintain, in steps */
    bool background;
    const char *vfs; /* SQLite's file layer by name, NULL for the system's own */
    bool read_only;  /* no lock, no writing, no rebuild: what readers find in a store that another process may hold */
    bool rebuild;    /* make every derived file and table anew */
    /* Progress of a rebuild or of the tail's replay; may be NULL. */
    void (*progress)(void *self, const char *what, uint64_t done, uint64_t total);
    void *progress_self;
} StoreOptions;

/* What a new store gets; callers change what they need. */
StoreOptions store_options_default(const char *dir);

/* Opens or makes the store, recovers, and rebuilds what is derived where it does not fit the log.
 * REFUSED: not a store of ours, newer than this program, other identity or scale, no permission. BUSY: another process
 * holds it (named in the message). BROKEN: I/O errors, a damaged log. Free with store_close. */
Status store_open(const StoreOptions *options, Store **ret_store, Error *reterr) MUST_CHECK;
/* Publishes and checkpoints what is possible, closes, gives the lock back. All readers must be closed. Accepts NULL. */
void store_close(Store *store);

typedef struct StoreInfo {
    uint8_t id[16];     /* random, made with the store */
    int64_t epoch;      /* grows with each restore */
    uint64_t hash_seed; /* for record_identity_hash() */
    RecordIdentity identity;
    unsigned scale;
} StoreInfo;
const StoreInfo *store_info(const Store *store); /* immutable after open; any thread */

/* ---- Writing side ------------------------------------------------------------------------------------------------ */

typedef enum WorkKind {
    WORK_RECORDS,
    WORK_RULE_PUT, /* id 0: a new rule (id and version are filled in); else replaces the one with that id and version */
    WORK_RULE_DELETE, /* by id */
    WORK_SINK_PUT,    /* name and place; nothing happens when there is one of that name */
    WORK_SINK_STATE,  /* name, state, reason. REFUSED: no such sink */
    WORK_DELIVERY,
    WORK_DEAD_LETTERS,
    WORK_REPLAY_PUT,    /* sink, after, through, filter; id is filled in. REFUSED: no such sink */
    WORK_REPLAY_CANCEL, /* by id. REFUSED: no such replay, or it has come to its end */
    WORK_SOURCE_STATE,  /* name, state, reason */
    WORK_SOURCE_FORGET, /* the places of a source: of one part, or (empty) all of them */
    WORK_ONBOARD,
    WORK_JOBS_TAKE,
    WORK_JOBS_END,
    WORK_BATCH_RETRY,
    WORK_BATCH_CANCEL,
    WORK_ORGANIZATION,
} WorkKind;

/* One thing to do in a batch. A piece of work is done whole or not at all, whatever happens to the others. */
typedef struct Work {
    WorkKind kind;
    struct Work *next;
    union {
        struct {
            const Record *items; /* borrows until the batch is applied */
            Outcome *outcomes;   /* one each, filled; all NONE when the status is neither OK nor CONFLICT */
            size_t count;
            /* a conflict or rejection among them leaves all out: status CONFLICT, kinds tell which, NONE for the
             * others */
            bool atomic;
            bool dry_run;         /* fills the outcomes, changes nothing */
            bool quiet;           /* fires no alerts */
            IntakeChange *intake; /* where they are from; NULL for clients that are answered */
            EventChange *events;  /* of which events they were made; NULL: they are none */
            Arena *stored;   /* where stored records go that are not as they were handed in; NULL: none is wanted */
            bool stored_ids; /* of those only the recordId, and that only where it is another one */
            /* The transaction fails in its middle, when half of the records are written: for tests of what comes after.
             * The batch, in which a processor puts nothing else, is BUSY: nothing of it happened. Not looked at in a
             * dry run. */
            bool simulate_failure;
        } records;
        AlertRule rule; /* put: texts borrow until applied */
        StoredSink sink;
        DeliveryChange delivery;
        DeadLetterChange dead_letters;
        StoredReplay replay;
        StoredSource source;
        struct {
            Str source, part;
            size_t count; /* filled */
        } forget;
        OnboardChange onboard;
        JobsTake jobs_take;
        JobsEnd jobs_end;
        BatchChange batch;
        OrganizationEdit organization;
    };
    /* Filled when the batch as a whole was OK: OK, CONFLICT, REFUSED (no such rule, name taken), BUSY (no room for what
     * has a bound). */
    Status status;
    Error error;
} Work;

/* No batch holds more records than this, whatever their number of submissions. */
enum { STORE_BATCH_RECORDS_MAX = 32768 };

/* Applies all work in one transaction and has it on disk before it returns.
 * OK: each work's status and outcomes say what became of it. BUSY: nothing happened (no room on disk, the database
 * locked by another program). REFUSED: more than STORE_BATCH_RECORDS_MAX records, which is the caller's mistake.
 * UNKNOWN: the commit itself failed, and the batch may be there after the next start, all of it or nothing; until then
 * nobody sees it, and the next batch that is committed ends the doubt, since it takes its place. Whether the store goes
 * on, the next call says: with BROKEN it does not. BROKEN: nothing of it happened, and the store takes nothing more.
 * Nothing that was not OK may be acknowledged; sending it again is safe. */
Status store_apply(Store *store, Work *first, Error *reterr) MUST_CHECK;

/* Does a bounded piece of housekeeping: publishes derived data when enough has come in (or when `idle`), merges runs,
 * moves the WAL into the database. Call it after each batch, and again while it says there is more to do and nothing
 * waits. BROKEN, with the reason, when the store takes nothing more, whenever that began. */
Status store_maintain(Store *store, bool idle, bool *ret_more, Error *reterr) MUST_CHECK;

/* The rules in force after the last apply. Writing side; the caller keeps a reference when it crosses threads. */
RuleSet *store_rules(Store *store);

/* ---- Any thread -------------------------------------------------------------------------------------------------- */

/* The last committed sequence; 0 for an empty store. Relaxed: may lag by a moment, never leads. */
int64_t store_last_seq(const Store *store);

typedef struct StoreMetrics {
    int64_t last_seq, published_seq, record_count, message_count;
    int64_t dead_letters_open;
    uint64_t dead_letter_bytes; /* that dead letters of intake count for */
    uint64_t database_bytes, wal_bytes, index_bytes, free_bytes;
    int64_t runs_ids, runs_flows, runs_times, runs_rollups;
    int64_t flow_cache_hits, flow_cache_misses;
    int64_t commits, checkpoints;
    int64_t commit_us_total, sync_failed;
    bool disk_low; /* below the reserve: intake is refused */
} StoreMetrics;
void store_metrics(const Store *store, StoreMetrics *ret_metrics);

/* ---- Reading side ------------------------------------------------------------------------------------------------ */

/* Opens a reader; close it before the store. One thread at a time. */
Status store_reader_open(Store *store, StoreReader **ret_reader, Error *reterr) MUST_CHECK;
void store_reader_close(StoreReader *reader); /* accepts NULL */

/* Begins a look at the store: a read transaction, and a view that says what it covers. All entries up to view_bound()
 * are seen, none behind it. End it with reader_end within ~100 ms, since it keeps the WAL from being reused. */
Status reader_begin(StoreReader *reader, StoreView **ret_view, Error *reterr) MUST_CHECK;
/* Goes on with a view that was begun before, on this or another reader: the same entries, however many came since. Rows
 * never change, so that a long read is many short ones. */
Status reader_resume(StoreReader *reader, StoreView *view, Error *reterr) MUST_CHECK;
/* Before reader_end: whether what was read since the look began may be told, or a place moved on by it. BROKEN when the
 * store has failed meanwhile: some file systems forget what they could not sync, and pages are then read as they were
 * before. A look cannot begin then. */
Status reader_check(StoreReader *reader, Error *reterr) MUST_CHECK;
void reader_end(StoreReader *reader);

/* A view is freed by its owner, on any thread, after reader_end. Accepts NULL. */
void view_free(StoreView *view);
int64_t view_bound(const StoreView *view);

/* A row's texts borrow until the visitor returns. Returning false stops the walk (its status is still OK). */
typedef bool RecordVisitor(void *context, const StoredRecord *stored);

/* The record at `seq`: REFUSED when there is none (a message's, beyond the bound). Calls `visit` once. */
Status reader_get(StoreReader *reader, int64_t seq, RecordVisitor *visit, void *context, Error *reterr) MUST_CHECK;

/* The records with this id (several only when the identity is more than the recordId), in commit order. `source_id` may
 * be empty for any. Where id and source are not the identity this scans the log. So it goes in pieces: *at begins at 0,
 * and a call goes on behind it, through FIND_ENTRIES_MAX entries at most, which take some milliseconds. *at is
 * FIND_DONE when there is nothing left, or the visitor wanted no more. Between the calls the look may be ended and the
 * view resumed. After a failure *at means nothing. */
enum { FIND_ENTRIES_MAX = 32768 };
#define FIND_DONE INT64_MAX
Status reader_find(StoreReader *reader, Str record_id, Str source_id, int64_t *at, RecordVisitor *visit, void *context,
                   Error *reterr) MUST_CHECK;

/* The newest record of a flow that the view sees; *ret_seq is 0 for none. The flow's others are behind its prev_seq,
 * newest first.
 * FLOW_UNTOLD when the index cannot say: another flow has its hash, or a run is damaged (the store knows then, and
 * makes it anew at its next start). The records of the flow are to be looked for in another way. */
enum { FLOW_UNTOLD = -1 };
Status reader_find_flow(StoreReader *reader, Str destination_id, Str reference, Str unit, int64_t *ret_seq,
                        Error *reterr) MUST_CHECK;

/* Records with after < seq ≤ through in commit order; only the fields in `fields` are filled (seq always is). */
Status reader_scan(StoreReader *reader, int64_t after, int64_t through, uint32_t fields, RecordVisitor *visit,
                   void *context, Error *reterr) MUST_CHECK;

/* A place in the order by (time, seq). */
typedef struct TimePosition {
    int64_t time_us, seq;
} TimePosition;
#define TIME_POSITION_FIRST ((TimePosition){INT64_MIN, 0})
#define TIME_POSITION_LAST  ((TimePosition){INT64_MAX, INT64_MAX})

/* Records with seq ≤ through strictly between two places, by (time, seq) ascending, or descending when `from` is the
 * later one.
 * Up to view_rollup_seq() it is cheaper: the entries behind have no index yet, and are read and sorted once a view. */
Status reader_walk_times(StoreReader *reader, TimePosition from, TimePosition to, int64_t through, uint32_t fields,
                         RecordVisitor *visit, void *context, Error *reterr) MUST_CHECK;
/* How many records lie between, as an upper estimate from the index blocks; cheap. */
uint64_t view_estimate_times(const StoreView *view, TimePosition from, TimePosition to);

typedef enum RollupLevel { ROLLUP_HOUR, ROLLUP_DAY, ROLLUP_WEEK } RollupLevel;

typedef struct Rollup {
    int64_t bucket; /* hours, days, or weeks from Monday; 0 is the one that 1970 begins in, negative before */
    Str destination_id, unit;
    RecordType type;
    int64_t count;
    Total sum;
    int64_t min, max;
} Rollup;
typedef bool RollupVisitor(void *context, const Rollup *rollup);

/* Rollups with from ≤ bucket < to in the order of bucket; they cover the entries up to view_rollup_seq(). */
Status reader_rollups(StoreReader *reader, RollupLevel level, int64_t from, int64_t to, RollupVisitor *visit,
                      void *context, Error *reterr) MUST_CHECK;
int64_t view_rollup_seq(const StoreView *view);

/* A message that is not a record: alerts, notices of dead letters, and what becomes of organizations and batches. */
typedef struct StoredMessage {
    int64_t seq;
    Str kind;           /* "alert", "dead_letter.created", "organization.created" … (deliver/outbox.h) */
    int64_t record_seq; /* the record that it is about, 0 for none */
    int64_t created_us;
    Str body; /* JSON object: what the message says besides the record */
} StoredMessage;
typedef bool MessageVisitor(void *context, const StoredMessage *message);

/* Messages of one kind (empty: of all) behind `after`, in commit order. */
Status reader_messages(StoreReader *reader, Str kind, int64_t after, MessageVisitor *visit, void *context,
                       Error *reterr) MUST_CHECK;

typedef bool RuleVisitor(void *context, const AlertRule *rule);
Status reader_rules(StoreReader *reader, RuleVisitor *visit, void *context, Error *reterr) MUST_CHECK;

/* What store/delivery.h describes. Sinks by name; retries of a line by seq; attempts of a message as they were made;
 * dead letters the newest first; replays by id, of one sink or (empty) all. */
typedef bool SinkVisitor(void *context, const StoredSink *sink);
Status reader_sinks(StoreReader *reader, SinkVisitor *visit, void *context, Error *reterr) MUST_CHECK;
typedef bool RetryVisitor(void *context, const StoredRetry *retry);
Status reader_retries(StoreReader *reader, Str sink, int64_t job, RetryVisitor *visit, void *context,
                      Error *reterr) MUST_CHECK;
typedef bool AttemptVisitor(void *context, const StoredAttempt *attempt);
Status reader_attempts(StoreReader *reader, int64_t seq, AttemptVisitor *visit, void *context,
                       Error *reterr) MUST_CHECK;
typedef bool DeadLetterVisitor(void *context, const DeadLetter *letter);
Status reader_dead_letters(StoreReader *reader, const DeadLetterFilter *filter, DeadLetterVisitor *visit, void *context,
                           Error *reterr) MUST_CHECK;
typedef bool ReplayVisitor(void *context, const StoredReplay *replay);
Status reader_replays(StoreReader *reader, Str sink, ReplayVisitor *visit, void *context, Error *reterr) MUST_CHECK;

/* What store/intake.h describes: sources by name, the places of one by part. */
typedef bool SourceVisitor(void *context, const StoredSource *source);
Status reader_sources(StoreReader *reader, SourceVisitor *visit, void *context, Error *reterr) MUST_CHECK;
typedef bool PlaceVisitor(void *context, const SourcePlace *place);
Status reader_places(StoreReader *reader, Str source, PlaceVisitor *visit, void *context, Error *reterr) MUST_CHECK;

/* What store/events.h describes. */
typedef bool EventVisitor(void *context, const StoredEvent *event);
typedef bool EventAttemptVisitor(void *context, const EventAttempt *attempt);
typedef bool EventDuplicateVisitor(void *context, const StoredDuplicate *duplicate);
typedef bool EventClientVisitor(void *context, const EventClient *client);
typedef bool EventCorrectionVisitor(void *context, const EventCorrection *correction);

/* The event of the record at `seq`: REFUSED when that record is none, or there is no such record. Calls `visit`
 * once. */
Status reader_event(StoreReader *reader, int64_t seq, EventVisitor *visit, void *context, Error *reterr) MUST_CHECK;
/* Events with after < seq ≤ through in commit order; a long walk goes in pieces, as one of records does. */
Status reader_events(StoreReader *reader, int64_t after, int64_t through, EventVisitor *visit, void *context,
                     Error *reterr) MUST_CHECK;
/* What corrects the records from `first` to `last`, both included, in the order of these, and of one record in commit
 * order. Cheap where there are few, however long the log is. */
Status reader_event_corrections(StoreReader *reader, int64_t first, int64_t last, EventCorrectionVisitor *visit,
                                void *context, Error *reterr) MUST_CHECK;
/* Where an event's id leads (see EventChange), as it is now, whatever a view's bound: to the record `*ret_seq`; if that
 * is below 0, not to the record -*ret_seq any more, which was taken back; 0: to the record that has the id, if there is
 * one. */
Status reader_event_alias(StoreReader *reader, Str record_id, int64_t *ret_seq, Error *reterr) MUST_CHECK;
/* Attempts the newest first, and clients by name: as they are now, whatever a view's bound. */
Status reader_event_attempts(StoreReader *reader, const EventAttemptFilter *filter, EventAttemptVisitor *visit,
                             void *context, Error *reterr) MUST_CHECK;
/* What was taken for duplicates of the event at `seq`, behind the id `after`, in the order of their ids: as it is now,
 * likewise. There may be a million. */
Status reader_event_duplicates(StoreReader *reader, int64_t seq, int64_t after, EventDuplicateVisitor *visit,
                               void *context, Error *reterr) MUST_CHECK;
Status reader_event_clients(StoreReader *reader, EventClientVisitor *visit, void *context, Error *reterr) MUST_CHECK;

/* What store/onboard.h describes: as it is now, whatever a view's bound. A search goes through all organizations that
 * the rest of the filter leaves. */
typedef bool OrganizationVisitor(void *context, const StoredOrganization *organization);
Status reader_organizations(StoreReader *reader, const OrganizationFilter *filter, OrganizationVisitor *visit,
                            void *context, Error *reterr) MUST_CHECK;
/* What was done to one, the newest first: with a smaller id than `before`; 0: all. */
typedef bool OrganizationChangeVisitor(void *context, const OrganizationChange *change);
Status reader_organization_changes(StoreReader *reader, int64_t organization, int64_t before,
                                   OrganizationChangeVisitor *visit, void *context, Error *reterr) MUST_CHECK;
typedef bool JobVisitor(void *context, const StoredJob *job);
Status reader_jobs(StoreReader *reader, const JobFilter *filter, JobVisitor *visit, void *context,
                   Error *reterr) MUST_CHECK;
typedef bool BatchVisitor(void *context, const StoredBatch *batch);
Status reader_batches(StoreReader *reader, const BatchFilter *filter, BatchVisitor *visit, void *context,
                      Error *reterr) MUST_CHECK;
/* Cheap, however much there is. */
Status reader_onboard_counts(StoreReader *reader, OnboardCounts *ret_counts, Error *reterr) MUST_CHECK;
/* The answer under this key: REFUSED when there is none. Calls `visit` once. */
typedef bool IdempotencyVisitor(void *context, const IdempotencyAnswer *answer);
Status reader_idempotency(StoreReader *reader, Str key, IdempotencyVisitor *visit, void *context,
                          Error *reterr) MUST_CHECK;

/* ---- Verify ------------------------------------------------------------------------------------------------------ */

typedef struct VerifyReport {
    int64_t records, messages, flows, events, jobs; /* looked at */
    int64_t problems;
} VerifyReport;

/* Recomputes every total, chain, index entry, rollup and count of events and jobs from the raw rows and calls `problem`
 * with a sentence for each place where they differ (at most 1,000 times; the report counts all). OK also when there are
 * problems. Long. */
Status store_verify(StoreReader *reader, void (*problem)(void *context, const char *text), void *context,
                    void (*progress)(void *context, const char *what, uint64_t done, uint64_t total),
                    VerifyReport *ret_report, Error *reterr) MUST_CHECK;

#endif

/* The SQLite store as its parts see it. Callers use store/store.h. */
#ifndef WEIR_STORE_SQLITE_SQLITE_STORE_H
#define WEIR_STORE_SQLITE_SQLITE_STORE_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "store/sqlite/deliveries.h"
#include "store/sqlite/derived.h"
#include "store/sqlite/events.h"
#include "store/sqlite/flow_cache.h"
#include "store/sqlite/onboard.h"
#include "store/store_ops.h"

/* How long an open waits for others, in ms. The first connection after a crash puts the write-ahead log's index in
 * order, and holds everything meanwhile: it may be `weir verify` beside a server that starts, or the server. */
enum { OPEN_WAIT_MS = 5000 };

/* What the writer counts, read by anyone at any time. */
typedef struct Counters {
    atomic_int_fast64_t last_seq, published_seq, records, messages, dead_letters, letter_bytes;
    atomic_int_fast64_t cache_hits, cache_misses, commits, checkpoints, commit_us, sync_failed;
    atomic_int_fast64_t wal_bytes, free_bytes;
    atomic_bool disk_low;
} Counters;

/* The writer's own counts, made public with each commit. */
typedef struct Tally {
    int64_t records, messages, cache_hits, cache_misses;
    int64_t dead_letters;  /* open ones */
    int64_t letter_bytes;  /* that dead letters of intake count for */
    int64_t closed_bytes;  /* of these, the ones that are resolved or discarded */
    int64_t client_bytes;  /* of the others, what came over HTTP */
    int64_t event_clients; /* that have a row of their own */
    bool has_aliases;      /* events were corrected, so that ids may lead elsewhere */
} Tally;

typedef struct SqliteStore {
    Store base;
    StoreOptions options;
    char dir[INDEX_PATH_BYTES_MAX], path[INDEX_PATH_BYTES_MAX + 16];
    IoFile *lock; /* NULL for read-only */
    sqlite3 *db;  /* the writer's; NULL for read-only */
    Derived *derived;
    FlowCache *flows;
    RuleSet *rules;
    Alert *alerts; /* room for RULES_MAX */
    Arena scratch; /* for one batch */
    sqlite3_stmt *insert_record, *insert_message, *select_record, *select_flow;
    sqlite3_stmt *deliveries[DELIVERY_STATEMENT_COUNT];
    EventWriter events;
    OnboardWriter onboard;
    int64_t next_seq;
    int64_t work_begin; /* the first one that the records under way may get */
    int64_t page_bytes;
    int64_t wal_moved_bytes; /* of the WAL, already in the database */
    int64_t checked_free_us;
    int64_t restart_us; /* not before does a checkpoint wait for readers again */
    atomic_bool broken; /* a sync or the file failed: nothing more is acknowledged, or shown, */
    Error why;          /* for this reason; the writer's own */
    Tally tally;
    Counters counters;
} SqliteStore;

/* writer.c */
Status sqlite_writer_open(SqliteStore *store, Error *reterr) MUST_CHECK;
void sqlite_writer_close(SqliteStore *store);
Status sqlite_apply(Store *base, Work *first, Error *reterr) MUST_CHECK;
Status sqlite_maintain(Store *base, bool idle, bool *ret_more, Error *reterr) MUST_CHECK;

/* records_writer.c: a WORK_RECORDS inside the writer's transaction */
Status sqlite_apply_records(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;

/* A message with a sequence of its own; message->seq is not looked at. */
Status sqlite_append_message(SqliteStore *store, const StoredMessage *message, Error *reterr) MUST_CHECK;

/* rules_writer.c */
Status sqlite_load_rules(SqliteStore *store, Error *reterr) MUST_CHECK;
Status sqlite_apply_rule(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;
Status sqlite_reader_rules(StoreReader *base, RuleVisitor *visit, void *context, Error *reterr) MUST_CHECK;
Status sqlite_visit_rules(sqlite3 *db, RuleVisitor *visit, void *context, Error *reterr) MUST_CHECK;

/* deliveries.c: sinks and how their lines move. The statements in deliveries.h, run; bound values stay what they
 * were. */
Status sqlite_prepare_deliveries(SqliteStore *store, Error *reterr) MUST_CHECK;
void sqlite_finalize_deliveries(SqliteStore *store);
Status sqlite_put_sink(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;
Status sqlite_set_sink_state(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;
Status sqlite_apply_delivery(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;
/* Somebody did something that the sink's line has to see. *ret_found: there is such a sink. */
Status sqlite_touch_sink(SqliteStore *store, Str name, int64_t now_us, bool *ret_found, Error *reterr) MUST_CHECK;
Status sqlite_put_retry(SqliteStore *store, Str sink, int64_t job, const StoredRetry *retry, Error *reterr) MUST_CHECK;
Status sqlite_drop_retries(SqliteStore *store, Str sink, int64_t job, Error *reterr) MUST_CHECK;

/* dead_letters.c */
Status sqlite_count_dead_letters(SqliteStore *store, Error *reterr) MUST_CHECK;
/* The dead letter of a delivery is opened, or made. `announce`: a new one gets its message. */
Status sqlite_put_dead_letter(SqliteStore *store, const DeadLetter *letter, bool announce, int64_t now_us,
                              bool *ret_made, Error *reterr) MUST_CHECK;
Status sqlite_reopen_dead_letter(SqliteStore *store, int64_t id, Str error, int64_t attempts, int64_t now_us,
                                 Error *reterr) MUST_CHECK;
/* A message that was a dead letter and was tried again is settled. */
Status sqlite_resolve_dead_letter(SqliteStore *store, Str sink, int64_t seq, int64_t now_us, Error *reterr) MUST_CHECK;
Status sqlite_apply_dead_letters(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;
/* What the change picks of this stage, for sqlite_prepare_letters; false when that is nothing, so that nobody has to
 * look. */
bool sqlite_narrow_letters(const DeadLetterChange *change, DeadLetterStage stage, DeadLetterFilter *ret_filter);
/* `head` FROM dead_letters WHERE what the filter picks `tail`; the tail's own parameters begin at ?6. */
Status sqlite_prepare_letters(sqlite3 *db, const char *head, const DeadLetterFilter *filter, const char *tail,
                              sqlite3_stmt **ret_stmt, Error *reterr) MUST_CHECK;

/* Its message. `is_record`: it is about the delivery of a record. */
Status sqlite_append_notice(SqliteStore *store, const DeadLetter *letter, bool is_record, Error *reterr) MUST_CHECK;

/* intake.c: what goes with records from a source */
Status sqlite_count_letter_bytes(SqliteStore *store, Error *reterr) MUST_CHECK;
/* Runs a statement that changes a letter of intake, bound already, and ends with RETURNING bytes, origin: the tally
 * follows. *ret_any: there was such a letter. */
Status sqlite_change_letter(SqliteStore *store, sqlite3_stmt *stmt, int64_t id, bool *ret_any,
                            Error *reterr) MUST_CHECK;
/* The tally follows a letter of intake that is resolved or discarded: of a row of bytes, origin. */
void sqlite_count_closed(SqliteStore *store, sqlite3_stmt *stmt);
/* Before anything is done: the work is BUSY when its dead letters have no room. */
Status sqlite_make_letter_room(SqliteStore *store, Work *work, Error *reterr) MUST_CHECK;
/* When the outcomes are known. */
Status sqlite_apply_intake(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;
Status sqlite_forget_places(SqliteStore *store, Work *work, Error *reterr) MUST_CHECK;
Status sqlite_set_source_state(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;

/* events.c: what goes with records that were events */
Status sqlite_prepare_events(SqliteStore *store, Error *reterr) MUST_CHECK;
void sqlite_finalize_events(SqliteStore *store);
Status sqlite_load_events(SqliteStore *store, Error *reterr) MUST_CHECK;
/* Around a batch. What one that failed had gathered is forgotten when the next begins. */
void sqlite_begin_events(SqliteStore *store);
Status sqlite_end_events(SqliteStore *store, Error *reterr) MUST_CHECK;
/* When the outcomes are known. */
Status sqlite_apply_events(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;
/* Where an event's id leads: see reader_event_alias(). */
Status sqlite_find_alias(SqliteStore *store, Str record_id, int64_t *ret_seq, Error *reterr) MUST_CHECK;
Status sqlite_put_alias(SqliteStore *store, Str record_id, int64_t seq, Error *reterr) MUST_CHECK;
/* Which event the record at `seq` counts for, itself or as a correction, and whether it came as the bytes of `item`,
 * with the same mapping asked for or with none. `item` may be NULL. *ret_event is 0 where there is none. */
Status sqlite_compare_event(SqliteStore *store, int64_t seq, const EventItem *item, int64_t *ret_event, bool *ret_same,
                            Error *reterr) MUST_CHECK;
/* Writes what is counted so far. */
Status sqlite_put_event_counts(SqliteStore *store, Error *reterr) MUST_CHECK;

/* event_duplicates.c: what was taken for a duplicate */
Status sqlite_keep_duplicate(SqliteStore *store, const EventItem *item, int64_t seq, Error *reterr) MUST_CHECK;
/* Whether what had been taken for a duplicate is still kept as one. */
Status sqlite_is_duplicate_kept(SqliteStore *store, const EventItem *item, bool *ret_kept, Error *reterr) MUST_CHECK;
/* It is an event now: no longer kept, or counted, as a duplicate. */
Status sqlite_end_duplicate(SqliteStore *store, const EventItem *item, Error *reterr) MUST_CHECK;

/* onboard.c: organizations, batches and jobs. The counts are read before a piece of work and written after it. */
Status sqlite_prepare_onboard(SqliteStore *store, Error *reterr) MUST_CHECK;
void sqlite_finalize_onboard(SqliteStore *store);
Status sqlite_begin_onboard(SqliteStore *store, Error *reterr) MUST_CHECK;
Status sqlite_end_onboard(SqliteStore *store, Error *reterr) MUST_CHECK;

/* onboard_writer.c, jobs_writer.c, organizations_writer.c */
Status sqlite_apply_onboard(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;
Status sqlite_take_jobs(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;
Status sqlite_end_jobs(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;
Status sqlite_edit_organization(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;

/* jobs_again.c */
Status sqlite_change_batch(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;
Status sqlite_retry_job_letters(SqliteStore *store, DeadLetterChange *change, int64_t now_us, Error *reterr) MUST_CHECK;
/* Whether an earlier process has left jobs that it had, and (in a transaction) what is done about them. */
Status sqlite_count_leases(SqliteStore *store, Error *reterr) MUST_CHECK;
Status sqlite_end_leases(SqliteStore *store, int64_t now_us, Error *reterr) MUST_CHECK;
Status sqlite_mend_due_times(SqliteStore *store, int64_t now_us, Error *reterr) MUST_CHECK;

/* replays.c */
Status sqlite_put_replay(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;
Status sqlite_cancel_replay(SqliteStore *store, Work *work, int64_t now_us, Error *reterr) MUST_CHECK;

/* delivery_reader.c */
Status sqlite_sinks(StoreReader *base, SinkVisitor *visit, void *context, Error *reterr) MUST_CHECK;
Status sqlite_retries(StoreReader *base, Str sink, int64_t job, RetryVisitor *visit, void *context,
                      Error *reterr) MUST_CHECK;
Status sqlite_attempts(StoreReader *base, int64_t seq, AttemptVisitor *visit, void *context, Error *reterr) MUST_CHECK;
Status sqlite_dead_letters(StoreReader *base, const DeadLetterFilter *filter, DeadLetterVisitor *visit, void *context,
                           Error *reterr) MUST_CHECK;
Status sqlite_replays(StoreReader *base, Str sink, ReplayVisitor *visit, void *context, Error *reterr) MUST_CHECK;

/* source_reader.c */
Status sqlite_sources(StoreReader *base, SourceVisitor *visit, void *context, Error *reterr) MUST_CHECK;
Status sqlite_places(StoreReader *base, Str source, PlaceVisitor *visit, void *context, Error *reterr) MUST_CHECK;

/* event_reader.c */
Status sqlite_event(StoreReader *base, int64_t seq, EventVisitor *visit, void *context, Error *reterr) MUST_CHECK;
Status sqlite_events(StoreReader *base, int64_t after, int64_t through, EventVisitor *visit, void *context,
                     Error *reterr) MUST_CHECK;
Status sqlite_event_attempts(StoreReader *base, const EventAttemptFilter *filter, EventAttemptVisitor *visit,
                             void *context, Error *reterr) MUST_CHECK;
Status sqlite_event_corrections(StoreReader *base, int64_t first, int64_t last, EventCorrectionVisitor *visit,
                                void *context, Error *reterr) MUST_CHECK;
Status sqlite_event_alias(StoreReader *base, Str record_id, int64_t *ret_seq, Error *reterr) MUST_CHECK;
Status sqlite_event_duplicates(StoreReader *base, int64_t seq, int64_t after, EventDuplicateVisitor *visit,
                               void *context, Error *reterr) MUST_CHECK;
Status sqlite_event_clients(StoreReader *base, EventClientVisitor *visit, void *context, Error *reterr) MUST_CHECK;

/* onboard_reader.c */
Status sqlite_organizations(StoreReader *base, const OrganizationFilter *filter, OrganizationVisitor *visit,
                            void *context, Error *reterr) MUST_CHECK;
Status sqlite_organization_changes(StoreReader *base, int64_t organization, int64_t before,
                                   OrganizationChangeVisitor *visit, void *context, Error *reterr) MUST_CHECK;
Status sqlite_jobs(StoreReader *base, const JobFilter *filter, JobVisitor *visit, void *context,
                   Error *reterr) MUST_CHECK;
Status sqlite_batches(StoreReader *base, const BatchFilter *filter, BatchVisitor *visit, void *context,
                      Error *reterr) MUST_CHECK;
Status sqlite_onboard_counts(StoreReader *base, OnboardCounts *ret_counts, Error *reterr) MUST_CHECK;
Status sqlite_idempotency(StoreReader *base, Str key, IdempotencyVisitor *visit, void *context,
                          Error *reterr) MUST_CHECK;

/* reader.c */
typedef enum ReaderKept {
    READER_SCAN,
    READER_WALK,
    READER_FIND,
    READER_MESSAGES,
    READER_MESSAGES_OF_KIND,
    READER_SINKS,
    READER_RETRIES,
    READER_REPLAYS,
    READER_EVENTS,
    READER_EVENT_ATTEMPTS,
    READER_ATTEMPTS_OF_EVENT,
    READER_EVENT_DUPLICATES,
    READER_EVENT_CLIENTS,
    READER_EVENT_CORRECTIONS,
    READER_EVENT_ALIAS,
    READER_ORGANIZATION_CHANGES,
    READER_BATCH,
    READER_BATCHES,
    READER_ONBOARD_COUNTS,
    READER_IDEMPOTENCY,
    READER_KEPT_COUNT,
} ReaderKept;

typedef struct SqliteReader {
    StoreReader base;
    SqliteStore *store;
    sqlite3 *db;
    struct SqliteView *view; /* the one that is looked at, between begin or resume and end; borrows */
    sqlite3_stmt *select_record, *select_last;
    sqlite3_stmt *kept[READER_KEPT_COUNT];   /* what is asked for all the time; NULL until then */
    uint32_t kept_fields[READER_KEPT_COUNT]; /* of records, which they read */
    int64_t version;                         /* of the tables; 0: not looked at yet */
    IndexSet *own_set;                       /* of a read-only store, which has no writer to ask */
} SqliteReader;

/* Passes the status of a look into the runs on. When a block was not as it was written, the next start makes everything
 * derived anew. */
Status sqlite_distrust(SqliteReader *reader, Status status);

/* A connection that never writes and never checkpoints. */
Status sqlite_open_to_read(const char *path, const char *vfs, sqlite3 **ret_db, Error *reterr) MUST_CHECK;

typedef struct SqliteView {
    StoreView base;
    IndexSet *set;
    IndexPair *tail; /* (time, seq) behind the published ones, sorted; made when first needed */
    size_t tail_count;
    bool has_tail;
} SqliteView;

Status sqlite_reader_open(Store *base, StoreReader **ret_reader, Error *reterr) MUST_CHECK;
void sqlite_reader_close(StoreReader *base);
Status sqlite_begin(StoreReader *base, StoreView **ret_view, Error *reterr) MUST_CHECK;
Status sqlite_resume(StoreReader *base, StoreView *view, Error *reterr) MUST_CHECK;
/* Whether the tables that came with this version (SCHEMA_…) are there: a store of an older program that is only read
 * lacks them, until somebody opens it for writing. */
Status sqlite_reader_has(SqliteReader *reader, int64_t schema, bool *ret_has, Error *reterr) MUST_CHECK;
/* A statement on such tables, that is used again and again: db_take and db_give_back with the place where the reader
 * keeps it. *ret_stmt is NULL when they are not there: then there is nothing to see. */
Status sqlite_reader_take(SqliteReader *reader, int64_t schema, ReaderKept which, const char *sql,
                          sqlite3_stmt **ret_stmt, Error *reterr) MUST_CHECK;
void sqlite_reader_give_back(SqliteReader *reader, ReaderKept which, sqlite3_stmt *stmt); /* accepts a NULL statement */
/* One that is not kept; finalize with sqlite3_finalize. */
Status sqlite_reader_prepare(SqliteReader *reader, int64_t schema, const char *sql, sqlite3_stmt **ret_stmt,
                             Error *reterr) MUST_CHECK;
/* Takes FIELD_EVENT out where there are no events: in a store of an older program that is only read, which has no table
 * of them. */
Status sqlite_readable_fields(SqliteReader *reader, uint32_t *fields, Error *reterr) MUST_CHECK;
/* A select like row_prepare_select's that is used again and again: taken from where it is kept, if it is of the same
 * fields, and given back there. Whoever comes in between prepares one of his own. `rest` is always the same for
 * `which`. */
Status sqlite_take_select(SqliteReader *reader, ReaderKept which, uint32_t fields, const char *rest,
                          sqlite3_stmt **ret_stmt, Error *reterr) MUST_CHECK;
void sqlite_give_back_select(SqliteReader *reader, ReaderKept which, uint32_t fields,
                             sqlite3_stmt *stmt); /* accepts a NULL statement */
Status sqlite_check(StoreReader *base, Error *reterr) MUST_CHECK;
void sqlite_end(StoreReader *base);
void sqlite_view_free(StoreView *base);
Status sqlite_get(StoreReader *base, int64_t seq, RecordVisitor *visit, void *context, Error *reterr) MUST_CHECK;
Status sqlite_find(StoreReader *base, Str record_id, Str source_id, int64_t *at, RecordVisitor *visit, void *context,
                   Error *reterr) MUST_CHECK;
Status sqlite_find_flow(StoreReader *base, Str destination_id, Str reference, Str unit, int64_t *ret_seq,
                        Error *reterr) MUST_CHECK;
Status sqlite_scan(StoreReader *base, int64_t after, int64_t through, uint32_t fields, RecordVisitor *visit,
                   void *context, Error *reterr) MUST_CHECK;
Status sqlite_rollups(StoreReader *base, RollupLevel level, int64_t from, int64_t to, RollupVisitor *visit,
                      void *context, Error *reterr) MUST_CHECK;
Status sqlite_messages(StoreReader *base, Str kind, int64_t after, MessageVisitor *visit, void *context,
                       Error *reterr) MUST_CHECK;

/* times.c */
Status sqlite_walk_times(StoreReader *base, TimePosition from, TimePosition to, int64_t through, uint32_t fields,
                         RecordVisitor *visit, void *context, Error *reterr) MUST_CHECK;
uint64_t sqlite_estimate_times(const StoreView *base, TimePosition from, TimePosition to);

/* verify.c */
Status sqlite_verify(StoreReader *base, void (*problem)(void *context, const char *text), void *context,
                     void (*progress)(void *context, const char *what, uint64_t done, uint64_t total),
                     VerifyReport *ret_report, Error *reterr) MUST_CHECK;

/* verify_deliveries.c */
Status sqlite_find_forgotten(sqlite3 *db, void (*tell)(void *context, Str sentence), void *context,
                             Error *reterr) MUST_CHECK;

/* verify_onboard.c: in one look, since these tables are small beside the log */
Status sqlite_check_onboard(sqlite3 *db, void (*tell)(void *context, Str sentence), void *context, int64_t *ret_jobs,
                            Error *reterr) MUST_CHECK;

/* verify_events.c: within a look, which it may end and begin again with the same view */
Status sqlite_check_events(SqliteReader *reader, void (*tell)(void *context, Str sentence), void *context,
                           int64_t *ret_events, Error *reterr) MUST_CHECK;

#endif

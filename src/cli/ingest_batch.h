/* What `weir ingest` works in: batches of records that are prepared on one thread and committed on another, in a store
 * or by a server. */
#ifndef WEIR_CLI_INGEST_BATCH_H
#define WEIR_CLI_INGEST_BATCH_H

#include "engine.h"
#include "intake/file_mark.h"

enum {
    INGEST_BATCH_RECORDS_MAX = 16384,
    INGEST_BATCH_BYTES_MAX = 64 << 20, /* of its arena; full at half of that … */
    INGEST_LATER_BYTES_MAX = 16 << 20, /* … or when its dead letters may take so much, once it is committed */
    INGEST_BODY_BYTES_MAX = 8 << 20,   /* of what goes to a server in one request */
    INGEST_BATCH_PLACES_MAX = 256,     /* files that have items in one batch */
};

/* A file that is taken in; outlives every batch. */
typedef struct IngestFile {
    const char *name; /* as it was given, for people */
    bool is_input;    /* standard input */
    Str path;         /* the real one, by which it is known again; empty for what keeps no place */
    FileIdentity identity;
    FilePosition position; /* behind the last item that is in a batch */
    FileFormat format;
    Str header; /* CSV: as it came; owns */
} IngestFile;

/* Where an item is from, for the report about those that were not taken in. */
typedef struct IngestEntry {
    const IngestFile *file;
    uint64_t line;
    Str raw; /* in the batch's arena */
    OutcomeKind kind;
    Str errors; /* a JSON object {"field":["problem"]}, for a conflict or rejection; in the batch's arena */
} IngestEntry;

/* Owned by one thread at a time. */
typedef struct IngestBatch {
    Arena arena;
    IngestEntry *entries; /* INGEST_BATCH_RECORDS_MAX of them, as below */
    Record *records;
    Outcome *outcomes;
    size_t count;
    IngestEntry *refused; /* items that are no records; as many at most */
    size_t refused_count;
    size_t later_bytes;  /* that committing may take of the arena */
    SourcePlace *places; /* how far its files were read; INGEST_BATCH_PLACES_MAX */
    size_t place_count;
    IntakeLetter *letters; /* scratch of those who commit: one for each record, then one for each that was refused */
    Buf body;              /* for a server */
    uint64_t bytes_read;   /* of all input, when it was filled; for progress */
    bool committed;
} IngestBatch;

/* Where records go: the store or a server. The first member of an implementation. */
typedef struct IngestTarget {
    /* Adds a record to the batch, on the reading thread. REFUSED: this one cannot be taken in; `errors` says why, as in
     * an entry.
     * BUSY: the batch is full; commit it and add again. */
    Status (*add)(struct IngestTarget *target, IngestBatch *batch, const FileItem *item, FileFormat format,
                  Buf *errors);
    /* Has the batch committed and fills kind and errors of its entries, on the committing thread. Anything but OK ends
     * the whole: nothing more can be taken in. */
    Status (*commit)(struct IngestTarget *target, IngestBatch *batch, Error *reterr);
    /* Before the first record of a CSV file: the cells of its header. REFUSED when it lacks a column. */
    Status (*header)(struct IngestTarget *target, const Str *names, size_t count, Error *reterr);
    /* How far the file was taken in before; false when nothing is known of it. Before the first batch is committed. */
    bool (*find_place)(struct IngestTarget *target, Str path, FileMark *ret_mark);
    void (*close)(struct IngestTarget *target);
} IngestTarget;

typedef struct IngestStoreOptions {
    bool dry_run;
    bool first_wins; /* records.on_conflict: first; a conflict is a duplicate */
    int64_t wait_us; /* for a full disk to get room */
} IngestStoreOptions;

/* A store that no other process holds: places go with their batches, and what cannot be taken in becomes a dead letter.
 * `engine` borrows until close, which leaves it open. */
Status ingest_store_open(Engine *engine, const IngestStoreOptions *options, IngestTarget **ret_target,
                         Error *reterr) MUST_CHECK;
/* A server. It is waited for up to `wait_us` when it is away or overloaded: ids make it safe to send again. It keeps no
 * places. */
Status ingest_server_open(const char *url, bool dry_run, int64_t wait_us, IngestTarget **ret_target,
                          Error *reterr) MUST_CHECK;

/* Appends {"record":["problem"]}. */
void ingest_put_error(Buf *errors, const char *problem);
/* The errors of a conflict: {"value":["is not what is stored under this id"]}. */
void ingest_put_differs(Buf *errors, uint32_t differs);
/* Makes room for one more entry and fills its place and raw text; false when the batch is full. */
bool ingest_batch_begin_entry(IngestBatch *batch, const FileItem *item);
/* Adds what is no record. BUSY: the batch is full; BROKEN: `errors`, as in an entry, has failed, and is not all of
 * them. */
Status ingest_batch_refuse(IngestBatch *batch, const IngestFile *file, const FileItem *item,
                           const Buf *errors) MUST_CHECK;
/* Counts what a dead letter of it would take, with its reasons, before it is added; false when the batch is full. One
 * item has room in an empty batch. */
bool ingest_batch_count_letter(IngestBatch *batch, const IngestFile *file, const FileItem *item);
/* Says where the file goes on once the batch is committed; false when the batch is full. A file without a path has no
 * place. */
bool ingest_batch_put_place(IngestBatch *batch, const IngestFile *file, bool finished);

/* ---- The threads ------------------------------------------------------------------------------------------------- */

typedef struct IngestPipeline IngestPipeline;

/* `target` borrows until ingest_pipeline_stop. */
Status ingest_pipeline_start(IngestTarget *target, IngestPipeline **ret_pipeline, Error *reterr) MUST_CHECK;
/* Hands a batch over to be committed. */
void ingest_pipeline_commit(IngestPipeline *pipeline, IngestBatch *batch);
/* An empty batch, or one that is committed and whose entries are to be looked at before it is reset. Waits for one.
 * Anything but OK: committing has failed. */
Status ingest_pipeline_take(IngestPipeline *pipeline, IngestBatch **ret_batch, Error *reterr) MUST_CHECK;
/* Waits until all is committed, then answers each batch once; NULL when there are no more. */
IngestBatch *ingest_pipeline_drain(IngestPipeline *pipeline);
void ingest_batch_reset(IngestBatch *batch);
/* What became of the whole. */
Status ingest_pipeline_status(IngestPipeline *pipeline, Error *reterr) MUST_CHECK;
void ingest_pipeline_stop(IngestPipeline *pipeline); /* accepts NULL */

#endif

/* The processor: the one thread that writes. It gathers what waits into a batch, commits it, and tells every
 * submission.
 *
 * No timer: a lone submission waits for one commit and no longer; while that runs, others gather for the next (group
 * commit). The queue in front is bounded in bytes; a full queue is back-pressure.
 *
 * Once the store has failed, in a batch or in its housekeeping, nothing more is handed to it: what waits and what still
 * comes is told BROKEN. */
#ifndef WEIR_PROCESS_PROCESSOR_H
#define WEIR_PROCESS_PROCESSOR_H

#include "store/store.h"

typedef struct Processor Processor;

/* What one client call hands in. Owned by the caller, who keeps it untouched from processor_submit until `done`. */
typedef struct Submission {
    Work work;
    size_t bytes; /* what it counts for in the queue's bound; at least 1 */
    /* Called once, on the processor's thread, when the batch is on disk or has failed. Must not block. The submission
     * belongs to the caller again from the moment it is called. `status` is OK when the batch was committed (then see
     * work.status and the outcomes), BUSY when nothing happened, UNKNOWN when it may have, BROKEN when nothing more
     * can. Of none of them but OK may anything be acknowledged. May call processor_submit. */
    void (*done)(struct Submission *submission, Status status, const Error *error);
    void *owner;             /* the caller's */
    struct Submission *next; /* the queue's */
} Submission;

typedef struct ProcessorOptions {
    Store *store;           /* borrows until processor_stop */
    const Clock *clock;     /* borrows until processor_stop; for the metrics */
    size_t queue_bytes_max; /* back-pressure above */
    /* 1 … STORE_BATCH_RECORDS_MAX. Other work counts for as many records as take as long to write, and so does a record
     * with many alert rules. */
    size_t batch_records_max;
    bool background; /* on a thread of its own; otherwise whoever owns the processor calls processor_step */
    /* Called on the processor's thread after each commit with the last sequence, for those who wait for messages. */
    void (*committed)(void *self, int64_t last_seq);
    /* Likewise, after the commit of work that may have made jobs, or has made them due once more. */
    void (*jobs_made)(void *self);
    /* Called once, on the processor's thread, when the store is broken: the process must end. */
    void (*broken)(void *self, const Error *error);
    void *self;
} ProcessorOptions;

Status processor_start(const ProcessorOptions *options, Processor **ret_processor, Error *reterr) MUST_CHECK;

/* Hands a submission in, from any thread. BUSY when the queue is full or the processor is stopping: then `done` is not
 * called. A submission larger than the whole bound is taken when the queue is empty. */
Status processor_submit(Processor *processor, Submission *submission, Error *reterr) MUST_CHECK;

/* Not in the background: does what the thread would do next, on the caller's. Takes what waits, up to a full batch, and
 * applies it; then a bounded piece of housekeeping, of the idle kind when nothing waited. *ret_idle: until something is
 * handed in or time has gone by, there is nothing more to do. */
void processor_step(Processor *processor, bool *ret_idle);

/* Takes nothing more in, finishes what waits, ends the thread. Every submission's `done` has been called when it
 * returns. */
void processor_stop(Processor *processor); /* accepts NULL */

typedef struct ProcessorMetrics {
    int64_t created, duplicates, conflicts, rejected; /* records */
    int64_t batches, batch_us_total;
    int64_t submissions, refused_busy;
    int64_t queue_bytes, queue_bytes_max;
} ProcessorMetrics;
void processor_metrics(const Processor *processor, ProcessorMetrics *ret_metrics);

#endif

/* The processor: the one thread that writes. It gathers what waits into a batch, commits it, and tells every submission.
 *
 * No timer: a lone submission waits for one commit and no longer; while that runs, others gather for the next (group
 * commit). The queue in front is bounded in bytes; a full queue is back-pressure. */
#ifndef WEIR_PROCESS_PROCESSOR_H
#define WEIR_PROCESS_PROCESSOR_H

#include "store/store.h"

typedef struct Processor Processor;

/* What one client call hands in. Owned by the caller, who keeps it untouched from processor_submit until `done`. */
typedef struct Submission {
    Work work;
    size_t bytes; /* what it counts for in the queue's bound; at least 1 */
    /* Called once, on the processor's thread, when the batch is on disk or has failed. Must not block. The submission belongs
     * to the caller again from the moment it is called. `status` is OK when the batch was committed (then see work.status and
     * the outcomes), BUSY when nothing happened, UNKNOWN or BROKEN when it may have. */
    void (*done)(struct Submission *submission, Status status, const Error *error);
    void *owner;             /* the caller's */
    struct Submission *next; /* the queue's */
} Submission;

typedef struct ProcessorOptions {
    Store *store;           /* borrows until processor_stop */
    const Clock *clock;     /* borrows until processor_stop; for the metrics */
    size_t queue_bytes_max; /* back-pressure above */
    size_t batch_records_max;
    /* Called on the processor's thread after each commit with the last sequence, for those who wait for messages. */
    void (*committed)(void *self, int64_t last_seq);
    /* Called once, on the processor's thread, when the store is broken: the process must end. */
    void (*broken)(void *self, const Error *error);
    void *self;
} ProcessorOptions;

Status processor_start(const ProcessorOptions *options, Processor **ret_processor, Error *reterr) MUST_CHECK;

/* Hands a submission in, from any thread. BUSY when the queue is full or the processor is stopping: then `done` is not
 * called. A submission larger than the whole bound is taken when the queue is empty. */
Status processor_submit(Processor *processor, Submission *submission, Error *reterr) MUST_CHECK;

/* Takes nothing more in, finishes what waits, ends the thread. Every submission's `done` has been called when it returns. */
void processor_stop(Processor *processor); /* accepts NULL */

typedef struct ProcessorMetrics {
    int64_t created, duplicates, conflicts, rejected; /* records */
    int64_t batches, batch_us_total;
    int64_t submissions, refused_busy;
    int64_t queue_bytes, queue_bytes_max;
} ProcessorMetrics;
void processor_metrics(const Processor *processor, ProcessorMetrics *ret_metrics);

#endif

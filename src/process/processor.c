#include "process/processor.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

/* How long the processor waits before it uses the quiet for housekeeping. */
enum { IDLE_WAIT_MS = 100 };

/* As far as the size of a batch is concerned: one rule in so many fires for each record; and an organization or a job
 * takes as long to write as so many records, with its messages. */
enum { RULES_A_ROW = 4, ROWS_A_JOB = 4 };

struct Processor {
    ProcessorOptions options;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the queue and `stopping` */
    pthread_cond_t not_empty;
    Submission *first, **last;
    size_t queue_bytes;
    bool stopping;
    bool broken; /* the thread's own */
    atomic_int_fast64_t created, duplicates, conflicts, rejected, batches, batch_us, submissions, refused_busy, queued;
};

/* ---- Batches ----------------------------------------------------------------------------------------------------- */

static void count_outcomes(Processor *processor, const Work *work)
{
    int64_t counts[OUTCOME_REJECTED + 1] = {0};
    bool applied = work->status == STATUS_OK;
    if (work->kind != WORK_RECORDS || work->records.dry_run || (!applied && work->status != STATUS_CONFLICT)) {
        return;
    }
    for (size_t i = 0; i < work->records.count; i++) {
        counts[work->records.outcomes[i].kind]++;
    }
    processor->created += applied ? counts[OUTCOME_CREATED] : 0;
    processor->duplicates += counts[OUTCOME_DUPLICATE];
    processor->conflicts += counts[OUTCOME_CONFLICT];
    processor->rejected += counts[OUTCOME_REJECTED];
}

/* The one place where something is acknowledged: after the commit, or never. */
static void tell_all(Processor *processor, Submission *first, Status status, const Error *error)
{
    while (first) {
        Submission *next = first->next; /* the submission is not ours any more once it has been told */
        if (status == STATUS_OK) {
            count_outcomes(processor, &first->work);
        }
        first->done(first, status, error);
        first = next;
    }
}

static void break_down(Processor *processor, const Error *error)
{
    if (!processor->broken) {
        processor->broken = true;
        processor->options.broken(processor->options.self, error);
    }
}

/* Those of people; who works on jobs knows himself when they are due again. */
static bool makes_jobs(const Work *work)
{
    return work->kind == WORK_ONBOARD || work->kind == WORK_BATCH_RETRY || work->kind == WORK_DEAD_LETTERS;
}

static void run_batch(Processor *processor, Submission *first)
{
    bool makes_some = false;
    Error error = {0};
    if (processor->broken) {
        Status broken = error_set(&error, STATUS_BROKEN, "the store takes nothing more after an earlier failure");
        tell_all(processor, first, broken, &error);
        return;
    }
    for (Submission *each = first; each; each = each->next) {
        each->work.next = each->next ? &each->next->work : NULL;
        makes_some = makes_some || makes_jobs(&each->work);
    }
    int64_t begun_us = clock_monotonic_us(processor->options.clock);
    Status status = store_apply(processor->options.store, &first->work, &error);
    processor->batch_us += clock_monotonic_us(processor->options.clock) - begun_us;
    processor->batches++;
    tell_all(processor, first, status, &error);
    if (status == STATUS_OK && processor->options.committed) {
        processor->options.committed(processor->options.self, store_last_seq(processor->options.store));
    }
    if (status == STATUS_OK && makes_some && processor->options.jobs_made) {
        processor->options.jobs_made(processor->options.self);
    }
    /* After UNKNOWN the store may go on, or not: the housekeeping that follows each batch is told. */
    if (status == STATUS_BROKEN) {
        break_down(processor, &error);
    }
}

static bool maintain(Processor *processor, bool idle)
{
    Error error = {0};
    bool more = false;
    if (!processor->broken && store_maintain(processor->options.store, idle, &more, &error) != STATUS_OK) {
        break_down(processor, &error);
    }
    return more && !processor->broken;
}

/* ---- The queue --------------------------------------------------------------------------------------------------- */

/* How much of a batch it takes. Of what people ask for in general, the most that it can come to. */
static size_t rows_of(const Work *work, size_t rows_a_record)
{
    const DeliveryChange *delivery = &work->delivery;
    switch (work->kind) {
    case WORK_RECORDS:
        return (work->records.count + (work->records.intake ? work->records.intake->refused_count : 0)) * rows_a_record;
    case WORK_DELIVERY:
        return 1 + delivery->retry_count + delivery->settled_count + delivery->attempt_count + delivery->dead_count;
    case WORK_DEAD_LETTERS: return work->dead_letters.limit;
    case WORK_ONBOARD: return work->onboard.count * ROWS_A_JOB;
    case WORK_JOBS_TAKE: return work->jobs_take.limit;
    case WORK_JOBS_END: return work->jobs_end.count * ROWS_A_JOB;
    case WORK_BATCH_RETRY:
    case WORK_BATCH_CANCEL: return (size_t)ONBOARD_ITEMS_MAX * ROWS_A_JOB;
    default: return 1;
    }
}

/* Nobody else is to be hit by it. */
static bool is_alone(const Submission *submission)
{
    return submission->work.kind == WORK_RECORDS && submission->work.records.simulate_failure;
}

/* Takes what waits, up to a full batch. The lock is held. */
static Submission *take_batch(Processor *processor, size_t rows_a_record)
{
    Submission *first = processor->first, *end = NULL;
    size_t rows = 0, bytes = 0;
    for (Submission *each = first; each; each = each->next) {
        rows += rows_of(&each->work, rows_a_record);
        if (end && (rows > processor->options.batch_records_max || is_alone(end) || is_alone(each))) {
            break;
        }
        bytes += each->bytes;
        end = each;
    }
    if (!end) {
        return NULL;
    }
    processor->first = end->next;
    if (!processor->first) {
        processor->last = &processor->first;
    }
    end->next = NULL;
    processor->queue_bytes -= bytes;
    processor->queued = (int64_t)processor->queue_bytes;
    return first;
}

/* The lock is held. */
static void wait_a_while(Processor *processor)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += IDLE_WAIT_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_cond_timedwait(&processor->not_empty, &processor->lock, &until);
}

/* Waits a while for something to be handed in, when there is nothing else to do. False: the end has come. */
static bool wait_for_work(Processor *processor, bool idle)
{
    pthread_mutex_lock(&processor->lock);
    if (idle && !processor->first && !processor->stopping) {
        wait_a_while(processor);
    }
    bool go_on = processor->first || !processor->stopping;
    pthread_mutex_unlock(&processor->lock);
    return go_on;
}

void processor_step(Processor *processor, bool *ret_idle)
{
    /* A record may fire every rule, and a transaction is to end soon whatever they say. */
    size_t rows_a_record = 1 + rule_set_count(store_rules(processor->options.store)) / RULES_A_ROW;
    pthread_mutex_lock(&processor->lock);
    Submission *batch = take_batch(processor, rows_a_record);
    pthread_mutex_unlock(&processor->lock);
    if (batch) {
        run_batch(processor, batch);
    }
    *ret_idle = !maintain(processor, !batch);
}

static void *run(void *self)
{
    Processor *processor = self;
    bool idle = true;
    while (wait_for_work(processor, idle)) {
        processor_step(processor, &idle);
    }
    return NULL;
}

Status processor_submit(Processor *processor, Submission *submission, Error *reterr)
{
    Status status = STATUS_OK;
    size_t bytes_max = processor->options.queue_bytes_max;
    submission->next = NULL;
    pthread_mutex_lock(&processor->lock);
    if (processor->stopping) {
        status = error_set(reterr, STATUS_BUSY, "the service is stopping");
    } else if (processor->first && processor->queue_bytes + submission->bytes > bytes_max) {
        status = error_set(reterr, STATUS_BUSY, "more is coming in than can be stored; try again shortly");
    } else {
        bool was_empty = !processor->first;
        *processor->last = submission;
        processor->last = &submission->next;
        processor->queue_bytes += submission->bytes;
        processor->queued = (int64_t)processor->queue_bytes;
        if (was_empty) {
            pthread_cond_signal(&processor->not_empty);
        }
    }
    pthread_mutex_unlock(&processor->lock);
    *(status == STATUS_OK ? &processor->submissions : &processor->refused_busy) += 1;
    return status;
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

Status processor_start(const ProcessorOptions *options, Processor **ret_processor, Error *reterr)
{
    Processor *processor = calloc(1, sizeof *processor);
    if (!processor) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    processor->options = *options;
    processor->last = &processor->first;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&processor->lock, NULL);
    pthread_cond_init(&processor->not_empty, &attributes);
    pthread_condattr_destroy(&attributes);
    if (options->background && pthread_create(&processor->thread, NULL, run, processor) != 0) {
        pthread_mutex_destroy(&processor->lock);
        pthread_cond_destroy(&processor->not_empty);
        free(processor);
        return error_set(reterr, STATUS_BUSY, "the system gave no thread for the processor");
    }
    *ret_processor = processor;
    return STATUS_OK;
}

void processor_stop(Processor *processor)
{
    if (!processor) {
        return;
    }
    pthread_mutex_lock(&processor->lock);
    processor->stopping = true;
    pthread_cond_signal(&processor->not_empty);
    pthread_mutex_unlock(&processor->lock);
    if (processor->options.background) {
        pthread_join(processor->thread, NULL);
    } else {
        run(processor);
    }
    pthread_mutex_destroy(&processor->lock);
    pthread_cond_destroy(&processor->not_empty);
    free(processor);
}

void processor_metrics(const Processor *processor, ProcessorMetrics *ret_metrics)
{
    *ret_metrics = (ProcessorMetrics){.created = processor->created,
                                      .duplicates = processor->duplicates,
                                      .conflicts = processor->conflicts,
                                      .rejected = processor->rejected,
                                      .batches = processor->batches,
                                      .batch_us_total = processor->batch_us,
                                      .submissions = processor->submissions,
                                      .refused_busy = processor->refused_busy,
                                      .queue_bytes = processor->queued,
                                      .queue_bytes_max = (int64_t)processor->options.queue_bytes_max};
}

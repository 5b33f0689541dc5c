#include <pthread.h>

#include "cli/ingest_batch.h"

/* One is filled, one is committed, one is on its way between. */
enum { BATCHES = 3, ARENA_CHUNK_BYTES = 1 << 20 };

typedef struct Queue {
    IngestBatch *items[BATCHES];
    size_t first, count;
} Queue;

struct IngestPipeline {
    IngestTarget *target;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below but the batches, which belong to whoever took them */
    pthread_cond_t changed;
    Queue full, done;
    bool committing, ending;
    Status status;
    Error error;
    IngestBatch batches[BATCHES];
};

static void push(Queue *queue, IngestBatch *batch) { queue->items[(queue->first + queue->count++) % BATCHES] = batch; }

static IngestBatch *pop(Queue *queue)
{
    if (queue->count == 0) {
        return NULL;
    }
    IngestBatch *batch = queue->items[queue->first];
    queue->first = (queue->first + 1) % BATCHES;
    queue->count--;
    return batch;
}

/* After a failure the batches that still wait are given back with nothing decided. */
static void commit_one(IngestPipeline *pipeline, IngestBatch *batch)
{
    Error error = {0};
    Status status = pipeline->status;
    pipeline->committing = true;
    pthread_mutex_unlock(&pipeline->lock);
    if (status == STATUS_OK) {
        status = pipeline->target->commit(pipeline->target, batch, &error);
    }
    pthread_mutex_lock(&pipeline->lock);
    pipeline->committing = false;
    batch->committed = status == STATUS_OK;
    if (pipeline->status == STATUS_OK && status != STATUS_OK) {
        pipeline->status = status;
        pipeline->error = error;
    }
    push(&pipeline->done, batch);
    pthread_cond_broadcast(&pipeline->changed);
}

static void *run(void *self)
{
    IngestPipeline *pipeline = self;
    pthread_mutex_lock(&pipeline->lock);
    while (!pipeline->ending || pipeline->full.count > 0) {
        IngestBatch *batch = pop(&pipeline->full);
        if (batch) {
            commit_one(pipeline, batch);
        } else {
            pthread_cond_wait(&pipeline->changed, &pipeline->lock);
        }
    }
    pthread_mutex_unlock(&pipeline->lock);
    return NULL;
}

/* ---- Batches ----------------------------------------------------------------------------------------------------- */

static bool init_batch(IngestBatch *batch)
{
    arena_init(&batch->arena, ARENA_CHUNK_BYTES, INGEST_BATCH_BYTES_MAX);
    buf_init(&batch->body, INGEST_BODY_BYTES_MAX);
    batch->entries = calloc(INGEST_BATCH_RECORDS_MAX, sizeof *batch->entries);
    batch->records = calloc(INGEST_BATCH_RECORDS_MAX, sizeof *batch->records);
    batch->outcomes = calloc(INGEST_BATCH_RECORDS_MAX, sizeof *batch->outcomes);
    batch->refused = calloc(INGEST_BATCH_RECORDS_MAX, sizeof *batch->refused);
    batch->places = calloc(INGEST_BATCH_PLACES_MAX, sizeof *batch->places);
    batch->letters = calloc(2 * (size_t)INGEST_BATCH_RECORDS_MAX, sizeof *batch->letters);
    return batch->entries && batch->records && batch->outcomes && batch->refused && batch->places && batch->letters;
}

static void release_batch(IngestBatch *batch)
{
    arena_release(&batch->arena);
    buf_release(&batch->body);
    free(batch->entries);
    free(batch->records);
    free(batch->outcomes);
    free(batch->refused);
    free(batch->places);
    free(batch->letters);
}

void ingest_batch_reset(IngestBatch *batch)
{
    arena_reset(&batch->arena);
    buf_reset(&batch->body);
    batch->count = batch->refused_count = batch->place_count = batch->later_bytes = 0;
    batch->committed = false;
}

static bool fill_entry(IngestBatch *batch, IngestEntry *entry, const FileItem *item)
{
    if (batch->arena.taken > INGEST_BATCH_BYTES_MAX / 2) {
        return false;
    }
    *entry = (IngestEntry){.line = item->line, .raw = arena_copy(&batch->arena, item->raw)};
    return entry->raw.ptr != NULL;
}

bool ingest_batch_begin_entry(IngestBatch *batch, const FileItem *item)
{
    return batch->count < INGEST_BATCH_RECORDS_MAX && fill_entry(batch, &batch->entries[batch->count], item);
}

Status ingest_batch_refuse(IngestBatch *batch, const IngestFile *file, const FileItem *item, const Buf *errors)
{
    IngestEntry *entry = &batch->refused[batch->refused_count];
    if (errors->failed) {
        return STATUS_BROKEN;
    }
    if (batch->refused_count == INGEST_BATCH_RECORDS_MAX || !fill_entry(batch, entry, item)) {
        return STATUS_BUSY;
    }
    entry->file = file;
    entry->kind = OUTCOME_REJECTED;
    entry->errors = arena_copy(&batch->arena, buf_str(errors));
    if (!entry->errors.ptr) {
        return STATUS_BUSY;
    }
    batch->refused_count++;
    batch->later_bytes += errors->len;
    return STATUS_OK;
}

bool ingest_batch_count_letter(IngestBatch *batch, const IngestFile *file, const FileItem *item)
{
    enum { REASON_BYTES = 512 };
    size_t bytes = file->header.len + item->raw.len + file->path.len + REASON_BYTES;
    if (batch->later_bytes > 0 && batch->later_bytes + bytes > INGEST_LATER_BYTES_MAX) {
        return false;
    }
    batch->later_bytes += bytes;
    return true;
}

bool ingest_batch_put_place(IngestBatch *batch, const IngestFile *file, bool finished)
{
    char text[SOURCE_MARK_BYTES_MAX];
    const FileMark mark = {.file = file->identity, .position = file->position, .finished = finished};
    if (file->path.len == 0) {
        return true;
    }
    if (batch->place_count == INGEST_BATCH_PLACES_MAX) {
        return false;
    }
    Str copy = arena_copy(&batch->arena, (Str){text, file_mark_format(&mark, text)});
    batch->places[batch->place_count] = (SourcePlace){file->path, (int64_t)file->position.offset, copy};
    batch->place_count += copy.ptr != NULL;
    return copy.ptr != NULL;
}

void ingest_put_error(Buf *errors, const char *problem)
{
    BUF_PUT(errors, "{\"record\":[");
    buf_put_json(errors, str_from(problem));
    BUF_PUT(errors, "]}");
}

void ingest_put_differs(Buf *errors, uint32_t differs)
{
    buf_put_char(errors, '{');
    for (unsigned bit = 0; bit < RECORD_FIELD_COUNT; bit++) {
        if (differs & 1u << bit) {
            buf_put_key(errors, record_field_names[bit]);
            BUF_PUT(errors, "[\"is not what is stored under this id\"]");
        }
    }
    buf_put_char(errors, '}');
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

static void free_pipeline(IngestPipeline *pipeline)
{
    for (size_t i = 0; i < BATCHES; i++) {
        release_batch(&pipeline->batches[i]);
    }
    pthread_mutex_destroy(&pipeline->lock);
    pthread_cond_destroy(&pipeline->changed);
    free(pipeline);
}

Status ingest_pipeline_start(IngestTarget *target, IngestPipeline **ret_pipeline, Error *reterr)
{
    IngestPipeline *pipeline = calloc(1, sizeof *pipeline);
    if (!pipeline) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    pipeline->target = target;
    pthread_mutex_init(&pipeline->lock, NULL);
    pthread_cond_init(&pipeline->changed, NULL);
    bool ready = true;
    for (size_t i = 0; i < BATCHES; i++) {
        ready &= init_batch(&pipeline->batches[i]);
        push(&pipeline->done, &pipeline->batches[i]);
    }
    if (!ready || pthread_create(&pipeline->thread, NULL, run, pipeline) != 0) {
        free_pipeline(pipeline);
        return error_set(reterr, STATUS_BUSY, "no memory or thread to work with");
    }
    *ret_pipeline = pipeline;
    return STATUS_OK;
}

void ingest_pipeline_commit(IngestPipeline *pipeline, IngestBatch *batch)
{
    pthread_mutex_lock(&pipeline->lock);
    push(&pipeline->full, batch);
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->lock);
}

static Status copy_status(const IngestPipeline *pipeline, Error *reterr)
{
    return pipeline->status == STATUS_OK ? STATUS_OK
                                         : error_set(reterr, pipeline->status, "%s", pipeline->error.message);
}

Status ingest_pipeline_take(IngestPipeline *pipeline, IngestBatch **ret_batch, Error *reterr)
{
    pthread_mutex_lock(&pipeline->lock);
    while (pipeline->done.count == 0) {
        pthread_cond_wait(&pipeline->changed, &pipeline->lock);
    }
    Status status = copy_status(pipeline, reterr);
    if (status == STATUS_OK) {
        *ret_batch = pop(&pipeline->done);
    }
    pthread_mutex_unlock(&pipeline->lock);
    return status;
}

IngestBatch *ingest_pipeline_drain(IngestPipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    while (pipeline->full.count > 0 || pipeline->committing) {
        pthread_cond_wait(&pipeline->changed, &pipeline->lock);
    }
    IngestBatch *batch = pop(&pipeline->done);
    pthread_mutex_unlock(&pipeline->lock);
    return batch;
}

Status ingest_pipeline_status(IngestPipeline *pipeline, Error *reterr)
{
    pthread_mutex_lock(&pipeline->lock);
    Status status = copy_status(pipeline, reterr);
    pthread_mutex_unlock(&pipeline->lock);
    return status;
}

void ingest_pipeline_stop(IngestPipeline *pipeline)
{
    if (!pipeline) {
        return;
    }
    pthread_mutex_lock(&pipeline->lock);
    pipeline->ending = true;
    pthread_cond_broadcast(&pipeline->changed);
    pthread_mutex_unlock(&pipeline->lock);
    pthread_join(pipeline->thread, NULL);
    free_pipeline(pipeline);
}

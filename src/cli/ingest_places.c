#include "cli/ingest_places.h"

#include <errno.h>
#include <semaphore.h>
#include <unistd.h>

enum {
    CHUNK_BYTES = 1 << 16,
    BYTES_MAX = 64 << 20,
    ITEMS_FIRST = 64,
    MANY_PLACES = 4096,
    FORGOTTEN_MAX = 1024, /* in one run: they go in one commit or two */
};

static bool grow(IngestPlaces *places)
{
    if (places->count < places->cap) {
        return true;
    }
    size_t cap = places->cap ? 2 * places->cap : ITEMS_FIRST;
    SourcePlace *items = ARENA_ARRAY(&places->arena, SourcePlace, cap);
    if (!items) {
        return false;
    }
    if (places->count > 0) {
        memcpy(items, places->items, places->count * sizeof *items);
    }
    places->items = items;
    places->cap = cap;
    return true;
}

static bool keep(void *context, const SourcePlace *place)
{
    IngestPlaces *places = context;
    SourcePlace copy = *place;
    if (!grow(places) || !(copy.part = arena_copy(&places->arena, place->part)).ptr ||
        !(copy.mark = arena_copy(&places->arena, place->mark)).ptr) {
        return false;
    }
    places->items[places->count++] = copy;
    return true;
}

static Status read_places(IngestPlaces *places, StoreReader *reader, Error *reterr)
{
    StoreView *view = NULL;
    Status status = reader_begin(reader, &view, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    status = reader_places(reader, INGEST_SOURCE, keep, places, reterr);
    if (status == STATUS_OK) {
        status = reader_check(reader, reterr);
    }
    reader_end(reader);
    view_free(view);
    return status;
}

Status ingest_places_read(IngestPlaces *places, Store *store, Error *reterr)
{
    StoreReader *reader = NULL;
    *places = (IngestPlaces){0};
    arena_init(&places->arena, CHUNK_BYTES, BYTES_MAX);
    Status status = store_reader_open(store, &reader, reterr);
    if (status == STATUS_OK) {
        status = read_places(places, reader, reterr);
    }
    store_reader_close(reader);
    return status;
}

/* ---- Forgetting -------------------------------------------------------------------------------------------------- */

static void count_done(Submission *submission, Status status, const Error *error)
{
    (void)status; /* it is tried again by the next run */
    (void)error;
    sem_post(submission->owner);
}

/* One whose directory cannot be looked into may be there. */
static bool is_gone(const SourcePlace *place) { return access(place->part.ptr, F_OK) != 0 && errno == ENOENT; }

/* Returns how many were handed in. */
static unsigned hand_in(const IngestPlaces *places, Engine *engine, Submission *submissions, sem_t *done)
{
    unsigned count = 0;
    for (size_t i = 0; i < places->count && count < FORGOTTEN_MAX; i++) {
        Error error;
        Submission *submission = &submissions[count];
        if (!is_gone(&places->items[i])) {
            continue;
        }
        *submission = (Submission){.bytes = 1, .done = count_done, .owner = done};
        submission->work.kind = WORK_SOURCE_FORGET;
        submission->work.forget.source = INGEST_SOURCE;
        submission->work.forget.part = places->items[i].part;
        if (processor_submit(engine->processor, submission, &error) != STATUS_OK) {
            break;
        }
        count++;
    }
    return count;
}

Status ingest_places_prune(const IngestPlaces *places, Engine *engine, Error *reterr)
{
    if (places->count <= MANY_PLACES) {
        return STATUS_OK;
    }
    Submission *submissions = calloc(FORGOTTEN_MAX, sizeof *submissions);
    sem_t done;
    if (!submissions) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    sem_init(&done, 0, 0);
    for (unsigned left = hand_in(places, engine, submissions, &done); left > 0;) {
        left -= sem_wait(&done) == 0; /* otherwise interrupted by a signal */
    }
    sem_destroy(&done);
    free(submissions);
    return STATUS_OK;
}

/* ---- Finding ----------------------------------------------------------------------------------------------------- */

void ingest_places_release(IngestPlaces *places) { arena_release(&places->arena); }

bool ingest_places_find(const IngestPlaces *places, Str path, FileMark *ret_mark)
{
    size_t first = 0, end = places->count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        const SourcePlace *place = &places->items[middle];
        int order = str_compare(place->part, path);
        if (order == 0) {
            return file_mark_parse(place->mark, place->next, ret_mark);
        }
        first = order < 0 ? middle + 1 : first;
        end = order < 0 ? end : middle;
    }
    return false;
}

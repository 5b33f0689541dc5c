#include "http/upload.h"

#include "http/parts.h"
#include "http/turn.h"
#include "http/upload_lines.h"

enum {
    /* The first slice is small, since most uploads are; then they are large enough that a batch of a few is worth a
     * sync. */
    SMALL_TEXT_BYTES = 16 << 10,
    SMALL_LINES = 96,
    LARGE_TEXT_BYTES = 512 << 10,
    LARGE_LINES = 4096,
    /* Slices of one upload at the processor at once. While they are committed the next one is read. */
    IN_FLIGHT_MAX = 4,
    RETRY_US = 5000,
};

struct Upload {
    Request *request; /* while `waiting`, or on the request's own thread */
    HttpServer *server;
    bool dry_run, by_front_door, events;
    Str mapping; /* of events; in `texts` */
    char traceparent[64];

    Slice *current;       /* takes the next lines; NULL before the first and after the last */
    Slice *following;     /* has the unfinished line of a full `current` already */
    Slice *first, **last; /* handed in, in order */
    Slice *idle;          /* for another use */
    bool complete;        /* the last line was read */
    bool has_gap;         /* a slice came back undone: what comes after it is not committed through */
    UploadLines lines;
    Results results;
    Budget memory; /* what all of this holds; a part of the budget of all requests, since it may outlive its own */
    Arena texts;   /* of the results' warnings */
    Status status;
    Error error;

    pthread_mutex_t lock; /* guards what follows, and `done` of slices in flight */
    unsigned in_flight;
    unsigned wake_at; /* wake the request when so few are left */
    bool waiting, dropped;
};

static void free_slices(Slice *slice)
{
    while (slice) {
        Slice *next = slice->next;
        slice_free(slice);
        slice = next;
    }
}

static void upload_free(Upload *upload)
{
    free_slices(upload->first);
    free_slices(upload->idle);
    slice_free(upload->current);
    slice_free(upload->following);
    lines_release(&upload->lines);
    arena_release(&upload->texts);
    results_release(&upload->results);
    pthread_mutex_destroy(&upload->lock);
    free(upload);
}

Upload *upload_new(Request *request, const RecordsCall *call)
{
    const HttpServerOptions *options = request_options(request);
    Upload *upload = calloc(1, sizeof *upload);
    if (!upload) {
        return NULL;
    }
    upload->request = request;
    upload->server = request->server;
    upload->dry_run = call->dry_run;
    upload->by_front_door = call->by_front_door;
    upload->events = call->events;
    memcpy(upload->traceparent, call->traceparent.len ? call->traceparent.ptr : "", call->traceparent.len);
    upload->last = &upload->first;
    upload->memory.whole = &request->server->bodies;
    arena_init(&upload->texts, 4 << 10, 1 << 20);
    upload->texts.budget = &upload->memory;
    results_init(&upload->results, call, &upload->memory);
    lines_init(&upload->lines, options, &upload->results, &upload->texts,
               (Str){upload->traceparent, call->traceparent.len});
    pthread_mutex_init(&upload->lock, NULL);
    upload->mapping = arena_copy(&upload->texts, call->mapping);
    if (!upload->mapping.ptr) {
        upload_free(upload);
        return NULL;
    }
    return upload;
}

void upload_drop(Upload *upload)
{
    pthread_mutex_lock(&upload->lock);
    upload->dropped = true;
    bool last = upload->in_flight == 0;
    pthread_mutex_unlock(&upload->lock);
    if (last) {
        upload_free(upload);
    }
}

static void fail(Upload *upload, Status status, const Error *error)
{
    if (upload->status == STATUS_OK) {
        upload->status = status;
        upload->error = *error;
    }
}

static void fail_with_lines(Upload *upload)
{
    if (upload->lines.status != STATUS_OK) {
        fail(upload, upload->lines.status, &upload->lines.error);
    }
}

static void take_lines(Upload *upload, Slice *slice)
{
    lines_take(&upload->lines, slice);
    fail_with_lines(upload);
}

/* ---- Slices to the processor and back ---------------------------------------------------------------------------- */

static Slice *make_slice(Upload *upload, size_t text_max, size_t lines_max)
{
    Slice *slice = slice_new(text_max, lines_max, &upload->memory);
    if (slice && upload->events && !slice_expect_events(slice, &upload->server->options, upload->mapping)) {
        slice_free(slice);
        slice = NULL;
    }
    return slice;
}

static Slice *take_idle(Upload *upload, size_t text_max)
{
    Slice *slice = upload->idle;
    if (slice && slice->text_max >= text_max) {
        upload->idle = slice->next;
        if (slice_reset(slice)) {
            return slice;
        }
        slice_free(slice);
    }
    return make_slice(upload, text_max, LARGE_LINES);
}

static void keep_idle(Upload *upload, Slice *slice)
{
    if (slice->text_max == LARGE_TEXT_BYTES && !upload->complete && upload->status == STATUS_OK) {
        slice->next = upload->idle;
        upload->idle = slice;
    } else {
        slice_free(slice);
    }
}

/* What is back, in the order in which it was handed in. */
static void gather(Upload *upload)
{
    for (;;) {
        pthread_mutex_lock(&upload->lock);
        Slice *slice = upload->first && upload->first->done ? upload->first : NULL;
        pthread_mutex_unlock(&upload->lock);
        if (!slice) {
            return;
        }
        upload->first = slice->next;
        upload->last = upload->first ? upload->last : &upload->first;
        slice_put_results(slice, &upload->results);
        if (slice->status != STATUS_OK) {
            fail(upload, slice->status, &slice->error);
            upload->has_gap = true;
        } else if (!upload->has_gap) {
            upload->request->committed_through = slice->last_line;
        }
        keep_idle(upload, slice);
    }
}

/* On the thread of the processor or of the front door. */
static void give_back(Slice *slice, Upload *upload, Status status, const Error *error)
{
    slice->status = status;
    if (status != STATUS_OK) {
        slice->error = *error;
    }
    pthread_mutex_lock(&upload->lock);
    slice->done = true;
    upload->in_flight--;
    bool wake = upload->waiting && upload->in_flight <= upload->wake_at;
    upload->waiting = upload->waiting && !wake;
    bool last = upload->dropped && upload->in_flight == 0;
    Request *request = upload->request;
    pthread_mutex_unlock(&upload->lock);
    /* From here on the upload may be gone: the request may drop it, or does so when it was left behind. */
    if (wake) {
        request_wake(request);
    } else if (last) {
        upload_free(upload);
    }
}

static void submission_done(Submission *submission, Status status, const Error *error)
{
    const Work *work = &submission->work; /* which has no room for dead letters, perhaps */
    bool decided = status == STATUS_OK;
    give_back((Slice *)submission, submission->owner, decided ? work->status : status, decided ? &work->error : error);
}

static void front_door_done(FrontDoorCall *call, Status status, const Error *error)
{
    Slice *slice = call->owner;
    give_back(slice, slice->submission.owner, status, error);
}

static void append(Upload *upload, Slice *slice)
{
    *upload->last = slice;
    upload->last = &slice->next;
}

static Status submit(Upload *upload, Slice *slice, Error *reterr)
{
    slice->submission = (Submission){.work = {.kind = WORK_RECORDS,
                                              .records = {.items = slice->records,
                                                          .outcomes = slice->outcomes,
                                                          .count = slice->record_count,
                                                          .dry_run = upload->dry_run}},
                                     .bytes = slice_bytes_held(slice),
                                     .done = submission_done,
                                     .owner = upload};
    if (slice->events) {
        event_set_attach(slice->events, &slice->submission.work);
    }
    return processor_submit(upload->server->options.processor, &slice->submission, reterr);
}

/* REFUSED when there is nothing to wait for. */
static Status produce(Upload *upload, Slice *slice, Error *reterr)
{
    static const Status statuses[] = {
        [FRONT_DOOR_TAKEN] = STATUS_OK, [FRONT_DOOR_FULL] = STATUS_BUSY, [FRONT_DOOR_SHUT] = STATUS_REFUSED};
    slice->submission.owner = upload;
    slice->front_door = (FrontDoorCall){
        .records = slice->records, .count = slice->record_count, .done = front_door_done, .owner = slice};
    return statuses[front_door_hand_in(upload->server->options.front_door, &slice->front_door, reterr)];
}

/* BUSY when it has to be tried again; REFUSED when the upload has failed. */
static Status hand_in(Upload *upload, Slice *slice)
{
    Error error;
    slice->next = NULL;
    bool has_letters = slice->events && slice->events->failed_count > 0 && !upload->dry_run;
    if (slice->record_count == 0 && !has_letters) {
        slice->done = true;
        append(upload, slice);
        return STATUS_OK;
    }
    pthread_mutex_lock(&upload->lock);
    upload->in_flight++;
    pthread_mutex_unlock(&upload->lock);
    /* It has its place in the order before it can be given back. */
    Slice **place = upload->last;
    append(upload, slice);
    Status status = upload->by_front_door ? produce(upload, slice, &error) : submit(upload, slice, &error);
    if (status != STATUS_OK) {
        upload->last = place;
        *place = NULL;
        pthread_mutex_lock(&upload->lock);
        upload->in_flight--;
        pthread_mutex_unlock(&upload->lock);
    }
    if (status == STATUS_REFUSED) {
        fail(upload, STATUS_BUSY, &error);
    }
    return status;
}

/* A slice for what comes after a full one, with the line that it holds a part of. The full one keeps it too, and so
 * stays full:
 * it may have to wait for its turn, and nothing may be added to it meanwhile. */
static bool make_following(Upload *upload)
{
    Slice *full = upload->current;
    Str rest = {full->text + full->parsed, full->text_len - full->parsed};
    size_t text_max =
        rest.len <= LARGE_TEXT_BYTES / 4 * 3 ? LARGE_TEXT_BYTES : rest.len + upload->server->options.line_bytes_max;
    Slice *slice = take_idle(upload, text_max);
    if (!slice) {
        return false;
    }
    memcpy(slice->text, rest.ptr, rest.len);
    slice->text_len = rest.len;
    slice->scanned = full->scanned - full->parsed;
    upload->following = slice;
    return true;
}

static unsigned count_in_flight(Upload *upload)
{
    pthread_mutex_lock(&upload->lock);
    unsigned in_flight = upload->in_flight;
    pthread_mutex_unlock(&upload->lock);
    return in_flight;
}

/* Hands the full slice in and goes on with the next. False when that has to wait. */
static bool turn_over(Upload *upload)
{
    const Error no_memory = {STATUS_BUSY, "too many large requests at once, and no memory for more of the body"};
    if (count_in_flight(upload) >= IN_FLIGHT_MAX) {
        return false;
    }
    if (!upload->following && !make_following(upload)) {
        if (upload->first) {
            return false; /* one that is still under way will do */
        }
        fail(upload, STATUS_BUSY, &no_memory);
        return true;
    }
    Status status = hand_in(upload, upload->current);
    if (status != STATUS_OK) {
        return status == STATUS_REFUSED; /* with the upload, so that nothing is left to wait for */
    }
    upload->current = upload->following;
    upload->following = NULL;
    upload->current->first_index = upload->lines.index;
    upload->current->last_line = upload->lines.line; /* a part of a long line may be all that it gets */
    take_lines(upload, upload->current);
    return true;
}

/* ---- The request's side ------------------------------------------------------------------------------------------ */

static bool needs_retry(const Upload *upload, unsigned in_flight) { return upload->current && in_flight == 0; }

/* Suspends the connection until no more than `wake_at` slices are at the processor; when there are none, the
 * processor's queue is full of others' work and is tried again soon. */
static bool wait_until(Upload *upload, unsigned wake_at, RequestThen *then)
{
    const Error stopping = {STATUS_BUSY, "the service is stopping"};
    Request *request = upload->request;
    request->then = then;
    if (!turn_wait(request, request_now_us(request) + upload->server->options.request_ms_max * 1000)) {
        fail(upload, STATUS_BUSY, &stopping);
        return false;
    }
    pthread_mutex_lock(&upload->lock);
    unsigned in_flight = upload->in_flight;
    upload->wake_at = wake_at < in_flight ? wake_at : in_flight - (in_flight > 0);
    upload->waiting = in_flight > upload->wake_at;
    bool waiting = upload->waiting;
    pthread_mutex_unlock(&upload->lock);
    if (waiting) {
        return true;
    }
    if (needs_retry(upload, in_flight)) {
        request->wake_us = request_now_us(request) + RETRY_US;
        request->to_pool = request->wake_on_commit = false;
        ticker_add(&upload->server->ticker, request);
    } else {
        request_wake(request);
    }
    return true;
}

/* As much of the piece as goes into the current slice. */
static size_t fill(Upload *upload, Str piece)
{
    if (upload->lines.skipping) {
        const char *end = memchr(piece.ptr, '\n', piece.len);
        upload->lines.skipping = !end;
        return end ? (size_t)(end + 1 - piece.ptr) : piece.len;
    }
    Slice *slice = upload->current;
    size_t room = slice->text_max - slice->text_len;
    size_t taken = room < piece.len ? room : piece.len;
    memcpy(slice->text + slice->text_len, piece.ptr, taken);
    slice->text_len += taken;
    take_lines(upload, slice);
    return taken;
}

static bool begin_first_slice(Upload *upload)
{
    const Error no_memory = {STATUS_BUSY, "too many large requests at once, and no memory for the body"};
    if (!upload->current) {
        upload->current = make_slice(upload, SMALL_TEXT_BYTES, SMALL_LINES);
        if (!upload->current) {
            fail(upload, STATUS_BUSY, &no_memory);
        }
    }
    return upload->current != NULL;
}

/* After a failure the rest is read and forgotten: only then can the answer be said. */
static size_t take_nothing(Upload *upload, Str piece)
{
    slice_free(upload->current);
    slice_free(upload->following);
    free_slices(upload->idle);
    upload->current = upload->following = upload->idle = NULL;
    if (upload->status == STATUS_BUSY) {
        /* The client will send it all again, and has it told then; until it has read the answer to this, the room is
         * others'. */
        results_forget_list(&upload->results);
    }
    return piece.len;
}

size_t upload_take(Upload *upload, Str piece)
{
    size_t taken = 0;
    gather(upload);
    if (upload->status != STATUS_OK || !begin_first_slice(upload)) {
        return take_nothing(upload, piece);
    }
    while (taken < piece.len && upload->status == STATUS_OK) {
        if (slice_is_full(upload->current) && !turn_over(upload)) {
            if (wait_until(upload, IN_FLIGHT_MAX - 1, NULL)) {
                return taken;
            }
            continue;
        }
        if (upload->status == STATUS_OK && !slice_is_full(upload->current)) {
            taken += fill(upload, (Str){piece.ptr + taken, piece.len - taken});
        }
    }
    return upload->status == STATUS_OK ? piece.len : take_nothing(upload, piece);
}

/* Hands in what is left. False when that has to wait. */
static bool hand_in_rest(Upload *upload)
{
    while (upload->current && upload->status == STATUS_OK) {
        lines_take_last(&upload->lines, upload->current);
        fail_with_lines(upload);
        Slice *slice = upload->current;
        bool is_last = slice->parsed == slice->text_len;
        if (!is_last) {
            if (!turn_over(upload)) {
                return false;
            }
            continue;
        }
        Status status = hand_in(upload, slice);
        if (status != STATUS_OK) {
            return status == STATUS_REFUSED;
        }
        upload->current = NULL;
    }
    return true;
}

bool upload_finish(Upload *upload, RequestThen *then)
{
    gather(upload);
    bool handed_in = hand_in_rest(upload);
    upload->complete = handed_in;
    gather(upload);
    /* Not whether any is in flight: one may have come back since, and would not be told. */
    if (handed_in && !upload->first) {
        return true;
    }
    /* When the server is stopping there is nothing to wait for any more: what is in flight is not counted. */
    return !wait_until(upload, handed_in ? 0 : IN_FLIGHT_MAX - 1, then);
}

UploadEnd upload_end(Upload *upload)
{
    return (UploadEnd){upload->status, upload->error, upload->request->committed_through, &upload->results};
}

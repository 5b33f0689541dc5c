#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "cli/ingest_run.h"

/* ---- Interrupted ------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

void ingest_take_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* What was read is taken in, with the place behind it. */
static Status check_signals(const Ingest *ingest, const IngestFile *file, Error *reterr)
{
    if (!interrupted) {
        return STATUS_OK;
    }
    return error_set(reterr, STATUS_BUSY, "interrupted in %s; %s", file->name,
                     args_has(ingest->args, "to") ? "to send it again is safe"
                                                  : "the same command goes on where it stopped");
}

/* ---- Batches ----------------------------------------------------------------------------------------------------- */

static Status next_batch(Ingest *ingest, Error *reterr)
{
    Status status = ingest_pipeline_take(ingest->pipeline, &ingest->batch, reterr);
    if (status == STATUS_OK) {
        status = ingest_report_batch(ingest, ingest->batch, reterr);
        ingest_batch_reset(ingest->batch);
    }
    return status;
}

/* With what the batch has of the file goes the place behind it. There is room for one: see finish_file. */
static Status commit_batch(Ingest *ingest, const IngestFile *file, uint64_t bytes_read, Error *reterr)
{
    if (file->position.items > 0 && !ingest_batch_put_place(ingest->batch, file, false)) {
        return error_set(reterr, STATUS_BROKEN, "no memory for the place in %s", file->name);
    }
    ingest->batch->bytes_read = ingest->bytes_before + bytes_read;
    ingest_pipeline_commit(ingest->pipeline, ingest->batch);
    ingest->batch = NULL;
    return next_batch(ingest, reterr);
}

/* ---- Items ------------------------------------------------------------------------------------------------------- */

static Status refuse_item(Ingest *ingest, const IngestFile *file, const FileItem *item)
{
    return ingest_batch_refuse(ingest->batch, file, item, &ingest->errors);
}

static Status add_item(Ingest *ingest, const IngestFile *file, const FileItem *item)
{
    buf_reset(&ingest->errors);
    if (!ingest_batch_count_letter(ingest->batch, file, item)) {
        return STATUS_BUSY;
    }
    if (item->too_long) {
        ingest_put_error(&ingest->errors, "is longer than a line may be (http.line_bytes_max)");
        return refuse_item(ingest, file, item);
    }
    Status status = ingest->target->add(ingest->target, ingest->batch, item, file->format, &ingest->errors);
    if (status == STATUS_OK) {
        ingest->batch->entries[ingest->batch->count - 1].file = file;
    }
    return status == STATUS_REFUSED ? refuse_item(ingest, file, item) : status;
}

/* Adds to the batch, or to the next one when this one is full. */
static Status take_item(Ingest *ingest, FileReader *reader, IngestFile *file, const FileItem *item, Error *reterr)
{
    Status status = add_item(ingest, file, item);
    if (status == STATUS_BUSY) {
        if ((status = commit_batch(ingest, file, file_reader_bytes_read(reader), reterr)) != STATUS_OK) {
            return status;
        }
        status = add_item(ingest, file, item);
    }
    if (status == STATUS_BUSY) { /* though the batch has nothing else */
        ingest_batch_reset(ingest->batch);
        buf_reset(&ingest->errors);
        ingest_put_error(&ingest->errors, "needs too much memory");
        status = refuse_item(ingest, file, item);
    }
    if (status != STATUS_OK) {
        return error_set(reterr, STATUS_BROKEN, "%s:%" PRIu64 ": no memory for the record", file->name, item->line);
    }
    file_reader_position(reader, &file->position);
    return STATUS_OK;
}

static Status take_header(Ingest *ingest, IngestFile *file, Str header, Error *reterr)
{
    char *copy = malloc(header.len + 1), *parsed = malloc(header.len + 1); /* which may hold a NUL */
    if (!copy || !parsed) {
        free(copy);
        free(parsed);
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    memcpy(copy, header.ptr, header.len);
    memcpy(parsed, header.ptr, header.len);
    file->header = (Str){copy, header.len};
    Str text = {parsed, header.len}, cells[CSV_COLUMNS_MAX];
    size_t count = 0;
    Status status = csv_line_split(&text, true, cells, &count, reterr);
    if (status == STATUS_OK) {
        status = ingest->target->header(ingest->target, cells, count, reterr);
    }
    free(parsed);
    return status == STATUS_OK ? STATUS_OK : error_prefix(reterr, "%s", file->name);
}

static Status take_items(Ingest *ingest, FileReader *reader, IngestFile *file, Error *reterr)
{
    Status status;
    for (;;) {
        FileItem item;
        bool end;
        if ((status = check_signals(ingest, file, reterr)) != STATUS_OK ||
            (status = file_reader_next(reader, &item, &end, reterr)) != STATUS_OK || end) {
            return status;
        }
        if (file->format == FILE_FORMAT_AUTO) { /* once: whoever commits reads it */
            file->format = file_reader_format(reader);
        }
        bool is_header = file->format == FILE_FORMAT_CSV && !file->header.ptr;
        status =
            is_header ? take_header(ingest, file, item.raw, reterr) : take_item(ingest, reader, file, &item, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

/* ---- Files ------------------------------------------------------------------------------------------------------- */

static Status open_reader(const Ingest *ingest, IngestFile *file, FileReader **ret_reader, Error *reterr)
{
    struct stat info;
    int fd = file->is_input ? STDIN_FILENO : open(file->name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        Status status = error_set(reterr, STATUS_REFUSED, "%s cannot be opened: %s", file->name, strerror(errno));
        if (fd > STDIN_FILENO) {
            close(fd);
        }
        return status;
    }
    file->identity = file_identity(&info);
    return file_reader_open_fd(fd, file->name, ingest->format, ingest->item_bytes_max, ret_reader, reterr);
}

static uint64_t records_before(const FilePosition *position)
{
    return position->items - (position->format == FILE_FORMAT_CSV);
}

/* The bar begins where the file goes on; the time that is left goes by what this run does. */
static void note_before(Ingest *ingest, IngestFile *file, const FilePosition *position, uint64_t bytes)
{
    file->position = *position;
    ingest->before += records_before(position);
    ingest->progress.behind += bytes;
}

/* Goes on where an earlier run stopped, if it is the same file. */
static Status resume(Ingest *ingest, IngestFile *file, const FileMark *mark, FileReader **reader, Error *reterr)
{
    char number[COUNT_BYTES_MAX];
    bool unchanged = file_identity_equal(&mark->file, &file->identity);
    FileResume resume = FILE_RESUME_ON_THE_WAY;
    while (resume == FILE_RESUME_ON_THE_WAY) {
        Status status = check_signals(ingest, file, reterr);
        if (status != STATUS_OK ||
            (status = file_reader_resume(*reader, &mark->position, unchanged, &resume, reterr)) != STATUS_OK) {
            return status;
        }
    }
    if (resume == FILE_RESUME_ELSEWHERE) {
        ingest_say(ingest, "%s has changed: reading it from the beginning", file->name);
        file_reader_close(*reader);
        *reader = NULL;
        return open_reader(ingest, file, reader, reterr);
    }
    bool is_json = mark->position.format == FILE_FORMAT_JSON; /* often all on one line */
    ingest_say(ingest, "resuming %s %s %s", file->name, is_json ? "behind record" : "at line",
               count_format(is_json ? mark->position.items : mark->position.line, number));
    note_before(ingest, file, &mark->position, file_reader_bytes_read(*reader));
    file->format = file_reader_format(*reader);
    return file->format == FILE_FORMAT_CSV ? take_header(ingest, file, file_reader_header(*reader), reterr) : STATUS_OK;
}

static Status finish_file(Ingest *ingest, FileReader *reader, IngestFile *file, Error *reterr)
{
    bool is_full = ingest->batch->place_count >= INGEST_BATCH_PLACES_MAX - 1; /* commit_batch needs one */
    Status status = is_full ? commit_batch(ingest, file, file_reader_bytes_read(reader), reterr) : STATUS_OK;
    return status == STATUS_OK && !ingest_batch_put_place(ingest->batch, file, true)
               ? error_set(reterr, STATUS_BROKEN, "no memory for the place in %s", file->name)
               : status;
}

static Status take_rest(Ingest *ingest, FileReader *reader, IngestFile *file, Error *reterr)
{
    Status status = take_items(ingest, reader, file, reterr);
    if (status == STATUS_OK) {
        status = finish_file(ingest, reader, file, reterr);
    } else if (ingest->batch && file->position.items > 0 && !ingest_batch_put_place(ingest->batch, file, false)) {
        error_prefix(reterr, "no memory for the place in %s", file->name);
    }
    ingest->bytes_before += file_reader_bytes_read(reader);
    return status;
}

static Status take_file(Ingest *ingest, IngestFile *file, Error *reterr)
{
    FileReader *reader = NULL;
    FileMark mark;
    bool known = !ingest->from_start && file->path.len > 0 &&
                 ingest->target->find_place(ingest->target, file->path, &mark) && mark.position.items > 0;
    Status status = open_reader(ingest, file, &reader, reterr);
    if (status == STATUS_OK && known && mark.finished && file_identity_equal(&mark.file, &file->identity)) {
        ingest_say(ingest, "%s was taken in before and has not changed (--from-start reads it again)", file->name);
        note_before(ingest, file, &mark.position, file->identity.size);
        ingest->bytes_before += file->identity.size;
    } else {
        status = status == STATUS_OK && known ? resume(ingest, file, &mark, &reader, reterr) : status;
        status = status == STATUS_OK ? take_rest(ingest, reader, file, reterr) : status;
    }
    file_reader_close(reader);
    return status;
}

Status ingest_take_files(Ingest *ingest, Error *reterr)
{
    Status status = next_batch(ingest, reterr);
    for (size_t i = 0; i < args_operand_count(ingest->args) && status == STATUS_OK; i++) {
        status = take_file(ingest, &ingest->files[i], reterr);
    }
    if (ingest->batch) {
        ingest->batch->bytes_read = ingest->bytes_before;
        ingest_pipeline_commit(ingest->pipeline, ingest->batch);
        ingest->batch = NULL;
    }
    Error error;
    for (IngestBatch *batch; (batch = ingest_pipeline_drain(ingest->pipeline));) {
        if (ingest_report_batch(ingest, batch, &error) != STATUS_OK && status == STATUS_OK) {
            status = error_set(reterr, error.status, "%s", error.message);
        }
        ingest_batch_reset(batch);
    }
    return status == STATUS_OK ? ingest_pipeline_status(ingest->pipeline, reterr) : status;
}

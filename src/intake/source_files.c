/* Files that are dropped into a directory, one after another, the oldest first. docs/sources.md is its manual.
 *
 * What became of a line is known when its group is acknowledged, and only then does it go into the report. So the place
 * that is stored with a group is the one behind the groups that were acknowledged before, together with the report's
 * length: after a crash the last groups come again, which is harmless, and the report misses nothing and says nothing
 * twice. For the same reason a file needs no mark that says it is finished before it is moved: it is gone on with,
 * comes to its end, and is moved. Once it is away its place says so, or another file's replaces it: of a file that
 * somebody puts back all is read, and not only what is behind its last place. One place is enough, since files are read
 * one at a time. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/wakeup.h"
#include "intake/drop_current.h"
#include "intake/drop_report.h"
#include "intake/source.h"

#define PART STR("file")

enum { FILES_AT_ONCE_MAX = 64 }; /* that are finished in one call */

typedef struct FilesSource {
    Source base;
    SourceContext context;
    DropDirOptions dir_options;
    DropDir *dir; /* NULL: not connected */
    Wakeup wakeup;
    bool is_open;
    DropCurrent current;
    DropReport report;
    bool has_mark; /* of a file that was begun before, or is finished and the store does not know */
    FileMark mark;
    char mark_name[FILE_MARK_NAME_BYTES_MAX + 1];
    uint64_t failed_count;
    char failed[400]; /* the last one, and why */
    char notice[ERROR_MESSAGE_BYTES_MAX];
} FilesSource;

static FilesSource *of(Source *source) { return (FilesSource *)source; }

/* ---- The file that is being read --------------------------------------------------------------------------------- */

static void remember(FilesSource *source, const FileMark *mark)
{
    size_t len = mark->name.len < sizeof source->mark_name ? mark->name.len : sizeof source->mark_name - 1;
    memmove(source->mark_name, mark->name.ptr, len);
    source->mark_name[len] = '\0';
    source->mark = *mark;
    source->mark.name = (Str){source->mark_name, len};
    source->has_mark = true;
}

static FileMark mark_of(const FilesSource *source)
{
    return (FileMark){.file = source->current.file.identity,
                      .position = source->current.acknowledged,
                      .report_bytes = source->report.bytes,
                      .name = str_from(source->current.file.name)};
}

/* What is acknowledged is known here, too, and better than by the place that was stored. */
static void leave_file(FilesSource *source, bool remembers)
{
    if (source->is_open && remembers && source->current.acknowledged.items > 0) {
        FileMark mark = mark_of(source);
        remember(source, &mark);
    }
    file_reader_close(source->current.reader);
    drop_report_reset(&source->report);
    source->current = (DropCurrent){.file.fd = -1};
    source->is_open = false;
}

static Status open_reader(FilesSource *source, Error *reterr)
{
    DropCurrent *current = &source->current;
    int fd = current->file.fd;
    current->file.fd = -1;
    if (fd < 0) {
        current->at_end = true;
        error_set(&current->trouble, STATUS_REFUSED, "%s cannot be opened: permission denied", current->shown);
        return STATUS_OK;
    }
    return file_reader_open_fd(fd, current->shown, FILE_FORMAT_AUTO, source->context.options->message_bytes_max,
                               &current->reader, reterr);
}

/* It is not the file that was begun, or its report is not there: all of it comes again. */
static Status begin_anew(FilesSource *source, Error *reterr)
{
    DropCurrent *current = &source->current;
    bool there;
    file_reader_close(current->reader);
    current->reader = NULL;
    Status status = drop_dir_open_again(source->dir, &current->file, reterr);
    if (status == STATUS_OK) {
        status = open_reader(source, reterr);
    }
    return status == STATUS_OK
               ? drop_report_go_on(&source->report, source->dir, current->file.name, current->number, 0, &there, reterr)
               : status;
}

/* A step towards the place, which the store keeps meanwhile. */
static Status go_on(FilesSource *source, Error *reterr)
{
    DropCurrent *current = &source->current;
    const FileMark *mark = &source->mark;
    FileResume resume;
    bool unchanged = file_identity_equal(&mark->file, &current->file.identity), report_there = false;
    Status status = file_reader_resume(current->reader, &mark->position, unchanged, &resume, reterr);
    if (status != STATUS_OK || resume == FILE_RESUME_ON_THE_WAY) {
        return status;
    }
    if (resume == FILE_RESUME_THERE) {
        status = drop_report_go_on(&source->report, source->dir, current->file.name, current->number,
                                   mark->report_bytes, &report_there, reterr);
    }
    if (status == STATUS_OK && report_there) {
        current->acknowledged = current->behind = mark->position;
    } else if (status == STATUS_OK) {
        status = begin_anew(source, reterr);
    }
    current->resuming = source->has_mark = status != STATUS_OK;
    return status;
}

static Status begin_file(FilesSource *source, const DropFile *file, Error *reterr)
{
    DropCurrent *current = &source->current;
    bool there;
    *current = (DropCurrent){.file = *file};
    source->is_open = true;
    drop_current_show_name(current);
    Status status = drop_dir_number(source->dir, file->name, &current->number, reterr);
    if (status == STATUS_OK) {
        status = open_reader(source, reterr);
    } else if (file->fd >= 0) {
        close(file->fd);
    }
    bool known = source->has_mark && !source->mark.finished && str_is(source->mark.name, file->name) &&
                 source->mark.file.inode == file->identity.inode && source->mark.position.items > 0;
    current->resuming = known && current->reader;
    if (status == STATUS_OK && !current->resuming) {
        status = drop_report_go_on(&source->report, source->dir, file->name, current->number, 0, &there, reterr);
    }
    if (status != STATUS_OK) {
        leave_file(source, false);
        return status;
    }
    source->has_mark = current->resuming;
    return STATUS_OK;
}

/* ---- The end of a file ------------------------------------------------------------------------------------------- */

static void note(FilesSource *source)
{
    const char *unfinished = source->dir ? drop_dir_unfinished(source->dir) : "";
    size_t at = 0, size = sizeof source->notice;
    if (source->failed_count > 0) {
        at = (size_t)snprintf(source->notice, size,
                              "%" PRIu64 " file%s went to failed/ since the start, with a report; the last one is %s%s",
                              source->failed_count, source->failed_count == 1 ? "" : "s", source->failed,
                              unfinished[0] ? "; " : "");
    }
    at = at < size ? at : size - 1;
    snprintf(source->notice + at, size - at, "%s%s", unfinished,
             unfinished[0] ? " waits until whoever writes it has closed it" : "");
    source->base.notice = str_from(source->notice);
}

static void note_failed(FilesSource *source)
{
    const char *why = source->current.trouble.message;
    source->failed_count++;
    snprintf(source->failed, sizeof source->failed, "%.200s%s%.150s", source->current.shown, why[0] ? ": " : "", why);
}

/* It is away: put_end tells the store. */
static void leave_moved(FilesSource *source)
{
    FileMark mark = mark_of(source);
    if (source->report.bytes > 0) {
        note_failed(source);
    }
    mark.finished = true;
    remember(source, &mark);
    leave_file(source, false);
}

/* Whatever was written to it after its end was read is read, too: it is a file that waits. */
static Status finish_file(FilesSource *source, Error *reterr)
{
    DropCurrent *current = &source->current;
    bool failed = source->report.bytes > 0, moved = false;
    if (!drop_dir_is_unchanged(source->dir, &current->file)) {
        leave_file(source, true);
        return STATUS_OK;
    }
    Status status = failed ? drop_report_sync(&source->report, reterr) : STATUS_OK;
    if (status == STATUS_OK) {
        status = drop_dir_move(source->dir, &current->file, current->number, failed, &moved, reterr);
    }
    if (status == STATUS_OK && moved) {
        leave_moved(source);
    } else if (status == STATUS_OK) {
        leave_file(source, true);
    }
    return status;
}

/* ---- Groups ------------------------------------------------------------------------------------------------------ */

static Status put_place(SourceGroup *group, const FileMark *mark, Error *reterr)
{
    char text[SOURCE_MARK_BYTES_MAX];
    Str mark_text = {text, file_mark_format(mark, text)};
    return source_group_put_place(group, PART, (int64_t)mark->position.offset, mark_text, reterr);
}

/* The place is the one behind what was acknowledged: see above. */
static Status hand_over(FilesSource *source, SourceGroup *group, Error *reterr)
{
    DropCurrent *current = &source->current;
    FileMark mark = mark_of(source);
    Status status = put_place(group, &mark, reterr);
    if (status == STATUS_OK) {
        current->pending[(current->pending_first + current->pending_count++) % DROP_PENDING_MAX] = current->behind;
    }
    return status;
}

/* What the file has for the group. */
static Status take_from_file(FilesSource *source, SourceGroup *group, Error *reterr)
{
    Status status = drop_current_fill(&source->current, source->context.options->message_bytes_max, group, reterr);
    return status == STATUS_OK && group->count > 0 ? hand_over(source, group, reterr) : status;
}

/* Nothing waits. A file that was begun and is not there any more was moved by a process that ended before it could tell
 * the store, or somebody took it away: no matter which, should it come back. */
static Status put_end(FilesSource *source, SourceGroup *group, Error *reterr)
{
    FileMark *mark = &source->mark;
    mark->finished = mark->finished || !drop_dir_has(source->dir, source->mark_name);
    Status status = mark->finished ? put_place(group, mark, reterr) : STATUS_OK;
    source->has_mark = !mark->finished || status != STATUS_OK;
    return status;
}

/* The one that was begun goes before the others. */
static Status next_file(FilesSource *source, bool *ret_any, Error *reterr)
{
    DropFile file;
    Status status = STATUS_OK;
    *ret_any = false;
    if (source->has_mark && !source->mark.finished) {
        status = drop_dir_try(source->dir, source->mark_name, &file, ret_any, reterr);
    }
    if (status == STATUS_OK && !*ret_any) {
        status = drop_dir_next(source->dir, &file, ret_any, reterr);
    }
    return status == STATUS_OK && *ret_any ? begin_file(source, &file, reterr) : status;
}

/* *ret_any is false when there is nothing more to do just now. */
static Status take_step(FilesSource *source, SourceGroup *group, bool *ret_any, Error *reterr)
{
    Status status = source->current.resuming ? go_on(source, reterr) : STATUS_OK;
    if (status != STATUS_OK || source->current.resuming) {
        *ret_any = false;
        return status;
    }
    status = take_from_file(source, group, reterr);
    if (status == STATUS_OK && group->count == 0) {
        *ret_any = drop_current_is_finished(&source->current);
        status = *ret_any ? finish_file(source, reterr) : STATUS_OK;
    }
    return status;
}

static Status take(FilesSource *source, SourceGroup *group, Error *reterr)
{
    Status status = STATUS_OK;
    bool any = true;
    for (int i = 0; status == STATUS_OK && any && group->count == 0 && i < FILES_AT_ONCE_MAX; i++) {
        if (!source->is_open) {
            status = next_file(source, &any, reterr);
        }
        if (status == STATUS_OK && source->is_open) {
            status = take_step(source, group, &any, reterr);
        }
    }
    bool is_idle = status == STATUS_OK && !any && !source->is_open;
    return is_idle && source->has_mark ? put_end(source, group, reterr) : status;
}

static Status fetch(Source *base, SourceGroup *group, Error *reterr)
{
    FilesSource *source = of(base);
    Status status = drop_dir_listen(source->dir, reterr);
    if (status == STATUS_OK && group && source->current.pending_count < DROP_PENDING_MAX) {
        status = take(source, group, reterr);
        note(source);
    }
    return status;
}

/* ---- Acknowledged ------------------------------------------------------------------------------------------------ */

static void describe_conflict(const SourceMessage *message, Buf *text)
{
    bool any = false;
    BUF_PUT(text, "a record is stored under the same id, and differs in ");
    for (unsigned bit = 0; bit < RECORD_FIELD_COUNT; bit++) {
        if (message->differs & (1u << bit)) {
            buf_put(text, any ? STR(", ") : STR(""));
            buf_put(text, str_from(record_field_names[bit]));
            any = true;
        }
    }
}

/* Why it was not taken in; empty when it was. */
static Str describe(const SourceMessage *message, Buf *text)
{
    buf_reset(text);
    switch (message->outcome) {
    case OUTCOME_CREATED:
    case OUTCOME_DUPLICATE: return STR("");
    case OUTCOME_CONFLICT: describe_conflict(message, text); return buf_str(text);
    case OUTCOME_REJECTED: return STR("a total of its flow would be too large");
    case OUTCOME_NONE: break;
    }
    return message->error.len ? message->error : message->refused.len ? message->refused : STR("is no record");
}

static void report(FilesSource *source, const SourceGroup *group)
{
    Str header = source->current.reader ? file_reader_header(source->current.reader) : (Str){0};
    Buf text;
    buf_init(&text, ERROR_MESSAGE_BYTES_MAX);
    for (size_t i = 0; i < group->count; i++) {
        const SourceMessage *message = &group->messages[i];
        Str why = describe(message, &text), raw = message->raw;
        uint64_t line = 0;
        size_t skipped = header.ptr ? header.len + 1 : 0;
        if (why.len > 0 && str_to_u64(message->token, UINT64_MAX, &line)) {
            raw = raw.len >= skipped ? (Str){raw.ptr + skipped, raw.len - skipped} : raw;
            drop_report_add(&source->report, line, why, raw);
        }
    }
    buf_release(&text);
}

static Status acknowledge(Source *base, const SourceGroup *group, Error *reterr)
{
    FilesSource *source = of(base);
    DropCurrent *current = &source->current;
    if (group->count == 0 || !source->is_open || current->pending_count == 0) { /* put_end's has nothing of the file */
        return STATUS_OK;
    }
    report(source, group);
    Status status = drop_report_write(&source->report, source->dir, current->file.name, current->number, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    current->acknowledged = current->pending[current->pending_first];
    current->pending_first = (current->pending_first + 1) % DROP_PENDING_MAX;
    current->pending_count--;
    return drop_current_is_finished(current) ? finish_file(source, reterr) : STATUS_OK;
}

/* ---- Connecting -------------------------------------------------------------------------------------------------- */

/* What this source knows itself is newer than the place, unless that was forgotten meanwhile. */
static void take_place(FilesSource *source, const SourcePlace *places, size_t count)
{
    FileMark mark;
    bool stored = false;
    for (size_t i = 0; i < count; i++) {
        if (str_equal(places[i].part, PART) && file_mark_parse(places[i].mark, places[i].next, &mark)) {
            stored = true;
            if (!source->has_mark && !mark.finished) {
                remember(source, &mark);
            }
        }
    }
    source->has_mark = source->has_mark && stored;
}

static Status connect(Source *base, const SourcePlace *places, size_t count, Error *reterr)
{
    FilesSource *source = of(base);
    leave_file(source, true);
    drop_dir_close(source->dir);
    source->dir = NULL;
    take_place(source, places, count);
    return drop_dir_open(&source->dir_options, &source->dir, reterr);
}

/* ---- Waiting ----------------------------------------------------------------------------------------------------- */

static int64_t wait_us_of(const FilesSource *source, int64_t us_max)
{
    int64_t due_us = source->current.resuming          ? 0
                     : source->dir && !source->is_open ? drop_dir_due_us(source->dir)
                                                       : INT64_MAX;
    int64_t left_us = due_us - clock_monotonic_us(source->context.clock);
    return left_us < 0 ? 0 : left_us < us_max ? left_us : us_max;
}

static void wait_for(Source *base, int64_t us_max)
{
    FilesSource *source = of(base);
    int dir_fd = source->dir ? drop_dir_fd(source->dir) : -1;
    wakeup_wait_beside(&source->wakeup, dir_fd, POLLIN, wait_us_of(source, us_max));
}

static void wake(Source *base) { wakeup_call(&of(base)->wakeup); }

static void lag(const Source *base, SourceLag *ret_lag)
{
    const FilesSource *source = (const FilesSource *)base;
    int64_t oldest_us = 0;
    size_t waiting = source->dir ? drop_dir_waiting(source->dir, &oldest_us) : 0;
    if (source->is_open) {
        oldest_us = (int64_t)(source->current.file.identity.changed_ns / 1000);
    }
    ret_lag->messages = source->dir && !source->is_open && waiting == 0 ? 0 : -1; /* nobody has counted lines */
    ret_lag->oldest_us = oldest_us;
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

static void close_source(Source *base)
{
    FilesSource *source = of(base);
    leave_file(source, false);
    drop_dir_close(source->dir);
    drop_report_release(&source->report);
    wakeup_release(&source->wakeup);
    free(source);
}

static const SourceOps files_ops = {
    .connect = connect,
    .fetch = fetch,
    .acknowledge = acknowledge,
    .wait = wait_for,
    .wake = wake,
    .lag = lag,
    .close = close_source,
};

Status source_files_open(const SourceContext *context, Source **ret_source, Error *reterr)
{
    FilesSource *source = calloc(1, sizeof *source);
    if (!source) {
        return error_set(reterr, STATUS_BUSY, "no memory for a source");
    }
    source->base.ops = &files_ops;
    source->context = *context;
    source->dir_options = (DropDirOptions){.path = context->options->dir,
                                           .patterns = context->options->pattern,
                                           .keep_done = context->options->keep_done,
                                           .clock = context->clock};
    source->current.file.fd = -1;
    drop_report_init(&source->report);
    Status status = wakeup_init(&source->wakeup, reterr);
    if (status != STATUS_OK) {
        close_source(&source->base);
        return status;
    }
    *ret_source = &source->base;
    return STATUS_OK;
}

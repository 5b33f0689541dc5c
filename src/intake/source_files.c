/* Files that are dropped into a directory, one after another, the oldest first. docs/sources.md is its manual.
 *
 * What became of a line is known when its group is acknowledged, and only then does it go into the report. So the place that is stored with
 * a group is the one behind the groups that were acknowledged before, together with the report's length: after a crash the last groups come
 * again, which is harmless, and the report misses nothing and says nothing twice. For the same reason a file needs no mark that says it is
 * finished: it is gone on with, comes to its end, and is moved. One place is enough, since files are read one at a time. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/wakeup.h"
#include "intake/drop_report.h"
#include "intake/source.h"
#include "record/record_json.h"

#define PART STR("file")

enum {
    PENDING_MAX = 8,           /* groups that were handed over and not acknowledged */
    FILES_AT_ONCE_MAX = 64,    /* that are finished in one call */
    REST_BYTES_MAX = 64 << 10, /* of what cannot be cut, in its dead letter */
    SHOWN_BYTES_MAX = 2 * FILE_MARK_NAME_BYTES_MAX + 2,
};

/* The file that is being read. */
typedef struct Current {
    DropFile file;
    FileReader *reader;                      /* NULL when it cannot be read at all */
    char shown[SHOWN_BYTES_MAX];             /* its name in UTF-8 */
    unsigned number;                         /* under which it goes to done/ or failed/ */
    FilePosition acknowledged, behind, read; /* what is in the store; what was handed over; what was read */
    FilePosition pending[PENDING_MAX];
    size_t pending_first, pending_count;
    FileItem item; /* that found no room in the last group */
    bool has_item, at_end;
    Error trouble; /* why it cannot be read on; its message is empty when it can */
    bool told;     /* the trouble is in a group */
} Current;

typedef struct FilesSource {
    Source base;
    SourceContext context;
    DropDirOptions dir_options;
    DropDir *dir; /* NULL: not connected */
    Wakeup wakeup;
    bool is_open;
    Current current;
    DropReport report;
    bool has_mark; /* of a file that was begun before */
    FileMark mark;
    char mark_name[FILE_MARK_NAME_BYTES_MAX + 1];
    uint64_t failed_count;
    char notice[ERROR_MESSAGE_BYTES_MAX];
} FilesSource;

static FilesSource *of(Source *source) { return (FilesSource *)source; }

/* ---- The file that is being read ------------------------------------------------------------------------------------- */

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
    source->current = (Current){.file.fd = -1};
    source->is_open = false;
}

/* Bytes that are no UTF-8 as question marks. */
static void show_name(Current *current)
{
    const char *name = current->file.name;
    bool is_text = str_count_code_points(str_from(name)) >= 0;
    size_t i = 0;
    for (; name[i]; i++) {
        current->shown[i] = is_text || (unsigned char)name[i] < 0x80 ? name[i] : '?';
    }
    current->shown[i] = '\0';
}

static Status open_reader(FilesSource *source, Error *reterr)
{
    Current *current = &source->current;
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
    Current *current = &source->current;
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

static Status go_on(FilesSource *source, Error *reterr)
{
    Current *current = &source->current;
    const FileMark *mark = &source->mark;
    bool unchanged = file_identity_equal(&mark->file, &current->file.identity), there = false, report_there = false;
    Status status = file_reader_resume(current->reader, &mark->position, unchanged, &there, reterr);
    if (status == STATUS_OK && there) {
        status = drop_report_go_on(&source->report, source->dir, current->file.name, current->number,
                                   mark->report_bytes, &report_there, reterr);
    }
    if (status == STATUS_OK && !(there && report_there)) {
        return begin_anew(source, reterr);
    }
    current->acknowledged = current->behind = mark->position;
    return status;
}

static Status begin_file(FilesSource *source, const DropFile *file, Error *reterr)
{
    Current *current = &source->current;
    bool there;
    *current = (Current){.file = *file};
    source->is_open = true;
    show_name(current);
    Status status = drop_dir_number(source->dir, file->name, &current->number, reterr);
    if (status == STATUS_OK) {
        status = open_reader(source, reterr);
    } else if (file->fd >= 0) {
        close(file->fd);
    }
    bool known = source->has_mark && str_is(source->mark.name, file->name) &&
                 source->mark.file.inode == file->identity.inode && source->mark.position.items > 0;
    if (status == STATUS_OK) {
        status = known && current->reader
                     ? go_on(source, reterr)
                     : drop_report_go_on(&source->report, source->dir, file->name, current->number, 0, &there, reterr);
    }
    if (status != STATUS_OK) {
        leave_file(source, false);
        return status;
    }
    source->has_mark = false;
    return STATUS_OK;
}

/* ---- The end of a file ----------------------------------------------------------------------------------------------- */

static void note_failed(FilesSource *source)
{
    const char *why = source->current.trouble.message;
    snprintf(source->notice, sizeof source->notice,
             "%" PRIu64 " files went to failed/ since the start, with a report; the last one is %.200s%s%.200s",
             ++source->failed_count, source->current.shown, why[0] ? ": " : "", why);
    source->base.notice = str_from(source->notice);
}

/* Whatever was written to it after its end was read is read, too: it is a file that waits. */
static Status finish_file(FilesSource *source, Error *reterr)
{
    Current *current = &source->current;
    bool failed = source->report.bytes > 0;
    if (!drop_dir_is_unchanged(source->dir, &current->file)) {
        leave_file(source, true);
        return STATUS_OK;
    }
    Status status = failed ? drop_report_sync(&source->report, reterr) : STATUS_OK;
    if (status == STATUS_OK) {
        status = drop_dir_move(source->dir, &current->file, current->number, failed, reterr);
    }
    if (status == STATUS_OK) {
        if (failed) {
            note_failed(source);
        }
        leave_file(source, false);
    }
    return status;
}

static bool is_finished(const Current *current)
{
    return current->at_end && !current->has_item && current->pending_count == 0 &&
           (!current->trouble.message[0] || current->told);
}

/* ---- Items become messages ------------------------------------------------------------------------------------------- */

static Status add(FilesSource *source, SourceGroup *group, uint64_t line, Str raw, bool is_csv, Str refused,
                  Error *reterr)
{
    char place[SHOWN_BYTES_MAX + 24], token[24];
    int place_len = snprintf(place, sizeof place, "%s:%" PRIu64, source->current.shown, line);
    int token_len = snprintf(token, sizeof token, "%" PRIu64, line);
    const SourceMessage message = {.raw = raw,
                                   .place = {place, (size_t)place_len},
                                   .token = {token, (size_t)token_len},
                                   .format = is_csv ? SOURCE_FORMAT_CSV : SOURCE_FORMAT_JSON,
                                   .refused = refused};
    return source_group_add(group, &message, reterr);
}

/* A CSV line says nothing without its header. */
static Status add_csv(FilesSource *source, SourceGroup *group, const FileItem *item, Str refused, Error *reterr)
{
    Str header = file_reader_header(source->current.reader);
    char *text = arena_alloc(&group->arena, header.len + 1 + item->raw.len);
    if (!text) {
        return error_set(reterr, STATUS_BUSY, "no memory for messages");
    }
    memcpy(text, header.ptr, header.len);
    text[header.len] = '\n';
    if (item->raw.len > 0) {
        memcpy(text + header.len + 1, item->raw.ptr, item->raw.len);
    }
    return add(source, group, item->line, (Str){text, header.len + 1 + item->raw.len}, true, refused, reterr);
}

static Status add_item(FilesSource *source, SourceGroup *group, const FileItem *item, Error *reterr)
{
    char why[96];
    if (file_reader_format(source->current.reader) == FILE_FORMAT_CSV) {
        return add_csv(source, group, item, STR(""), reterr);
    }
    int len = snprintf(why, sizeof why, "is longer than the %zu bytes of message_bytes_max; this is its beginning",
                       source->context.options->message_bytes_max);
    return add(source, group, item->line, item->raw, false, (Str){why, item->too_long ? (size_t)len : 0}, reterr);
}

/* Without its columns nothing of the file can be a record: that is said once, and not for each line. */
static Status check_header(Str raw, Error *reterr)
{
    Str cells[CSV_COLUMNS_MAX];
    size_t count = 0;
    CsvHeader header;
    char *copy = malloc(raw.len + 1);
    if (!copy) {
        return error_set(reterr, STATUS_BUSY, "no memory for the header of a file");
    }
    memcpy(copy, raw.ptr, raw.len);
    Str text = {copy, raw.len};
    Status status = csv_line_split(&text, true, cells, &count, reterr);
    if (status == STATUS_OK) {
        status = csv_header_parse(cells, count, &(RecordPolicy){0}, &header, reterr);
    }
    free(copy);
    return status;
}

static Status read_item(Current *current, Error *reterr)
{
    bool end = false;
    Status status = file_reader_next(current->reader, &current->item, &end, reterr);
    if (status != STATUS_OK || end) {
        current->at_end = status != STATUS_BUSY;
        return status;
    }
    file_reader_position(current->reader, &current->read);
    if (current->read.format == FILE_FORMAT_CSV && current->read.items == 1) {
        status = check_header(current->item.raw, reterr);
        current->at_end = status == STATUS_REFUSED;
        current->behind = status == STATUS_OK ? current->read : current->behind;
        return status;
    }
    current->has_item = true;
    return STATUS_OK;
}

/* BUSY: no memory. What is wrong with the file itself becomes its trouble. */
static Status read_on(Current *current, Error *reterr)
{
    Error error = {0};
    Status status = read_item(current, &error);
    if (status == STATUS_BUSY) {
        return error_set(reterr, status, "%s", error.message);
    }
    current->trouble = error;
    return STATUS_OK;
}

static size_t message_bytes(const Current *current)
{
    Str header = file_reader_header(current->reader);
    return current->item.raw.len + (header.ptr ? header.len + 1 : 0);
}

/* What could not be cut any further, or the beginning of that, as one message. */
static Status add_trouble(FilesSource *source, SourceGroup *group, Error *reterr)
{
    Current *current = &source->current;
    FileItem item = {.line = 1};
    Str why = str_from(current->trouble.message);
    if (current->reader) {
        item.raw = file_reader_rest(current->reader);
        item.raw.len = item.raw.len > REST_BYTES_MAX ? REST_BYTES_MAX : item.raw.len;
        item.line = file_reader_line(current->reader);
    }
    Str header = current->reader ? file_reader_header(current->reader) : (Str){0};
    if (!source_group_has_room(group, item.raw.len + header.len + 1)) {
        return STATUS_OK;
    }
    bool is_header = header.ptr && current->behind.items == 0;
    item.line = is_header ? 1 : item.line;
    Status status = header.ptr ? add_csv(source, group, &item, why, reterr)
                               : add(source, group, item.line, item.raw, false, why, reterr);
    current->told = status == STATUS_OK;
    return status;
}

static Status fill(FilesSource *source, SourceGroup *group, Error *reterr)
{
    Current *current = &source->current;
    Status status = STATUS_OK;
    while (status == STATUS_OK && (current->has_item || !current->at_end)) {
        if (!current->has_item) {
            status = read_on(current, reterr);
        } else if (source_group_has_room(group, message_bytes(current))) {
            status = add_item(source, group, &current->item, reterr);
            current->has_item = status != STATUS_OK;
            current->behind = current->has_item ? current->behind : current->read;
        } else {
            return STATUS_OK;
        }
    }
    if (status == STATUS_OK && current->trouble.message[0] && !current->told) {
        status = add_trouble(source, group, reterr);
    }
    return status;
}

/* ---- Groups ---------------------------------------------------------------------------------------------------------- */

/* The place is the one behind what was acknowledged: see above. */
static Status hand_over(FilesSource *source, SourceGroup *group, Error *reterr)
{
    Current *current = &source->current;
    char text[SOURCE_MARK_BYTES_MAX];
    FileMark mark = mark_of(source);
    Str mark_text = {text, file_mark_format(&mark, text)};
    Status status = source_group_put_place(group, PART, (int64_t)mark.position.offset, mark_text, reterr);
    if (status == STATUS_OK) {
        current->pending[(current->pending_first + current->pending_count++) % PENDING_MAX] = current->behind;
    }
    return status;
}

/* What the file has for the group. */
static Status take_from_file(FilesSource *source, SourceGroup *group, Error *reterr)
{
    Status status = fill(source, group, reterr);
    return status == STATUS_OK && group->count > 0 ? hand_over(source, group, reterr) : status;
}

/* The one that was begun goes before the others. */
static Status next_file(FilesSource *source, bool *ret_any, Error *reterr)
{
    DropFile file;
    Status status = STATUS_OK;
    *ret_any = false;
    if (source->has_mark) {
        status = drop_dir_try(source->dir, source->mark_name, &file, ret_any, reterr);
    }
    if (status == STATUS_OK && !*ret_any) {
        status = drop_dir_next(source->dir, &file, ret_any, reterr);
    }
    return status == STATUS_OK && *ret_any ? begin_file(source, &file, reterr) : status;
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
            status = take_from_file(source, group, reterr);
        }
        if (status == STATUS_OK && source->is_open && group->count == 0) {
            any = is_finished(&source->current);
            status = any ? finish_file(source, reterr) : STATUS_OK;
        }
    }
    return status;
}

static Status fetch(Source *base, SourceGroup *group, Error *reterr)
{
    FilesSource *source = of(base);
    Status status = drop_dir_listen(source->dir, reterr);
    return status == STATUS_OK && group && source->current.pending_count < PENDING_MAX ? take(source, group, reterr)
                                                                                       : status;
}

/* ---- Acknowledged ---------------------------------------------------------------------------------------------------- */

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
    Current *current = &source->current;
    if (!source->is_open || current->pending_count == 0) {
        return STATUS_OK;
    }
    report(source, group);
    Status status = drop_report_write(&source->report, source->dir, current->file.name, current->number, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    current->acknowledged = current->pending[current->pending_first];
    current->pending_first = (current->pending_first + 1) % PENDING_MAX;
    current->pending_count--;
    return is_finished(current) ? finish_file(source, reterr) : STATUS_OK;
}

/* ---- Connecting ------------------------------------------------------------------------------------------------------ */

/* What this source knows itself is newer than the place, unless that was forgotten meanwhile. */
static void take_place(FilesSource *source, const SourcePlace *places, size_t count)
{
    FileMark mark;
    bool stored = false;
    for (size_t i = 0; i < count; i++) {
        if (str_equal(places[i].part, PART) && file_mark_parse(places[i].mark, places[i].next, &mark)) {
            stored = true;
            if (!source->has_mark) {
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

/* ---- Waiting --------------------------------------------------------------------------------------------------------- */

static int64_t wait_us_of(const FilesSource *source, int64_t us_max)
{
    int64_t due_us = source->dir && !source->is_open ? drop_dir_due_us(source->dir) : INT64_MAX;
    int64_t left_us = due_us - clock_monotonic_us(source->context.clock);
    return left_us < 0 ? 0 : left_us < us_max ? left_us : us_max;
}

static void wait_for(Source *base, int64_t us_max)
{
    FilesSource *source = of(base);
    int64_t us = wait_us_of(source, us_max);
    struct pollfd waiting[] = {{.fd = source->wakeup.fd, .events = POLLIN},
                               {.fd = source->dir ? drop_dir_fd(source->dir) : -1, .events = POLLIN}};
    if (poll(waiting, 2, (int)((us + 999) / 1000)) > 0 && waiting[0].revents) {
        wakeup_clear(&source->wakeup);
    }
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

/* ---- Life ------------------------------------------------------------------------------------------------------------ */

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

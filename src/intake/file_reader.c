#include "intake/file_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <xxhash.h>

#include "intake/file_text.h"
#include "record/record_json.h"

enum { READ_BYTES = 1 << 18, SHOWN_BYTES_MAX = 200, AT_END = -1 };

typedef enum JsonState { JSON_BEGIN, JSON_ARRAY_FIRST, JSON_ARRAY_NEXT, JSON_SEQUENCE, JSON_DONE } JsonState;

struct FileReader {
    const char *name; /* for messages */
    FileText *file;
    FileFormat format;
    size_t item_bytes_max;
    char *text; /* owns */
    size_t capacity, at, end;
    bool begun, resuming;
    bool ended;         /* the file is read to its end */
    uint64_t line;      /* of the byte at `at` */
    uint64_t text_read; /* bytes of the text, up to `end` */
    JsonState json;
    FilePosition position;
    Str header;                  /* owns */
    char shown[SHOWN_BYTES_MAX]; /* the beginning of a line that was too long */
};

static FileFormat format_of_name(const char *path)
{
    static const struct {
        const char *ending;
        FileFormat format;
    } endings[] = {{".ndjson", FILE_FORMAT_NDJSON},
                   {".jsonl", FILE_FORMAT_NDJSON},
                   {".json", FILE_FORMAT_JSON},
                   {".csv", FILE_FORMAT_CSV}};
    Str name = file_text_bare_name(str_from(path));
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        Str ending = str_from(endings[i].ending);
        if (name.len > ending.len && str_equal_nocase((Str){name.ptr + name.len - ending.len, ending.len}, ending)) {
            return endings[i].format;
        }
    }
    return FILE_FORMAT_AUTO;
}

Status file_reader_open_fd(int fd, const char *name, FileFormat format, size_t item_bytes_max, FileReader **ret_reader,
                           Error *reterr)
{
    FileText *file = NULL;
    Status status = file_text_open(fd, name, &file, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    FileReader *reader = calloc(1, sizeof *reader);
    size_t capacity = item_bytes_max + READ_BYTES;
    if (!reader || !(reader->text = malloc(capacity))) {
        free(reader);
        file_text_close(file);
        return error_set(reterr, STATUS_BUSY, "no memory to read %s", name);
    }
    reader->name = name;
    reader->file = file;
    reader->format = format == FILE_FORMAT_AUTO ? format_of_name(name) : format;
    reader->item_bytes_max = item_bytes_max;
    reader->capacity = capacity;
    reader->line = 1;
    *ret_reader = reader;
    return STATUS_OK;
}

Status file_reader_open(const char *path, FileFormat format, size_t item_bytes_max, FileReader **ret_reader,
                        Error *reterr)
{
    bool is_input = strcmp(path, "-") == 0;
    int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set(reterr, STATUS_REFUSED, "%s cannot be opened: %s", path, strerror(errno));
    }
    return file_reader_open_fd(fd, is_input ? "standard input" : path, format, item_bytes_max, ret_reader, reterr);
}

void file_reader_close(FileReader *reader)
{
    if (reader) {
        file_text_close(reader->file);
        free((char *)(uintptr_t)reader->header.ptr);
        free(reader->text);
        free(reader);
    }
}

FileFormat file_reader_format(const FileReader *reader) { return reader->format; }

uint64_t file_reader_bytes_read(const FileReader *reader) { return file_text_bytes_read(reader->file); }

Str file_reader_header(const FileReader *reader) { return reader->header; }

Str file_reader_rest(const FileReader *reader) { return (Str){reader->text + reader->at, reader->end - reader->at}; }

uint64_t file_reader_line(const FileReader *reader) { return reader->line; }

void file_reader_position(const FileReader *reader, FilePosition *ret_position) { *ret_position = reader->position; }

static Status refuse(const FileReader *reader, uint64_t line, const char *what, Error *reterr)
{
    return error_set(reterr, STATUS_REFUSED, "%s:%llu: %s", reader->name, (unsigned long long)line, what);
}

/* Reads more behind what is there, which moves to the front; callers keep offsets from `at`. There is always room,
 * since no item of more than item_bytes_max is kept. */
static Status fill(FileReader *reader, Error *reterr)
{
    if (reader->at > 0) {
        memmove(reader->text, reader->text + reader->at, reader->end - reader->at);
        reader->end -= reader->at;
        reader->at = 0;
    }
    size_t got = 0;
    Status status =
        file_text_read(reader->file, reader->text + reader->end, reader->capacity - reader->end, &got, reterr);
    if (status == STATUS_OK) {
        reader->ended = got == 0;
        reader->end += got;
        reader->text_read += got;
    }
    return status;
}

static size_t available(const FileReader *reader) { return reader->end - reader->at; }

static void take(FileReader *reader, size_t bytes, size_t raw_bytes, FileItem *ret_item)
{
    *ret_item = (FileItem){.raw = {reader->text + reader->at, raw_bytes}, .line = reader->line};
    for (size_t i = 0; i < bytes; i++) {
        reader->line += reader->text[reader->at + i] == '\n';
    }
    reader->at += bytes;
}

/* ---- Lines ------------------------------------------------------------------------------------------------------- */

/* The line that begins at `at`: its length, of which `*bytes` are known to hold no line feed, and that of its line
 * break. False when it goes on behind what was read. A CSV line ends where the reader of its cells says, or a stray
 * quote would swallow the lines behind it. */
static bool find_line_end(const FileReader *reader, size_t *bytes, size_t *break_bytes)
{
    const char *text = reader->text + reader->at;
    size_t len = available(reader);
    if (reader->format == FILE_FORMAT_CSV) {
        return len > 0 && csv_line_measure((Str){text, len}, reader->ended, bytes, break_bytes);
    }
    const char *end = *bytes < len ? memchr(text + *bytes, '\n', len - *bytes) : NULL;
    *bytes = end ? (size_t)(end - text) : len;
    *break_bytes = end != NULL;
    return end || (reader->ended && len > 0);
}

/* Forgets the rest of a line that is too long, however long it is. */
static Status skip_line(FileReader *reader, Error *reterr)
{
    for (;;) {
        char *text = reader->text + reader->at;
        char *end = available(reader) ? memchr(text, '\n', available(reader)) : NULL;
        reader->at = end ? reader->at + (size_t)(end - text) + 1 : reader->end;
        if (end || reader->ended) {
            reader->line++;
            return STATUS_OK;
        }
        Status status = fill(reader, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

static Status take_long_line(FileReader *reader, FileItem *ret_item, Error *reterr)
{
    if (reader->format == FILE_FORMAT_CSV) {
        return refuse(reader, reader->line, "a line is too long; is a quote never closed?", reterr);
    }
    memcpy(reader->shown, reader->text + reader->at, SHOWN_BYTES_MAX);
    *ret_item = (FileItem){.raw = {reader->shown, SHOWN_BYTES_MAX}, .line = reader->line, .too_long = true};
    return skip_line(reader, reterr);
}

static Status next_line(FileReader *reader, FileItem *ret_item, bool *ret_end, Error *reterr)
{
    size_t bytes = 0, break_bytes = 0;
    for (;;) {
        bool found = find_line_end(reader, &bytes, &break_bytes);
        if (bytes > reader->item_bytes_max) {
            return take_long_line(reader, ret_item, reterr);
        }
        if (found) {
            take(reader, bytes + break_bytes, bytes, ret_item);
            *ret_end = false;
            return STATUS_OK;
        }
        if (reader->ended) {
            *ret_end = true;
            return STATUS_OK;
        }
        Status status = fill(reader, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* The next byte that is not white space, without taking it; AT_END behind the last. (A NUL is a byte like any
 * other.) */
static Status peek(FileReader *reader, int *ret_byte, Error *reterr)
{
    for (;;) {
        while (reader->at < reader->end && is_space(reader->text[reader->at])) {
            reader->line += reader->text[reader->at++] == '\n';
        }
        if (reader->at < reader->end || reader->ended) {
            *ret_byte = reader->at < reader->end ? (unsigned char)reader->text[reader->at] : AT_END;
            return STATUS_OK;
        }
        Status status = fill(reader, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

typedef struct JsonScan {
    size_t scanned;
    unsigned depth;
    bool in_string, escaped;
} JsonScan;

/* Goes on from where it stopped; true when the value is complete. Anything that is not an object, array or string ends
 * where white space or punctuation does. */
static bool scan_value(const FileReader *reader, JsonScan *scan)
{
    const char *text = reader->text + reader->at;
    for (size_t len = available(reader); scan->scanned < len; scan->scanned++) {
        char c = text[scan->scanned];
        if (scan->in_string) {
            scan->in_string = scan->escaped || c != '"';
            scan->escaped = !scan->escaped && c == '\\';
            if (!scan->in_string && scan->depth == 0) {
                scan->scanned++;
                return true;
            }
        } else if (c == '"') {
            scan->in_string = true;
        } else if (c == '{' || c == '[') {
            scan->depth++;
        } else if (scan->depth > 0 && (c == '}' || c == ']')) {
            if (--scan->depth == 0) {
                scan->scanned++;
                return true;
            }
        } else if (scan->depth == 0 && (is_space(c) || c == ',' || c == ']' || c == '}')) {
            return scan->scanned > 0;
        }
    }
    return reader->ended && scan->depth == 0 && !scan->in_string && scan->scanned > 0;
}

static Status refuse_long_value(const FileReader *reader, Error *reterr)
{
    return refuse(reader, reader->line, "the record that begins here is too long; is a bracket never closed?", reterr);
}

/* Why a value is not complete, or more of it. */
static Status go_on_with_value(FileReader *reader, const JsonScan *scan, Error *reterr)
{
    if (scan->scanned > reader->item_bytes_max) {
        return refuse_long_value(reader, reterr);
    }
    if (scan->scanned < available(reader)) {
        return refuse(reader, reader->line, "expected a value", reterr);
    }
    if (reader->ended) {
        return refuse(reader, reader->line, "the file ends inside the record that begins here", reterr);
    }
    return fill(reader, reterr);
}

static Status take_value(FileReader *reader, FileItem *ret_item, Error *reterr)
{
    JsonScan scan = {0};
    while (!scan_value(reader, &scan)) {
        Status status = go_on_with_value(reader, &scan, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (scan.scanned > reader->item_bytes_max) { /* also when it happened to come in one piece */
        return refuse_long_value(reader, reterr);
    }
    take(reader, scan.scanned, scan.scanned, ret_item);
    return STATUS_OK;
}

/* What stands between values: decides whether another one comes. */
static Status json_begin(FileReader *reader, int c, bool *ret_end)
{
    reader->json = c == '[' ? JSON_ARRAY_FIRST : JSON_SEQUENCE;
    reader->at += c == '[';
    *ret_end = c == AT_END;
    return STATUS_OK;
}

static Status json_between(FileReader *reader, int c, bool *ret_end, Error *reterr)
{
    if (reader->json == JSON_SEQUENCE || reader->json == JSON_DONE) {
        *ret_end = c == AT_END;
        return reader->json == JSON_DONE && c != AT_END
                   ? refuse(reader, reader->line, "there is something behind the array", reterr)
                   : STATUS_OK;
    }
    bool first = reader->json == JSON_ARRAY_FIRST;
    if (c == AT_END) {
        return refuse(reader, reader->line, "the file ends inside the array", reterr);
    }
    if (c == ']') {
        reader->at++;
        reader->json = JSON_DONE;
        return STATUS_OK;
    }
    if (!first && c != ',') {
        return refuse(reader, reader->line, "expected a comma or the array's end", reterr);
    }
    reader->at += !first;
    reader->json = JSON_ARRAY_NEXT;
    return STATUS_OK;
}

static Status next_json(FileReader *reader, FileItem *ret_item, bool *ret_end, Error *reterr)
{
    for (;;) {
        int c;
        Status status = peek(reader, &c, reterr);
        JsonState before = reader->json;
        if (status == STATUS_OK) {
            status = before == JSON_BEGIN ? json_begin(reader, c, ret_end) : json_between(reader, c, ret_end, reterr);
        }
        if (status != STATUS_OK || *ret_end) {
            return status;
        }
        if (reader->json == JSON_SEQUENCE || (before != JSON_BEGIN && reader->json == JSON_ARRAY_NEXT)) {
            return (status = peek(reader, &c, reterr)) == STATUS_OK ? take_value(reader, ret_item, reterr) : status;
        }
    }
}

/* ---- Either ------------------------------------------------------------------------------------------------------ */

/* A byte order mark is no content; the first byte of what follows tells the format where the name did not. */
static Status begin(FileReader *reader, Error *reterr)
{
    Status status = STATUS_OK;
    while (status == STATUS_OK && !reader->ended && reader->end < 4) {
        status = fill(reader, reterr);
    }
    if (status == STATUS_OK && str_starts_with((Str){reader->text, reader->end}, STR("\xEF\xBB\xBF"))) {
        reader->at = 3;
    }
    int c = AT_END;
    if (status == STATUS_OK && reader->format == FILE_FORMAT_AUTO && (status = peek(reader, &c, reterr)) == STATUS_OK) {
        reader->format = c == '[' ? FILE_FORMAT_JSON : c == '{' ? FILE_FORMAT_NDJSON : FILE_FORMAT_CSV;
    }
    reader->begun = status == STATUS_OK;
    return status;
}

static bool is_blank(Str text) { return str_trim(text).len == 0; }

static Status next_full_line(FileReader *reader, FileItem *ret_item, bool *ret_end, Error *reterr)
{
    Status status;
    do {
        status = next_line(reader, ret_item, ret_end, reterr);
    } while (status == STATUS_OK && !*ret_end && !ret_item->too_long && is_blank(ret_item->raw));
    if (status == STATUS_OK && !*ret_end && !ret_item->too_long && ret_item->raw.len &&
        ret_item->raw.ptr[ret_item->raw.len - 1] == '\r') {
        ret_item->raw.len--;
    }
    return status;
}

static Status keep_header(FileReader *reader, Str raw, Error *reterr)
{
    char *copy = malloc(raw.len + 1);
    if (!copy) {
        return error_set(reterr, STATUS_BUSY, "no memory to read %s", reader->name);
    }
    memcpy(copy, raw.ptr, raw.len);
    reader->header = (Str){copy, raw.len};
    return STATUS_OK;
}

/* Only behind an item is a place that everybody finds again. */
static void note_position(FileReader *reader, Str raw)
{
    FilePosition *position = &reader->position;
    position->format = reader->format;
    position->offset = reader->text_read - available(reader);
    position->line = reader->line;
    position->items++;
    position->chain = XXH3_64bits_withSeed(raw.ptr, raw.len, position->chain);
    position->inside = reader->json;
}

Status file_reader_next(FileReader *reader, FileItem *ret_item, bool *ret_end, Error *reterr)
{
    Status status = reader->begun ? STATUS_OK : begin(reader, reterr);
    *ret_end = false;
    if (status == STATUS_OK) {
        status = reader->format == FILE_FORMAT_JSON ? next_json(reader, ret_item, ret_end, reterr)
                                                    : next_full_line(reader, ret_item, ret_end, reterr);
    }
    if (status == STATUS_OK && !*ret_end && reader->format == FILE_FORMAT_CSV && reader->position.items == 0) {
        status = keep_header(reader, ret_item->raw, reterr);
    }
    if (status == STATUS_OK && !*ret_end) {
        note_position(reader, ret_item->raw);
    }
    return status;
}

/* ---- Going on ---------------------------------------------------------------------------------------------------- */

static uint64_t offset_of(const FileReader *reader) { return reader->text_read - available(reader); }

static Status skip(FileReader *reader, uint64_t ahead, Error *reterr)
{
    uint64_t skipped = 0;
    if (ahead <= available(reader)) {
        reader->at += (size_t)ahead;
        return STATUS_OK;
    }
    Status status = file_text_skip(reader->file, ahead - available(reader), &skipped, reterr);
    reader->at = reader->end = 0;
    reader->text_read += skipped;
    return status;
}

/* Nothing but where we are is known of what was before. */
static Status jump(FileReader *reader, const FilePosition *position, FileResume *ret_resume, Error *reterr)
{
    uint64_t begun = offset_of(reader), offset;
    Status status = STATUS_OK;
    while (status == STATUS_OK && (offset = offset_of(reader)) < position->offset &&
           offset - begun < FILE_RESUME_BYTES) {
        status = skip(reader, position->offset - offset, reterr);
    }
    if (status == STATUS_OK && offset_of(reader) == position->offset) {
        reader->line = position->line;
        reader->json = (JsonState)position->inside;
        reader->position = *position;
        *ret_resume = FILE_RESUME_THERE;
    }
    return status;
}

static bool is_same(const FilePosition *a, const FilePosition *b)
{
    return a->format == b->format && a->offset == b->offset && a->line == b->line && a->items == b->items &&
           a->chain == b->chain && a->inside == b->inside;
}

static Status walk(FileReader *reader, const FilePosition *position, FileResume *ret_resume, Error *reterr)
{
    const FilePosition *now = &reader->position;
    uint64_t begun = now->offset;
    FileItem item;
    bool end = false;
    Status status = STATUS_OK;
    while (status == STATUS_OK && !end && now->offset < position->offset && now->offset - begun < FILE_RESUME_BYTES) {
        status = file_reader_next(reader, &item, &end, reterr);
    }
    if (end || now->offset >= position->offset) {
        *ret_resume = is_same(now, position) ? FILE_RESUME_THERE : FILE_RESUME_ELSEWHERE;
    }
    return status;
}

static bool is_sound(const FileReader *reader, const FilePosition *position)
{
    return position->format == reader->format && position->inside <= JSON_DONE &&
           position->offset >= offset_of(reader) && position->items >= reader->position.items;
}

static Status set_out(FileReader *reader, const FilePosition *position, FileResume *ret_resume, Error *reterr)
{
    FileItem item;
    bool end = false;
    Status status = begin(reader, reterr);
    if (status == STATUS_OK && reader->format == FILE_FORMAT_CSV) {
        status = file_reader_next(reader, &item, &end, reterr);
    }
    reader->resuming = status == STATUS_OK && !end && is_sound(reader, position);
    *ret_resume = reader->resuming ? FILE_RESUME_ON_THE_WAY : FILE_RESUME_ELSEWHERE;
    return status;
}

static Status go_to(FileReader *reader, const FilePosition *position, bool unchanged, FileResume *ret_resume,
                    Error *reterr)
{
    Status status = reader->resuming ? STATUS_OK : set_out(reader, position, ret_resume, reterr);
    if (!reader->resuming) {
        return status;
    }
    return unchanged ? jump(reader, position, ret_resume, reterr) : walk(reader, position, ret_resume, reterr);
}

Status file_reader_resume(FileReader *reader, const FilePosition *position, bool unchanged, FileResume *ret_resume,
                          Error *reterr)
{
    Error error;
    *ret_resume = position->items > 0 ? FILE_RESUME_ON_THE_WAY : FILE_RESUME_THERE;
    Status status = position->items > 0 ? go_to(reader, position, unchanged, ret_resume, &error) : STATUS_OK;
    if (status == STATUS_REFUSED) { /* whoever reads from the beginning finds what is wrong */
        *ret_resume = FILE_RESUME_ELSEWHERE;
        return STATUS_OK;
    }
    return status == STATUS_OK ? STATUS_OK : error_set(reterr, status, "%s", error.message);
}

/* Reads a file or standard input and cuts it into items: one record each, as raw text, with the line where it begins.
 * What is packed is unpacked on the way (intake/file_text.h).
 *
 * NDJSON: a line. CSV: a line, which may hold line breaks inside quotes; the header is the first item. JSON: an element
 * of the array that the text is, or one value after another. An item's inside is not looked at, other than to find its
 * end.
 *
 * A position says where a reader is. Another reader, of the same file, can go on there. */
#ifndef WEIR_INTAKE_FILE_READER_H
#define WEIR_INTAKE_FILE_READER_H

#include "base/err.h"
#include "base/str.h"

typedef enum FileFormat { FILE_FORMAT_AUTO, FILE_FORMAT_NDJSON, FILE_FORMAT_JSON, FILE_FORMAT_CSV } FileFormat;

typedef struct FileReader FileReader;

typedef struct FileItem {
    Str raw;       /* without the line break behind it; borrows until the next call */
    uint64_t line; /* from 1 */
    bool too_long; /* an NDJSON line beyond the limit: raw is its beginning, the rest was skipped */
} FileItem;

/* Behind the item that was read last. */
typedef struct FilePosition {
    FileFormat format;
    uint64_t offset; /* bytes of the (unpacked) text */
    uint64_t line;   /* of the byte there */
    uint64_t items;  /* before it; a CSV header is one */
    uint64_t chain;  /* a hash of them: two texts of which it is the same begin alike */
    unsigned inside; /* of which JSON */
} FilePosition;

/* `path` borrows; "-" is standard input. FILE_FORMAT_AUTO goes by the name (.ndjson, .jsonl, .json, .csv, also with .gz
 * or .zst behind it), else by the first byte. REFUSED when it cannot be opened. */
Status file_reader_open(const char *path, FileFormat format, size_t item_bytes_max, FileReader **ret_reader,
                        Error *reterr) MUST_CHECK;
/* Moves `fd`, also when it fails. `name` borrows. */
Status file_reader_open_fd(int fd, const char *name, FileFormat format, size_t item_bytes_max, FileReader **ret_reader,
                           Error *reterr) MUST_CHECK;
void file_reader_close(FileReader *reader); /* accepts NULL */

/* Empty lines are skipped. REFUSED: the text cannot be cut any further (brackets that do not match, an item that is too
 * long, packed data that are damaged). BROKEN: it cannot be read. Both name the line. BUSY: no memory. */
Status file_reader_next(FileReader *reader, FileItem *ret_item, bool *ret_end, Error *reterr) MUST_CHECK;

void file_reader_position(const FileReader *reader, FilePosition *ret_position);

typedef enum FileResume {
    FILE_RESUME_ON_THE_WAY, /* to be called again, with the same arguments */
    FILE_RESUME_THERE,
    FILE_RESUME_ELSEWHERE, /* it is another text; the reader is of no use any more */
} FileResume;
enum { FILE_RESUME_BYTES = 16 << 20 };

/* Before the first item: goes to a position that a reader of this file had. `unchanged`: nobody has written to it
 * since; otherwise what is before the place is read and compared. One call goes on by FILE_RESUME_BYTES of text and to
 * the end of an item, so that whoever calls can be told to stop. BUSY and BROKEN as file_reader_next. */
Status file_reader_resume(FileReader *reader, const FilePosition *position, bool unchanged, FileResume *ret_resume,
                          Error *reterr) MUST_CHECK;

/* Known once the first item was asked for, or the reader has resumed. */
FileFormat file_reader_format(const FileReader *reader);
/* A CSV file's first item; empty while that was not read. Borrows until the close. */
Str file_reader_header(const FileReader *reader);
/* After a failure: what could not be cut, or the beginning of that. Borrows until the close. */
Str file_reader_rest(const FileReader *reader);
uint64_t file_reader_line(const FileReader *reader); /* on which that begins */

/* Of the file, as it lies on the disk. */
uint64_t file_reader_bytes_read(const FileReader *reader);

#endif

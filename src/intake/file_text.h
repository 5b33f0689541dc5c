/* The text of a file, unpacked on the way when it is gzip (RFC 1952) or Zstandard (RFC 8878): its first bytes tell.
 * Several members or frames behind one another are one text. What is packed in other ways, or UTF-16, is refused by its
 * first bytes, too. Memory is bounded, whatever the file claims to hold. */
#ifndef WEIR_INTAKE_FILE_TEXT_H
#define WEIR_INTAKE_FILE_TEXT_H

#include "base/err.h"
#include "base/str.h"

typedef struct FileText FileText;

/* `name` borrows until the close, and is for messages. Moves `fd`, also when it fails: standard input alone stays open.
 * Reads nothing yet. BUSY: no memory. */
Status file_text_open(int fd, const char *name, FileText **ret_text, Error *reterr) MUST_CHECK;
void file_text_close(FileText *text); /* accepts NULL */

/* Fills in one to `cap` bytes; none at the end. REFUSED: what is packed is damaged or ends too early (a file that is
 * called .gz or .zst and is empty does, too). BROKEN: it cannot be read. BUSY: no memory. */
Status file_text_read(FileText *text, char *bytes, size_t cap, size_t *ret_count, Error *reterr) MUST_CHECK;

/* Goes on at most so many bytes further on, and at least one: all at once where the file is not packed, otherwise in
 * small steps. REFUSED also when the text ends there. */
Status file_text_skip(FileText *text, uint64_t count, uint64_t *ret_skipped, Error *reterr) MUST_CHECK;

/* How much of the file, as it lies on the disk, is behind us. */
uint64_t file_text_bytes_read(const FileText *text);

/* "orders.csv" for "orders.csv.gz": the name without the ending that says how it is packed. */
Str file_text_bare_name(Str name);

#endif

/* How far a file was taken in, in the words of a source's place (store/intake.h): the offset, and a mark with
 * everything else. */
#ifndef WEIR_INTAKE_FILE_MARK_H
#define WEIR_INTAKE_FILE_MARK_H

#include <sys/stat.h>

#include "intake/file_reader.h"
#include "store/intake.h"

/* What changes when somebody writes to a file or puts another one in its place. */
typedef struct FileIdentity {
    uint64_t inode, size, changed_ns; /* when it was last written to */
} FileIdentity;
FileIdentity file_identity(const struct stat *info);
bool file_identity_equal(const FileIdentity *a, const FileIdentity *b);

typedef struct FileMark {
    FileIdentity file; /* as it was when it was opened */
    FilePosition position;
    bool finished;         /* there was nothing behind the place */
    uint64_t report_bytes; /* of the report about what was not taken in, up to the place */
    Str name;              /* of the file, where the part does not say it; at most FILE_MARK_NAME_BYTES_MAX */
} FileMark;
enum { FILE_MARK_NAME_BYTES_MAX = 230 };

/* Fills the text and returns its length. The position's offset is not in it: that is the place's `next`. */
size_t file_mark_format(const FileMark *mark, char ret_text[SOURCE_MARK_BYTES_MAX]);
/* False when it is none of ours. The name borrows from the text. */
bool file_mark_parse(Str text, int64_t next, FileMark *ret_mark) MUST_CHECK;

#endif

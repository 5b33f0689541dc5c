/* Secrets that are kept in a file of their own, one on a line: read as `secret` would have them, separated by
 * commas. */
#ifndef WEIR_DELIVER_SECRET_FILE_H
#define WEIR_DELIVER_SECRET_FILE_H

#include "base/err.h"

enum { SECRET_FILE_BYTES_MAX = 4096 };

/* Blank lines, and white space around a secret, are passed over. REFUSED with the path and what is wrong: it cannot be
 * read, is empty, too large or no text. Ends `ret_secret` with a NUL. */
Status secret_file_read(const char *path, char ret_secret[SECRET_FILE_BYTES_MAX + 1], Error *reterr) MUST_CHECK;

#endif

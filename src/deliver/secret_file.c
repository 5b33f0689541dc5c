#include "deliver/secret_file.h"

#include <errno.h>
#include <stdio.h>

#include "base/str.h"

static Status refuse(const char *path, const char *what, Error *reterr)
{
    return error_set(reterr, STATUS_REFUSED, "%s %s", path, what);
}

static Status read_file(const char *path, char ret_text[SECRET_FILE_BYTES_MAX + 1], Str *ret_str, Error *reterr)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        char what[128];
        snprintf(what, sizeof what, "cannot be opened: %s", strerror(errno));
        return refuse(path, what, reterr);
    }
    size_t len = fread(ret_text, 1, SECRET_FILE_BYTES_MAX + 1, file);
    bool failed = ferror(file);
    fclose(file);
    if (failed || len > SECRET_FILE_BYTES_MAX) {
        return refuse(path, failed ? "cannot be read" : "is too large to hold secrets", reterr);
    }
    *ret_str = (Str){ret_text, len};
    return STATUS_OK;
}

/* Never longer than the text: a comma takes the place of a line's end. */
static size_t join_lines(Str text, char ret_secret[SECRET_FILE_BYTES_MAX + 1])
{
    size_t len = 0;
    ret_secret[0] = '\0';
    while (text.ptr) {
        Str line = str_trim(str_split(&text, '\n'));
        if (line.len > 0) {
            len += (size_t)snprintf(ret_secret + len, SECRET_FILE_BYTES_MAX + 1 - len, "%s%.*s", len ? "," : "",
                                    STR_ARGS(line));
        }
    }
    return len;
}

Status secret_file_read(const char *path, char ret_secret[SECRET_FILE_BYTES_MAX + 1], Error *reterr)
{
    char bytes[SECRET_FILE_BYTES_MAX + 1];
    Str text = {NULL, 0};
    Status status = read_file(path, bytes, &text, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (text.len > 0 && memchr(text.ptr, 0, text.len)) {
        return refuse(path, "is no text", reterr);
    }
    return join_lines(text, ret_secret) ? STATUS_OK : refuse(path, "is empty", reterr);
}

/* A file of organizations, JSON or CSV, in pieces that are requests of their own. */
#ifndef WEIR_CLI_ORGS_FILE_H
#define WEIR_CLI_ORGS_FILE_H

#include <yyjson.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    ORGS_PIECE_BYTES_MAX = 3 << 20
}; /* a larger one is sent all the same when a single organization is: the server says why not */

typedef struct OrgsFile {
    Buf text;
    bool is_csv;
    size_t count; /* organizations; of CSV at most: a line that is empty counts */
    /* JSON. */
    yyjson_doc *doc;
    yyjson_val *next; /* NULL at the end */
    size_t taken;
    /* CSV. */
    Str header, rest;
    int64_t line; /* of `rest`; counted from 1, as lines of the text */
} OrgsFile;

/* What was taken, and where it stands in the file. */
typedef struct OrgsPiece {
    Buf body;
    const char *content_type;
    size_t count;  /* organizations, likewise */
    size_t first;  /* the place of the first one among all, from 0 */
    int64_t shift; /* what a line's number in the body is less than in the file */
} OrgsPiece;

/* "-" is standard input. What begins with { or [ is JSON: {"organizations":[…]} or the array; else it is CSV. REFUSED
 * when it cannot be read, is not one of these, or has no organization. Close it either way. */
Status orgs_file_open(const char *path, OrgsFile *ret_file, Error *reterr) MUST_CHECK;
void orgs_file_close(OrgsFile *file);

/* From the beginning again. */
void orgs_file_rewind(OrgsFile *file);

/* The next piece of at most ONBOARD_ITEMS_MAX organizations; false at the end. `piece` keeps its buffer from one to the
 * next. */
bool orgs_file_next(OrgsFile *file, OrgsPiece *piece);
void orgs_piece_init(OrgsPiece *piece);
void orgs_piece_release(OrgsPiece *piece);

#endif

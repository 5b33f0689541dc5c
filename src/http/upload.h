/* A streamed NDJSON body on its way through the processor: its bytes are cut into lines, the lines read into records
 * where they lie, and the records handed in slice by slice while more comes in.
 *
 * An upload outlives its request: a client may hang up while slices are at the processor. It is freed when its request
 * has let go of it and the last slice is back. */
#ifndef WEIR_HTTP_UPLOAD_H
#define WEIR_HTTP_UPLOAD_H

#include "http/records_call.h"

typedef struct Upload Upload;

/* NULL without memory. */
Upload *upload_new(Request *request, const RecordsCall *call);

/* Takes a piece of the body, or as much of it as there is room for: then the request's turn is waited for, and
 * upload_take is called again with the rest. */
size_t upload_take(Upload *upload, Str piece);

/* After the last piece, and again after each wait: true when all slices are back; false when the request waits for
 * them, and `then` will call again. */
bool upload_finish(Upload *upload, RequestThen *then);

/* What became of it, after upload_finish said true. `results` counts what was committed. */
typedef struct UploadEnd {
    Status status; /* OK, or why the processor did not take or commit a slice */
    Error error;
    uint64_t committed_through; /* the line up to which all is decided */
    Results *results;           /* the upload's */
} UploadEnd;
UploadEnd upload_end(Upload *upload);

/* The request lets go. */
void upload_drop(Upload *upload);

#endif

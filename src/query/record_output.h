/* Records of a list into the answer, in the client's format. */
#ifndef WEIR_QUERY_RECORD_OUTPUT_H
#define WEIR_QUERY_RECORD_OUTPUT_H

#include "query/cursor.h"
#include "query/lister.h"
#include "query/request.h"

typedef struct RecordOutput RecordOutput;

/* How one is written into the step's answer. */
typedef struct RecordShape {
    void (*put_json)(const RecordOutput *output, const StoredRecord *stored);
    void (*put_csv_header)(Buf *buf);
    void (*put_csv)(const RecordOutput *output, const StoredRecord *stored);
} RecordShape;
extern const RecordShape record_shape; /* event_output.h has the other one */

struct RecordOutput {
    const RecordShape *shape;
    QueryFormat format;
    unsigned scale;
    bool any;              /* a record has been written: the next JSON object needs a comma */
    int64_t taken_back_by; /* of the event that is written: the record that takes it back, 0 for none */
    QueryStep *step;       /* while a step runs */
};

/* A RecordVisitor: writes one record, false when the step has enough. */
bool record_output_put(void *output, const StoredRecord *stored);

/* What the parameters say about pages. REFUSED with a problem for a cursor that does not fit. `ret_cursor->bound` is 0
 * without a cursor. */
Status record_page_read(const Request *request, const StoreInfo *info, Cursor *ret_cursor,
                        QueryProblems *problems) MUST_CHECK;

/* Begins the list; the step must be looking at the store. */
void record_page_begin(Lister *lister, const Request *request, const Cursor *cursor, uint64_t limit, StoreView *view);

/* "nextCursor":"…" or null. */
void record_page_put_next(Buf *buf, const Lister *lister, const StoreInfo *info);

#endif

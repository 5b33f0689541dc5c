/* Reads a file or standard input and cuts it into items: one record each, as raw text, with the line where it begins.
 *
 * NDJSON: a line. CSV: a line, which may hold line breaks inside quotes; the header is the first item. JSON: an element of the
 * array that the text is, or one value after another. An item's inside is not looked at, other than to find its end. */
#ifndef WEIR_CLI_INGEST_READER_H
#define WEIR_CLI_INGEST_READER_H

#include "base/err.h"
#include "base/str.h"

typedef enum IngestFormat { INGEST_AUTO, INGEST_NDJSON, INGEST_JSON, INGEST_CSV } IngestFormat;

typedef struct IngestReader IngestReader;

typedef struct IngestItem {
    Str raw;       /* without the line break behind it; borrows until the next call */
    uint64_t line; /* from 1 */
    bool too_long; /* an NDJSON line beyond the limit: raw is its beginning, the rest was skipped */
} IngestItem;

/* `path` borrows; "-" is standard input. INGEST_AUTO goes by the name (.ndjson, .jsonl, .json, .csv), else by the first
 * byte. REFUSED when it cannot be opened. */
Status ingest_reader_open(const char *path, IngestFormat format, size_t item_bytes_max, IngestReader **ret_reader,
                          Error *reterr) MUST_CHECK;
void ingest_reader_close(IngestReader *reader); /* accepts NULL */

/* Empty lines are skipped. REFUSED: the text cannot be cut any further (brackets that do not match, an item that is too long). BROKEN:
 * it cannot be read. Both name the line. */
Status ingest_reader_next(IngestReader *reader, IngestItem *ret_item, bool *ret_end, Error *reterr) MUST_CHECK;

/* Known once the first item was asked for. */
IngestFormat ingest_reader_format(const IngestReader *reader);
uint64_t ingest_reader_bytes_read(const IngestReader *reader);

#endif

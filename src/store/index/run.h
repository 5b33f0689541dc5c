/* A run: an immutable sorted file of (key, value) pairs, or of rows under a key, written once.
 *
 * Derived data. A run says which store, epoch and log entry it was made from, every byte is under a checksum, and a run
 * that is torn, lost or from elsewhere is refused, whereupon the store makes it anew from the log. Pairs are ordered by
 * (key, value), both ascending; a key may occur many times (a hash collision, equal times). No two pairs of a run are
 * equal. Rows are bytes that mean nothing here, in the order of their keys; rows of one key stand as they were added.
 *
 * Layout, format version 2 (run_format.h has the bytes): one header block; data blocks of RUN_BLOCK_BYTES, each holding
 * its count, up to RUN_BLOCK_PAIRS pairs and an XXH3-64 checksum that is seeded with the run and the block's number;
 * the sparse array (first pair of each block); the filter; a footer with the sizes and the checksums of header, sparse
 * array and filter. Sparse array and filter are read into memory and checked at open, a block each time it is read.
 *
 * Statuses everywhere: BUSY when the disk is full or memory or file handles are short (nothing is left but an
 * unfinished file), BROKEN when the system cannot read or write, or a block is not as it was written. */
#ifndef WEIR_STORE_INDEX_RUN_H
#define WEIR_STORE_INDEX_RUN_H

#include "base/io.h"

typedef struct IndexPair {
    uint64_t key, value;
} IndexPair;

static inline bool index_pair_before(IndexPair a, IndexPair b)
{
    /* One comparison of 128 bits and no branch. */
    return ((unsigned __int128)a.key << 64 | a.value) < ((unsigned __int128)b.key << 64 | b.value);
}

enum {
    RUN_BLOCK_BYTES = 4096,
    RUN_BLOCK_PAIRS = 255,
    RUN_BLOCK_ROW_BYTES = RUN_BLOCK_PAIRS * sizeof(IndexPair),
    RUN_ROW_BYTES_MAX = RUN_BLOCK_ROW_BYTES - sizeof(uint16_t),
};

typedef enum RunContent { RUN_PAIRS, RUN_ROWS } RunContent;

/* Where a run comes from. All of it is in the header and must be equal at open. */
typedef struct RunStamp {
    uint8_t store_id[16];
    int64_t epoch;
    uint32_t index;    /* which index it belongs to: the store's own numbering */
    int64_t first_seq; /* it covers the log entries first_seq … last_seq */
    int64_t last_seq;
    uint64_t row_hash; /* of the log entry at last_seq */
    RunContent content;
} RunStamp;

typedef struct Run Run; /* immutable once open; any thread; counted */

/* Bits of filter a pair: 0 for none (an index that is only walked), 8–10 for one that is probed. A blocked Bloom
 * filter: one cache line a probe. A run of less than 2 M pairs gets 2, 4 or 6 bits more, as each of its false positives
 * costs as much as one of a large run, and its memory little: 9 are 1.2 bytes a pair in the long run. */
typedef struct RunWriter RunWriter;

/* Begins the file at `path` (made new). `expected` pairs are announced so that the filter can be sized: with fewer it
 * shrinks at the end, with more it lets more keys pass. The writer belongs to one thread at a time. `io` is borrowed
 * until the writer is gone. */
Status run_writer_open(const Io *io, const char *path, const RunStamp *stamp, uint64_t expected, unsigned filter_bits,
                       RunWriter **ret_writer, Error *reterr) MUST_CHECK;
/* Pairs in order, each one behind the last (assert). After a failure, abandon. */
Status run_writer_add(RunWriter *writer, const IndexPair *pairs, size_t count, Error *reterr) MUST_CHECK;
/* The same for a run of rows: `key` not before the last one, `row` at most RUN_ROW_BYTES_MAX long (assert); copied. */
Status run_writer_add_row(RunWriter *writer, uint64_t key, Str row, Error *reterr) MUST_CHECK;
/* Writes the rest and syncs the file (not its directory). The writer is gone after it, OK or not. */
Status run_writer_finish(RunWriter *writer, Error *reterr) MUST_CHECK;
void run_writer_abandon(RunWriter *writer); /* closes without a valid footer; accepts NULL */

/* REFUSED when the file is missing, torn, of another format or does not carry this stamp: it is to be made anew. One
 * reference for the caller. `io` is borrowed until the last reference is dropped. */
Status run_open(const Io *io, const char *path, const RunStamp *stamp, Run **ret_run, Error *reterr) MUST_CHECK;
Run *run_keep(Run *run);
void run_drop(Run *run); /* accepts NULL; the last reference closes the file */

const RunStamp *run_stamp(const Run *run);
uint64_t run_count(const Run *run); /* pairs or rows */
uint64_t run_bytes(const Run *run); /* on disk */
size_t run_memory_bytes(const Run *run);

/* Hints the processor to fetch the filter's line for this key: call it for a batch of keys before probing them. */
void run_prefetch(const Run *run, uint64_t key);

/* The values of `key`, largest first, at most `max` of them; *ret_count says how many, *ret_more whether there are
 * others. One read for a key that is there, but for the one in 250 whose pairs begin a block or cross into the
 * next; none for nearly all others. BROKEN (file and block in the message) when a block fails its checksum or
 * cannot be read. */
Status run_find(const Run *run, uint64_t key, uint64_t *ret_values, size_t max, size_t *ret_count, bool *ret_more,
                Error *reterr) MUST_CHECK;

/* How many pairs lie in [from, to): never too few, and too many by less than two blocks. No I/O. */
uint64_t run_estimate(const Run *run, IndexPair from, IndexPair to);

/* A place in a run, for walking it. Embedded; owns one reference to the run, so a release is needed. One thread. */
typedef struct RunCursor {
    Run *run;
    uint64_t block; /* of `pairs` */
    uint32_t at, count;
    bool backwards;
    _Alignas(64) unsigned char bytes[RUN_BLOCK_BYTES]; /* the block read last */
} RunCursor;

/* Stands before the first pair ≥ `from` (forwards) or behind the last pair ≤ `from` (backwards). Holds nothing when it
 * fails. */
Status run_cursor_init(RunCursor *cursor, Run *run, IndexPair from, bool backwards, Error *reterr) MUST_CHECK;
void run_cursor_release(RunCursor *cursor);
/* Takes the next pair; *ret_found is false at the end. After BROKEN the cursor stands where it stood. */
Status run_cursor_next(RunCursor *cursor, IndexPair *ret_pair, bool *ret_found, Error *reterr) MUST_CHECK;

/* A place in a run of rows. As RunCursor, forwards only. */
typedef struct RunRowCursor {
    Run *run;
    uint64_t next_block;
    uint32_t at, end; /* in the block's rows */
    _Alignas(64) unsigned char bytes[RUN_BLOCK_BYTES];
} RunRowCursor;

/* Stands at the beginning of the block that the first row of `key` or behind it is in, or would be: a few rows of
 * lesser keys may come first. */
Status run_row_cursor_init(RunRowCursor *cursor, Run *run, uint64_t key, Error *reterr) MUST_CHECK;
void run_row_cursor_release(RunRowCursor *cursor); /* accepts one whose init failed, or all zeros */
/* Takes the next row, which borrows until the next call; *ret_found is false at the end. */
Status run_row_cursor_next(RunRowCursor *cursor, Str *ret_row, bool *ret_found, Error *reterr) MUST_CHECK;

#endif

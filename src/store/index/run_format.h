/* The bytes of a run file: what its writer and its reader share. For this folder, and for tests that damage files on
 * purpose; everybody else uses run.h.
 *
 *     header   one block: RunHeader, then zeros
 *     blocks   RunBlock; of pairs, each full but for the last
 *     sparse   the keys of the blocks' first pairs, then their values; of rows, the first row's key and its place among
 *              all
 *     filter   lines of 64 bytes
 *     footer   RunFooter, the last bytes of the file
 *
 * Numbers are in the machine's own order: runs are derived, and a machine of the other order does not know the magic
 * and makes them anew. Every byte is covered by a checksum: the header, the sparse array and the filter by the
 * footer's, a block and the footer by their own. A block's checksum is seeded with the header's checksum and its
 * number, so that neither a block of another run nor one that was written to the wrong place passes. */
#ifndef WEIR_STORE_INDEX_RUN_FORMAT_H
#define WEIR_STORE_INDEX_RUN_FORMAT_H

#include "store/index/run.h"

#define RUN_HEADER_MAGIC UINT64_C(0x31305245444E5552) /* "RUNDER01" */
#define RUN_FOOTER_MAGIC UINT64_C(0x31305445464E5552) /* "RUNFET01" */
enum { RUN_VERSION = 2 };

typedef struct RunHeader {
    uint64_t magic;
    uint32_t version;
    uint32_t index;
    uint8_t store_id[16];
    int64_t epoch;
    int64_t first_seq, last_seq;
    uint64_t row_hash;
    uint32_t content; /* RunContent */
    uint8_t zeros[RUN_BLOCK_BYTES - 68];
} RunHeader;

typedef struct RunBlock {
    uint32_t count; /* of pairs or rows */
    uint32_t bytes; /* that the rows take; 0 in a block of pairs */
    union {
        IndexPair pairs[RUN_BLOCK_PAIRS]; /* those behind `count` are zeros */
        /* each its length (16 bits) and its bytes; what is behind `bytes` is zeros */
        uint8_t rows[RUN_BLOCK_ROW_BYTES];
    };
    uint64_t checksum;
} RunBlock;

typedef struct RunFooter {
    uint64_t magic;
    uint64_t entries; /* pairs or rows in all blocks */
    uint64_t blocks;  /* of pairs: entries / RUN_BLOCK_PAIRS, rounded up; of rows: at most one for each */
    uint64_t filter_lines;
    uint64_t filter_probes;
    IndexPair last; /* of rows: its key and its place among all, from 0. Zeros in an empty run */
    uint64_t header_checksum, sparse_checksum, filter_checksum;
    uint64_t checksum; /* of the footer before it */
} RunFooter;

_Static_assert(sizeof(RunHeader) == RUN_BLOCK_BYTES && sizeof(RunBlock) == RUN_BLOCK_BYTES && sizeof(RunFooter) == 88,
               "the format has no padding");

uint64_t run_header_checksum(const RunHeader *header);
uint64_t run_block_checksum(const RunBlock *block, uint64_t header_checksum, uint64_t number);
uint64_t run_sparse_checksum(const uint64_t *keys, const uint64_t *values, uint64_t blocks);
uint64_t run_footer_checksum(const RunFooter *footer);

_Static_assert(sizeof(((RunBlock *)0)->pairs) == RUN_BLOCK_ROW_BYTES, "rows take the place of pairs");

/* The name of the stamp's first member that differs, NULL when all are equal. */
const char *run_stamp_difference(const RunHeader *header, const RunStamp *stamp);
RunHeader run_header_make(const RunStamp *stamp);

/* For cursors and merges: reads `count` blocks from number `first` on, which the run must have, and checks each.
 * BROKEN, with file and block, when one cannot be read or is not as it was written. */
Status run_read_blocks(const Run *run, uint64_t first, size_t count, RunBlock *ret_blocks, Error *reterr) MUST_CHECK;
uint64_t run_block_count(const Run *run);
const char *run_path(const Run *run);
/* How many blocks begin at or before `pair`: it can only be in the last of them. */
uint64_t run_blocks_to(const Run *run, IndexPair pair);
/* How many of a block's pairs are before `pair`. */
uint32_t run_block_position(const RunBlock *block, IndexPair pair);

#endif

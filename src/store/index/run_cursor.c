#include "store/index/run_format.h"

#include <assert.h>

/* The block's bytes as a block: the cursor's place for them is aligned for it. */
static RunBlock *cursor_block(RunCursor *cursor) { return (RunBlock *)(void *)cursor->bytes; }

static Status load_block(RunCursor *cursor, uint64_t number, Error *reterr)
{
    Status status = run_read_blocks(cursor->run, number, 1, cursor_block(cursor), reterr);
    if (status == STATUS_OK) {
        cursor->block = number;
        cursor->count = cursor_block(cursor)->count;
    }
    return status;
}

/* `at` is the number of the block's pairs in front of the cursor, in both directions. */
Status run_cursor_init(RunCursor *cursor, Run *run, IndexPair from, bool backwards, Error *reterr)
{
    assert(run_stamp(run)->content == RUN_PAIRS);
    cursor->run = run;
    cursor->block = 0;
    cursor->at = cursor->count = 0;
    cursor->backwards = backwards;
    uint64_t blocks = run_blocks_to(run, from);
    if (blocks > 0) {
        Status status = load_block(cursor, blocks - 1, reterr);
        if (status != STATUS_OK) {
            cursor->run = NULL;
            return status;
        }
        cursor->at = run_block_position(cursor_block(cursor), from);
        bool stands_on_it =
            cursor->at < cursor->count && !index_pair_before(from, cursor_block(cursor)->pairs[cursor->at]);
        cursor->at += backwards && stands_on_it;
    }
    run_keep(run);
    return STATUS_OK;
}

void run_cursor_release(RunCursor *cursor)
{
    run_drop(cursor->run);
    cursor->run = NULL;
}

static Status next_forwards(RunCursor *cursor, IndexPair *ret_pair, bool *ret_found, Error *reterr)
{
    if (cursor->at == cursor->count) {
        uint64_t next = cursor->count == 0 ? 0 : cursor->block + 1;
        *ret_found = next < run_block_count(cursor->run);
        if (!*ret_found) {
            return STATUS_OK;
        }
        Status status = load_block(cursor, next, reterr);
        if (status != STATUS_OK) {
            return status;
        }
        cursor->at = 0;
    }
    *ret_pair = cursor_block(cursor)->pairs[cursor->at++];
    *ret_found = true;
    return STATUS_OK;
}

static Status next_backwards(RunCursor *cursor, IndexPair *ret_pair, bool *ret_found, Error *reterr)
{
    if (cursor->at == 0) {
        *ret_found = cursor->block > 0;
        if (!*ret_found) {
            return STATUS_OK;
        }
        Status status = load_block(cursor, cursor->block - 1, reterr);
        if (status != STATUS_OK) {
            return status;
        }
        cursor->at = cursor->count;
    }
    *ret_pair = cursor_block(cursor)->pairs[--cursor->at];
    *ret_found = true;
    return STATUS_OK;
}

Status run_cursor_next(RunCursor *cursor, IndexPair *ret_pair, bool *ret_found, Error *reterr)
{
    return cursor->backwards ? next_backwards(cursor, ret_pair, ret_found, reterr)
                             : next_forwards(cursor, ret_pair, ret_found, reterr);
}

/* Walking a run of rows. */
#include "store/index/run_format.h"

#include <assert.h>

static const RunBlock *cursor_block(const RunRowCursor *cursor)
{
    return (const RunBlock *)(const void *)cursor->bytes;
}

static Status load_block(RunRowCursor *cursor, Error *reterr)
{
    Status status = run_read_blocks(cursor->run, cursor->next_block, 1, (RunBlock *)(void *)cursor->bytes, reterr);
    if (status == STATUS_OK) {
        cursor->next_block++;
        cursor->at = 0;
        cursor->end = cursor_block(cursor)->bytes;
    }
    return status;
}

Status run_row_cursor_init(RunRowCursor *cursor, Run *run, uint64_t key, Error *reterr)
{
    assert(run_stamp(run)->content == RUN_ROWS);
    uint64_t blocks = run_blocks_to(run, (IndexPair){key, 0});
    cursor->run = run;
    cursor->next_block = blocks > 0 ? blocks - 1 : 0;
    cursor->at = cursor->end = 0;
    Status status = cursor->next_block < run_block_count(run) ? load_block(cursor, reterr) : STATUS_OK;
    if (status == STATUS_OK) {
        run_keep(run);
    } else {
        cursor->run = NULL;
    }
    return status;
}

void run_row_cursor_release(RunRowCursor *cursor)
{
    run_drop(cursor->run);
    cursor->run = NULL;
}

Status run_row_cursor_next(RunRowCursor *cursor, Str *ret_row, bool *ret_found, Error *reterr)
{
    uint16_t len = 0;
    *ret_found = false;
    if (cursor->at == cursor->end && cursor->next_block < run_block_count(cursor->run)) {
        Status status = load_block(cursor, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (cursor->at == cursor->end) {
        return STATUS_OK;
    }
    const uint8_t *row = cursor_block(cursor)->rows + cursor->at;
    uint32_t left = cursor->end - cursor->at;
    if (left >= sizeof len) {
        memcpy(&len, row, sizeof len);
    }
    /* The checksum was right, so only a writer that is wrong gets here; never read beyond the block all the same. */
    if (left < sizeof len + len) {
        return error_set(reterr, STATUS_BROKEN, "%s: a row reaches beyond its block", run_path(cursor->run));
    }
    *ret_row = (Str){(const char *)row + sizeof len, len};
    *ret_found = true;
    cursor->at += (uint32_t)sizeof len + len;
    return STATUS_OK;
}

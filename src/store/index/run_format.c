#include "store/index/run_format.h"

#include <xxhash.h>

uint64_t run_header_checksum(const RunHeader *header) { return XXH3_64bits(header, sizeof *header); }

uint64_t run_block_checksum(const RunBlock *block, uint64_t header_checksum, uint64_t number)
{
    return XXH3_64bits_withSeed(block, offsetof(RunBlock, checksum), header_checksum + number);
}

uint64_t run_sparse_checksum(const uint64_t *keys, const uint64_t *values, uint64_t blocks)
{
    uint64_t checksum = XXH3_64bits_withSeed(keys, blocks * sizeof *keys, blocks);
    return XXH3_64bits_withSeed(values, blocks * sizeof *values, checksum);
}

uint64_t run_footer_checksum(const RunFooter *footer) { return XXH3_64bits(footer, offsetof(RunFooter, checksum)); }

RunHeader run_header_make(const RunStamp *stamp)
{
    RunHeader header = {
        .magic = RUN_HEADER_MAGIC,
        .version = RUN_VERSION,
        .index = stamp->index,
        .epoch = stamp->epoch,
        .first_seq = stamp->first_seq,
        .last_seq = stamp->last_seq,
        .row_hash = stamp->row_hash,
        .content = stamp->content,
    };
    memcpy(header.store_id, stamp->store_id, sizeof header.store_id);
    return header;
}

const char *run_stamp_difference(const RunHeader *header, const RunStamp *stamp)
{
    if (memcmp(header->store_id, stamp->store_id, sizeof stamp->store_id) != 0) {
        return "store";
    }
    if (header->epoch != stamp->epoch) {
        return "epoch";
    }
    if (header->index != stamp->index || header->content != (uint32_t)stamp->content) {
        return "index";
    }
    if (header->first_seq != stamp->first_seq || header->last_seq != stamp->last_seq) {
        return "range of the log";
    }
    return header->row_hash != stamp->row_hash ? "row hash" : NULL;
}

/* Writing a run: pairs or rows fill blocks, blocks fill a buffer, the buffer goes to the file in one piece. What the
 * reader keeps in memory (sparse array, filter) grows beside it and follows at the end. */
#include "store/index/run_filter.h"
#include "store/index/run_format.h"

#include <assert.h>
#include <stdlib.h>

enum { WRITER_BLOCKS = 64, SPARSE_BLOCKS_MIN = 64 };

struct RunWriter {
    const Io *io; /* borrows until finish or abandon */
    IoFile *file;
    RunBlock *buffer; /* WRITER_BLOCKS; those not begun yet are garbage */
    size_t complete;  /* blocks of the buffer that are full and sealed */
    uint32_t fill;    /* pairs or rows in the block behind them */
    uint32_t bytes;   /* of its rows */
    uint64_t blocks;  /* sealed so far */
    uint64_t entries; /* taken so far */
    uint64_t expected;
    IndexPair first; /* of the block at hand; of a row, its key and its place */
    IndexPair last;
    uint64_t *keys, *values; /* the sparse array: of the first pair of each block sealed */
    uint64_t sparse_room;
    uint64_t header_checksum;
    RunFilter filter;
};

void run_writer_abandon(RunWriter *writer)
{
    if (!writer) {
        return;
    }
    if (writer->file) {
        writer->io->close(writer->file);
    }
    run_filter_release(&writer->filter);
    free(writer->buffer);
    free(writer->keys);
    free(writer->values);
    free(writer);
}

static Status writer_append(RunWriter *writer, const void *data, size_t bytes, Error *reterr)
{
    return writer->io->append(writer->file, (Str){data, bytes}, reterr);
}

static Status grow_sparse(RunWriter *writer, uint64_t room, Error *reterr)
{
    uint64_t *keys = realloc(writer->keys, room * sizeof *keys);
    writer->keys = keys ? keys : writer->keys;
    uint64_t *values = realloc(writer->values, room * sizeof *values);
    writer->values = values ? values : writer->values;
    if (!keys || !values) {
        return error_set(reterr, STATUS_BUSY, "out of memory for a run of %llu blocks", (unsigned long long)room);
    }
    writer->sparse_room = room;
    return STATUS_OK;
}

static Status write_header(RunWriter *writer, const RunStamp *stamp, Error *reterr)
{
    RunHeader header = run_header_make(stamp);
    writer->header_checksum = run_header_checksum(&header);
    return writer_append(writer, &header, sizeof header, reterr);
}

static Status writer_begin(RunWriter *writer, const char *path, const RunStamp *stamp, unsigned filter_bits,
                           Error *reterr)
{
    writer->buffer = aligned_alloc(RUN_BLOCK_BYTES, WRITER_BLOCKS * sizeof *writer->buffer);
    if (!writer->buffer) {
        return error_set(reterr, STATUS_BUSY, "out of memory for writing a run");
    }
    Status status = run_filter_init(&writer->filter, writer->expected, filter_bits, reterr);
    if (status == STATUS_OK) {
        status = grow_sparse(writer, writer->expected / RUN_BLOCK_PAIRS + SPARSE_BLOCKS_MIN, reterr);
    }
    if (status == STATUS_OK) {
        status = writer->io->create(writer->io->self, path, &writer->file, reterr);
    }
    return status == STATUS_OK ? write_header(writer, stamp, reterr) : status;
}

Status run_writer_open(const Io *io, const char *path, const RunStamp *stamp, uint64_t expected, unsigned filter_bits,
                       RunWriter **ret_writer, Error *reterr)
{
    RunWriter *writer = calloc(1, sizeof *writer);
    if (!writer) {
        return error_set(reterr, STATUS_BUSY, "out of memory for writing a run");
    }
    writer->io = io;
    writer->expected = expected;
    Status status = writer_begin(writer, path, stamp, filter_bits, reterr);
    if (status != STATUS_OK) {
        run_writer_abandon(writer);
        return status;
    }
    *ret_writer = writer;
    return STATUS_OK;
}

static Status write_buffer(RunWriter *writer, Error *reterr)
{
    size_t bytes = writer->complete * sizeof *writer->buffer;
    writer->complete = 0;
    return bytes > 0 ? writer_append(writer, writer->buffer, bytes, reterr) : STATUS_OK;
}

/* The block that is being filled gets its frame and its place in the sparse array. */
static Status seal_block(RunWriter *writer, Error *reterr)
{
    if (writer->blocks == writer->sparse_room) {
        Status status = grow_sparse(writer, writer->sparse_room * 2, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
    RunBlock *block = &writer->buffer[writer->complete];
    size_t used = writer->bytes ? writer->bytes : writer->fill * sizeof block->pairs[0];
    memset(block->rows + used, 0, RUN_BLOCK_ROW_BYTES - used);
    block->count = writer->fill;
    block->bytes = writer->bytes;
    block->checksum = run_block_checksum(block, writer->header_checksum, writer->blocks);
    writer->keys[writer->blocks] = writer->first.key;
    writer->values[writer->blocks] = writer->first.value;
    writer->blocks++;
    writer->complete++;
    writer->fill = writer->bytes = 0;
    return writer->complete == WRITER_BLOCKS ? write_buffer(writer, reterr) : STATUS_OK;
}

/* As many of the pairs as the block at hand still takes. */
static size_t fill_block(RunWriter *writer, const IndexPair *pairs, size_t count)
{
    size_t room = RUN_BLOCK_PAIRS - writer->fill;
    count = count < room ? count : room;
    writer->first = writer->fill == 0 ? pairs[0] : writer->first;
    memcpy(&writer->buffer[writer->complete].pairs[writer->fill], pairs, count * sizeof *pairs);
    for (size_t i = 0; i < count; i++) {
        assert(writer->entries == 0 || index_pair_before(writer->last, pairs[i]));
        writer->last = pairs[i];
        writer->entries++;
    }
    if (writer->filter.count > 0) {
        for (size_t i = 0; i < count; i++) {
            run_filter_add(&writer->filter, pairs[i].key);
        }
    }
    writer->fill += (uint32_t)count;
    return count;
}

Status run_writer_add(RunWriter *writer, const IndexPair *pairs, size_t count, Error *reterr)
{
    while (count > 0) {
        size_t taken = fill_block(writer, pairs, count);
        pairs += taken;
        count -= taken;
        if (writer->fill == RUN_BLOCK_PAIRS) {
            Status status = seal_block(writer, reterr);
            if (status != STATUS_OK) {
                return status;
            }
        }
    }
    return STATUS_OK;
}

static void put_row(RunWriter *writer, Str row)
{
    uint8_t *to = writer->buffer[writer->complete].rows + writer->bytes;
    uint16_t len = (uint16_t)row.len;
    memcpy(to, &len, sizeof len);
    memcpy(to + sizeof len, row.ptr, row.len);
    writer->bytes += (uint32_t)(sizeof len + row.len);
    writer->fill++;
}

Status run_writer_add_row(RunWriter *writer, uint64_t key, Str row, Error *reterr)
{
    IndexPair place = {key, writer->entries};
    assert(row.len <= RUN_ROW_BYTES_MAX && (writer->entries == 0 || index_pair_before(writer->last, place)));
    if (writer->fill > 0 && writer->bytes + sizeof(uint16_t) + row.len > RUN_BLOCK_ROW_BYTES) {
        Status status = seal_block(writer, reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
    writer->first = writer->fill == 0 ? place : writer->first;
    put_row(writer, row);
    writer->last = place;
    writer->entries++;
    return STATUS_OK;
}

static Status write_blocks(RunWriter *writer, Error *reterr)
{
    Status status = writer->fill > 0 ? seal_block(writer, reterr) : STATUS_OK;
    return status == STATUS_OK ? write_buffer(writer, reterr) : status;
}

static Status write_sparse(RunWriter *writer, Error *reterr)
{
    Status status = writer_append(writer, writer->keys, writer->blocks * sizeof *writer->keys, reterr);
    return status == STATUS_OK ? writer_append(writer, writer->values, writer->blocks * sizeof *writer->values, reterr)
                               : status;
}

static Status write_filter(RunWriter *writer, Error *reterr)
{
    run_filter_fold(&writer->filter, writer->expected, writer->entries);
    return writer_append(writer, writer->filter.lines, run_filter_bytes(&writer->filter), reterr);
}

static Status write_footer(RunWriter *writer, Error *reterr)
{
    RunFooter footer = {
        .magic = RUN_FOOTER_MAGIC,
        .entries = writer->entries,
        .blocks = writer->blocks,
        .filter_lines = writer->filter.count,
        .filter_probes = writer->filter.probes,
        .last = writer->last,
        .header_checksum = writer->header_checksum,
        .sparse_checksum = run_sparse_checksum(writer->keys, writer->values, writer->blocks),
        .filter_checksum = run_filter_checksum(&writer->filter),
    };
    footer.checksum = run_footer_checksum(&footer);
    return writer_append(writer, &footer, sizeof footer, reterr);
}

Status run_writer_finish(RunWriter *writer, Error *reterr)
{
    Status (*const parts[])(RunWriter *, Error *) = {write_blocks, write_sparse, write_filter, write_footer};
    Status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof parts / sizeof *parts; i++) {
        status = parts[i](writer, reterr);
    }
    if (status == STATUS_OK) {
        status = writer->io->sync(writer->file, reterr);
    }
    run_writer_abandon(writer);
    return status;
}

#include "run_damage.h"

#include "store/index/run_filter.h"
#include "store/index/run_format.h"

enum { IS_WHOLE_FILE = 1, MAKE_FIT = 2, CUT = 4 };

static size_t apply_changes(uint8_t *file, size_t file_bytes, const uint8_t *data, size_t size)
{
    while (size > 3) {
        size_t offset = (size_t)(data[0] | data[1] << 8) % file_bytes, count = data[2];
        data += 3;
        size -= 3;
        count = count < size ? count : size;
        for (size_t i = 0; i < count; i++) {
            file[(offset + i) % file_bytes] = data[i];
        }
        data += count;
        size -= count;
    }
    return size;
}

/* The sizes the footer claims, as far as they lie within the file: then every checksum fits. */
static void make_fit(uint8_t *file, size_t file_bytes)
{
    RunFooter footer;
    uint8_t *place = file + file_bytes - sizeof footer;
    memcpy(&footer, place, sizeof footer);
    footer.header_checksum = run_header_checksum((const RunHeader *)(const void *)file);
    size_t room = file_bytes - sizeof(RunHeader) - sizeof footer;
    if (footer.blocks <= room / (sizeof(RunBlock) + 16)) {
        RunBlock *blocks = (RunBlock *)(void *)(file + sizeof(RunHeader));
        for (uint64_t i = 0; i < footer.blocks; i++) {
            blocks[i].checksum = run_block_checksum(&blocks[i], footer.header_checksum, i);
        }
        uint64_t *keys = (uint64_t *)(void *)&blocks[footer.blocks];
        footer.sparse_checksum = run_sparse_checksum(keys, keys + footer.blocks, footer.blocks);
        room -= footer.blocks * (sizeof(RunBlock) + 16);
        if (footer.filter_lines <= room / RUN_FILTER_LINE_BYTES) {
            RunFilter filter = {(RunFilterLine *)(void *)(keys + 2 * footer.blocks), footer.filter_lines,
                                (unsigned)footer.filter_probes};
            footer.filter_checksum = run_filter_checksum(&filter);
        }
    }
    footer.checksum = run_footer_checksum(&footer);
    memcpy(place, &footer, sizeof footer);
}

bool run_damage(IoMemory *memory, const char *sound, const char *to, const uint8_t *data, size_t size)
{
    uint8_t flags = fuzz_take(&data, &size);
    uint8_t *bytes;
    size_t file_bytes;
    if (flags & IS_WHOLE_FILE) {
        io_memory_place(memory, to, data, size);
        return false;
    }
    bool found = io_memory_peek(memory, sound, &bytes, &file_bytes);
    uint8_t *file = aligned_alloc(64, (file_bytes + 63) / 64 * 64);
    PROMISE(found && file);
    memcpy(file, bytes, file_bytes);
    size_t left = apply_changes(file, file_bytes, data, size);
    if (flags & MAKE_FIT) {
        make_fit(file, file_bytes);
    }
    io_memory_place(memory, to, file, flags & CUT && left > 0 ? file_bytes * data[size - 1] / 256 : file_bytes);
    free(file);
    return !(flags & MAKE_FIT);
}

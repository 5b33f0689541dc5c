#include "intake/file_mark.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* Numbers with a space between them, in this order; then, behind another space, the name. */
typedef enum Field {
    FIELD_VERSION,
    FIELD_INODE,
    FIELD_SIZE,
    FIELD_CHANGED,
    FIELD_FORMAT,
    FIELD_LINE,
    FIELD_ITEMS,
    FIELD_CHAIN,
    FIELD_INSIDE,
    FIELD_FINISHED,
    FIELD_REPORT,
    MARK_FIELD_COUNT,
} Field;

enum { VERSION = 1, NUMBER_BYTES_MAX = 21 };
static_assert(MARK_FIELD_COUNT * NUMBER_BYTES_MAX + FILE_MARK_NAME_BYTES_MAX < SOURCE_MARK_BYTES_MAX, "it fits");

FileIdentity file_identity(const struct stat *info)
{
    return (FileIdentity){
        .inode = (uint64_t)info->st_ino,
        .size = (uint64_t)info->st_size,
        .changed_ns = (uint64_t)info->st_mtim.tv_sec * 1000000000u + (uint64_t)info->st_mtim.tv_nsec,
    };
}

bool file_identity_equal(const FileIdentity *a, const FileIdentity *b)
{
    return a->inode == b->inode && a->size == b->size && a->changed_ns == b->changed_ns;
}

size_t file_mark_format(const FileMark *mark, char ret_text[SOURCE_MARK_BYTES_MAX])
{
    const FilePosition *position = &mark->position;
    const uint64_t fields[MARK_FIELD_COUNT] = {
        [FIELD_VERSION] = VERSION,           [FIELD_INODE] = mark->file.inode,
        [FIELD_SIZE] = mark->file.size,      [FIELD_CHANGED] = mark->file.changed_ns,
        [FIELD_FORMAT] = position->format,   [FIELD_LINE] = position->line,
        [FIELD_ITEMS] = position->items,     [FIELD_CHAIN] = position->chain,
        [FIELD_INSIDE] = position->inside,   [FIELD_FINISHED] = mark->finished,
        [FIELD_REPORT] = mark->report_bytes,
    };
    assert(mark->name.len <= FILE_MARK_NAME_BYTES_MAX);
    size_t len = 0;
    for (size_t i = 0; i < MARK_FIELD_COUNT; i++) {
        len += (size_t)snprintf(ret_text + len, SOURCE_MARK_BYTES_MAX - len, "%" PRIu64 " ", fields[i]);
    }
    if (mark->name.len > 0) {
        memcpy(ret_text + len, mark->name.ptr, mark->name.len);
    }
    return len + mark->name.len;
}

bool file_mark_parse(Str text, int64_t next, FileMark *ret_mark)
{
    uint64_t fields[MARK_FIELD_COUNT];
    for (size_t i = 0; i < MARK_FIELD_COUNT; i++) {
        if (!text.ptr || !str_to_u64(str_split(&text, ' '), UINT64_MAX, &fields[i])) {
            return false;
        }
    }
    if (!text.ptr || next < 0 || fields[FIELD_VERSION] != VERSION || fields[FIELD_FORMAT] > FILE_FORMAT_CSV ||
        fields[FIELD_INSIDE] > UINT8_MAX || fields[FIELD_FINISHED] > 1 || text.len > FILE_MARK_NAME_BYTES_MAX) {
        return false;
    }
    *ret_mark = (FileMark){
        .file = {fields[FIELD_INODE], fields[FIELD_SIZE], fields[FIELD_CHANGED]},
        .position = {.format = (FileFormat)fields[FIELD_FORMAT],
                     .offset = (uint64_t)next,
                     .line = fields[FIELD_LINE],
                     .items = fields[FIELD_ITEMS],
                     .chain = fields[FIELD_CHAIN],
                     .inside = (unsigned)fields[FIELD_INSIDE]},
        .finished = fields[FIELD_FINISHED] == 1,
        .report_bytes = fields[FIELD_REPORT],
        .name = text,
    };
    return true;
}

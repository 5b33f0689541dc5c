#include "intake/drop_current.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "record/record_json.h"

enum { REST_BYTES_MAX = 64 << 10, PLACE_BYTES_MAX = FILE_MARK_NAME_BYTES_MAX + 1 };

/* Bytes that are no UTF-8 become question marks: places are texts. */
void drop_current_show_name(DropCurrent *current)
{
    const char *name = current->file.name;
    bool is_text = str_count_code_points(str_from(name)) >= 0;
    size_t i = 0;
    for (; name[i]; i++) {
        current->shown[i] = is_text || (unsigned char)name[i] < 0x80 ? name[i] : '?';
    }
    current->shown[i] = '\0';
}

bool drop_current_is_finished(const DropCurrent *current)
{
    return current->at_end && !current->has_item && current->pending_count == 0 &&
           (!current->trouble.message[0] || current->told);
}

/* ---- Items become messages --------------------------------------------------------------------------------------- */

static Status add(DropCurrent *current, SourceGroup *group, uint64_t line, Str raw, bool is_csv, Str refused,
                  Error *reterr)
{
    char place[PLACE_BYTES_MAX + 24], token[24];
    int place_len = snprintf(place, sizeof place, "%s:%" PRIu64, current->shown, line);
    int token_len = snprintf(token, sizeof token, "%" PRIu64, line);
    const SourceMessage message = {.raw = raw,
                                   .place = {place, (size_t)place_len},
                                   .token = {token, (size_t)token_len},
                                   .format = is_csv ? SOURCE_FORMAT_CSV : SOURCE_FORMAT_JSON,
                                   .refused = refused};
    return source_group_add(group, &message, reterr);
}

/* A CSV line says nothing without its header. */
static Status add_csv(DropCurrent *current, SourceGroup *group, const FileItem *item, Str refused, Error *reterr)
{
    Str header = file_reader_header(current->reader);
    char *text = arena_alloc(&group->arena, header.len + 1 + item->raw.len);
    if (!text) {
        return error_set(reterr, STATUS_BUSY, "no memory for messages");
    }
    memcpy(text, header.ptr, header.len);
    text[header.len] = '\n';
    if (item->raw.len > 0) {
        memcpy(text + header.len + 1, item->raw.ptr, item->raw.len);
    }
    return add(current, group, item->line, (Str){text, header.len + 1 + item->raw.len}, true, refused, reterr);
}

static Status add_item(DropCurrent *current, size_t message_bytes_max, SourceGroup *group, const FileItem *item,
                       Error *reterr)
{
    char why[96];
    if (file_reader_format(current->reader) == FILE_FORMAT_CSV) {
        return add_csv(current, group, item, STR(""), reterr);
    }
    int len = snprintf(why, sizeof why, "is longer than the %zu bytes of message_bytes_max; this is its beginning",
                       message_bytes_max);
    return add(current, group, item->line, item->raw, false, (Str){why, item->too_long ? (size_t)len : 0}, reterr);
}

/* Without its columns nothing of the file can be a record: that is said once, and not for each line. */
static Status check_header(Str raw, Error *reterr)
{
    Str cells[CSV_COLUMNS_MAX];
    size_t count = 0;
    CsvHeader header;
    char *copy = malloc(raw.len + 1);
    if (!copy) {
        return error_set(reterr, STATUS_BUSY, "no memory for the header of a file");
    }
    memcpy(copy, raw.ptr, raw.len);
    Str text = {copy, raw.len};
    Status status = csv_line_split(&text, true, cells, &count, reterr);
    if (status == STATUS_OK) {
        status = csv_header_parse(cells, count, &(RecordPolicy){0}, &header, reterr);
    }
    free(copy);
    return status;
}

static Status read_item(DropCurrent *current, Error *reterr)
{
    bool end = false;
    Status status = file_reader_next(current->reader, &current->item, &end, reterr);
    if (status != STATUS_OK || end) {
        current->at_end = status != STATUS_BUSY;
        return status;
    }
    file_reader_position(current->reader, &current->read);
    if (current->read.format == FILE_FORMAT_CSV && current->read.items == 1) {
        status = check_header(current->item.raw, reterr);
        current->at_end = status == STATUS_REFUSED;
        current->behind = status == STATUS_OK ? current->read : current->behind;
        return status;
    }
    current->has_item = true;
    return STATUS_OK;
}

/* BUSY: no memory. What is wrong with the file itself becomes its trouble. */
static Status read_on(DropCurrent *current, Error *reterr)
{
    Error error = {0};
    Status status = read_item(current, &error);
    if (status == STATUS_BUSY) {
        return error_set(reterr, status, "%s", error.message);
    }
    current->trouble = error;
    return STATUS_OK;
}

static size_t message_bytes(const DropCurrent *current)
{
    Str header = file_reader_header(current->reader);
    return current->item.raw.len + (header.ptr ? header.len + 1 : 0);
}

/* What could not be cut any further, or the beginning of that, as one message. */
static Status add_trouble(DropCurrent *current, SourceGroup *group, Error *reterr)
{
    FileItem item = {.line = 1};
    Str why = str_from(current->trouble.message);
    if (current->reader) {
        item.raw = file_reader_rest(current->reader);
        item.raw.len = item.raw.len > REST_BYTES_MAX ? REST_BYTES_MAX : item.raw.len;
        item.line = file_reader_line(current->reader);
    }
    Str header = current->reader ? file_reader_header(current->reader) : (Str){0};
    if (!source_group_has_room(group, item.raw.len + header.len + 1)) {
        return STATUS_OK;
    }
    bool is_header = header.ptr && current->behind.items == 0;
    item.line = is_header ? 1 : item.line;
    Status status = header.ptr ? add_csv(current, group, &item, why, reterr)
                               : add(current, group, item.line, item.raw, false, why, reterr);
    current->told = status == STATUS_OK;
    return status;
}

Status drop_current_fill(DropCurrent *current, size_t message_bytes_max, SourceGroup *group, Error *reterr)
{
    Status status = STATUS_OK;
    while (status == STATUS_OK && (current->has_item || !current->at_end)) {
        if (!current->has_item) {
            status = read_on(current, reterr);
        } else if (source_group_has_room(group, message_bytes(current))) {
            status = add_item(current, message_bytes_max, group, &current->item, reterr);
            current->has_item = status != STATUS_OK;
            current->behind = current->has_item ? current->behind : current->read;
        } else {
            return STATUS_OK;
        }
    }
    if (status == STATUS_OK && current->trouble.message[0] && !current->told) {
        status = add_trouble(current, group, reterr);
    }
    return status;
}

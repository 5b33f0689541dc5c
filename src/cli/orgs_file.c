#include "cli/orgs_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "record/record_json.h"
#include "store/onboard.h"

enum { FILE_BYTES_MAX = 512 << 20, READ_BYTES = 1 << 16, ONE_BYTES_MAX = 64 << 20 };

/* ---- The file ---------------------------------------------------------------------------------------------------- */

static Status say_system(const char *path, Error *reterr)
{
    return error_set(reterr, STATUS_REFUSED, "%s: %s", path, strerror(errno));
}

static Status read_all(FILE *file, const char *path, Buf *text, Error *reterr)
{
    char *at;
    size_t got = 1;
    while (got > 0 && (at = buf_reserve(text, READ_BYTES))) {
        got = fread(at, 1, READ_BYTES, file);
        text->len += got;
    }
    if (text->failed) {
        return error_set(reterr, STATUS_REFUSED, "%s is larger than %d MiB, or there is no memory for it", path,
                         FILE_BYTES_MAX >> 20);
    }
    return ferror(file) ? say_system(path, reterr) : STATUS_OK;
}

static Status read_file(const char *path, Buf *text, Error *reterr)
{
    bool is_input = strcmp(path, "-") == 0;
    FILE *file = is_input ? stdin : fopen(path, "re");
    if (!file) {
        return say_system(path, reterr);
    }
    Status status = read_all(file, path, text, reterr);
    if (!is_input) {
        fclose(file);
    }
    return status;
}

static Str without_mark(Str text)
{
    size_t mark = str_starts_with(text, STR("\xEF\xBB\xBF")) ? 3 : 0;
    return (Str){text.ptr + mark, text.len - mark};
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static Status open_json(OrgsFile *file, const char *path, Str text, Error *reterr)
{
    yyjson_read_err problem;
    file->doc = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, YYJSON_READ_NUMBER_AS_RAW, NULL, &problem);
    if (!file->doc) {
        return error_set(reterr, STATUS_REFUSED, "%s is not JSON: %s at byte %zu", path, problem.msg, problem.pos);
    }
    yyjson_val *root = yyjson_doc_get_root(file->doc);
    yyjson_val *list = yyjson_is_obj(root) ? yyjson_obj_get(root, "organizations") : root;
    if (!yyjson_is_arr(list)) {
        return error_set(reterr, STATUS_REFUSED, "%s is neither an array nor has one of the name organizations", path);
    }
    file->count = yyjson_arr_size(list);
    return STATUS_OK;
}

static yyjson_val *first_of(const OrgsFile *file)
{
    yyjson_val *root = yyjson_doc_get_root(file->doc);
    return yyjson_arr_get_first(yyjson_is_obj(root) ? yyjson_obj_get(root, "organizations") : root);
}

/* False when it does not fit any more; the first one always does. */
static bool put_organization(OrgsPiece *piece, yyjson_val *organization)
{
    size_t len = 0;
    char *text = yyjson_val_write(organization, 0, &len);
    bool fits = piece->count == 0 || piece->body.len + len < ORGS_PIECE_BYTES_MAX;
    piece->body.failed |= !text;
    if (fits) {
        buf_put(&piece->body, piece->count++ ? STR(",") : STR(""));
        buf_put(&piece->body, (Str){text, text ? len : 0});
    }
    free(text);
    return fits;
}

static void next_json(OrgsFile *file, OrgsPiece *piece)
{
    piece->content_type = "application/json";
    BUF_PUT(&piece->body, "{\"organizations\":[");
    while (file->taken < file->count && piece->count < ONBOARD_ITEMS_MAX && put_organization(piece, file->next)) {
        file->next = unsafe_yyjson_get_next(file->next);
        file->taken++;
    }
    BUF_PUT(&piece->body, "]}");
}

/* ---- CSV --------------------------------------------------------------------------------------------------------- */

static int64_t count_breaks(Str text)
{
    int64_t breaks = 0;
    for (size_t i = 0; i < text.len; i++) {
        breaks += text.ptr[i] == '\n';
    }
    return breaks;
}

/* One line with its break, which may have further ones between quotes. */
static Str take_line(Str *rest)
{
    size_t bytes, break_bytes;
    bool is_whole = csv_line_measure(*rest, true, &bytes, &break_bytes);
    Str line = {rest->ptr, is_whole ? bytes + break_bytes : rest->len};
    *rest = (Str){rest->ptr + line.len, rest->len - line.len};
    return line;
}

static size_t count_lines(Str rest)
{
    size_t count = 0;
    while (rest.len) {
        count += str_trim(take_line(&rest)).len > 0;
    }
    return count;
}

static void begin_csv(OrgsFile *file)
{
    file->rest = without_mark(buf_str(&file->text));
    file->header = take_line(&file->rest);
    file->line = 1 + count_breaks(file->header);
    file->taken = 0;
}

static void next_csv(OrgsFile *file, OrgsPiece *piece)
{
    piece->content_type = "text/csv";
    piece->shift = file->line - 1 - count_breaks(file->header);
    buf_put(&piece->body, file->header);
    while (file->rest.len && piece->count < ONBOARD_ITEMS_MAX) {
        Str rest = file->rest, line = take_line(&rest);
        if (piece->count && piece->body.len + line.len > ORGS_PIECE_BYTES_MAX) {
            break;
        }
        buf_put(&piece->body, line);
        piece->count += str_trim(line).len > 0;
        file->line += count_breaks(line);
        file->rest = rest;
    }
    file->taken += piece->count;
}

/* ---- Both -------------------------------------------------------------------------------------------------------- */

Status orgs_file_open(const char *path, OrgsFile *ret_file, Error *reterr)
{
    *ret_file = (OrgsFile){0};
    buf_init(&ret_file->text, FILE_BYTES_MAX);
    Status status = read_file(path, &ret_file->text, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    Str text = str_trim(without_mark(buf_str(&ret_file->text)));
    ret_file->is_csv = text.len && text.ptr[0] != '{' && text.ptr[0] != '[';
    if (!ret_file->is_csv && text.len) {
        status = open_json(ret_file, path, text, reterr);
    } else if (text.len) {
        begin_csv(ret_file);
        ret_file->count = count_lines(ret_file->rest);
    }
    if (status == STATUS_OK && ret_file->count == 0) {
        status = error_set(reterr, STATUS_REFUSED, "%s has no organizations", path);
    }
    orgs_file_rewind(ret_file);
    return status;
}

void orgs_file_rewind(OrgsFile *file)
{
    file->taken = 0;
    if (file->is_csv) {
        begin_csv(file);
    } else if (file->count) {
        file->next = first_of(file);
    }
}

void orgs_file_close(OrgsFile *file)
{
    yyjson_doc_free(file->doc);
    buf_release(&file->text);
}

void orgs_piece_init(OrgsPiece *piece)
{
    *piece = (OrgsPiece){0};
    buf_init(&piece->body, ONE_BYTES_MAX);
}

void orgs_piece_release(OrgsPiece *piece) { buf_release(&piece->body); }

bool orgs_file_next(OrgsFile *file, OrgsPiece *piece)
{
    if (file->taken >= file->count) {
        return false;
    }
    buf_reset(&piece->body);
    piece->count = 0;
    piece->first = file->taken;
    piece->shift = 0;
    (file->is_csv ? next_csv : next_json)(file, piece);
    return true;
}

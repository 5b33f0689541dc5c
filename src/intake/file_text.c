#include "intake/file_text.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum {
    PACKED_BYTES = 1 << 17,
    SKIP_BYTES = 1 << 16,
    GZIP_ONLY = 16 + MAX_WBITS, /* zlib's way to say so */
    ZSTD_WINDOW_LOG_MAX = 27,   /* 128 MiB: what `zstd` itself unpacks unasked */
    ZSTD_HEADER_BYTES_MAX = 18,
    MAGIC_BYTES_MAX = 6,
    ONCE_BYTES_MAX = 1 << 30, /* zlib counts in 32 bits */
};

typedef enum Packing { PACKING_UNKNOWN, PACKING_NONE, PACKING_GZIP, PACKING_ZSTD } Packing;

struct FileText {
    const char *name;
    int fd;
    Packing packing;
    bool ended;  /* the file is read to its end */
    bool inside; /* of a member or frame */
    uint64_t bytes_read;
    z_stream gzip;
    ZSTD_DCtx *zstd;
    unsigned long long frame_bytes, frame_count; /* of the frame: how many it says to hold, and how many have come */
    size_t at, end;                              /* of what was read and not unpacked yet */
    char packed[PACKED_BYTES];
};

static const Str gzip_magic = {"\x1F\x8B", 2}, zstd_magic = {"\x28\xB5\x2F\xFD", 4};

/* What people drop now and then, and what would otherwise be as many wrong records as it has line feeds. */
static const struct {
    Str magic;
    const char *what;
} foreign[] = {
    {{"\3757zXZ", 6}, "is packed with xz: gzip and Zstandard are unpacked here"},
    {{"BZh91A", 6}, "is packed with bzip2: gzip and Zstandard are unpacked here"},
    {{"PK\x03\x04", 4}, "is a ZIP archive, or a spreadsheet, which is one: gzip and Zstandard are unpacked here"},
    {{"\xFF\xFE", 2}, "is UTF-16, and has to be UTF-8"},
    {{"\xFE\xFF", 2}, "is UTF-16, and has to be UTF-8"},
};

/* ---- Names ------------------------------------------------------------------------------------------------------- */

static bool has_ending(Str name, Str ending)
{
    return name.len > ending.len && str_equal_nocase((Str){name.ptr + name.len - ending.len, ending.len}, ending);
}

Str file_text_bare_name(Str name)
{
    size_t ending = has_ending(name, STR(".gz")) ? 3 : has_ending(name, STR(".zst")) ? 4 : 0;
    return (Str){name.ptr, name.len - ending};
}

/* ---- The file itself --------------------------------------------------------------------------------------------- */

static Status read_file(FileText *text, char *bytes, size_t cap, size_t *ret_count, Error *reterr)
{
    ssize_t got;
    do {
        got = read(text->fd, bytes, cap < ONCE_BYTES_MAX ? cap : ONCE_BYTES_MAX);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return error_set(reterr, STATUS_BROKEN, "%s cannot be read: %s", text->name, strerror(errno));
    }
    text->ended = got == 0;
    text->bytes_read += (uint64_t)got;
    *ret_count = (size_t)got;
    return STATUS_OK;
}

/* More behind what waits to be unpacked. */
static Status fill(FileText *text, Error *reterr)
{
    size_t got = 0;
    memmove(text->packed, text->packed + text->at, text->end - text->at);
    text->end -= text->at;
    text->at = 0;
    Status status = read_file(text, text->packed + text->end, PACKED_BYTES - text->end, &got, reterr);
    text->end += got;
    return status;
}

static Str waiting(const FileText *text) { return (Str){text->packed + text->at, text->end - text->at}; }

static bool is_at_end(const FileText *text) { return text->ended && text->at == text->end; }

static Status refuse_torn(const FileText *text, Error *reterr)
{
    return error_set(reterr, STATUS_REFUSED, "%s: the packed data end too early; was it copied whole?", text->name);
}

/* ---- Unpacking --------------------------------------------------------------------------------------------------- */

static Status begin_gzip(FileText *text, Error *reterr)
{
    return inflateInit2(&text->gzip, GZIP_ONLY) == Z_OK
               ? STATUS_OK
               : error_set(reterr, STATUS_BUSY, "no memory to unpack %s", text->name);
}

static Status begin_zstd(FileText *text, Error *reterr)
{
    text->zstd = ZSTD_createDCtx();
    if (!text->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(text->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX))) {
        return error_set(reterr, STATUS_BUSY, "no memory to unpack %s", text->name);
    }
    return STATUS_OK;
}

/* Those who pack in parallel (pzstd) begin with a frame that is to be skipped, and says where others begin. */
static bool is_zstd(Str bytes)
{
    static const char skippable[] = "\x2A\x4D\x18";
    return str_starts_with(bytes, zstd_magic) ||
           (bytes.len >= sizeof skippable && ((unsigned char)bytes.ptr[0] & 0xF0) == 0x50 &&
            memcmp(bytes.ptr + 1, skippable, 3) == 0);
}

static Status find_packing(const FileText *text, Packing *ret_packing, Error *reterr)
{
    Str bytes = waiting(text), name = str_from(text->name);
    if (is_at_end(text) && file_text_bare_name(name).len < name.len) {
        return refuse_torn(text, reterr);
    }
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (str_starts_with(bytes, foreign[i].magic)) {
            return error_set(reterr, STATUS_REFUSED, "%s %s", text->name, foreign[i].what);
        }
    }
    *ret_packing = str_starts_with(bytes, gzip_magic) ? PACKING_GZIP : is_zstd(bytes) ? PACKING_ZSTD : PACKING_NONE;
    return STATUS_OK;
}

static Status begin(FileText *text, Error *reterr)
{
    Packing packing = PACKING_NONE;
    Status status = STATUS_OK;
    while (status == STATUS_OK && !text->ended && text->end < MAGIC_BYTES_MAX) {
        status = fill(text, reterr);
    }
    if (status == STATUS_OK) {
        status = find_packing(text, &packing, reterr);
    }
    if (status != STATUS_OK) {
        return status;
    }
    status = packing == PACKING_GZIP   ? begin_gzip(text, reterr)
             : packing == PACKING_ZSTD ? begin_zstd(text, reterr)
                                       : STATUS_OK;
    text->packing = status == STATUS_OK ? packing : PACKING_UNKNOWN;
    return status;
}

static Status refuse_damaged(const FileText *text, const char *why, Error *reterr)
{
    return error_set(reterr, STATUS_REFUSED, "%s: the packed data are damaged (%s)", text->name, why);
}

/* One step: some of what waits, into some of what there is room for. */
static Status inflate_some(FileText *text, char *bytes, size_t cap, size_t *ret_count, Error *reterr)
{
    z_stream *gzip = &text->gzip;
    if (!text->inside && inflateReset(gzip) != Z_OK) {
        return refuse_damaged(text, "zlib's state", reterr);
    }
    gzip->next_in = (Bytef *)text->packed + text->at;
    gzip->avail_in = (uInt)(text->end - text->at);
    gzip->next_out = (Bytef *)bytes;
    gzip->avail_out = (uInt)cap;
    int result = inflate(gzip, Z_NO_FLUSH);
    text->at = text->end - gzip->avail_in;
    *ret_count = cap - gzip->avail_out;
    text->inside = result != Z_STREAM_END;
    if (result == Z_MEM_ERROR) {
        return error_set(reterr, STATUS_BUSY, "no memory to unpack %s", text->name);
    }
    bool ok = result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR;
    return ok ? STATUS_OK : refuse_damaged(text, gzip->msg ? gzip->msg : "gzip", reterr);
}

/* A frame's header may say how many bytes the frame holds. The library compares that in most cases, but not when the
 * frame ends in an empty block (libzstd 1.5.4, ZSTD_decompressContinue). */
static Status begin_frame(FileText *text, Error *reterr)
{
    Status status = STATUS_OK;
    while (status == STATUS_OK && !text->ended && text->end - text->at < ZSTD_HEADER_BYTES_MAX) {
        status = fill(text, reterr);
    }
    text->frame_bytes = ZSTD_getFrameContentSize(text->packed + text->at, text->end - text->at);
    text->frame_count = 0;
    return status;
}

static bool is_short_frame(const FileText *text)
{
    bool is_known = text->frame_bytes != ZSTD_CONTENTSIZE_UNKNOWN && text->frame_bytes != ZSTD_CONTENTSIZE_ERROR;
    return !text->inside && is_known && text->frame_count != text->frame_bytes;
}

static Status unzstd_some(FileText *text, char *bytes, size_t cap, size_t *ret_count, Error *reterr)
{
    Status status = text->inside ? STATUS_OK : begin_frame(text, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    ZSTD_inBuffer in = {text->packed, text->end, text->at};
    ZSTD_outBuffer out = {bytes, cap, 0};
    size_t left = ZSTD_decompressStream(text->zstd, &out, &in);
    text->at = in.pos;
    *ret_count = out.pos;
    text->inside = left != 0;
    text->frame_count += out.pos;
    if (ZSTD_isError(left)) {
        return refuse_damaged(text, ZSTD_getErrorName(left), reterr);
    }
    return is_short_frame(text) ? refuse_damaged(text, "a frame is shorter than it says", reterr) : STATUS_OK;
}

/* What stands between members: tapes and disks pad with zeros. */
static Status skip_padding(FileText *text, Error *reterr)
{
    Status status = STATUS_OK;
    while (status == STATUS_OK && !is_at_end(text) && (text->at == text->end || text->packed[text->at] == '\0')) {
        text->at += text->at < text->end;
        status = text->at == text->end && !text->ended ? fill(text, reterr) : STATUS_OK;
    }
    return status;
}

static Status unpack(FileText *text, char *bytes, size_t cap, size_t *ret_count, Error *reterr)
{
    Status status = STATUS_OK;
    *ret_count = 0;
    while (status == STATUS_OK && *ret_count == 0) {
        if (text->at == text->end && !text->ended && (status = fill(text, reterr)) != STATUS_OK) {
            return status;
        }
        if (!text->inside && (status = skip_padding(text, reterr)) != STATUS_OK) {
            return status;
        }
        if (!text->inside && is_at_end(text)) {
            return STATUS_OK;
        }
        bool was_at_end = is_at_end(text);
        status = text->packing == PACKING_GZIP ? inflate_some(text, bytes, cap, ret_count, reterr)
                                               : unzstd_some(text, bytes, cap, ret_count, reterr);
        if (status == STATUS_OK && was_at_end && text->inside && *ret_count == 0) {
            return refuse_torn(text, reterr);
        }
    }
    return status;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

Status file_text_open(int fd, const char *name, FileText **ret_text, Error *reterr)
{
    FileText *text = malloc(sizeof *text);
    if (!text) {
        if (fd != STDIN_FILENO) {
            close(fd);
        }
        return error_set(reterr, STATUS_BUSY, "no memory to read %s", name);
    }
    memset(text, 0, offsetof(FileText, packed));
    text->name = name;
    text->fd = fd;
    *ret_text = text;
    return STATUS_OK;
}

void file_text_close(FileText *text)
{
    if (text) {
        if (text->packing == PACKING_GZIP) {
            inflateEnd(&text->gzip);
        }
        ZSTD_freeDCtx(text->zstd);
        if (text->fd != STDIN_FILENO) {
            close(text->fd);
        }
        free(text);
    }
}

Status file_text_read(FileText *text, char *bytes, size_t cap, size_t *ret_count, Error *reterr)
{
    Status status = text->packing == PACKING_UNKNOWN ? begin(text, reterr) : STATUS_OK;
    if (status != STATUS_OK) {
        return status;
    }
    cap = cap < ONCE_BYTES_MAX ? cap : ONCE_BYTES_MAX;
    if (text->packing != PACKING_NONE) {
        return unpack(text, bytes, cap, ret_count, reterr);
    }
    if (text->at == text->end) {
        return read_file(text, bytes, cap, ret_count, reterr);
    }
    Str first = waiting(text);
    *ret_count = first.len < cap ? first.len : cap;
    memcpy(bytes, first.ptr, *ret_count);
    text->at += *ret_count;
    return STATUS_OK;
}

/* A place behind the end can be gone to as well: it is looked for before. */
static Status skip_file(FileText *text, uint64_t count, uint64_t *ret_skipped, Error *reterr)
{
    struct stat info;
    off_t to = (off_t)(text->bytes_read + count);
    if (fstat(text->fd, &info) != 0 || (to <= info.st_size && lseek(text->fd, to, SEEK_SET) < 0)) {
        return error_set(reterr, STATUS_BROKEN, "%s cannot be read: %s", text->name, strerror(errno));
    }
    if (to > info.st_size) {
        return error_set(reterr, STATUS_REFUSED, "%s has become shorter", text->name);
    }
    text->bytes_read += count;
    *ret_skipped = count;
    return STATUS_OK;
}

static bool can_skip(const FileText *text, uint64_t count)
{
    return text->packing == PACKING_NONE && text->at == text->end && count <= INT64_MAX - text->bytes_read;
}

Status file_text_skip(FileText *text, uint64_t count, uint64_t *ret_skipped, Error *reterr)
{
    char scratch[SKIP_BYTES];
    size_t got = 0;
    if (can_skip(text, count)) {
        return skip_file(text, count, ret_skipped, reterr);
    }
    Status status = file_text_read(text, scratch, count < SKIP_BYTES ? count : SKIP_BYTES, &got, reterr);
    if (status == STATUS_OK && got == 0) {
        return error_set(reterr, STATUS_REFUSED, "%s has become shorter", text->name);
    }
    *ret_skipped = status == STATUS_OK ? got : *ret_skipped;
    return status;
}

uint64_t file_text_bytes_read(const FileText *text) { return text->bytes_read; }

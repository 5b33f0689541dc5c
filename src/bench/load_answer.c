#include "bench/load_answer.h"

void load_answer_begin(LoadAnswer *answer)
{
    answer->part = LOAD_ANSWER_HEAD;
    answer->status = 0;
    answer->close = false;
    answer->retry_after = 0;
    answer->left = 0;
    answer->line_bytes = 0;
    answer->extension = false;
    answer->head_bytes = 0;
    answer->body_bytes = 0;
}

/* "HTTP/1.1 201 Created" */
static bool read_status_line(LoadAnswer *answer, Str line)
{
    uint64_t status;
    if (line.len < 12 || !str_starts_with(line, STR("HTTP/1.")) || line.ptr[8] != ' ' ||
        !str_to_u64((Str){line.ptr + 9, 3}, 599, &status) || status < 100) {
        return false;
    }
    answer->status = (int)status;
    answer->close = line.ptr[7] == '0';
    return true;
}

typedef struct Framing {
    bool chunked, has_length;
    uint64_t length;
} Framing;

/* Most headers are of no interest; their first letter says so. */
static bool read_header(LoadAnswer *answer, Str line, Framing *framing)
{
    char first = line.len ? (char)(line.ptr[0] | 0x20) : 0;
    if (first != 'c' && first != 't' && first != 'r') {
        return true;
    }
    Str value = line;
    Str name = str_split(&value, ':');
    value = str_trim(value);
    if (str_equal_nocase(name, STR("content-length"))) {
        framing->has_length = true;
        return str_to_u64(value, UINT64_MAX / 2, &framing->length);
    }
    if (str_equal_nocase(name, STR("transfer-encoding"))) {
        framing->chunked = str_equal_nocase(value, STR("chunked"));
        return framing->chunked;
    }
    if (str_equal_nocase(name, STR("connection"))) {
        answer->close = str_equal_nocase(value, STR("close"));
    } else if (str_equal_nocase(name, STR("retry-after"))) {
        (void)str_to_u64(value, 3600, &answer->retry_after);
    }
    return true;
}

/* `head` is everything before the empty line. */
static LoadAnswerPart read_head(LoadAnswer *answer, Str head)
{
    Framing framing = {0};
    if (!read_status_line(answer, str_split(&head, '\n'))) {
        return LOAD_ANSWER_BROKEN;
    }
    while (head.ptr) {
        if (!read_header(answer, str_split(&head, '\n'), &framing)) {
            return LOAD_ANSWER_BROKEN;
        }
    }
    if (answer->status < 200) {
        load_answer_begin(answer);
        return LOAD_ANSWER_HEAD;
    }
    if (answer->status == 204 || answer->status == 304) {
        return LOAD_ANSWER_DONE;
    }
    if (framing.chunked) {
        return LOAD_ANSWER_CHUNK_SIZE;
    }
    answer->left = framing.length;
    if (!framing.has_length) {
        answer->close = true;
        return LOAD_ANSWER_UNTIL_CLOSE;
    }
    return framing.length > 0 ? LOAD_ANSWER_LENGTH : LOAD_ANSWER_DONE;
}

/* Usually the whole head is in `data`, and is read there. Otherwise its pieces are put together first. */
static size_t feed_head(LoadAnswer *answer, const char *data, size_t bytes)
{
    const char *end = answer->head_bytes == 0 ? memmem(data, bytes, "\r\n\r\n", 4) : NULL;
    if (end) {
        answer->part = read_head(answer, (Str){data, (size_t)(end - data)});
        return (size_t)(end - data) + 4;
    }
    size_t before = answer->head_bytes;
    size_t room = sizeof(answer->head) - before;
    size_t taken = bytes < room ? bytes : room;
    memcpy(answer->head + before, data, taken);
    answer->head_bytes += taken;
    size_t from = before > 3 ? before - 3 : 0;
    end = memmem(answer->head + from, answer->head_bytes - from, "\r\n\r\n", 4);
    if (end) {
        size_t head = (size_t)(end - answer->head);
        answer->part = read_head(answer, (Str){answer->head, head});
        return head + 4 - before;
    }
    if (taken < bytes || answer->head_bytes == sizeof(answer->head)) {
        answer->part = LOAD_ANSWER_BROKEN;
    }
    return taken;
}

static void keep_body(LoadAnswer *answer, const char *data, size_t bytes)
{
    size_t room = sizeof(answer->body) - answer->body_bytes;
    size_t kept = bytes < room ? bytes : room;
    memcpy(answer->body + answer->body_bytes, data, kept);
    answer->body_bytes += kept;
}

static size_t feed_counted(LoadAnswer *answer, const char *data, size_t bytes, LoadAnswerPart next)
{
    size_t taken = bytes < answer->left ? bytes : (size_t)answer->left;
    keep_body(answer, data, taken);
    answer->left -= taken;
    if (answer->left == 0) {
        answer->part = next;
    }
    return taken;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "1a2b;extension\r\n", byte by byte: a chunk's size is a few bytes of thousands. */
static void feed_chunk_size(LoadAnswer *answer, char c)
{
    int digit = hex_digit(c);
    if (c == '\n') {
        answer->part = answer->line_bytes == 0 ? LOAD_ANSWER_BROKEN
                       : answer->left > 0      ? LOAD_ANSWER_CHUNK_DATA
                                               : LOAD_ANSWER_TRAILER;
        answer->line_bytes = 0;
        answer->extension = false;
    } else if (c == ';' || c == '\r' || c == ' ') {
        answer->extension = true;
    } else if (!answer->extension && (digit < 0 || ++answer->line_bytes > 15)) {
        answer->part = LOAD_ANSWER_BROKEN;
    } else if (!answer->extension) {
        answer->left = answer->left << 4 | (uint64_t)digit;
    }
}

/* The lines behind the last chunk, up to an empty one. */
static void feed_trailer(LoadAnswer *answer, char c)
{
    if (c == '\n') {
        answer->part = answer->line_bytes == 0 ? LOAD_ANSWER_DONE : LOAD_ANSWER_TRAILER;
        answer->line_bytes = 0;
    } else if (c != '\r') {
        answer->line_bytes++;
    }
}

static size_t feed_part(LoadAnswer *answer, const char *data, size_t bytes)
{
    switch (answer->part) {
    case LOAD_ANSWER_HEAD: return feed_head(answer, data, bytes);
    case LOAD_ANSWER_LENGTH: return feed_counted(answer, data, bytes, LOAD_ANSWER_DONE);
    case LOAD_ANSWER_CHUNK_DATA: return feed_counted(answer, data, bytes, LOAD_ANSWER_CHUNK_END);
    case LOAD_ANSWER_UNTIL_CLOSE: keep_body(answer, data, bytes); return bytes;
    case LOAD_ANSWER_CHUNK_SIZE: feed_chunk_size(answer, *data); return 1;
    case LOAD_ANSWER_CHUNK_END:
        answer->part = *data == '\n'   ? LOAD_ANSWER_CHUNK_SIZE
                       : *data == '\r' ? LOAD_ANSWER_CHUNK_END
                                       : LOAD_ANSWER_BROKEN;
        return 1;
    case LOAD_ANSWER_TRAILER: feed_trailer(answer, *data); return 1;
    case LOAD_ANSWER_DONE:
    case LOAD_ANSWER_BROKEN: break;
    }
    return bytes;
}

size_t load_answer_feed(LoadAnswer *answer, const char *data, size_t bytes)
{
    size_t used = 0;
    while (used < bytes && answer->part != LOAD_ANSWER_DONE && answer->part != LOAD_ANSWER_BROKEN) {
        used += feed_part(answer, data + used, bytes - used);
    }
    return used;
}

void load_answer_end(LoadAnswer *answer)
{
    if (answer->part != LOAD_ANSWER_DONE) {
        answer->part = answer->part == LOAD_ANSWER_UNTIL_CLOSE ? LOAD_ANSWER_DONE : LOAD_ANSWER_BROKEN;
    }
    answer->close = true;
}

uint64_t load_answer_number(const LoadAnswer *answer, const char *name)
{
    Str rest = {answer->body, answer->body_bytes};
    size_t name_bytes = strlen(name);
    const char *at;
    while ((at = memmem(rest.ptr, rest.len, name, name_bytes))) {
        const char *end = rest.ptr + rest.len;
        const char *digits = at + name_bytes;
        if (at > rest.ptr && at[-1] == '"' && end - digits > 2 && digits[0] == '"' && digits[1] == ':') {
            digits += 2;
            size_t count = 0;
            while (digits + count < end && digits[count] >= '0' && digits[count] <= '9') {
                count++;
            }
            uint64_t value;
            return str_to_u64((Str){digits, count}, UINT64_MAX, &value) ? value : 0;
        }
        rest = (Str){at + 1, (size_t)(end - at) - 1};
    }
    return 0;
}

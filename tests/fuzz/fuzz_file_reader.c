/* What a file is cut into: the same whether it is read at once, in pieces or by two readers in turn, and nothing of the
 * file lost.
 *
 * The first byte chooses the format and the longest item, the second how the file is cut into pieces. */
#include "memory_file.h"

#include <sys/socket.h>
#include <yyjson.h>

#include "intake/file_reader.h"
#include "record/record_json.h"

enum { ITEMS_MAX = 4200, PIECES_MAX = 64 };

typedef struct Item {
    size_t at, len; /* in `text` */
    uint64_t line;
    bool too_long;
} Item;

/* What a reader made of a file. */
typedef struct Cut {
    Status status;
    FileFormat format;
    uint64_t bytes_read;
    size_t count;
    Item items[ITEMS_MAX];
    Buf text;
} Cut;

static void read_all(const char *path, FileFormat format, size_t item_bytes_max, Cut *cut)
{
    FileReader *reader;
    Error error = {0};
    bool end = false;
    cut->count = 0;
    cut->text.len = 0;
    cut->status = file_reader_open(path, format, item_bytes_max, &reader, &error);
    PROMISE(cut->status == STATUS_OK);
    while (cut->status == STATUS_OK) {
        FileItem item;
        cut->status = file_reader_next(reader, &item, &end, &error);
        if (cut->status != STATUS_OK || end) {
            break;
        }
        PROMISE(cut->count < ITEMS_MAX);
        cut->items[cut->count++] = (Item){cut->text.len, item.raw.len, item.line, item.too_long};
        buf_put(&cut->text, item.raw);
    }
    PROMISE(cut->status == STATUS_OK || (cut->status == STATUS_REFUSED && error.message[0]));
    cut->format = file_reader_format(reader);
    cut->bytes_read = file_reader_bytes_read(reader);
    file_reader_close(reader);
}

/* ---- In turn: another reader goes on behind item `count` --------------------------------------------------------- */

static FileReader *open_again(const char *path, FileFormat format, size_t item_bytes_max)
{
    FileReader *reader;
    Error error;
    PROMISE(file_reader_open(path, format, item_bytes_max, &reader, &error) == STATUS_OK);
    return reader;
}

static void read_rest(FileReader *reader, size_t count, const Cut *whole)
{
    FileItem item;
    Error error;
    bool end = false;
    Status status = STATUS_OK;
    while ((status = file_reader_next(reader, &item, &end, &error)) == STATUS_OK && !end) {
        PROMISE(count < whole->count);
        const Item *expected = &whole->items[count++];
        PROMISE(item.line == expected->line && item.too_long == expected->too_long);
        PROMISE(str_equal(item.raw, (Str){whole->text.ptr + expected->at, expected->len}));
    }
    PROMISE(count == whole->count && status == whole->status);
}

static void check_turns(const char *path, FileFormat format, size_t item_bytes_max, size_t count, const Cut *whole)
{
    FileReader *reader = open_again(path, format, item_bytes_max);
    FilePosition position;
    FileItem item;
    Error error;
    bool end;
    for (size_t i = 0; i < count; i++) {
        PROMISE(file_reader_next(reader, &item, &end, &error) == STATUS_OK && !end);
    }
    file_reader_position(reader, &position);
    PROMISE(position.items == count);
    file_reader_close(reader);
    for (int unchanged = 0; unchanged <= 1; unchanged++) {
        reader = open_again(path, format, item_bytes_max);
        FileResume resume = FILE_RESUME_ON_THE_WAY;
        while (resume == FILE_RESUME_ON_THE_WAY) {
            PROMISE(file_reader_resume(reader, &position, unchanged, &resume, &error) == STATUS_OK);
        }
        PROMISE(resume == FILE_RESUME_THERE);
        read_rest(reader, count, whole);
        file_reader_close(reader);
    }
}

static Str item_text(const Cut *cut, size_t i) { return (Str){cut->text.ptr + cut->items[i].at, cut->items[i].len}; }

/* ---- In pieces: standard input is a socket that keeps them apart ------------------------------------------------- */

static void read_pieces(Str text, size_t piece, FileFormat format, size_t item_bytes_max, Cut *cut)
{
    int pair[2];
    PROMISE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0 && dup2(pair[0], STDIN_FILENO) == STDIN_FILENO);
    close(pair[0]);
    piece = text.len / PIECES_MAX + piece;
    while (text.len > 0) {
        size_t bytes = piece < text.len ? piece : text.len;
        PROMISE(send(pair[1], text.ptr, bytes, 0) == (ssize_t)bytes);
        text = (Str){text.ptr + bytes, text.len - bytes};
    }
    close(pair[1]);
    read_all("-", format, item_bytes_max, cut);
}

static void check_items(const Cut *a, const Cut *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        PROMISE(a->items[i].line == b->items[i].line && a->items[i].too_long == b->items[i].too_long);
        PROMISE(str_equal(item_text(a, i), item_text(b, i)));
    }
}

static void check_same(const Cut *a, const Cut *b)
{
    PROMISE(a->status == b->status && a->count == b->count && a->format == b->format);
    check_items(a, b, a->count);
}

/* How much comes before the damage is found depends on how much is unpacked at once. */
static void check_damaged(const Cut *a, const Cut *b)
{
    PROMISE(a->status == b->status);
    check_items(a, b, a->count < b->count ? a->count : b->count);
}

/* Zstandard may begin with frames that are skipped. */
static bool is_compressed(Str text)
{
    return str_starts_with(text, STR("\x1F\x8B")) || str_starts_with(text, STR("\x28\xB5\x2F\xFD")) ||
           (text.len >= 4 && (text.ptr[0] & 0xF0) == 0x50 && memcmp(text.ptr + 1, "\x2A\x4D\x18", 3) == 0);
}

/* Packed in other ways, or another encoding: refused whatever comes behind it. */
static bool is_foreign(Str text)
{
    static const Str magics[] = {{"\xFD\x37\x7A\x58\x5A\x00", 6},
                                 {"\x42\x5A\x68\x39\x31\x41", 6},
                                 {"\x50\x4B\x03\x04", 4},
                                 {"\xFF\xFE", 2},
                                 {"\xFE\xFF", 2}};
    bool any = false;
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        any = any || str_starts_with(text, magics[i]);
    }
    return any;
}

/* ---- Lines ------------------------------------------------------------------------------------------------------- */

static bool is_blank(Str text) { return str_trim(text).len == 0; }

static void check_ndjson(Str text, uint64_t number, size_t item_bytes_max, const Cut *cut)
{
    size_t count = 0;
    PROMISE(cut->status == STATUS_OK);
    while (text.ptr) {
        Str line = str_split(&text, '\n');
        number++;
        bool too_long = line.len > item_bytes_max;
        if (is_blank(line) && !too_long) {
            continue;
        }
        PROMISE(count < cut->count && cut->items[count].line == number && cut->items[count].too_long == too_long);
        Str raw = item_text(cut, count++);
        line.len -= !too_long && line.ptr[line.len - 1] == '\r';
        PROMISE(too_long ? str_starts_with(line, raw) && raw.len > 0 : str_equal(line, raw));
    }
    PROMISE(count == cut->count);
}

static Str without_line_end(Str text)
{
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r')) {
        text.len--;
    }
    return text;
}

/* The lines of a CSV text as the reader of its cells takes them. */
static void check_csv(Str text, size_t item_bytes_max, const Cut *cut)
{
    char *copy = fuzz_copy(text.ptr, text.len);
    Str rest = {copy, text.len};
    size_t count = 0;
    bool stops = false;
    while (rest.len > 0 && !stops) {
        Str cells[CSV_COLUMNS_MAX];
        size_t cell_count, at = text.len - rest.len;
        Error error;
        Status status = csv_line_split(&rest, true, cells, &cell_count, &error);
        PROMISE(status == STATUS_OK || status == STATUS_REFUSED);
        Str line = {text.ptr + at, text.len - rest.len - at}, bare = without_line_end(line);
        stops = cut->status == STATUS_REFUSED && count == cut->count && line.len > item_bytes_max;
        PROMISE(stops || bare.len <= item_bytes_max);
        if (!stops && !is_blank(line)) {
            PROMISE(count < cut->count && str_equal(without_line_end(item_text(cut, count)), bare));
            count++;
        }
    }
    PROMISE(count == cut->count && stops == (cut->status == STATUS_REFUSED));
    free(copy);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void skip_space(Str *text)
{
    while (text->len > 0 && memchr(" \t\r\n", text->ptr[0], 4)) {
        *text = (Str){text->ptr + 1, text->len - 1};
    }
}

static void skip_one(Str *text, char c)
{
    skip_space(text);
    if (text->len > 0 && text->ptr[0] == c) {
        *text = (Str){text->ptr + 1, text->len - 1};
    }
    skip_space(text);
}

/* Between the items stands nothing but white space and an array's own punctuation. */
static void check_json_whole(Str text, const Cut *cut)
{
    skip_space(&text);
    bool is_array = text.len > 0 && text.ptr[0] == '[';
    for (size_t i = 0; i < cut->count; i++) {
        Str item = item_text(cut, i);
        if (is_array) {
            skip_one(&text, i > 0 ? ',' : '[');
        }
        skip_space(&text);
        PROMISE(str_starts_with(text, item));
        text = (Str){text.ptr + item.len, text.len - item.len};
    }
    if (is_array) {
        skip_one(&text, cut->count ? ']' : '[');
        skip_one(&text, ']');
    }
    skip_space(&text);
    PROMISE(text.len == 0);
}

/* An array that JSON itself understands is cut into its elements. */
static void check_json_array(Str text, size_t item_bytes_max, const Cut *cut)
{
    yyjson_doc *doc = yyjson_read(text.ptr, text.len, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_val *root = yyjson_doc_get_root(doc), *element;
    if (yyjson_is_arr(root) && text.len <= item_bytes_max) {
        size_t index, max;
        PROMISE(cut->status == STATUS_OK && cut->count == yyjson_arr_size(root));
        yyjson_arr_foreach(root, index, max, element)
        {
            Str item = item_text(cut, index);
            yyjson_doc *part = yyjson_read(item.ptr, item.len, YYJSON_READ_NUMBER_AS_RAW);
            PROMISE(yyjson_equals(yyjson_doc_get_root(part), element));
            yyjson_doc_free(part);
        }
    }
    yyjson_doc_free(doc);
}

/* To find the format out, white space in front is skipped. */
static uint64_t skip_first_lines(Str *text)
{
    uint64_t lines = 0;
    while (text->len > 0 && memchr(" \t\r\n", text->ptr[0], 4)) {
        lines += text->ptr[0] == '\n';
        *text = (Str){text->ptr + 1, text->len - 1};
    }
    return lines;
}

static void check_cut(Str text, FileFormat format, size_t item_bytes_max, const Cut *cut)
{
    bool is_packed = is_compressed(text);
    if (str_starts_with(text, STR("\xEF\xBB\xBF"))) {
        text = (Str){text.ptr + 3, text.len - 3};
    }
    uint64_t skipped = format == FILE_FORMAT_AUTO ? skip_first_lines(&text) : 0;
    if (is_packed) {
        PROMISE(cut->bytes_read > 0);
    } else if (cut->format == FILE_FORMAT_NDJSON) {
        check_ndjson(text, skipped, item_bytes_max, cut);
    } else if (cut->format == FILE_FORMAT_CSV) {
        check_csv(text, item_bytes_max, cut);
    } else {
        check_json_array(text, item_bytes_max, cut);
        if (cut->status == STATUS_OK) {
            check_json_whole(text, cut);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t longest[] = {200, 1000, 100000};
    static Cut whole, pieces;
    uint8_t choice = fuzz_take(&data, &size), piece = fuzz_take(&data, &size);
    FileFormat format = (FileFormat)(choice % 4);
    size_t item_bytes_max = longest[choice / 4 % 3];
    buf_init(&whole.text, 1 << 20);
    buf_init(&pieces.text, 1 << 20);
    read_all(memory_file(data, size), format, item_bytes_max, &whole);
    read_pieces((Str){(const char *)data, size}, piece + 1u, format, item_bytes_max, &pieces);
    Str text = {(const char *)data, size};
    if (is_compressed(text) && whole.status == STATUS_REFUSED) {
        check_damaged(&whole, &pieces);
    } else {
        check_same(&whole, &pieces);
        if (is_foreign(text)) {
            PROMISE(whole.status == STATUS_REFUSED && whole.count == 0);
        } else {
            check_cut(text, format, item_bytes_max, &whole);
        }
        PROMISE(whole.status != STATUS_OK || whole.bytes_read == size);
        check_turns(memory_file(data, size), format, item_bytes_max, whole.count ? 1 + piece % whole.count : 0, &whole);
    }
    buf_release(&whole.text);
    buf_release(&pieces.text);
    return 0;
}

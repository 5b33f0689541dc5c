/* Files that are packed, whole and torn. */
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "intake/file_text.h"
#include "support/scratch_dir.h"

enum { TEXT_BYTES = 1000000 };

static char dir[256], path[300];
static char text[TEXT_BYTES], packed[2 * TEXT_BYTES], unpacked[3 * TEXT_BYTES];

/* Lines that differ, so that packing them is work. */
static void fill_text(void)
{
    size_t len = 0;
    for (unsigned i = 0; len + 64 < sizeof text; i++) {
        len += (size_t)snprintf(text + len, 64, "{\"n\":%u,\"h\":%u}\n", i, i * 2654435761u);
    }
    memset(text + len, '\n', sizeof text - len);
}

static size_t pack_gzip(const char *bytes, size_t len, char *to)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes,
                       .avail_in = (uInt)len,
                       .next_out = (Bytef *)to,
                       .avail_out = (uInt)(packed + sizeof packed - to)};
    assert_int_equal(deflateInit2(&stream, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t packed_bytes = stream.total_out;
    deflateEnd(&stream);
    return packed_bytes;
}

/* With a checksum, as the program writes it. */
static size_t pack_zstd(const char *bytes, size_t len, char *to)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    assert_non_null(zstd);
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1)));
    size_t packed_bytes = ZSTD_compress2(zstd, to, (size_t)(packed + sizeof packed - to), bytes, len);
    assert_false(ZSTD_isError(packed_bytes));
    ZSTD_freeCCtx(zstd);
    return packed_bytes;
}

typedef size_t Pack(const char *bytes, size_t len, char *to);
static Pack *const packers[] = {pack_gzip, pack_zstd};

static FileText *open_file(const char *bytes, size_t len)
{
    FileText *file = NULL;
    Error error;
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, bytes, len), len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(file_text_open(fd, path, &file, &error), STATUS_OK);
    return file;
}

static Status read_all(FileText *file, size_t piece, size_t *ret_len, Error *reterr)
{
    Status status;
    size_t got = 1;
    *ret_len = 0;
    while ((status = file_text_read(file, unpacked + *ret_len, piece, &got, reterr)) == STATUS_OK && got > 0) {
        *ret_len += got;
        assert_true(*ret_len + piece <= sizeof unpacked);
    }
    return status;
}

static void check_text_of(const char *bytes, size_t len, const char *expected, size_t expected_len, size_t piece)
{
    FileText *file = open_file(bytes, len);
    Error error = {0};
    size_t got;
    Status status = read_all(file, piece, &got, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(got, expected_len);
    assert_memory_equal(unpacked, expected, got);
    assert_int_equal(file_text_bytes_read(file), len);
    file_text_close(file);
}

static void test_plain(void **state)
{
    (void)state;
    check_text_of("", 0, "", 0, 10);
    check_text_of("a", 1, "a", 1, 10);
    check_text_of("\x1F", 1, "\x1F", 1, 1);
    check_text_of(text, sizeof text, text, sizeof text, 777);
}

static void test_packed(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t len = packers[i](text, sizeof text, packed);
        assert_true(len < sizeof text);
        check_text_of(packed, len, text, sizeof text, 777);
        check_text_of(packed, len, text, sizeof text, 1 << 20);
        len = packers[i]("", 0, packed);
        check_text_of(packed, len, "", 0, 10);
    }
}

/* As `cat a.gz b.gz` makes them; and padded with zeros, as tapes do. */
static void test_several_members(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t len = packers[i](text, 500000, packed);
        len += packers[i]("", 0, packed + len);
        len += packers[i](text + 500000, sizeof text - 500000, packed + len);
        check_text_of(packed, len, text, sizeof text, 4096);
        memset(packed + len, 0, 1000);
        check_text_of(packed, len + 1000, text, sizeof text, 4096);
    }
}

/* As pzstd makes them: in front of each frame one that is to be skipped, and says how long the next is. */
static void test_frames_to_skip(void **state)
{
    (void)state;
    for (unsigned char kind = 0x50; kind < 0x60; kind++) {
        const char skipped[] = {(char)kind, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 1, 2, 3, 4};
        memcpy(packed, skipped, sizeof skipped);
        size_t len = sizeof skipped + pack_zstd(text, 500000, packed + sizeof skipped);
        memcpy(packed + len, skipped, sizeof skipped);
        len += sizeof skipped;
        len += pack_zstd(text + 500000, sizeof text - 500000, packed + len);
        check_text_of(packed, len, text, sizeof text, 4096);
    }
    check_text_of("P*M", 3, "P*M", 3, 10);
    check_text_of("P*M\x19 and so on", 14, "P*M\x19 and so on", 14, 10);
}

static void check_refused(const char *bytes, size_t len, const char *what)
{
    FileText *file = open_file(bytes, len);
    Error error = {0};
    size_t got;
    assert_int_equal(read_all(file, 4096, &got, &error), STATUS_REFUSED);
    assert_non_null(strstr(error.message, what));
    assert_memory_equal(unpacked, text, got); /* what is before is right */
    file_text_close(file);
}

static void test_torn(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t len = packers[i](text, sizeof text, packed);
        check_refused(packed, len - 1, "end too early");
        check_refused(packed, len / 2, "end too early");
        check_refused(packed, 5, "end too early");
    }
}

static void test_damaged(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t len = packers[i](text, sizeof text, packed);
        memcpy(packed + len, "more", 4);
        check_refused(packed, len + 4, "damaged");
        packed[len / 2] ^= 0x55;
        FileText *file = open_file(packed, len);
        Error error = {0};
        size_t got;
        assert_int_equal(read_all(file, 4096, &got, &error), STATUS_REFUSED);
        file_text_close(file);
    }
}

/* It says to hold 65,536 bytes, and ends with an empty block. */
static void test_short_frame(void **state)
{
    (void)state;
    static const char frame[] = "\x28\xB5\x2F\xFD\x80\x58\0\0\1\0\1\0\0";
    check_refused(frame, sizeof frame - 1, "a frame is shorter than it says");
    size_t len = pack_zstd(text, sizeof text, packed);
    memcpy(packed + len, frame, sizeof frame - 1);
    check_refused(packed, len + sizeof frame - 1, "a frame is shorter than it says");
}

static void test_foreign(void **state)
{
    (void)state;
    check_refused("\3757zXZ\0 and more", 15, "is packed with xz");
    check_refused("BZh91AY&SY", 10, "is packed with bzip2");
    check_refused("PK\3\4", 4, "is a ZIP archive");
    check_refused("\xFF\xFE{\0\"\0", 6, "is UTF-16");
    check_refused("\xFE\xFF\0{\0\"", 6, "is UTF-16");
    check_text_of("\3757zXY", 5, "\3757zXY", 5, 10);
    check_text_of("PK,value\n", 9, "PK,value\n", 9, 10);
    check_text_of("\xEF\xBB\xBF{}", 5, "\xEF\xBB\xBF{}", 5, 10);
}

/* A copy that has not begun yet is not an empty text. */
static void test_empty_but_called_packed(void **state)
{
    (void)state;
    char plain[sizeof path];
    memcpy(plain, path, sizeof path);
    snprintf(path, sizeof path, "%s/empty.ndjson.gz", dir);
    check_refused("", 0, "end too early");
    memcpy(path, plain, sizeof path);
}

static Status skip_bytes(FileText *file, uint64_t count, Error *reterr)
{
    Status status = STATUS_OK;
    for (uint64_t skipped = 0; status == STATUS_OK && count > 0; count -= skipped) {
        status = file_text_skip(file, count, &skipped, reterr);
        assert_true(status != STATUS_OK || (skipped > 0 && skipped <= count));
    }
    return status;
}

static void test_skip(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        size_t len = i < 2 ? packers[i](text, sizeof text, packed) : sizeof text, got;
        const char *bytes = i < 2 ? packed : text;
        FileText *file = open_file(bytes, len);
        Error error = {0};
        assert_int_equal(skip_bytes(file, 10, &error), STATUS_OK);
        assert_int_equal(skip_bytes(file, 700000, &error), STATUS_OK);
        assert_int_equal(read_all(file, 4096, &got, &error), STATUS_OK);
        assert_int_equal(got, sizeof text - 700010);
        assert_memory_equal(unpacked, text + 700010, got);
        assert_int_equal(file_text_bytes_read(file), len);
        file_text_close(file);
        file = open_file(bytes, len);
        assert_int_equal(skip_bytes(file, sizeof text, &error), STATUS_OK);
        assert_int_equal(skip_bytes(file, 1, &error), STATUS_REFUSED);
        assert_non_null(strstr(error.message, "has become shorter"));
        file_text_close(file);
    }
}

static void test_bare_names(void **state)
{
    (void)state;
    assert_text(file_text_bare_name(STR("a.csv.gz")), "a.csv");
    assert_text(file_text_bare_name(STR("a.csv.ZST")), "a.csv");
    assert_text(file_text_bare_name(STR("a.csv")), "a.csv");
    assert_text(file_text_bare_name(STR(".gz")), ".gz");
}

static int begin(void **state)
{
    (void)state;
    fill_text();
    scratch_dir_make(dir, sizeof dir);
    snprintf(path, sizeof path, "%s/file", dir);
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_dir_remove(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_several_members),
        cmocka_unit_test(test_frames_to_skip),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_torn),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_short_frame),
        cmocka_unit_test(test_empty_but_called_packed),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_bare_names),
    };
    return cmocka_run_group_tests_name("file_text", tests, begin, end);
}

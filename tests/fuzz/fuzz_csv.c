#include "fuzz.h"

#include "record/record_json.h"

static const RecordPolicy policy = {.scale = 2, .hash_seed = 1};

typedef struct Line {
    Status status;
    size_t count, left; /* cells; bytes behind the line */
    Str cells[CSV_COLUMNS_MAX];
    Error error;
} Line;

static void split(Str *rest, bool complete, Line *line)
{
    line->count = 0;
    line->status = csv_line_split(rest, complete, line->cells, &line->count, &line->error);
    line->left = rest->len;
}

static void check_same_cells(const Line *a, const Line *b)
{
    PROMISE(a->status == b->status && a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        PROMISE(str_equal(a->cells[i], b->cells[i]));
    }
}

/* What is said of the beginning of a text has to hold when the rest has come. */
static void check_cut(const uint8_t *data, size_t size, size_t cut)
{
    Line part, whole;
    char *part_text = fuzz_copy(data, cut), *whole_text = fuzz_copy(data, size);
    Str part_rest = {part_text, cut}, whole_rest = {whole_text, size};
    split(&part_rest, false, &part);
    split(&whole_rest, true, &whole);
    if (part.status == STATUS_BUSY) {
        PROMISE(memcmp(part_text, data, cut) == 0 && part_rest.ptr == part_text && part_rest.len == cut);
    } else {
        check_same_cells(&part, &whole);
        PROMISE(cut - part.left == size - whole.left);
    }
    free(part_text);
    free(whole_text);
}

/* Cells that are written come back as they were. */
static void check_rewrite(const Line *line)
{
    Buf buf;
    Line back;
    buf_init(&buf, 1 << 24);
    for (size_t i = 0; i < line->count; i++) {
        buf_put(&buf, i > 0 ? STR(",") : STR(""));
        buf_put_csv(&buf, line->cells[i]);
    }
    BUF_PUT(&buf, "\r\n");
    PROMISE(!buf.failed);
    Str rest = buf_str(&buf);
    split(&rest, false, &back);
    /* A single empty cell is written as an empty line, and one that begins with a byte order mark and has to be quoted
     * loses nothing but by its own quote. */
    if (line->count > 1 || (line->count == 1 && line->cells[0].len > 0)) {
        check_same_cells(line, &back);
    }
    buf_release(&buf);
}

static void check_record(const Line *line, const CsvHeader *header)
{
    Record record;
    RecordProblems problems;
    Status status = record_from_csv(line->cells, line->count, header, &policy, &record, &problems);
    PROMISE(status == (problems.count > 0 ? STATUS_REFUSED : STATUS_OK));
    if (status == STATUS_OK) {
        PROMISE(str_count_code_points(record.record_id) >= 1 && str_count_code_points(record.unit) <= 255);
        PROMISE(record.identity_hash == record_identity_hash(&record, IDENTITY_RECORD_ID, 1));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CsvHeader header;
    bool has_header = false;
    char *text = fuzz_copy(data, size);
    Str rest = {text, size};
    check_cut(data, size, size / 2);
    check_cut(data, size, size - size / 4);
    while (rest.len > 0) {
        Line line;
        size_t before = rest.len;
        split(&rest, true, &line);
        PROMISE(line.status == STATUS_OK || line.status == STATUS_REFUSED);
        PROMISE(rest.len < before);
        if (line.status != STATUS_OK || line.count == 0) {
            continue;
        }
        check_rewrite(&line);
        if (has_header) {
            check_record(&line, &header);
        } else {
            has_header = csv_header_parse(line.cells, line.count, &policy, &header, NULL) == STATUS_OK;
        }
    }
    free(text);
    return 0;
}

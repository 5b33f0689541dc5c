#include "base/timestamp.h"
#include "record/record_check.h"

enum { SHOWN_BYTES_MAX = 64 };

static const Str byte_order_mark = {"\xEF\xBB\xBF", 3};

static Str without_byte_order_mark(Str text)
{
    return str_starts_with(text, byte_order_mark) ? (Str){text.ptr + 3, text.len - 3} : text;
}

/* "record_id" → "recordId", into a buffer that is larger than any name of ours. */
static Str camel_case(Str name, char ret_text[16])
{
    size_t len = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (len == 16) {
            return name;
        }
        if (c == '_' && i + 1 < name.len && name.ptr[i + 1] >= 'a' && name.ptr[i + 1] <= 'z') {
            c = (char)(name.ptr[++i] - 'a' + 'A');
        }
        ret_text[len++] = c;
    }
    return (Str){ret_text, len};
}

static int find_column(Str name)
{
    char camel[16];
    int bit = record_field_find(name);
    return bit >= 0 ? bit : record_field_find(camel_case(name, camel));
}

static Status check_missing(const CsvHeader *header, Error *reterr)
{
    for (size_t bit = 0; bit < RECORD_FIELD_COUNT; bit++) {
        if (header->column_of[bit] < 0) {
            return error_set(reterr, STATUS_REFUSED, "the CSV header has no column %s%s", record_field_names[bit],
                             header->columns == 1 ? "; columns are separated by commas" : "");
        }
    }
    return STATUS_OK;
}

/* Its name, where that can be shown to people. */
static Status refuse_column(size_t number, Str name, Error *reterr)
{
    if (name.len > SHOWN_BYTES_MAX || str_count_code_points(name) < 0) {
        return error_set(reterr, STATUS_REFUSED, "the CSV header's column %zu is not a field of a record", number);
    }
    return error_set(reterr, STATUS_REFUSED, "the CSV header's column \"%.*s\" is not a field of a record",
                     STR_ARGS(name));
}

Status csv_header_parse(const Str *names, size_t count, const RecordPolicy *policy, CsvHeader *ret_header,
                        Error *reterr)
{
    CsvHeader header = {.columns = count};
    memset(header.column_of, 0xFF, sizeof header.column_of);
    for (size_t i = 0; i < count; i++) {
        Str name = str_trim(i == 0 ? without_byte_order_mark(names[i]) : names[i]);
        int bit = find_column(name);
        if (bit >= 0 && header.column_of[bit] >= 0) {
            return error_set(reterr, STATUS_REFUSED, "the CSV header has the column %s twice", record_field_names[bit]);
        }
        if (bit >= 0) {
            header.column_of[bit] = (int)i;
        } else if (policy->refuse_unknown_fields) {
            return refuse_column(i + 1, name, reterr);
        }
    }
    Status status = check_missing(&header, reterr);
    if (status == STATUS_OK) {
        *ret_header = header;
    }
    return status;
}

static const char *take_cell(unsigned bit, Str cell, unsigned scale, Record *record)
{
    if (cell.len == 0) {
        return PROBLEM_REQUIRED;
    }
    switch (1u << bit) {
    case FIELD_TIME: return timestamp_parse(cell, &record->time_us);
    case FIELD_TYPE: return record_check_type(cell, &record->type);
    case FIELD_VALUE: return record_check_value(cell, false, scale, &record->value);
    default: *record_text_field(record, bit) = cell; return record_check_text(cell);
    }
}

Status record_from_csv(const Str *cells, size_t count, const CsvHeader *header, const RecordPolicy *policy,
                       Record *ret_record, RecordProblems *problems)
{
    record_problems_reset(problems);
    if (count != header->columns) {
        record_problems_add_whole(problems, "must have as many cells as the CSV header has columns");
        return STATUS_REFUSED;
    }
    memset(ret_record, 0, sizeof *ret_record);
    for (unsigned bit = 0; bit < RECORD_FIELD_COUNT; bit++) {
        const char *problem = take_cell(bit, cells[header->column_of[bit]], policy->scale, ret_record);
        if (problem) {
            record_problems_add(problems, str_from(record_field_names[bit]), problem);
        } else if (bit == 0) {
            problems->record_id = ret_record->record_id;
        }
    }
    return record_finish(ret_record, policy, problems);
}

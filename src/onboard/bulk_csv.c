#include "onboard/bulk_parts.h"

#include "record/record_check.h"

typedef struct Lines {
    Str rest;
    int64_t next; /* the number of the line that `rest` begins with, from 1 */
    int64_t line; /* of the one that was taken; a quoted cell may have line breaks in it */
    Str cells[CSV_COLUMNS_MAX];
    size_t count;
} Lines;

/* Counted before the line is taken: then what is quoted in it is changed. */
static int64_t count_line_breaks(Str text)
{
    size_t bytes, break_bytes;
    int64_t count = 0;
    if (!csv_line_measure(text, true, &bytes, &break_bytes)) {
        return 0;
    }
    const char *end = text.ptr + bytes + break_bytes;
    for (const char *at = text.ptr; (at = memchr(at, '\n', (size_t)(end - at))); at++) {
        count++;
    }
    return count;
}

/* The next line that is not empty. OK with a count of 0 at the end; REFUSED for one that is none, which was taken,
 * too. */
static Status take_line(Lines *lines, Error *reterr)
{
    Status status = STATUS_OK;
    lines->count = 0;
    while (status == STATUS_OK && lines->count == 0 && lines->rest.len > 0) {
        lines->line = lines->next;
        lines->next += count_line_breaks(lines->rest);
        status = csv_line_split(&lines->rest, true, lines->cells, &lines->count, reterr);
    }
    return status;
}

static Status read_header(BulkReading *reading, Lines *lines, OrganizationColumns *ret_columns)
{
    Error error;
    if (take_line(lines, &error) != STATUS_OK) {
        return bulk_refuse_text(reading, "is not valid CSV: ", &error);
    }
    if (lines->count == 0) {
        return bulk_refuse(reading, STR("body"),
                           "must have a line with the names of the columns, and one for each organization");
    }
    Status status = organization_columns_parse(lines->cells, lines->count, reading->policy, ret_columns,
                                               &reading->problems, &error);
    bulk_add_warnings(reading);
    return status == STATUS_OK ? STATUS_OK : bulk_refuse_text(reading, "cannot be taken in: ", &error);
}

/* A line that is no CSV is a bad organization. */
static Status add_broken(BulkReading *reading, int64_t line, const Error *error)
{
    const OrganizationContent none = {{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    const char *problem = arena_printf(reading->arena, "must be a line of CSV: %s", error->message);
    record_problems_reset(&reading->problems);
    if (!problem) {
        return STATUS_BUSY;
    }
    record_problems_add_whole(&reading->problems, problem);
    return bulk_add(reading, line, STATUS_REFUSED, &none);
}

static Status read_line(BulkReading *reading, const Lines *lines, const OrganizationColumns *columns)
{
    OrganizationContent content;
    Status read = organization_from_csv(lines->cells, lines->count, columns, reading->policy, reading->arena, &content,
                                        &reading->problems);
    return bulk_add(reading, lines->line, read, &content);
}

static Status read_lines(BulkReading *reading, Lines *lines, const OrganizationColumns *columns)
{
    Error error;
    Status status = STATUS_OK;
    while (status == STATUS_OK && lines->rest.len > 0) {
        Status taken = take_line(lines, &error);
        bool is_line = taken != STATUS_OK || lines->count > 0;
        if (is_line && reading->bulk->given >= ONBOARD_ITEMS_MAX) {
            reading->bulk->given++; /* too many: how many is still to be told */
        } else if (taken != STATUS_OK) {
            status = add_broken(reading, lines->line, &error);
        } else if (is_line) {
            status = read_line(reading, lines, columns);
        }
    }
    bool is_count_right = reading->bulk->given > 0 && reading->bulk->given <= ONBOARD_ITEMS_MAX;
    return status == STATUS_OK && !is_count_right ? bulk_refuse_count(reading) : status;
}

Status bulk_read_csv(BulkReading *reading, char *text, size_t len)
{
    Lines lines = {.rest = {text, len}, .next = 1};
    OrganizationColumns columns;
    const char *nul = memchr(text, '\0', len);
    if (nul) {
        const char *problem = arena_printf(
            reading->arena, "must be CSV in UTF-8: there is the character NUL at byte %zu", (size_t)(nul - text) + 1);
        return problem ? bulk_refuse(reading, STR("body"), problem) : STATUS_BUSY;
    }
    Status status = read_header(reading, &lines, &columns);
    if (status == STATUS_OK) {
        status = bulk_reserve(reading, ONBOARD_ITEMS_MAX);
    }
    return status == STATUS_OK ? read_lines(reading, &lines, &columns) : status;
}

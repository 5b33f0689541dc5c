#include "record/record_json.h"

/* A walk over one line that changes nothing, because a line that is not whole yet will be read again. */
typedef struct LineScan {
    char *at, *end;
    bool complete;       /* nothing follows `end` */
    const char *problem; /* the first one; the walk goes on to the end of the line */
    size_t count;
} LineScan;

static bool at_line_end(const LineScan *scan)
{
    const char *at = scan->at;
    if (at == scan->end || *at == '\n') {
        return true;
    }
    return *at == '\r' && (at + 1 == scan->end ? scan->complete : at[1] == '\n');
}

/* The first quote that is not one of a pair, or NULL. */
static char *find_closing_quote(char *at, const char *end)
{
    while ((at = memchr(at, '"', (size_t)(end - at)))) {
        if (at + 1 == end || at[1] != '"') {
            return at;
        }
        at += 2;
    }
    return NULL;
}

static void skip_quoted(LineScan *scan)
{
    char *closing = find_closing_quote(scan->at + 1, scan->end);
    if (!closing) {
        scan->problem = "a quoted cell has no closing quote";
        scan->at = scan->end;
        return;
    }
    scan->at = closing + 1;
    if (!at_line_end(scan) && *scan->at != ',') {
        scan->problem = "a closing quote is followed by neither a comma nor the end of the line";
    }
}

static void skip_plain(LineScan *scan)
{
    while (!at_line_end(scan) && *scan->at != ',' && *scan->at != '"') {
        scan->at++;
    }
    if (scan->at < scan->end && *scan->at == '"') {
        scan->problem = "a quote stands inside a cell that does not begin with one";
    }
}

/* Fills the cells as they are written, quotes and all. After a stray quote nobody knows what is quoted: the line is
 * taken to end at the next line break. */
static void scan_line(LineScan *scan, Str *cells)
{
    for (;; scan->at++) {
        char *start = scan->at;
        if (scan->at < scan->end && *scan->at == '"') {
            skip_quoted(scan);
        } else {
            skip_plain(scan);
        }
        if (!at_line_end(scan) && *scan->at != ',') {
            char *newline = memchr(scan->at, '\n', (size_t)(scan->end - scan->at));
            scan->at = newline ? newline : scan->end;
        }
        if (scan->count < CSV_COLUMNS_MAX) {
            cells[scan->count++] = (Str){start, (size_t)(scan->at - start)};
        } else if (!scan->problem) {
            scan->problem = "the line has too many columns";
        }
        if (at_line_end(scan)) {
            return;
        }
    }
}

static Str unquote(Str cell)
{
    if (cell.len < 2 || cell.ptr[0] != '"') {
        return cell;
    }
    char *to = (char *)(uintptr_t)(cell.ptr + 1);
    const char *from = to, *end = cell.ptr + cell.len - 1;
    Str text = {to, 0};
    while (from < end) {
        from += *from == '"';
        *to++ = *from++;
        text.len++;
    }
    return text;
}

/* A byte order mark in front of a quote can only be a file's first bytes; elsewhere it is text. */
static size_t quoted_mark_length(Str text) { return str_starts_with(text, STR("\xEF\xBB\xBF\"")) ? 3 : 0; }

/* After a scan: CRLF, LF, or nothing at the end of the text. */
static size_t break_bytes(const LineScan *scan)
{
    char *at = scan->at;
    at += at < scan->end && *at == '\r';
    at += at < scan->end && *at == '\n';
    return (size_t)(at - scan->at);
}

bool csv_line_measure(Str text, bool complete, size_t *ret_bytes, size_t *ret_break_bytes)
{
    Str cells[CSV_COLUMNS_MAX];
    char *start = (char *)(uintptr_t)text.ptr; /* the walk changes nothing */
    LineScan scan = {.at = start + quoted_mark_length(text), .end = start + text.len, .complete = complete};
    scan_line(&scan, cells);
    bool is_whole = complete || scan.at < scan.end;
    bool may_be_break = !is_whole && text.len > 0 && scan.end[-1] == '\r';
    *ret_bytes = (size_t)(scan.at - start) - may_be_break;
    *ret_break_bytes = break_bytes(&scan);
    return is_whole;
}

Status csv_line_split(Str *rest, bool complete, Str ret_cells[CSV_COLUMNS_MAX], size_t *ret_count, Error *reterr)
{
    /* The text is the caller's own, writable buffer: a Str only borrows it. */
    char *text = (char *)(uintptr_t)rest->ptr;
    size_t skipped = quoted_mark_length(*rest);
    LineScan scan = {.at = text + skipped, .end = text + rest->len, .complete = complete};
    char *start = scan.at;
    scan_line(&scan, ret_cells);
    if (scan.at == scan.end && !complete) {
        return error_set(reterr, STATUS_BUSY, "the line is not whole yet");
    }
    bool is_empty = scan.at == start;
    scan.at += break_bytes(&scan);
    *rest = (Str){scan.at, (size_t)(scan.end - scan.at)};
    if (scan.problem) {
        return error_set(reterr, STATUS_REFUSED, "%s", scan.problem);
    }
    *ret_count = is_empty ? 0 : scan.count;
    for (size_t i = 0; i < *ret_count; i++) {
        ret_cells[i] = unquote(ret_cells[i]);
    }
    return STATUS_OK;
}

#include "http/upload_lines.h"

#include "record/record_check.h"

void lines_init(UploadLines *lines, const HttpServerOptions *options, Results *results, Arena *texts, Str traceparent)
{
    *lines = (UploadLines){.options = options, .results = results, .texts = texts, .traceparent = traceparent};
    lines->policy = *options->policy;
    lines->policy.faults_refused = true;
    arena_init(&lines->scratch, 16 << 10, options->line_bytes_max * 4 + (4 << 20));
    lines->scratch.budget = texts->budget;
}

void lines_release(UploadLines *lines) { arena_release(&lines->scratch); }

/* A lack of memory is no fault of the line: the client is asked to send all of it again, from the last line that is
 * decided. */
static void fail_at_line(UploadLines *lines)
{
    lines->status =
        error_set(&lines->error, STATUS_BUSY, "there is no memory to read line %llu", (unsigned long long)lines->line);
}

static void refuse_line(UploadLines *lines, Slice *slice)
{
    if (!slice_add_refused(slice, lines->line, &lines->problems)) {
        fail_at_line(lines);
    }
    arena_reset(&lines->scratch);
}

static void refuse_long_line(UploadLines *lines, Slice *slice)
{
    char *problem = lines->long_line_problem;
    snprintf(problem, sizeof lines->long_line_problem, "is longer than the %zu bytes that a line may have",
             lines->options->line_bytes_max);
    lines->problems.count = 1;
    lines->problems.items[0] = (FieldProblem){STR("line"), problem};
    lines->problems.record_id = (Str){NULL, 0};
    refuse_line(lines, slice);
    lines->index++;
}

static void add_record(const UploadLines *lines, Slice *slice)
{
    slice->records[slice->record_count].traceparent = lines->traceparent;
    slice->lines[slice->line_count++] = (SliceLine){lines->line, (uint32_t)slice->record_count++, 0, 0};
}

static Status refuse_event(UploadLines *lines, Slice *slice, Str raw, int64_t now_us, const char *why)
{
    Str problem = arena_copy(&lines->scratch, str_from(why));
    if (!problem.ptr) {
        return STATUS_BUSY;
    }
    record_problems_reset(&lines->problems);
    record_problems_add(&lines->problems, STR("event"), problem.ptr);
    Status status = event_set_refuse(slice->events, raw, now_us, &lines->problems);
    return status == STATUS_OK ? STATUS_REFUSED : status;
}

/* The line is changed by reading, and its event keeps its bytes. */
static Status parse_event(UploadLines *lines, Slice *slice, char *text, size_t len)
{
    yyjson_val *root;
    Error error;
    int64_t now_us = clock_wall_us(lines->options->clock);
    Str raw = arena_copy(&slice->texts, (Str){text, len});
    if (!raw.ptr) {
        return STATUS_BUSY;
    }
    Status status = json_read(text, len, &lines->scratch, &root, &error);
    if (status == STATUS_REFUSED) {
        return refuse_event(lines, slice, raw, now_us, error.message);
    }
    return status == STATUS_OK ? event_set_read(slice->events, root, raw, now_us, &slice->records[slice->record_count],
                                                &lines->problems)
                               : status;
}

static Status parse_line(UploadLines *lines, Slice *slice, char *text, size_t len)
{
    return slice->events ? parse_event(lines, slice, text, len)
                         : record_parse_line(text, len, &lines->policy, &lines->scratch,
                                             &slice->records[slice->record_count], &lines->problems);
}

static void read_line(UploadLines *lines, Slice *slice, char *text, size_t len)
{
    Status status = parse_line(lines, slice, text, len);
    if (status == STATUS_BUSY) {
        fail_at_line(lines);
        return;
    }
    if (lines->problems.unknown_count) {
        results_add_warnings(lines->results, &lines->problems, lines->texts);
    }
    if (status == STATUS_OK) {
        add_record(lines, slice);
    } else {
        refuse_line(lines, slice);
    }
    if (slice->events) {
        arena_reset(&lines->scratch);
    }
    lines->index++;
}

/* The slice decides about all lines up to this one, unless there was no memory to read it. */
static void note_line(const UploadLines *lines, Slice *slice)
{
    if (lines->status == STATUS_OK) {
        slice->last_line = lines->line;
    }
}

/* A whole line, without its line feed. */
static void take_line(UploadLines *lines, Slice *slice, char *text, size_t len)
{
    lines->line++;
    if (len > 0 && text[len - 1] == '\r') {
        len--;
    }
    if (len > lines->options->line_bytes_max) {
        refuse_long_line(lines, slice);
    } else if (str_trim((Str){text, len}).len > 0) {
        read_line(lines, slice, text, len);
    }
    note_line(lines, slice);
}

/* A CR at its end may be a part of its line break. */
static void check_unfinished(UploadLines *lines, Slice *slice)
{
    size_t bytes = slice->scanned - slice->parsed;
    bytes -= bytes > 0 && slice->text[slice->scanned - 1] == '\r';
    if (bytes > lines->options->line_bytes_max && slice->line_count < slice->lines_max) {
        slice->text_len = slice->scanned = slice->parsed;
        lines->line++;
        refuse_long_line(lines, slice);
        note_line(lines, slice);
        lines->skipping = true;
    }
}

static void take_whole_lines(UploadLines *lines, Slice *slice)
{
    while (slice->line_count < slice->lines_max && lines->status == STATUS_OK) {
        char *from = slice->text + slice->parsed, *scan = slice->text + slice->scanned;
        char *end = memchr(scan, '\n', slice->text_len - slice->scanned);
        if (!end) {
            slice->scanned = slice->text_len;
            return;
        }
        slice->parsed = slice->scanned = (size_t)(end + 1 - slice->text);
        take_line(lines, slice, from, (size_t)(end - from));
    }
}

void lines_take(UploadLines *lines, Slice *slice)
{
    take_whole_lines(lines, slice);
    check_unfinished(lines, slice);
}

void lines_take_last(UploadLines *lines, Slice *slice)
{
    if (slice->text_len > slice->parsed && slice->line_count < slice->lines_max) {
        char *from = slice->text + slice->parsed;
        size_t len = slice->text_len - slice->parsed;
        slice->parsed = slice->scanned = slice->text_len;
        take_line(lines, slice, from, len);
    }
}

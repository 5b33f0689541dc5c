#include "http/slice.h"

/* Of all entries, beyond what they repeat of the text: 4,096 lines with 32 problems each take about 10 MiB. */
enum { ENTRIES_BYTES_MAX = 16 << 20 };

static bool take_memory(Slice *slice, size_t lines_max)
{
    const size_t each = sizeof *slice->records + sizeof *slice->outcomes + sizeof *slice->lines;
    size_t bytes = sizeof *slice + slice->text_max + YYJSON_PADDING_SIZE + lines_max * each;
    if (!budget_take(slice->budget, bytes)) {
        return false;
    }
    slice->own_bytes = bytes;
    slice->text = malloc(slice->text_max + YYJSON_PADDING_SIZE);
    slice->records = malloc(lines_max * sizeof *slice->records);
    slice->outcomes = malloc(lines_max * sizeof *slice->outcomes);
    slice->lines = malloc(lines_max * sizeof *slice->lines);
    return slice->text && slice->records && slice->outcomes && slice->lines;
}

Slice *slice_new(size_t text_max, size_t lines_max, Budget *budget)
{
    Slice *slice = calloc(1, sizeof *slice);
    if (!slice) {
        return NULL;
    }
    slice->text_max = text_max;
    slice->lines_max = lines_max;
    slice->budget = budget;
    buf_init(&slice->entries, ENTRIES_BYTES_MAX + text_max);
    slice->entries.budget = budget;
    if (!take_memory(slice, lines_max)) {
        slice_free(slice);
        return NULL;
    }
    /* The reader may look at the padding before anything was written there. */
    memset(slice->text + text_max, 0, YYJSON_PADDING_SIZE);
    return slice;
}

void slice_free(Slice *slice)
{
    if (slice) {
        free(slice->text);
        free(slice->records);
        free(slice->outcomes);
        free(slice->lines);
        buf_release(&slice->entries);
        arena_release(&slice->texts);
        free(slice->events);
        budget_give_back(slice->budget, slice->own_bytes);
        free(slice);
    }
}

bool slice_expect_events(Slice *slice, const HttpServerOptions *options, Str mapping)
{
    size_t raws = slice->text_max + slice->lines_max * EVENT_RAW_BYTES;
    arena_init(&slice->texts, slice->text_max / 2, event_set_bytes_max(slice->lines_max) + raws);
    slice->texts.budget = slice->budget;
    slice->events = malloc(sizeof *slice->events);
    if (!slice->events || !event_set_init(slice->events, options, &slice->texts, mapping, slice->lines_max)) {
        return false;
    }
    slice->events->policy.faults_refused = true;
    return true;
}

bool slice_reset(Slice *slice)
{
    slice->next = NULL;
    slice->text_len = slice->parsed = slice->scanned = 0;
    slice->line_count = slice->record_count = 0;
    slice->done = false;
    slice->status = STATUS_OK;
    buf_release(&slice->entries);
    if (slice->events) {
        arena_reset(&slice->texts);
    }
    return !slice->events || event_set_reset(slice->events);
}

size_t slice_bytes_held(const Slice *slice)
{
    size_t events = slice->events ? slice->texts.taken : 0;
    return slice->text_len + slice->record_count * sizeof *slice->records + slice->entries.cap + events + 1;
}

bool slice_add_refused(Slice *slice, uint64_t line, const RecordProblems *problems)
{
    size_t at = slice->entries.len;
    results_put_refused(&slice->entries, (ResultPlace){slice->first_index + slice->line_count, line}, problems);
    if (slice->entries.failed) {
        slice->entries.len = at;
        slice->entries.failed = false;
        return false;
    }
    slice->lines[slice->line_count++] = (SliceLine){line, 0, (uint32_t)at, (uint32_t)(slice->entries.len - at)};
    return true;
}

void slice_put_results(const Slice *slice, Results *results)
{
    for (size_t i = 0; i < slice->line_count; i++) {
        const SliceLine *line = &slice->lines[i];
        if (line->entry_len) {
            results_add_refused(results, (Str){slice->entries.ptr + line->entry_at, line->entry_len});
        } else if (slice->status == STATUS_OK && results->by_front_door) {
            results_add_accepted(results, (ResultPlace){slice->first_index + i, line->line},
                                 &slice->records[line->record]);
        } else if (slice->status == STATUS_OK) {
            results_add(results, (ResultPlace){slice->first_index + i, line->line}, &slice->records[line->record],
                        &slice->outcomes[line->record]);
        }
    }
}

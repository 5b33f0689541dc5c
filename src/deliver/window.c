#include "deliver/window.h"

#include <assert.h>
#include <stdlib.h>

Status window_init(Window *window, size_t cap, Error *reterr)
{
    *window = (Window){.entries = calloc(cap, sizeof(Entry)), .cap = cap};
    return window->entries ? STATUS_OK : error_set(reterr, STATUS_BUSY, "no memory for messages under way");
}

void window_release(Window *window)
{
    free(window->entries);
    *window = (Window){0};
}

Entry *window_push(Window *window, int64_t seq, uint64_t flow_hash)
{
    assert(window->count < window->cap);
    assert(window->count == 0 || window_at(window, window->count - 1)->seq < seq);
    Entry *entry = window_at(window, window->count++);
    *entry = (Entry){.seq = seq, .flow_hash = flow_hash, .state = ENTRY_SENT};
    return entry;
}

Entry *window_find(const Window *window, int64_t seq)
{
    size_t low = 0, high = window->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (window_at(window, middle)->seq < seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < window->count && window_at(window, low)->seq == seq ? window_at(window, low) : NULL;
}

/* How many of those that are known come before it. */
static size_t given_up_before(const Window *window, int64_t seq)
{
    size_t count = window->given_up_count;
    while (count > 0 && window->given_up[count - 1] >= seq) {
        count--;
    }
    return count;
}

bool window_gave_up(const Window *window, int64_t seq)
{
    size_t at = given_up_before(window, seq);
    return at < window->given_up_count && window->given_up[at] == seq;
}

void window_uncount(Window *window, int64_t from, int64_t to, int64_t messages)
{
    int64_t failed = (int64_t)(given_up_before(window, from + 1) - given_up_before(window, to + 1));
    window->failed -= failed;
    window->sent -= messages - failed;
}

static void count_failed(Window *window, int64_t seq)
{
    int64_t *known = window->given_up;
    window->failed++;
    if (window_gave_up(window, seq)) {
        return;
    }
    if (window->given_up_count == WINDOW_GIVEN_UP_MAX) {
        memmove(known, known + 1, --window->given_up_count * sizeof *known);
    }
    size_t at = given_up_before(window, seq);
    memmove(known + at + 1, known + at, (window->given_up_count++ - at) * sizeof *known);
    known[at] = seq;
}

void window_advance(Window *window, int64_t read_seq, SinkPlace *place)
{
    while (window->count > 0 && window_at(window, 0)->state == ENTRY_SETTLED) {
        const Entry *entry = window_at(window, 0);
        place->cursor = entry->seq;
        place->sent_seq = entry->taken ? entry->seq : place->sent_seq;
        window->sent += entry->taken || entry->taken_later;
        if (entry->given_up) {
            count_failed(window, entry->seq);
        }
        window->first = (window->first + 1) % window->cap;
        window->count--;
    }
    int64_t before = window->count > 0 ? window_at(window, 0)->seq - 1 : read_seq;
    place->cursor = before > place->cursor ? before : place->cursor;
}

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

void window_advance(Window *window, int64_t read_seq, SinkPlace *place)
{
    while (window->count > 0 && window_at(window, 0)->state == ENTRY_SETTLED) {
        const Entry *entry = window_at(window, 0);
        place->cursor = entry->seq;
        place->sent_seq = entry->taken ? entry->seq : place->sent_seq;
        window->sent += entry->taken || entry->taken_later;
        window->failed += entry->given_up;
        window->first = (window->first + 1) % window->cap;
        window->count--;
    }
    int64_t before = window->count > 0 ? window_at(window, 0)->seq - 1 : read_seq;
    place->cursor = before > place->cursor ? before : place->cursor;
}

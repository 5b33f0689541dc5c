/* The messages of a line that were read from the log and whose way is not yet decided all the way up to them: a ring in
 * the order of the log. The cursor follows the settled ones at its front. One thread. */
#ifndef WEIR_DELIVER_WINDOW_H
#define WEIR_DELIVER_WINDOW_H

#include "base/err.h"
#include "store/delivery.h"

typedef enum EntryState {
    ENTRY_SENT,    /* under way */
    ENTRY_HELD,    /* it has to be sent again, and the line goes back to it */
    ENTRY_BLOCKED, /* waits for an earlier message of its flow */
    ENTRY_SETTLED, /* taken, stored as a retry, or a dead letter */
} EntryState;

typedef struct Entry {
    int64_t seq;
    uint64_t flow_hash;
    EntryState state;
    bool taken;       /* in its turn */
    bool taken_later; /* as a retry */
    bool given_up;
} Entry;

enum { WINDOW_GIVEN_UP_MAX = 1024 };

typedef struct Window {
    Entry *entries; /* owns; a ring */
    size_t cap, first, count;
    int64_t given_up[WINDOW_GIVEN_UP_MAX]; /* of those that came off the front so, the newest, rising */
    size_t given_up_count;
    /* Messages that have come off the front so. Those of a retry that ends when its entry has gone are added by whoever
     * sees it end: so what is counted is what the cursor, and the retries beside it, say. */
    int64_t sent, failed;
} Window;

Status window_init(Window *window, size_t cap, Error *reterr) MUST_CHECK;
void window_release(Window *window);
static inline void window_clear(Window *window) { window->first = window->count = 0; }
static inline bool window_is_full(const Window *window) { return window->count == window->cap; }

/* The i-th in the order of the log; i < count. */
static inline Entry *window_at(const Window *window, size_t i)
{
    return &window->entries[(window->first + i) % window->cap];
}

/* Behind all others; there must be room (assert). */
Entry *window_push(Window *window, int64_t seq, uint64_t flow_hash);
/* NULL when it is not in the window. */
Entry *window_find(const Window *window, int64_t seq);

/* The line goes back from one place to another, and `messages` that came off the front in between will come again. They
 * are counted no more. */
void window_uncount(Window *window, int64_t from, int64_t to, int64_t messages);
/* Whether that message was given up when it came before, as far as is known: only WINDOW_GIVEN_UP_MAX are. */
bool window_gave_up(const Window *window, int64_t seq);

/* Takes the settled ones off the front. `place` follows them; when none is left it is at `read_seq`, up to which the
 * log was read. */
void window_advance(Window *window, int64_t read_seq, SinkPlace *place);

#endif

/* A heap of one cursor a run, the least rollup on top. */
#include "store/rollup/rollup_walk.h"

#include <stdlib.h>

#include "store/rollup/rollup_map.h"

typedef struct Input {
    RunRowCursor cursor;
    uint64_t key;
    RollupLevel level;
    Rollup rollup; /* texts borrow from the cursor's block */
    bool live;
} Input;

struct RollupWalk {
    Input *inputs;
    size_t count;
    Input **heap; /* the live ones */
    size_t heap_count;
    uint64_t from, to;
    bool taken; /* the top was handed out, and moves on first */
};

void rollup_walk_close(RollupWalk *walk)
{
    if (walk) {
        for (size_t i = 0; i < walk->count; i++) {
            run_row_cursor_release(&walk->inputs[i].cursor);
        }
        free(walk->inputs);
        free(walk->heap);
        free(walk);
    }
}

/* Takes the next rollup in the range. */
static Status input_move(const RollupWalk *walk, Input *input, Error *reterr)
{
    Str row;
    do {
        Status status = run_row_cursor_next(&input->cursor, &row, &input->live, reterr);
        if (status != STATUS_OK || !input->live) {
            return status;
        }
        uint64_t before = input->key;
        if (!rollup_row_get(row, &input->level, &input->rollup)) {
            return error_set(reterr, STATUS_BROKEN, "a run of rollups has a row that is none");
        }
        input->key = rollup_key(input->level, input->rollup.bucket);
        if (input->key < before) {
            return error_set(reterr, STATUS_BROKEN, "the rows of a run of rollups are out of order");
        }
    } while (input->key < walk->from);
    input->live = input->key < walk->to;
    return STATUS_OK;
}

/* ---- The heap ---------------------------------------------------------------------------------------------------- */

static int compare(const Input *a, const Input *b)
{
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    return rollup_compare(&a->rollup, &b->rollup);
}

static void sift_down(RollupWalk *walk, size_t at)
{
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= walk->heap_count) {
            return;
        }
        child += child + 1 < walk->heap_count && compare(walk->heap[child + 1], walk->heap[child]) < 0;
        if (compare(walk->heap[at], walk->heap[child]) <= 0) {
            return;
        }
        Input *up = walk->heap[child];
        walk->heap[child] = walk->heap[at];
        walk->heap[at] = up;
        at = child;
    }
}

/* The top goes on to its next rollup, or out of the heap. */
static Status move_top(RollupWalk *walk, Error *reterr)
{
    Status status = input_move(walk, walk->heap[0], reterr);
    if (status == STATUS_OK) {
        if (!walk->heap[0]->live) {
            walk->heap[0] = walk->heap[--walk->heap_count];
        }
        sift_down(walk, 0);
    }
    return status;
}

/* ---- The walk ---------------------------------------------------------------------------------------------------- */

static Status begin(RollupWalk *walk, Run *const *runs, size_t count, Error *reterr)
{
    walk->inputs = calloc(count + 1, sizeof *walk->inputs);
    walk->heap = calloc(count + 1, sizeof(Input *));
    if (!walk->inputs || !walk->heap) {
        return error_set(reterr, STATUS_BUSY, "out of memory for reading rollups");
    }
    for (size_t i = 0; i < count; i++) {
        Input *input = &walk->inputs[i];
        Status status = run_row_cursor_init(&input->cursor, runs[i], walk->from, reterr);
        walk->count = i + 1;
        if (status == STATUS_OK) {
            status = input_move(walk, input, reterr);
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (input->live) {
            walk->heap[walk->heap_count++] = input;
        }
    }
    for (size_t at = walk->heap_count / 2; at-- > 0;) {
        sift_down(walk, at);
    }
    return STATUS_OK;
}

Status rollup_walk_open(Run *const *runs, size_t count, uint64_t from, uint64_t to, RollupWalk **ret_walk,
                        Error *reterr)
{
    RollupWalk *walk = calloc(1, sizeof *walk);
    if (!walk) {
        return error_set(reterr, STATUS_BUSY, "out of memory for reading rollups");
    }
    walk->from = from;
    walk->to = to;
    Status status = begin(walk, runs, count, reterr);
    if (status != STATUS_OK) {
        rollup_walk_close(walk);
        return status;
    }
    *ret_walk = walk;
    return STATUS_OK;
}

/* The next best of the heap is one of the top's two children. */
static Input *second(const RollupWalk *walk)
{
    if (walk->heap_count < 2) {
        return NULL;
    }
    bool right = walk->heap_count > 2 && compare(walk->heap[2], walk->heap[1]) < 0;
    return walk->heap[1 + right];
}

/* The top lends its texts and so stays where it is until the next call; what is equal to it moves on now. */
static Status add_equals(RollupWalk *walk, Rollup *rollup, Error *reterr)
{
    Input *top = walk->heap[0];
    for (Input *next = second(walk); next && compare(next, top) == 0; next = second(walk)) {
        rollup_add(rollup, &next->rollup);
        Status status = input_move(walk, next, reterr);
        if (status != STATUS_OK) {
            return status;
        }
        size_t at = walk->heap[1] == next ? 1 : 2;
        if (!next->live) {
            walk->heap[at] = walk->heap[--walk->heap_count];
        }
        sift_down(walk, at);
    }
    return STATUS_OK;
}

Status rollup_walk_next(RollupWalk *walk, RollupLevel *ret_level, Rollup *ret_rollup, bool *ret_found, Error *reterr)
{
    Status status = walk->taken ? move_top(walk, reterr) : STATUS_OK;
    walk->taken = false;
    if (status != STATUS_OK) {
        return status;
    }
    *ret_found = walk->heap_count > 0;
    if (*ret_found) {
        *ret_level = walk->heap[0]->level;
        *ret_rollup = walk->heap[0]->rollup;
        walk->taken = true;
        status = add_equals(walk, ret_rollup, reterr);
    }
    return status;
}

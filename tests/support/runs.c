#include "support/runs.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants the three above and this one first. */
#include <cmocka.h>

uint64_t runs_key(KeyStyle style, uint64_t *seed)
{
    uint64_t number = random_next(seed);
    switch (style) {
    case KEYS_FEW: return number % 3 * 1000;
    case KEYS_TIMES: return number % 5000 == 0 ? number >> 8 : UINT64_C(0x8006000000000000) + number % 60000000;
    case KEYS_EXTREME: return number % 2 ? number % 4 - 2 : number % 3;
    case KEYS_HASHED:
    case KEYS_STYLES: break;
    }
    return number;
}

static int compare_pairs(const void *a, const void *b)
{
    const IndexPair *left = a, *right = b;
    return index_pair_before(*right, *left) - index_pair_before(*left, *right);
}

void runs_pairs_sort(PairList list) { qsort(list.items, list.count, sizeof *list.items, compare_pairs); }

PairList runs_pairs(KeyStyle style, size_t count, uint64_t first_value, uint64_t *seed)
{
    PairList list = {.items = calloc(count + 1, sizeof *list.items), .count = count};
    assert_non_null(list.items);
    for (size_t i = 0; i < count; i++) {
        list.items[i] = (IndexPair){runs_key(style, seed), first_value + i};
    }
    runs_pairs_sort(list);
    return list;
}

void runs_pairs_free(PairList list) { free(list.items); }

size_t runs_pairs_position(PairList list, IndexPair pair)
{
    size_t at = 0, step = list.count;
    while (step > 0) {
        while (at + step <= list.count && index_pair_before(list.items[at + step - 1], pair)) {
            at += step;
        }
        step /= 2;
    }
    return at;
}

RunStamp runs_stamp(void)
{
    return (RunStamp){.store_id = {1, 2, 3}, .epoch = 4, .index = 5, .first_seq = 6, .last_seq = 7000, .row_hash = 8};
}

void runs_write(const Io *io, const char *path, PairList list, uint64_t expected, unsigned filter_bits)
{
    RunStamp stamp = runs_stamp();
    RunWriter *writer = NULL;
    assert_int_equal(run_writer_open(io, path, &stamp, expected, filter_bits, &writer, NULL), STATUS_OK);
    /* In pieces of changing size, as merges bring them. */
    for (size_t done = 0, piece = 1; done < list.count; done += piece, piece = piece * 2 % 1023) {
        piece = piece < list.count - done ? piece : list.count - done;
        assert_int_equal(run_writer_add(writer, list.items + done, piece, NULL), STATUS_OK);
    }
    assert_int_equal(run_writer_finish(writer, NULL), STATUS_OK);
}

Run *runs_open(const Io *io, const char *path)
{
    RunStamp stamp = runs_stamp();
    Run *run = NULL;
    Error err = {0};
    if (run_open(io, path, &stamp, &run, &err) != STATUS_OK) {
        fail_msg("%s", err.message);
    }
    return run;
}

void runs_check_equal(Run *run, PairList list)
{
    assert_int_equal(run_count(run), list.count);
    RunCursor cursor;
    assert_int_equal(run_cursor_init(&cursor, run, (IndexPair){0}, false, NULL), STATUS_OK);
    IndexPair pair;
    bool found = true;
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(run_cursor_next(&cursor, &pair, &found, NULL), STATUS_OK);
        assert_true(found);
        assert_int_equal(pair.key, list.items[i].key);
        assert_int_equal(pair.value, list.items[i].value);
    }
    assert_int_equal(run_cursor_next(&cursor, &pair, &found, NULL), STATUS_OK);
    assert_false(found);
    run_cursor_release(&cursor);
}

#include "unit.h"

#include "base/arena.h"
#include "support/random.h"

static void test_allocates_aligned_and_apart(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    Arena arena;
    unsigned char *blocks[COUNT];
    size_t sizes[COUNT];
    uint64_t seed = 11;
    arena_init(&arena, 1024, 1 << 20);
    assert_int_equal(arena.taken, 0);
    for (size_t i = 0; i < COUNT; i++) {
        sizes[i] = random_below(&seed, i % 10 == 0 ? 3000 : 60);
        blocks[i] = arena_alloc(&arena, sizes[i]);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)(i & 0xFF), sizes[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t at = 0; at < sizes[i]; at++) {
            assert_int_equal(blocks[i][at], i & 0xFF);
        }
    }
    arena_release(&arena);
    assert_int_equal(arena.taken, 0);
}

static void test_ceiling(void **state)
{
    (void)state;
    Arena arena;
    arena_init(&arena, 1024, 4096);
    assert_null(arena_alloc(&arena, 5000));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE_MAX - 8));
    assert_null(arena_alloc_array(&arena, 16, SIZE_MAX / 8));
    assert_null(arena_printf(&arena, "%5000d", 1));
    assert_null(arena_copy(&arena, (Str){"x", SIZE_MAX / 2}).ptr);
    assert_int_equal(arena.taken, 0);
    size_t got = 0;
    while (arena_alloc(&arena, 100)) {
        got++;
        assert_true(arena.taken <= 4096);
    }
    /* Nearly all of it is of use, and a smaller request may still fit where a larger one did not. */
    assert_in_range(got, 30, 36);
    assert_null(arena_alloc(&arena, 100));
    arena_release(&arena);
    assert_non_null(arena_alloc(&arena, 100));
    arena_release(&arena);
}

static void test_budget(void **state)
{
    (void)state;
    Budget budget = {.bytes_max = 4096};
    Arena arenas[2];
    for (size_t i = 0; i < 2; i++) {
        arena_init(&arenas[i], 1024, 1 << 20);
        arenas[i].budget = &budget;
    }
    assert_non_null(arena_alloc(&arenas[0], 2500));
    assert_non_null(arena_alloc(&arenas[1], 900));
    assert_int_equal(budget.taken, arenas[0].taken + arenas[1].taken);
    assert_false(arenas[1].starved);
    assert_null(arena_alloc(&arenas[1], 2500));
    assert_true(arenas[1].starved);
    assert_int_equal(budget.taken, arenas[0].taken + arenas[1].taken);
    arena_reset(&arenas[0]);
    ArenaMark mark = arena_mark(&arenas[1]);
    assert_non_null(arena_alloc(&arenas[1], 2500));
    arena_rewind(&arenas[1], mark);
    assert_int_equal(budget.taken, arenas[0].taken + arenas[1].taken);
    arena_release(&arenas[0]);
    arena_release(&arenas[1]);
    assert_int_equal(budget.taken, 0);
}

/* What its owner may keep does not count. */
static void test_uncounted(void **state)
{
    (void)state;
    Budget budget = {.bytes_max = 3000};
    Arena arena;
    arena_init(&arena, 1024, 1 << 20);
    arena.budget = &budget;
    arena.uncounted = 1024;
    assert_non_null(arena_alloc(&arena, 900));
    assert_int_equal(budget.taken, 0);
    assert_non_null(arena_alloc(&arena, 2500));
    assert_int_equal(budget.taken, arena.taken - 1024);
    assert_null(arena_alloc(&arena, 2500));
    assert_int_equal(budget.taken, arena.taken - 1024);
    arena_reset(&arena);
    assert_int_equal(arena.taken, 1024);
    assert_int_equal(budget.taken, 0);
    arena_release(&arena);
    assert_int_equal(budget.taken, 0);
}

static void fill(unsigned char *block, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        block[i] = (unsigned char)(i % 251);
    }
}

static void check_filled(const unsigned char *block, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        assert_int_equal(block[i], i % 251);
    }
}

/* A long block that grows takes what it has in the end, and nothing for what it had. */
static void test_a_block_grows(void **state)
{
    (void)state;
    Arena arena;
    Budget budget = {.bytes_max = 1 << 20};
    arena_init(&arena, 1024, 100000);
    arena.budget = &budget;
    unsigned char *small = arena_alloc(&arena, 100), *block = arena_alloc(&arena, 2000);
    fill(small, 0, 100);
    fill(block, 0, 2000);
    for (size_t bytes = 2000; bytes < 60000; bytes += bytes / 2) {
        block = arena_grow(&arena, block, bytes, bytes + bytes / 2);
        assert_non_null(block);
        fill(block, bytes, bytes + bytes / 2);
        assert_true(arena.taken <= 1024 + bytes + bytes / 2 + 64);
        assert_int_equal(budget.taken, arena.taken);
    }
    check_filled(block, 60000);
    check_filled(small, 100);
    /* What does not fit leaves it as it is. */
    assert_null(arena_grow(&arena, block, 76882, 200000));
    assert_false(arena.starved);
    arena_allow(&arena, 1 << 20);
    budget.bytes_max = 90000;
    assert_null(arena_grow(&arena, block, 76882, 200000));
    assert_true(arena.starved);
    assert_null(arena_grow(&arena, block, 76882, SIZE_MAX));
    check_filled(block, 60000);
    arena_release(&arena);
    assert_int_equal(budget.taken, 0);
}

static void test_a_block_that_is_not_the_newest_grows(void **state)
{
    (void)state;
    Arena arena;
    arena_init(&arena, 1024, 1 << 20);
    unsigned char *first = arena_alloc(&arena, 100), *second = arena_alloc(&arena, 100);
    fill(first, 0, 100);
    fill(second, 0, 100);
    assert_ptr_equal(arena_grow(&arena, second, 100, 300), second); /* where it is */
    unsigned char *moved = arena_grow(&arena, first, 100, 200);
    assert_ptr_not_equal(moved, first);
    fill(moved, 100, 200);
    unsigned char *beyond = arena_grow(&arena, moved, 200, 5000); /* the newest, and not alone in its chunk */
    assert_ptr_not_equal(beyond, moved);
    check_filled(beyond, 200);
    check_filled(second, 100);
    assert_ptr_not_equal(arena_alloc(&arena, 16), beyond);
    arena_release(&arena);
}

static void test_zeroed(void **state)
{
    (void)state;
    Arena arena;
    arena_init(&arena, 1024, 1 << 16);
    memset(arena_alloc(&arena, 900), 0xFF, 900);
    arena_reset(&arena);
    const unsigned char *zeros = arena_alloc_array(&arena, 9, 100);
    for (size_t i = 0; i < 900; i++) {
        assert_int_equal(zeros[i], 0);
    }
    assert_non_null(arena_alloc(&arena, 0));
    arena_release(&arena);
}

/* A reused arena costs no malloc: the same chunk serves again, and large ones are given back. */
static void test_reset_keeps_one_chunk(void **state)
{
    (void)state;
    Arena arena;
    arena_init(&arena, 1024, 1 << 20);
    arena_reset(&arena);
    void *first = arena_alloc(&arena, 10);
    for (int i = 0; i < 100; i++) {
        assert_non_null(arena_alloc(&arena, 100));
    }
    assert_non_null(arena_alloc(&arena, 50000));
    arena_reset(&arena);
    assert_int_equal(arena.taken, 1024);
    assert_ptr_equal(arena_alloc(&arena, 10), first);
    arena_release(&arena);
}

static void test_rewind(void **state)
{
    (void)state;
    Arena arena;
    arena_init(&arena, 1024, 1 << 20);
    ArenaMark start = arena_mark(&arena);
    char *kept = arena_alloc(&arena, 100);
    memset(kept, 'k', 100);
    ArenaMark mark = arena_mark(&arena);
    void *scratch = arena_alloc(&arena, 100);
    arena_rewind(&arena, mark);
    assert_ptr_equal(arena_alloc(&arena, 100), scratch);
    arena_rewind(&arena, mark);

    /* Over chunks: one usual chunk may stay, no more, whatever came between. */
    for (int round = 0; round < 100; round++) {
        assert_non_null(arena_alloc(&arena, 30000));
        assert_non_null(arena_alloc(&arena, 1000));
        assert_non_null(arena_alloc(&arena, 1000));
        assert_non_null(arena_alloc(&arena, 30000));
        arena_rewind(&arena, mark);
        assert_true(arena.taken <= 2 * 1024);
        memset(arena_alloc(&arena, 500), 'x', 500);
        arena_rewind(&arena, mark);
    }
    for (int i = 0; i < 100; i++) {
        assert_int_equal(kept[i], 'k');
    }
    arena_rewind(&arena, start);
    assert_true(arena.taken <= 1024);
    memset(arena_alloc(&arena, 600), 'y', 600);
    arena_release(&arena);
    assert_int_equal(arena.taken, 0);
}

static void test_rewind_of_an_unused_arena(void **state)
{
    (void)state;
    Arena arena;
    arena_init(&arena, 1024, 1 << 20);
    ArenaMark start = arena_mark(&arena);
    arena_rewind(&arena, start);
    assert_non_null(arena_alloc(&arena, 5000));
    arena_rewind(&arena, start);
    assert_int_equal(arena.taken, 0);
    assert_non_null(arena_alloc(&arena, 10));
    arena_release(&arena);
}

static void test_texts(void **state)
{
    (void)state;
    Arena arena;
    arena_init(&arena, 64, 1 << 16);
    Str copy = arena_copy(&arena, STR("a\0b"));
    assert_int_equal(copy.len, 3);
    assert_memory_equal(copy.ptr, "a\0b\0", 4);
    Str empty = arena_copy(&arena, (Str){NULL, 0});
    assert_non_null(empty.ptr);
    assert_int_equal(empty.len, 0);
    assert_string_equal(empty.ptr, "");
    assert_string_equal(arena_printf(&arena, "%s %d", "line", 7), "line 7");
    const char *wide = arena_printf(&arena, "%300d", 7);
    assert_int_equal(strlen(wide), 300);
    assert_int_equal(wide[299], '7');
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocates_aligned_and_apart),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_uncounted),
        cmocka_unit_test(test_a_block_grows),
        cmocka_unit_test(test_a_block_that_is_not_the_newest_grows),
        cmocka_unit_test(test_zeroed),
        cmocka_unit_test(test_reset_keeps_one_chunk),
        cmocka_unit_test(test_rewind),
        cmocka_unit_test(test_rewind_of_an_unused_arena),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

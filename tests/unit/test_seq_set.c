/* Sequences as a bitmap in pages, under a ceiling. */
#include "unit.h"

#include "query/seq_set.h"

static void test_a_set_of_sequences(void **state)
{
    (void)state;
    enum { BOUND = 3 * SEQ_SET_PAGE_SEQS };
    SeqSet set;
    seq_set_init(&set, BOUND, 1 << 20, NULL);
    assert_false(seq_set_has(&set, 7));
    const int64_t in[] = {0, 1, 63, 64, SEQ_SET_PAGE_SEQS - 1, SEQ_SET_PAGE_SEQS, BOUND};
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
        assert_true(seq_set_add(&set, in[i]));
    }
    size_t count = 0;
    for (int64_t seq = -1; seq <= BOUND + 1; seq++) {
        count += seq_set_has(&set, seq);
    }
    assert_int_equal(count, sizeof in / sizeof *in);
    assert_true(seq_set_has(&set, BOUND) && seq_set_has(&set, 63) && !seq_set_has(&set, 65));
    seq_set_release(&set);
    seq_set_init(&set, BOUND, 64, NULL); /* too little for a page */
    assert_false(seq_set_add(&set, 1));
    assert_false(seq_set_has(&set, 1));
    seq_set_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_set_of_sequences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The batches of `weir ingest`: what is no record, with the reasons why. */
#include "cli/ingest_batch.h"

#include "unit.h"

enum { ENTRIES_MAX = 4 };

static const IngestFile file = {.path = {"/in", 3}};
static const FileItem item = {.raw = {"{}", 2}, .line = 7};

static void init_batch(IngestBatch *batch, IngestEntry *refused, size_t bytes_max)
{
    *batch = (IngestBatch){.refused = refused};
    arena_init(&batch->arena, 64, bytes_max);
}

static void test_refused(void **state)
{
    (void)state;
    IngestBatch batch;
    IngestEntry refused[ENTRIES_MAX];
    Buf errors;
    init_batch(&batch, refused, 4096);
    buf_init(&errors, 256);
    ingest_put_error(&errors, "is odd");
    assert_int_equal(ingest_batch_refuse(&batch, &file, &item, &errors), STATUS_OK);
    assert_int_equal(batch.refused_count, 1);
    assert_int_equal(batch.later_bytes, errors.len);
    assert_ptr_equal(refused[0].file, &file);
    assert_true(refused[0].kind == OUTCOME_REJECTED && refused[0].line == 7);
    assert_text(refused[0].raw, "{}");
    assert_text(refused[0].errors, "{\"record\":[\"is odd\"]}");
    buf_release(&errors);
    arena_release(&batch.arena);
}

/* There is room in the next batch. */
static void test_full(void **state)
{
    (void)state;
    IngestBatch batch;
    IngestEntry refused[ENTRIES_MAX];
    Buf errors;
    init_batch(&batch, refused, 64);
    buf_init(&errors, 256);
    ingest_put_error(&errors, "is odd, and for reasons that do not go into what is left of the arena of this batch");
    assert_int_equal(ingest_batch_refuse(&batch, &file, &item, &errors), STATUS_BUSY);
    assert_true(batch.refused_count == 0 && batch.later_bytes == 0);
    buf_release(&errors);
    arena_release(&batch.arena);
}

/* Reasons that are cut would be a dead letter's: whether all of them are there is looked at before. */
static void test_reasons_that_are_cut(void **state)
{
    (void)state;
    IngestBatch batch;
    IngestEntry refused[ENTRIES_MAX];
    Budget budget = {.bytes_max = 256};
    Buf errors;
    init_batch(&batch, refused, 4096);
    buf_init(&errors, 4096);
    errors.budget = &budget;
    for (int i = 0; i < 20; i++) {
        ingest_put_error(&errors, "is odd, for a long reason");
    }
    assert_true(errors.len > 0 && errors.no_memory);
    assert_int_equal(ingest_batch_refuse(&batch, &file, &item, &errors), STATUS_BROKEN);
    assert_int_equal(batch.refused_count, 0);
    buf_release(&errors);
    arena_release(&batch.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_reasons_that_are_cut),
    };
    return cmocka_run_group_tests_name("ingest_batch", tests, NULL, NULL);
}

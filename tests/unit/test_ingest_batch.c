/* The batches of `weir ingest`: what is no record, with the reasons why. */
#include "cli/ingest_batch.h"

#include "unit.h"

enum { ENTRIES_MAX = 4 };

static const IngestFile file = {.path = {"/in", 3}};
static const FileItem item = {.raw = {"{}", 2}, .line = 7};

typedef struct Refusal {
    IngestBatch batch;
    IngestEntry refused[ENTRIES_MAX];
    Buf errors;
} Refusal;

static void begin(Refusal *refusal, size_t batch_bytes_max)
{
    refusal->batch = (IngestBatch){.refused = refusal->refused};
    arena_init(&refusal->batch.arena, 64, batch_bytes_max);
    buf_init(&refusal->errors, 4096);
}

static Status refuse(Refusal *refusal) { return ingest_batch_refuse(&refusal->batch, &file, &item, &refusal->errors); }

static void end(Refusal *refusal)
{
    buf_release(&refusal->errors);
    arena_release(&refusal->batch.arena);
}

static void test_refused(void **state)
{
    (void)state;
    Refusal refusal;
    begin(&refusal, 4096);
    ingest_put_error(&refusal.errors, "is odd");
    assert_int_equal(refuse(&refusal), STATUS_OK);
    assert_int_equal(refusal.batch.refused_count, 1);
    assert_int_equal(refusal.batch.later_bytes, refusal.errors.len);
    const IngestEntry *entry = &refusal.refused[0];
    assert_ptr_equal(entry->file, &file);
    assert_true(entry->kind == OUTCOME_REJECTED && entry->line == 7);
    assert_text(entry->raw, "{}");
    assert_text(entry->errors, "{\"record\":[\"is odd\"]}");
    end(&refusal);
}

/* There is room in the next batch. */
static void test_full(void **state)
{
    (void)state;
    Refusal refusal;
    begin(&refusal, 64);
    ingest_put_error(&refusal.errors,
                     "is odd, and for reasons that do not go into what is left of the arena of this batch");
    assert_int_equal(refuse(&refusal), STATUS_BUSY);
    assert_true(refusal.batch.refused_count == 0 && refusal.batch.later_bytes == 0);
    end(&refusal);
}

/* Reasons that are cut would be a dead letter's: whether all of them are there is looked at before. */
static void test_reasons_that_are_cut(void **state)
{
    (void)state;
    Refusal refusal;
    Budget budget = {.bytes_max = 256};
    begin(&refusal, 4096);
    refusal.errors.budget = &budget;
    for (int i = 0; i < 20; i++) {
        ingest_put_error(&refusal.errors, "is odd, for a long reason");
    }
    assert_true(refusal.errors.len > 0 && refusal.errors.no_memory);
    assert_int_equal(refuse(&refusal), STATUS_BROKEN);
    assert_int_equal(refusal.batch.refused_count, 0);
    end(&refusal);
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

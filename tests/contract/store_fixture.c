#include "store_fixture.h"

#include <stdlib.h>
#include <unistd.h>

static const StoreFactory *factory_in_use;

void fixture_use(const StoreFactory *factory) { factory_in_use = factory; }

void fixture_open(Fixture *fixture)
{
    Error error = {0};
    Status status = fixture->factory->open(&fixture->options, &fixture->store, &error);
    if (status != STATUS_OK) {
        print_error("%s\n", error.message);
    }
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(store_reader_open(fixture->store, &fixture->reader, &error), STATUS_OK);
}

void fixture_close(Fixture *fixture)
{
    store_reader_close(fixture->reader);
    store_close(fixture->store);
    fixture->store = NULL;
    fixture->reader = NULL;
}

void fixture_begin_anew(Fixture *fixture, RecordIdentity identity)
{
    fixture_close(fixture);
    fixture->factory->remove(fixture->dir);
    fixture->factory->make(fixture->dir, sizeof fixture->dir);
    fixture->options.identity = identity;
    fixture_open(fixture);
}

int fixture_setup(void **state)
{
    Fixture *fixture = calloc(1, sizeof *fixture);
    fixture->factory = factory_in_use;
    fixture->factory->make(fixture->dir, sizeof fixture->dir);
    fixture->options = store_options_default(fixture->dir);
    fixture->options.free_reserve_bytes = 0;
    fixture->options.publish_records = 100;
    fixture->factory->adjust(&fixture->options);
    fixture_open(fixture);
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    Fixture *fixture = *state;
    if (fixture->store) {
        fixture_close(fixture);
    }
    fixture->factory->remove(fixture->dir);
    free(fixture);
    return 0;
}

/* ---- Making and applying records --------------------------------------------------------------------------------- */

Record fixture_record(const Fixture *fixture, const char *id, const char *destination, int64_t value, RecordType type,
                      int64_t time_us)
{
    Record record = {.record_id = str_from(id),
                     .source_id = STR("source-1"),
                     .destination_id = str_from(destination),
                     .unit = STR("EUR"),
                     .reference = STR("ref-1"),
                     .time_us = time_us,
                     .value = value,
                     .type = type};
    const StoreInfo *info = store_info(fixture->store);
    record.identity_hash = record_identity_hash(&record, info->identity, info->hash_seed);
    return record;
}

Status fixture_apply(Fixture *fixture, const Record *records, Outcome *outcomes, size_t count)
{
    Error error = {0};
    Work work = {.kind = WORK_RECORDS, .records = {.items = records, .outcomes = outcomes, .count = count}};
    Status status = store_apply(fixture->store, &work, &error);
    if (status != STATUS_OK) {
        print_error("%s\n", error.message);
    }
    return status == STATUS_OK ? work.status : status;
}

Outcome fixture_apply_one(Fixture *fixture, Record record)
{
    Outcome outcome = {0};
    assert_int_equal(fixture_apply(fixture, &record, &outcome, 1), STATUS_OK);
    return outcome;
}

void fixture_maintain(Fixture *fixture)
{
    Error error = {0};
    for (int i = 0; i < 200; i++) {
        bool more = false;
        assert_int_equal(store_maintain(fixture->store, true, &more, &error), STATUS_OK);
        usleep(fixture->options.background ? 500 : 0); /* the worker's turn */
    }
}

StoreView *fixture_begin(Fixture *fixture)
{
    StoreView *view = NULL;
    Error error = {0};
    Status status = reader_begin(fixture->reader, &view, &error);
    if (status != STATUS_OK) {
        print_error("%s\n", error.message);
    }
    assert_int_equal(status, STATUS_OK);
    return view;
}

void fixture_end(Fixture *fixture, StoreView *view)
{
    reader_end(fixture->reader);
    view_free(view);
}

static void print_problem(void *context, const char *text)
{
    (void)context;
    print_error("verify: %s\n", text);
}

void assert_verifies(Fixture *fixture)
{
    VerifyReport report = {0};
    Error error = {0};
    Status status = store_verify(fixture->reader, print_problem, NULL, NULL, &report, &error);
    if (status != STATUS_OK) {
        print_error("%s\n", error.message);
    }
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(report.problems, 0);
}

bool seen_visit(void *context, const StoredRecord *stored)
{
    Seen *seen = context;
    assert_true(seen->count < ITEMS_MAX);
    seen->seqs[seen->count] = stored->seq;
    seen->times[seen->count++] = stored->record.time_us;
    seen->totals = stored->totals;
    seen->prev_seq = stored->prev_seq;
    snprintf(seen->id, sizeof seen->id, "%.*s", STR_ARGS(stored->record.record_id));
    return !seen->limit || seen->count < seen->limit;
}

Seen *seen_new(void)
{
    Seen *seen = test_calloc(1, sizeof *seen);
    return seen;
}

Seen *fixture_get(Fixture *fixture, int64_t seq)
{
    Error error = {0};
    Seen *seen = seen_new();
    StoreView *view = fixture_begin(fixture);
    assert_int_equal(reader_get(fixture->reader, seq, seen_visit, seen, &error), STATUS_OK);
    fixture_end(fixture, view);
    return seen;
}

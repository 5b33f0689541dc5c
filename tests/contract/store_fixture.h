/* What the files of the store's contract share: one test's store and reader, and short ways to write to it and to look.
 *
 * Whatever fails here fails the test. */
#ifndef WEIR_TESTS_CONTRACT_STORE_FIXTURE_H
#define WEIR_TESTS_CONTRACT_STORE_FIXTURE_H

#include <setjmp.h>

#include <cmocka.h>

#include "store_suite.h"

enum { ITEMS_MAX = 4096 };

typedef struct Fixture {
    const StoreFactory *factory;
    char dir[256];
    StoreOptions options;
    Store *store;
    StoreReader *reader;
} Fixture;

/* Before a group of tests: where their stores come from. */
void fixture_use(const StoreFactory *factory);
/* Around each test; *state is the Fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

void fixture_open(Fixture *fixture);
void fixture_close(Fixture *fixture);
/* An empty store instead, whose records are known by something else. */
void fixture_begin_anew(Fixture *fixture, RecordIdentity identity);

/* A record with the fixture's identity; texts borrow. */
Record fixture_record(const Fixture *fixture, const char *id, const char *destination, int64_t value, RecordType type,
                      int64_t time_us);
Status fixture_apply(Fixture *fixture, const Record *records, Outcome *outcomes, size_t count);
Outcome fixture_apply_one(Fixture *fixture, Record record);
/* Publishes and merges until there is nothing left to do. */
void fixture_maintain(Fixture *fixture);
void assert_verifies(Fixture *fixture);

StoreView *fixture_begin(Fixture *fixture);
void fixture_end(Fixture *fixture, StoreView *view);

/* What a walk has handed out. */
typedef struct Seen {
    size_t count, limit;
    int64_t seqs[ITEMS_MAX], times[ITEMS_MAX];
    FlowTotals totals; /* of the last */
    int64_t prev_seq;
    char id[512];
} Seen;
Seen *seen_new(void); /* free with test_free */
/* A RecordVisitor for a Seen, which stops at its limit. */
bool seen_visit(void *context, const StoredRecord *stored);
/* The record at `seq`, in a look of its own. */
Seen *fixture_get(Fixture *fixture, int64_t seq);

#endif

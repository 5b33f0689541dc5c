/* A SQLite store as an older program left it, or as no program leaves one: what the tests of both share.
 *
 * Whatever fails here fails the test. */
#ifndef WEIR_TESTS_CONTRACT_OLD_STORE_H
#define WEIR_TESTS_CONTRACT_OLD_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/store.h"

typedef struct OldStore {
    char dir[256], path[300];
    StoreOptions options;
} OldStore;

/* Around each test; *state is the OldStore, whose place is empty. */
int old_store_setup(void **state);
int old_store_teardown(void **state);
#define OLD_STORE_TEST(name) cmocka_unit_test_setup_teardown(name, old_store_setup, old_store_teardown)

/* While nobody has it open. */
void run_sql(const OldStore *fixture, const char *sql);
/* What the query answers with, as one text; free with test_free. */
char *ask(const OldStore *fixture, const char *sql);
void assert_answer(const OldStore *fixture, const char *sql, const char *expected);
extern const char all_sql[]; /* asks for everything that makes the tables */
/* What version 5 has and version 4 has not. */
#define DROP_ONBOARD_SQL                                                                                               \
    "DROP TABLE organizations; DROP TABLE organization_changes; DROP TABLE onboard_batches; DROP TABLE jobs;"          \
    "DROP TABLE idempotency_answers; DROP TABLE onboard_counts; DROP INDEX IF EXISTS dead_letters_of_jobs;"            \
    "DROP INDEX IF EXISTS dead_letters_open;"
/* What version 4 has and version 3 has not. */
#define DROP_LETTER_BYTES_SQL                                                                                          \
    "DROP INDEX IF EXISTS dead_letters_open; DROP INDEX dead_letters_by_bytes; ALTER TABLE dead_letters DROP COLUMN "  \
    "bytes;"
#define DROP_EVENTS_SQL                                                                                                \
    "DROP TABLE raw_events; DROP TABLE raw_duplicates; DROP TABLE event_attempts; DROP TABLE event_clients; DROP "     \
    "TABLE event_aliases;"

Status open_store(const OldStore *fixture, Store **ret_store);
/* One of a flow of 0.05; ready to be applied. */
Record plain_record(Store *store, Str record_id);
/* One record, always the same. */
Outcome apply_record(Store *store);
/* How many problems there are. */
size_t verify(StoreReader *reader);
size_t verify_once(const OldStore *fixture);

/* A visitor that checks each row and counts it in the size_t that its context is. */
#define COUNTING(name, Type, row, check)                                                                               \
    static bool name(void *context, const Type *row)                                                                   \
    {                                                                                                                  \
        assert_true(check);                                                                                            \
        ++*(size_t *)context;                                                                                          \
        return true;                                                                                                   \
    }

/* ---- What a version of the tables brought ------------------------------------------------------------------------ */

typedef struct VersionStep {
    const char *undo_sql;                 /* makes the tables those of `version`, and says so */
    const char *version;                  /* the one before */
    void (*prepare)(Store *store);        /* what is there already, behind a record; may be NULL */
    void (*fill)(Store *store);           /* with what is new */
    size_t (*count)(StoreReader *reader); /* rows of what is new, as readers see it */
    size_t rows;                          /* that it counts after `fill` */
} VersionStep;

/* A store of the version before has the same tables as a new one once it was opened, and all that was in it; and what
 * is new can be done. */
void check_older_is_upgraded(OldStore *fixture, const VersionStep *step);
/* One that is only read has nothing of what is new, until somebody opens it for writing: from then on the same reader
 * sees it. */
void check_older_is_read(OldStore *fixture, const VersionStep *step);

typedef struct Damage {
    const char *damage_sql, *mend_sql;
    size_t problems; /* that verify finds in between */
} Damage;
void check_damages(const OldStore *fixture, const Damage *damages, size_t count);

#endif

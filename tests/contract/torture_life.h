/* Lives of a store while memory gives out: the same life is lived again and again, and each time another allocation of
 * it fails, alone, with a few or with all behind it until the store has said so. What a life does is up to the test.
 *
 * With WEIR_TORTURE=all each of the allocations fails in all three ways, else some in one; WEIR_TORTURE_AT=N makes only
 * the Nth fail, WEIR_TORTURE_AT=M-N those from the Mth to the Nth in turn. A life leaves its process as no other does,
 * so that the allocations of the next are not quite the same: what one number does not show, a range that ends there
 * may. */
#ifndef WEIR_TESTS_CONTRACT_TORTURE_LIFE_H
#define WEIR_TESTS_CONTRACT_TORTURE_LIFE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/store.h"
#include "support/torture.h"

/* What a call may say when memory gives out under it. */
enum { BUSY = 1 << STATUS_BUSY, BROKEN = 1 << STATUS_BROKEN, UNKNOWN = 1 << STATUS_UNKNOWN };

typedef struct Life {
    uint64_t nth; /* for messages */
    char dir[256];
    Store *store;
    StoreReader *reader;
} Life;

_Noreturn void fail_life(const Life *life, const char *what, Status status, const char *message);

/* What a call answered is fine when it is OK, or when memory gave out under it and it says so in a way that it may.
 * Then memory is there again. */
bool is_ok(const Life *life, const char *what, Status status, unsigned allowed, const Error *error);

/* Once more, when memory gave out. */
void life_open(Life *life, const StoreOptions *options);
/* Its store has to verify, with memory enough. The counts are filled in. */
void life_verify(Life *life, VerifyReport *ret_report);

/* Lives once with memory enough, which says how many allocations there are, and then again and again. Returns how many
 * there were. */
typedef uint64_t LifeAndCheck(uint64_t nth, uint64_t count);
uint64_t torture_each(LifeAndCheck *live_and_check);
/* What a life has taken it has given back, or the test fails. */
void life_check_memory(const Life *life, int64_t before);

/* Before SQLite is first used: memory fails there as well, and thousands of lives, none of which is about the disk, are
 * in memory where that is possible. */
void torture_prepare(void);

#endif

#include "torture_life.h"

#include <stdlib.h>
#include <unistd.h>

enum { LIVES_DEFAULT = 120 };

void fail_life(const Life *life, const char *what, Status status, const char *message)
{
    fail_msg("allocation %llu: %s: %s %s", (unsigned long long)life->nth, what, status_name(status), message);
    abort(); /* cmocka has left already */
}

bool is_ok(const Life *life, const char *what, Status status, unsigned allowed, const Error *error)
{
    if (status != STATUS_OK && (!torture_struck() || !(allowed & 1u << status))) {
        fail_life(life, what, status, error->message);
    }
    if (torture_struck()) {
        torture_end();
    }
    return status == STATUS_OK;
}

void life_open(Life *life, const StoreOptions *options)
{
    Error error = {0};
    if (!is_ok(life, "open", store_open(options, &life->store, &error), BUSY, &error)) {
        Status status = store_open(options, &life->store, &error);
        if (status != STATUS_OK) {
            fail_life(life, "open once more", status, error.message);
        }
    }
}

static void print_problem(void *context, const char *text)
{
    (void)context;
    print_error("verify: %s\n", text);
}

void life_verify(Life *life, VerifyReport *ret_report)
{
    Error error = {0};
    *ret_report = (VerifyReport){0};
    assert_int_equal(store_reader_open(life->store, &life->reader, &error), STATUS_OK);
    if (store_verify(life->reader, print_problem, NULL, NULL, ret_report, &error) != STATUS_OK ||
        ret_report->problems > 0) {
        fail_life(life, "verify", STATUS_BROKEN, error.message);
    }
    store_reader_close(life->reader);
}

void life_check_memory(const Life *life, int64_t before)
{
    if (torture_live() != before) {
        print_error("%lld blocks more than before\n", (long long)(torture_live() - before));
        fail_life(life, "memory", STATUS_OK, "was not given back");
    }
}

/* From the allocation `first` to `last`, every `stride`th: in all three ways, or in one when some are left out. */
static void fail_each(LifeAndCheck *live_and_check, uint64_t first, uint64_t last, uint64_t stride)
{
    uint64_t lives = 0;
    for (uint64_t nth = first, i = 0; nth <= last; nth += stride, i++) {
        for (unsigned way = 0; way < TORTURE_WAYS; way++) {
            if (stride == 1 || i % TORTURE_WAYS == way) {
                live_and_check(nth, torture_failures(nth, way));
                lives++;
            }
        }
    }
    print_message("# allocations %llu to %llu, %llu lives\n", (unsigned long long)first, (unsigned long long)last,
                  (unsigned long long)lives);
}

/* "17555" or "17450-17650", within what there is: what is misspelt would fail nothing, and pass. */
static void read_range(const char *text, uint64_t allocations, uint64_t *ret_first, uint64_t *ret_last)
{
    char *end;
    *ret_first = *ret_last = strtoull(text, &end, 10);
    if (*end == '-') {
        *ret_last = strtoull(end + 1, &end, 10);
    }
    if (*end || *ret_first < 1 || *ret_first > *ret_last || *ret_last > allocations) {
        fail_msg("WEIR_TORTURE_AT=%s: a number or two with '-' between them, from 1 to %llu", text,
                 (unsigned long long)allocations);
    }
}

uint64_t torture_each(LifeAndCheck *live_and_check)
{
    const char *range = getenv("WEIR_TORTURE_AT"); /* what a failure's message names */
    uint64_t allocations = live_and_check(0, 0), first = 1, last = allocations;
    uint64_t stride = range ? 1 : torture_stride(allocations, LIVES_DEFAULT);
    if (range) {
        read_range(range, allocations, &first, &last);
    }
    fail_each(live_and_check, first, last, stride);
    return allocations;
}

void torture_prepare(void)
{
    torture_sqlite();
    if (access("/dev/shm", W_OK) == 0) {
        setenv("TMPDIR", "/dev/shm", 0);
    }
}

/* What a feeder makes of a group of messages while memory gives out: for each message the record, the event or the
 * reason why it is none that it always is, or BUSY for all of them, which are then tried again. A message is never
 * refused for want of memory, since a dead letter waits until a person looks at it.
 * With WEIR_TORTURE=all each of the allocations fails, else some. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "intake/feeder_batch.h"
#include "intake/source.h"
#include "support/torture.h"

enum { MESSAGES_MAX = 8, UNKNOWN = 200, SAID_BYTES = 16384, FAILURES_WANTED = 200 };

#define LINE                                                                                                           \
    "{\"recordId\":\"rec-1\",\"time\":\"2025-01-01T10:00:00Z\",\"sourceId\":\"s\",\"destinationId\":\"d\","            \
    "\"type\":\"negative\",\"value\":\"1.50\",\"unit\":\"EUR\",\"reference\":\"r\"}"
#define LOOSE "{\"client\":\"c\",\"metric\":\"m\",\"amount\":\"1.200,50 EUR\",\"time\":1700000000}"

static const RecordPolicy policy = {.scale = 2, .hash_seed = 5};
static MappingSet *mappings;

/* So many members that nobody knows that telling them apart takes memory of its own. */
static Str add_members(const char *object, char *text, size_t size)
{
    size_t len = (size_t)snprintf(text, size, "%.*s", (int)strlen(object) - 1, object);
    for (int i = 0; i < UNKNOWN; i++) {
        len += (size_t)snprintf(text + len, size - len, ",\"key-%d\":\"%d\"", i, i);
    }
    len += (size_t)snprintf(text + len, size - len, "}");
    assert_true(len < size);
    return (Str){text, len};
}

static void fill_group(SourceGroup *group, const char *good)
{
    char many[SAID_BYTES];
    const Str raws[] = {str_from(good), add_members(good, many, sizeof many), STR("{\"recordId\""),
                        STR("{\"value\":[],\"amount\":\"x\"}"), STR("")};
    Error error;
    source_group_init(group, MESSAGES_MAX);
    for (size_t i = 0; i < sizeof raws / sizeof *raws; i++) {
        SourceMessage message = {.raw = raws[i], .place = STR("in/0/1"), .format = SOURCE_FORMAT_JSON};
        assert_int_equal(source_group_add(group, &message, &error), STATUS_OK);
    }
}

/* The records, and why the others are none. */
static void say(const Batch *batch, char said[SAID_BYTES])
{
    const Work *work = &batch->submission.work;
    size_t len = 0;
    for (size_t i = 0; i < work->records.count; i++) {
        const Record *record = &work->records.items[i];
        len += (size_t)snprintf(said + len, SAID_BYTES - len, "%zu: %.*s, %lld\n", batch->message_of[i],
                                STR_ARGS(record->record_id), (long long)record->value);
    }
    for (size_t i = 0; i < batch->intake.refused_count; i++) {
        len += (size_t)snprintf(said + len, SAID_BYTES - len, "%.*s\n", STR_ARGS(batch->refused[i].error));
    }
    assert_true(len < SAID_BYTES);
}

/* Returns how many allocations there were; what is said is empty when it is BUSY. */
static uint64_t prepare(const char *mapping, uint64_t nth, uint64_t count, char said[SAID_BYTES])
{
    const SourceOptions source = {.name = "orders", .mapping = mapping};
    const IntakeOptions options = {.clock = &clock_system, .policy = &policy, .mappings = mappings};
    Batch batch = {0};
    Error error;
    fill_group(&batch.group, mapping ? LOOSE : LINE);
    torture_begin(nth, count);
    Status status = batch_prepare(&batch, &source, &options, &error);
    uint64_t asked = torture_end();
    said[0] = '\0';
    if (status == STATUS_OK) {
        say(&batch, said);
    } else {
        assert_int_equal(status, STATUS_BUSY);
    }
    source_group_release(&batch.group);
    return asked;
}

static void check(const char *mapping, const char *first, size_t lines)
{
    static char expected[SAID_BYTES], said[SAID_BYTES];
    uint64_t allocations = prepare(mapping, 0, 0, expected);
    assert_true(allocations >= 2); /* the reasons of one, the names of another */
    assert_memory_equal(expected, first, strlen(first));
    for (const char *at = expected; (at = strchr(at, '\n')) != NULL; at++) {
        lines--;
    }
    assert_int_equal(lines, 0);
    int64_t live = torture_live();
    uint64_t stride = torture_stride(allocations, FAILURES_WANTED);
    for (unsigned way = 0; way < TORTURE_WAYS; way++) {
        for (uint64_t nth = 1; nth <= allocations; nth += stride) {
            prepare(mapping, nth, torture_failures(nth, way), said);
            if (said[0] && strcmp(said, expected) != 0) {
                fail_msg("allocation %llu: %s", (unsigned long long)nth, said);
            }
            assert_int_equal(torture_live(), live);
        }
    }
}

static void test_records(void **state)
{
    (void)state;
    check(NULL, "0: rec-1, 150\n1: rec-1, 150\n", 5);
}

static void test_events(void **state)
{
    (void)state;
    check(SOURCE_MAPPING_AUTO, "0: sha256:", 5);
}

static int make_mappings(void **state)
{
    (void)state;
    const Mapping loose = {.name = STR("loose"), .amounts = AMOUNT_COMMA};
    Error error;
    return mapping_set_new(&loose, 1, &mappings, &error) == STATUS_OK ? 0 : 1;
}

static int free_mappings(void **state)
{
    (void)state;
    mapping_set_free(mappings);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_events),
    };
    return cmocka_run_group_tests_name("torture-batch", tests, make_mappings, free_mappings);
}

/* What is handed out is what the log has and somebody wants, and it is counted likewise. */
#include "unit.h"

#include "deliver/outbox.h"
#include "support/query_run.h"

enum { RECORDS = 20000 };

/* What the log of long_store() has, in order. */
typedef struct LogEntry {
    int64_t seq;
    MessageKind kind;
    Record record; /* that it is about; of a notice: none */
} LogEntry;

static LogEntry log_entries[2 * RECORDS];
static size_t log_count;

static void note_entry(int64_t seq, MessageKind kind, const Record *record)
{
    LogEntry *entry = &log_entries[log_count++];
    *entry = (LogEntry){.seq = seq, .kind = kind};
    if (record) {
        entry->record = *record;
    }
}

/* Every seventh record has an alert, every hundredth is followed by the notice of a dead letter. */
static Store *long_store(void)
{
    Store *store = fake_store_new(&run_info);
    log_count = 0;
    for (int i = 0; i < RECORDS; i++) {
        Record record = run_record(i + 1, i % 3 ? "2025-01-01 10:00:00" : "2025-06-01 10:00:00", i % 2 ? "odd" : "even",
                                   i % 5 ? "positive" : "negative", 100 * (i % 50), i % 4 ? "EUR" : "SEK");
        int64_t seq = fake_store_add(store, &record);
        note_entry(seq, MESSAGE_NOTIFICATION, &record);
        if (i % 7 == 0) {
            fake_store_add_alert(store, seq, "{\"rule\":\"default\"}");
            note_entry(store_last_seq(store), MESSAGE_ALERT, &record);
        }
        if (i % 100 == 0) {
            fake_store_add_message(store, STR("dead_letter.created"), 0, 1, STR("{\"dead_letter\":{}}"));
            note_entry(store_last_seq(store), MESSAGE_DEAD_LETTER_CREATED, NULL);
        }
    }
    return store;
}

static bool is_any_of(Str wanted, Str text) { return wanted.len == 0 || str_equal(wanted, text); }

/* A notice is about no record, and goes to all who ask for its kind. */
static bool is_expected(const Subscription *wanted, const LogEntry *entry)
{
    const Record *record = &entry->record;
    if (entry->kind == MESSAGE_DEAD_LETTER_CREATED || (wanted->kinds >> entry->kind & 1) == 0) {
        return wanted->kinds >> entry->kind & 1;
    }
    bool in_time = record->time_us >= wanted->start_us && record->time_us <= wanted->end_us;
    return (in_time || !wanted->has_times) && record->value >= wanted->value_min &&
           (wanted->type < 0 || wanted->type == (int)record->type) && is_any_of(wanted->unit, record->unit) &&
           is_any_of(wanted->source_id, record->source_id) && is_any_of(wanted->destination_id, record->destination_id);
}

typedef struct Reading {
    const Subscription *wanted;
    size_t at; /* the next entry of the log */
    int64_t taken;
} Reading;

/* Goes to the next entry that is wanted; false: there is none up to `through`. */
static bool expect_next(Reading *reading, int64_t through)
{
    while (reading->at < log_count && !is_expected(reading->wanted, &log_entries[reading->at])) {
        reading->at++;
    }
    return reading->at < log_count && log_entries[reading->at].seq <= through;
}

static bool take_next(void *context, const Message *message)
{
    Reading *reading = context;
    assert_true(expect_next(reading, INT64_MAX));
    assert_int_equal(message->seq, log_entries[reading->at].seq);
    assert_int_equal(message->kind, log_entries[reading->at++].kind);
    assert_true(message->body.len > 0);
    reading->taken++;
    return true;
}

/* All that is wanted, each once and in order, in however many pieces. */
static int64_t read_all(Outbox *outbox, const Subscription *wanted, int64_t after, int64_t through)
{
    Reading reading = {.wanted = wanted};
    while (reading.at < log_count && log_entries[reading.at].seq <= after) {
        reading.at++;
    }
    while (after < through) {
        int64_t before = after;
        assert_int_equal(outbox_read(outbox, after, through, take_next, &reading, &after, NULL), STATUS_OK);
        assert_true(after > before);
    }
    assert_false(expect_next(&reading, through));
    return reading.taken;
}

static int64_t count_all(Outbox *outbox, int64_t after, int64_t through)
{
    int64_t count = 0;
    while (after < through) {
        int64_t before = after;
        assert_int_equal(outbox_count(outbox, after, through, &count, &after, NULL), STATUS_OK);
        assert_true(after > before);
    }
    return count;
}

static void test_counts(void **state)
{
    enum {
        NOTIFICATION = 1 << MESSAGE_NOTIFICATION,
        ALERT = 1 << MESSAGE_ALERT,
        NOTICE = 1 << MESSAGE_DEAD_LETTER_CREATED
    };
    const Subscription wanted[] = {
        {.kinds = NOTIFICATION, .type = -1},
        {.kinds = ALERT, .type = -1},
        {.kinds = NOTICE, .type = -1},
        {.kinds = NOTIFICATION | ALERT | NOTICE, .type = -1},
        {.kinds = NOTIFICATION | ALERT, .type = RECORD_NEGATIVE, .unit = STR("SEK")},
        {.kinds = NOTIFICATION | ALERT | NOTICE, .type = -1, .destination_id = STR("odd"), .value_min = 2000},
        {.kinds = NOTIFICATION,
         .type = -1,
         .has_times = true,
         .start_us = INT64_C(1740000000000000),
         .end_us = INT64_MAX},
        {.kinds = NOTIFICATION | ALERT,
         .type = -1,
         .has_times = true,
         .start_us = INT64_MIN,
         .end_us = INT64_C(1735725600000000)}, /* the very time of those of January */
        {.kinds = NOTIFICATION,
         .type = -1,
         .has_times = true,
         .start_us = INT64_C(1748772000000000),
         .end_us = INT64_MAX},
        {.kinds = NOTIFICATION | ALERT, .type = -1, .source_id = STR("nobody")},
    };
    Store *store = long_store();
    int64_t last = store_last_seq(store);
    (void)state;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        Outbox *outbox = NULL;
        assert_int_equal(outbox_open(store, &wanted[i], &outbox, NULL), STATUS_OK);
        int64_t count = count_all(outbox, 0, last);
        assert_int_equal(count, read_all(outbox, &wanted[i], 0, last));
        assert_true(count > 0 || wanted[i].source_id.len);
        assert_int_equal(count_all(outbox, 777, 4321), read_all(outbox, &wanted[i], 777, 4321));
        outbox_close(outbox);
    }
    fake_store_free(store);
}

/* What fails is not counted, and the place stays. */
static void test_count_fails(void **state)
{
    const Subscription wanted = {.kinds = 1u << MESSAGE_NOTIFICATION, .type = -1};
    Store *store = long_store();
    Outbox *outbox = NULL;
    int64_t count = 5, after = 0;
    (void)state;
    assert_int_equal(outbox_open(store, &wanted, &outbox, NULL), STATUS_OK);
    fake_store_fail(store, STATUS_BUSY);
    assert_int_equal(outbox_count(outbox, 3, 100, &count, &after, NULL), STATUS_BUSY);
    assert_int_equal(count, 5);
    assert_int_equal(after, 3);
    fake_store_fail(store, STATUS_OK);
    assert_int_equal(outbox_count(outbox, 3, 100, &count, &after, NULL), STATUS_OK);
    assert_true(count > 5);
    outbox_close(outbox);
    fake_store_free(store);
}

typedef struct Taken {
    size_t count;
    char text[512]; /* kind key, a ; behind each */
    uint64_t hashes[8];
} Taken;

static bool take_text(void *context, const Message *message)
{
    Taken *taken = context;
    size_t len = strlen(taken->text);
    assert_true(taken->count < 8);
    taken->hashes[taken->count++] = message->flow_hash;
    snprintf(taken->text + len, sizeof taken->text - len, "%s %s %.*s;", message_kind_name(message->kind),
             message_stream_name(message_kind_stream(message->kind)), STR_ARGS(message->key));
    return true;
}

/* What is about no record is in the order of what it is about. */
static void test_what_messages_are_about(void **state)
{
    static const char *const rows[][2] = {
        {"organization.created",
         "{\"organization\":{\"id\":12,\"domain\":\"acme.com\",\"name\":\"A\"},\"batch_id\":\"b1\"}"},
        {"batch.completed", "{\"batch\":{\"batch_id\":\"b1\",\"total\":1}}"},
        {"organization.processed", "{\"organization\":{\"id\":12,\"domain\":\"acme.com\"}}"},
        {"dead_letter.created", "{\"dead_letter\":{\"id\":1,\"batch_id\":\"b1\"}}"},
        {"organization.unheard_of", "{}"},
    };
    const Subscription all = {.kinds = (1u << MESSAGE_KIND_COUNT) - 1, .type = -1};
    const Subscription batches = {.kinds = 1u << MESSAGE_BATCH_COMPLETED | 1u << MESSAGE_BATCH_FAILED, .type = -1};
    Store *store = fake_store_new(&run_info);
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fake_store_add_message(store, str_from(rows[i][0]), 0, 1, str_from(rows[i][1]));
    }
    Taken taken = {0};
    Outbox *outbox = NULL;
    int64_t after = 0;
    assert_int_equal(outbox_open(store, &all, &outbox, NULL), STATUS_OK);
    assert_int_equal(outbox_read(outbox, 0, INT64_MAX, take_text, &taken, &after, NULL), STATUS_OK);
    outbox_close(outbox);
    assert_string_equal(taken.text, "organization.created organizations acme.com;batch.completed batches b1;"
                                    "organization.processed organizations acme.com;"
                                    "dead_letter.created dead_letters ;");
    assert_true(taken.hashes[0] != 0 && taken.hashes[0] == taken.hashes[2] && taken.hashes[1] != taken.hashes[0]);
    assert_true(taken.hashes[1] != 0 && taken.hashes[3] == 0);
    assert_true(subscription_wants_stream(&batches, STREAM_BATCHES));
    assert_false(subscription_wants_stream(&batches, STREAM_ORGANIZATIONS));
    taken = (Taken){0};
    assert_int_equal(outbox_open(store, &batches, &outbox, NULL), STATUS_OK);
    assert_int_equal(outbox_read(outbox, 0, INT64_MAX, take_text, &taken, &after, NULL), STATUS_OK);
    outbox_close(outbox);
    assert_string_equal(taken.text, "batch.completed batches b1;");
    fake_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_count_fails),
                                       cmocka_unit_test(test_what_messages_are_about)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

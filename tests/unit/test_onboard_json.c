#include "unit.h"

#include "http/onboard_json.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US    INT64_C(1735689600000000) /* 2025-01-01 */

static StoredBatch batch_of(int64_t pending, int64_t processing, int64_t completed, int64_t failed, int64_t cancelled)
{
    StoredBatch batch = {
        .id = STR("b"), .created_us = DAY_US, .jobs = {pending, processing, completed, failed, cancelled}};
    for (size_t i = 0; i < JOB_STATE_COUNT; i++) {
        batch.total += batch.jobs[i];
    }
    return batch;
}

static void check_status(StoredBatch batch, const char *status, int64_t permille)
{
    assert_string_equal(batch_status(&batch), status);
    assert_int_equal(batch_permille(&batch), permille);
}

static void test_statuses(void **state)
{
    StoredBatch begun = batch_of(2, 0, 0, 0, 0);
    (void)state;
    check_status(batch_of(3, 0, 0, 0, 0), "pending", 0);
    begun.started_us = DAY_US;
    check_status(begun, "processing", 0);
    check_status(batch_of(2, 0, 1, 0, 0), "processing", 333);
    check_status(batch_of(0, 1, 999, 0, 0), "processing", 999);
    check_status(batch_of(0, 1, 9999, 0, 0), "processing", 999);
    check_status(batch_of(0, 0, 3, 0, 0), "completed", 1000);
    check_status(batch_of(0, 0, 2, 1, 0), "failed", 1000);
    check_status(batch_of(0, 0, 2, 1, 1), "failed", 1000);
    check_status(batch_of(0, 0, 2, 0, 1), "cancelled", 1000);
    check_status(batch_of(0, 0, 0, 0, 0), "completed", 1000);
}

static void test_time_left(void **state)
{
    StoredBatch batch = batch_of(30, 0, 10, 0, 0);
    (void)state;
    assert_int_equal(batch_eta_seconds(&batch, DAY_US), -1);
    batch.started_us = DAY_US;
    assert_int_equal(batch_eta_seconds(&batch, DAY_US), -1);
    assert_int_equal(batch_eta_seconds(&batch, DAY_US - SECOND_US), -1); /* the clock was set back */
    assert_int_equal(batch_eta_seconds(&batch, DAY_US + 10 * SECOND_US), 31);
    assert_int_equal(batch_eta_seconds(&batch, 0), -1);
    batch = batch_of(0, 0, 10, 0, 0);
    assert_int_equal(batch_eta_seconds(&batch, DAY_US), 0);
}

static void check_out(Buf *buf, const char *expected)
{
    buf_put_char(buf, '\0');
    assert_false(buf->failed);
    assert_string_equal(buf->ptr, expected);
    buf_release(buf);
}

static void test_batch(void **state)
{
    StoredBatch batch = batch_of(1, 0, 2, 0, 0);
    Buf buf;
    (void)state;
    batch.started_us = DAY_US + SECOND_US;
    buf_init(&buf, 4096);
    batch_put_json(&buf, &batch, DAY_US + 3 * SECOND_US);
    check_out(&buf,
              "{\"id\":\"b\",\"status\":\"processing\",\"total\":3,\"pending\":1,\"processing\":0,\"completed\":2,"
              "\"failed\":0,\"cancelled\":0,\"percentage\":66.6,\"createdAt\":\"2025-01-01T00:00:00Z\","
              "\"startedAt\":\"2025-01-01T00:00:01Z\",\"finishedAt\":null,\"etaSeconds\":2}");
}

static const StoredOrganization acme = {
    .id = 7,
    .content = {STR("Acme \"&\" Co"), STR("acme.com"), STR("contact@acme.com"), STR("{\"tier\":1.50}")},
    .status = JOB_COMPLETED,
    .batch_id = STR("b"),
    .version = 3,
    .created_us = DAY_US,
    .updated_us = DAY_US + SECOND_US,
};

static void test_organization(void **state)
{
    StoredOrganization other = acme;
    Buf buf;
    (void)state;
    buf_init(&buf, 4096);
    stored_organization_put_json(&buf, &acme);
    check_out(&buf,
              "{\"id\":7,\"name\":\"Acme \\\"&\\\" Co\",\"domain\":\"acme.com\",\"contact_email\":\"contact@acme.com\","
              "\"metadata\":{\"tier\":1.50},\"status\":\"completed\",\"batchId\":\"b\",\"version\":3,"
              "\"createdAt\":\"2025-01-01T00:00:00Z\",\"updatedAt\":\"2025-01-01T00:00:01Z\",\"deletedAt\":null}");
    other.content.metadata = STR("");
    other.deleted_us = DAY_US;
    buf_init(&buf, 4096);
    stored_organization_put_json(&buf, &other);
    buf_put_char(&buf, '\0');
    assert_non_null(strstr(buf.ptr, "\"metadata\":null,"));
    assert_non_null(strstr(buf.ptr, "\"deletedAt\":\"2025-01-01T00:00:00Z\"}"));
    buf_release(&buf);
}

static void test_job(void **state)
{
    StoredJob job = {.id = 9, .item = 4, .state = JOB_PENDING, .attempts = 2, .due_us = DAY_US, .error = STR("503")};
    Buf buf;
    (void)state;
    buf_init(&buf, 4096);
    job_put_json(&buf, &job, &acme);
    check_out(&buf,
              "{\"index\":4,\"id\":9,\"status\":\"pending\",\"attempts\":2,\"lastError\":\"503\","
              "\"nextAttemptAt\":\"2025-01-01T00:00:00Z\",\"createdAt\":null,\"updatedAt\":null,\"finishedAt\":null,"
              "\"organization\":{\"id\":7,\"name\":\"Acme \\\"&\\\" Co\",\"domain\":\"acme.com\","
              "\"contact_email\":\"contact@acme.com\"}}");
    job.state = JOB_COMPLETED;
    buf_init(&buf, 4096);
    job_put_json(&buf, &job, NULL);
    buf_put_char(&buf, '\0');
    assert_non_null(strstr(buf.ptr, "\"nextAttemptAt\":null"));
    assert_non_null(strstr(buf.ptr, "\"organization\":null}"));
    buf_release(&buf);
}

static void test_change(void **state)
{
    OrganizationChange change = {.id = 1,
                                 .action = ORGANIZATION_UPDATED,
                                 .version = 2,
                                 .at_us = DAY_US,
                                 .who = STR("cli"),
                                 .changed = STR("{\"name\":[\"a\",\"b\"]}")};
    Buf buf;
    (void)state;
    buf_init(&buf, 4096);
    organization_change_put_json(&buf, &change);
    check_out(&buf, "{\"id\":1,\"action\":\"updated\",\"version\":2,\"time\":\"2025-01-01T00:00:00Z\",\"who\":\"cli\","
                    "\"changed\":{\"name\":[\"a\",\"b\"]},\"batchId\":null}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),     cmocka_unit_test(test_time_left), cmocka_unit_test(test_batch),
        cmocka_unit_test(test_organization), cmocka_unit_test(test_job),       cmocka_unit_test(test_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

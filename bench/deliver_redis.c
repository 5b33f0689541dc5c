/* How fast messages go into Redis, without a store behind them. Prints the rate of each round.
 *
 *   deliver_redis URL MESSAGES [GROUP [list]]
 *
 * Bodies are as long as usual notifications (some 480 bytes). What the streams hold from before is deleted first. */
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "broker/redis_conn.h"
#include "deliver/sink.h"

enum { GROUP_MAX = 10000, ROUNDS = 3 };

typedef struct Texts {
    char id[MESSAGE_ID_BYTES_MAX], key[16], body[600];
} Texts;

static const StoreInfo info = {.id = {0xbe}, .epoch = 1};
static Message messages[GROUP_MAX];
static Texts texts[GROUP_MAX];

static void make(int64_t seq, Message *message, Texts *text)
{
    int destination = (int)(seq % 1000);
    int key_len = snprintf(text->key, sizeof text->key, "dest-%d", destination);
    int body_len = snprintf(
        text->body, sizeof text->body,
        "{\"record\":{\"id\":%" PRId64 ",\"record_id\":\"0f8c1b62-5d0e-4a55-9f57-%012" PRIx64
        "\",\"time\":\"2025-01-01T10:00:00Z\",\"source_id\":\"source-17\",\"destination_id\":\"dest-%d\","
        "\"type\":\"positive\",\"value\":\"100.50\",\"unit\":\"EUR\",\"reference\":\"ref-%" PRId64
        "\"},\"summary\":{\"destination_id\":\"dest-%d\",\"reference\":\"ref-%" PRId64
        "\",\"unit\":\"EUR\",\"count\":5,\"total_value\":\"500.00\",\"net_value\":\"200.00\","
        "\"positive_count\":3,\"negative_count\":2,\"positive_total\":\"350.00\",\"negative_total\":\"-150.00\"}}",
        seq, (uint64_t)seq * 7919, destination, seq % 77777, destination, seq % 77777);
    *message = (Message){.seq = seq,
                         .kind = MESSAGE_NOTIFICATION,
                         .key = {text->key, (size_t)key_len},
                         .body = {text->body, (size_t)body_len},
                         .created_us = INT64_C(1735725600250000) + seq / 4096 * 10000};
    message->id = (Str){text->id, message_id_format(&info, seq, text->id)};
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void fail(const Error *error)
{
    fprintf(stderr, "%s\n", error->message);
    exit(1);
}

static void empty(const char *url)
{
    RedisUrl parts;
    const RedisTlsFiles files = {"", "", ""};
    RedisConn *conn = NULL;
    redisReply *reply = NULL;
    Error error = {0};
    const char *argv[] = {"DEL", "bench:weir", "bench:notifications"};
    const size_t lens[] = {3, 10, 19};
    if (redis_url_parse(url, &parts, &error) != STATUS_OK ||
        redis_conn_open(&parts, &files, 10000000, &clock_system, &conn, &error) != STATUS_OK ||
        redis_conn_put(conn, 3, argv, lens, &error) != STATUS_OK ||
        redis_conn_call(conn, &reply, 1, &error) != STATUS_OK) {
        fail(&error);
    }
    freeReplyObject(reply);
    redis_conn_close(conn);
}

/* Returns how many were taken. */
static int64_t take_results(Sink *sink)
{
    SinkResult results[256];
    int64_t taken = 0;
    size_t count;
    while ((count = sink->ops->results(sink, results, 256)) > 0) {
        for (size_t i = 0; i < count; i++) {
            if (results[i].verdict != SINK_TAKEN) {
                fprintf(stderr, "message %" PRId64 ": %.*s\n", results[i].seq, STR_ARGS(results[i].error));
                exit(1);
            }
        }
        taken += (int64_t)count;
    }
    return taken;
}

static void send_all(Sink *sink, int64_t first, int64_t last)
{
    Error error = {0};
    for (int64_t taken = first - 1, next = first; taken < last;) {
        int64_t room = (int64_t)sink->ops->room(sink), left = last - next + 1;
        int64_t count = room < left ? room : left;
        if (count == 0) {
            sink->ops->wait(sink, 1000000);
        } else {
            for (int64_t i = 0; i < count; i++) {
                make(next + i, &messages[i], &texts[i]);
            }
            SinkPlace place = {next + count - 1, next + count - 1};
            if (sink->ops->send(sink, messages, (size_t)count, &place, &error) != STATUS_OK) {
                fail(&error);
            }
            next += count;
        }
        taken += take_results(sink);
    }
}

int main(int argc, char **argv)
{
    uint64_t total = 0, group = 1000;
    Error error = {0};
    Sink *sink = NULL;
    SinkPlace place = {0};
    if (argc < 3 || !str_to_u64(str_from(argv[2]), INT64_MAX / ROUNDS, &total) || total == 0 ||
        (argc > 3 && (!str_to_u64(str_from(argv[3]), GROUP_MAX, &group) || group == 0))) {
        fprintf(stderr, "usage: deliver_redis URL MESSAGES [GROUP [list]]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    empty(argv[1]);
    SinkOptions options = {.name = "bench",
                           .type = SINK_REDIS,
                           .subscription = {.kinds = 1, .type = -1},
                           .in_flight_max = (size_t)group,
                           .timeout_us = 30000000,
                           .url = argv[1],
                           .ca_file = "",
                           .prefix = "bench:",
                           .list = argc > 4 && strcmp(argv[4], "list") == 0};
    SinkContext context = {.options = &options, .info = &info, .clock = &clock_system, .random = &random_system};
    if (sink_open(&context, &sink, &error) != STATUS_OK ||
        sink->ops->connect(sink, place, &place, &error) != STATUS_OK) {
        fail(&error);
    }
    for (int64_t round = 0; round < ROUNDS; round++) {
        double cpu = cpu_seconds();
        int64_t begun_us = clock_monotonic_us(&clock_system);
        send_all(sink, round * (int64_t)total + 1, (round + 1) * (int64_t)total);
        double seconds = (double)(clock_monotonic_us(&clock_system) - begun_us) / 1e6;
        printf("%.0f messages/s, %.2f us of our processor's time a message\n", (double)total / seconds,
               (cpu_seconds() - cpu) * 1e6 / (double)total);
    }
    sink_close(sink);
    empty(argv[1]);
    return 0;
}

/* The Kafka sink alone, to be killed while it sends, and what a consumer then has. See
 * tests/e2e/kafka_sink_faults.test.mjs.
 *
 *   kafka_sender send BROKERS PREFIX COUNT GROUP STATE   messages 1 … COUNT in groups, or until SIGTERM;
 *                                                        goes on where STATE and the brokers say
 *   kafka_sender read BROKERS PREFIX COUNT               fails unless a consumer has each one once, in order for each
 *                                                        key
 *   kafka_sender dump BROKERS TOPIC                      a line for each: key, id, type, replay, body, with tabs in
 *                                                        between
 *
 * STATE is our own copy of the place, which is written after each group like a store's: a kill leaves it behind the
 * brokers'. */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "deliver/sink.h"
#include "support/kafka_reader.h"

enum { KEYS = 64, GROUP_MAX = 4096, BODY_BYTES = 512, KEY_BYTES = 16, READ_SECONDS = 60 };

typedef struct Sender {
    SinkOptions options;
    SinkContext context;
    StoreInfo info;
    Sink *sink;
    int64_t last;
    size_t group;
    int state_fd;
    SinkPlace place;
} Sender;

typedef struct Texts {
    char id[MESSAGE_ID_BYTES_MAX], key[KEY_BYTES], body[BODY_BYTES];
} Texts;

static Texts texts[GROUP_MAX];
static volatile sig_atomic_t stopping;

static void stop(int signal)
{
    (void)signal;
    stopping = 1;
}

static int64_t number(const char *text)
{
    uint64_t value;
    if (!str_to_u64(str_from(text), INT64_MAX, &value)) {
        fprintf(stderr, "%s is not a number\n", text);
        exit(2);
    }
    return (int64_t)value;
}

/* ---- Sending ----------------------------------------------------------------------------------------------------- */

static Message make_message(const StoreInfo *info, int64_t seq, Texts *into)
{
    size_t id_len = message_id_format(info, seq, into->id);
    int key_len = snprintf(into->key, sizeof into->key, "dest-%lld", (long long)seq % KEYS);
    int body_len =
        snprintf(into->body, sizeof into->body, "{\"record\":{\"id\":%lld},\"filler\":\"%0300d\"}", (long long)seq, 0);
    return (Message){.seq = seq,
                     .kind = MESSAGE_NOTIFICATION,
                     .id = {into->id, id_len},
                     .key = {into->key, (size_t)key_len},
                     .body = {into->body, (size_t)body_len},
                     .created_us = clock_wall_us(&clock_system)};
}

static void load_state(Sender *sender, const char *path)
{
    char text[32] = "";
    sender->state_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (sender->state_fd < 0) {
        perror(path);
        exit(1);
    }
    ssize_t len = pread(sender->state_fd, text, sizeof text - 1, 0);
    int64_t cursor = len > 0 ? number(text) : 0;
    sender->place = (SinkPlace){.cursor = cursor, .sent_seq = cursor};
}

static void save_state(const Sender *sender)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%020lld", (long long)sender->place.cursor);
    if (pwrite(sender->state_fd, text, (size_t)len, 0) != len) {
        perror("state");
        exit(1);
    }
}

static void connect_sink(Sender *sender)
{
    Error error = {0};
    SinkPlace theirs;
    Status status;
    while ((status = sender->sink->ops->connect(sender->sink, sender->place, &theirs, &error)) != STATUS_OK) {
        printf("connect: %s: %s\n", status_name(status), error.message);
        if (status == STATUS_REFUSED) {
            exit(1);
        }
        sender->sink->ops->wait(sender->sink, 100000);
    }
    if (theirs.cursor != sender->place.cursor) {
        printf("theirs is %lld, ours was %lld\n", (long long)theirs.cursor, (long long)sender->place.cursor);
    }
    sender->place = theirs;
}

/* Every message of the group was taken. */
static void check_results(Sender *sender, size_t count)
{
    SinkResult results[256];
    size_t taken = 0, got;
    while ((got = sender->sink->ops->results(sender->sink, results, 256)) > 0) {
        for (size_t i = 0; i < got; i++) {
            taken += results[i].verdict == SINK_TAKEN;
        }
    }
    if (taken != count) {
        printf("%zu of %zu taken\n", taken, count);
        exit(1);
    }
}

static void send_group(Sender *sender)
{
    Message messages[GROUP_MAX];
    size_t count = 0;
    Error error = {0};
    while (count < sender->group && sender->place.cursor + (int64_t)count < sender->last) {
        messages[count] = make_message(&sender->info, sender->place.cursor + (int64_t)count + 1, &texts[count]);
        count++;
    }
    SinkPlace place = {.cursor = messages[count - 1].seq, .sent_seq = messages[count - 1].seq};
    Status status = sender->sink->ops->send(sender->sink, messages, count, &place, &error);
    if (status != STATUS_OK) {
        printf("send: %s: %s\n", status_name(status), error.message);
        connect_sink(sender);
        return;
    }
    check_results(sender, count);
    sender->place = place;
    save_state(sender);
    printf("at %lld\n", (long long)place.cursor);
}

static int send_all(char **args)
{
    static Sender sender;
    Error error = {0};
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGTERM, stop);
    sender = (Sender){.last = number(args[2]), .group = (size_t)number(args[3]), .info = {.id = {7}, .epoch = 1}};
    sender.group = sender.group < GROUP_MAX ? sender.group : GROUP_MAX;
    sender.options = (SinkOptions){.name = "sender",
                                   .type = SINK_KAFKA,
                                   .subscription = {.kinds = 1U << MESSAGE_NOTIFICATION, .type = -1},
                                   .in_flight_max = sender.group,
                                   .brokers = args[0],
                                   .properties = "",
                                   .prefix = args[1]};
    sender.context = (SinkContext){
        .options = &sender.options, .info = &sender.info, .clock = &clock_system, .random = &random_system};
    load_state(&sender, args[4]);
    if (sink_kafka_open(&sender.context, &sender.sink, &error) != STATUS_OK) {
        printf("%s\n", error.message);
        return 1;
    }
    connect_sink(&sender);
    int64_t begun_us = clock_monotonic_us(&clock_system), first = sender.place.cursor;
    while (sender.place.cursor < sender.last && !stopping) {
        send_group(&sender);
    }
    double seconds = (double)(clock_monotonic_us(&clock_system) - begun_us) / 1e6;
    int64_t sent = sender.place.cursor - first;
    printf("ended at %lld: sent %lld in %.3f s, %.0f messages/s\n", (long long)sender.place.cursor, (long long)sent,
           seconds, (double)sent / seconds);
    sink_close(sender.sink);
    close(sender.state_fd);
    return 0;
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

typedef struct Reading {
    int64_t last;
    uint8_t *times; /* by seq */
    int64_t latest[KEYS];
    int64_t messages, twice, disorder, strange;
} Reading;

static int64_t seq_of(const rd_kafka_message_t *message)
{
    Str id = kafka_header(message, "ce_id");
    size_t at = id.len;
    uint64_t seq;
    while (at > 0 && id.ptr[at - 1] != '-') {
        at--;
    }
    return str_to_u64((Str){id.ptr + at, id.len - at}, INT64_MAX, &seq) ? (int64_t)seq : 0;
}

static void note(void *context, const rd_kafka_message_t *message)
{
    Reading *reading = context;
    int64_t seq = seq_of(message);
    char key[KEY_BYTES];
    int key_len = snprintf(key, sizeof key, "dest-%lld", (long long)seq % KEYS);
    reading->messages++;
    if (seq < 1 || seq > reading->last ||
        !str_equal((Str){message->key, message->key_len}, (Str){key, (size_t)key_len})) {
        reading->strange++;
        return;
    }
    reading->twice += reading->times[seq]++ > 0;
    reading->disorder += seq < reading->latest[seq % KEYS];
    reading->latest[seq % KEYS] = seq;
}

static int read_all(char **args)
{
    char topic[256];
    static Reading reading;
    reading.last = number(args[2]);
    reading.times = calloc((size_t)reading.last + 1, 1);
    snprintf(topic, sizeof topic, "%snotifications", args[1]);
    KafkaReader *reader = kafka_reader_open(args[0], topic);
    bool whole = kafka_reader_read(reader, READ_SECONDS, note, &reading);
    int64_t missing = 0;
    for (int64_t seq = 1; seq <= reading.last; seq++) {
        missing += reading.times[seq] == 0;
    }
    printf("read %lld: %lld missing, %lld twice, %lld out of order, %lld strange%s\n", (long long)reading.messages,
           (long long)missing, (long long)reading.twice, (long long)reading.disorder, (long long)reading.strange,
           whole ? "" : ", and the brokers did not answer in time");
    kafka_reader_close(reader);
    free(reading.times);
    return !whole || missing || reading.twice || reading.disorder || reading.strange;
}

static void print_message(void *context, const rd_kafka_message_t *message)
{
    (void)context;
    Str key = {message->key, message->key_len}, body = {message->payload, message->len};
    Str id = kafka_header(message, "ce_id"), type = kafka_header(message, "ce_type"),
        replay = kafka_header(message, "replay-id");
    printf("%.*s\t%.*s\t%.*s\t%.*s\t%.*s\n", STR_ARGS(key), STR_ARGS(id), STR_ARGS(type), STR_ARGS(replay),
           STR_ARGS(body));
}

static int dump(char **args)
{
    KafkaReader *reader = kafka_reader_open(args[0], args[1]);
    bool whole = kafka_reader_read(reader, READ_SECONDS, print_message, NULL);
    kafka_reader_close(reader);
    return !whole;
}

int main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "send") == 0) {
        return send_all(argv + 2);
    }
    if (argc == 5 && strcmp(argv[1], "read") == 0) {
        return read_all(argv + 2);
    }
    if (argc == 4 && strcmp(argv[1], "dump") == 0) {
        return dump(argv + 2);
    }
    fprintf(
        stderr,
        "usage: kafka_sender send BROKERS PREFIX COUNT GROUP STATE | read BROKERS PREFIX COUNT | dump BROKERS TOPIC\n");
    return 2;
}

/* The table itself. The order is the one of SinksOption, of `weir config print` and of docs/configuration.md. */
#include "config/sinks_table.h"

#include "config/table_macros.h"

#define DAY     (24 * HOUR)
#define WEBHOOK 1u
#define KAFKA   2u
#define REDIS   4u
#define ALL     0u

/* clang-format off */
static const Option table[SINKS_OPTION_COUNT] = {
    /* name, type, default, least, most, choices, help, marks, kinds */
    [SINKS_TYPE] = {"type", OPTION_CHOICE, "", NO_LIMITS, CHOICES("webhook", "kafka", "redis"),
        "Where the messages go: to an HTTP endpoint, to Apache Kafka, or to Redis.", 0, ALL},
    [SINKS_ENABLED] = {"enabled", OPTION_BOOL, "true", NO_LIMITS, NO_CHOICES,
        "`false`: nothing is sent. The sink's place is kept, so that it goes on from there when it is enabled again.", 0, ALL},
    [SINKS_START] = {"start", OPTION_INTEGER, "beginning", NO_LIMITS, CHOICES("beginning", "now"),
        "Where a new sink starts: with the first message of the store, with what comes in from now on, or behind the message with this "
        "sequence. It counts once, when the sink is seen for the first time.", 0, ALL},
    [SINKS_MESSAGES] = {"messages", OPTION_CHOICE, "notification, alert", NO_LIMITS,
        CHOICES("notification", "alert", "dead_letter.created", "organization.created", "organization.updated",
            "organization.processed", "organization.failed", "batch.completed", "batch.failed"),
        "Which kinds of messages are sent.", OPTION_LIST, ALL},
    [SINKS_FILTER_SOURCE_ID] = {"filter.source_id", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "Only messages about records of this source. Messages that are about no record pass every filter.", 0, ALL},
    [SINKS_FILTER_DESTINATION_ID] = {"filter.destination_id", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "Only messages about records for this destination.", 0, ALL},
    [SINKS_FILTER_UNIT] = {"filter.unit", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "Only messages about records in this unit.", 0, ALL},
    [SINKS_FILTER_TYPE] = {"filter.type", OPTION_CHOICE, "", NO_LIMITS, CHOICES("positive", "negative"),
        "Only messages about records of this type.", 0, ALL},
    [SINKS_FILTER_VALUE_MIN] = {"filter.value_min", OPTION_DECIMAL, "0", 0, INT64_C(999999999999999), NO_CHOICES,
        "Only messages about records whose value is at least this.", 0, ALL},

    [SINKS_URL] = {"url", OPTION_URL, "", NO_LIMITS, NO_CHOICES,
        "A webhook's endpoint, `https://…`; or the server, `redis://[user:password@]host:port[/database]`, `rediss://` for TLS, or "
        "`unix:///path`.",
        0, WEBHOOK | REDIS},
    [SINKS_SECRET] = {"secret", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "What requests are signed with: `whsec_` and Base64, as Standard Webhooks has it. Two while one replaces the other.",
        OPTION_LIST | OPTION_SECRET, WEBHOOK},
    [SINKS_SECRET_FILE] = {"secret_file", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "A file that holds the secret, or two on lines of their own, instead of `secret`. It is read when the service starts.", 0,
        WEBHOOK},
    [SINKS_ORDERED] = {"ordered", OPTION_BOOL, "false", NO_LIMITS, NO_CHOICES,
        "Sends a flow's messages one after another: a message that fails holds back the later ones of its flow.", 0, WEBHOOK},
    [SINKS_SCHEDULE] = {"schedule", OPTION_DURATION, "0, 5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 24h", 0, 30 * DAY, NO_CHOICES,
        "The attempts for a message, each so long after the one before. When the last has failed, the message is a dead letter.",
        OPTION_LIST, WEBHOOK},
    [SINKS_ALLOW_PRIVATE] = {"allow_private", OPTION_CIDR, "", NO_LIMITS, NO_CHOICES,
        "Private, loopback and link-local addresses that may be called. Without it none is, whatever name leads there.",
        OPTION_LIST, WEBHOOK},
    [SINKS_CA_FILE] = {"ca_file", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "Certificates (PEM) to trust instead of the system's.", 0, WEBHOOK | REDIS},
    [SINKS_CERT_FILE] = {"cert_file", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "Our own certificate (PEM), with those that vouch for it, for a Redis that asks for one, as it does unless told otherwise.", 0, REDIS},
    [SINKS_KEY_FILE] = {"key_file", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "The key of that certificate (PEM, without a password).", 0, REDIS},

    [SINKS_BROKERS] = {"brokers", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "The brokers to begin with, `host:port`.", OPTION_LIST, KAFKA},
    [SINKS_PROPERTIES] = {"properties", OPTION_PROPERTY, "", NO_LIMITS, NO_CHOICES,
        "Settings of librdkafka, such as `security.protocol=SASL_SSL`. Write a value that contains a comma as an item of a YAML list.",
        OPTION_LIST, KAFKA},
    [SINKS_PREFIX] = {"prefix", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "Stands in front of the names of topics and streams: `notifications`, `alerts`, `dead_letters`, `organizations`, `batches`.", 0, KAFKA | REDIS},
    [SINKS_AS] = {"as", OPTION_CHOICE, "stream", NO_LIMITS, CHOICES("stream", "list"),
        "Streams take each message exactly once; lists (`RPUSH`) at least once.", 0, REDIS},
    [SINKS_TRIM] = {"trim", OPTION_INTEGER, "0", 0, INT64_C(1000000000000), NO_CHOICES,
        "Streams keep about so many messages, the newest. 0: all.", 0, REDIS},

    [SINKS_IN_FLIGHT_MAX] = {"in_flight_max", OPTION_INTEGER, "0", 0, 10000, NO_CHOICES,
        "Requests at once, or messages in one transaction. 0: 64 requests, 4000 messages to Kafka, 1000 to Redis.", 0, ALL},
    [SINKS_TIMEOUT] = {"timeout", OPTION_DURATION, "15s", 10 * MILLISECOND, 60 * SECOND, NO_CHOICES,
        "An attempt that takes longer has failed.", 0, ALL},
    [SINKS_BREAKER_FAILURES_PERCENT] = {"breaker.failures_percent", OPTION_INTEGER, "70", 0, 100, NO_CHOICES,
        "When so many of the attempts in the window have failed, nothing is sent for a while. 0: never.", 0, ALL},
    [SINKS_BREAKER_REQUESTS_MIN] = {"breaker.requests_min", OPTION_INTEGER, "10", 1, 1000000, NO_CHOICES,
        "Fewer attempts in the window decide nothing.", 0, ALL},
    [SINKS_BREAKER_WINDOW] = {"breaker.window", OPTION_DURATION, "30s", 100 * MILLISECOND, HOUR, NO_CHOICES,
        "The last attempts that are looked at.", 0, ALL},
    [SINKS_BREAKER_PAUSE] = {"breaker.pause", OPTION_DURATION, "30s", 10 * MILLISECOND, HOUR, NO_CHOICES,
        "After so long a single message is tried; when it is taken, the others follow.", 0, ALL},
};
/* clang-format on */

const OptionGroup sinks_group = {
    .prefix = "sinks",
    .table = {table, SINKS_OPTION_COUNT},
    .members_max = 64,
    .has_kinds = true,
    .help = "A sink is a place that messages are sent to. There can be 64 of them, each with a name of its own, which "
            "stays "
            "with it: the sink's place in the log is kept under it. A sink that is left out of the configuration sends "
            "nothing, and goes on where it was when it is there again.",
    .example = "sinks:\n"
               "  ops:\n"
               "    type: webhook\n"
               "    url: https://example.com/hook\n"
               "    secret_file: /etc/weir/ops.secret\n"
               "    messages: [alert, dead_letter.created]\n"
               "    filter: {destination_id: dest-1, value_min: 100.00}\n"
               "  ledger:\n"
               "    type: kafka\n"
               "    brokers: [kafka-1:9092, kafka-2:9092]\n"
               "    properties: [security.protocol=SASL_SSL, sasl.mechanism=SCRAM-SHA-512, sasl.username=weir]\n"
               "  cache:\n"
               "    type: redis\n"
               "    url: redis://127.0.0.1:6379\n"
               "    trim: 1000000\n",
};

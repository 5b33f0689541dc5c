/* The table itself. The order is the one of SourcesOption, of `weir config print` and of docs/configuration.md. */
#include "config/sources_table.h"

#include "config/table_macros.h"

#define KAFKA 1u
#define REDIS 2u
#define FILES 4u
#define ALL   0u

/* clang-format off */
static const Option table[SOURCES_OPTION_COUNT] = {
    /* name, type, default, least, most, choices, help, marks, kinds */
    [SOURCES_TYPE] = {"type", OPTION_CHOICE, "", NO_LIMITS, CHOICES("kafka", "redis", "files"),
        "Where records come from: topics of Apache Kafka, streams or lists of Redis, files that are dropped into a directory.", 0, ALL},
    [SOURCES_ENABLED] = {"enabled", OPTION_BOOL, "true", NO_LIMITS, NO_CHOICES,
        "`false`: nothing is read. The source's place is kept, so that it goes on from there when it is enabled again.", 0, ALL},

    [SOURCES_BROKERS] = {"brokers", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "The brokers to begin with, `host:port`.", OPTION_LIST, KAFKA},
    [SOURCES_PROPERTIES] = {"properties", OPTION_PROPERTY, "", NO_LIMITS, NO_CHOICES,
        "Settings of librdkafka, such as `security.protocol=SASL_SSL`. Write a value that contains a comma as an item of a YAML list.",
        OPTION_LIST, KAFKA},
    [SOURCES_TOPICS] = {"topics", OPTION_TEXT, "records.in", NO_LIMITS, NO_CHOICES,
        "The topics that are read, each message a record as JSON, or a CloudEvent.", OPTION_LIST, KAFKA},
    [SOURCES_URL] = {"url", OPTION_URL, "", NO_LIMITS, NO_CHOICES,
        "The server, `redis://[user:password@]host:port[/database]`, `rediss://` for TLS, or `unix:///path`.", 0, REDIS},
    [SOURCES_CA_FILE] = {"ca_file", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "Certificates (PEM) to trust instead of the system's.", 0, REDIS},
    [SOURCES_CERT_FILE] = {"cert_file", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "Our own certificate (PEM), with those that vouch for it, for a Redis that asks for one, as it does unless told otherwise.", 0, REDIS},
    [SOURCES_KEY_FILE] = {"key_file", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "The key of that certificate (PEM, without a password).", 0, REDIS},
    [SOURCES_STREAMS] = {"streams", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "The keys of the streams that are read. An entry has the record as JSON in its field `record` (or `data`, or its only field), or the "
        "record's fields as its own.", OPTION_LIST, REDIS},
    [SOURCES_LISTS] = {"lists", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "The keys of the lists that are read, instead of streams: pushed on the left (`LPUSH`), taken from the right. Each element is a record "
        "as JSON.", OPTION_LIST, REDIS},
    [SOURCES_GROUP] = {"group", OPTION_TEXT, "weir", NO_LIMITS, NO_CHOICES,
        "The consumer group.", 0, KAFKA | REDIS},
    [SOURCES_CONSUMER] = {"consumer", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "This instance's name in the group, if it is not to be made of the store's id. Two that run at once must have two names.", 0, REDIS},
    [SOURCES_START] = {"start", OPTION_CHOICE, "beginning", NO_LIMITS, CHOICES("beginning", "now"),
        "Where a group starts that has read nothing yet.", 0, KAFKA | REDIS},
    [SOURCES_CLAIM_AFTER] = {"claim_after", OPTION_DURATION, "60s", 0, 24 * HOUR, NO_CHOICES,
        "What another consumer of the group has taken and not acknowledged for so long is taken over from it. 0: never.", 0, REDIS},
    [SOURCES_DIR] = {"dir", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "The directory that is watched. A file is taken when it was moved there, or when whoever wrote it has closed it.", 0, FILES},
    [SOURCES_PATTERN] = {"pattern", OPTION_TEXT, "*.ndjson, *.jsonl, *.json, *.csv, *.gz, *.zst", NO_LIMITS, NO_CHOICES,
        "Which names are taken, as a shell has them. Names that begin with a dot never are.", OPTION_LIST, FILES},
    [SOURCES_WHEN_DONE] = {"when_done", OPTION_CHOICE, "move", NO_LIMITS, CHOICES("move", "remove"),
        "A file that was taken in is moved to `done/` beside it, or removed. One with lines that were not is moved to `failed/` in any case, "
        "with a report.", 0, FILES},

    [SOURCES_GROUP_MESSAGES_MAX] = {"group_messages_max", OPTION_INTEGER, "4096", 1, 16384, NO_CHOICES,
        "Messages that are stored in one transaction.", 0, ALL},
    [SOURCES_MESSAGE_BYTES_MAX] = {"message_bytes_max", OPTION_BYTES, "1MiB", KIB, 64 * MIB, NO_CHOICES,
        "The longest message that is read as a record; a longer one becomes a dead letter.", 0, ALL},
    [SOURCES_TIMEOUT] = {"timeout", OPTION_DURATION, "10s", 100 * MILLISECOND, 60 * SECOND, NO_CHOICES,
        "How long the other side may take to answer.", 0, KAFKA | REDIS},
    [SOURCES_MAPPING] = {"mapping", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "Its messages are no records but events: JSON of any shape, of which this mapping makes records. `auto`: the one that names the client, else the built-in one, which knows the usual names.", 0, ALL},
};
/* clang-format on */

const OptionGroup sources_group = {
    .prefix = "sources",
    .table = {table, SOURCES_OPTION_COUNT},
    .members_max = 64,
    .has_kinds = true,
    .help = "A source is a place that records are read from, beside HTTP. There can be 64 of them, each with a name of "
            "its own, which stays with it: the source's place is kept under it. A source that is left out of the "
            "configuration reads nothing, and goes on where it was when it is there again.",
    .example = "sources:\n"
               "  orders:\n"
               "    type: kafka\n"
               "    brokers: [kafka-1:9092, kafka-2:9092]\n"
               "    topics: records.in\n"
               "  devices:\n"
               "    type: redis\n"
               "    url: redis://127.0.0.1:6379\n"
               "    streams: [readings]\n"
               "  partner:\n"
               "    type: files\n"
               "    dir: /srv/drop\n",
};

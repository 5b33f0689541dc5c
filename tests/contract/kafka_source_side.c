#include "kafka_source_side.h"

#include <librdkafka/rdkafka_mock.h>

static void *side_start(void) { return kafka_topic_start(); }
static void side_stop(void *side) { kafka_topic_stop(side); }

static Source *side_open(void *self, SideLimits limits)
{
    KafkaTopic *topic = self;
    topic->options.group_messages_max = limits.group_messages_max;
    topic->options.message_bytes_max = limits.message_bytes_max;
    return kafka_topic_open(topic);
}

static void side_put(void *self, size_t part, const Str *raws, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        kafka_topic_put(self, (int32_t)part, (Str){0}, raws[i], NULL, 0);
    }
}

static bool side_put_unfit(void *self)
{
    kafka_topic_put(self, 0, STR("key"), (Str){0}, NULL, 0);
    return true;
}

static int64_t side_left(void *self) { return kafka_topic_left(self); }

static bool side_unreachable(void *self, bool unreachable)
{
    KafkaTopic *topic = self;
    if (!topic->mock) {
        return false; /* tests/e2e/kafka_source.test.mjs stops real ones */
    }
    if (unreachable) {
        rd_kafka_mock_broker_set_down(topic->mock, TOPIC_BROKER);
    } else {
        rd_kafka_mock_broker_set_up(topic->mock, TOPIC_BROKER);
    }
    return true;
}

const SourceSide *kafka_source_side(void)
{
    static SourceSide side;
    bool real = kafka_topic_is_real();
    side = (SourceSide){.name = real ? "source-kafka-real" : "source-kafka-mock",
                        .places = true,
                        .remembers = false,
                        .any_bytes = true,
                        .parts = TOPIC_PARTITIONS,
                        .message_bytes_max = real ? 16 << 20 : 512 << 10, /* a mock's partition keeps 5 MB */
                        .clock = &clock_system,
                        .start = side_start,
                        .stop = side_stop,
                        .open = side_open,
                        .put = side_put,
                        .put_unfit = side_put_unfit,
                        .left = side_left,
                        .unreachable = side_unreachable};
    return &side;
}

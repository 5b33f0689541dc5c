/* A line's place as the brokers keep it: the committed offset (the next seq) of one partition for a consumer group that
 * nobody consumes with. It is committed in the transaction of the messages, so that the brokers have both or neither.
 *
 * The offset's metadata says more: "weir epoch=1 sent=41 writer=0123456789abcdef". Writers are told apart so that two
 * of them on one sink are noticed. */
#ifndef WEIR_DELIVER_KAFKA_PLACE_H
#define WEIR_DELIVER_KAFKA_PLACE_H

#include <librdkafka/rdkafka.h>

#include "base/clock.h"
#include "base/err.h"
#include "store/delivery.h"

enum { KAFKA_WRITER_BYTES = 17, KAFKA_PLACE_TEXT_BYTES = 128 };

typedef struct KafkaPlace {
    SinkPlace place;
    int64_t epoch; /* of the store; 0 when the brokers know of no place */
    char writer[KAFKA_WRITER_BYTES];
} KafkaPlace;

void kafka_place_format(const KafkaPlace *place, char ret_text[KAFKA_PLACE_TEXT_BYTES]);
/* False when it was not written by kafka_place_format, or the offset is none. */
bool kafka_place_parse(int64_t offset, Str metadata, KafkaPlace *ret_place);

/* Adds the place to the transaction that is under way. NULL, or an error of the caller's. */
rd_kafka_error_t *kafka_place_put(rd_kafka_t *producer, const char *group, const char *topic, const KafkaPlace *place,
                                  int ms_max);

typedef struct KafkaPlaceQuestion {
    const char *group;
    const char *const *topics;
    size_t topic_count;
    const Clock *clock;
    int64_t deadline_us; /* monotonic */
    bool settled; /* wait until no transaction is pending on it; otherwise what was committed last is good enough */
} KafkaPlaceQuestion;

/* The furthest place of the newest epoch that the group has on partition 0 of the topics. `settings` are those of the
 * producer. BUSY when that could not be learnt until the deadline. */
Status kafka_place_get(const rd_kafka_conf_t *settings, const KafkaPlaceQuestion *question, KafkaPlace *ret_place,
                       Error *reterr) MUST_CHECK;

#endif

/* What brokers are asked about partitions: what the group has committed, and where each begins and ends.
 *
 * A list is asked for at once, and librdkafka fails it as a whole when one of the leaders does not answer. Then each
 * leader is asked about its own partitions, so that one that is silent costs one time-out, and no other's partitions
 * their answer. So it is from the start with partitions that have failed before. */
#include <assert.h>
#include <poll.h>

#include "broker/kafka_client.h"
#include "broker/kafka_error.h"
#include "intake/kafka_source.h"

enum { AGAIN_MS = 100, UNKNOWN = -1 };

void kafka_given_release(KafkaGiven *given)
{
    rd_kafka_topic_partition_list_destroy(given->committed);
    rd_kafka_topic_partition_list_destroy(given->low);
    rd_kafka_topic_partition_list_destroy(given->high);
}

/* `word`: BEGINNING or END for the first or the last offset of each, which a question for times takes as well; INVALID
 * for what the group has committed. A question that has failed as a whole has failed for each that has no error of its
 * own. */
static rd_kafka_resp_err_t ask_once(KafkaSource *source, rd_kafka_topic_partition_list_t *list, int64_t word, int ms)
{
    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].offset = word;
        list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    rd_kafka_resp_err_t code = word == RD_KAFKA_OFFSET_INVALID ? rd_kafka_committed(source->consumer, list, ms)
                                                               : rd_kafka_offsets_for_times(source->consumer, list, ms);
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_resp_err_t own = list->elems[i].err;
        list->elems[i].err = own == RD_KAFKA_RESP_ERR_NO_ERROR ? code : own;
    }
    return code;
}

static int64_t after_ms(const KafkaSource *source, int ms) { return kafka_source_now_us(source) + INT64_C(1000) * ms; }

static int longer_ms(int ms, int other_ms) { return ms > other_ms ? ms : other_ms; }

/* An equal share of what is left; too little for an answer would be for nothing. */
static int share_ms(const KafkaSource *source, int64_t deadline_us, int shares)
{
    int64_t ms = (deadline_us - kafka_source_now_us(source)) / 1000 / shares;
    return ms > source->answer_ms ? (int)ms : source->answer_ms;
}

/* ---- By leader --------------------------------------------------------------------------------------------------- */

/* Most often each stands at its own number. */
static const rd_kafka_metadata_partition_t *find_partition(const struct rd_kafka_metadata_topic *topic, int32_t id)
{
    if (id < topic->partition_cnt && topic->partitions[id].id == id) {
        return &topic->partitions[id];
    }
    for (int i = 0; i < topic->partition_cnt; i++) {
        if (topic->partitions[i].id == id) {
            return &topic->partitions[i];
        }
    }
    return NULL;
}

/* Who leads it is noted in its `opaque`. One without a leader has its answer by that. */
static void note_leader(const struct rd_kafka_metadata *metadata, rd_kafka_topic_partition_t *asked)
{
    const struct rd_kafka_metadata_topic *topic = kafka_client_find_topic(metadata, asked->topic);
    const rd_kafka_metadata_partition_t *found = topic ? find_partition(topic, asked->partition) : NULL;
    asked->opaque = (void *)(intptr_t)(found ? found->leader : UNKNOWN);
    if (found && found->leader < 0) {
        asked->err = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    } else if (topic && topic->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        asked->err = topic->err;
    }
}

static bool is_led_by(const rd_kafka_topic_partition_t *asked, int32_t leader)
{
    return (intptr_t)asked->opaque == leader;
}

static void ask_leader(KafkaSource *source, int32_t leader, rd_kafka_topic_partition_list_t *list, int64_t word, int ms)
{
    rd_kafka_topic_partition_list_t *led = rd_kafka_topic_partition_list_new(list->cnt);
    for (int i = 0; i < list->cnt; i++) {
        if (is_led_by(&list->elems[i], leader)) {
            rd_kafka_topic_partition_list_add(led, list->elems[i].topic, list->elems[i].partition);
        }
    }
    if (led->cnt > 0) {
        (void)ask_once(source, led, word, ms);
    }
    for (int i = 0, answered = 0; answered < led->cnt; i++) {
        if (is_led_by(&list->elems[i], leader)) {
            assert(list->elems[i].partition == led->elems[answered].partition);
            list->elems[i].offset = led->elems[answered].offset;
            list->elems[i].err = led->elems[answered++].err;
        }
    }
    rd_kafka_topic_partition_list_destroy(led);
}

/* It may be a silent one that is asked, but hardly twice. */
static const struct rd_kafka_metadata *ask_metadata(KafkaSource *source, int64_t deadline_us)
{
    const struct rd_kafka_metadata *metadata = NULL;
    while (rd_kafka_metadata(source->consumer, 0, NULL, &metadata, source->answer_ms) != RD_KAFKA_RESP_ERR_NO_ERROR &&
           kafka_source_now_us(source) < deadline_us) {
        poll(NULL, 0, AGAIN_MS); /* it may have failed at once */
    }
    return metadata;
}

/* What there is no time to ask for has failed as before. Each time another leader is the first, so that many silent
 * ones do not keep those behind them from being asked for ever. */
static void ask_leaders(KafkaSource *source, rd_kafka_topic_partition_list_t *list, int64_t word, int ms_max)
{
    int64_t deadline_us = after_ms(source, ms_max);
    const struct rd_kafka_metadata *metadata = ask_metadata(source, deadline_us);
    int count = metadata ? metadata->broker_cnt : 0;
    unsigned first = source->first_leader++;
    for (int i = 0; i < list->cnt && metadata; i++) {
        note_leader(metadata, &list->elems[i]);
    }
    for (int i = 0; i < count && kafka_source_now_us(source) < deadline_us; i++) {
        int at = (int)((first + (unsigned)i) % (unsigned)count);
        ask_leader(source, metadata->brokers[at].id, list, word, share_ms(source, deadline_us, count - i));
    }
    if (metadata) {
        rd_kafka_metadata_destroy(metadata);
    }
}

/* ---- Lists ------------------------------------------------------------------------------------------------------- */

static bool is_answered(const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        if (kafka_error_status(list->elems[i].err) == STATUS_BUSY) {
            return false;
        }
    }
    return true;
}

/* A leader that has just moved is looked for: it is found again within a moment. */
static rd_kafka_resp_err_t ask_until(KafkaSource *source, rd_kafka_topic_partition_list_t *list, int64_t word,
                                     int ms_max)
{
    int64_t deadline_us = after_ms(source, ms_max);
    while (true) {
        rd_kafka_resp_err_t code = ask_once(source, list, word, share_ms(source, deadline_us, 1));
        if (is_answered(list) || kafka_source_now_us(source) >= deadline_us) {
            return code;
        }
        poll(NULL, 0, AGAIN_MS);
    }
}

/* Where each begins or ends. What has several leaders is asked at once for half of the time; a silent one among them
 * may then take an answer's time, and the others theirs. */
static void ask_places(KafkaSource *source, rd_kafka_topic_partition_list_t *list, int64_t word, int step_ms)
{
    if (list->cnt == 1) {
        (void)ask_until(source, list, word, step_ms);
    } else if (list->cnt > 1 && kafka_error_status(ask_until(source, list, word, step_ms / 2)) == STATUS_BUSY) {
        ask_leaders(source, list, word, longer_ms(step_ms / 2, 2 * source->answer_ms));
    }
}

/* Of those that have failed before, nobody is waited for longer than for one answer. */
static void ask_places_again(KafkaSource *source, rd_kafka_topic_partition_list_t *list, int64_t word)
{
    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].err = RD_KAFKA_RESP_ERR__TIMED_OUT;
    }
    if (list->cnt > 0) {
        ask_leaders(source, list, word, source->answer_ms);
    }
}

/* Those that were answered, to be asked for more. */
static rd_kafka_topic_partition_list_t *copy_answered(const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *copy = rd_kafka_topic_partition_list_new(list->cnt);
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_topic_partition_list_add(copy, list->elems[i].topic, list->elems[i].partition);
        }
    }
    return copy;
}

static rd_kafka_topic_partition_list_t *ask_more(KafkaSource *source, const rd_kafka_topic_partition_list_t *answered,
                                                 int64_t word, bool again)
{
    rd_kafka_topic_partition_list_t *list = copy_answered(answered);
    if (again) {
        ask_places_again(source, list, word);
    } else {
        ask_places(source, list, word, source->step_ms);
    }
    return list;
}

void kafka_source_ask(KafkaSource *source, const rd_kafka_topic_partition_list_t *list, bool again,
                      KafkaGiven *ret_given)
{
    ret_given->committed = rd_kafka_topic_partition_list_copy(list);
    (void)ask_until(source, ret_given->committed, RD_KAFKA_OFFSET_INVALID, again ? 0 : source->step_ms);
    ret_given->low = ask_more(source, ret_given->committed, RD_KAFKA_OFFSET_BEGINNING, again);
    ret_given->high = ask_more(source, ret_given->low, RD_KAFKA_OFFSET_END, again);
}

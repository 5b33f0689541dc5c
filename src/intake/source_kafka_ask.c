/* What brokers are asked about partitions: what the group has committed, and where each begins and ends.
 *
 * A list is asked for at once, and librdkafka fails it as a whole when one of the leaders does not answer. Then each
 * leader is asked about its own partitions, so that one that is silent costs one time-out, and no other's partitions
 * their answer. */
#include <poll.h>

#include "broker/kafka_error.h"
#include "intake/kafka_source.h"

enum { AGAIN_MS = 100 };

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

/* An equal share of what is left; too little for an answer would be for nothing. */
static int share_ms(const KafkaSource *source, int64_t deadline_us, int shares)
{
    int64_t ms = (deadline_us - kafka_source_now_us(source)) / 1000 / shares;
    return ms > source->answer_ms ? (int)ms : source->answer_ms;
}

/* ---- By leader --------------------------------------------------------------------------------------------------- */

/* -1 for none, or when it is not known. */
static int32_t leader_of(const struct rd_kafka_metadata *metadata, const rd_kafka_topic_partition_t *asked)
{
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];
        for (int k = 0; k < topic->partition_cnt && strcmp(topic->topic, asked->topic) == 0; k++) {
            if (topic->partitions[k].id == asked->partition) {
                return topic->partitions[k].leader;
            }
        }
    }
    return -1;
}

static void ask_leader(KafkaSource *source, const struct rd_kafka_metadata *metadata, int32_t leader,
                       rd_kafka_topic_partition_list_t *list, int64_t word, int ms)
{
    rd_kafka_topic_partition_list_t *led = rd_kafka_topic_partition_list_new(list->cnt);
    for (int i = 0; i < list->cnt; i++) {
        if (leader_of(metadata, &list->elems[i]) == leader) {
            rd_kafka_topic_partition_list_add(led, list->elems[i].topic, list->elems[i].partition);
        }
    }
    if (led->cnt > 0) {
        (void)ask_once(source, led, word, ms);
    }
    for (int i = 0; i < led->cnt; i++) {
        const rd_kafka_topic_partition_t *answer = &led->elems[i];
        rd_kafka_topic_partition_t *asked = rd_kafka_topic_partition_list_find(list, answer->topic, answer->partition);
        asked->offset = answer->offset;
        asked->err = answer->err;
    }
    rd_kafka_topic_partition_list_destroy(led);
}

/* It may be a silent one that is asked, but hardly twice. */
static const struct rd_kafka_metadata *ask_metadata(KafkaSource *source, int64_t deadline_us)
{
    const struct rd_kafka_metadata *metadata = NULL;
    while (kafka_source_now_us(source) < deadline_us &&
           rd_kafka_metadata(source->consumer, 0, NULL, &metadata, source->answer_ms) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    }
    return metadata;
}

/* What there is no time to ask for has failed as before. Each time another leader is the first, so that many silent
 * ones do not keep those behind them from being asked for ever. */
static void ask_leaders(KafkaSource *source, rd_kafka_topic_partition_list_t *list, int64_t word, int64_t deadline_us)
{
    const struct rd_kafka_metadata *metadata = ask_metadata(source, deadline_us);
    int count = metadata ? metadata->broker_cnt : 0;
    unsigned first = source->first_leader++;
    for (int i = 0; i < count && kafka_source_now_us(source) < deadline_us; i++) {
        int at = (int)((first + (unsigned)i) % (unsigned)count);
        ask_leader(source, metadata, metadata->brokers[at].id, list, word, share_ms(source, deadline_us, count - i));
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

/* A leader that has just moved is looked for: it is found again within a moment. What has several leaders is asked at
 * once for half of the time. */
static void ask_list(KafkaSource *source, rd_kafka_topic_partition_list_t *list, int64_t word, int ms_max)
{
    bool is_led = word != RD_KAFKA_OFFSET_INVALID && list->cnt > 1;
    int64_t now_us = kafka_source_now_us(source), end_us = now_us + INT64_C(1000) * ms_max;
    int64_t half_us = is_led ? now_us + INT64_C(500) * ms_max : end_us;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (list->cnt > 0) {
        code = ask_once(source, list, word, share_ms(source, half_us, 1));
    }
    while (!is_answered(list) && kafka_source_now_us(source) < half_us) {
        poll(NULL, 0, AGAIN_MS);
        code = ask_once(source, list, word, share_ms(source, half_us, 1));
    }
    if (is_led && kafka_error_status(code) == STATUS_BUSY) {
        ask_leaders(source, list, word, end_us);
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

void kafka_source_ask(KafkaSource *source, const rd_kafka_topic_partition_list_t *list, int step_ms,
                      KafkaGiven *ret_given)
{
    ret_given->committed = rd_kafka_topic_partition_list_copy(list);
    ask_list(source, ret_given->committed, RD_KAFKA_OFFSET_INVALID, step_ms);
    ret_given->low = copy_answered(ret_given->committed);
    ask_list(source, ret_given->low, RD_KAFKA_OFFSET_BEGINNING, step_ms);
    ret_given->high = copy_answered(ret_given->low);
    ask_list(source, ret_given->high, RD_KAFKA_OFFSET_END, step_ms);
}

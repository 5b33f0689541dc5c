#include "deliver/kafka_place.h"

#include "broker/kafka_error.h"

enum { AGAIN_MS = 50 };

/* ---- The text ---------------------------------------------------------------------------------------------------- */

void kafka_place_format(const KafkaPlace *place, char ret_text[KAFKA_PLACE_TEXT_BYTES])
{
    snprintf(ret_text, KAFKA_PLACE_TEXT_BYTES, "weir epoch=%lld sent=%lld writer=%s", (long long)place->epoch,
             (long long)place->place.sent_seq, place->writer);
}

/* The value of the next word, which has to be name=…; NULL when it is not. */
static Str value_of(Str *rest, const char *name)
{
    Str value = str_split(rest, ' ');
    Str word = str_split(&value, '=');
    return str_is(word, name) ? value : (Str){0};
}

/* Others may write there what they like, and writers are shown to people. */
static bool is_writer(Str text)
{
    bool fits = text.len == KAFKA_WRITER_BYTES - 1;
    for (size_t i = 0; fits && i < text.len; i++) {
        fits = (text.ptr[i] >= '0' && text.ptr[i] <= '9') || (text.ptr[i] >= 'a' && text.ptr[i] <= 'f');
    }
    return fits;
}

bool kafka_place_parse(int64_t offset, Str metadata, KafkaPlace *ret_place)
{
    Str rest = metadata;
    if (offset < 1 || !str_is(str_split(&rest, ' '), "weir")) {
        return false;
    }
    uint64_t epoch, sent;
    Str epoch_text = value_of(&rest, "epoch"), sent_text = value_of(&rest, "sent"), writer = value_of(&rest, "writer");
    if (!str_to_u64(epoch_text, INT64_MAX, &epoch) || epoch == 0 || !str_to_u64(sent_text, INT64_MAX, &sent) ||
        !is_writer(writer)) {
        return false;
    }
    *ret_place = (KafkaPlace){.place = {.cursor = offset - 1, .sent_seq = (int64_t)sent}, .epoch = (int64_t)epoch};
    memcpy(ret_place->writer, writer.ptr, writer.len);
    return true;
}

/* ---- Putting ----------------------------------------------------------------------------------------------------- */

static bool set_metadata(rd_kafka_topic_partition_t *partition, const KafkaPlace *place)
{
    char text[KAFKA_PLACE_TEXT_BYTES];
    kafka_place_format(place, text);
    /* The list frees it. */
    partition->metadata = strdup(text);
    partition->metadata_size = partition->metadata ? strlen(text) : 0;
    return partition->metadata;
}

rd_kafka_error_t *kafka_place_put(rd_kafka_t *producer, const char *group, const char *topic, const KafkaPlace *place,
                                  int ms_max)
{
    rd_kafka_error_t *error = NULL;
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_consumer_group_metadata_t *nobody = rd_kafka_consumer_group_metadata_new(group);
    rd_kafka_topic_partition_t *partition = rd_kafka_topic_partition_list_add(offsets, topic, 0);
    partition->offset = place->place.cursor + 1;
    if (set_metadata(partition, place)) {
        error = rd_kafka_send_offsets_to_transaction(producer, offsets, nobody, ms_max);
    } else {
        error = rd_kafka_error_new(RD_KAFKA_RESP_ERR__FAIL, "out of memory");
    }
    rd_kafka_consumer_group_metadata_destroy(nobody);
    rd_kafka_topic_partition_list_destroy(offsets);
    return error;
}

/* ---- Getting ----------------------------------------------------------------------------------------------------- */

/* Also when the epochs differ: the newest epoch's, however small. */
static void keep_further(KafkaPlace *best, const KafkaPlace *other)
{
    if (other->epoch > best->epoch || (other->epoch == best->epoch && other->place.cursor > best->place.cursor)) {
        *best = *other;
    }
}

/* The sink asks for topics that it does not want, too, since it may have wanted them before. */
static bool is_none(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
}

static rd_kafka_resp_err_t read_partitions(const rd_kafka_topic_partition_list_t *partitions, KafkaPlace *ret_place)
{
    *ret_place = (KafkaPlace){0};
    for (int i = 0; partitions && i < partitions->cnt; i++) {
        const rd_kafka_topic_partition_t *partition = &partitions->elems[i];
        if (is_none(partition->err)) {
            continue;
        }
        if (partition->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return partition->err;
        }
        KafkaPlace found;
        if (kafka_place_parse(partition->offset, (Str){partition->metadata, partition->metadata_size}, &found)) {
            keep_further(ret_place, &found);
        }
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Through a consumer of the group that subscribes to nothing: the admin API, which any client has, lets the process
 * crash when a coordinator moves meanwhile (librdkafka 2.0 to 2.11 at least, confluent-kafka-javascript issue 374). A
 * consumer that reads committed messages also asks for stable offsets: the broker answers with an error as long as a
 * transaction on them is not resolved, which after a commit is the short while in which its markers are applied. */
static Status new_consumer(const rd_kafka_conf_t *settings, const KafkaPlaceQuestion *question,
                           rd_kafka_t **ret_consumer, Error *reterr)
{
    const char *group = question->group;
    const char *const own[][2] = {{"group.id", group},
                                  {"enable.auto.commit", "false"},
                                  {"isolation.level", question->settled ? "read_committed" : "read_uncommitted"}};
    char text[256] = "out of memory";
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(settings);
    for (size_t i = 0; conf && i < sizeof own / sizeof *own; i++) {
        rd_kafka_conf_set(conf, own[i][0], own[i][1], NULL, 0);
    }
    rd_kafka_t *consumer = conf ? rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text) : NULL;
    if (!consumer) {
        if (conf) {
            rd_kafka_conf_destroy(conf);
        }
        return error_set(reterr, STATUS_BUSY, "reading the place of group %s: %s", group, text);
    }
    *ret_consumer = consumer;
    return STATUS_OK;
}

static rd_kafka_resp_err_t ask(rd_kafka_t *consumer, const char *const *topics, size_t topic_count, int ms_max,
                               KafkaPlace *ret_place)
{
    rd_kafka_topic_partition_list_t *wanted = rd_kafka_topic_partition_list_new((int)topic_count);
    for (size_t i = 0; i < topic_count; i++) {
        rd_kafka_topic_partition_list_add(wanted, topics[i], 0);
    }
    rd_kafka_resp_err_t code = rd_kafka_committed(consumer, wanted, ms_max);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = read_partitions(wanted, ret_place);
    }
    rd_kafka_topic_partition_list_destroy(wanted);
    return code;
}

static Status ask_until(rd_kafka_t *consumer, const KafkaPlaceQuestion *question, KafkaPlace *ret_place, Error *reterr)
{
    for (;;) {
        int64_t left_ms = (question->deadline_us - clock_monotonic_us(question->clock)) / 1000;
        rd_kafka_resp_err_t code = ask(consumer, question->topics, question->topic_count,
                                       left_ms > AGAIN_MS ? (int)left_ms : AGAIN_MS, ret_place);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            return STATUS_OK;
        }
        if (left_ms <= AGAIN_MS || kafka_error_status(code) == STATUS_REFUSED) {
            return error_set(reterr, kafka_error_status(code), "reading the place of group %s: %s", question->group,
                             rd_kafka_err2str(code));
        }
        rd_kafka_poll(consumer, AGAIN_MS);
    }
}

Status kafka_place_get(const rd_kafka_conf_t *settings, const KafkaPlaceQuestion *question, KafkaPlace *ret_place,
                       Error *reterr)
{
    rd_kafka_t *consumer;
    Status status = new_consumer(settings, question, &consumer, reterr);
    if (status == STATUS_OK) {
        status = ask_until(consumer, question, ret_place, reterr);
        rd_kafka_destroy_flags(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    return status;
}

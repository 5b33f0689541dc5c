#include "broker/kafka_client.h"

#include <string.h>

Status kafka_client_new(rd_kafka_type_t type, const rd_kafka_conf_t *settings, rd_kafka_t **ret_client, Error *reterr)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(settings);
    rd_kafka_t *client = conf ? rd_kafka_new(type, conf, text, sizeof text) : NULL;
    if (!client) {
        if (conf) {
            rd_kafka_conf_destroy(conf);
        }
        return error_set(reterr, STATUS_REFUSED, "properties: %s", conf ? text : "out of memory");
    }
    *ret_client = client;
    return STATUS_OK;
}

Status kafka_client_try(rd_kafka_type_t type, const rd_kafka_conf_t *settings, Error *reterr)
{
    rd_kafka_t *client = NULL;
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(settings);
    rd_kafka_conf_set(conf, "bootstrap.servers", NULL, NULL, 0);
    Status status = kafka_client_new(type, conf, &client, reterr);
    rd_kafka_conf_destroy(conf);
    if (status == STATUS_OK) {
        rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    return status;
}

rd_kafka_resp_err_t kafka_client_ask_topic(rd_kafka_t *client, rd_kafka_topic_t *topic, int ms)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(client, 0, topic, &metadata, ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return code;
    }
    code = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    rd_kafka_metadata_destroy(metadata);
    return code;
}

const struct rd_kafka_metadata_topic *kafka_client_find_topic(const struct rd_kafka_metadata *metadata,
                                                              const char *name)
{
    for (int i = 0; i < metadata->topic_cnt; i++) {
        if (strcmp(metadata->topics[i].topic, name) == 0) {
            return &metadata->topics[i];
        }
    }
    return NULL;
}

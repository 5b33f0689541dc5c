#include "broker/kafka_properties.h"

#include <ctype.h>
#include <stdio.h>

#include "config/options.h"

enum { NAME_BYTES = 64, VALUE_BYTES = 4096 };

static const KafkaReserved nobodys[] = {
    {"bootstrap.servers", "the brokers are named by the option brokers"},
    {"enabled_events", "Weir waits for reports in its own way"},
    {"log.queue", "Weir does not read that queue"},
    {"metadata.broker.list", "the brokers are named by the option brokers"},
    {"plugin.library.paths", "Weir runs no code from elsewhere"},
};

static const char *why_reserved(const char *name, const KafkaReserved *reserved, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(reserved[i].name, name) == 0) {
            return reserved[i].why;
        }
    }
    return NULL;
}

Status kafka_setting_put(rd_kafka_conf_t *conf, const char *name, const char *value, Error *reterr)
{
    char unsaid[512];
    switch (rd_kafka_conf_set(conf, name, value, unsaid, sizeof unsaid)) {
    case RD_KAFKA_CONF_OK: return STATUS_OK;
    case RD_KAFKA_CONF_UNKNOWN:
        return error_set(reterr, STATUS_REFUSED, "properties: librdkafka %s has no setting %s, or was built without it",
                         rd_kafka_version_str(), name);
    default: return error_set(reterr, STATUS_REFUSED, "properties: %s does not take this value", name);
    }
}

Status kafka_settings_put(rd_kafka_conf_t *conf, const KafkaSetting *settings, size_t count, Error *reterr)
{
    Status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = kafka_setting_put(conf, settings[i].name, settings[i].value, reterr);
    }
    return status;
}

static bool is_name(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!islower((unsigned char)text.ptr[i]) && !isdigit((unsigned char)text.ptr[i]) && text.ptr[i] != '.' &&
            text.ptr[i] != '_') {
            return false;
        }
    }
    return text.len > 0 && text.len < NAME_BYTES;
}

static Status put_property(rd_kafka_conf_t *conf, Str property, const KafkaReserved *reserved, size_t count,
                           Error *reterr)
{
    Str value = property;
    Str name = str_trim(str_split(&value, '='));
    if (!value.ptr || !is_name(name)) {
        return error_set(reterr, STATUS_REFUSED, "properties: each is name=value, with a comma in between");
    }
    value = str_trim(value);
    if (value.len >= VALUE_BYTES) {
        return error_set(reterr, STATUS_REFUSED, "properties: %.*s is longer than %d bytes", STR_ARGS(name),
                         VALUE_BYTES - 1);
    }
    char name_text[NAME_BYTES], value_text[VALUE_BYTES];
    snprintf(name_text, sizeof name_text, "%.*s", STR_ARGS(name));
    snprintf(value_text, sizeof value_text, "%.*s", STR_ARGS(value));
    const char *why = why_reserved(name_text, nobodys, sizeof nobodys / sizeof *nobodys);
    why = why ? why : why_reserved(name_text, reserved, count);
    if (why) {
        return error_set(reterr, STATUS_REFUSED, "properties: %s cannot be set: %s", name_text, why);
    }
    return kafka_setting_put(conf, name_text, value_text, reterr);
}

/* A value may have commas, as in lists and passwords; the properties are on lines then. */
Status kafka_properties_put(rd_kafka_conf_t *conf, Str properties, const KafkaReserved *reserved, size_t count,
                            Error *reterr)
{
    Status status = STATUS_OK;
    Str property;
    OptionItems items = option_items(properties);
    while (status == STATUS_OK && option_items_next(&items, &property)) {
        status = put_property(conf, property, reserved, count, reterr);
    }
    return status;
}

Status kafka_brokers_check(const char *brokers, Error *reterr)
{
    return str_trim(str_from(brokers)).len > 0
               ? STATUS_OK
               : error_set(reterr, STATUS_REFUSED, "brokers: none is named; give host:port, or several with commas");
}

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

uint64_t kafka_setting_number(const rd_kafka_conf_t *conf, const char *name, uint64_t other)
{
    char text[32];
    size_t size = sizeof text;
    uint64_t number = other;
    if (rd_kafka_conf_get(conf, name, text, &size) == RD_KAFKA_CONF_OK) {
        (void)str_to_u64(str_from(text), UINT64_MAX, &number);
    }
    return number;
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

/* ---- Brokers ----------------------------------------------------------------------------------------------------- */

/* librdkafka takes "ssl://host:port", too. False: what stands in front of "://" is no protocol of Kafka. */
static bool skip_protocol(Str *broker)
{
    static const Str protocols[] = {{"plaintext", 9}, {"ssl", 3}, {"sasl_plaintext", 14}, {"sasl_ssl", 8}};
    const char *at = broker->len ? memmem(broker->ptr, broker->len, "://", 3) : NULL;
    Str name = {broker->ptr, at ? (size_t)(at - broker->ptr) : 0};
    bool found = !at;
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols && !found; i++) {
        found = str_equal_nocase(name, protocols[i]);
    }
    if (at && found) {
        *broker = (Str){at + 3, broker->len - name.len - 3};
    }
    return found;
}

static bool is_of_host(char c, bool is_ipv6)
{
    return isalnum((unsigned char)c) || strchr(is_ipv6 ? ":.%[]" : ".-_", c);
}

/* host, host:port, [address]:port, or an IPv6 address alone. */
static bool is_address(Str broker)
{
    const char *first = memchr(broker.ptr, ':', broker.len), *last = memrchr(broker.ptr, ':', broker.len);
    bool is_bare = first != last && last[-1] != ']';
    Str host = {broker.ptr, last && !is_bare ? (size_t)(last - broker.ptr) : broker.len};
    uint64_t port = 1;
    if (host.len < broker.len && !str_to_u64((Str){last + 1, broker.len - host.len - 1}, UINT16_MAX, &port)) {
        return false;
    }
    for (size_t i = 0; i < host.len; i++) {
        if (!is_of_host(host.ptr[i], is_bare || host.ptr[0] == '[')) {
            return false;
        }
    }
    return host.len > 0 && port > 0;
}

Status kafka_brokers_check(const char *brokers, Error *reterr)
{
    unsigned count = 0;
    for (Str rest = str_from(brokers); rest.ptr;) {
        Str broker = str_trim(str_split(&rest, ','));
        count += broker.len > 0;
        if (broker.len > 0 && !(skip_protocol(&broker) && is_address(broker))) {
            /* Not shown: somebody may have put a password into it. */
            return error_set(reterr, STATUS_REFUSED, "brokers: number %u is not host:port", count);
        }
    }
    return count ? STATUS_OK
                 : error_set(reterr, STATUS_REFUSED, "brokers: none is named; give host:port, or several with commas");
}

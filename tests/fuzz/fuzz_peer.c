/* Small things that other systems hand back: places of sinks at Kafka's, ids of Redis's entries, Retry-After, base64.
 * What is understood is written as it was read, and says nothing that cannot be.
 *
 * The first byte says which of them the rest is. */
#include "fuzz.h"

#include "base/base64.h"
#include "deliver/kafka_place.h"
#include "deliver/webhook_message.h"
#include "intake/redis_entry.h"

#define DAY_US INT64_C(86400000000)

static void check_place(Str metadata)
{
    KafkaPlace place, back;
    char text[KAFKA_PLACE_TEXT_BYTES], again[KAFKA_PLACE_TEXT_BYTES];
    int64_t offset = metadata.len ? (uint8_t)metadata.ptr[metadata.len - 1] : 0;
    if (!kafka_place_parse(offset, metadata, &place)) {
        return;
    }
    PROMISE(place.place.cursor == offset - 1 && place.place.cursor >= 0);
    PROMISE(place.epoch > 0 && place.place.sent_seq >= 0);
    kafka_place_format(&place, text);
    PROMISE(kafka_place_parse(offset, str_from(text), &back));
    kafka_place_format(&back, again);
    PROMISE(strcmp(text, again) == 0 && strcmp(place.writer, back.writer) == 0);
}

static void check_entry_id(Str text)
{
    RedisEntryId id, back;
    char written[REDIS_ENTRY_ID_BYTES_MAX];
    if (!redis_entry_id_parse(text, &id)) {
        PROMISE(id.ms == 0 && id.seq == 0);
        return;
    }
    size_t len = redis_entry_id_format(id, written);
    PROMISE(len < sizeof written && redis_entry_id_parse((Str){written, len}, &back));
    PROMISE(redis_entry_id_compare(id, back) == 0);
}

static void check_retry_after(Str value)
{
    int64_t us = webhook_retry_after_us(value, INT64_C(1735689600000000));
    PROMISE(us >= 0 && us <= DAY_US && us % 1000000 == 0);
}

static void check_base64(Str encoded)
{
    char *bytes = malloc(encoded.len / 4 * 3 + 1);
    size_t len = 0;
    Buf back;
    PROMISE(bytes != NULL);
    buf_init(&back, encoded.len + 16);
    if (base64_decode(encoded, bytes, &len)) {
        PROMISE(len <= encoded.len / 4 * 3);
        base64_put(&back, (Str){bytes, len});
        PROMISE(!back.failed && str_equal((Str){back.ptr, back.len}, encoded));
    }
    buf_release(&back);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const checks[])(Str) = {check_place, check_entry_id, check_retry_after, check_base64};
    uint8_t choice = fuzz_take(&data, &size);
    char *text = fuzz_copy(data, size);
    checks[choice % (sizeof checks / sizeof *checks)]((Str){text, size});
    free(text);
    return 0;
}

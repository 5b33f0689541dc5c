#include "fuzz.h"

#include "base/timestamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t us = INT64_MIN, back;
    char text[TIMESTAMP_TEXT_BYTES_MAX];
    const char *problem = timestamp_parse((Str){(const char *)data, size}, &us);
    if (problem) {
        PROMISE(us == INT64_MIN);
        return 0;
    }
    PROMISE(us >= TIMESTAMP_MIN && us <= TIMESTAMP_MAX);
    Str formatted = {text, timestamp_format(us, text)};
    PROMISE(timestamp_parse(formatted, &back) == NULL && back == us);
    return 0;
}

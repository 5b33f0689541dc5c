#include "base/uuid.h"

#include "base/str.h"

static void put_text(const uint8_t bytes[16], char *at)
{
    static const size_t groups[] = {4, 2, 2, 2, 6};
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        at = str_put_hex(at, bytes, groups[i]);
        *at++ = '-';
        bytes += groups[i];
    }
    at[-1] = '\0';
}

Status uuid_make(const Clock *clock, const Random *random, char ret_text[UUID_TEXT_BYTES], Error *reterr)
{
    uint8_t bytes[16];
    uint64_t ms = (uint64_t)(clock_wall_us(clock) / 1000);
    Status status = random_fill(random, bytes, sizeof bytes, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < 6; i++) {
        bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    }
    bytes[6] = (uint8_t)(0x70 | (bytes[6] & 0x0f));
    bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3f));
    put_text(bytes, ret_text);
    return STATUS_OK;
}

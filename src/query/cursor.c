#include "query/cursor.h"

enum { VERSION = 1, BYTES = 1 + 8 + 8 + 8 + 1 + 8 };
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static unsigned char *put_u64(unsigned char *at, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
    return at + 8;
}

static uint64_t get_u64(const unsigned char *at)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

static uint64_t hash_of(const Filter *filter, const StoreInfo *info)
{
    return filter_hash(filter, info->hash_seed + (uint64_t)info->epoch);
}

void cursor_format(const Cursor *cursor, const Filter *filter, const StoreInfo *info, char ret_text[CURSOR_TEXT_BYTES])
{
    unsigned char bytes[BYTES + 2] = {VERSION};
    unsigned char *at = put_u64(bytes + 1, (uint64_t)cursor->bound);
    at = put_u64(at, (uint64_t)cursor->at.time_us);
    at = put_u64(at, (uint64_t)cursor->at.seq);
    *at++ = cursor->descending;
    put_u64(at, hash_of(filter, info));
    for (size_t i = 0; i < CURSOR_TEXT_BYTES; i++) {
        size_t bit = i * 6;
        unsigned pair = (unsigned)bytes[bit / 8] << 8 | bytes[bit / 8 + 1];
        ret_text[i] = alphabet[pair >> (10 - bit % 8) & 63];
    }
}

static bool decode(Str text, unsigned char ret_bytes[BYTES])
{
    unsigned bits = 0, pending = 0;
    size_t written = 0;
    if (text.len != CURSOR_TEXT_BYTES) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        const char *found = text.ptr[i] ? strchr(alphabet, text.ptr[i]) : NULL;
        if (!found) {
            return false;
        }
        pending = (pending << 6 | (unsigned)(found - alphabet)) & 0xFFFF;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            ret_bytes[written++] = (unsigned char)(pending >> bits);
        }
    }
    return written == BYTES && (pending & ((1u << bits) - 1)) == 0;
}

const char *cursor_parse(Str text, const Filter *filter, const StoreInfo *info, Cursor *ret_cursor)
{
    static const char not_one[] = "is not a cursor; use a nextCursor as it was given, or none to start again";
    unsigned char bytes[BYTES];
    if (!decode(text, bytes) || bytes[0] != VERSION || bytes[25] > 1) {
        return not_one;
    }
    if (get_u64(bytes + 26) != hash_of(filter, info)) {
        return "belongs to other filters or another store; start again without it";
    }
    *ret_cursor = (Cursor){.bound = (int64_t)get_u64(bytes + 1),
                           .at = {(int64_t)get_u64(bytes + 9), (int64_t)get_u64(bytes + 17)},
                           .descending = bytes[25] != 0};
    return ret_cursor->bound < 0 || ret_cursor->at.seq < 0 ? not_one : NULL;
}

#include "record/traceparent.h"

static bool is_hex(Str text)
{
    bool any = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        any |= c != '0';
    }
    return any;
}

/* https://www.w3.org/TR/trace-context/#traceparent-header: 00-<32 hex>-<16 hex>-<2 hex>. */
Str traceparent_check(Str text)
{
    static const size_t ids[][2] = {{3, 32}, {36, 16}};
    bool fits = text.len == 55 && str_starts_with(text, STR("00-")) && text.ptr[35] == '-' && text.ptr[52] == '-';
    for (size_t i = 0; fits && i < 2; i++) {
        fits = is_hex((Str){text.ptr + ids[i][0], ids[i][1]});
    }
    char flags[] = {fits ? text.ptr[53] : 'x', fits ? text.ptr[54] : 'x'};
    bool has_flags = is_hex((Str){flags, 2}) || (flags[0] == '0' && flags[1] == '0');
    return fits && has_flags ? text : (Str){NULL, 0};
}

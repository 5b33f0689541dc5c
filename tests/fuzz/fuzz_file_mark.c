/* Marks of places in files, which a store may hold in any shape: what is understood is written back the same. */
#include "fuzz.h"

#include "intake/file_mark.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[SOURCE_MARK_BYTES_MAX], again[SOURCE_MARK_BYTES_MAX];
    FileMark mark, back;
    if (size > sizeof text || !file_mark_parse((Str){(const char *)data, size}, (int64_t)size, &mark)) {
        return 0;
    }
    size_t len = file_mark_format(&mark, text);
    PROMISE(len <= sizeof text);
    PROMISE(file_mark_parse((Str){text, len}, (int64_t)size, &back));
    PROMISE(file_mark_format(&back, again) == len && memcmp(text, again, len) == 0);
    PROMISE(back.position.offset == size && back.name.len == mark.name.len);
    return 0;
}

/* Cursors that clients hand back: whatever the text, it is refused, or it is a cursor that would be written just so.
 *
 * The first byte says what the input is: a text; or a cursor's own numbers, which are written and then maybe changed in
 * one place. */
#include "fuzz.h"

#include "query/cursor.h"

static const StoreInfo info = {.epoch = 3, .hash_seed = 99}, restored = {.epoch = 4, .hash_seed = 99};
static const Filter filters[] = {
    {.start_us = TIMESTAMP_MIN, .end_us = TIMESTAMP_MAX, .type = -1},
    {.start_us = 0, .end_us = TIMESTAMP_MAX, .type = RECORD_NEGATIVE, .destination_id = {"dest", 4}},
};

static bool same(const Cursor *a, const Cursor *b)
{
    return a->bound == b->bound && a->at.time_us == b->at.time_us && a->at.seq == b->at.seq &&
           a->descending == b->descending;
}

static void check_text(Str text, const Filter *filter)
{
    Cursor cursor;
    char written[CURSOR_TEXT_BYTES];
    const char *problem = cursor_parse(text, filter, &info, &cursor);
    if (problem) {
        PROMISE(problem[0] != '\0');
    } else {
        cursor_format(&cursor, filter, &info, written);
        PROMISE(str_equal(text, (Str){written, sizeof written}));
        PROMISE(cursor_parse(text, filter, &restored, &cursor) != NULL);
    }
}

static void check_numbers(const uint8_t *data, size_t size, const Filter *filter)
{
    int64_t numbers[4] = {0};
    char text[CURSOR_TEXT_BYTES];
    memcpy(numbers, data, size < sizeof numbers ? size : sizeof numbers);
    Cursor cursor = {.bound = numbers[0] & INT64_MAX,
                     .at = {numbers[1], numbers[2] & INT64_MAX},
                     .descending = numbers[3] & 1},
           back;
    cursor_format(&cursor, filter, &info, text);
    PROMISE(cursor_parse((Str){text, sizeof text}, filter, &info, &back) == NULL && same(&cursor, &back));
    const Filter *other = filter == &filters[0] ? &filters[1] : &filters[0];
    PROMISE(cursor_parse((Str){text, sizeof text}, other, &info, &back) != NULL);
    if (size > sizeof numbers + 1) {
        char *changed = &text[data[sizeof numbers] % sizeof text], old = *changed;
        *changed = (char)data[sizeof numbers + 1];
        bool understood = cursor_parse((Str){text, sizeof text}, filter, &info, &back) == NULL;
        PROMISE(*changed == old || !understood || !same(&cursor, &back));
        check_text((Str){text, sizeof text}, filter);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t choice = fuzz_take(&data, &size);
    const Filter *filter = &filters[choice & 1];
    char *text = fuzz_copy(data, size);
    if (choice & 2) {
        check_numbers((const uint8_t *)text, size, filter);
    } else {
        check_text((Str){text, size}, filter);
    }
    free(text);
    return 0;
}

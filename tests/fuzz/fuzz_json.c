/* JSON as json_read() understands it, against the grammar of RFC 8259 written down a second time: one pass, a stack of
 * brackets, and what may come next. */
#include "fuzz.h"

#include "record/json_keys.h"
#include "record/record_json.h"

enum { DEPTH_MAX = 1 << 16, ARENA_BYTES_MAX = 1 << 26 };

/* What stands at the place at hand. */
typedef enum Next {
    NEXT_VALUE,
    NEXT_VALUE_OR_END, /* behind [ */
    NEXT_KEY,
    NEXT_KEY_OR_END, /* behind { */
    NEXT_COLON,
    NEXT_COMMA_OR_END,
    NEXT_NOTHING,
} Next;

typedef struct Judge {
    const char *at, *end;
    Next next;
    size_t depth;
    char stack[DEPTH_MAX];
} Judge;

static bool eat(Judge *judge, char c)
{
    bool fits = judge->at < judge->end && *judge->at == c;
    judge->at += fits;
    return fits;
}

static bool eat_between(Judge *judge, char low, char high)
{
    bool fits = judge->at < judge->end && *judge->at >= low && *judge->at <= high;
    judge->at += fits;
    return fits;
}

static bool eat_word(Judge *judge, const char *word)
{
    while (*word && eat(judge, *word)) {
        word++;
    }
    return *word == '\0';
}

static bool eat_digits(Judge *judge)
{
    size_t digits = 0;
    while (eat_between(judge, '0', '9')) {
        digits++;
    }
    return digits > 0;
}

static bool eat_number(Judge *judge)
{
    eat(judge, '-');
    if (!eat(judge, '0') && !eat_digits(judge)) {
        return false;
    }
    if (eat(judge, '.') && !eat_digits(judge)) {
        return false;
    }
    if (eat(judge, 'e') || eat(judge, 'E')) {
        if (!eat(judge, '+')) {
            eat(judge, '-');
        }
        return eat_digits(judge);
    }
    return true;
}

/* The four digits behind \u; -1 when they are none. */
static long eat_hex(Judge *judge)
{
    char digits[5] = "";
    for (int i = 0; i < 4; i++, judge->at++) {
        if (judge->at == judge->end || !strchr("0123456789abcdefABCDEF", *judge->at) || *judge->at == '\0') {
            return -1;
        }
        digits[i] = *judge->at;
    }
    return strtol(digits, NULL, 16);
}

/* Behind a backslash. Halves of a pair come together or not at all. */
static bool eat_escape(Judge *judge)
{
    if (!eat(judge, 'u')) {
        bool fits = judge->at < judge->end && *judge->at && strchr("\"\\/bfnrt", *judge->at);
        judge->at += fits;
        return fits;
    }
    long unit = eat_hex(judge);
    if (unit < 0xD800 || unit > 0xDFFF) {
        return unit >= 0;
    }
    if (unit > 0xDBFF || !eat(judge, '\\') || !eat(judge, 'u')) {
        return false;
    }
    long low = eat_hex(judge);
    return low >= 0xDC00 && low <= 0xDFFF;
}

static bool eat_string(Judge *judge)
{
    if (!eat(judge, '"')) {
        return false;
    }
    const char *start = judge->at;
    while (judge->at < judge->end && *judge->at != '"') {
        if ((unsigned char)*judge->at < 0x20) {
            return false;
        }
        if (eat(judge, '\\')) {
            if (!eat_escape(judge)) {
                return false;
            }
        } else {
            judge->at++;
        }
    }
    return str_count_code_points((Str){start, (size_t)(judge->at - start)}) >= 0 && eat(judge, '"');
}

static bool open_bracket(Judge *judge, char closing, Next next)
{
    PROMISE(judge->depth < DEPTH_MAX);
    judge->stack[judge->depth++] = closing;
    judge->next = next;
    return true;
}

static void after_value(Judge *judge) { judge->next = judge->depth ? NEXT_COMMA_OR_END : NEXT_NOTHING; }

static bool eat_value(Judge *judge)
{
    if (eat(judge, '{')) {
        return open_bracket(judge, '}', NEXT_KEY_OR_END);
    }
    if (eat(judge, '[')) {
        return open_bracket(judge, ']', NEXT_VALUE_OR_END);
    }
    char first = *judge->at;
    bool fits = first == '"'   ? eat_string(judge)
                : first == 't' ? eat_word(judge, "true")
                : first == 'f' ? eat_word(judge, "false")
                : first == 'n' ? eat_word(judge, "null")
                               : eat_number(judge);
    after_value(judge);
    return fits;
}

static bool eat_end(Judge *judge)
{
    if (judge->depth > 0 && eat(judge, judge->stack[judge->depth - 1])) {
        judge->depth--;
        after_value(judge);
        return true;
    }
    return false;
}

static bool eat_comma(Judge *judge)
{
    bool fits = eat(judge, ',');
    judge->next = judge->stack[judge->depth - 1] == '}' ? NEXT_KEY : NEXT_VALUE;
    return fits;
}

static bool eat_next(Judge *judge)
{
    switch (judge->next) {
    case NEXT_VALUE_OR_END: return eat_end(judge) || eat_value(judge);
    case NEXT_VALUE: return eat_value(judge);
    case NEXT_KEY_OR_END:
        if (eat_end(judge)) {
            return true;
        }
        judge->next = NEXT_COLON;
        return eat_string(judge);
    case NEXT_KEY: judge->next = NEXT_COLON; return eat_string(judge);
    case NEXT_COLON: judge->next = NEXT_VALUE; return eat(judge, ':');
    case NEXT_COMMA_OR_END: return eat_end(judge) || eat_comma(judge);
    case NEXT_NOTHING: break;
    }
    return false;
}

static void skip_space(Judge *judge)
{
    while (eat(judge, ' ') || eat(judge, '\t') || eat(judge, '\n') || eat(judge, '\r')) {
    }
}

static bool is_json(const char *text, size_t size)
{
    static Judge judge;
    judge.at = text;
    judge.end = text + size;
    judge.next = NEXT_VALUE;
    judge.depth = 0;
    for (skip_space(&judge); judge.at < judge.end; skip_space(&judge)) {
        if (!eat_next(&judge)) {
            return false;
        }
    }
    return judge.next == NEXT_NOTHING;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena arena;
    Error error = {0};
    yyjson_val *root = NULL;
    char *text = malloc(size + YYJSON_PADDING_SIZE);
    PROMISE(text != NULL && size < DEPTH_MAX);
    memcpy(text, data, size);
    memset(text + size, 'x', YYJSON_PADDING_SIZE);
    arena_init(&arena, 4096, ARENA_BYTES_MAX);
    bool expected = is_json(text, size);
    Status status = json_read(text, size, &arena, &root, &error);
    PROMISE(status == (expected ? STATUS_OK : STATUS_REFUSED));
    PROMISE(expected ? root != NULL : error.message[0] != '\0');
    for (size_t i = 0; i < YYJSON_PADDING_SIZE; i++) {
        PROMISE(text[size + i] == 'x');
    }
    if (expected) {
        json_check_keys(root, 5);
    }
    arena_release(&arena);
    free(text);
    return 0;
}

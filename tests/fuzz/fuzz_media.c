/* Accept and Content-Type headers. A list that is written as RFC 9110 has it is judged a second time, by its
 * grammar. */
#include "fuzz.h"

#include "http/media.h"

enum { RANGES_MAX = 32 };

/* "text/csv;q=0.5" */
typedef struct Range {
    Str type;
    int weight;
} Range;

static const struct {
    const char *type;
    MediaAnswer answer;
} kinds[] = {{"application/json", ANSWER_JSON},
             {"application/x-ndjson", ANSWER_NDJSON},
             {"application/ndjson", ANSWER_NDJSON},
             {"application/jsonl", ANSWER_NDJSON},
             {"text/csv", ANSWER_CSV},
             {"text/event-stream", ANSWER_EVENTS}};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

/* qvalue = "0" [ "." 0*3DIGIT ] / "1" [ "." 0*3"0" ], in thousandths; -1 when it is none. */
static int read_weight(Str text)
{
    int weight = text.len > 0 && (text.ptr[0] == '0' || text.ptr[0] == '1') ? (text.ptr[0] - '0') * 1000 : -1;
    if (weight < 0 || text.len > 5 || (text.len > 1 && text.ptr[1] != '.')) {
        return -1;
    }
    for (size_t i = 2, unit = 100; i < text.len; i++, unit /= 10) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return -1;
        }
        weight += (text.ptr[i] - '0') * (int)unit;
    }
    return weight <= 1000 ? weight : -1;
}

static bool is_media_range(Str text)
{
    size_t slashes = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = (char)(text.ptr[i] | 0x20);
        slashes += text.ptr[i] == '/';
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !memchr("/*+-.", text.ptr[i], 5)) {
            return false;
        }
    }
    return slashes == 1 && text.ptr[0] != '/' && text.ptr[text.len - 1] != '/';
}

/* False when the list is not plain enough to be judged here: other parameters, a range twice. */
static bool read_ranges(Str accept, Range ranges[RANGES_MAX], size_t *ret_count)
{
    for (*ret_count = 0; accept.ptr; ++*ret_count) {
        Str rest = str_split(&accept, ',');
        Str type = str_trim(str_split(&rest, ';'));
        int weight = 1000;
        if (*ret_count == RANGES_MAX || !is_media_range(type)) {
            return false;
        }
        if (rest.ptr) {
            rest = str_trim(rest);
            weight = str_starts_with(rest, STR("q=")) ? read_weight((Str){rest.ptr + 2, rest.len - 2}) : -1;
        }
        for (size_t i = 0; i < *ret_count; i++) {
            if (str_equal_nocase(ranges[i].type, type)) {
                return false;
            }
        }
        if (weight < 0) {
            return false;
        }
        ranges[*ret_count] = (Range){type, weight};
    }
    return true;
}

static const Range *find_range(const Range *ranges, size_t count, Str type)
{
    for (size_t i = 0; i < count; i++) {
        if (str_equal_nocase(ranges[i].type, type)) {
            return &ranges[i];
        }
    }
    return NULL;
}

/* What the list says of a type: by its own name, else by its group, else by anything. */
static int weight_of(const Range *ranges, size_t count, const char *type, int *ret_exactness)
{
    char group[32];
    snprintf(group, sizeof group, "%.*s/*", (int)strcspn(type, "/"), type);
    const char *const names[] = {type, group, "*/*"};
    for (int i = 0; i < 3; i++) {
        const Range *range = find_range(ranges, count, str_from(names[i]));
        if (range) {
            *ret_exactness = 3 - i;
            return range->weight;
        }
    }
    return *ret_exactness = 0;
}

static void check_best(Str accept, unsigned offered, MediaAnswer answer)
{
    Range ranges[RANGES_MAX];
    size_t count;
    MediaAnswer best = ANSWER_JSON;
    int best_weight = 0, best_exactness = 0;
    if (!read_ranges(accept, ranges, &count)) {
        return;
    }
    for (size_t i = 0; i < KIND_COUNT; i++) {
        int exactness, weight = weight_of(ranges, count, kinds[i].type, &exactness);
        if ((offered & kinds[i].answer) && weight > 0 &&
            (weight > best_weight || (weight == best_weight && exactness > best_exactness))) {
            best = kinds[i].answer;
            best_weight = weight;
            best_exactness = exactness;
        }
    }
    PROMISE(answer == best);
}

static void check_accept(Str accept, unsigned offered)
{
    MediaAnswer answer = media_negotiate(accept, offered), parsed;
    PROMISE(answer == ANSWER_JSON || (answer & offered));
    PROMISE(__builtin_popcount(answer) == 1);
    check_best(accept, offered, answer);
    if (media_answer_parse(accept, offered, &parsed)) {
        PROMISE(parsed & offered);
    }
}

static void turn_case(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        text[i] ^= (text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z' ? 0x20 : 0;
    }
}

static void check_content_type(char *text, size_t len)
{
    Str charset, other;
    MediaType type = media_type_parse((Str){text, len}, &charset);
    PROMISE(type <= MEDIA_OTHER);
    PROMISE(charset.len == 0 || (charset.ptr >= text && charset.ptr + charset.len <= text + len));
    bool is_utf8 = media_charset_is_utf8(charset);
    /* Names are the same in any case. */
    turn_case(text, len);
    PROMISE(media_type_parse((Str){text, len}, &other) == type && other.len == charset.len);
    PROMISE(media_charset_is_utf8(other) == is_utf8);
}

/* The first byte says what is offered, the rest is the header. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned offered = ANSWER_JSON | (fuzz_take(&data, &size) & (unsigned)(ANSWER_NDJSON | ANSWER_CSV | ANSWER_EVENTS));
    char *text = fuzz_copy(data, size);
    check_accept((Str){text, size}, offered);
    check_content_type(text, size);
    free(text);
    return 0;
}

#include "http/media.h"

static const struct {
    const char *name;
    MediaType type;
} body_types[] = {
    {"application/json", MEDIA_JSON},
    {"text/json", MEDIA_JSON},
    {"application/x-ndjson", MEDIA_NDJSON},
    {"application/ndjson", MEDIA_NDJSON},
    {"application/jsonl", MEDIA_NDJSON},
    {"application/x-jsonlines", MEDIA_NDJSON},
    {"application/jsonlines", MEDIA_NDJSON},
    {"application/cloudevents+json", MEDIA_CLOUDEVENT},
    {"application/cloudevents-batch+json", MEDIA_CLOUDEVENTS},
    {"text/csv", MEDIA_CSV},
    {"application/x-www-form-urlencoded", MEDIA_FORM},
    {"multipart/form-data", MEDIA_FORM},
};

static const struct {
    const char *name, *format;
    MediaAnswer answer;
} answer_types[] = {
    {"application/json", "json", ANSWER_JSON},
    {"application/x-ndjson", "ndjson", ANSWER_NDJSON},
    {"application/ndjson", "ndjson", ANSWER_NDJSON},
    {"application/jsonl", "ndjson", ANSWER_NDJSON},
    {"text/csv", "csv", ANSWER_CSV},
    {"text/event-stream", "sse", ANSWER_EVENTS},
};
enum { ANSWER_TYPE_COUNT = sizeof answer_types / sizeof answer_types[0] };

static Str unquote(Str text)
{
    return text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"' ? (Str){text.ptr + 1, text.len - 2}
                                                                                : text;
}

/* The value of one parameter of "…; charset=utf-8; q=0.5"; empty when it is not there. */
static Str parameter(Str parameters, const char *name)
{
    while (parameters.ptr) {
        Str value = str_split(&parameters, ';');
        Str found = str_trim(str_split(&value, '='));
        if (str_equal_nocase(found, str_from(name))) {
            return unquote(str_trim(value));
        }
    }
    return (Str){NULL, 0};
}

MediaType media_type_parse(Str content_type, Str *ret_charset)
{
    Str parameters = content_type;
    Str name = str_trim(str_split(&parameters, ';'));
    *ret_charset = parameter(parameters, "charset");
    if (name.len == 0) {
        return MEDIA_JSON;
    }
    for (size_t i = 0; i < sizeof body_types / sizeof body_types[0]; i++) {
        if (str_equal_nocase(name, str_from(body_types[i].name))) {
            return body_types[i].type;
        }
    }
    bool is_json = name.len > 5 && str_equal_nocase((Str){name.ptr + name.len - 5, 5}, STR("+json"));
    return is_json ? MEDIA_JSON : MEDIA_OTHER;
}

bool media_charset_is_utf8(Str charset)
{
    return charset.len == 0 || str_equal_nocase(charset, STR("utf-8")) || str_equal_nocase(charset, STR("utf8")) ||
           str_equal_nocase(charset, STR("us-ascii"));
}

/* A weight in thousandths: "0.5" is 500; what cannot be read counts in full. */
static unsigned weight_of(Str parameters)
{
    Str text = parameter(parameters, "q");
    if (text.len == 0 || text.ptr[0] != '0') {
        return 1000;
    }
    unsigned weight = 0, unit = 100;
    for (size_t i = 2; i < text.len && i < 5 && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++, unit /= 10) {
        weight += (unsigned)(text.ptr[i] - '0') * unit;
    }
    return weight;
}

/* How exactly a range names a type: 3 for itself, 2 for its whole group, 1 for anything, 0 for not at all. */
static unsigned match_range(Str range, Str type)
{
    if (str_equal_nocase(range, type)) {
        return 3;
    }
    if (str_is(range, "*/*") || str_is(range, "*")) {
        return 1;
    }
    bool is_group = range.len > 2 && range.ptr[range.len - 1] == '*' && range.ptr[range.len - 2] == '/';
    return is_group && type.len >= range.len &&
                   str_equal_nocase((Str){range.ptr, range.len - 1}, (Str){type.ptr, range.len - 1})
               ? 2
               : 0;
}

/* What the header thinks of a type: the weight of the range that names it most exactly, and how exactly. */
static unsigned judge(Str accept, Str type, unsigned *ret_exactness)
{
    unsigned weight = 0, exactness = 0;
    while (accept.ptr) {
        Str parameters = str_split(&accept, ',');
        Str range = str_trim(str_split(&parameters, ';'));
        unsigned match = match_range(range, type);
        if (match > exactness) {
            exactness = match;
            weight = weight_of(parameters);
        }
    }
    *ret_exactness = exactness;
    return weight;
}

MediaAnswer media_negotiate(Str accept, unsigned offered)
{
    MediaAnswer best = ANSWER_JSON;
    unsigned best_weight = 0, best_exactness = 0;
    for (size_t i = 0; accept.len > 0 && i < ANSWER_TYPE_COUNT; i++) {
        unsigned exactness;
        unsigned weight = judge(accept, str_from(answer_types[i].name), &exactness);
        bool better = weight > best_weight || (weight == best_weight && exactness > best_exactness);
        if ((offered & answer_types[i].answer) && weight > 0 && better) {
            best = answer_types[i].answer;
            best_weight = weight;
            best_exactness = exactness;
        }
    }
    return best;
}

bool media_answer_parse(Str name, unsigned offered, MediaAnswer *ret_answer)
{
    for (size_t i = 0; i < ANSWER_TYPE_COUNT; i++) {
        if ((offered & answer_types[i].answer) && str_is(name, answer_types[i].format)) {
            *ret_answer = answer_types[i].answer;
            return true;
        }
    }
    return false;
}

#include "http/letters_filter.h"

static bool find_word(yyjson_val *value, const char *const *words, int count, int *ret_index)
{
    for (int i = 0; i < count; i++) {
        if (yyjson_equals_str(value, words[i])) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

const char *letters_read_stage(void *self, const char *name, yyjson_val *value)
{
    LettersFilter *asked = self;
    (void)name;
    return find_word(value, dead_letter_stage_names, DEAD_LETTER_JOB + 1, &asked->filter.stage)
               ? NULL
               : "must be intake, delivery or job";
}

const char *letters_read_state(void *self, const char *name, yyjson_val *value)
{
    LettersFilter *asked = self;
    (void)name;
    if (yyjson_equals_str(value, "all")) {
        asked->filter.state = -1;
        return NULL;
    }
    return find_word(value, dead_letter_state_names, DEAD_LETTER_DISCARDED + 1, &asked->filter.state)
               ? NULL
               : "must be open, retrying, resolved, discarded or all";
}

const char *letters_read_sink(void *self, const char *name, yyjson_val *value)
{
    (void)name;
    return field_text(value, &((LettersFilter *)self)->sink) ? NULL : "must be the name of a sink";
}

const char *letters_read_source(void *self, const char *name, yyjson_val *value)
{
    (void)name;
    return field_text(value, &((LettersFilter *)self)->source) ? NULL : "must be the name of a source";
}

const char *letters_read_place(void *self, const char *name, yyjson_val *value)
{
    Str *place = &((LettersFilter *)self)->filter.place;
    (void)name;
    *place = yyjson_is_str(value) ? (Str){yyjson_get_str(value), yyjson_get_len(value)} : STR("");
    return place->len ? NULL : "must be where a message was, as its dead letter has it";
}

const char *letters_read_batch(void *self, const char *name, yyjson_val *value)
{
    (void)name;
    return field_text(value, &((LettersFilter *)self)->batch) ? NULL : "must be the id of a batch";
}

typedef struct Origin {
    const char *field, *is_what;
    Str name;
    int stage;
} Origin;

bool letters_filter_finish(Request *request, LettersFilter *asked)
{
    const Origin origins[] = {{"sink", "the name of a sink", asked->sink, DEAD_LETTER_DELIVERY},
                              {"source", "the name of a source", asked->source, DEAD_LETTER_INTAKE},
                              {"batch", "the id of a batch", asked->batch, DEAD_LETTER_JOB}};
    const Origin *given = NULL;
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        const Origin *origin = &origins[i];
        if (origin->name.len && given) {
            request_invalid(request, origin->field, "must be left out with %s: nothing is of both", given->is_what);
            return false;
        }
        given = origin->name.len ? origin : given;
    }
    if (given && asked->filter.stage >= 0 && asked->filter.stage != given->stage) {
        request_invalid(request, "stage", "must be %s with %s", dead_letter_stage_names[given->stage], given->is_what);
        return false;
    }
    if (asked->filter.place.len && !asked->source.len) {
        request_invalid(request, "source", "is required with place: it is the source that knows places");
        return false;
    }
    if (given) {
        asked->filter.stage = given->stage;
        asked->filter.origin = given->name;
    }
    return true;
}

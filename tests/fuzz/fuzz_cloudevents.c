/* CloudEvents: structured (JSON) and binary (headers), and the trace context that comes with both. */
#include "fuzz.h"

#include "http/records_call.h"
#include "record/cloudevents.h"
#include "record/json_keys.h"
#include "record/traceparent.h"

static const RecordPolicy policy = {.scale = 2, .hash_seed = 1};

static bool is_filled_text(yyjson_val *event, const char *name)
{
    yyjson_val *value = yyjson_obj_get(event, name);
    return yyjson_is_str(value) && yyjson_get_len(value) > 0;
}

static void check_opened(yyjson_val *event, yyjson_val *data, Str traceparent)
{
    Record record;
    RecordProblems problems;
    PROMISE(is_filled_text(event, "id") && is_filled_text(event, "source") && is_filled_text(event, "type"));
    PROMISE(yyjson_equals_str(yyjson_obj_get(event, "specversion"), "1.0"));
    PROMISE(data && data == yyjson_obj_get(event, "data") && !yyjson_obj_get(event, "data_base64"));
    PROMISE(!traceparent.ptr ||
            yyjson_equals_strn(yyjson_obj_get(event, "traceparent"), traceparent.ptr, traceparent.len));
    PROMISE(!json_check_keys(event, 7));
    Status status = record_from_json(data, &policy, &record, &problems);
    PROMISE(status == (problems.count ? STATUS_REFUSED : STATUS_OK));
}

static void check_structured(const char *bytes, size_t size)
{
    Arena arena;
    Error error;
    yyjson_val *event, *data = NULL;
    Str traceparent = {NULL, 0};
    RecordProblems problems;
    char *text = malloc(size + YYJSON_PADDING_SIZE);
    PROMISE(text != NULL);
    memcpy(text, bytes, size);
    memset(text + size, 0, YYJSON_PADDING_SIZE);
    arena_init(&arena, 4096, 1 << 24);
    if (json_read(text, size, &arena, &event, &error) == STATUS_OK) {
        Status status = cloudevent_open(event, &policy, &data, &traceparent, &problems);
        PROMISE(status == (problems.count ? STATUS_REFUSED : STATUS_OK));
        if (status == STATUS_OK) {
            check_opened(event, data, traceparent);
        }
        for (size_t i = 0; i < problems.count; i++) {
            PROMISE(problems.items[i].problem[0] != '\0' && str_count_code_points(problems.items[i].field) >= 0);
        }
    }
    arena_release(&arena);
    free(text);
}

/* Four lines are four headers. */
static void check_headers(Str rest)
{
    Str headers[4];
    for (size_t i = 0; i < 4; i++) {
        headers[i] = str_split(&rest, '\n');
    }
    const char *problem = cloudevent_check_headers(headers[0], headers[1], headers[2], headers[3]);
    bool complete = str_is(headers[0], "1.0") && headers[1].len && headers[2].len && headers[3].len;
    PROMISE(complete == (problem == NULL));
}

static bool is_zeros(const char *text, size_t len)
{
    size_t zeros = 0;
    while (zeros < len && text[zeros] == '0') {
        zeros++;
    }
    return zeros == len;
}

static void check_traceparent(Str text)
{
    static const char shape[] = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    bool fits = text.len == sizeof shape - 1;
    for (size_t i = 0; fits && i < text.len; i++) {
        fits = shape[i] == 'x' ? text.ptr[i] && strchr("0123456789abcdef", text.ptr[i]) : text.ptr[i] == shape[i];
    }
    fits = fits && !is_zeros(text.ptr + 3, 32) && !is_zeros(text.ptr + 36, 16);
    Str kept = traceparent_check(text);
    PROMISE(fits ? str_equal(kept, text) : kept.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_copy(data, size);
    check_structured(text, size);
    check_headers((Str){text, size});
    check_traceparent((Str){text, size});
    free(text);
    return 0;
}

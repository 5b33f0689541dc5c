#include "record/cloudevents.h"

#include "record/json_keys.h"
#include "record/record_check.h"

#define VERSION "1.0"

static Str text_of(yyjson_val *value)
{
    return yyjson_is_str(value) ? (Str){yyjson_get_str(value), yyjson_get_len(value)} : (Str){NULL, 0};
}

static void add(RecordProblems *problems, Str field, const char *problem)
{
    if (problems->count < RECORD_PROBLEMS_MAX) {
        problems->items[problems->count++] = (FieldProblem){field, problem};
    }
}

static void check_attributes(yyjson_val *event, RecordProblems *problems)
{
    static const char *const required[] = {"id", "source", "type"};
    if (!str_is(text_of(yyjson_obj_get(event, "specversion")), VERSION)) {
        add(problems, STR("specversion"), "must be \"1.0\", as it is in a CloudEvent");
    }
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
        if (text_of(yyjson_obj_get(event, required[i])).len == 0) {
            add(problems, str_from(required[i]), "is required in a CloudEvent, as a string that is not empty");
        }
    }
    if (yyjson_obj_get(event, "data_base64")) {
        add(problems, STR("data_base64"), "is not read here; send the record as JSON in data");
    } else if (!yyjson_obj_get(event, "data")) {
        add(problems, STR("data"), "is required: it is the record");
    }
}

/* Around the record it would be looked at as little as in it. */
static void check_fault(yyjson_val *event, RecordProblems *problems)
{
    if (yyjson_obj_get(event, FAULT_MEMBER)) {
        add(problems, STR(FAULT_MEMBER), PROBLEM_FAULT);
    }
}

Status cloudevent_open(yyjson_val *event, const RecordPolicy *policy, yyjson_val **ret_data, Str *ret_traceparent,
                       RecordProblems *problems)
{
    problems->count = problems->unknown_count = 0;
    problems->record_id = (Str){NULL, 0};
    if (!yyjson_is_obj(event)) {
        add(problems, (Str){NULL, 0}, "must be a JSON object: a CloudEvent");
        return STATUS_REFUSED;
    }
    const char *problem = json_check_keys(event, policy->hash_seed);
    if (problem) {
        add(problems, (Str){NULL, 0}, problem);
        return problem == json_keys_no_memory ? STATUS_BUSY : STATUS_REFUSED;
    }
    check_attributes(event, problems);
    if (policy->faults_refused) {
        check_fault(event, problems);
    }
    *ret_data = yyjson_obj_get(event, "data");
    *ret_traceparent = text_of(yyjson_obj_get(event, "traceparent"));
    return problems->count ? STATUS_REFUSED : STATUS_OK;
}

const char *cloudevent_check_headers(Str specversion, Str id, Str source, Str type)
{
    if (!str_is(specversion, VERSION)) {
        return "a CloudEvent's header for its specversion must be " VERSION;
    }
    return id.len && source.len && type.len ? NULL : "a CloudEvent needs headers for its id, source and type";
}

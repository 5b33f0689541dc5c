#include "http/fault.h"

static const char *const names[] = {
    [FAULT_NONE] = "no", [FAULT_BEFORE] = "before", [FAULT_DURING] = "during", [FAULT_AFTER] = "after"};

static bool parse(yyjson_val *value, Fault *ret_fault)
{
    if (yyjson_is_bool(value)) {
        *ret_fault = yyjson_get_bool(value) ? FAULT_DURING : FAULT_NONE;
        return true;
    }
    for (Fault fault = FAULT_BEFORE; fault <= FAULT_AFTER; fault++) {
        if (yyjson_equals_str(value, names[fault])) {
            *ret_fault = fault;
            return true;
        }
    }
    return false;
}

bool fault_read(Request *request, yyjson_val *value, Fault *ret_fault)
{
    yyjson_val *asked = yyjson_obj_get(value, FAULT_MEMBER);
    *ret_fault = FAULT_NONE;
    if (!asked) {
        return true;
    }
    if (!request_options(request)->policy->faults_allowed) {
        request_invalid(request, FAULT_MEMBER, "is not allowed here (faults.allow)");
    } else if (!parse(asked, ret_fault)) {
        request_invalid(request, FAULT_MEMBER, "must be before, during, after, true or false");
    } else {
        return true;
    }
    return false;
}

void fault_say(Request *request, Fault fault)
{
    request_problem(request, PROBLEM_INTERNAL,
                    "a failure %s the transaction was simulated, as asked for; send it again", names[fault]);
}

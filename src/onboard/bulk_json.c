#include "onboard/bulk_parts.h"

#include "record/record_check.h"

/* The array of organizations and nothing else that has a meaning. REFUSED or BUSY when there is none. */
static Status find_array(BulkReading *reading, yyjson_val *root, yyjson_val **ret_array)
{
    yyjson_val *found = NULL, *key;
    yyjson_obj_iter keys = yyjson_obj_iter_with(root);
    record_problems_reset(&reading->problems);
    while ((key = yyjson_obj_iter_next(&keys))) {
        Str name = {yyjson_get_str(key), yyjson_get_len(key)};
        if (!str_is(name, "organizations")) {
            record_problems_note_unknown(&reading->problems, name);
        } else if (found) {
            return bulk_refuse(reading, name, PROBLEM_TWICE);
        } else {
            found = yyjson_obj_iter_get_val(key);
        }
    }
    if (reading->policy->refuse_unknown_fields && reading->problems.unknown_count > 0) {
        return bulk_refuse(reading, reading->problems.unknown_fields[0], "is not known here");
    }
    *ret_array = found;
    return STATUS_OK;
}

static Status read_array(BulkReading *reading, yyjson_val *array)
{
    size_t index, count = yyjson_arr_size(array);
    yyjson_val *value;
    OrganizationContent content;
    if (count == 0 || count > ONBOARD_ITEMS_MAX) {
        reading->bulk->given = count;
        return bulk_refuse_count(reading);
    }
    Status status = bulk_reserve(reading, count);
    yyjson_arr_foreach(array, index, count, value)
    {
        if (status == STATUS_OK) {
            Status read = organization_from_json(value, ORGANIZATION_WHOLE, reading->policy, reading->arena, &content,
                                                 &reading->problems);
            status = bulk_add(reading, 0, read, &content);
        }
    }
    return status;
}

Status bulk_read_json(BulkReading *reading, char *text, size_t len)
{
    Error error;
    yyjson_val *root = NULL, *array = NULL;
    Status status = json_read(text, len, reading->arena, &root, &error);
    if (status != STATUS_OK) {
        return status == STATUS_REFUSED ? bulk_refuse_text(reading, "", &error) : status;
    }
    if (yyjson_is_arr(root)) {
        return read_array(reading, root);
    }
    status = yyjson_is_obj(root) ? find_array(reading, root, &array) : STATUS_OK;
    if (status == STATUS_OK && !yyjson_is_arr(array)) {
        return bulk_refuse(reading, STR("organizations"), "must be an array of 1 to 1000 organizations");
    }
    if (status == STATUS_OK) {
        bulk_add_warnings(reading);
        status = read_array(reading, array);
    }
    return status;
}

#include "onboard/organization.h"

#include <unicode/uchar.h>

#include "onboard/domain.h"
#include "onboard/metadata.h"
#include "record/json_keys.h"
#include "record/record_check.h"

enum { NAME_CODE_POINTS_MAX = 255, NAME_BYTES_MAX = 4 * NAME_CODE_POINTS_MAX, SHOWN_BYTES_MAX = 64 };

const char *const organization_field_names[ORGANIZATION_FIELD_COUNT] = {"name", "domain", "contact_email", "metadata"};

static const Str byte_order_mark = {"\xEF\xBB\xBF", 3};

/* ---- Names ------------------------------------------------------------------------------------------------------- */

/* White space of any script. The text is UTF-8. */
static Str trim(Str text)
{
    Str trimmed = {text.ptr, 0};
    while (text.len > 0) {
        const char *at = text.ptr;
        if (!u_isUWhiteSpace((UChar32)str_take_code_point(&text))) {
            trimmed.ptr = trimmed.len > 0 ? trimmed.ptr : at;
            trimmed.len = (size_t)(text.ptr - trimmed.ptr);
        }
    }
    return trimmed;
}

/* Those that have no place in a line of text: C0 and C1, what separates lines, and what turns the direction of
 * everything behind it. */
static bool is_control(UChar32 c)
{
    int8_t type = u_charType(c);
    return type == U_CONTROL_CHAR || type == U_LINE_SEPARATOR || type == U_PARAGRAPH_SEPARATOR ||
           (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

static bool has_control(Str text)
{
    while (text.len > 0) {
        if (is_control((UChar32)str_take_code_point(&text))) {
            return true;
        }
    }
    return false;
}

static const char *normalise_name(Str text, Str *ret_name)
{
    if (str_count_code_points(text) < 0) {
        return "must be valid UTF-8";
    }
    Str name = trim(text);
    if (name.len == 0 || name.len > NAME_BYTES_MAX || str_count_code_points(name) > NAME_CODE_POINTS_MAX) {
        return PROBLEM_TEXT;
    }
    if (has_control(name)) {
        return "must not contain control characters";
    }
    *ret_name = name;
    return NULL;
}

/* ---- Fields ------------------------------------------------------------------------------------------------------ */

typedef struct Reading {
    const RecordPolicy *policy;
    Arena *arena;
    OrganizationContent *content;
    RecordProblems *problems;
} Reading;

static Str *field_of(OrganizationContent *content, OrganizationField field)
{
    switch (field) {
    case ORGANIZATION_NAME: return &content->name;
    case ORGANIZATION_DOMAIN: return &content->domain;
    case ORGANIZATION_CONTACT_EMAIL: return &content->contact_email;
    default: return &content->metadata;
    }
}

static Status take_text(Reading *reading, OrganizationField field, Str text, const char **ret_problem)
{
    Str *ret_text = field_of(reading->content, field);
    switch (field) {
    case ORGANIZATION_NAME:
        *ret_problem = normalise_name(text, ret_text);
        return *ret_problem ? STATUS_REFUSED : STATUS_OK;
    case ORGANIZATION_DOMAIN: return domain_normalise(text, reading->arena, ret_text, ret_problem);
    case ORGANIZATION_CONTACT_EMAIL: return email_normalise(text, reading->arena, ret_text, ret_problem);
    default: return metadata_from_text(text, reading->policy->hash_seed, reading->arena, ret_text, ret_problem);
    }
}

static Status take_value(Reading *reading, OrganizationField field, yyjson_val *value, const char **ret_problem)
{
    bool is_metadata = field == ORGANIZATION_METADATA;
    Str *ret_text = field_of(reading->content, field);
    if (is_metadata && yyjson_is_null(value)) {
        *ret_text = STR("");
        return STATUS_OK;
    }
    if (is_metadata) {
        return metadata_from_json(value, reading->policy->hash_seed, reading->arena, ret_text, ret_problem);
    }
    if (yyjson_is_str(value)) {
        return take_text(reading, field, (Str){yyjson_get_str(value), yyjson_get_len(value)}, ret_problem);
    }
    *ret_problem = yyjson_is_null(value) ? "must not be null" : "must be a string";
    return STATUS_REFUSED;
}

/* A field that was read, or not: with its problem noted it is dealt with. */
static Status note(Reading *reading, OrganizationField field, Status status, const char *problem)
{
    if (status == STATUS_REFUSED) {
        record_problems_add(reading->problems, str_from(organization_field_names[field]), problem);
        status = STATUS_OK;
    }
    return status;
}

static Status note_missing(Reading *reading, OrganizationField field)
{
    bool is_required = field != ORGANIZATION_METADATA;
    return is_required ? note(reading, field, STATUS_REFUSED, PROBLEM_REQUIRED) : STATUS_OK;
}

static int find_field(Str name)
{
    for (int field = 0; field < ORGANIZATION_FIELD_COUNT; field++) {
        if (str_is(name, organization_field_names[field])) {
            return field;
        }
    }
    return -1;
}

#define UNKNOWN "is not a field of an organization"

static const char *unknown_problem(Str name)
{
    static const char *const suggestions[ORGANIZATION_FIELD_COUNT] = {
        UNKNOWN "; did you mean name?",
        UNKNOWN "; did you mean domain?",
        UNKNOWN "; did you mean contact_email?",
        UNKNOWN "; did you mean metadata?",
    };
    const unsigned far = 2;
    for (size_t field = 0; field < ORGANIZATION_FIELD_COUNT; field++) {
        unsigned distance = str_distance(name, str_from(organization_field_names[field]), far);
        if (distance <= far && 2 * distance < name.len) {
            return suggestions[field];
        }
    }
    return UNKNOWN;
}

static void note_unknown(RecordProblems *problems, const RecordPolicy *policy, Str name)
{
    record_problems_note_unknown(problems, name);
    if (policy->refuse_unknown_fields) {
        record_problems_add(problems, name, unknown_problem(name));
    }
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

typedef struct Members {
    yyjson_val *value[ORGANIZATION_FIELD_COUNT]; /* NULL when missing; the first when given twice */
    bool twice[ORGANIZATION_FIELD_COUNT];
    size_t known, unknown; /* how many */
} Members;

static void find_members(yyjson_val *object, Members *ret_members)
{
    yyjson_obj_iter keys = yyjson_obj_iter_with(object);
    *ret_members = (Members){.known = 0};
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&keys));) {
        Str name = {yyjson_get_str(key), yyjson_get_len(key)};
        int field = find_field(name);
        if (field < 0) {
            ret_members->unknown++;
        } else if (ret_members->value[field]) {
            ret_members->twice[field] = true;
        } else {
            ret_members->known++;
            ret_members->value[field] = yyjson_obj_iter_get_val(key);
        }
    }
}

static Status take_member(Reading *reading, OrganizationField field, const Members *members, OrganizationExtent extent)
{
    const char *problem = PROBLEM_TWICE;
    yyjson_val *value = members->value[field];
    if (!value) {
        return extent == ORGANIZATION_WHOLE ? note_missing(reading, field) : STATUS_OK;
    }
    Status status = members->twice[field] ? STATUS_REFUSED : take_value(reading, field, value, &problem);
    return note(reading, field, status, problem);
}

/* A second walk, because most organizations have none of these, and what is wrong with their fields comes first. */
static Status take_unknown(Reading *reading, yyjson_val *object)
{
    yyjson_obj_iter keys = yyjson_obj_iter_with(object);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&keys));) {
        Str name = {yyjson_get_str(key), yyjson_get_len(key)};
        if (find_field(name) < 0) {
            note_unknown(reading->problems, reading->policy, name);
        }
    }
    const char *problem = json_check_keys(object, reading->policy->hash_seed);
    if (problem && problem != json_keys_no_memory && reading->problems->count == 0) {
        record_problems_add_whole(reading->problems, problem);
    }
    return problem == json_keys_no_memory ? STATUS_BUSY : STATUS_OK;
}

static Status finish(const Reading *reading, Status status)
{
    return status == STATUS_OK && reading->problems->count > 0 ? STATUS_REFUSED : status;
}

Status organization_from_json(yyjson_val *value, OrganizationExtent extent, const RecordPolicy *policy, Arena *arena,
                              OrganizationContent *ret_content, RecordProblems *problems)
{
    Reading reading = {policy, arena, ret_content, problems};
    Members members;
    record_problems_reset(problems);
    *ret_content = (OrganizationContent){{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    if (!yyjson_is_obj(value)) {
        record_problems_add_whole(problems, "must be a JSON object");
        return STATUS_REFUSED;
    }
    find_members(value, &members);
    if (extent == ORGANIZATION_PARTS && members.known == 0) {
        record_problems_add_whole(problems, "must have one of the fields name, domain, contact_email and metadata");
    }
    Status status = STATUS_OK;
    for (OrganizationField field = 0; status == STATUS_OK && field < ORGANIZATION_FIELD_COUNT; field++) {
        status = take_member(&reading, field, &members, extent);
    }
    return finish(&reading, status == STATUS_OK && members.unknown > 0 ? take_unknown(&reading, value) : status);
}

/* ---- CSV --------------------------------------------------------------------------------------------------------- */

static int find_column(Str name)
{
    for (int field = 0; field < ORGANIZATION_FIELD_COUNT; field++) {
        if (str_equal_nocase(name, str_from(organization_field_names[field]))) {
            return field;
        }
    }
    return -1;
}

static Status check_missing(const OrganizationColumns *columns, Error *reterr)
{
    for (size_t field = 0; field < ORGANIZATION_FIELD_COUNT; field++) {
        if (columns->column_of[field] < 0 && field != ORGANIZATION_METADATA) {
            return error_set(reterr, STATUS_REFUSED, "the CSV header has no column %s%s",
                             organization_field_names[field],
                             columns->columns == 1 ? "; columns are separated by commas" : "");
        }
    }
    return STATUS_OK;
}

static Status take_column(OrganizationColumns *columns, size_t at, Str name, const RecordPolicy *policy,
                          RecordProblems *problems, Error *reterr)
{
    int field = find_column(name);
    if (str_count_code_points(name) < 0) {
        return error_set(reterr, STATUS_REFUSED, "the name of the CSV header's column %zu is not valid UTF-8", at + 1);
    }
    if (field < 0 && policy->refuse_unknown_fields) {
        Str shown = str_cut(name, SHOWN_BYTES_MAX);
        return error_set(reterr, STATUS_REFUSED, "the CSV header's column %zu, \"%.*s\", %s", at + 1, STR_ARGS(shown),
                         unknown_problem(name));
    }
    if (field < 0) {
        record_problems_note_unknown(problems, name);
        return STATUS_OK;
    }
    if (columns->column_of[field] >= 0) {
        return error_set(reterr, STATUS_REFUSED, "the CSV header has the column %s twice",
                         organization_field_names[field]);
    }
    columns->column_of[field] = (int)at;
    return STATUS_OK;
}

Status organization_columns_parse(const Str *names, size_t count, const RecordPolicy *policy,
                                  OrganizationColumns *ret_columns, RecordProblems *problems, Error *reterr)
{
    OrganizationColumns columns = {.columns = count};
    Status status = STATUS_OK;
    record_problems_reset(problems);
    memset(columns.column_of, 0xFF, sizeof columns.column_of);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        Str name = names[i];
        if (i == 0 && str_starts_with(name, byte_order_mark)) {
            name = (Str){name.ptr + byte_order_mark.len, name.len - byte_order_mark.len};
        }
        status = take_column(&columns, i, str_trim(name), policy, problems, reterr);
    }
    status = status == STATUS_OK ? check_missing(&columns, reterr) : status;
    if (status == STATUS_OK) {
        *ret_columns = columns;
    }
    return status;
}

Status organization_from_csv(const Str *cells, size_t count, const OrganizationColumns *columns,
                             const RecordPolicy *policy, Arena *arena, OrganizationContent *ret_content,
                             RecordProblems *problems)
{
    Reading reading = {policy, arena, ret_content, problems};
    Status status = STATUS_OK;
    record_problems_reset(problems);
    *ret_content = (OrganizationContent){{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    if (count != columns->columns) {
        record_problems_add_whole(problems, "must have as many cells as the CSV header has columns");
        return STATUS_REFUSED;
    }
    for (OrganizationField field = 0; status == STATUS_OK && field < ORGANIZATION_FIELD_COUNT; field++) {
        int column = columns->column_of[field];
        const char *problem = NULL;
        if (column < 0 || cells[column].len == 0) {
            status = note_missing(&reading, field);
        } else {
            status = take_text(&reading, field, cells[column], &problem);
            status = note(&reading, field, status, problem);
        }
    }
    return finish(&reading, status);
}

void organization_problems_put_json(Buf *buf, const RecordProblems *problems)
{
    buf_put_char(buf, '{');
    field_problems_put(buf, "", "organization", problems->items, problems->count);
    buf_put_char(buf, '}');
}

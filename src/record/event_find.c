#include "record/event_find.h"

#include "record/json_keys.h"
#include "record/record_check.h"

enum { SEEN_WORDS = (MAPPING_NODES_MAX + 63) / 64, NODE_BITS = 64, SHOWN_BYTES_MAX = 128 };

static Str text_of(yyjson_val *value) { return (Str){yyjson_get_str(value), yyjson_get_len(value)}; }

/* An object or an array that paths go on into is on the way to something, and nothing itself. */
static bool is_on_the_way(const MappingNode *node, yyjson_val *value)
{
    return (node->leads_on && yyjson_is_obj(value)) || (node->leads_into_array && yyjson_is_arr(value));
}

/* ---- Finding ----------------------------------------------------------------------------------------------------- */

typedef struct Walk {
    EventFields *fields;
    uint64_t seen[SEEN_WORDS]; /* the nodes that were met; cleared as far as the plan has nodes */
} Walk;

static void offer(EventFields *fields, uint16_t node, yyjson_val *value)
{
    const MappingNode *at = &fields->plan->nodes[node];
    for (EventPart part = 0; part < EVENT_PART_COUNT; part++) {
        EventField *best = &fields->parts[part];
        if (at->rank[part] == MAPPING_NO_RANK) {
            continue;
        }
        fields->is_odd |= best->value != NULL; /* one of the two is not taken */
        if (!best->value || at->rank[part] < fields->plan->nodes[best->node].rank[part]) {
            *best = (EventField){value, node};
        }
    }
    if (at->extra != MAPPING_NO_RANK) {
        fields->extra[at->extra] = (EventField){value, node};
    }
}

static void find_in(Walk *walk, uint16_t node, yyjson_val *value);

static void meet(Walk *walk, uint16_t node, yyjson_val *value)
{
    const MappingNode *at = &walk->fields->plan->nodes[node];
    uint64_t *seen = &walk->seen[node / NODE_BITS], bit = UINT64_C(1) << node % NODE_BITS;
    if (node == 0 || *seen & bit) { /* unknown, or a key that is there twice */
        walk->fields->is_odd = true;
        return;
    }
    *seen |= bit;
    if (yyjson_is_null(value)) {
        return;
    }
    if (is_on_the_way(at, value)) {
        find_in(walk, node, value);
    } else if (at->ends) {
        offer(walk->fields, node, value);
    } else {
        walk->fields->is_odd = true;
    }
}

static uint16_t step_to_place(const MappingPlan *plan, uint16_t node, size_t place)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%zu", place);
    return mapping_plan_step(plan, node, (Str){digits, (size_t)len});
}

/* As deep as the longest path, which is MAPPING_DEPTH_MAX. */
static void find_in(Walk *walk, uint16_t node, yyjson_val *value)
{
    const MappingPlan *plan = walk->fields->plan;
    if (yyjson_is_obj(value)) {
        yyjson_obj_iter keys = yyjson_obj_iter_with(value);
        for (yyjson_val *key; (key = yyjson_obj_iter_next(&keys));) {
            meet(walk, mapping_plan_step(plan, node, text_of(key)), yyjson_obj_iter_get_val(key));
        }
        return;
    }
    yyjson_arr_iter items = yyjson_arr_iter_with(value);
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&items));) {
        meet(walk, step_to_place(plan, node, items.idx - 1), item);
    }
}

void event_fields_find(yyjson_val *event, const Mapping *mapping, EventFields *ret_fields)
{
    Walk walk;
    const MappingPlan *plan = mapping_plan(mapping);
    walk.fields = ret_fields;
    memset(walk.seen, 0, (plan->count + NODE_BITS - 1) / NODE_BITS * sizeof *walk.seen);
    ret_fields->mapping = mapping;
    ret_fields->plan = plan;
    ret_fields->is_odd = false;
    memset(ret_fields->parts, 0, sizeof ret_fields->parts);
    memset(ret_fields->extra, 0, plan->extra_count * sizeof *ret_fields->extra);
    find_in(&walk, 0, event);
}

/* ---- Reporting --------------------------------------------------------------------------------------------------- */

/* A second walk, because most events have nothing to report. */
typedef struct Report {
    const EventFields *fields;
    const RecordPolicy *policy;
    Arena *arena;
    RecordProblems *problems;
    bool is_starved;
} Report;

static bool is_plain_key(Str key)
{
    return key.len == 0 || (!memchr(key.ptr, '.', key.len) && !memchr(key.ptr, '\\', key.len));
}

/* The path of a key of the node's object, spelt as in mappings. */
static Str spell_path(Report *report, uint16_t node, Str key)
{
    Str front = report->fields->plan->nodes[node].path, last = key;
    if (!is_plain_key(last)) {
        last = mapping_path_text(&(EventPath){.keys = {last}, .depth = 1}, 1, report->arena);
        report->is_starved |= !last.ptr;
    }
    if (node == 0) {
        return last;
    }
    char *whole = arena_alloc(report->arena, front.len + 1 + last.len);
    report->is_starved |= !whole;
    if (report->is_starved) {
        return (Str){NULL, 0};
    }
    memcpy(whole, front.ptr, front.len);
    whole[front.len] = '.';
    memcpy(whole + front.len + 1, last.ptr, last.len);
    return (Str){whole, front.len + 1 + last.len};
}

/* As much of the path as is shown, so that it takes no more memory than that. A key of a client's can be of any
 * length. */
static Str path_of(Report *report, uint16_t node, Str key)
{
    char shown[SHOWN_BYTES_MAX];
    Str last = str_cut(key, SHOWN_BYTES_MAX);
    if (node == 0 && is_plain_key(last)) {
        return last;
    }
    ArenaMark mark = arena_mark(report->arena);
    Str path = str_cut(spell_path(report, node, last), sizeof shown);
    if (report->is_starved) {
        return (Str){NULL, 0};
    }
    memcpy(shown, path.ptr, path.len);
    arena_rewind(report->arena, mark);
    Str copy = arena_copy(report->arena, (Str){shown, path.len});
    report->is_starved |= !copy.ptr;
    return copy;
}

static void report_problem(Report *report, uint16_t node, Str key, const char *problem)
{
    if (report->problems->count < RECORD_PROBLEMS_MAX) {
        record_problems_add(report->problems, path_of(report, node, key), problem);
    }
}

static void report_unknown(Report *report, Str path)
{
    RecordPolicy only_warn = *report->policy;
    only_warn.refuse_unknown_fields = false;
    record_problems_add_unknown(report->problems, path, &only_warn);
    if (report->policy->refuse_unknown_fields) {
        record_problems_add(report->problems, path, "is not a field that the mapping takes");
    }
}

/* What cannot be listed any more needs no path. */
static bool is_full(const Report *report)
{
    return report->problems->unknown_count >= RECORD_WARNINGS_MAX &&
           (!report->policy->refuse_unknown_fields || report->problems->count == RECORD_PROBLEMS_MAX);
}

static void report_key(Report *report, uint16_t node, Str key, yyjson_val *value)
{
    const char *problem = json_check_keys(value, report->policy->hash_seed);
    bool is_fault = node == 0 && str_equal(key, STR(FAULT_MEMBER));
    bool is_nothing = yyjson_is_null(value) || is_fault;
    if (problem == json_keys_no_memory) {
        report->is_starved = true;
    } else if (problem) {
        report_problem(report, node, key, problem);
    } else if (is_fault && report->policy->faults_refused) {
        report_problem(report, node, key, PROBLEM_FAULT);
    } else if (!is_nothing && is_full(report)) {
        report->problems->unknown_count++;
    } else if (!is_nothing) {
        report_unknown(report, path_of(report, node, key));
    }
}

static Str spelling_of(yyjson_val *value)
{
    return yyjson_is_raw(value) ? (Str){yyjson_get_raw(value), yyjson_get_len(value)} : text_of(value);
}

/* Something at a path is left over when another path was taken for it, unless that says the same. */
static bool is_left_over(const EventFields *fields, uint16_t node, yyjson_val *value)
{
    const MappingNode *at = &fields->plan->nodes[node];
    bool is_left = false;
    if (at->extra != MAPPING_NO_RANK) {
        return false;
    }
    for (EventPart part = 0; part < EVENT_PART_COUNT; part++) {
        const EventField *taken = &fields->parts[part];
        if (at->rank[part] == MAPPING_NO_RANK) {
            continue;
        }
        if (taken->node == node) {
            return false;
        }
        is_left |= yyjson_get_type(value) != yyjson_get_type(taken->value) ||
                   !str_equal(spelling_of(value), spelling_of(taken->value));
    }
    return is_left;
}

static void report_in(Report *report, uint16_t node, yyjson_val *value);

static void report_node(Report *report, uint16_t parent, Str key, uint16_t node, yyjson_val *value)
{
    const MappingNode *at = &report->fields->plan->nodes[node];
    if (node == 0) {
        report_key(report, parent, key, value);
    } else if (is_on_the_way(at, value)) {
        report_in(report, node, value);
    } else if (!yyjson_is_null(value) && (!at->ends || is_left_over(report->fields, node, value))) {
        report_key(report, parent, key, value);
    }
}

static void report_array(Report *report, uint16_t node, yyjson_val *array)
{
    yyjson_arr_iter items = yyjson_arr_iter_with(array);
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&items));) {
        char digits[24];
        int len = snprintf(digits, sizeof digits, "%zu", items.idx - 1);
        Str key = {digits, (size_t)len};
        report_node(report, node, key, mapping_plan_step(report->fields->plan, node, key), item);
    }
}

static void report_object(Report *report, uint16_t node, yyjson_val *object)
{
    KeySet keys;
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    if (!key_set_init(&keys, yyjson_obj_size(object), report->policy->hash_seed)) {
        report->is_starved = true;
        return;
    }
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        if (!key_set_add(&keys, key)) {
            report_problem(report, node, text_of(key), PROBLEM_TWICE);
        } else {
            report_node(report, node, text_of(key), mapping_plan_step(report->fields->plan, node, text_of(key)), value);
        }
    }
    key_set_release(&keys);
}

static void report_in(Report *report, uint16_t node, yyjson_val *value)
{
    if (yyjson_is_obj(value)) {
        report_object(report, node, value);
    } else {
        report_array(report, node, value);
    }
}

Status event_fields_report(yyjson_val *event, const EventFields *fields, const RecordPolicy *policy, Arena *arena,
                           RecordProblems *problems)
{
    Report report = {fields, policy, arena, problems, false};
    report_in(&report, 0, event);
    return report.is_starved ? STATUS_BUSY : STATUS_OK;
}

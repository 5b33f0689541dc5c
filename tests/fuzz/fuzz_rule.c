/* Alert rules as JSON: what is taken comes back when it is written and read again. */
#include "fuzz.h"

#include "http/rule_json.h"
#include "record/json_keys.h"
#include "record/record_json.h"

enum { SCALE = 2, ARENA_BYTES_MAX = 1 << 24 };

static void check_text(Str text, bool may_be_empty)
{
    int64_t points = text.len ? str_count_code_points(text) : 0;
    PROMISE(points >= !may_be_empty && points <= RECORD_TEXT_CODE_POINTS_MAX);
    PROMISE(text.len == 0 || !memchr(text.ptr, '\0', text.len));
}

static void put_rule(Buf *buf, const AlertRule *rule)
{
    char threshold[48];
    const struct {
        const char *name;
        Str text;
    } texts[] = {{"name", rule->name},
                 {"sourceId", rule->source_id},
                 {"destinationId", rule->destination_id},
                 {"unit", rule->unit},
                 {"reference", rule->reference}};
    buf_put_char(buf, '{');
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i].text.len) {
            buf_put_key(buf, texts[i].name);
            buf_put_json(buf, texts[i].text);
        }
    }
    snprintf(threshold, sizeof threshold, "%llde-%d", (long long)rule->threshold, SCALE);
    buf_put_key(buf, "threshold");
    buf_put(buf, str_from(threshold));
    buf_put_key(buf, "measure");
    buf_put_json(buf, str_from(rule_measure_name(rule->measure)));
    buf_put_key(buf, "type");
    buf_put(buf, rule->type < 0 ? STR("null") : rule->type ? STR("\"negative\"") : STR("\"positive\""));
    buf_printf(buf, ",\"enabled\":%s}", rule->enabled ? "true" : "false");
}

static bool same_rules(const AlertRule *a, const AlertRule *b)
{
    return str_equal(a->name, b->name) && str_equal(a->source_id, b->source_id) &&
           str_equal(a->destination_id, b->destination_id) && str_equal(a->unit, b->unit) &&
           str_equal(a->reference, b->reference) && a->type == b->type && a->measure == b->measure &&
           a->threshold == b->threshold && a->enabled == b->enabled;
}

static yyjson_val *read_back(Buf *buf, Arena *arena)
{
    Error error;
    yyjson_val *root = NULL;
    size_t len = buf->len;
    PROMISE(buf_reserve(buf, YYJSON_PADDING_SIZE) != NULL);
    memset(buf->ptr + len, 0, YYJSON_PADDING_SIZE);
    PROMISE(json_read(buf->ptr, len, arena, &root, &error) == STATUS_OK);
    return root;
}

static void check_written(const AlertRule *rule, Arena *arena)
{
    Buf buf;
    AlertRule back = rule_default();
    QueryProblems problems;
    buf_init(&buf, 1 << 20);
    put_rule(&buf, rule);
    PROMISE(rule_apply_json(&back, read_back(&buf, arena), SCALE, &problems) == STATUS_OK);
    PROMISE(same_rules(rule, &back));
    buf_reset(&buf);
    rule_put_json(&buf, rule, SCALE);
    yyjson_val *shown = read_back(&buf, arena);
    Str name = {yyjson_get_str(yyjson_obj_get(shown, "name")), yyjson_get_len(yyjson_obj_get(shown, "name"))};
    PROMISE(yyjson_is_obj(shown) && str_equal(name, rule->name));
    PROMISE(yyjson_is_null(yyjson_obj_get(shown, "unit")) == (rule->unit.len == 0));
    PROMISE(!json_check_keys(shown, 1));
    buf_release(&buf);
}

static void check_good(AlertRule *rule, Arena *arena)
{
    QueryProblems problems = {.count = 0};
    check_text(rule->name, true);
    check_text(rule->source_id, true);
    check_text(rule->destination_id, true);
    check_text(rule->unit, true);
    check_text(rule->reference, true);
    PROMISE(rule->type >= -1 && rule->type <= RECORD_NEGATIVE);
    rule_require(rule, true, &problems);
    PROMISE((problems.count == 0) == (rule->name.len > 0 && rule->threshold > 0));
    if (problems.count == 0) {
        check_written(rule, arena);
    }
}

static void check_problems(const QueryProblems *problems)
{
    PROMISE(problems->count > 0 && problems->count <= QUERY_PROBLEMS_MAX);
    for (size_t i = 0; i < problems->count; i++) {
        PROMISE(str_count_code_points(str_from(problems->items[i].field)) >= 0);
        PROMISE(problems->items[i].problem[0] != '\0');
    }
}

/* A new rule, or a change to one that has a version. */
static void check_rule(yyjson_val *root, bool is_change, Arena *arena)
{
    QueryProblems problems;
    AlertRule rule = rule_default();
    if (is_change) {
        rule.id = 7;
        rule.version = 3;
        rule.name = STR("old");
        rule.threshold = 100;
    }
    Status status = rule_apply_json(&rule, root, SCALE, &problems);
    PROMISE(status == STATUS_OK || status == STATUS_REFUSED || (is_change && status == STATUS_CONFLICT));
    if (status == STATUS_REFUSED) {
        check_problems(&problems);
    } else {
        check_good(&rule, arena);
        PROMISE(!json_check_keys(root, 1));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena arena;
    Error error;
    yyjson_val *root;
    char *text = malloc(size + YYJSON_PADDING_SIZE);
    PROMISE(text != NULL);
    memcpy(text, data, size);
    memset(text + size, 0, YYJSON_PADDING_SIZE);
    arena_init(&arena, 4096, ARENA_BYTES_MAX);
    if (json_read(text, size, &arena, &root, &error) == STATUS_OK) {
        check_rule(root, false, &arena);
        check_rule(root, true, &arena);
    }
    arena_release(&arena);
    free(text);
    return 0;
}

/* Configuration: as a file (first byte even) or as variables of the environment, one a line. What was understood is
 * written as a file again, and says the same. */
#include "memory_file.h"

#include <yyjson.h>

#include "config/sinks_table.h"
#include "deliver/sink_config.h"
#include "record/mapping_config.h"

enum { VARIABLES_MAX = 32, BYTES_MAX = 1 << 22 };

static Status load_file(Str text, Config **ret_config, Error *reterr)
{
    ConfigInput input = {.file = memory_file(text.ptr, text.len)};
    return config_load(&input, ret_config, reterr);
}

static Status load_environment(char *text, Config **ret_config, Error *reterr)
{
    const char *variables[VARIABLES_MAX + 1] = {NULL};
    for (size_t i = 0; i < VARIABLES_MAX && text; i++) {
        variables[i] = strsep(&text, "\n");
    }
    ConfigInput input = {.environment = variables};
    return config_load(&input, ret_config, reterr);
}

/* Visits every value that there is: of the plain options (without a member), then of each member those that it
 * takes. */
typedef void Visit(void *context, const ConfigMember *member, const Option *option, unsigned id);

static void visit_members(const Config *config, OptionGroupId group, Visit *visit, void *context)
{
    const OptionTable *table = &option_groups[group]->table;
    for (unsigned i = 0; i < config_member_count(config, group); i++) {
        const ConfigMember *member = config_member(config, group, i);
        for (unsigned id = 0; id < table->count; id++) {
            if (config_member_takes(member, id)) {
                visit(context, member, &table->items[id], id);
            }
        }
    }
}

static void visit_all(const Config *config, Visit *visit, void *context)
{
    for (OptionId id = 0; id < OPTION_COUNT; id++) {
        visit(context, NULL, &option_table[id], id);
    }
    for (OptionGroupId group = 0; group < OPTION_GROUP_COUNT; group++) {
        visit_members(config, group, visit, context);
    }
}

typedef struct Check {
    const Config *config;
    yyjson_val *json;
    size_t count;
    bool is_utf8, hides;
} Check;

static Str text_of(const Check *check, const ConfigMember *member, unsigned id)
{
    return str_from(member ? config_member_text(member, id) : config_text(check->config, id));
}

static int64_t number_of(const Check *check, const ConfigMember *member, unsigned id)
{
    return member ? config_member_int(member, id) : config_int(check->config, id);
}

static void check_value(void *context, const ConfigMember *member, const Option *option, unsigned id)
{
    Check *check = context;
    Str text = text_of(check, member, id);
    int64_t number = number_of(check, member, id), again = -1;
    unsigned scale = (unsigned)config_int(check->config, OPTION_STORE_SCALE);
    Error error;
    PROMISE(text.ptr && (member ? config_member_where(member, id) : config_where(check->config, id))[0]);
    PROMISE((!option->min && !option->max) || (option->marks & OPTION_LIST) ||
            (number >= option->min && number <= option->max));
    PROMISE(option_parse(option, text, scale, &again, &error) == STATUS_OK && again == number);
}

static void check_members(const Config *config)
{
    for (OptionGroupId group = 0; group < OPTION_GROUP_COUNT; group++) {
        const char *last = "";
        PROMISE(config_member_count(config, group) <= option_groups[group]->members_max);
        for (unsigned i = 0; i < config_member_count(config, group); i++) {
            const char *name = config_member_name(config_member(config, group, i));
            PROMISE(option_is_member_name(str_from(name)) && strcmp(last, name) < 0);
            PROMISE(!option_groups[group]->has_kinds || config_member_text(config_member(config, group, i), 0)[0]);
            last = name;
        }
    }
}

static bool hides_any(const Option *option, Str text)
{
    Buf shown;
    Str item = text;
    bool hides = false;
    OptionItems items = option_items(text);
    bool is_list = option->marks & OPTION_LIST;
    for (bool more = !is_list || option_items_next(&items, &item); more;
         more = is_list && option_items_next(&items, &item)) {
        buf_init(&shown, BYTES_MAX);
        option_put_shown(&shown, option, item);
        hides |= !str_equal(buf_str(&shown), item);
        buf_release(&shown);
    }
    return hides;
}

/* Whether texts are valid, and whether something in them is not shown. */
static void look(void *context, const ConfigMember *member, const Option *option, unsigned id)
{
    Check *check = context;
    Str text = text_of(check, member, id);
    check->is_utf8 &= str_count_code_points(text) >= 0;
    check->hides |= hides_any(option, text);
    check->count++;
}

static void check_json_value(void *context, const ConfigMember *member, const Option *option, unsigned id)
{
    Check *check = context;
    char name[256];
    Buf shown;
    snprintf(name, sizeof name, "%s%s%s%s", member ? "sinks." : "", member ? config_member_name(member) : "",
             member ? "." : "", option->name);
    buf_init(&shown, BYTES_MAX);
    option_put_all_shown(&shown, option, text_of(check, member, id));
    yyjson_val *value = yyjson_obj_get(yyjson_obj_get(check->json, name), "value");
    PROMISE(yyjson_equals_strn(value, shown.ptr ? shown.ptr : "", shown.len));
    buf_release(&shown);
}

static void check_json(Check *check)
{
    Buf buf;
    buf_init(&buf, BYTES_MAX);
    config_put_json(&buf, check->config);
    PROMISE(!buf.failed);
    yyjson_doc *doc = yyjson_read(buf.ptr, buf.len, YYJSON_READ_NOFLAG);
    check->json = yyjson_doc_get_root(doc);
    PROMISE(yyjson_obj_size(check->json) == check->count);
    if (check->is_utf8) {
        visit_all(check->config, check_json_value, check);
    }
    yyjson_doc_free(doc);
    buf_release(&buf);
}

/* A list may be written in another way than it was; what counts are its items. */
static void check_same_text(const Option *option, Str text, Str back)
{
    OptionItems items = option_items(text), back_items = option_items(back);
    Str item = {0}, back_item = {0};
    if (!(option->marks & OPTION_LIST)) {
        PROMISE(str_equal(text, back));
        return;
    }
    while (option_items_next(&items, &item)) {
        PROMISE(option_items_next(&back_items, &back_item) && str_equal(item, back_item));
    }
    PROMISE(!option_items_next(&back_items, &back_item));
}

/* The member of the same group and name in another configuration, where members are in the same order. */
static const ConfigMember *find_same(const Config *config, const ConfigMember *member, const Config *other)
{
    for (OptionGroupId group = 0; group < OPTION_GROUP_COUNT; group++) {
        for (unsigned i = 0; i < config_member_count(config, group); i++) {
            if (config_member(config, group, i) == member && i < config_member_count(other, group)) {
                return config_member(other, group, i);
            }
        }
    }
    return NULL;
}

static void check_same(void *context, const ConfigMember *member, const Option *option, unsigned id)
{
    Check *first = ((Check **)context)[0], *second = ((Check **)context)[1];
    const ConfigMember *other = member ? find_same(first->config, member, second->config) : NULL;
    PROMISE(!member == !other);
    PROMISE(!member || strcmp(config_member_name(member), config_member_name(other)) == 0);
    check_same_text(option, text_of(first, member, id), text_of(second, other, id));
    PROMISE(number_of(first, member, id) == number_of(second, other, id));
}

/* What was printed is a file that says the same; when something is hidden in it, it is refused. */
static void check_printed(Check *check)
{
    Buf buf;
    Config *back = NULL;
    Error error = {0};
    buf_init(&buf, BYTES_MAX);
    config_put_yaml(&buf, check->config);
    PROMISE(!buf.failed);
    Status status = load_file(buf_str(&buf), &back, &error);
    if (status != (check->hides ? STATUS_REFUSED : STATUS_OK)) {
        fprintf(stderr, "%s\n%.*s\n", error.message, (int)buf.len, buf.ptr);
    }
    PROMISE(status == (check->hides ? STATUS_REFUSED : STATUS_OK));
    if (status == STATUS_OK) {
        Check second = {.config = back};
        visit_all(check->config, check_same, (Check *[]){check, &second});
    }
    config_free(back);
    buf_release(&buf);
}

/* Secrets would be read from files that the input names, so that only sinks without are tried. */
static void check_sinks(const Config *config)
{
    SinkConfig sinks = {0};
    Error error = {0};
    for (unsigned i = 0; i < config_member_count(config, OPTION_SINKS); i++) {
        if (config_member_text(config_member(config, OPTION_SINKS, i), SINKS_SECRET_FILE)[0]) {
            return;
        }
    }
    Status status = sink_config_read(config, &sinks, &error);
    PROMISE(status == STATUS_OK || (status == STATUS_REFUSED && error.message[0]));
    PROMISE(sinks.count <= config_member_count(config, OPTION_SINKS));
    for (size_t i = 0; i < sinks.count; i++) {
        PROMISE(sinks.items[i].subscription.kinds && sinks.items[i].in_flight_max && sinks.items[i].schedule_count);
    }
    sink_config_release(&sinks);
}

static void check_mappings(const Config *config)
{
    MappingSet *mappings = NULL;
    Error error = {0};
    Status status = mapping_config_read(config, &mappings, &error);
    PROMISE(status == STATUS_OK || (status == STATUS_REFUSED && error.message[0]));
    for (unsigned i = 0; i < config_member_count(config, OPTION_MAPPINGS) && status == STATUS_OK; i++) {
        PROMISE(mapping_find(mappings, str_from(config_member_name(config_member(config, OPTION_MAPPINGS, i)))));
    }
    mapping_set_free(mappings);
}

static void check_config(const Config *config)
{
    Check check = {.config = config, .is_utf8 = true};
    visit_all(config, check_value, &check);
    visit_all(config, look, &check);
    check_members(config);
    check_json(&check);
    if (check.is_utf8) {
        check_printed(&check);
    }
    check_sinks(config);
    check_mappings(config);
    PROMISE(config_address(config, OPTION_HTTP_LISTEN).host[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Config *config = NULL;
    Error error = {0};
    bool is_environment = fuzz_take(&data, &size) & 1;
    char *text = malloc(size + 1);
    PROMISE(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    Status status =
        is_environment ? load_environment(text, &config, &error) : load_file((Str){text, size}, &config, &error);
    if (status == STATUS_OK) {
        check_config(config);
        config_free(config);
    } else {
        PROMISE(status == STATUS_REFUSED && error.message[0]);
    }
    free(text);
    return 0;
}

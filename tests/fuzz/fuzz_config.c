/* Configuration: as a file (first byte even) or as variables of the environment, one a line. What was understood is written as a
 * file again, and says the same. */
#include "memory_file.h"

#include <yyjson.h>

#include "config/config.h"

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

static void check_values(const Config *config)
{
    for (OptionId id = 0; id < OPTION_COUNT; id++) {
        const Option *option = &option_table[id];
        const char *text = config_text(config, id);
        int64_t number = config_int(config, id), again = -1;
        Error error;
        PROMISE(text && config_where(config, id)[0]);
        PROMISE((!option->min && !option->max) || (number >= option->min && number <= option->max));
        unsigned scale = (unsigned)config_int(config, OPTION_STORE_SCALE);
        PROMISE(option_parse(option, str_from(text), scale, &again, &error) == STATUS_OK && again == number);
    }
    PROMISE(config_address(config, OPTION_HTTP_LISTEN).host[0]);
}

static bool is_all_utf8(const Config *config)
{
    for (OptionId id = 0; id < OPTION_COUNT; id++) {
        if (str_count_code_points(str_from(config_text(config, id))) < 0) {
            return false;
        }
    }
    return true;
}

static void check_json(const Config *config)
{
    Buf buf;
    buf_init(&buf, BYTES_MAX);
    config_put_json(&buf, config);
    PROMISE(!buf.failed);
    yyjson_doc *doc = yyjson_read(buf.ptr, buf.len, YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(doc);
    PROMISE(yyjson_obj_size(root) == OPTION_COUNT);
    for (OptionId id = 0; id < OPTION_COUNT && is_all_utf8(config); id++) {
        yyjson_val *value = yyjson_obj_get(yyjson_obj_get(root, option_table[id].name), "value");
        PROMISE(yyjson_equals_str(value, config_text(config, id)));
    }
    yyjson_doc_free(doc);
    buf_release(&buf);
}

static void check_printed(const Config *config)
{
    Buf buf;
    Config *back = NULL;
    Error error = {0};
    buf_init(&buf, BYTES_MAX);
    config_put_yaml(&buf, config);
    PROMISE(!buf.failed);
    Status status = load_file(buf_str(&buf), &back, &error);
    if (status != STATUS_OK) {
        fprintf(stderr, "%s\n%.*s\n", error.message, (int)buf.len, buf.ptr);
    }
    PROMISE(status == STATUS_OK);
    for (OptionId id = 0; id < OPTION_COUNT; id++) {
        PROMISE(strcmp(config_text(back, id), config_text(config, id)) == 0);
        PROMISE(config_int(back, id) == config_int(config, id));
    }
    config_free(back);
    buf_release(&buf);
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
        check_values(config);
        check_json(config);
        if (is_all_utf8(config)) {
            check_printed(config);
        }
        config_free(config);
    } else {
        PROMISE(status == STATUS_REFUSED && error.message[0]);
    }
    free(text);
    return 0;
}

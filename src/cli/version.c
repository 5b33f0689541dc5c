/* weir version: what runs here, and with which libraries. */
#include <curl/curl.h>
#include <microhttpd.h>
#include <sqlite3.h>
#include <yaml.h>
#include <yyjson.h>

#include "cli/command.h"

typedef struct Part {
    const char *name, *version;
} Part;

static int print_parts(const Args *args, const Part *parts, size_t count)
{
    bool json = args_has(args, "json");
    Buf text;
    buf_init(&text, 4096);
    for (size_t i = 0; i < count; i++) {
        if (json) {
            buf_put(&text, i ? STR("") : STR("{"));
            buf_put_key(&text, parts[i].name);
            buf_put_json(&text, str_from(parts[i].version));
        } else {
            buf_printf(&text, "%s%s %s\n", i ? "  " : "", parts[i].name, parts[i].version);
        }
    }
    buf_put(&text, json ? STR("}\n") : STR(""));
    int code = command_print(args, buf_str(&text));
    buf_release(&text);
    return code;
}

static int run(const Args *args)
{
    char json_version[32];
    uint32_t number = yyjson_version();
    snprintf(json_version, sizeof json_version, "%u.%u.%u", number >> 16, number >> 8 & 255, number & 255);
    Part parts[] = {
        {"weir", WEIR_VERSION},
        {"sqlite", sqlite3_libversion()},
        {"libmicrohttpd", MHD_get_version()},
        {"yyjson", json_version},
        {"libyaml", yaml_get_version_string()},
        {"libcurl", curl_version_info(CURLVERSION_NOW)->version},
    };
    return print_parts(args, parts, sizeof parts / sizeof *parts);
}

const Command command_version = {
    .name = "version",
    .summary = "prints the version of the program and of its libraries",
    .description = "The libraries are those that it runs with, which may be newer than those it was built with.",
    .example = "weir version\nweir version --json\n",
    .exits = "0 printed\n",
    .flags = (const Flag *const[]){flags_json, NULL},
    .run = run,
};

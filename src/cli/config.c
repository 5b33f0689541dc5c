/* weir config, and the hidden weir docs. */
#include "cli/command.h"
#include "deliver/sink_config.h"
#include "intake/front_door_config.h"
#include "onboard/onboard_config.h"
#include "record/mapping_config.h"

enum { OUTPUT_BYTES_MAX = 4 << 20 };

static int print_config(const Args *args, const Config *config)
{
    Buf text;
    buf_init(&text, OUTPUT_BYTES_MAX);
    if (args_has(args, "json")) {
        config_put_json(&text, config);
    } else {
        config_put_yaml(&text, config);
    }
    int code = command_print(args, buf_str(&text));
    buf_release(&text);
    return code;
}

static int say_in_order(const Args *args)
{
    return command_print(args,
                         args_has(args, "json") ? STR("{\"ok\":true}\n") : STR("the configuration is in order\n"));
}

static int say_wrong(const Args *args, const Error *error)
{
    if (!args_has(args, "json")) {
        return command_fail(args, EXIT_USAGE, error);
    }
    Buf text;
    buf_init(&text, OUTPUT_BYTES_MAX);
    BUF_PUT(&text, "{\"ok\":false,\"problem\":");
    buf_put_json(&text, str_from(error->message));
    BUF_PUT(&text, "}\n");
    int code = command_print(args, buf_str(&text));
    buf_release(&text);
    return code == EXIT_OK ? EXIT_USAGE : code;
}

/* Of the store, what is made here needs no more than that there is one. */
static const StoreInfo some_store = {.epoch = 1};

/* Likewise for the service that organizations are onboarded with. */
static Status try_onboarding(const Config *config, const SinkConfig *sinks, Error *reterr)
{
    OnboardConfig onboarding;
    Sink *sink = NULL;
    Status status = onboard_config_read(config, sinks, &onboarding, reterr);
    if (status == STATUS_OK && onboarding.runner.sink) {
        SinkContext context = {
            .options = onboarding.runner.sink, .info = &some_store, .clock = &clock_system, .random = &random_system};
        status = sink_open(&context, &sink, reterr);
        sink_close(sink);
    }
    return status;
}

/* Makes each sink as a start does, which connects to nothing yet. */
static Status try_sinks(const Config *config, Error *reterr)
{
    SinkConfig sinks;
    Status status = sink_config_read(config, &sinks, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < sinks.count && status == STATUS_OK; i++) {
        SinkContext context = {
            .options = &sinks.items[i], .info = &some_store, .clock = &clock_system, .random = &random_system};
        Sink *sink = NULL;
        status = sink_open(&context, &sink, reterr);
        if (status != STATUS_OK) {
            error_prefix(reterr, "sinks.%s", sinks.items[i].name);
        }
        sink_close(sink);
    }
    if (status == STATUS_OK) {
        status = try_onboarding(config, &sinks, reterr);
    }
    sink_config_release(&sinks);
    return status;
}

static Status try_front_door(const Config *config, const SourceConfig *sources, Error *reterr)
{
    FrontDoorOptions options;
    FrontDoor *door = NULL;
    Status status = front_door_config_read(config, sources, &options, reterr);
    if (status != STATUS_OK || !options.source) {
        return status;
    }
    options.clock = &clock_system;
    status = front_door_kafka_open(&options, &door, reterr);
    if (status != STATUS_OK) {
        error_prefix(reterr, "http.front_door: sources.%s", options.source->name);
    }
    front_door_close(door);
    return status;
}

/* The same for the sources, and the front door that leads to one of them. */
static Status try_sources(const Config *config, Error *reterr)
{
    SourceConfig sources;
    Status status = source_config_read(config, &sources, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < sources.count && status == STATUS_OK; i++) {
        SourceContext context = {
            .options = &sources.items[i], .info = &some_store, .clock = &clock_system, .random = &random_system};
        Source *source = NULL;
        status = source_open(&context, &source, reterr);
        if (status != STATUS_OK) {
            error_prefix(reterr, "sources.%s", sources.items[i].name);
        }
        source_close(source);
    }
    if (status == STATUS_OK) {
        status = try_front_door(config, &sources, reterr);
    }
    source_config_release(&sources);
    return status;
}

static Status try_mappings(const Config *config, Error *reterr)
{
    MappingSet *mappings = NULL;
    SourceConfig sources = {0};
    Status status = mapping_config_read(config, &mappings, reterr);
    if (status == STATUS_OK) {
        status = source_config_read(config, &sources, reterr);
    }
    if (status == STATUS_OK) {
        status = source_config_check_mappings(&sources, mappings, reterr);
        source_config_release(&sources);
    }
    mapping_set_free(mappings);
    return status;
}

/* What a start would ask of the configuration beyond the options by themselves. */
static int check_config(const Args *args, const Config *config)
{
    Error error;
    bool is_fit = try_sinks(config, &error) == STATUS_OK && try_sources(config, &error) == STATUS_OK &&
                  try_mappings(config, &error) == STATUS_OK;
    return is_fit ? say_in_order(args) : say_wrong(args, &error);
}

static int run(const Args *args)
{
    bool print = strcmp(args_operand(args, 0), "print") == 0;
    if (!print && strcmp(args_operand(args, 0), "check") != 0) {
        return command_usage(args, "\"%s\" is neither print nor check", args_operand(args, 0));
    }
    Config *config = NULL;
    Error error;
    if (args_config(args, &config, &error) != STATUS_OK) {
        return say_wrong(args, &error);
    }
    int code = print ? print_config(args, config) : check_config(args, config);
    config_free(config);
    return code;
}

const Command command_config = {
    .name = "config",
    .summary = "prints the configuration, or checks it",
    .operands = "print|check",
    .operands_min = 1,
    .operands_max = 1,
    .description =
        "`print` writes every option with its value and where that is from: a flag, a variable of the environment, a "
        "line of the file, or the default. What it prints can be used as a file; keep the lines that you change, since "
        "what a file says holds for good. Secrets and passwords are printed as `***` and have to be put in again. "
        "`check` says whether everything is "
        "in order, or what is not and where.",
    .example = "weir config print --config weir.yaml\n"
               "WEIR_ALERTS_THRESHOLD=500 weir config check --config weir.yaml\n",
    .exits = "0 it is in order\n2 it is not: the message says where\n",
    .flags = (const Flag *const[]){flags_config, flags_data, flags_json, NULL},
    .run = run,
};

static int run_docs(const Args *args)
{
    Buf text;
    buf_init(&text, OUTPUT_BYTES_MAX);
    if (strcmp(args_operand(args, 0), "configuration") == 0) {
        config_put_markdown(&text);
    } else {
        help_put_markdown(&text);
    }
    int code = command_print(args, buf_str(&text));
    buf_release(&text);
    return code;
}

const Command command_docs = {
    .name = "docs",
    .summary = "writes a page of the documentation",
    .operands = "cli|configuration",
    .operands_min = 1,
    .operands_max = 1,
    .description = "Writes docs/cli.md or docs/configuration.md to standard output; scripts/docs.sh calls it.",
    .example = "weir docs cli\n",
    .exits = "0 written\n",
    .hidden = true,
    .run = run_docs,
};

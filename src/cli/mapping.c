/* weir mapping test: what a mapping makes of examples. */
#include <errno.h>

#include "base/decimal.h"
#include "base/timestamp.h"
#include "cli/command.h"
#include "cli/table.h"
#include "record/event.h"
#include "record/mapping_config.h"

enum {
    FILE_BYTES_MAX = 16 << 20,
    OUTPUT_BYTES_MAX = 256 << 20,
    ARENA_CHUNK = 1 << 16,
    FILE_ARENA_BYTES_MAX = 16 * FILE_BYTES_MAX, /* the densest JSON takes 12 bytes a byte */
};

typedef struct Trial {
    const Args *args;
    bool json;
    MappingSet *mappings;
    Str asked;
    RecordPolicy policy;
    Arena file, example; /* all of the file, and what one example takes */
    Buf out;
    size_t good, bad;
} Trial;

/* ---- One example ------------------------------------------------------------------------------------------------- */

static void put_line(Trial *trial, size_t start)
{
    Buf *out = &trial->out;
    if (!out->failed) {
        text_make_printable(out->ptr + start, out->len - start);
    }
    buf_put_char(out, '\n');
}

static void say_record(Trial *trial, const Event *event, Str canonical)
{
    Buf *out = &trial->out;
    const Record *record = &event->record;
    char value[DECIMAL_TEXT_BYTES_MAX], time[TIMESTAMP_TEXT_BYTES_MAX];
    size_t start = out->len;
    (void)decimal_format(record->value, trial->policy.scale, value);
    (void)timestamp_format(record->time_us, time);
    buf_printf(out, "     %.*s  %.*s  %s %s %.*s  %s", STR_ARGS(record->source_id), STR_ARGS(record->reference),
               record->type == RECORD_POSITIVE ? "positive" : "negative", value, STR_ARGS(record->unit), time);
    put_line(trial, start);
    buf_printf(out, "     %.*s\n", STR_ARGS(record->record_id));
    start = out->len;
    buf_printf(out, "     %.*s", STR_ARGS(canonical));
    put_line(trial, start);
}

static void say_problems(Trial *trial, const RecordProblems *problems)
{
    Buf *out = &trial->out;
    for (size_t i = 0; i < problems->count; i++) {
        Str field = problems->items[i].field;
        size_t start = out->len;
        buf_printf(out, "     %.*s %s", STR_ARGS(field.len > 0 ? field : STR("the event")), problems->items[i].problem);
        put_line(trial, start);
    }
}

static size_t listed_unknown(const RecordProblems *problems)
{
    return problems->unknown_count < RECORD_WARNINGS_MAX ? problems->unknown_count : RECORD_WARNINGS_MAX;
}

static void say_unknown(Trial *trial, const RecordProblems *problems)
{
    Buf *out = &trial->out;
    size_t start = out->len, listed = listed_unknown(problems);
    for (size_t i = 0; i < listed; i++) {
        buf_printf(out, "%s%.*s", i > 0 ? ", " : "     not taken: ", STR_ARGS(problems->unknown_fields[i]));
    }
    if (problems->unknown_count > listed) {
        buf_printf(out, " and %zu more", problems->unknown_count - listed);
    }
    if (listed > 0) {
        put_line(trial, start);
    }
}

static void put_record(Buf *out, const Record *record, unsigned scale)
{
    const struct {
        const char *name;
        Str text;
    } texts[] = {{"recordId", record->record_id},
                 {"sourceId", record->source_id},
                 {"destinationId", record->destination_id},
                 {"reference", record->reference},
                 {"unit", record->unit},
                 {"type", record->type == RECORD_POSITIVE ? STR("positive") : STR("negative")}};
    buf_put_char(out, '{');
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        buf_put_key(out, texts[i].name);
        buf_put_json(out, texts[i].text);
    }
    BUF_PUT(out, ",\"value\":");
    buf_put_decimal_json(out, record->value, scale);
    BUF_PUT(out, ",\"time\":");
    buf_put_time_json(out, record->time_us);
    buf_put_char(out, '}');
}

static void put_unknown(Buf *out, const RecordProblems *problems)
{
    buf_put_key(out, "warnings");
    buf_put_char(out, '[');
    for (size_t i = 0; i < listed_unknown(problems); i++) {
        buf_put(out, i > 0 ? STR(",") : STR(""));
        buf_put_json(out, problems->unknown_fields[i]);
    }
    buf_put_char(out, ']');
}

/* `event` is NULL where there is none. */
static void put_example(Trial *trial, const Event *event, Str canonical, const RecordProblems *problems)
{
    Buf *out = &trial->out;
    buf_printf(out, "%s{\"example\":%zu,\"ok\":%s", trial->good + trial->bad > 1 ? "," : "", trial->good + trial->bad,
               event ? "true" : "false");
    if (event) {
        buf_put_key(out, "mapping");
        buf_put_json(out, event->mapping->name);
        buf_put_key(out, "record");
        put_record(out, &event->record, trial->policy.scale);
        buf_put_key(out, "canonical");
        buf_put_json(out, canonical);
    } else {
        buf_put_key(out, "errors");
        record_problems_put_json(out, problems);
    }
    put_unknown(out, problems);
    buf_put_char(out, '}');
}

static void say_example(Trial *trial, const Event *event, Str canonical, const RecordProblems *problems)
{
    Buf *out = &trial->out;
    size_t start = out->len;
    buf_printf(out, "%-4zu ", trial->good + trial->bad);
    if (event) {
        buf_printf(out, "is a record, by %.*s", STR_ARGS(event->mapping->name));
        put_line(trial, start);
        say_record(trial, event, canonical);
    } else {
        BUF_PUT(out, "is refused");
        put_line(trial, start);
        say_problems(trial, problems);
    }
    say_unknown(trial, problems);
}

/* What came of an example: a record where `event` is not NULL. */
static void show(Trial *trial, const Event *event, Str canonical, const RecordProblems *problems)
{
    trial->good += event != NULL;
    trial->bad += event == NULL;
    if (trial->json) {
        put_example(trial, event, canonical, problems);
    } else {
        say_example(trial, event, canonical, problems);
    }
}

static Status try_example(Trial *trial, yyjson_val *value, Error *reterr)
{
    Event event;
    RecordProblems problems;
    Str canonical = {NULL, 0};
    arena_reset(&trial->example);
    Status status =
        event_from_json(value, trial->mappings, trial->asked, &trial->policy, &trial->example, &event, &problems);
    if (status == STATUS_OK) {
        status = event_canonical(value, trial->mappings, trial->asked, &trial->policy, &trial->example, &canonical,
                                 &problems);
    }
    if (status == STATUS_BUSY) {
        return error_set(reterr, STATUS_BUSY, "no memory for example %zu", trial->good + trial->bad + 1);
    }
    show(trial, status == STATUS_OK ? &event : NULL, canonical, &problems);
    return STATUS_OK;
}

/* ---- The file ---------------------------------------------------------------------------------------------------- */

static Status read_file(const char *path, Buf *text, Error *reterr)
{
    bool is_standard = strcmp(path, "-") == 0;
    FILE *file = is_standard ? stdin : fopen(path, "re");
    if (!file) {
        return error_set(reterr, STATUS_REFUSED, "%s: %s", path, strerror(errno));
    }
    size_t got = 1;
    for (char *at; got > 0 && (at = buf_reserve(text, 1 << 16));) {
        got = fread(at, 1, 1 << 16, file);
        text->len += got;
    }
    int error = ferror(file) ? errno : 0;
    if (!is_standard) {
        fclose(file);
    }
    if (error) {
        return error_set(reterr, STATUS_REFUSED, "%s: %s", path, strerror(error));
    }
    return text->failed ? error_set(reterr, STATUS_REFUSED, "%s is larger than %d bytes", path, FILE_BYTES_MAX)
                        : STATUS_OK;
}

/* The text is changed, so that a copy is read. */
static Status read_json(Arena *arena, Str text, yyjson_val **ret_value, Error *reterr)
{
    char *copy = arena_alloc(arena, text.len + YYJSON_PADDING_SIZE);
    if (!copy) {
        return error_set(reterr, STATUS_BUSY, "no memory for the examples");
    }
    memcpy(copy, text.ptr, text.len);
    memset(copy + text.len, 0, YYJSON_PADDING_SIZE);
    return json_read(copy, text.len, arena, ret_value, reterr);
}

/* {"events":[…]} stands for the array, as over HTTP. */
static yyjson_val *open_events(yyjson_val *value)
{
    yyjson_val *events = yyjson_obj_size(value) == 1 ? yyjson_obj_get(value, "events") : NULL;
    return yyjson_is_arr(events) ? events : value;
}

static Status try_value(Trial *trial, yyjson_val *value, Error *reterr)
{
    Status status = STATUS_OK;
    value = open_events(value);
    if (!yyjson_is_arr(value)) {
        return try_example(trial, value, reterr);
    }
    yyjson_arr_iter items = yyjson_arr_iter_with(value);
    for (yyjson_val *item; status == STATUS_OK && (item = yyjson_arr_iter_next(&items));) {
        status = try_example(trial, item, reterr);
    }
    return status;
}

static Status try_line(Trial *trial, Str line, Error *reterr)
{
    yyjson_val *value;
    Error error;
    arena_reset(&trial->file);
    Status status = read_json(&trial->file, line, &value, &error);
    if (status == STATUS_OK) {
        return try_example(trial, value, reterr);
    }
    if (status == STATUS_BUSY) {
        return error_set(reterr, STATUS_BUSY, "%s", error.message);
    }
    RecordProblems problems = {.count = 1, .items = {{STR(""), error.message}}};
    show(trial, NULL, (Str){NULL, 0}, &problems);
    return STATUS_OK;
}

/* Lines of JSON when the first of them is JSON by itself, and the whole is not. */
static bool is_lines(Trial *trial, Str text)
{
    yyjson_val *value;
    Str rest = text;
    Str first = str_split(&rest, '\n');
    arena_reset(&trial->file);
    return str_trim(rest).len > 0 && read_json(&trial->file, first, &value, NULL) == STATUS_OK;
}

static Status try_text(Trial *trial, const char *path, Str text, Error *reterr)
{
    const Str mark = STR("\xEF\xBB\xBF"); /* which editors put in front of UTF-8 */
    yyjson_val *value;
    text = str_starts_with(text, mark) ? (Str){text.ptr + mark.len, text.len - mark.len} : text;
    text = str_trim(text);
    if (text.len == 0) {
        return error_set(reterr, STATUS_REFUSED, "%s is empty", path);
    }
    if (!is_lines(trial, text)) {
        arena_reset(&trial->file);
        Error error;
        Status status = read_json(&trial->file, text, &value, &error);
        return status == STATUS_OK ? try_value(trial, value, reterr)
                                   : error_set(reterr, status, "%s %s", path, error.message);
    }
    Status status = STATUS_OK;
    while (text.ptr && status == STATUS_OK) {
        Str line = str_trim(str_split(&text, '\n'));
        status = line.len > 0 ? try_line(trial, line, reterr) : STATUS_OK;
    }
    return status;
}

static Status try_file(Trial *trial, const char *path, Error *reterr)
{
    Buf text;
    buf_init(&text, FILE_BYTES_MAX + (1 << 16));
    Status status = read_file(path, &text, reterr);
    if (status == STATUS_OK) {
        status = try_text(trial, path, buf_str(&text), reterr);
    }
    buf_release(&text);
    return status;
}

/* ---- The command ------------------------------------------------------------------------------------------------- */

static int print_all(Trial *trial)
{
    Buf *out = &trial->out;
    if (trial->json) {
        buf_printf(out, "],\"ok\":%zu,\"refused\":%zu}\n", trial->good, trial->bad);
    } else {
        buf_printf(out, "%zu of %zu examples become records\n", trial->good, trial->good + trial->bad);
    }
    if (out->failed) {
        return command_fail(trial->args, EXIT_FAILED,
                            &(Error){.message = "the answer is too large: test fewer examples at once"});
    }
    int code = command_print(trial->args, buf_str(out));
    return code == EXIT_OK && trial->bad > 0 ? EXIT_PROBLEMS : code;
}

static int run_trial(Trial *trial)
{
    Error error;
    arena_init(&trial->file, ARENA_CHUNK, FILE_ARENA_BYTES_MAX);
    arena_init(&trial->example, ARENA_CHUNK, FILE_ARENA_BYTES_MAX);
    buf_init(&trial->out, OUTPUT_BYTES_MAX);
    buf_put(&trial->out, trial->json ? STR("{\"data\":[") : STR(""));
    Status status = try_file(trial, args_operand(trial->args, 1), &error);
    int code = status == STATUS_OK ? print_all(trial) : command_fail(trial->args, EXIT_FAILED, &error);
    buf_release(&trial->out);
    arena_release(&trial->example);
    arena_release(&trial->file);
    return code;
}

static int run_test(const Args *args, const Config *config)
{
    const char *asked = args_text(args, "mapping");
    Error error;
    Trial trial = {
        .args = args,
        .json = args_has(args, "json"),
        .asked = str_from(asked ? asked : ""),
        .policy = {.scale = (unsigned)config_int(config, OPTION_STORE_SCALE),
                   .refuse_unknown_fields = config_int(config, OPTION_INTAKE_UNKNOWN_FIELDS) == 1}, /* warn, refuse */
    };
    if (mapping_config_read(config, &trial.mappings, &error) != STATUS_OK) {
        return command_fail(args, EXIT_USAGE, &error);
    }
    int code = asked && !mapping_find(trial.mappings, trial.asked)
                   ? command_usage(args, "there is no mapping \"%s\" in the configuration", asked)
                   : run_trial(&trial);
    mapping_set_free(trial.mappings);
    return code;
}

static int run(const Args *args)
{
    Config *config = NULL;
    Error error;
    if (strcmp(args_operand(args, 0), "test") != 0) {
        return command_usage(args, "\"%s\" is not test", args_operand(args, 0));
    }
    if (args_operand_count(args) < 2) {
        return command_usage(args, "test needs a file; - is the standard input");
    }
    if (args_config(args, &config, &error) != STATUS_OK) {
        return command_fail(args, EXIT_USAGE, &error);
    }
    int code = run_test(args, config);
    config_free(config);
    return code;
}

static const Flag flags_mapping[] = {
    {"mapping", "NAME", "read all examples by this mapping", NULL, NULL},
    {0},
};

const Command command_mapping = {
    .name = "mapping",
    .summary = "shows what a mapping makes of examples of events",
    .operands = "test FILE",
    .operands_min = 1,
    .operands_max = 2,
    .description =
        "Reads events from a file (`-` is the standard input): a JSON object, an array of them, bare or in "
        "`{\"events\": […]}`, or one on each line. "
        "Each is read as a server with this configuration would: by the mapping that is asked for, else by the one "
        "that "
        "names its client, else by the built-in one. What is shown is the record, its id with the canonical form that "
        "the id is the hash of, and the fields that are not taken; or everything that is wrong. Nothing is stored. "
        "docs/events.md has the rules.",
    .example = "weir mapping test examples.json --config weir.yaml\n"
               "weir mapping test events.ndjson --mapping shop --config weir.yaml --json\n",
    .exits = "0 all examples become records\n"
             "1 some are refused\n"
             "2 an argument or the configuration is wrong\n"
             "3 the file cannot be read, or is not JSON\n",
    .flags = (const Flag *const[]){flags_mapping, flags_json, flags_config, NULL},
    .run = run,
};

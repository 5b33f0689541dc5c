/* weir tail: notifications and alerts as they come. */
#include <unistd.h>
#include <yyjson.h>

#include "cli/ask.h"
#include "cli/table.h"

enum {
    ANSWER_BYTES_MAX = 64 << 20,
    LAST_SEQUENCES = 10,
    PAUSE_US_MIN = 200000,
    PAUSE_US_MAX = 5000000,
};

typedef struct Tail {
    const Args *args;
    Asker *asker;
    QuestionKind kind;
    bool for_people, once;
    int64_t after;
    Buf answer, out;
    int code; /* of printing */
} Tail;

/* ---- What is printed --------------------------------------------------------------------------------------------- */

static const char *text_of(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    const char *text = yyjson_is_raw(value) ? yyjson_get_raw(value) : yyjson_get_str(value);
    return text ? text : "";
}

/* One line; the columns are as wide as most values are. */
static void put_line(Tail *tail, yyjson_val *message)
{
    yyjson_val *record = yyjson_obj_get(message, "record"), *summary = yyjson_obj_get(message, "summary");
    size_t start = tail->out.len;
    buf_printf(&tail->out, "%8s  %-20s  %c%12s %-4s  %s > %s  %s", text_of(record, "id"), text_of(record, "time"),
               strcmp(text_of(record, "type"), "negative") == 0 ? '-' : '+', text_of(record, "value"),
               text_of(record, "unit"), text_of(record, "source_id"), text_of(record, "destination_id"),
               text_of(record, "reference"));
    if (summary) {
        buf_printf(&tail->out, "  (after %s, net %s)", text_of(summary, "count"), text_of(summary, "net_value"));
    } else {
        buf_printf(&tail->out, "  %s: %s over %s's %s", text_of(message, "severity"), text_of(message, "exceeded_by"),
                   text_of(message, "rule"), text_of(message, "threshold"));
    }
    if (!tail->out.failed) {
        text_make_printable(tail->out.ptr + start, tail->out.len - start);
    }
    buf_put_char(&tail->out, '\n');
}

static void put_message(Tail *tail, yyjson_val *message)
{
    size_t len = 0;
    if (tail->for_people) {
        put_line(tail, message);
        return;
    }
    char *text = yyjson_val_write(message, 0, &len);
    buf_put(&tail->out, (Str){text, text ? len : 0});
    buf_put_char(&tail->out, '\n');
    free(text);
}

/* Numbers stay as they were written: 1000.00 is not 1000. */
static Status print_page(Tail *tail, size_t *ret_count, Error *reterr)
{
    yyjson_doc *page = yyjson_read(tail->answer.ptr, tail->answer.len, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_val *root = yyjson_doc_get_root(page), *messages = yyjson_obj_get(root, "data"), *message;
    uint64_t next;
    size_t index, count;
    if (!messages || !str_to_u64(str_from(text_of(root, "nextAfter")), INT64_MAX, &next)) {
        yyjson_doc_free(page);
        return error_set(reterr, STATUS_BROKEN, "the answer is not a page of messages");
    }
    buf_reset(&tail->out);
    yyjson_arr_foreach(messages, index, count, message) { put_message(tail, message); }
    tail->code = tail->out.failed ? EXIT_FAILED : command_print(tail->args, buf_str(&tail->out));
    tail->after = (int64_t)next;
    *ret_count = yyjson_arr_size(messages);
    yyjson_doc_free(page);
    return STATUS_OK;
}

/* ---- Where it comes from ----------------------------------------------------------------------------------------- */

/* A page, or, from a server, up to 30 seconds of waiting for one. */
static Status next_page(Tail *tail, size_t *ret_count, Error *reterr)
{
    char after[32];
    snprintf(after, sizeof after, "%lld", (long long)tail->after);
    Question question = {.kind = tail->kind, .format = QUERY_JSON, .param_count = 2};
    question.params[0] = (QueryParam){STR("after"), str_from(after)};
    question.params[1] = (QueryParam){STR("limit"), STR("1000")};
    if (!tail->once) {
        question.params[question.param_count++] = (QueryParam){STR("wait"), STR("30")};
    }
    Status status = asker_ask_whole(tail->asker, &question, &tail->answer, reterr);
    return status == STATUS_OK ? print_page(tail, ret_count, reterr) : status;
}

static bool is_over(const Tail *tail, size_t count) { return tail->code != EXIT_OK || (tail->once && count == 0); }

/* A server that is away is waited for: nothing is missed, since we know how far we are. */
static Status follow(Tail *tail, Error *reterr)
{
    int64_t pause = 0;
    for (size_t count = 1; !is_over(tail, count);) {
        Status status = next_page(tail, &count, reterr);
        if (status == STATUS_OK) {
            pause = 0;
            continue;
        }
        if (tail->once || (status != STATUS_BUSY && status != STATUS_UNKNOWN)) {
            return status;
        }
        if (pause == 0) {
            fprintf(stderr, "weir tail: %s; waiting for it\n", reterr->message);
        }
        pause = pause == 0 ? PAUSE_US_MIN : pause * 2 > PAUSE_US_MAX ? PAUSE_US_MAX : pause * 2;
        usleep((useconds_t)pause);
    }
    return STATUS_OK;
}

/* Without --after, the newest few. */
static Status find_start(Tail *tail, Error *reterr)
{
    int64_t last = 0;
    Status status = args_integer(tail->args, "after", 0, INT64_MAX, 0, &tail->after, reterr);
    if (status == STATUS_OK && !args_has(tail->args, "after") &&
        (status = asker_last_seq(tail->asker, &last, reterr)) == STATUS_OK) {
        tail->after = last > LAST_SEQUENCES ? last - LAST_SEQUENCES : 0;
    }
    return status;
}

static Status read_operand(Tail *tail, Error *reterr)
{
    const char *kind = args_operand_count(tail->args) ? args_operand(tail->args, 0) : "notifications";
    if (strcmp(kind, "notifications") != 0 && strcmp(kind, "alerts") != 0) {
        return error_set(reterr, STATUS_REFUSED, "\"%s\" is neither notifications nor alerts", kind);
    }
    tail->kind = strcmp(kind, "alerts") == 0 ? ASK_ALERTS : ASK_NOTIFICATIONS;
    return STATUS_OK;
}

static Status read_format(Tail *tail, Error *reterr)
{
    OutputFormat format;
    Status status = output_format(tail->args, &format, reterr);
    tail->for_people = status == STATUS_OK && format == OUTPUT_TABLE;
    return status == STATUS_OK && format == OUTPUT_CSV ? error_set(reterr, STATUS_REFUSED, "messages have no CSV form")
                                                       : status;
}

static int run(const Args *args)
{
    Tail tail = {.args = args};
    Error error;
    Status status;
    buf_init(&tail.answer, ANSWER_BYTES_MAX);
    buf_init(&tail.out, ANSWER_BYTES_MAX);
    if ((status = read_operand(&tail, &error)) == STATUS_OK && (status = read_format(&tail, &error)) == STATUS_OK &&
        (status = asker_open(args, &tail.asker, &error)) == STATUS_OK &&
        (status = find_start(&tail, &error)) == STATUS_OK) {
        tail.once = args_has(args, "once") || !asker_is_server(tail.asker);
        status = follow(&tail, &error);
    }
    asker_close(tail.asker);
    buf_release(&tail.answer);
    buf_release(&tail.out);
    return status == STATUS_OK ? tail.code
                               : command_fail(args, status == STATUS_REFUSED ? EXIT_USAGE : EXIT_FAILED, &error);
}

static const Flag flags_tail[] = {
    {"after", "SEQ", "begin behind this sequence, 0 for the very first; without it, with the newest few", NULL, NULL},
    {"once", NULL, "print what is there and exit", NULL, NULL},
    {"format", "table|ndjson",
     "a line for people, or the messages as they are; a line when standard output is a terminal", NULL, NULL},
    {"json", NULL, "the same as --format ndjson", NULL, NULL},
    {0},
};

const Command command_tail = {
    .name = "tail",
    .summary = "prints notifications or alerts as they come",
    .operands = "notifications|alerts",
    .operands_max = 1,
    .description =
        "From a server, it follows: messages are printed in commit order until it is interrupted, and a server that is "
        "away is "
        "waited for. From a store's directory it prints what is there. Notifications unless alerts are asked for.",
    .example = "weir tail --to http://127.0.0.1:8080\n"
               "weir tail alerts --to http://127.0.0.1:8080 --after 0 --format ndjson | jq .severity\n"
               "weir tail --data ./weir-data\n",
    .exits = "0 all is printed (--once, or a store)\n"
             "2 a flag is wrong, or there is no store\n"
             "3 the server or the store could not answer\n",
    .flags = (const Flag *const[]){flags_server, flags_data, flags_tail, flags_config, NULL},
    .run = run,
};

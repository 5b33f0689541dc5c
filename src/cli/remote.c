#include "cli/remote.h"

#include <stdlib.h>
#include <yyjson.h>

#include "base/timestamp.h"
#include "cli/table.h"

enum {
    PATH_BYTES_MAX = 4096,
    BODY_BYTES_MAX = 96 << 20,
    ANSWER_BYTES_MAX = 96 << 20, /* the longest message that is kept, as Base64 */
    SILENCE_SECONDS_MAX = 120,
    LINE_CODE_POINTS = 72,
    VALUE_CODE_POINTS = 4000,
};

/* Who listens everywhere is asked here. */
static Status put_configured(const Args *args, char *url, size_t bytes, Error *reterr)
{
    Config *config = NULL;
    Status status = args_config(args, &config, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    Address address = config_address(config, OPTION_HTTP_LISTEN);
    bool everywhere = strcmp(address.host, "0.0.0.0") == 0 || strcmp(address.host, "::") == 0;
    const char *host = !everywhere ? address.host : address.is_ipv6 ? "::1" : "127.0.0.1";
    snprintf(url, bytes, "http://%s%s%s:%u", address.is_ipv6 ? "[" : "", host, address.is_ipv6 ? "]" : "",
             address.port);
    config_free(config);
    return address.port
               ? STATUS_OK
               : error_set(reterr, STATUS_REFUSED, "the configuration names no port; name the server with --to");
}

Status remote_open(const Args *args, Remote *ret_remote, Error *reterr)
{
    char url[256];
    Remote remote = {.args = args, .json = args_has(args, "json")};
    Status status = STATUS_OK;
    if (!args_has(args, "to")) {
        status = put_configured(args, url, sizeof url, reterr);
    }
    if (status == STATUS_OK) {
        status = client_open(args_has(args, "to") ? args_text(args, "to") : url, &remote.client, reterr);
    }
    buf_init(&remote.path, PATH_BYTES_MAX);
    buf_init(&remote.body, BODY_BYTES_MAX);
    buf_init(&remote.answer, ANSWER_BYTES_MAX);
    *ret_remote = remote;
    return status;
}

void remote_close(Remote *remote)
{
    client_close(remote->client);
    buf_release(&remote->path);
    buf_release(&remote->body);
    buf_release(&remote->answer);
}

/* ---- Asking ------------------------------------------------------------------------------------------------------ */

void remote_put_part(Remote *remote, const char *part)
{
    buf_put_char(&remote->path, '/');
    client_put_encoded(&remote->path, str_from(part));
}

void remote_put_path(Remote *remote, const char *all, const char *name, const char *what)
{
    buf_put(&remote->path, str_from(all));
    remote_put_part(remote, name);
    buf_put(&remote->path, str_from(what));
}

void remote_put_text(Remote *remote, const char *member, const char *text)
{
    buf_put_char(&remote->body, remote->body.len ? ',' : '{');
    buf_put_json(&remote->body, str_from(member));
    buf_put_char(&remote->body, ':');
    buf_put_json(&remote->body, str_from(text));
}

void remote_put_flag(Remote *remote, const Args *args, const char *name)
{
    if (args_has(args, name)) {
        remote_put_text(remote, name, args_text(args, name));
    }
}

void remote_end_body(Remote *remote)
{
    if (remote->body.len) {
        buf_put_char(&remote->body, '}');
    }
}

static bool keep_piece(void *context, Str piece)
{
    Buf *answer = context;
    buf_put(answer, piece);
    return !answer->failed;
}

Status remote_call(Remote *remote, const char *method, const QueryParam *params, size_t count, Error *reterr)
{
    buf_put_char(&remote->path, '\0');
    buf_reset(&remote->answer);
    if (remote->path.failed || remote->body.failed) {
        return error_set(reterr, STATUS_REFUSED, "the arguments are too long");
    }
    /* A POST without a body says so with an empty one. */
    bool has_body = remote->body.len > 0;
    ClientCall call = {.method = method,
                       .path = remote->path.ptr,
                       .params = params,
                       .param_count = count,
                       .accept = "application/json",
                       .content_type = has_body || strcmp(method, "POST") == 0 ? "application/json" : NULL,
                       .body = buf_str(&remote->body),
                       .sink = keep_piece,
                       .context = &remote->answer,
                       .seconds_max = SILENCE_SECONDS_MAX};
    Status status = client_call(remote->client, &call, reterr);
    buf_reset(&remote->path);
    buf_reset(&remote->body);
    return status == STATUS_OK && remote->answer.failed ? error_set(reterr, STATUS_REFUSED, "the answer is too large")
                                                        : status;
}

int remote_fail(const Remote *remote, Status status, const Error *error)
{
    return command_fail(remote->args, status == STATUS_REFUSED ? EXIT_USAGE : EXIT_FAILED, error);
}

/* ---- Printing ---------------------------------------------------------------------------------------------------- */

static int print_json(const Remote *remote)
{
    int code = remote->answer.len ? command_print(remote->args, buf_str(&remote->answer)) : EXIT_OK;
    return code == EXIT_OK && remote->answer.len ? command_print(remote->args, STR("\n")) : code;
}

static yyjson_doc *parse(const Remote *remote)
{
    Str text = buf_str(&remote->answer);
    return text.len ? yyjson_read(text.ptr, text.len, YYJSON_READ_NUMBER_AS_RAW) : NULL;
}

static yyjson_val *data_of(yyjson_doc *answer) { return yyjson_obj_get(yyjson_doc_get_root(answer), "data"); }

/* Objects and lists stay JSON. */
static void put_value(Table *table, size_t column, yyjson_val *value)
{
    if (yyjson_is_str(value)) {
        table_put(table, column, (Str){yyjson_get_str(value), yyjson_get_len(value)});
    } else if (yyjson_is_raw(value)) {
        table_put(table, column, (Str){yyjson_get_raw(value), yyjson_get_len(value)});
    } else if (!yyjson_is_null(value)) {
        size_t len = 0;
        char *text = yyjson_val_write(value, 0, &len);
        table_put(table, column, (Str){text, text ? len : 0});
        free(text);
    }
}

/* The beginning of the text. Continuation bytes of UTF-8 begin with 10. */
static void put_cut(Table *table, size_t column, Str text, size_t points_max)
{
    size_t at = 0;
    Buf cut;
    for (size_t points = 0; at < text.len; at++) {
        points += (text.ptr[at] & 0xc0) != 0x80;
        if (points > points_max || at >= 4 * points_max) {
            break;
        }
    }
    buf_init(&cut, 4 * points_max + sizeof "…");
    buf_put(&cut, (Str){text.ptr, at});
    buf_put(&cut, at < text.len ? STR("…") : STR(""));
    table_put(table, column, buf_str(&cut));
    buf_release(&cut);
}

static void put_age(Table *table, size_t column, Str text)
{
    static const struct {
        int64_t seconds, below;
        const char *unit;
    } units[] = {{1, 120, "s"}, {60, 7200, "min"}, {3600, 172800, "h"}, {86400, INT64_MAX, "d"}};
    char age[48];
    int64_t us, seconds;
    size_t i = 0;
    if (timestamp_parse(text, &us)) {
        table_put(table, column, text);
        return;
    }
    seconds = (clock_wall_us(&clock_system) - us) / 1000000;
    seconds = seconds > 0 ? seconds : 0;
    while (seconds >= units[i].below) {
        i++;
    }
    int len = snprintf(age, sizeof age, "%lld %s ago", (long long)(seconds / units[i].seconds), units[i].unit);
    table_put(table, column, (Str){age, (size_t)len});
}

static void put_cell(Table *table, const RemoteColumn *column, yyjson_val *value)
{
    size_t at = table_column(table, str_from(column->title), column->cell == REMOTE_NUMBER);
    Str text = {yyjson_get_str(value), yyjson_get_len(value)};
    if (text.ptr && column->cell == REMOTE_LINE) {
        put_cut(table, at, text, LINE_CODE_POINTS);
    } else if (text.ptr && column->cell == REMOTE_AGE) {
        put_age(table, at, text);
    } else {
        put_value(table, at, value);
    }
}

static bool any_has(yyjson_val *objects, const char *member)
{
    yyjson_val *object;
    size_t index, count;
    yyjson_arr_foreach(objects, index, count, object)
    {
        if (yyjson_obj_get(object, member)) {
            return true;
        }
    }
    return false;
}

/* A column that no object knows is left out. */
static void put_rows(Table *table, const RemoteColumn *columns, yyjson_val *objects)
{
    yyjson_val *object;
    size_t index, count;
    bool shown[TABLE_COLUMNS_MAX] = {false};
    for (size_t i = 0; columns[i].member; i++) {
        shown[i] = any_has(objects, columns[i].member);
    }
    yyjson_arr_foreach(objects, index, count, object)
    {
        table_begin_row(table);
        for (size_t i = 0; columns[i].member; i++) {
            if (shown[i]) {
                put_cell(table, &columns[i], yyjson_obj_get(object, columns[i].member));
            }
        }
    }
}

static int print_table(const Remote *remote, Table *table)
{
    Buf out;
    buf_init(&out, ANSWER_BYTES_MAX);
    table_print(table, &out);
    int code = command_print(remote->args, buf_str(&out));
    buf_release(&out);
    return code;
}

static int print_more(const Remote *remote, yyjson_doc *answer)
{
    const char *cursor = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(answer), "nextCursor"));
    return cursor ? remote_print(remote, "more: --cursor %s", cursor) : EXIT_OK;
}

int remote_print_table(const Remote *remote, const RemoteColumn *columns, const char *when_empty)
{
    if (remote->json) {
        return print_json(remote);
    }
    yyjson_doc *answer = parse(remote);
    Table table;
    table_init(&table);
    put_rows(&table, columns, data_of(answer));
    int code = table.first ? print_table(remote, &table) : remote_print(remote, "%s", when_empty);
    if (code == EXIT_OK) {
        code = print_more(remote, answer);
    }
    table_release(&table);
    yyjson_doc_free(answer);
    return code;
}

int remote_print_notes(const Remote *remote, const char *name, const char *note)
{
    yyjson_val *object;
    size_t index, count;
    int code = EXIT_OK;
    yyjson_doc *answer = remote->json ? NULL : parse(remote);
    yyjson_arr_foreach(data_of(answer), index, count, object)
    {
        const char *text = yyjson_get_str(yyjson_obj_get(object, note));
        if (text && code == EXIT_OK) {
            code = remote_print(remote, "%s: %s", yyjson_get_str(yyjson_obj_get(object, name)), text);
        }
    }
    yyjson_doc_free(answer);
    return code;
}

/* Without the member `list`, which may be NULL. */
static void put_members(Table *table, yyjson_val *object, const char *list)
{
    yyjson_val *key, *value;
    size_t index, count;
    yyjson_obj_foreach(object, index, count, key, value)
    {
        if (list && yyjson_equals_str(key, list)) {
            continue;
        }
        table_begin_row(table);
        table_put(table, table_column(table, STR("field"), false), (Str){yyjson_get_str(key), yyjson_get_len(key)});
        size_t column = table_column(table, STR("value"), false);
        if (yyjson_is_str(value)) {
            put_cut(table, column, (Str){yyjson_get_str(value), yyjson_get_len(value)}, VALUE_CODE_POINTS);
        } else {
            put_value(table, column, value);
        }
    }
}

static int print_list(const Remote *remote, const RemoteColumn *columns, yyjson_val *objects)
{
    Table table;
    if (yyjson_arr_size(objects) == 0) {
        return EXIT_OK;
    }
    int code = command_print(remote->args, STR("\n"));
    table_init(&table);
    put_rows(&table, columns, objects);
    code = code == EXIT_OK ? print_table(remote, &table) : code;
    table_release(&table);
    return code;
}

int remote_print_object_with(const Remote *remote, const char *list, const RemoteColumn *columns)
{
    if (remote->json) {
        return print_json(remote);
    }
    yyjson_doc *answer = parse(remote);
    Table table;
    table_init(&table);
    put_members(&table, data_of(answer), list);
    int code = print_table(remote, &table);
    table_release(&table);
    if (code == EXIT_OK && list) {
        code = print_list(remote, columns, yyjson_obj_get(data_of(answer), list));
    }
    yyjson_doc_free(answer);
    return code;
}

int remote_print_object(const Remote *remote) { return remote_print_object_with(remote, NULL, NULL); }

int remote_print(const Remote *remote, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (remote->json) {
        return print_json(remote);
    }
    va_start(args, format);
    vsnprintf(text, sizeof text - 1, format, args);
    va_end(args);
    size_t len = strlen(text);
    text_make_printable(text, len);
    text[len] = '\n';
    return command_print(remote->args, (Str){text, len + 1});
}

int64_t remote_number(const Remote *remote, const char *member)
{
    yyjson_doc *answer = parse(remote);
    yyjson_val *value = yyjson_obj_get(data_of(answer), member);
    uint64_t number = 0;
    if (!str_to_u64((Str){yyjson_get_raw(value), yyjson_get_len(value)}, INT64_MAX, &number)) {
        number = 0;
    }
    yyjson_doc_free(answer);
    return (int64_t)number;
}

bool remote_copy_text(const Remote *remote, const char *member, Buf *text)
{
    yyjson_doc *answer = parse(remote);
    yyjson_val *value = yyjson_obj_get(data_of(answer), member);
    bool is_there = yyjson_is_str(value);
    if (is_there) {
        buf_put(text, (Str){yyjson_get_str(value), yyjson_get_len(value)});
    }
    yyjson_doc_free(answer);
    return is_there;
}

int remote_run(const Args *args, int (*verb)(Remote *remote, const Args *args))
{
    Remote remote = {0};
    Error error;
    Status status = remote_open(args, &remote, &error);
    int code = status == STATUS_OK ? verb(&remote, args) : remote_fail(&remote, status, &error);
    remote_close(&remote);
    return code;
}

/* ---- Verbs ------------------------------------------------------------------------------------------------------- */

/* "list, show or retry" */
static void put_names(Buf *names, const RemoteVerb *verbs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_printf(names, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", verbs[i].name);
    }
}

static int refuse_verb(const Args *args, const char *name, const RemoteVerb *verbs, size_t count)
{
    Buf names;
    buf_init(&names, ERROR_MESSAGE_BYTES_MAX);
    put_names(&names, verbs, count);
    int code = command_usage(args, "\"%s\" is not %.*s", name, STR_ARGS(buf_str(&names)));
    buf_release(&names);
    return code;
}

int remote_run_verb(const Args *args, const RemoteVerb *verbs, size_t count)
{
    size_t given = args_operand_count(args), at = 0;
    const char *name = given ? args_operand(args, 0) : verbs[0].name;
    while (at < count && strcmp(name, verbs[at].name) != 0) {
        at++;
    }
    if (at == count) {
        return refuse_verb(args, name, verbs, count);
    }
    if (given > verbs[at].most + 1) {
        return command_usage(args, "\"%s\" is one argument too many", args_operand(args, verbs[at].most + 1));
    }
    return given > 0 && given <= verbs[at].least ? command_usage(args, "%s needs %s", name, verbs[at].needs)
                                                 : remote_run(args, verbs[at].run);
}

int remote_pause(Remote *remote, const Args *args, const char *all)
{
    Error error;
    remote_put_path(remote, all, args_operand(args, 1), "/pause");
    remote_put_flag(remote, args, "reason");
    remote_end_body(remote);
    Status status = remote_call(remote, "POST", NULL, 0, &error);
    return status == STATUS_OK ? remote_print(remote, "%s is paused", args_operand(args, 1))
                               : remote_fail(remote, status, &error);
}

int remote_resume(Remote *remote, const Args *args, const char *all)
{
    Error error;
    remote_put_path(remote, all, args_operand(args, 1), "/resume");
    Status status = remote_call(remote, "POST", NULL, 0, &error);
    return status == STATUS_OK ? remote_print(remote, "%s goes on where it was", args_operand(args, 1))
                               : remote_fail(remote, status, &error);
}

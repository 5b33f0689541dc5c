#include "cli/ask.h"

#include <unistd.h>

#include "engine.h"

enum { PIECE_BYTES = 1 << 18, ANSWER_BYTES_MAX = 256 << 20, SILENCE_SECONDS_MAX = 120 };

struct Asker {
    Client *client; /* NULL when it is a store */
    Store *store;
    StoreReader *reader;
    size_t group_bytes_max;
};

static Status open_store(Asker *asker, const Config *config, Error *reterr)
{
    StoreOptions options = engine_store_options(config);
    options.read_only = true;
    asker->group_bytes_max = config_size(config, OPTION_QUERY_GROUP_BYTES_MAX);
    Status status = store_open(&options, &asker->store, reterr);
    return status == STATUS_OK ? store_reader_open(asker->store, &asker->reader, reterr) : status;
}

/* Who named no place may not know that there is a choice. */
static Status open_default_store(Asker *asker, const Config *config, Error *reterr)
{
    Error error;
    Status status = open_store(asker, config, &error);
    return status == STATUS_OK
               ? status
               : error_set(reterr, status, "%s; --data names another directory, --to a running server", error.message);
}

static Status open_place(Asker *asker, const Args *args, Error *reterr)
{
    if (args_has(args, "to")) {
        return args_has(args, "data") ? error_set(reterr, STATUS_REFUSED, "--to and --data are two places; choose one")
                                      : client_open(args_text(args, "to"), &asker->client, reterr);
    }
    Config *config = NULL;
    Status status = args_config(args, &config, reterr);
    if (status == STATUS_OK) {
        status = args_has(args, "data") ? open_store(asker, config, reterr) : open_default_store(asker, config, reterr);
    }
    config_free(config);
    return status;
}

Status asker_open(const Args *args, Asker **ret_asker, Error *reterr)
{
    Asker *asker = calloc(1, sizeof *asker);
    if (!asker) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    Status status = open_place(asker, args, reterr);
    if (status != STATUS_OK) {
        asker_close(asker);
        return status;
    }
    *ret_asker = asker;
    return STATUS_OK;
}

void asker_close(Asker *asker)
{
    if (asker) {
        client_close(asker->client);
        store_reader_close(asker->reader);
        store_close(asker->store);
        free(asker);
    }
}

bool asker_is_server(const Asker *asker) { return asker->client != NULL; }

/* ---- A server ---------------------------------------------------------------------------------------------------- */

static Status ask_server(Asker *asker, const Question *question, ClientSink *sink, void *context, Error *reterr)
{
    static const char *const paths[] = {
        [ASK_RECORDS] = "/api/records",
        [ASK_AGGREGATE] = "/api/records/aggregate",
        [ASK_NOTIFICATIONS] = "/api/notifications",
        [ASK_ALERTS] = "/api/alerts",
    };
    ClientCall call = {
        .path = paths[question->kind],
        .params = question->params,
        .param_count = question->param_count,
        .accept = query_content_type(question->format),
        .sink = sink,
        .context = context,
        .seconds_max = SILENCE_SECONDS_MAX,
    };
    return client_call(asker->client, &call, reterr);
}

/* ---- A store ----------------------------------------------------------------------------------------------------- */

static Status refuse(const QueryProblems *problems, Error *reterr)
{
    Buf text;
    buf_init(&text, ERROR_MESSAGE_BYTES_MAX);
    for (size_t i = 0; i < problems->count; i++) {
        buf_printf(&text, "%s%s %s", i ? "; " : "", problems->items[i].field, problems->items[i].problem);
    }
    Str said = buf_str(&text);
    error_set(reterr, STATUS_REFUSED, "%.*s", STR_ARGS(said));
    buf_release(&text);
    return STATUS_REFUSED;
}

/* A feed's parameters are numbers; the API's own limits hold. */
static Status feed_number(const Question *question, const char *name, uint64_t max, uint64_t *number, Error *reterr)
{
    for (size_t i = 0; i < question->param_count; i++) {
        if (str_is(question->params[i].name, name) && !str_to_u64(question->params[i].value, max, number)) {
            return error_set(reterr, STATUS_REFUSED, "%s must be a number up to %llu", name, (unsigned long long)max);
        }
    }
    return STATUS_OK;
}

static Status new_feed(const Question *question, const QueryOptions *options, Query **ret_query, Error *reterr)
{
    uint64_t after = 0, limit = 1000;
    Status status = feed_number(question, "after", INT64_MAX, &after, reterr);
    if (status == STATUS_OK) {
        status = feed_number(question, "limit", FEED_LIMIT_MAX, &limit, reterr);
    }
    if (status != STATUS_OK) {
        return status;
    }
    FeedKind kind = question->kind == ASK_ALERTS ? FEED_ALERTS : FEED_NOTIFICATIONS;
    status = query_feed_new(kind, (int64_t)after, limit, options, ret_query);
    return status == STATUS_OK ? STATUS_OK : error_set(reterr, status, "out of memory");
}

static Status new_query(Asker *asker, const Question *question, Query **ret_query, Error *reterr)
{
    QueryOptions options = query_options_default(store_info(asker->store));
    options.group_bytes_max = asker->group_bytes_max;
    if (question->kind == ASK_NOTIFICATIONS || question->kind == ASK_ALERTS) {
        return new_feed(question, &options, ret_query, reterr);
    }
    QueryProblems problems = {0};
    Status status =
        question->kind == ASK_RECORDS
            ? query_list_new(question->params, question->param_count, question->format, &options, ret_query, &problems)
            : query_aggregate_new(question->params, question->param_count, question->format, &options, ret_query,
                                  &problems);
    if (status == STATUS_OK) {
        return STATUS_OK;
    }
    return problems.count ? refuse(&problems, reterr) : error_set(reterr, status, "out of memory");
}

static Status step_through(Asker *asker, Query *query, ClientSink *sink, void *context, Error *reterr)
{
    Buf piece;
    buf_init(&piece, PIECE_BYTES + QUERY_PIECE_BYTES_MAX);
    Status status = STATUS_OK;
    for (bool done = false; !done && status == STATUS_OK;) {
        buf_reset(&piece);
        status = query_step(query, asker->reader, PIECE_BYTES, &piece, &done, reterr);
        if (status == STATUS_OK && piece.len > 0 && !sink(context, buf_str(&piece))) {
            break;
        }
    }
    buf_release(&piece);
    return status;
}

static Status ask_store(Asker *asker, const Question *question, ClientSink *sink, void *context, Error *reterr)
{
    Query *query = NULL;
    Status status = new_query(asker, question, &query, reterr);
    if (status == STATUS_OK) {
        status = step_through(asker, query, sink, context, reterr);
    }
    query_free(query);
    return status;
}

Status asker_ask(Asker *asker, const Question *question, ClientSink *sink, void *context, Error *reterr)
{
    return asker->client ? ask_server(asker, question, sink, context, reterr)
                         : ask_store(asker, question, sink, context, reterr);
}

/* ---- Printing ---------------------------------------------------------------------------------------------------- */

static bool keep_piece(void *context, Str piece)
{
    Buf *answer = context;
    buf_put(answer, piece);
    return !answer->failed;
}

Status asker_ask_whole(Asker *asker, const Question *question, Buf *answer, Error *reterr)
{
    buf_reset(answer);
    Status status = asker_ask(asker, question, keep_piece, answer, reterr);
    return status == STATUS_OK && answer->failed
               ? error_set(reterr, STATUS_REFUSED, "the answer is too large for a table")
               : status;
}

Status output_format(const Args *args, OutputFormat *ret_format, Error *reterr)
{
    static const char *const names[] = {"table", "json", "ndjson", "csv"};
    const char *given = args_has(args, "json") ? "json" : args_text(args, "format");
    if (!given) {
        given = isatty(STDOUT_FILENO) ? "table" : "json";
    }
    for (OutputFormat format = OUTPUT_TABLE; format <= OUTPUT_CSV; format++) {
        if (strcmp(given, names[format]) == 0) {
            *ret_format = format;
            return STATUS_OK;
        }
    }
    return error_set(reterr, STATUS_REFUSED, "--format takes table, json, ndjson or csv, not \"%s\"", given);
}

/* ---- The last sequence ------------------------------------------------------------------------------------------- */

static Status last_seq_of_store(Asker *asker, int64_t *ret_seq, Error *reterr)
{
    StoreView *view = NULL;
    Status status = reader_begin(asker->reader, &view, reterr);
    if (status == STATUS_OK) {
        *ret_seq = view_bound(view);
        reader_end(asker->reader);
    }
    view_free(view);
    return status;
}

/* The server tells it among its metrics. */
static Status last_seq_of_server(Asker *asker, int64_t *ret_seq, Error *reterr)
{
    static const Str name = {"weir_store_last_seq ", 20};
    Buf metrics;
    buf_init(&metrics, ANSWER_BYTES_MAX);
    ClientCall call = {.path = "/metrics", .sink = keep_piece, .context = &metrics, .seconds_max = SILENCE_SECONDS_MAX};
    Status status = client_call(asker->client, &call, reterr);
    uint64_t seq = 0;
    bool found = false;
    for (Str rest = buf_str(&metrics); rest.ptr && !found;) {
        Str line = str_split(&rest, '\n');
        found =
            str_starts_with(line, name) && str_to_u64((Str){line.ptr + name.len, line.len - name.len}, INT64_MAX, &seq);
    }
    buf_release(&metrics);
    if (status == STATUS_OK && !found) {
        return error_set(reterr, STATUS_BROKEN, "the server does not say how far it is; give --after");
    }
    *ret_seq = (int64_t)seq;
    return status;
}

Status asker_last_seq(Asker *asker, int64_t *ret_seq, Error *reterr)
{
    return asker->client ? last_seq_of_server(asker, ret_seq, reterr) : last_seq_of_store(asker, ret_seq, reterr);
}

typedef struct Printing {
    const Args *args;
    int code;
    char last;
} Printing;

static bool print_piece(void *context, Str piece)
{
    Printing *printing = context;
    printing->code = command_print(printing->args, piece);
    printing->last = piece.ptr[piece.len - 1];
    return printing->code == EXIT_OK;
}

static Status print_as_it_comes(const Args *args, Asker *asker, const Question *question, int *ret_code, Error *reterr)
{
    Printing printing = {.args = args, .last = '\n'};
    Status status = asker_ask(asker, question, print_piece, &printing, reterr);
    if (printing.last != '\n') {
        print_piece(&printing, STR("\n"));
    }
    *ret_code = printing.code;
    return status;
}

static Status print_table(const Args *args, Asker *asker, const Question *question, TablePrinter *put_table,
                          int *ret_code, Error *reterr)
{
    Buf answer, out;
    buf_init(&answer, ANSWER_BYTES_MAX);
    buf_init(&out, ANSWER_BYTES_MAX);
    Status status = asker_ask_whole(asker, question, &answer, reterr);
    if (status == STATUS_OK) {
        put_table(&out, buf_str(&answer));
        *ret_code = command_print(args, buf_str(&out));
    }
    buf_release(&answer);
    buf_release(&out);
    return status;
}

int ask_and_print(const Args *args, Question *question, TablePrinter *put_table)
{
    static const QueryFormat formats[] = {[OUTPUT_TABLE] = QUERY_JSON,
                                          [OUTPUT_JSON] = QUERY_JSON,
                                          [OUTPUT_NDJSON] = QUERY_NDJSON,
                                          [OUTPUT_CSV] = QUERY_CSV};
    OutputFormat format;
    Asker *asker = NULL;
    Error error;
    Status status = output_format(args, &format, &error);
    if (status != STATUS_OK || (status = asker_open(args, &asker, &error)) != STATUS_OK) {
        return command_fail(args, status == STATUS_REFUSED ? EXIT_USAGE : EXIT_FAILED, &error);
    }
    question->format = formats[format];
    int code = EXIT_OK;
    status = format == OUTPUT_TABLE ? print_table(args, asker, question, put_table, &code, &error)
                                    : print_as_it_comes(args, asker, question, &code, &error);
    asker_close(asker);
    return status == STATUS_OK ? code : command_fail(args, status == STATUS_REFUSED ? EXIT_USAGE : EXIT_FAILED, &error);
}

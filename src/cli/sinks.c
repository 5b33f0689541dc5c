/* weir sinks: how sinks are, and what a person does to them. */
#include "cli/remote.h"

static const char all[] = "/api/sinks";

static const char *sink_of(const Args *args) { return args_operand(args, 1); }

static int run_list(Remote *remote, const Args *args)
{
    static const RemoteColumn columns[] = {{"name", "name", REMOTE_TEXT},
                                           {"type", "type", REMOTE_TEXT},
                                           {"state", "state", REMOTE_TEXT},
                                           {"breaker", "breaker", REMOTE_TEXT},
                                           {"cursor", "cursor", REMOTE_NUMBER},
                                           {"lag", "lag", REMOTE_NUMBER},
                                           {"retries", "retries", REMOTE_NUMBER},
                                           {"taken", "taken", REMOTE_NUMBER},
                                           {"failed", "failed", REMOTE_NUMBER},
                                           {"lastFailedAt", "last failed", REMOTE_AGE},
                                           {"lastError", "last error", REMOTE_LINE},
                                           {0}};
    Error error;
    (void)args;
    buf_put(&remote->path, str_from(all));
    Status status = remote_call(remote, "GET", NULL, 0, &error);
    return status == STATUS_OK ? remote_print_table(remote, columns, "no sinks are configured")
                               : remote_fail(remote, status, &error);
}

static int run_show(Remote *remote, const Args *args)
{
    Error error;
    remote_put_path(remote, all, sink_of(args), "");
    Status status = remote_call(remote, "GET", NULL, 0, &error);
    return status == STATUS_OK ? remote_print_object(remote) : remote_fail(remote, status, &error);
}

static int run_pause(Remote *remote, const Args *args) { return remote_pause(remote, args, all); }

static int run_resume(Remote *remote, const Args *args) { return remote_resume(remote, args, all); }

/* ---- Replays ----------------------------------------------------------------------------------------------------- */

/* ["notification","alert"] of "notification,alert"; the server knows which kinds there are. */
static void put_kinds(Remote *remote, const char *kinds)
{
    const char *separator = "[";
    buf_put_char(&remote->body, remote->body.len ? ',' : '{');
    BUF_PUT(&remote->body, "\"messages\":");
    for (Str rest = str_from(kinds); rest.ptr;) {
        buf_put(&remote->body, str_from(separator));
        buf_put_json(&remote->body, str_trim(str_split(&rest, ',')));
        separator = ",";
    }
    buf_put_char(&remote->body, ']');
}

static void put_replay(Remote *remote, const Args *args)
{
    QueryParam params[ARGS_PARAMS_MAX];
    size_t count = args_params(args, params);
    for (size_t i = 0; i < count; i++) {
        if (str_is(params[i].name, "messages")) {
            put_kinds(remote, params[i].value.ptr);
        } else {
            remote_put_text(remote, params[i].name.ptr, params[i].value.ptr);
        }
    }
    if (args_has(args, "dry-run")) {
        remote_put_text(remote, "dryRun", "true");
    }
    remote_end_body(remote);
}

static int run_replay(Remote *remote, const Args *args)
{
    Error error;
    remote_put_path(remote, all, sink_of(args), "/replay");
    put_replay(remote, args);
    Status status = remote_call(remote, "POST", NULL, 0, &error);
    if (status != STATUS_OK) {
        return remote_fail(remote, status, &error);
    }
    long long after = remote_number(remote, "after"), through = remote_number(remote, "through");
    if (args_has(args, "dry-run")) {
        long long count = remote_number(remote, "count");
        return remote_print(remote, "%lld message%s behind %lld up to %lld would be sent again", count,
                            count == 1 ? "" : "s", after, through);
    }
    return remote_print(remote, "replay %lld: what is behind %lld up to %lld is sent to %s again",
                        (long long)remote_number(remote, "id"), after, through, sink_of(args));
}

static int run_replays(Remote *remote, const Args *args)
{
    static const RemoteColumn columns[] = {{"id", "id", REMOTE_NUMBER},
                                           {"state", "state", REMOTE_TEXT},
                                           {"after", "after", REMOTE_NUMBER},
                                           {"through", "through", REMOTE_NUMBER},
                                           {"cursor", "cursor", REMOTE_NUMBER},
                                           {"sent", "sent", REMOTE_NUMBER},
                                           {"failed", "failed", REMOTE_NUMBER},
                                           {"createdAt", "created", REMOTE_TEXT},
                                           {"filter", "filter", REMOTE_TEXT},
                                           {"lastError", "last error", REMOTE_LINE},
                                           {0}};
    Error error;
    remote_put_path(remote, all, sink_of(args), "/replays");
    Status status = remote_call(remote, "GET", NULL, 0, &error);
    return status == STATUS_OK ? remote_print_table(remote, columns, "the sink has had no replays")
                               : remote_fail(remote, status, &error);
}

static int run_cancel(Remote *remote, const Args *args)
{
    Error error;
    remote_put_path(remote, all, sink_of(args), "/replays");
    remote_put_part(remote, args_operand(args, 2));
    Status status = remote_call(remote, "DELETE", NULL, 0, &error);
    return status == STATUS_OK ? remote_print(remote, "replay %s is called off", args_operand(args, 2))
                               : remote_fail(remote, status, &error);
}

/* ---- The command ------------------------------------------------------------------------------------------------- */

static int run(const Args *args)
{
    static const char one[] = "a sink's name";
    static const RemoteVerb verbs[] = {{"list", 0, 0, NULL, run_list},
                                       {"show", 1, 1, one, run_show},
                                       {"pause", 1, 1, one, run_pause},
                                       {"resume", 1, 1, one, run_resume},
                                       {"replay", 1, 1, one, run_replay},
                                       {"replays", 1, 1, one, run_replays},
                                       {"cancel", 2, 2, "a sink's name and a replay's number", run_cancel}};
    return remote_run_verb(args, verbs, sizeof verbs / sizeof verbs[0]);
}

static const Flag flags_sinks[] = {
    {"reason", "TEXT", "pause: why, for those who look later", NULL, NULL},
    {"after", "SEQ", "replay: messages behind this sequence, 0 for all", NULL, "after"},
    {"through", "SEQ", "replay: up to this one; without it, all that is committed by now", NULL, "through"},
    {"messages", "KINDS", "replay: of which kinds (notification, alert, organization.created …), separated by commas",
     NULL, "messages"},
    {"start-time", "TIME", "replay: records from this time on", NULL, "startTime"},
    {"end-time", "TIME", "replay: records up to this time, itself included", NULL, "endTime"},
    {"source-id", "ID", "replay: records from this source", NULL, "sourceId"},
    {"destination-id", "ID", "replay: records for this destination", NULL, "destinationId"},
    {"unit", "UNIT", "replay: records in this unit", NULL, "unit"},
    {"type", "positive|negative", "replay: records of this type", NULL, "type"},
    {"value-min", "VALUE", "replay: records of at least this value", NULL, "valueMin"},
    {"dry-run", NULL, "replay: only say how many messages that would be", NULL, NULL},
    {0},
};

const Command command_sinks = {
    .name = "sinks",
    .summary = "shows where messages go; pauses, resumes, sends again",
    .operands = "list|show|pause|resume|replay|replays|cancel",
    .operands_max = 3,
    .description =
        "Asks a running server. Without an argument it lists the sinks: how each is, how far it has got, what went "
        "wrong last. `show NAME` tells all about one.\n\n"
        "`pause NAME` holds a sink until `resume NAME`, also over restarts; a sink that the other side has disabled is "
        "resumed likewise. Nothing is lost meanwhile.\n\n"
        "`replay NAME` sends messages of the past once more, beside the live line, which it does not move. What is "
        "not said is as the sink's own filter says. Twice works twice. `replays NAME` lists them, `cancel NAME ID` "
        "calls "
        "one off.",
    .example = "weir sinks\n"
               "weir sinks pause hooks --reason 'the other side moves house'\n"
               "weir sinks replay hooks --after 1000 --through 2000 --dry-run\n",
    .exits = "0 done\n"
             "2 an argument is wrong, or there is no such sink or replay\n"
             "3 the server cannot be reached, or could not do it (a replay that is over cannot be called off)\n",
    .flags = (const Flag *const[]){flags_remote, flags_sinks, flags_json, flags_config, NULL},
    .run = run,
};

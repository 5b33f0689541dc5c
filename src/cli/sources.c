/* weir sources: how sources are, and what a person does to them. */
#include "cli/remote.h"

static const char *source_of(const Args *args) { return args_operand(args, 1); }

static void put_source_path(Remote *remote, const Args *args, const char *what)
{
    BUF_PUT(&remote->path, "/api/sources");
    remote_put_part(remote, source_of(args));
    buf_put(&remote->path, str_from(what));
}

static int run_list(Remote *remote, const Args *args)
{
    static const RemoteColumn columns[] = {{"name", "name", REMOTE_TEXT},
                                           {"type", "type", REMOTE_TEXT},
                                           {"state", "state", REMOTE_TEXT},
                                           {"lag", "lag", REMOTE_NUMBER},
                                           {"messages", "messages", REMOTE_NUMBER},
                                           {"created", "created", REMOTE_NUMBER},
                                           {"duplicates", "duplicates", REMOTE_NUMBER},
                                           {"deadLetters", "dead letters", REMOTE_NUMBER},
                                           {"lastMessageAt", "last message", REMOTE_AGE},
                                           {"lastErrorAt", "last failed", REMOTE_AGE},
                                           {"lastError", "last error", REMOTE_LINE},
                                           {0}};
    Error error;
    (void)args;
    BUF_PUT(&remote->path, "/api/sources");
    Status status = remote_call(remote, "GET", NULL, 0, &error);
    if (status != STATUS_OK) {
        return remote_fail(remote, status, &error);
    }
    int code = remote_print_table(remote, columns, "no sources are configured");
    return code == EXIT_OK ? remote_print_notes(remote, "name", "notice") : code;
}

static int run_show(Remote *remote, const Args *args)
{
    static const RemoteColumn columns[] = {
        {"part", "part", REMOTE_TEXT}, {"next", "next", REMOTE_NUMBER}, {"mark", "mark", REMOTE_LINE}, {0}};
    Error error;
    put_source_path(remote, args, "");
    Status status = remote_call(remote, "GET", NULL, 0, &error);
    return status == STATUS_OK ? remote_print_object_with(remote, "places", columns)
                               : remote_fail(remote, status, &error);
}

static int run_pause(Remote *remote, const Args *args)
{
    Error error;
    put_source_path(remote, args, "/pause");
    remote_put_flag(remote, args, "reason");
    remote_end_body(remote);
    Status status = remote_call(remote, "POST", NULL, 0, &error);
    return status == STATUS_OK ? remote_print(remote, "%s is paused", source_of(args))
                               : remote_fail(remote, status, &error);
}

static int run_resume(Remote *remote, const Args *args)
{
    Error error;
    put_source_path(remote, args, "/resume");
    Status status = remote_call(remote, "POST", NULL, 0, &error);
    return status == STATUS_OK ? remote_print(remote, "%s goes on where it was", source_of(args))
                               : remote_fail(remote, status, &error);
}

static int run_forget(Remote *remote, const Args *args)
{
    Error error;
    put_source_path(remote, args, "/forget");
    remote_put_flag(remote, args, "part");
    remote_end_body(remote);
    Status status = remote_call(remote, "POST", NULL, 0, &error);
    if (status != STATUS_OK) {
        return remote_fail(remote, status, &error);
    }
    long long count = remote_number(remote, "forgotten");
    return remote_print(remote, "%lld place%s of %s %s forgotten", count, count == 1 ? "" : "s", source_of(args),
                        count == 1 ? "is" : "are");
}

/* ---- The command --------------------------------------------------------------------------------------------------- */

static int run(const Args *args)
{
    static const struct {
        const char *name;
        size_t operands; /* behind the name */
        int (*run)(Remote *remote, const Args *args);
    } verbs[] = {{"list", 0, run_list},
                 {"show", 1, run_show},
                 {"pause", 1, run_pause},
                 {"resume", 1, run_resume},
                 {"forget", 1, run_forget}};
    size_t given = args_operand_count(args);
    const char *name = given ? args_operand(args, 0) : "list";
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(name, verbs[i].name) != 0) {
            continue;
        }
        if (given > verbs[i].operands + 1) {
            return command_usage(args, "\"%s\" is one argument too many", args_operand(args, verbs[i].operands + 1));
        }
        return given && given < verbs[i].operands + 1 ? command_usage(args, "%s needs a source's name", name)
                                                      : remote_run(args, verbs[i].run);
    }
    return command_usage(args, "\"%s\" is not list, show, pause, resume or forget", name);
}

static const Flag flags_sources[] = {
    {"reason", "TEXT", "pause: why, for those who look later", NULL, NULL},
    {"part", "PART", "forget: the place in this part alone (a partition, a file), as `show` has it", NULL, NULL},
    {0},
};

const Command command_sources = {
    .name = "sources",
    .summary = "shows where records come from beside HTTP; pauses, resumes",
    .operands = "list|show|pause|resume|forget",
    .operands_max = 2,
    .description =
        "Asks a running server. Without an argument it lists the sources: how each is, what waits on the other side, "
        "what "
        "came in since the start, what went wrong last. `show NAME` tells all about one, with its places: how far it "
        "has got in each partition or file.\n\n"
        "`pause NAME` holds a source until `resume NAME`, also over restarts; what it had fetched and not stored is "
        "given back. `resume NAME` also has one that has failed tried again at once.\n\n"
        "`forget NAME` removes its places, so that it starts as a new one does: for a topic that was made anew. The "
        "source has to be paused, or to have failed. What it then reads again is known by its ids, and counts once.",
    .example = "weir sources\n"
               "weir sources pause orders --reason 'the topic is made anew'\n"
               "weir sources forget orders --part records.in/0\n",
    .exits = "0 done\n"
             "2 an argument is wrong, or there is no such source or part\n"
             "3 the server cannot be reached, or could not do it (a source that runs cannot forget its places)\n",
    .flags = (const Flag *const[]){flags_remote, flags_sources, flags_json, flags_config, NULL},
    .run = run,
};

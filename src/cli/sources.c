/* weir sources: how sources are, and what a person does to them. */
#include "cli/remote.h"

static const char all[] = "/api/sources";

static const char *source_of(const Args *args) { return args_operand(args, 1); }

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
    buf_put(&remote->path, str_from(all));
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
    remote_put_path(remote, all, source_of(args), "");
    Status status = remote_call(remote, "GET", NULL, 0, &error);
    return status == STATUS_OK ? remote_print_object_with(remote, "places", columns)
                               : remote_fail(remote, status, &error);
}

static int run_pause(Remote *remote, const Args *args) { return remote_pause(remote, args, all); }

static int run_resume(Remote *remote, const Args *args) { return remote_resume(remote, args, all); }

static int run_forget(Remote *remote, const Args *args)
{
    Error error;
    remote_put_path(remote, all, source_of(args), "/forget");
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

/* ---- The command ------------------------------------------------------------------------------------------------- */

static int run(const Args *args)
{
    static const char one[] = "a source's name";
    static const RemoteVerb verbs[] = {{"list", 0, 0, NULL, run_list},
                                       {"show", 1, 1, one, run_show},
                                       {"pause", 1, 1, one, run_pause},
                                       {"resume", 1, 1, one, run_resume},
                                       {"forget", 1, 1, one, run_forget}};
    return remote_run_verb(args, verbs, sizeof verbs / sizeof verbs[0]);
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
        "`forget NAME` removes its places, so that it starts as a new one does: for a topic that was made anew. Of a "
        "Kafka group that it has read with it reads all again. The source has to be paused, or to have failed. What it "
        "then reads again is known by its ids, and counts once.",
    .example = "weir sources\n"
               "weir sources pause orders --reason 'the topic is made anew'\n"
               "weir sources forget orders --part records.in/0\n",
    .exits = "0 done\n"
             "2 an argument is wrong, or there is no such source or part\n"
             "3 the server cannot be reached, or could not do it (a source that runs cannot forget its places)\n",
    .flags = (const Flag *const[]){flags_remote, flags_sources, flags_json, flags_config, NULL},
    .run = run,
};

/* weir dead-letters: what was given up. */
#include "cli/remote.h"

static void put_letter_path(Remote *remote, const Args *args, const char *what)
{
    BUF_PUT(&remote->path, "/api/dead-letters");
    remote_put_part(remote, args_operand(args, 1));
    buf_put(&remote->path, str_from(what));
}

static int run_list(Remote *remote, const Args *args)
{
    static const RemoteColumn columns[] = {{"id", "id", REMOTE_NUMBER},
                                           {"stage", "stage", REMOTE_TEXT},
                                           {"state", "state", REMOTE_TEXT},
                                           {"sink", "sink", REMOTE_TEXT},
                                           {"origin", "origin", REMOTE_TEXT},
                                           {"seq", "seq", REMOTE_NUMBER},
                                           {"attempts", "attempts", REMOTE_NUMBER},
                                           {"createdAt", "created", REMOTE_TEXT},
                                           {"error", "error", REMOTE_LINE},
                                           {0}};
    QueryParam params[ARGS_PARAMS_MAX];
    size_t count = args_params(args, params);
    Error error;
    BUF_PUT(&remote->path, "/api/dead-letters");
    Status status = remote_call(remote, "GET", params, count, &error);
    return status == STATUS_OK ? remote_print_table(remote, columns, "there are none")
                               : remote_fail(remote, status, &error);
}

static int run_show(Remote *remote, const Args *args)
{
    Error error;
    put_letter_path(remote, args, "");
    Status status = remote_call(remote, "GET", NULL, 0, &error);
    return status == STATUS_OK ? remote_print_object(remote) : remote_fail(remote, status, &error);
}

static int run_discard(Remote *remote, const Args *args)
{
    Error error;
    put_letter_path(remote, args, "");
    Status status = remote_call(remote, "DELETE", NULL, 0, &error);
    return status == STATUS_OK ? remote_print(remote, "%s is discarded", args_operand(args, 1))
                               : remote_fail(remote, status, &error);
}

static int retry_one(Remote *remote, const Args *args)
{
    Error error;
    put_letter_path(remote, args, "/retry");
    Status status = remote_call(remote, "POST", NULL, 0, &error);
    return status == STATUS_OK ? remote_print(remote, "%s is tried again", args_operand(args, 1))
                               : remote_fail(remote, status, &error);
}

/* ---- All ----------------------------------------------------------------------------------------------------------- */

enum { AT_ONCE = 1000 };

static Status retry_some(Remote *remote, const Args *args, int64_t *ret_count, Error *reterr)
{
    char limit[32];
    bool dry_run = args_has(args, "dry-run");
    snprintf(limit, sizeof limit, "%d", AT_ONCE);
    BUF_PUT(&remote->path, "/api/dead-letters/retry");
    remote_put_text(remote, dry_run ? "dryRun" : "limit", dry_run ? "true" : limit);
    if (args_has(args, "sink")) {
        remote_put_text(remote, "sink", args_text(args, "sink"));
    }
    remote_end_body(remote);
    Status status = remote_call(remote, "POST", NULL, 0, reterr);
    *ret_count = status == STATUS_OK ? remote_number(remote, "count") : 0;
    return status;
}

/* In pieces, so that intake is not held up. Those that fail at once while we go on are taken again, as a second call would: so nobody is
 * kept here for ever, no more are taken than there were. */
static int retry_all(Remote *remote, const Args *args)
{
    int64_t total = 0, count = AT_ONCE;
    Error error;
    Status status = STATUS_OK;
    bool dry_run = args_has(args, "dry-run");
    while (status == STATUS_OK && count == AT_ONCE && total < (int64_t)STORE_RETRIES_MAX) {
        status = retry_some(remote, args, &count, &error);
        total += count;
        if (dry_run) {
            break;
        }
    }
    if (status != STATUS_OK && total == 0) {
        return remote_fail(remote, status, &error);
    }
    buf_reset(&remote->answer);
    buf_printf(&remote->answer, "{\"data\":{\"dryRun\":%s,\"count\":%lld}}", dry_run ? "true" : "false",
               (long long)total);
    int code = remote_print(remote, dry_run ? "%lld would be tried again" : "%lld are tried again", (long long)total);
    return status == STATUS_OK ? code : remote_fail(remote, status, &error);
}

static int run_retry(Remote *remote, const Args *args)
{
    bool all = args_has(args, "all");
    if (all == (args_operand_count(args) > 1)) {
        return command_usage(args, "retry needs either an id or --all");
    }
    return all ? retry_all(remote, args) : retry_one(remote, args);
}

/* ---- The command --------------------------------------------------------------------------------------------------- */

static int run_with(const Args *args, int (*verb)(Remote *remote, const Args *args))
{
    Remote remote = {0};
    Error error;
    Status status = remote_open(args, &remote, &error);
    int code = status == STATUS_OK ? verb(&remote, args) : remote_fail(&remote, status, &error);
    remote_close(&remote);
    return code;
}

static int run(const Args *args)
{
    static const struct {
        const char *name;
        size_t operands_min, operands_max; /* behind the name */
        int (*run)(Remote *remote, const Args *args);
    } verbs[] = {
        {"list", 0, 0, run_list}, {"show", 1, 1, run_show}, {"retry", 0, 1, run_retry}, {"discard", 1, 1, run_discard}};
    size_t given = args_operand_count(args);
    const char *name = given ? args_operand(args, 0) : "list";
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(name, verbs[i].name) != 0) {
            continue;
        }
        if (given > verbs[i].operands_max + 1) {
            return command_usage(args, "\"%s\" is one argument too many",
                                 args_operand(args, verbs[i].operands_max + 1));
        }
        return given && given < verbs[i].operands_min + 1 ? command_usage(args, "%s needs an id", name)
                                                          : run_with(args, verbs[i].run);
    }
    return command_usage(args, "\"%s\" is not list, show, retry or discard", name);
}

static const Flag flags_letters[] = {
    {"sink", "NAME", "list and retry --all: those of this sink", NULL, "sink"},
    {"stage", "intake|delivery|job", "list: those of this stage", NULL, "stage"},
    {"state", "open|retrying|resolved|discarded|all", "list: those in this state; without it, the open ones", NULL,
     "state"},
    {"limit", "COUNT", "list: so many at most, 100 without it", NULL, "limit"},
    {"cursor", "CURSOR", "list: go on where an earlier answer ended", NULL, "cursor"},
    {"all", NULL, "retry: all open ones, at most 10,000 at once", NULL, NULL},
    {"dry-run", NULL, "retry --all: only say how many that would be", NULL, NULL},
    {0},
};

const Command command_dead_letters = {
    .name = "dead-letters",
    .summary = "shows what was given up; tries it again, discards it",
    .operands = "list|show|retry|discard",
    .operands_max = 2,
    .description =
        "Asks a running server. Without an argument it lists the open dead letters, the newest first. `show ID` tells "
        "all about one, with the message as it would be sent.\n\n"
        "`retry ID`, or `retry --all`, sends messages again, once what they failed at was mended; one that fails "
        "again is open once more. `discard ID` says that one is not wanted.",
    .example = "weir dead-letters\n"
               "weir dead-letters show 7\n"
               "weir dead-letters retry --all --sink hooks --dry-run\n",
    .exits = "0 done\n"
             "2 an argument is wrong, or there is no such dead letter\n"
             "3 the server cannot be reached, or could not do it (one that is not open cannot be tried again)\n",
    .flags = (const Flag *const[]){flags_remote, flags_letters, flags_json, flags_config, NULL},
    .run = run,
};

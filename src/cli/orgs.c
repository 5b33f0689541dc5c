/* weir orgs: organizations, and batches of them. */
#include "cli/orgs_import.h"

static int run_list(Remote *remote, const Args *args)
{
    static const RemoteColumn columns[] = {
        {"id", "id", REMOTE_NUMBER},          {"domain", "domain", REMOTE_TEXT},
        {"name", "name", REMOTE_LINE},        {"contact_email", "contact", REMOTE_TEXT},
        {"status", "status", REMOTE_TEXT},    {"version", "version", REMOTE_NUMBER},
        {"updatedAt", "updated", REMOTE_AGE}, {0}};
    QueryParam params[ARGS_PARAMS_MAX];
    size_t count = args_params(args, params);
    Error error;
    if (args_has(args, "deleted")) {
        params[count++] = (QueryParam){STR("deleted"), STR("true")};
    }
    BUF_PUT(&remote->path, "/api/organizations");
    Status status = remote_call(remote, "GET", params, count, &error);
    return status == STATUS_OK ? remote_print_table(remote, columns, "there are none")
                               : remote_fail(remote, status, &error);
}

static int run_show(Remote *remote, const Args *args)
{
    static const QueryParam deleted[] = {{STR("deleted"), STR("true")}};
    Error error;
    remote_put_path(remote, "/api/organizations", args_operand(args, 1), "");
    Status status = remote_call(remote, "GET", deleted, args_has(args, "deleted") ? 1 : 0, &error);
    return status == STATUS_OK ? remote_print_object(remote) : remote_fail(remote, status, &error);
}

static int run_history(Remote *remote, const Args *args)
{
    static const RemoteColumn columns[] = {{"time", "time", REMOTE_TEXT},
                                           {"action", "action", REMOTE_TEXT},
                                           {"version", "version", REMOTE_NUMBER},
                                           {"who", "who", REMOTE_TEXT},
                                           {"changed", "changed", REMOTE_LINE},
                                           {"batchId", "batch", REMOTE_TEXT},
                                           {0}};
    Error error;
    remote_put_path(remote, "/api/organizations", args_operand(args, 1), "/history");
    Status status = remote_call(remote, "GET", NULL, 0, &error);
    return status == STATUS_OK ? remote_print_table(remote, columns, "nothing was done to it")
                               : remote_fail(remote, status, &error);
}

/* ---- Batches ----------------------------------------------------------------------------------------------------- */

static int run_batches(Remote *remote, const Args *args)
{
    static const RemoteColumn columns[] = {{"id", "id", REMOTE_TEXT},
                                           {"status", "status", REMOTE_TEXT},
                                           {"total", "total", REMOTE_NUMBER},
                                           {"pending", "pending", REMOTE_NUMBER},
                                           {"processing", "processing", REMOTE_NUMBER},
                                           {"completed", "completed", REMOTE_NUMBER},
                                           {"failed", "failed", REMOTE_NUMBER},
                                           {"cancelled", "cancelled", REMOTE_NUMBER},
                                           {"createdAt", "created", REMOTE_AGE},
                                           {"etaSeconds", "seconds left", REMOTE_NUMBER},
                                           {0}};
    QueryParam params[ARGS_PARAMS_MAX];
    size_t count = args_params(args, params);
    Error error;
    BUF_PUT(&remote->path, "/api/bulk-onboard");
    Status status = remote_call(remote, "GET", params, count, &error);
    return status == STATUS_OK ? remote_print_table(remote, columns, "there are none")
                               : remote_fail(remote, status, &error);
}

static int run_batch(Remote *remote, const Args *args)
{
    Error error;
    remote_put_path(remote, "/api/bulk-onboard", args_operand(args, 1), "");
    Status status = remote_call(remote, "GET", NULL, 0, &error);
    return status == STATUS_OK ? remote_print_object(remote) : remote_fail(remote, status, &error);
}

static int change_batch(Remote *remote, const Args *args, const char *path, const char *done)
{
    Error error;
    remote_put_path(remote, "/api/bulk-onboard", args_operand(args, 1), path);
    if (args_has(args, "dry-run")) {
        remote_put_text(remote, "dryRun", "true");
    }
    remote_end_body(remote);
    Status status = remote_call(remote, "POST", NULL, 0, &error);
    if (status != STATUS_OK) {
        return remote_fail(remote, status, &error);
    }
    return remote_print(remote, "%lld %s%s", (long long)remote_number(remote, "count"),
                        args_has(args, "dry-run") ? "would be " : "", done);
}

static int run_retry(Remote *remote, const Args *args) { return change_batch(remote, args, "/retry", "tried again"); }

static int run_cancel(Remote *remote, const Args *args) { return change_batch(remote, args, "/cancel", "cancelled"); }

/* ---- The command ------------------------------------------------------------------------------------------------- */

static int run(const Args *args)
{
    static const char organization[] = "an id or a domain", batch[] = "the id of a batch";
    static const RemoteVerb verbs[] = {{"list", 0, 0, NULL, run_list},
                                       {"show", 1, 1, organization, run_show},
                                       {"history", 1, 1, organization, run_history},
                                       {"import", 1, 1, "a file; - is the standard input", orgs_import},
                                       {"batches", 0, 0, NULL, run_batches},
                                       {"batch", 1, 1, batch, run_batch},
                                       {"retry", 1, 1, batch, run_retry},
                                       {"cancel", 1, 1, batch, run_cancel}};
    return remote_run_verb(args, verbs, sizeof verbs / sizeof verbs[0]);
}

static const Flag flags_orgs[] = {
    {"mode", "atomic|partial", "import: atomic (without it): all or none of a batch; partial: the good ones", NULL,
     "mode"},
    {"on-duplicate", "update|skip|fail", "import: what is done with a domain that is there; update without it", NULL,
     "onDuplicate"},
    {"wait", NULL, "import: stay until all are done", NULL, NULL},
    {"again", NULL, "import: store once more what was stored before", NULL, NULL},
    {"dry-run", NULL, "import, retry, cancel: only say what would happen", NULL, NULL},
    {"search", "TEXT", "list: those whose domain begins with it, or is it in another spelling, or whose name has it",
     NULL, "search"},
    {"status", "pending|processing|completed|failed|cancelled", "list: those whose newest job is in this state", NULL,
     "status"},
    {"batch", "ID", "list: those of this batch", NULL, "batch"},
    {"deleted", NULL, "list, show: deleted ones instead of the others", NULL, NULL},
    {"limit", "COUNT", "list, batches: so many at most, 100 without it", NULL, "limit"},
    {"cursor", "CURSOR", "list, batches: go on where an earlier answer ended", NULL, "cursor"},
    {0},
};

const Command command_orgs = {
    .name = "orgs",
    .summary = "onboards organizations from a file; lists and shows them",
    .operands = "list|show|history|import|batches|batch|retry|cancel",
    .operands_max = 2,
    .description =
        "Asks a running server. Without an argument it lists organizations, the newest first; `show` and `history` "
        "take "
        "an id or a domain.\n\n"
        "`import FILE` reads JSON ({\"organizations\":[…]} or the array) or CSV (with the columns name, domain, "
        "contact_email and, if there is any, metadata), and sends them in batches of 1,000. All are checked before the "
        "first is stored, unless `--mode partial` takes the good ones of each batch. An import that was interrupted is "
        "run again as it was: batches that are stored are known by what is in them, for a day at least, and are not "
        "stored twice (`--again` stores them anew).\n\n"
        "`batches` lists batches, `batch ID` tells how far one is, `retry ID` tries its failed ones again, `cancel ID` "
        "calls off those that wait.",
    .example = "weir orgs import customers.csv --wait\n"
               "weir orgs import customers.json --mode partial --on-duplicate skip --to http://127.0.0.1:8080\n"
               "weir orgs list --search acme --status failed\n"
               "weir orgs show acme.com\n",
    .exits = "0 done\n"
             "1 some organizations are refused, or have failed\n"
             "2 an argument or the file is wrong, or there is no such organization or batch\n"
             "3 the server cannot be reached, or could not do all of it; run it again\n",
    .flags = (const Flag *const[]){flags_orgs, flags_remote, flags_json, flags_config, NULL},
    .run = run,
};

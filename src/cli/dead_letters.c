/* weir dead-letters: what was given up. */
#include <errno.h>

#include "base/base64.h"
#include "cli/remote.h"

enum { RAW_BYTES_MAX = 64 << 20, ENCODED_BYTES_MAX = 90 << 20 };

static const char all_letters[] = "/api/dead-letters";

static int run_list(Remote *remote, const Args *args)
{
    static const RemoteColumn columns[] = {{"id", "id", REMOTE_NUMBER},
                                           {"stage", "stage", REMOTE_TEXT},
                                           {"state", "state", REMOTE_TEXT},
                                           {"sink", "sink", REMOTE_TEXT},
                                           {"seq", "seq", REMOTE_NUMBER},
                                           {"source", "source", REMOTE_TEXT},
                                           {"place", "place", REMOTE_LINE},
                                           {"batchId", "batch", REMOTE_TEXT},
                                           {"jobId", "job", REMOTE_NUMBER},
                                           {"attempts", "attempts", REMOTE_NUMBER},
                                           {"createdAt", "created", REMOTE_TEXT},
                                           {"error", "error", REMOTE_LINE},
                                           {0}};
    QueryParam params[ARGS_PARAMS_MAX];
    size_t count = args_params(args, params);
    Error error;
    buf_put(&remote->path, str_from(all_letters));
    Status status = remote_call(remote, "GET", params, count, &error);
    return status == STATUS_OK ? remote_print_table(remote, columns, "there are none")
                               : remote_fail(remote, status, &error);
}

/* ---- One's bytes ------------------------------------------------------------------------------------------------- */

static bool is_standard(const char *path) { return strcmp(path, "-") == 0; }

static Status say_system(const char *path, Error *reterr)
{
    return error_set(reterr, STATUS_REFUSED, "%s: %s", path, strerror(errno));
}

static Status read_all(FILE *file, const char *path, Buf *raw, Error *reterr)
{
    enum { PIECE = 1 << 16 };
    char *at;
    size_t got = 1;
    while (got > 0 && (at = buf_reserve(raw, PIECE))) {
        got = fread(at, 1, PIECE, file);
        raw->len += got;
    }
    if (raw->failed) {
        return error_set(reterr, STATUS_REFUSED, "%s is too large for a message", path);
    }
    return ferror(file) ? say_system(path, reterr) : STATUS_OK;
}

static Status read_file(const char *path, Buf *raw, Error *reterr)
{
    FILE *file = is_standard(path) ? stdin : fopen(path, "re");
    if (!file) {
        return say_system(path, reterr);
    }
    Status status = read_all(file, path, raw, reterr);
    if (file != stdin) {
        fclose(file);
    }
    return status == STATUS_OK && raw->len == 0 ? error_set(reterr, STATUS_REFUSED, "%s is empty", path) : status;
}

static int write_file(const Args *args, const char *path, Str raw)
{
    Error error;
    if (is_standard(path)) {
        return command_print(args, raw);
    }
    FILE *file = fopen(path, "we");
    bool written = file && fwrite(raw.ptr ? raw.ptr : "", 1, raw.len, file) == raw.len;
    if ((file && fclose(file) != 0) || !written) {
        (void)say_system(path, &error);
        return command_fail(args, EXIT_FAILED, &error);
    }
    return EXIT_OK;
}

/* What the letter in the answer keeps; REFUSED for one that keeps none. */
static Status copy_raw(const Remote *remote, Buf *raw, Error *reterr)
{
    Buf encoded;
    size_t len = 0;
    if (remote_copy_text(remote, "raw", raw)) {
        return raw->failed ? error_set(reterr, STATUS_REFUSED, "the answer is too large") : STATUS_OK;
    }
    buf_init(&encoded, ENCODED_BYTES_MAX);
    bool is_there = remote_copy_text(remote, "rawBase64", &encoded);
    char *at = is_there ? buf_reserve(raw, encoded.len + 1) : NULL;
    bool decoded = at && base64_decode(buf_str(&encoded), at, &len);
    raw->len += decoded ? len : 0;
    buf_release(&encoded);
    return decoded ? STATUS_OK
                   : error_set(reterr, STATUS_REFUSED, "it is a message of a sink, without bytes that came");
}

static int save_raw(Remote *remote, const Args *args)
{
    Buf raw;
    Error error;
    buf_init(&raw, ENCODED_BYTES_MAX);
    Status status = copy_raw(remote, &raw, &error);
    int code = status == STATUS_OK ? write_file(args, args_text(args, "raw"), buf_str(&raw))
                                   : remote_fail(remote, status, &error);
    buf_release(&raw);
    return code;
}

/* Into the body of the next call. */
static void put_raw(Remote *remote, const Buf *raw)
{
    Str bytes = buf_str(raw);
    if (str_count_code_points(bytes) >= 0) {
        BUF_PUT(&remote->body, "{\"raw\":");
        buf_put_json(&remote->body, bytes);
    } else {
        BUF_PUT(&remote->body, "{\"rawBase64\":\"");
        base64_put(&remote->body, bytes);
        buf_put_char(&remote->body, '"');
    }
    remote_end_body(remote);
}

/* ---- One --------------------------------------------------------------------------------------------------------- */

static int run_show(Remote *remote, const Args *args)
{
    Error error;
    remote_put_path(remote, all_letters, args_operand(args, 1), "");
    Status status = remote_call(remote, "GET", NULL, 0, &error);
    if (status != STATUS_OK) {
        return remote_fail(remote, status, &error);
    }
    return args_has(args, "raw") ? save_raw(remote, args) : remote_print_object(remote);
}

static int run_discard(Remote *remote, const Args *args)
{
    Error error;
    remote_put_path(remote, all_letters, args_operand(args, 1), "");
    Status status = remote_call(remote, "DELETE", NULL, 0, &error);
    return status == STATUS_OK ? remote_print(remote, "%s is discarded", args_operand(args, 1))
                               : remote_fail(remote, status, &error);
}

static int retry_one(Remote *remote, const Args *args)
{
    Error error;
    Buf raw;
    Status status = STATUS_OK;
    buf_init(&raw, RAW_BYTES_MAX);
    remote_put_path(remote, all_letters, args_operand(args, 1), "/retry");
    if (args_has(args, "raw")) {
        status = read_file(args_text(args, "raw"), &raw, &error);
        put_raw(remote, &raw);
    }
    buf_release(&raw);
    if (status == STATUS_OK) {
        status = remote_call(remote, "POST", NULL, 0, &error);
    }
    return status == STATUS_OK ? remote_print(remote, "%s is tried again", args_operand(args, 1))
                               : remote_fail(remote, status, &error);
}

/* ---- All --------------------------------------------------------------------------------------------------------- */

enum { AT_ONCE = 1000 };

static Status retry_some(Remote *remote, const Args *args, int64_t *ret_count, Error *reterr)
{
    static const char *const filters[] = {"sink", "source", "batch", "stage"};
    char limit[32];
    bool dry_run = args_has(args, "dry-run");
    snprintf(limit, sizeof limit, "%d", AT_ONCE);
    BUF_PUT(&remote->path, "/api/dead-letters/retry");
    remote_put_text(remote, dry_run ? "dryRun" : "limit", dry_run ? "true" : limit);
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        if (args_has(args, filters[i])) {
            remote_put_text(remote, filters[i], args_text(args, filters[i]));
        }
    }
    remote_end_body(remote);
    Status status = remote_call(remote, "POST", NULL, 0, reterr);
    *ret_count = status == STATUS_OK ? remote_number(remote, "count") : 0;
    return status;
}

/* In pieces, so that intake is not held up. Those that fail at once while we go on are taken again, as a second call
 * would: so nobody is kept here for ever, no more are taken than there were. */
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
    if (all && args_has(args, "raw")) {
        return command_usage(args, "--raw goes with one id, not with --all");
    }
    return all ? retry_all(remote, args) : retry_one(remote, args);
}

/* ---- The command ------------------------------------------------------------------------------------------------- */

static int run(const Args *args)
{
    static const RemoteVerb verbs[] = {{"list", 0, 0, NULL, run_list},
                                       {"show", 1, 1, "an id", run_show},
                                       {"retry", 0, 1, NULL, run_retry},
                                       {"discard", 1, 1, "an id", run_discard}};
    return remote_run_verb(args, verbs, sizeof verbs / sizeof verbs[0]);
}

static const Flag flags_letters[] = {
    {"sink", "NAME", "list and retry --all: those of this sink", NULL, "sink"},
    {"source", "NAME", "list and retry --all: those of this source", NULL, "source"},
    {"place", "PLACE", "list, with --source: what was there, such as bytes:… of an event that failed", NULL, "place"},
    {"batch", "ID", "list and retry --all: those of this onboarding batch", NULL, "batch"},
    {"stage", "intake|delivery|job", "list and retry --all: those of this stage", NULL, "stage"},
    {"state", "open|retrying|resolved|discarded|all", "list: those in this state; without it, the open ones", NULL,
     "state"},
    {"limit", "COUNT", "list: so many at most, 100 without it", NULL, "limit"},
    {"cursor", "CURSOR", "list: go on where an earlier answer ended", NULL, "cursor"},
    {"raw", "FILE", "show: write what came into this file; retry: take its bytes instead; - for a pipe", NULL, NULL},
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
        "all about one, with the message as it would be sent, or with what came in (the beginning of a long one).\n\n"
        "`retry ID`, or `retry --all`, sends messages again, takes them in again, or has jobs tried again, once what "
        "they "
        "failed at was mended; one that fails again is open once more. What came in can be mended itself: `show ID "
        "--raw FILE` "
        "writes it into a file, and `retry ID --raw FILE` takes that in its place. `discard ID` says that one is not "
        "wanted.",
    .example = "weir dead-letters\n"
               "weir dead-letters show 7 --raw message.json\n"
               "weir dead-letters retry 7 --raw message.json\n"
               "weir dead-letters retry --all --sink hooks --dry-run\n",
    .exits = "0 done\n"
             "2 an argument is wrong, or there is no such dead letter\n"
             "3 the server cannot be reached, or could not do it (one that is not open cannot be tried again)\n",
    .flags = (const Flag *const[]){flags_remote, flags_letters, flags_json, flags_config, NULL},
    .run = run,
};

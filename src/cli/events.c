/* weir events: those of the past, read again by the mappings of now. */
#include <stdlib.h>
#include <unistd.h>
#include <yyjson.h>

#include "cli/progress.h"
#include "cli/remote.h"

enum { AT_ONCE = 500, SHOWN_DEFAULT = 20, SHOWN_MAX = 10000, SHOWN_BYTES_MAX = 64 << 20, TRIES_MAX = 60 };

/* What all calls together have said. */
typedef struct Reprocessing {
    Remote *remote;
    const Args *args;
    Progress progress;
    int64_t looked, same, changed, unreadable, duplicates, corrected, refused;
    int64_t after, after_duplicate, through, shown_max;
    int64_t changes_shown, refusals_shown;
    bool dry_run, all;
    Buf changes, refusals; /* objects with commas between them */
} Reprocessing;

/* ---- One call ---------------------------------------------------------------------------------------------------- */

static void put_number(Remote *remote, const char *member, int64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)number);
    remote_put_text(remote, member, text);
}

static void put_body(const Reprocessing *work)
{
    static const struct {
        const char *flag, *member;
    } filters[] = {{"client", "client"}, {"start-date", "startDate"}, {"end-date", "endDate"}, {"mapping", "mapping"}};
    Remote *remote = work->remote;
    remote_put_text(remote, "dryRun", work->dry_run ? "true" : "false");
    if (args_has(work->args, "take-back-unreadable")) {
        remote_put_text(remote, "takeBackUnreadable", "true");
    }
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        if (args_has(work->args, filters[i].flag)) {
            remote_put_text(remote, filters[i].member, args_text(work->args, filters[i].flag));
        }
    }
    put_number(remote, "limit", AT_ONCE);
    put_number(remote, "after", work->after);
    put_number(remote, "afterDuplicate", work->after_duplicate);
    if (work->through) {
        put_number(remote, "through", work->through);
    }
    remote_end_body(remote);
}

/* A server that is busy is given the time that it asks for, and one that has answered before the time to start again.
 * Whatever of a call happened, it can be made again. */
static Status call(const Reprocessing *work, Error *reterr)
{
    static const int64_t pause_us = 250000;
    Status status = STATUS_BUSY;
    bool waits = true;
    for (int tries = 0; status == STATUS_BUSY && waits && tries < TRIES_MAX; tries++) {
        int64_t asked_us = tries > 0 ? client_retry_after_us(work->remote->client) : 0;
        if (tries > 0) {
            usleep((useconds_t)(asked_us ? asked_us : pause_us));
        }
        put_body(work);
        BUF_PUT(&work->remote->path, "/api/events/reprocess");
        status = remote_call(work->remote, "POST", NULL, 0, reterr);
        waits = work->through > 0 || client_retry_after_us(work->remote->client) > 0;
    }
    return status;
}

/* ---- What it said ------------------------------------------------------------------------------------------------ */

static int64_t number_of(yyjson_val *data, const char *member)
{
    const char *digits = yyjson_get_raw(yyjson_obj_get(data, member));
    return digits ? strtoll(digits, NULL, 10) : 0;
}

static void put_value(Buf *buf, yyjson_val *value)
{
    size_t len = 0;
    char *text = yyjson_val_write(value, 0, &len);
    buf->failed |= !text;
    buf_put(buf, (Str){text ? text : "", len});
    free(text);
}

static const char *const side_members[] = {"client", "metric", "amount", "unit", "timestamp"};
enum { SIDE_MEMBERS = sizeof side_members / sizeof side_members[0] };

/* "A revenue 12.50 EUR 2024-01-01T00:00:00Z" */
static void put_side(Buf *buf, const char *name, yyjson_val *side)
{
    char text[4096];
    size_t len = 0;
    for (size_t i = 0; i < SIDE_MEMBERS && len < sizeof text; i++) {
        const char *value = yyjson_get_str(yyjson_obj_get(side, side_members[i]));
        int added = snprintf(text + len, sizeof text - len, "%s%s", i ? " " : "", value ? value : "");
        len += added > 0 ? (size_t)added : 0;
    }
    buf_put_key(buf, name);
    buf_put_json(buf, (Str){text, len < sizeof text ? len : sizeof text - 1});
}

/* Then what has changed is what the event is known by. */
static bool is_same(yyjson_val *was, yyjson_val *becomes)
{
    bool same = true;
    for (size_t i = 0; i < SIDE_MEMBERS && same; i++) {
        same = yyjson_equals(yyjson_obj_get(was, side_members[i]), yyjson_obj_get(becomes, side_members[i]));
    }
    return same;
}

static void put_known_by(Buf *buf, yyjson_val *becomes)
{
    const char *alias = yyjson_get_str(yyjson_obj_get(becomes, "alias"));
    const char *hash = yyjson_get_str(yyjson_obj_get(becomes, "hash"));
    BUF_PUT(buf, ",\"becomes\":\"the same, known by ");
    buf_put(buf, alias ? str_from(alias) : STR("sha256:"));
    buf_put(buf, !alias && hash ? str_from(hash) : STR(""));
    buf_put_char(buf, '"');
}

static void put_change_line(Buf *buf, yyjson_val *change)
{
    yyjson_val *was = yyjson_obj_get(change, "was"), *becomes = yyjson_obj_get(change, "becomes");
    BUF_PUT(buf, "{\"id\":");
    put_value(buf, yyjson_obj_get(change, "id"));
    if (yyjson_is_obj(was)) {
        put_side(buf, "was", was);
    } else {
        buf_put(buf, yyjson_obj_get(change, "duplicate") ? STR(",\"was\":\"taken for its duplicate\"")
                                                         : STR(",\"was\":\"taken back\""));
    }
    if (yyjson_is_obj(was) && yyjson_is_obj(becomes) && is_same(was, becomes)) {
        put_known_by(buf, becomes);
    } else if (yyjson_is_obj(becomes)) {
        put_side(buf, "becomes", becomes);
    } else if (yyjson_obj_get(change, "errors")) {
        BUF_PUT(buf, ",\"becomes\":\"nothing: it cannot be read\"");
    } else {
        BUF_PUT(buf, ",\"becomes\":\"nothing: it is the same as ");
        put_value(buf, yyjson_obj_get(change, "sameAs"));
        buf_put(buf, yyjson_obj_get(change, "sameAsDuplicate") ? STR("'s duplicate\"") : STR("\""));
    }
    buf_put_key(buf, "mapping");
    put_value(buf, yyjson_obj_get(yyjson_is_obj(becomes) ? becomes : was, "mapping"));
    buf_put_char(buf, '}');
}

static void keep_some(const Reprocessing *work, yyjson_val *list, bool are_changes, Buf *buf, int64_t *shown)
{
    size_t index, count;
    yyjson_val *item;
    yyjson_arr_foreach(list, index, count, item)
    {
        if (*shown < work->shown_max) {
            buf_put(buf, buf->len ? STR(",") : STR(""));
            (are_changes && !work->remote->json ? put_change_line : put_value)(buf, item);
            ++*shown;
        }
    }
}

static Status add_answer(Reprocessing *work, Error *reterr)
{
    Str answer = buf_str(&work->remote->answer);
    yyjson_doc *doc = answer.len ? yyjson_read(answer.ptr, answer.len, YYJSON_READ_NUMBER_AS_RAW) : NULL;
    yyjson_val *data = yyjson_obj_get(yyjson_doc_get_root(doc), "data");
    yyjson_val *next = yyjson_obj_get(data, "next");
    if (!next) {
        yyjson_doc_free(doc);
        return error_set(reterr, STATUS_BROKEN, "the server's answer is not understood");
    }
    work->looked += number_of(data, "looked");
    work->same += number_of(data, "same");
    work->changed += number_of(data, "changed");
    work->unreadable += number_of(data, "unreadable");
    work->duplicates += number_of(data, "duplicates");
    work->corrected += number_of(data, "corrected");
    work->refused += number_of(data, "refused");
    work->through = number_of(data, "through");
    work->all = yyjson_is_null(next);
    work->after = work->all ? work->through : number_of(data, "next");
    work->after_duplicate = number_of(data, "nextDuplicate");
    keep_some(work, yyjson_obj_get(data, "changes"), true, &work->changes, &work->changes_shown);
    keep_some(work, yyjson_obj_get(data, "unreadableEvents"), false, &work->refusals, &work->refusals_shown);
    yyjson_doc_free(doc);
    return STATUS_OK;
}

/* ---- All calls --------------------------------------------------------------------------------------------------- */

/* An empty log has nothing up to which a second call could go. */
static Status go_through(Reprocessing *work, Error *reterr)
{
    Status status = STATUS_OK;
    progress_begin(&work->progress);
    while (status == STATUS_OK && !work->all) {
        status = call(work, reterr);
        if (status == STATUS_OK) {
            status = add_answer(work, reterr);
        }
        progress_show(&work->progress, work->dry_run ? "reading again" : "putting right", (uint64_t)work->after,
                      (uint64_t)work->through, (uint64_t)work->looked);
    }
    progress_end(&work->progress);
    return status;
}

static int print_json(Reprocessing *work)
{
    Buf *answer = &work->remote->answer;
    buf_reset(answer);
    buf_printf(answer,
               "{\"data\":{\"dryRun\":%s,\"looked\":%lld,\"same\":%lld,\"changed\":%lld,\"unreadable\":%lld,"
               "\"duplicates\":%lld",
               work->dry_run ? "true" : "false", (long long)work->looked, (long long)work->same,
               (long long)work->changed, (long long)work->unreadable, (long long)work->duplicates);
    if (!work->dry_run) {
        buf_printf(answer, ",\"corrected\":%lld,\"refused\":%lld", (long long)work->corrected,
                   (long long)work->refused);
    }
    BUF_PUT(answer, ",\"changes\":[");
    buf_put(answer, buf_str(&work->changes));
    BUF_PUT(answer, "],\"unreadableEvents\":[");
    buf_put(answer, buf_str(&work->refusals));
    BUF_PUT(answer, "]}}");
    return remote_print(work->remote, "%s", "");
}

static int print_list(Reprocessing *work, const Buf *items, const RemoteColumn *columns)
{
    Buf *answer = &work->remote->answer;
    if (items->len == 0) {
        return EXIT_OK;
    }
    buf_reset(answer);
    BUF_PUT(answer, "{\"data\":[");
    buf_put(answer, buf_str(items));
    BUF_PUT(answer, "]}");
    return remote_print_table(work->remote, columns, "");
}

/* What has changed is put right by this run, or was by another one meanwhile, or was refused. */
static int print_sum(const Reprocessing *work)
{
    const char *mapping = args_text(work->args, "mapping");
    long long meanwhile = (long long)(work->changed - work->corrected - work->refused);
    if (work->looked == 0 && mapping) {
        return remote_print(work->remote, "0 looked at: nothing that counts was read by a mapping named %s", mapping);
    }
    if (work->dry_run) {
        return remote_print(work->remote, "%lld looked at: %lld as they were, %lld would change, %lld cannot be read",
                            (long long)work->looked, (long long)work->same, (long long)work->changed,
                            (long long)work->unreadable);
    }
    char more[120] = "";
    int len = meanwhile > 0 ? snprintf(more, sizeof more, ", %lld put right by another run meanwhile", meanwhile) : 0;
    if (work->refused) {
        snprintf(more + len, sizeof more - (size_t)len, ", %lld refused", (long long)work->refused);
    }
    return remote_print(work->remote, "%lld looked at: %lld as they were, %lld put right, %lld cannot be read%s",
                        (long long)work->looked, (long long)work->same, (long long)work->corrected,
                        (long long)work->unreadable, more);
}

static int print_text(Reprocessing *work)
{
    static const RemoteColumn changes[] = {{"id", "id", REMOTE_NUMBER},
                                           {"mapping", "mapping", REMOTE_TEXT},
                                           {"was", "was", REMOTE_LINE},
                                           {"becomes", "becomes", REMOTE_LINE},
                                           {0}};
    static const RemoteColumn refusals[] = {
        {"id", "id", REMOTE_NUMBER}, {"hash", "cannot be read", REMOTE_TEXT}, {"errors", "why", REMOTE_LINE}, {0}};
    int code = print_list(work, &work->changes, changes);
    if (code == EXIT_OK) {
        code = print_list(work, &work->refusals, refusals);
    }
    return code == EXIT_OK ? print_sum(work) : code;
}

static int reprocess(Reprocessing *work)
{
    Error error;
    Status status = args_integer(work->args, "limit", 0, SHOWN_MAX, SHOWN_DEFAULT, &work->shown_max, &error);
    if (status == STATUS_OK) {
        status = go_through(work, &error);
    }
    if (status != STATUS_OK) {
        return remote_fail(work->remote, status, &error);
    }
    int code = work->remote->json ? print_json(work) : print_text(work);
    return code == EXIT_OK && work->unreadable + work->refused ? EXIT_PROBLEMS : code;
}

static int run_reprocess(Remote *remote, const Args *args)
{
    Reprocessing work = {.remote = remote, .args = args, .dry_run = args_has(args, "dry-run")};
    if (work.dry_run == args_has(args, "apply")) {
        return command_usage(args, "reprocess needs one of --dry-run and --apply, and not both");
    }
    buf_init(&work.changes, SHOWN_BYTES_MAX);
    buf_init(&work.refusals, SHOWN_BYTES_MAX);
    int code = reprocess(&work);
    buf_release(&work.changes);
    buf_release(&work.refusals);
    return code;
}

static int run(const Args *args)
{
    if (strcmp(args_operand(args, 0), "reprocess") != 0) {
        return command_usage(args, "\"%s\" is not reprocess", args_operand(args, 0));
    }
    return remote_run(args, run_reprocess);
}

static const Flag flags_events[] = {
    {"dry-run", NULL, "only say what would change", NULL, NULL},
    {"apply", NULL, "append what puts the changed ones right", NULL, NULL},
    {"take-back-unreadable", NULL, "those that cannot be read any more count no more", NULL, NULL},
    {"client", "ID", "events that count for this client now", NULL, NULL},
    {"start-date", "TIME", "events from this time on, or from the beginning of this day", NULL, NULL},
    {"end-date", "TIME", "events up to this time, or to the end of this day", NULL, NULL},
    {"mapping", "NAME", "events that were read by this mapping", NULL, NULL},
    {"limit", "COUNT", "show so many of the changed ones, and of those that cannot be read; 20 without it", NULL, NULL},
    {0},
};

const Command command_events = {
    .name = "events",
    .summary = "reads events of the past again, when a mapping was wrong",
    .operands = "reprocess",
    .operands_min = 1,
    .operands_max = 1,
    .description =
        "Asks a running server, with the mappings that it was started with. `reprocess` reads the bytes of each event "
        "that is kept, and compares what they mean now with what counts.\n\n"
        "`--dry-run` says what would change. `--apply` appends for each changed one a record that takes back what "
        "counted and one in its place, both at once; nothing is ever edited, and no alert fires. What had been taken "
        "for a duplicate of another event becomes one "
        "of its own. It may be interrupted "
        "and "
        "run again: what was put right is not touched twice. Events that cannot be read any more stay as they are, and "
        "are listed.",
    .example = "weir events reprocess --dry-run\n"
               "weir events reprocess --dry-run --client shop-de --start-date 2024-01-01 --limit 100\n"
               "weir events reprocess --apply --mapping shop\n",
    .exits = "0 done\n"
             "1 done, but for events that cannot be read any more, or whose totals would be too large\n"
             "2 an argument is wrong\n"
             "3 the server cannot be reached, or could not do all of it; run it again\n",
    .flags = (const Flag *const[]){flags_events, flags_remote, flags_json, flags_config, NULL},
    .run = run,
};

/* weir orgs import: a file of organizations goes out in pieces of a thousand, each a batch of its own under a key that
 * is made of what is sent. Whoever runs an import again that was interrupted gets the answers of the pieces that were
 * stored, and the others are stored. */
#include "cli/orgs_import.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/uuid.h"
#include "cli/orgs_file.h"
#include "cli/progress.h"
#include "cli/table.h"

enum {
    TRIES_MAX = 60,
    SHOWN_MAX = 20, /* of what is wrong */
    KEY_BYTES = 96,
    SILENCE_SECONDS_MAX = 120,
    POLL_US = 500000,
    FAILURES_MAX = 240, /* polls one after another that nobody answers */
    BATCHES_MAX = 100000,
};

typedef struct ImportBatch {
    char id[UUID_TEXT_BYTES];
    int64_t completed, failed, cancelled, total;
    bool finished;
} ImportBatch;

typedef struct Import {
    Remote *remote;
    const Args *args;
    OrgsFile file;
    OrgsPiece piece;
    Progress progress;
    QueryParam params[ARGS_PARAMS_MAX + 1];
    size_t param_count;
    bool partial, dry_run, met; /* met: the server has answered before */
    ImportBatch *batches;       /* owns */
    size_t batch_count, batch_room;
    int64_t stored, skipped, refused, replayed; /* organizations; batches */
    int64_t shown;
    int failures;              /* one after another */
    char own[UUID_TEXT_BYTES]; /* --again: what makes the keys of this import its own; else empty */
} Import;

/* ---- What is wrong ----------------------------------------------------------------------------------------------- */

/* "organizations.3.domain" of a piece is the 1,003rd of the file. */
static void put_place(const Import *work, Buf *text, Str field)
{
    Str rest = field, what = str_split(&rest, '.'), number = str_split(&rest, '.');
    uint64_t at = 0;
    bool is_line = str_is(what, "lines");
    if ((!is_line && !str_is(what, "organizations")) || !str_to_u64(number, INT64_MAX, &at)) {
        buf_put(text, field);
        return;
    }
    int64_t place = (int64_t)at + (is_line ? work->piece.shift : (int64_t)work->piece.first);
    buf_printf(text, "%s %lld", is_line ? "line" : "organization", (long long)place);
    if (rest.ptr) {
        buf_printf(text, ": %.*s", STR_ARGS(rest));
    }
}

static void show(Import *work, Str field, yyjson_val *problem)
{
    Buf text;
    if (work->shown++ >= SHOWN_MAX || work->remote->json) {
        return;
    }
    buf_init(&text, 4096);
    put_place(work, &text, field);
    buf_printf(&text, " %s", yyjson_get_str(problem) ? yyjson_get_str(problem) : "");
    if (text.ptr) {
        text_make_printable(text.ptr, text.len);
    }
    progress_end(&work->progress);
    fprintf(stderr, "%.*s\n", STR_ARGS(buf_str(&text)));
    buf_release(&text);
}

static void show_errors(Import *work, yyjson_val *errors, const char *prefix)
{
    size_t index, count, at, problems;
    yyjson_val *field, *list, *problem;
    yyjson_obj_foreach(errors, index, count, field, list)
    {
        char name[512];
        snprintf(name, sizeof name, "%s%s", prefix, yyjson_get_str(field));
        yyjson_arr_foreach(list, at, problems, problem) { show(work, str_from(name), problem); }
    }
}

/* Of mode=partial: [{"index":3,"line":5,"errors":{"domain":["…"]}}]. */
static void show_refused(Import *work, yyjson_val *refused)
{
    size_t index, count;
    yyjson_val *each;
    yyjson_arr_foreach(refused, index, count, each)
    {
        char prefix[64];
        yyjson_val *line = yyjson_obj_get(each, "line");
        yyjson_val *place = line ? line : yyjson_obj_get(each, "index");
        snprintf(prefix, sizeof prefix, "%s.%lld.", line ? "lines" : "organizations",
                 (long long)yyjson_get_sint(place));
        show_errors(work, yyjson_obj_get(each, "errors"), prefix);
    }
    work->refused += (int64_t)yyjson_arr_size(refused);
}

static void show_more(const Import *work)
{
    if (work->shown > SHOWN_MAX && !work->remote->json) {
        fprintf(stderr, "and %lld more\n", (long long)(work->shown - SHOWN_MAX));
    }
}

/* ---- One piece --------------------------------------------------------------------------------------------------- */

/* The same for the same bytes that are wanted in the same way, whenever and from where they are sent. */
static Status make_key(const Import *work, char ret_key[KEY_BYTES], Error *reterr)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    Str body = buf_str(&work->piece.body);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    for (size_t i = 0; ok && i < work->param_count; i++) {
        ok =
            EVP_DigestUpdate(context, work->params[i].value.ptr, work->params[i].value.len + 1) == 1; /* with its NUL */
    }
    ok = ok && EVP_DigestUpdate(context, work->own, strlen(work->own)) == 1;
    ok = ok && EVP_DigestUpdate(context, body.ptr, body.len) == 1 && EVP_DigestFinal_ex(context, hash, NULL) == 1;
    EVP_MD_CTX_free(context);
    if (ok) {
        memcpy(ret_key, "import-", sizeof "import-");
        *str_put_hex(ret_key + sizeof "import-" - 1, hash, 32) = '\0';
    }
    return ok ? STATUS_OK : error_set(reterr, STATUS_BUSY, "there is no memory for a key");
}

static bool keep_piece(void *context, Str piece)
{
    Buf *answer = context;
    buf_put(answer, piece);
    return !answer->failed;
}

static Status send_once(const Import *work, const char *key, Error *reterr)
{
    Remote *remote = work->remote;
    ClientCall call = {.method = "POST",
                       .path = "/api/bulk-onboard",
                       .params = work->params,
                       .param_count = work->param_count,
                       .accept = "application/json",
                       .content_type = work->piece.content_type,
                       .idempotency_key = key,
                       .body = buf_str(&work->piece.body),
                       .sink = keep_piece,
                       .context = &remote->answer,
                       .seconds_max = SILENCE_SECONDS_MAX};
    buf_reset(&remote->answer);
    Status status = client_call(remote->client, &call, reterr);
    return status == STATUS_OK && remote->answer.failed
               ? error_set(reterr, STATUS_BROKEN, "the server's answer is too large")
               : status;
}

/* The key makes it safe to send again what may have happened. A conflict that is over soon says so (Retry-After). */
static Status send_piece(Import *work, const char *key, Error *reterr)
{
    static const int64_t pause_us = 250000;
    Status status = STATUS_BUSY;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        status = send_once(work, key, reterr);
        int64_t asked_us = client_retry_after_us(work->remote->client);
        bool is_soon = status == STATUS_BUSY || status == STATUS_UNKNOWN || (status == STATUS_CONFLICT && asked_us);
        work->met = work->met || status == STATUS_OK || asked_us;
        if (!is_soon || !work->met) {
            break;
        }
        usleep((useconds_t)(asked_us ? asked_us : pause_us));
    }
    return status;
}

/* "organizations.3.domain", "lines.5": the others are about the file as a whole, or an argument. */
static bool is_about_one(yyjson_val *field)
{
    Str name = {yyjson_get_str(field), yyjson_get_len(field)};
    return str_starts_with(name, STR("organizations.")) || str_starts_with(name, STR("lines."));
}

/* What the server says of a piece that it does not take, by what it is wrong with. False when that is none of its
 * organizations: then it is the same for all pieces. */
static bool show_problem(Import *work)
{
    Str text = client_problem(work->remote->client);
    yyjson_doc *doc = text.len ? yyjson_read(text.ptr, text.len, 0) : NULL;
    yyjson_val *errors = yyjson_obj_get(yyjson_doc_get_root(doc), "errors"), *field, *list;
    size_t index, count;
    bool any = false;
    yyjson_obj_foreach(errors, index, count, field, list) { any = any || is_about_one(field); }
    if (any) {
        show_errors(work, errors, "");
    }
    yyjson_doc_free(doc);
    return any;
}

static Status keep_batch(Import *work, yyjson_val *answer, Error *reterr)
{
    const char *id = yyjson_get_str(yyjson_obj_get(answer, "batch_id"));
    if (!id || strlen(id) >= UUID_TEXT_BYTES) {
        return error_set(reterr, STATUS_BROKEN, "the server's answer is not understood");
    }
    if (work->batch_count == work->batch_room) {
        size_t room = work->batch_room ? 2 * work->batch_room : 16;
        ImportBatch *batches = room <= BATCHES_MAX ? realloc(work->batches, room * sizeof *batches) : NULL;
        if (!batches) {
            return error_set(reterr, STATUS_BUSY, "there is no memory for so many batches");
        }
        work->batches = batches;
        work->batch_room = room;
    }
    ImportBatch *batch = &work->batches[work->batch_count++];
    *batch = (ImportBatch){0};
    snprintf(batch->id, sizeof batch->id, "%s", id);
    return STATUS_OK;
}

static Status take_answer(Import *work, Error *reterr)
{
    Str text = buf_str(&work->remote->answer);
    yyjson_doc *doc = text.len ? yyjson_read(text.ptr, text.len, 0) : NULL;
    yyjson_val *answer = yyjson_doc_get_root(doc);
    Status status = STATUS_OK;
    if (!work->dry_run) {
        status = keep_batch(work, answer, reterr);
        work->replayed += client_header(work->remote->client, "Idempotent-Replayed").len > 0;
    }
    work->stored += yyjson_get_sint(yyjson_obj_get(answer, "organizations_count"));
    work->skipped += (int64_t)yyjson_arr_size(yyjson_obj_get(answer, "skipped"));
    show_refused(work, yyjson_obj_get(answer, "refused"));
    yyjson_doc_free(doc);
    return status;
}

/* ---- All pieces -------------------------------------------------------------------------------------------------- */

static void drop_param(Import *work, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < work->param_count; i++) {
        if (!str_is(work->params[i].name, name)) {
            work->params[kept++] = work->params[i];
        }
    }
    work->param_count = kept;
}

/* Before it is stored what is sent is only looked at by itself: what is there may be from an import that was
 * interrupted. */
static void put_params(Import *work, bool dry_run, bool asked_for)
{
    work->param_count = args_params(work->args, work->params);
    work->dry_run = dry_run;
    if (dry_run && !asked_for) {
        drop_param(work, "onDuplicate");
    }
    if (dry_run) {
        work->params[work->param_count++] = (QueryParam){STR("dryRun"), STR("true")};
    }
}

/* In mode=partial a piece without a good one is refused as well, and the others go on. */
static Status take_piece(Import *work, Error *reterr)
{
    char key[KEY_BYTES];
    Status status = make_key(work, key, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    status = send_piece(work, work->dry_run ? NULL : key, reterr);
    if (status == STATUS_OK) {
        return take_answer(work, reterr);
    }
    if ((status == STATUS_REFUSED || status == STATUS_CONFLICT) && show_problem(work)) {
        work->refused += work->partial ? (int64_t)work->piece.count : 1;
        return STATUS_OK;
    }
    return status;
}

/* Stops at the first piece that is refused, unless all of them are only looked at, or the good ones are wanted. */
static Status go_through(Import *work, const char *what, Error *reterr)
{
    Status status = STATUS_OK;
    orgs_file_rewind(&work->file);
    work->stored = work->skipped = work->refused = 0;
    progress_begin(&work->progress);
    work->progress.noun = "organizations";
    while (status == STATUS_OK && (work->refused == 0 || work->partial || work->dry_run) &&
           orgs_file_next(&work->file, &work->piece)) {
        progress_show(&work->progress, what, work->piece.first, work->file.count, work->piece.first);
        status = work->piece.body.failed ? error_set(reterr, STATUS_BUSY, "there is no memory for the organizations")
                                         : take_piece(work, reterr);
    }
    progress_end(&work->progress);
    return status;
}

/* ---- Until all are done ------------------------------------------------------------------------------------------ */

static Status look_at(Import *work, ImportBatch *batch, Error *reterr)
{
    Remote *remote = work->remote;
    BUF_PUT(&remote->path, "/api/bulk-onboard");
    remote_put_part(remote, batch->id);
    Status status = remote_call(remote, "GET", NULL, 0, reterr);
    if (status == STATUS_OK) {
        batch->total = remote_number(remote, "total");
        batch->completed = remote_number(remote, "completed");
        batch->failed = remote_number(remote, "failed");
        batch->cancelled = remote_number(remote, "cancelled");
        batch->finished = batch->completed + batch->failed + batch->cancelled == batch->total;
    }
    bool is_away = status == STATUS_BUSY || status == STATUS_UNKNOWN;
    work->failures = is_away ? work->failures + 1 : 0;
    return is_away && work->failures < FAILURES_MAX ? STATUS_OK : status; /* it is asked again */
}

static int64_t ended(const Import *work)
{
    int64_t count = 0;
    for (size_t i = 0; i < work->batch_count; i++) {
        count += work->batches[i].completed + work->batches[i].failed + work->batches[i].cancelled;
    }
    return count;
}

static Status wait_for_all(Import *work, Error *reterr)
{
    Status status = STATUS_OK;
    bool all = false;
    while (status == STATUS_OK && !all) {
        all = true;
        bool is_away = false; /* then the others are not asked either: that is one failure */
        for (size_t i = 0; i < work->batch_count && status == STATUS_OK && !is_away; i++) {
            status = work->batches[i].finished ? STATUS_OK : look_at(work, &work->batches[i], reterr);
            all = all && work->batches[i].finished;
            is_away = !work->batches[i].finished && work->failures > 0;
        }
        progress_show(&work->progress, "onboarding", (uint64_t)ended(work), (uint64_t)work->stored,
                      (uint64_t)ended(work));
        if (status == STATUS_OK && !all) {
            usleep(POLL_US);
        }
    }
    progress_end(&work->progress);
    return status;
}

/* ---- What is said ------------------------------------------------------------------------------------------------ */

static void put_count(Buf *text, const char *what, int64_t count)
{
    char shown[COUNT_BYTES_MAX];
    if (count) {
        buf_printf(text, ", %s %s", count_format((uint64_t)count, shown), what);
    }
}

static int print_json(const Import *work)
{
    Buf *answer = &work->remote->answer;
    buf_reset(answer);
    buf_printf(answer, "{\"data\":{\"organizations\":%zu,\"stored\":%lld,\"skipped\":%lld,\"refused\":%lld",
               work->file.count, (long long)work->stored, (long long)work->skipped, (long long)work->refused);
    BUF_PUT(answer, ",\"batches\":[");
    for (size_t i = 0; i < work->batch_count; i++) {
        const ImportBatch *batch = &work->batches[i];
        buf_printf(answer, "%s{\"id\":\"%s\"", i ? "," : "", batch->id);
        if (batch->finished) {
            buf_printf(answer, ",\"total\":%lld,\"completed\":%lld,\"failed\":%lld,\"cancelled\":%lld",
                       (long long)batch->total, (long long)batch->completed, (long long)batch->failed,
                       (long long)batch->cancelled);
        }
        buf_put_char(answer, '}');
    }
    BUF_PUT(answer, "]}}");
    return remote_print(work->remote, "%s", "");
}

static int64_t sum_failed(const Import *work)
{
    int64_t failed = 0;
    for (size_t i = 0; i < work->batch_count; i++) {
        failed += work->batches[i].failed + work->batches[i].cancelled;
    }
    return failed;
}

static int print_text(const Import *work, bool waited)
{
    char stored[COUNT_BYTES_MAX];
    Buf text;
    buf_init(&text, 4096);
    if (work->dry_run && work->refused && !work->partial) {
        buf_printf(&text, "nothing %s stored: %s problem%s", args_has(work->args, "dry-run") ? "would be" : "was",
                   count_format((uint64_t)work->shown, stored), work->shown == 1 ? "" : "s");
    } else if (work->dry_run) {
        buf_printf(&text, "%s would be stored", count_format((uint64_t)work->stored, stored));
    } else {
        buf_printf(&text, "%s stored in %zu batch%s", count_format((uint64_t)work->stored, stored), work->batch_count,
                   work->batch_count == 1 ? "" : "es");
    }
    put_count(&text, "skipped", work->skipped);
    if (work->partial) {
        put_count(&text, "refused", work->refused);
    } else if (work->refused && !work->dry_run) {
        BUF_PUT(&text, "; the next batch was refused, and what is behind it was not sent");
    }
    put_count(&text, "of the batches were stored before", work->replayed);
    if (waited) {
        put_count(&text, "completed", ended(work) - sum_failed(work));
        put_count(&text, "failed or cancelled", sum_failed(work));
    }
    int code = remote_print(work->remote, "%.*s", STR_ARGS(buf_str(&text)));
    for (size_t i = 0; i < work->batch_count && code == EXIT_OK && !waited; i++) {
        code = remote_print(work->remote, "batch %s", work->batches[i].id);
    }
    buf_release(&text);
    return code;
}

static int report(const Import *work, bool waited)
{
    show_more(work);
    int code = work->remote->json ? print_json(work) : print_text(work, waited);
    return code == EXIT_OK && work->refused + sum_failed(work) ? EXIT_PROBLEMS : code;
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */

/* Where one bad organization refuses its whole piece, all pieces are looked at before any is stored. */
static int import(Import *work)
{
    Error error;
    bool only_look = args_has(work->args, "dry-run"), waits = args_has(work->args, "wait");
    Status status = STATUS_OK;
    if (!work->partial || only_look) {
        put_params(work, true, only_look);
        status = go_through(work, "checking", &error);
    }
    if (status == STATUS_OK && (work->partial || work->refused == 0) && !only_look) {
        put_params(work, false, false);
        status = go_through(work, "sending", &error);
    }
    if (work->dry_run && work->refused && !work->partial) {
        work->stored = 0; /* the good ones of other pieces neither */
    }
    bool waited = status == STATUS_OK && waits && work->batch_count;
    if (waited) {
        status = wait_for_all(work, &error);
    }
    return status == STATUS_OK ? report(work, waited) : remote_fail(work->remote, status, &error);
}

int orgs_import(Remote *remote, const Args *args)
{
    const char *mode = args_text(args, "mode");
    Import work = {.remote = remote, .args = args, .partial = mode && strcmp(mode, "partial") == 0};
    Error error;
    orgs_piece_init(&work.piece);
    Status status = orgs_file_open(args_operand(args, 1), &work.file, &error);
    if (status == STATUS_OK && args_has(args, "again")) {
        status = uuid_make(&clock_system, &random_system, work.own, &error);
    }
    int code = status == STATUS_OK ? import(&work) : remote_fail(remote, status, &error);
    orgs_file_close(&work.file);
    orgs_piece_release(&work.piece);
    free(work.batches);
    return code;
}

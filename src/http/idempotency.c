#include "http/idempotency.h"

#include <openssl/evp.h>

#include "http/routes.h"

/* ---- The key ----------------------------------------------------------------------------------------------------- */

static bool is_printable(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < ' ' || text.ptr[i] > '~') {
            return false;
        }
    }
    return true;
}

static void add(EVP_MD_CTX *hash, Str text, bool *ok)
{
    uint64_t len = text.len;
    *ok = *ok && EVP_DigestUpdate(hash, &len, sizeof len) == 1 &&
          (text.len == 0 || EVP_DigestUpdate(hash, text.ptr, text.len) == 1);
}

/* Whether a parameter comes before another, by their names. */
static bool is_before(const QueryParam *a, const QueryParam *b)
{
    size_t len = a->name.len < b->name.len ? a->name.len : b->name.len;
    int order = len > 0 ? memcmp(a->name.ptr, b->name.ptr, len) : 0;
    return order < 0 || (order == 0 && a->name.len < b->name.len);
}

/* In whatever order they are given: no call takes a name twice. */
static void add_params(EVP_MD_CTX *hash, const Uri *uri, bool *ok)
{
    const QueryParam *sorted[URI_PARAMS_MAX];
    for (size_t i = 0; i < uri->param_count; i++) {
        size_t at = i;
        for (; at > 0 && is_before(&uri->params[i], sorted[at - 1]); at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = &uri->params[i];
    }
    for (size_t i = 0; i < uri->param_count; i++) {
        add(hash, sorted[i]->name, ok);
        add(hash, sorted[i]->value, ok);
    }
}

/* Each part behind its length, so that none can pass for another. */
static bool hash_request(const Request *request, uint8_t ret_hash[32])
{
    Str charset;
    char media = (char)('0' + media_type_parse(request_header(request, "Content-Type"), &charset));
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool ok = hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1;
    add(hash, str_from(request->route->method), &ok);
    add(hash, str_from(request->route->pattern), &ok);
    add_params(hash, &request->uri, &ok);
    add(hash, (Str){&media, 1}, &ok);
    add(hash, buf_str(&request->body), &ok);
    ok = ok && EVP_DigestFinal_ex(hash, ret_hash, NULL) == 1;
    EVP_MD_CTX_free(hash);
    return ok;
}

bool idempotency_read(Request *request, Idempotency *ret_idempotency)
{
    Str key;
    if (!request_keep_header(request, "Idempotency-Key", &key)) {
        return false;
    }
    *ret_idempotency = (Idempotency){.has_key = key.ptr != NULL, .answer = {.key = key}};
    if (!ret_idempotency->has_key) {
        return true;
    }
    if (key.len == 0 || key.len > ONBOARD_KEY_BYTES_MAX || !is_printable(key)) {
        request_invalid(request, "Idempotency-Key", "must be 1 to %d printable ASCII characters",
                        ONBOARD_KEY_BYTES_MAX);
        return false;
    }
    if (!hash_request(request, ret_idempotency->answer.body_hash)) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return false;
    }
    return true;
}

/* ---- What is kept under it --------------------------------------------------------------------------------------- */

typedef struct Copying {
    Request *request;
    Idempotency *idempotency;
    bool starved;
} Copying;

static bool copy_answer(void *context, const IdempotencyAnswer *answer)
{
    Copying *copying = context;
    Idempotency *idempotency = copying->idempotency;
    idempotency->found = true;
    idempotency->kept = *answer;
    idempotency->kept.key = idempotency->answer.key;
    idempotency->kept.answer = arena_copy(&copying->request->arena, answer->answer);
    copying->starved = !idempotency->kept.answer.ptr;
    return false;
}

Status idempotency_look(Request *request, StoreReader *reader, Idempotency *idempotency)
{
    Copying copying = {.request = request, .idempotency = idempotency};
    Status status = reader_idempotency(reader, idempotency->answer.key, copy_answer, &copying, &request->error);
    status = status == STATUS_REFUSED ? STATUS_OK : status; /* there is none */
    return copying.starved ? error_set(&request->error, STATUS_BUSY, "there is no memory for the answer") : status;
}

void idempotency_say_taken(Request *request)
{
    request_invalid(request, "Idempotency-Key", "was used for another request; take a new one for each");
}

bool idempotency_replay(Request *request, const Idempotency *idempotency)
{
    const IdempotencyAnswer *kept = &idempotency->kept;
    if (!idempotency->found) {
        return false;
    }
    if (memcmp(kept->body_hash, idempotency->answer.body_hash, sizeof kept->body_hash) != 0) {
        idempotency_say_taken(request);
        return true;
    }
    buf_put(&request->out, kept->answer);
    request_answer_with(request, &(Answer){.code = (int)kept->code,
                                           .content_type = JSON_TYPE,
                                           .headers = {{"Idempotent-Replayed", "true"}},
                                           .header_count = 1});
    return true;
}

void idempotency_say_running(Request *request)
{
    request->answer.headers[request->answer.header_count++] = (AnswerHeader){"Retry-After", "1"};
    request_problem(request, PROBLEM_CONFLICT,
                    "another request with this Idempotency-Key is under way; send it again for its answer");
}

Str request_who(const Request *request)
{
    return str_starts_with(request_header(request, "User-Agent"), STR("weir/")) ? STR("cli") : STR("api");
}

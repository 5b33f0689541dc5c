/* Domains and e-mail addresses: whatever comes is refused with a phrase, or becomes letters, digits, hyphens and dots
 * that stay as they are; the case of ASCII letters, white space, a scheme, a path and a dot behind a domain do not
 * matter. */
#include "fuzz.h"

#include "onboard/domain.h"

enum { BYTES_MAX = 1 << 13, ARENA_BYTES_MAX = 1 << 20 };

typedef Status Normalise(Str text, Arena *arena, Str *ret_text, const char **ret_problem);

static bool normalise(Normalise *function, Str text, Arena *arena, Str *ret_text)
{
    const char *problem = NULL;
    Status status = function(text, arena, ret_text, &problem);
    PROMISE(status == STATUS_OK || status == STATUS_REFUSED);
    PROMISE((status == STATUS_REFUSED) == (problem != NULL));
    PROMISE(!problem || str_starts_with(str_from(problem), STR("must ")));
    return status == STATUS_OK;
}

static void check_domain(Str domain)
{
    PROMISE(domain.len >= 3 && domain.len <= DOMAIN_BYTES_MAX && memchr(domain.ptr, '.', domain.len));
    for (Str rest = domain; rest.ptr;) {
        Str label = str_split(&rest, '.');
        PROMISE(label.len >= 1 && label.len <= DOMAIN_LABEL_BYTES_MAX);
        PROMISE(label.ptr[0] != '-' && label.ptr[label.len - 1] != '-');
        for (size_t i = 0; i < label.len; i++) {
            char c = label.ptr[i];
            PROMISE((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
        }
    }
}

static void check_respelt(Str text, Str domain, Arena *arena)
{
    Str again;
    char spelt[BYTES_MAX + 64];
    Str trimmed = str_trim(text);
    PROMISE(normalise(domain_normalise, domain, arena, &again) && str_equal(again, domain));
    int len = snprintf(spelt, sizeof spelt, " HTTPS://%.*s./x?y ", STR_ARGS(domain));
    for (size_t i = 9; i < 9 + domain.len; i++) {
        spelt[i] = spelt[i] >= 'a' && spelt[i] <= 'z' && i % 3 ? (char)(spelt[i] - 'a' + 'A') : spelt[i];
    }
    PROMISE(normalise(domain_normalise, (Str){spelt, (size_t)len}, arena, &again) && str_equal(again, domain));
    len = snprintf(spelt, sizeof spelt, "\t%.*s\n", STR_ARGS(trimmed));
    PROMISE(normalise(domain_normalise, (Str){spelt, (size_t)len}, arena, &again) && str_equal(again, domain));
}

static void check_email(Str email, Arena *arena)
{
    Str again;
    const char *at = memchr(email.ptr, '@', email.len);
    PROMISE(at && at > email.ptr && at - email.ptr <= EMAIL_LOCAL_BYTES_MAX && email.len <= EMAIL_BYTES_MAX);
    check_domain((Str){at + 1, (size_t)(email.ptr + email.len - at) - 1});
    PROMISE(normalise(email_normalise, email, arena, &again) && str_equal(again, email));
}

/* Each text is read as both. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena arena;
    Str becomes;
    if (size > BYTES_MAX) {
        return 0;
    }
    char *copy = fuzz_copy(data, size);
    arena_init(&arena, 1 << 14, ARENA_BYTES_MAX);
    if (normalise(domain_normalise, (Str){copy, size}, &arena, &becomes)) {
        check_domain(becomes);
        check_respelt((Str){copy, size}, becomes, &arena);
    }
    if (normalise(email_normalise, (Str){copy, size}, &arena, &becomes)) {
        check_email(becomes, &arena);
    }
    arena_release(&arena);
    free(copy);
    return 0;
}

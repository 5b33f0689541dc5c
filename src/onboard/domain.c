#include "onboard/domain.h"

#include <idn2.h>

#define PROBLEM_DOMAIN  "must be a domain name such as acme.com"
#define PROBLEM_EMAIL   "must be an e-mail address such as contact@acme.com"
#define PROBLEM_IP      "must be a name, not an IP address or a number"
#define PROBLEM_LONG    "must be at most 253 characters, counted as they go over the wire"
#define PROBLEM_LABEL   "must have at most 63 characters between two dots, counted as they go over the wire"
#define PROBLEM_EMPTY   "must have something between its dots, and none at its beginning"
#define PROBLEM_HYPHEN  "must not have a hyphen beside a dot, at its beginning or at its end"
#define PROBLEM_A_LABEL "must not have an xn-- that is not the one form of a name which IDNA 2008 knows"
#define PROBLEM_CHARS   "must have letters, digits, hyphens and dots only"
#define PROBLEM_IDNA    "must have no characters that IDNA 2008 keeps out of domain names, as symbols and emoji"
#define PROBLEM_2HYPHEN "must not have two hyphens as the third and fourth character of a label beyond ASCII"
#define PROBLEM_CONTEXT                                                                                                \
    "must not have characters, joined or from right to left, that IDNA 2008 forbids where they stand"

enum { TEXT_BYTES_MAX = 2048, HOST_BYTES_MAX = 1024 };

static Status refuse(const char **ret_problem, const char *problem)
{
    *ret_problem = problem;
    return STATUS_REFUSED;
}

/* What every text has to be before it is looked at more closely. */
static const char *check_bytes(Str text)
{
    if (str_count_code_points(text) < 0) {
        return "must be valid UTF-8";
    }
    if (memchr(text.len ? text.ptr : "", '\0', text.len)) {
        return "must not contain the character NUL";
    }
    return NULL;
}

static bool is_ascii(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static char to_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }
static bool is_letter(char c) { return to_lower(c) >= 'a' && to_lower(c) <= 'z'; }

static bool has_a_label(Str host)
{
    while (host.ptr) {
        Str label = str_split(&host, '.');
        if (label.len >= 4 && str_equal_nocase((Str){label.ptr, 4}, STR("xn--"))) {
            return true;
        }
    }
    return false;
}

/* ---- IDNA -------------------------------------------------------------------------------------------------------- */

static const char *idna_problem(int code)
{
    switch (code) {
    case IDN2_TOO_BIG_DOMAIN: return PROBLEM_LONG;
    case IDN2_TOO_BIG_LABEL:
    case IDN2_PUNYCODE_BIG_OUTPUT: return PROBLEM_LABEL;
    case IDN2_2HYPHEN: return PROBLEM_2HYPHEN;
    case IDN2_HYPHEN_STARTEND: return PROBLEM_HYPHEN;
    case IDN2_BIDI:
    case IDN2_CONTEXTJ:
    case IDN2_CONTEXTJ_NO_RULE:
    case IDN2_CONTEXTO:
    case IDN2_CONTEXTO_NO_RULE: return PROBLEM_CONTEXT;
    case IDN2_PUNYCODE_BAD_INPUT:
    case IDN2_PUNYCODE_OVERFLOW:
    case IDN2_INVALID_ALABEL:
    case IDN2_UALABEL_MISMATCH:
    case IDN2_INVALID_NONTRANSITIONAL:
    case IDN2_ALABEL_ROUNDTRIP_FAILED: return PROBLEM_A_LABEL;
    default: return PROBLEM_IDNA;
    }
}

static Status to_ascii(const char *host, char **ret_ascii, const char **ret_problem)
{
    int code = idn2_to_ascii_8z(host, ret_ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (code == IDN2_MALLOC) {
        return STATUS_BUSY;
    }
    return code == IDN2_OK ? STATUS_OK : refuse(ret_problem, idna_problem(code));
}

static Status map_idna(Str host, Arena *arena, Str *ret_host, const char **ret_problem)
{
    char *ascii = NULL;
    Str copy = arena_copy(arena, host);
    if (!copy.ptr) {
        return STATUS_BUSY;
    }
    Status status = to_ascii(copy.ptr, &ascii, ret_problem);
    if (status == STATUS_OK) {
        *ret_host = arena_copy(arena, str_from(ascii));
        status = ret_host->ptr ? STATUS_OK : STATUS_BUSY;
    }
    idn2_free(ascii);
    return status;
}

/* Asked again, the library has to say the same: else two spellings of one name could be kept. */
static Status check_stable(Str name, Arena *arena, const char **ret_problem)
{
    Str again = {NULL, 0};
    Status status = map_idna(name, arena, &again, ret_problem);
    return status == STATUS_OK && !str_equal(name, again) ? refuse(ret_problem, PROBLEM_A_LABEL) : status;
}

static Status map_ascii(Str host, Arena *arena, Str *ret_host)
{
    char *lower = arena_alloc(arena, host.len);
    if (!lower) {
        return STATUS_BUSY;
    }
    for (size_t i = 0; i < host.len; i++) {
        lower[i] = to_lower(host.ptr[i]);
    }
    *ret_host = (Str){lower, host.len};
    return STATUS_OK;
}

/* ---- Names ------------------------------------------------------------------------------------------------------- */

/* Decimal, or hexadecimal with 0x: as the last label, readers of URLs take that for an IP address. */
static bool is_number(Str label)
{
    bool is_hex = str_starts_with(label, STR("0x"));
    for (size_t i = is_hex ? 2 : 0; i < label.len; i++) {
        char c = label.ptr[i];
        if (!is_digit(c) && !(is_hex && c >= 'a' && c <= 'f')) {
            return false;
        }
    }
    return true;
}

/* What a domain name may have of ASCII. */
static bool is_host_char(char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.'; }

static bool has_other_ascii(Str host)
{
    for (size_t i = 0; i < host.len; i++) {
        if ((unsigned char)host.ptr[i] < 0x80 && !is_host_char(host.ptr[i])) {
            return true;
        }
    }
    return false;
}

static const char *check_label(Str label)
{
    if (label.len == 0) {
        return PROBLEM_EMPTY;
    }
    if (has_other_ascii(label)) {
        return PROBLEM_CHARS;
    }
    if (label.len > DOMAIN_LABEL_BYTES_MAX) {
        return PROBLEM_LABEL;
    }
    return label.ptr[0] == '-' || label.ptr[label.len - 1] == '-' ? PROBLEM_HYPHEN : NULL;
}

/* Looked at in the form that is kept: mapping makes letters, dots and slashes of what looks quite different. */
static const char *check_name(Str name)
{
    Str rest = name, label = {NULL, 0};
    size_t labels = 0;
    if (name.len == 0) {
        return PROBLEM_DOMAIN;
    }
    for (; rest.ptr; labels++) {
        label = str_split(&rest, '.');
        const char *problem = check_label(label);
        if (problem) {
            return problem;
        }
    }
    if (is_number(label)) {
        return PROBLEM_IP;
    }
    if (name.len > DOMAIN_BYTES_MAX) {
        return PROBLEM_LONG;
    }
    return labels < 2 ? "must have a dot in it, as acme.com has" : NULL;
}

/* `dot_behind` says whether one may be there, which is taken off. */
static Status normalise_name(Str host, bool dot_behind, Arena *arena, Str *ret_name, const char **ret_problem)
{
    Str name = {NULL, 0};
    if (host.len > HOST_BYTES_MAX) {
        return refuse(ret_problem, PROBLEM_LONG);
    }
    if (has_other_ascii(host)) {
        return refuse(ret_problem, PROBLEM_CHARS); /* the library's words for it are about xn-- */
    }
    bool is_plain = is_ascii(host) && !has_a_label(host);
    Status status = is_plain ? map_ascii(host, arena, &name) : map_idna(host, arena, &name, ret_problem);
    if (status != STATUS_OK) {
        return status;
    }
    name.len -= dot_behind && name.len > 0 && name.ptr[name.len - 1] == '.';
    const char *problem = check_name(name);
    if (problem) {
        return refuse(ret_problem, problem);
    }
    status = is_plain ? STATUS_OK : check_stable(name, arena, ret_problem);
    if (status == STATUS_OK) {
        *ret_name = name;
    }
    return status;
}

/* ---- Domains ----------------------------------------------------------------------------------------------------- */

/* http:// or https:// taken off. False when it is another one. */
static bool take_scheme(Str *text)
{
    const char *mark = memmem(text->ptr, text->len, "://", 3);
    if (!mark) {
        return true;
    }
    Str scheme = {text->ptr, (size_t)(mark - text->ptr)};
    *text = (Str){mark + 3, text->len - scheme.len - 3};
    return str_equal_nocase(scheme, STR("https")) || str_equal_nocase(scheme, STR("http"));
}

static Str cut_path(Str text)
{
    size_t len = 0;
    while (len < text.len && text.ptr[len] != '/' && text.ptr[len] != '?' && text.ptr[len] != '#') {
        len++;
    }
    return (Str){text.ptr, len};
}

static const char *check_authority(Str host)
{
    if (memchr(host.ptr, '@', host.len)) {
        return "must be the domain alone, without a user or a mailbox";
    }
    const char *colon = memchr(host.ptr, ':', host.len);
    if (host.ptr[0] == '[' || (colon && memrchr(host.ptr, ':', host.len) != colon)) {
        return PROBLEM_IP;
    }
    return colon ? "must not have a port" : NULL;
}

Status domain_normalise(Str text, Arena *arena, Str *ret_domain, const char **ret_problem)
{
    const char *problem = check_bytes(text);
    Str host = str_trim(text);
    if (!problem && host.len > TEXT_BYTES_MAX) {
        problem = PROBLEM_LONG;
    }
    if (!problem && host.len > 0 && !take_scheme(&host)) {
        problem = "must not have a scheme, but for http:// and https://";
    }
    host = cut_path(host);
    if (!problem) {
        problem = host.len > 0 ? check_authority(host) : PROBLEM_DOMAIN;
    }
    return problem ? refuse(ret_problem, problem) : normalise_name(host, true, arena, ret_domain, ret_problem);
}

/* ---- E-mail addresses -------------------------------------------------------------------------------------------- */

static bool is_atom_char(char c)
{
    return is_letter(c) || is_digit(c) || (c != '\0' && strchr("!#$%&'*+/=?^_`{|}~-", c));
}

static const char *check_local(Str local)
{
    if (local.len == 0) {
        return PROBLEM_EMAIL;
    }
    if (local.ptr[0] == '"') {
        return "must not have a quoted part before the @";
    }
    if (!is_ascii(local)) {
        return "must have ASCII characters only before the @";
    }
    for (size_t i = 0; i < local.len; i++) {
        bool is_dot = local.ptr[i] == '.';
        if (!is_dot && !is_atom_char(local.ptr[i])) {
            return "must be the address alone, with letters, digits, dots and !#$%&'*+/=?^_`{|}~- before the @";
        }
        if (is_dot && (i == 0 || i + 1 == local.len || local.ptr[i + 1] == '.')) {
            return "must have something on both sides of each dot before the @";
        }
    }
    return local.len > EMAIL_LOCAL_BYTES_MAX ? "must have at most 64 characters before the @" : NULL;
}

static Status join_email(Str local, Str domain, Arena *arena, Str *ret_email, const char **ret_problem)
{
    size_t len = local.len + 1 + domain.len;
    if (len > EMAIL_BYTES_MAX) {
        return refuse(ret_problem, "must be at most 254 characters, counted as they go over the wire");
    }
    char *email = arena_alloc(arena, len);
    if (!email) {
        return STATUS_BUSY;
    }
    memcpy(email, local.ptr, local.len);
    email[local.len] = '@';
    memcpy(email + local.len + 1, domain.ptr, domain.len);
    *ret_email = (Str){email, len};
    return STATUS_OK;
}

/* What is wrong with its domain, in a phrase about the address. */
static Status refuse_domain(const char *problem, Arena *arena, const char **ret_problem)
{
    *ret_problem = arena_printf(arena, "must have a domain behind the @ that is right: it %s", problem);
    return *ret_problem ? STATUS_REFUSED : STATUS_BUSY;
}

Status email_normalise(Str text, Arena *arena, Str *ret_email, const char **ret_problem)
{
    Str domain, email = str_trim(text);
    const char *problem = check_bytes(text);
    const char *at = problem || email.len == 0 ? NULL : memrchr(email.ptr, '@', email.len);
    Str local = {email.ptr, at ? (size_t)(at - email.ptr) : 0};
    problem = problem ? problem : check_local(local);
    if (problem) {
        return refuse(ret_problem, problem);
    }
    Str host = {at + 1, email.len - local.len - 1};
    Status status = host.len > 0 && host.ptr[0] == '[' ? refuse(&problem, PROBLEM_IP)
                                                       : normalise_name(host, false, arena, &domain, &problem);
    if (status == STATUS_REFUSED) {
        return refuse_domain(problem, arena, ret_problem);
    }
    return status == STATUS_OK ? join_email(local, domain, arena, ret_email, ret_problem) : status;
}

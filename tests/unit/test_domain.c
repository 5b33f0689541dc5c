#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "onboard/domain.h"
#include "support/random.h"

typedef Status Normalise(Str text, Arena *arena, Str *ret_text, const char **ret_problem);

/* What becomes of a text; a problem is shown behind a bang. */
typedef struct Spelling {
    const char *text, *becomes;
} Spelling;

enum { SHOWN_BYTES_MAX = 512 };

static void show(Normalise *normalise, Str text, char ret_shown[SHOWN_BYTES_MAX])
{
    Arena arena;
    Str becomes = {NULL, 0};
    const char *problem = "untouched";
    arena_init(&arena, 4096, 1 << 20);
    Status status = normalise(text, &arena, &becomes, &problem);
    assert_true(status == STATUS_OK || status == STATUS_REFUSED);
    assert_true(status == STATUS_OK || !becomes.ptr);
    snprintf(ret_shown, SHOWN_BYTES_MAX, "%s%.*s", status == STATUS_OK ? "" : "!",
             (int)(status == STATUS_OK ? becomes.len : strlen(problem)), status == STATUS_OK ? becomes.ptr : problem);
    arena_release(&arena);
}

/* The problem is named as far as the table has it. */
static bool is_expected(const char *shown, const char *becomes)
{
    return becomes[0] == '!' ? strncmp(shown, becomes, strlen(becomes)) == 0 : strcmp(shown, becomes) == 0;
}

static void check_spellings(Normalise *normalise, const Spelling *spellings, size_t count)
{
    char shown[SHOWN_BYTES_MAX];
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        show(normalise, str_from(spellings[i].text), shown);
        if (!is_expected(shown, spellings[i].becomes)) {
            print_error("\"%s\" is \"%s\" instead of \"%s\"\n", spellings[i].text, shown, spellings[i].becomes);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

#define A63  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A61  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define U20  "üüüüüüüüüüüüüüüüüüüü"
#define A253 A63 "." A63 "." A63 "." A61

#define ONE       "!must be a domain name such as"
#define NO_IP     "!must be a name, not an IP address"
#define LONG      "!must be at most 253 characters"
#define LABEL     "!must have at most 63 characters between"
#define EMPTY     "!must have something between its dots"
#define HYPHEN    "!must not have a hyphen beside a dot"
#define A_LABEL   "!must not have an xn-- that"
#define CHARS     "!must have letters, digits, hyphens and dots only"
#define IDNA      "!must have no characters that IDNA 2008"
#define CONTEXT   "!must not have characters, joined or from right to left"
#define MAILBOX   "!must be the domain alone, without a user"
#define NO_DOT    "!must have a dot in it"
#define NO_SCHEME "!must not have a scheme"
#define BAD_UTF8  "!must be valid UTF-8"

static const Spelling domains[] = {
    /* ASCII */
    {"acme.com", "acme.com"},
    {"ACME.com", "acme.com"},
    {"AcMe.CoM", "acme.com"},
    {"acme.com.", "acme.com"},
    {"ACME.COM.", "acme.com"},
    {"acme.com..", EMPTY},
    {" acme.com ", "acme.com"},
    {"\tacme.com\r\n", "acme.com"},
    {"a.b.c.d.e", "a.b.c.d.e"},
    {"a-b.c--d.com", "a-b.c--d.com"},
    {"r3---sn-ab.example.com", "r3---sn-ab.example.com"},
    {"3com.com", "3com.com"},
    {"123.com", "123.com"},
    {"1.2.com", "1.2.com"},
    {"", ONE},
    {" ", ONE},
    {".", ONE},
    {"..", EMPTY},
    {".com", EMPTY},
    {"acme..com", EMPTY},
    {"acme", NO_DOT},
    {"localhost", NO_DOT},
    {"localhost.", NO_DOT},
    {"-acme.com", HYPHEN},
    {"acme-.com", HYPHEN},
    {"acme.-com", HYPHEN},
    {"acme.com-", HYPHEN},
    {"a_b.com", CHARS},
    {"_dmarc.acme.com", CHARS},
    {"*.acme.com", CHARS},
    {"ac me.com", CHARS},
    {"acme,com", CHARS},
    {"acme.com;", CHARS},
    {"ac%6De.com", CHARS},
    {"acme\\.com", CHARS},
    {"acme.com\x7F", CHARS},
    {"ac\x01me.com", CHARS},
    /* What is around a name */
    {"https://acme.com", "acme.com"},
    {"https://acme.com/", "acme.com"},
    {"https://acme.com/x", "acme.com"},
    {"HTTPS://ACME.COM/X?y=1#z", "acme.com"},
    {"http://www.acme.com./x", "www.acme.com"},
    {"acme.com/x@y:z", "acme.com"},
    {"acme.com?q", "acme.com"},
    {"acme.com#f", "acme.com"},
    {"acme.com/https://other.com", NO_SCHEME},
    {"https://", ONE},
    {"https:///acme.com", ONE},
    {"/acme.com", ONE},
    {"//acme.com", ONE},
    {"ftp://acme.com", NO_SCHEME},
    {"://acme.com", NO_SCHEME},
    {"https:acme.com", "!must not have a port"},
    {"mailto:contact@acme.com", MAILBOX},
    {"contact@acme.com", MAILBOX},
    {"https://user:secret@acme.com/", MAILBOX},
    {"acme.com:443", "!must not have a port"},
    {"https://acme.com:8080/x", "!must not have a port"},
    /* Addresses */
    {"127.0.0.1", NO_IP},
    {"127.0.0.1.", NO_IP},
    {"http://10.0.0.1/", NO_IP},
    {"256.1.1.999", NO_IP},
    {"127.1", NO_IP},
    {"2130706433", NO_IP},
    {"acme.123", NO_IP},
    {"0x7f.1", NO_IP},
    {"127.0.0.0x1", NO_IP},
    {"acme.0xg", "acme.0xg"},
    {"::1", NO_IP},
    {"[::1]", NO_IP},
    {"https://[2001:db8::1]:443/", NO_IP},
    {"１２７.０.０.１", NO_IP},
    /* Lengths */
    {A63 ".com", A63 ".com"},
    {A63 "a.com", LABEL},
    {A253, A253},
    {A253 ".", A253},
    {A253 "a", LONG},
    {A253 ".com", LONG},
    {U20 U20 ".de", "xn--tdaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.de"},
    {U20 U20 U20 ".de", LABEL},
    /* IDNA */
    {"münchen.de", "xn--mnchen-3ya.de"},
    {"MÜNCHEN.DE", "xn--mnchen-3ya.de"},
    {"Mu\u0308nchen.de", "xn--mnchen-3ya.de"},
    {"https://münchen.de/straße", "xn--mnchen-3ya.de"},
    {"faß.de", "xn--fa-hia.de"},
    {"FASS.de", "fass.de"},
    {"straße.de", "xn--strae-oqa.de"},
    {"βόλος.com", "xn--nxasmm1c.com"},
    {"ΒΌΛΟΣ.com", "xn--nxasmq6b.com"},
    {"日本語.jp", "xn--wgv71a119e.jp"},
    {"日本語。jp", "xn--wgv71a119e.jp"},
    {"acme。com。", "acme.com"},
    {"acme．com", "acme.com"},
    {"acme｡com", "acme.com"},
    {"ａｃｍｅ.com", "acme.com"},
    {"ﬁsh.com", "fish.com"},
    {"①.com", "1.com"},
    {"ac\u00ADme.com", "acme.com"},
    {"\u00AD.com", EMPTY},
    {"президент.рф", "xn--d1abbgf6aiiy.xn--p1ai"},
    {"إختبار.com", "xn--kgbechtv.com"},
    {"נתון.com", "xn--9dbub4b.com"},
    {"क्षत्रिय.com", "xn--11b4a7ad7a0c8ec.com"},
    /* Mixed scripts are what they are, and look like it */
    {"pаypal.com", "xn--pypal-4ve.com"},
    {"аррӏе.com", "xn--80ak6aa92e.com"},
    {"acmeとabc.com", "xn--acmeabc-ld4f.com"},
    /* A-labels */
    {"xn--mnchen-3ya.de", "xn--mnchen-3ya.de"},
    {"XN--MNCHEN-3YA.de", "xn--mnchen-3ya.de"},
    {"xn--mnchen-3YA.DE.", "xn--mnchen-3ya.de"},
    {"ＸＮ－－mnchen-3ya.de", "xn--mnchen-3ya.de"},
    {"www.xn--fa-hia.de", "www.xn--fa-hia.de"},
    {"xn--acme.com", A_LABEL},
    {"xn--acme-.com", "!must"},
    {"xn--a.com", A_LABEL},
    {"xn--.com", A_LABEL},
    {"xn--99999999.com", A_LABEL},
    {"xn--mnchen-3ya-.de", "!must"},
    {"xn--MUNCHEN-3ya.xn--a", "!must"},
    {"xn--é.com", A_LABEL},
    /* What IDNA 2008 keeps out */
    {"💩.la", IDNA},
    {"xn--ls8h.la", IDNA},
    {"☃.net", IDNA},
    {"acme™☃.com", IDNA},
    {"a\u2044b.com", IDNA},
    {"a℀b.com", CHARS},
    {"\u0301a.com", "!must"},
    {"a\u200Db.com", CONTEXT},
    {"נתוןa.com", CONTEXT},
    {"1נתון.com", CONTEXT},
    {"ü-.com", HYPHEN},
    {"-ü.com", HYPHEN},
    {"ab--ü.com", "!must not have two hyphens"},
    {"ü_b.com", CHARS},
    {"ü b.com", CHARS},
    {"\uE000.com", IDNA},
    {"\uFFFF.com", IDNA},
    {"münchen", NO_DOT},
    {"münchen..de", EMPTY},
    {"\u0661\u06F1.com", "!must"},
    /* Bytes that are no text */
    {"m\xFCnchen.de", BAD_UTF8},
    {"a\xC0\xAE.com", BAD_UTF8},
    {"\xED\xA0\x80.com", BAD_UTF8},
    {"acme.com\xC3", BAD_UTF8},
};

#define MAIL_ONE   "!must be an e-mail address such as"
#define MAIL_CHARS "!must be the address alone"
#define MAIL_DOTS  "!must have something on both sides"
#define MAIL_NAME  "!must have a domain behind the @ that is right: it "
#define L64        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const Spelling emails[] = {
    {"contact@acme.com", "contact@acme.com"},
    {"Contact@ACME.com", "Contact@acme.com"},
    {" contact@acme.com\n", "contact@acme.com"},
    {"a@b.co", "a@b.co"},
    {"first.last+tag@acme.com", "first.last+tag@acme.com"},
    {"!#$%&'*+/=?^_`{|}~-@acme.com", "!#$%&'*+/=?^_`{|}~-@acme.com"},
    {"o'brien@acme.com", "o'brien@acme.com"},
    {"1@2.com", "1@2.com"},
    {"kontakt@münchen.de", "kontakt@xn--mnchen-3ya.de"},
    {"kontakt@MÜNCHEN.DE", "kontakt@xn--mnchen-3ya.de"},
    {"kontakt@xn--mnchen-3ya.de", "kontakt@xn--mnchen-3ya.de"},
    {"a@acme。com", "a@acme.com"},
    {L64 "@acme.com", L64 "@acme.com"},
    {L64 "a@acme.com", "!must have at most 64 characters before the @"},
    {L64 "@" A63 "." A63 "." A61, L64 "@" A63 "." A63 "." A61},
    {L64 "@" A63 "." A63 "." A61 "a", "!must be at most 254 characters"},
    {"", MAIL_ONE},
    {" ", MAIL_ONE},
    {"acme.com", MAIL_ONE},
    {"@acme.com", MAIL_ONE},
    {"@", MAIL_ONE},
    {"contact", MAIL_ONE},
    {"contact@", MAIL_NAME "must be a domain name"},
    {"contact@acme", MAIL_NAME "must have a dot"},
    {"contact@acme..com", MAIL_NAME "must have something"},
    {"contact@acme.com.", MAIL_NAME "must have something"},
    {"contact@.com", MAIL_NAME "must have something"},
    {"contact@-acme.com", MAIL_NAME "must not have a hyphen"},
    {"contact@127.0.0.1", MAIL_NAME "must be a name, not an IP"},
    {"contact@[127.0.0.1]", MAIL_NAME "must be a name, not an IP"},
    {"contact@[IPv6:::1]", MAIL_NAME "must be a name, not an IP"},
    {"contact@acme.com/x", MAIL_NAME "must have letters"},
    {"contact@acme.com:25", MAIL_NAME "must have letters"},
    {"contact@https://acme.com", MAIL_NAME "must"},
    {"contact@💩.la", MAIL_NAME "must have no characters that IDNA 2008"},
    {"contact@ac me.com", MAIL_NAME "must have letters"},
    {"\"contact\"@acme.com", "!must not have a quoted part"},
    {"\"a b\"@acme.com", "!must not have a quoted part"},
    {"Contact <contact@acme.com>", MAIL_CHARS},
    {"<contact@acme.com>", MAIL_CHARS},
    {"mailto:contact@acme.com", MAIL_CHARS},
    {"contact(us)@acme.com", MAIL_CHARS},
    {"a@b@acme.com", MAIL_CHARS},
    {"a b@acme.com", MAIL_CHARS},
    {"a,b@acme.com", MAIL_CHARS},
    {"a;b@acme.com", MAIL_CHARS},
    {"a\\b@acme.com", MAIL_CHARS},
    {"a@acme.com,b@acme.com", MAIL_CHARS},
    {"a\tb@acme.com", MAIL_CHARS},
    {".contact@acme.com", MAIL_DOTS},
    {"contact.@acme.com", MAIL_DOTS},
    {"con..tact@acme.com", MAIL_DOTS},
    {"münchen@acme.com", "!must have ASCII characters only before"},
    {"\xFF@acme.com", BAD_UTF8},
    {"a@\xFF.com", BAD_UTF8},
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static void test_domains(void **state)
{
    (void)state;
    check_spellings(domain_normalise, domains, COUNT_OF(domains));
}

static void test_emails(void **state)
{
    (void)state;
    check_spellings(email_normalise, emails, COUNT_OF(emails));
}

static void test_nul_is_refused(void **state)
{
    (void)state;
    char shown[SHOWN_BYTES_MAX];
    show(domain_normalise, STR("acme.com\0.evil.com"), shown);
    assert_string_equal(shown, "!must not contain the character NUL");
    show(email_normalise, STR("a\0b@acme.com"), shown);
    assert_string_equal(shown, "!must not contain the character NUL");
    show(email_normalise, STR("a@acme.com\0"), shown);
    assert_string_equal(shown, "!must not contain the character NUL");
}

/* However long a text is, it is not mapped before it is known to be short. */
static void test_long_texts(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20 };
    char shown[SHOWN_BYTES_MAX];
    char *text = malloc(BYTES);
    assert_non_null(text);
    for (size_t i = 0; i + 1 < BYTES; i += 2) {
        memcpy(text + i, "ü", 2);
    }
    show(domain_normalise, (Str){text, BYTES}, shown);
    assert_true(is_expected(shown, LONG));
    show(domain_normalise, (Str){text, 1026}, shown);
    assert_true(is_expected(shown, LONG));
    memcpy(text, "a@", 2);
    show(email_normalise, (Str){text, BYTES}, shown);
    assert_true(is_expected(shown, MAIL_NAME "must be at most 253"));
    memset(text, 'a', BYTES);
    show(email_normalise, (Str){text, BYTES}, shown);
    assert_true(is_expected(shown, MAIL_ONE));
    free(text);
}

/* ---- Whatever is in the tables ----------------------------------------------------------------------------------- */

/* What was normalised stays as it is. */
static void test_twice_is_once(void **state)
{
    (void)state;
    char once[SHOWN_BYTES_MAX], twice[SHOWN_BYTES_MAX];
    for (size_t i = 0; i < COUNT_OF(domains) + COUNT_OF(emails); i++) {
        bool is_domain = i < COUNT_OF(domains);
        Normalise *normalise = is_domain ? domain_normalise : email_normalise;
        show(normalise, str_from(is_domain ? domains[i].text : emails[i - COUNT_OF(domains)].text), once);
        if (once[0] != '!') {
            show(normalise, str_from(once), twice);
            assert_string_equal(twice, once);
        }
    }
}

/* Other spellings of the same: letters of ASCII in any case, a dot behind it, a scheme, a path, white space. */
static void respell(uint64_t *seed, const char *domain, char ret_text[SHOWN_BYTES_MAX])
{
    static const char *const fronts[] = {"", " ", "http://", "HTTPS://", "\thttps://"};
    static const char *const backs[] = {"", ".", "/", "./x?y#z", "?q", ". "};
    int len = snprintf(ret_text, SHOWN_BYTES_MAX, "%s%s%s", fronts[random_below(seed, COUNT_OF(fronts))], domain,
                       backs[random_below(seed, COUNT_OF(backs))]);
    for (int i = 0; i < len; i++) {
        if (ret_text[i] >= 'a' && ret_text[i] <= 'z' && random_below(seed, 2)) {
            ret_text[i] = (char)(ret_text[i] - 'a' + 'A');
        }
    }
}

static void test_spellings_do_not_matter(void **state)
{
    (void)state;
    enum { ROUNDS = 20 };
    char text[SHOWN_BYTES_MAX], shown[SHOWN_BYTES_MAX];
    uint64_t seed = 7;
    for (size_t i = 0; i < COUNT_OF(domains) * ROUNDS; i++) {
        const char *domain = domains[i % COUNT_OF(domains)].becomes;
        if (domain[0] != '!') {
            respell(&seed, domain, text);
            show(domain_normalise, str_from(text), shown);
            assert_string_equal(shown, domain);
        }
    }
}

/* Names that are made of what IDNA has to do with: they are refused, or are letters, digits, hyphens and dots. */
static void test_random_names(void **state)
{
    (void)state;
    static const char *const parts[] = {"a",  "Z",  "0",      "-",      ".",      "xn--",   "ü",       "ß",      "я",
                                        "日", "。", "\u00AD", "\u200C", "\u0301", "נ",      "١",       "ﬁ",      "℀",
                                        "😀",  "３", "ς",      "İ",      "K",      "\u1E9E", "क\u094D", "\u200D", "·"};
    enum { NAMES = 20000, PARTS_MAX = 8 };
    char text[SHOWN_BYTES_MAX], once[SHOWN_BYTES_MAX], twice[SHOWN_BYTES_MAX];
    uint64_t seed = 11;
    size_t good = 0;
    for (size_t i = 0; i < NAMES; i++) {
        size_t len = 0;
        for (size_t part = 1 + random_below(&seed, PARTS_MAX); part > 0; part--) {
            const char *chosen = parts[random_below(&seed, COUNT_OF(parts))];
            len += (size_t)snprintf(text + len, sizeof text - len, "%s", chosen);
        }
        snprintf(text + len, sizeof text - len, ".com");
        show(domain_normalise, str_from(text), once);
        if (once[0] != '!') {
            good++;
            assert_int_equal(strspn(once, "abcdefghijklmnopqrstuvwxyz0123456789-."), strlen(once));
            show(domain_normalise, str_from(once), twice);
            assert_string_equal(twice, once);
        }
    }
    assert_in_range(good, NAMES / 100, NAMES);
}

/* No memory is neither good nor bad. */
static void test_memory_runs_out(void **state)
{
    (void)state;
    static const char *const texts[] = {"acme.com", "münchen.de"};
    for (size_t i = 0; i < 2; i++) {
        Arena arena;
        Str text = {NULL, 0};
        const char *problem = NULL;
        arena_init(&arena, 16, 8);
        assert_int_equal(domain_normalise(str_from(texts[i]), &arena, &text, &problem), STATUS_BUSY);
        assert_int_equal(email_normalise(STR("a@acme.com"), &arena, &text, &problem), STATUS_BUSY);
        assert_int_equal(email_normalise(STR("a@acme"), &arena, &text, &problem), STATUS_BUSY);
        assert_true(!text.ptr && !problem);
        arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_domains),        cmocka_unit_test(test_emails),
        cmocka_unit_test(test_nul_is_refused), cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_twice_is_once),  cmocka_unit_test(test_spellings_do_not_matter),
        cmocka_unit_test(test_random_names),   cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

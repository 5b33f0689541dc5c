#include "record/event_currency.h"

enum { CODE_BYTES = 3 };

/* ISO 4217 list one, those withdrawn since 2015 (HRK, BGN, ZWL, …) included because events may be of the past; without
 * those for tests and for no currency. In order. */
static const char codes[] =
    "AEDAFNALLAMDANGAOAARSAUDAWGAZNBAMBBDBDTBGNBHDBIFBMDBNDBOBBOVBRLBSDBTNBWPBYNBYRBZDCADCDFCHECHFCHWCLFCLPCNYCOPCOUCRC"
    "CUCCUPCVECZKDJFDKKDOPDZDEGPERNETBEURFJDFKPGBPGELGHSGIPGMDGNFGTQGYDHKDHNLHRKHTGHUFIDRILSINRIQDIRRISKJMDJODJPYKESKGS"
    "KHRKMFKPWKRWKWDKYDKZTLAKLBPLKRLRDLSLLTLLYDMADMDLMGAMKDMMKMNTMOPMROMRUMURMVRMWKMXNMXVMYRMZNNADNGNNIONOKNPRNZDOMRPAB"
    "PENPGKPHPPKRPLNPYGQARRONRSDRUBRWFSARSBDSCRSDGSEKSGDSHPSLESLLSOSSRDSSPSTDSTNSVCSYPSZLTHBTJSTMTTNDTOPTRYTTDTWDTZSUAH"
    "UGXUSDUSNUYIUYUUYWUZSVEDVEFVESVNDVUVWSTXADXAFXAGXAUXBAXBBXBCXBDXCDXCGXDRXOFXPDXPFXPTXSUXUAYERZARZMWZWGZWL";

/* Signs that stand for one currency alone, and, with the currencies in place of a code, those that do not. A longer one
 * goes before its beginning. */
static const struct {
    Str sign;
    const char *codes;
} signs[] = {
    {STR("US$"), "USD"},
    {STR("CA$"), "CAD"},
    {STR("A$"), "AUD"},
    {STR("NZ$"), "NZD"},
    {STR("HK$"), "HKD"},
    {STR("NT$"), "TWD"},
    {STR("MX$"), "MXN"},
    {STR("EC$"), "XCD"},
    {STR("R$"), "BRL"},
    {STR("CN¥"), "CNY"},
    {STR("€"), "EUR"},
    {STR("£"), "GBP"},
    {STR("₹"), "INR"},
    {STR("₩"), "KRW"},
    {STR("₽"), "RUB"},
    {STR("₺"), "TRY"},
    {STR("₴"), "UAH"},
    {STR("₪"), "ILS"},
    {STR("₫"), "VND"},
    {STR("₱"), "PHP"},
    {STR("₦"), "NGN"},
    {STR("₡"), "CRC"},
    {STR("₲"), "PYG"},
    {STR("₸"), "KZT"},
    {STR("₼"), "AZN"},
    {STR("₾"), "GEL"},
    {STR("₵"), "GHS"},
    {STR("₮"), "MNT"},
    {STR("₭"), "LAK"},
    {STR("៛"), "KHR"},
    {STR("฿"), "THB"},
    {STR("$"), "USDAUDBBDBMDBNDBSDBZDCADFJDGYDHKDJMDKYDLRDNADNZDSBDSGDSRDTTDTWDXCDARSCLPCOPCUPDOPMXNUYU"},
    {STR("¥"), "JPYCNY"},
};
enum { SIGN_COUNT = sizeof signs / sizeof signs[0] };

static const char *find_code(const char *in, const char *code)
{
    for (; *in; in += CODE_BYTES) {
        if (memcmp(in, code, CODE_BYTES) == 0) {
            return in;
        }
    }
    return NULL;
}

static bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

static bool take_sign(Str *text, Str *ret_currency)
{
    for (size_t i = 0; i < SIGN_COUNT; i++) {
        if (str_starts_with(*text, signs[i].sign)) {
            *text = (Str){text->ptr + signs[i].sign.len, text->len - signs[i].sign.len};
            Str found = str_from(signs[i].codes);
            *ret_currency = found.len == CODE_BYTES ? found : signs[i].sign;
            return true;
        }
    }
    return false;
}

bool event_currency_take(Str *text, Str *ret_currency)
{
    size_t letters = 0;
    if (text->len == 0 || (text->ptr[0] >= '0' && text->ptr[0] <= '9')) {
        return false;
    }
    while (letters < text->len && letters <= CODE_BYTES && is_letter(text->ptr[letters])) {
        letters++;
    }
    const char *code = letters == CODE_BYTES ? find_code(codes, text->ptr) : NULL;
    if (!code) {
        return take_sign(text, ret_currency);
    }
    *text = (Str){text->ptr + CODE_BYTES, text->len - CODE_BYTES};
    *ret_currency = (Str){code, CODE_BYTES};
    return true;
}

static const char *find_sign(Str sign)
{
    if (sign.len == 0) {
        return NULL;
    }
    for (size_t i = 0; i < SIGN_COUNT; i++) {
        if (str_equal(sign, signs[i].sign)) {
            return signs[i].codes;
        }
    }
    return NULL;
}

static bool is_one(const char *of_sign) { return of_sign && strlen(of_sign) == CODE_BYTES; }

/* NULL, also for a sign that stands for one alone. */
static const char *codes_of_sign(Str sign)
{
    const char *found = find_sign(sign);
    return is_one(found) ? NULL : found;
}

Str event_currency_unit(Str unit)
{
    const char *found = find_sign(unit);
    return is_one(found) ? (Str){found, CODE_BYTES} : unit;
}

bool event_currency_is_ambiguous(Str currency) { return codes_of_sign(currency) != NULL; }

bool event_currency_fits(Str currency, Str unit)
{
    const char *several = codes_of_sign(currency);
    if (!several) {
        return str_equal(currency, unit);
    }
    return unit.len == CODE_BYTES && find_code(several, unit.ptr);
}

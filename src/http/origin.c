#include "http/origin.h"

#include <arpa/inet.h>

#include "config/options.h"
#include "config/url.h"

/* Without the port; an IPv6 address with its brackets. */
static Str name_of(Str authority)
{
    size_t end = authority.len;
    while (end > 0 && authority.ptr[end - 1] >= '0' && authority.ptr[end - 1] <= '9') {
        end--;
    }
    return end > 0 && authority.ptr[end - 1] == ':' ? (Str){authority.ptr, end - 1} : authority;
}

static bool is_address(Str name)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    bool bracketed = name.len > 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']';
    Str inner = bracketed ? (Str){name.ptr + 1, name.len - 2} : name;
    if (inner.len == 0 || inner.len >= sizeof text) {
        return false;
    }
    memcpy(text, inner.ptr, inner.len);
    text[inner.len] = '\0';
    return inet_pton(bracketed ? AF_INET6 : AF_INET, text, bytes) == 1;
}

/* Names below it lead to this machine as well, and to no other (RFC 6761 section 6.3). */
static bool is_localhost(Str name)
{
    const Str local = STR("localhost");
    if (name.len <= local.len) {
        return str_equal_nocase(name, local);
    }
    size_t at = name.len - local.len;
    return name.ptr[at - 1] == '.' && str_equal_nocase((Str){name.ptr + at, local.len}, local);
}

static bool is_configured(const OriginRules *rules, Str name)
{
    Str item;
    for (OptionItems items = option_items(str_from(rules->hosts)); option_items_next(&items, &item);) {
        if (str_equal_nocase(item, name)) {
            return true;
        }
    }
    return false;
}

static bool is_our_host(const OriginRules *rules, Str host)
{
    Str name = name_of(host);
    bool any = rules->any_host && rules->hosts[0] == '\0';
    return any || host.len == 0 || is_address(name) || is_localhost(name) || is_configured(rules, name);
}

static Str behind_scheme(Str url)
{
    const char *slashes = memmem(url.ptr, url.len, "://", 3);
    return (Str){slashes + 3, url.len - (size_t)(slashes + 3 - url.ptr)};
}

/* "null" is the origin of a page that has none, and matches nothing. */
static bool is_our_page(const OriginRules *rules, const OriginClaims *claims)
{
    Url url;
    bool is_url = url_split(claims->origin, &url);
    if (is_url && is_configured(rules, url.host)) {
        return true;
    }
    if (claims->fetch_site.len) {
        return str_is(claims->fetch_site, "same-origin") || str_is(claims->fetch_site, "none");
    }
    return claims->origin.len == 0 || (is_url && str_equal_nocase(behind_scheme(claims->origin), claims->host));
}

const char *origin_problem(const OriginRules *rules, const OriginClaims *claims)
{
    if (!is_our_host(rules, claims->host)) {
        return "the Host is neither an address nor localhost, and http.hosts does not name it";
    }
    if (!claims->only_reads && !is_our_page(rules, claims)) {
        return "a page from elsewhere had the browser send this; what changes something is taken from pages of the "
               "same origin, or of hosts that http.hosts names";
    }
    return NULL;
}

/* Whether a request may be a browser's that a page of somebody else has sent.
 *
 * Nothing authenticates clients: who can open a connection may do everything, and the browser of whoever runs the
 * service can, for every page that it shows. Such a page must neither write nor read:
 *
 *   - It can send a POST without being asked (a form, or fetch with "no-cors"), though it cannot read the answer. The
 *     browser says where the request is from: Sec-Fetch-Site, or in older ones and over plain HTTP an Origin that is
 *     not the Host.
 *   - It can have its own name lead here (DNS rebinding), so that the browser takes the service for a part of it and
 *     lets it read. Then that name is the Host: only an address, localhost and names that were configured are ours.
 *
 * The first is the rule of Go's net/http.CrossOriginProtection. What sends none of these headers is no browser, and is
 * let in. */
#ifndef WEIR_HTTP_ORIGIN_H
#define WEIR_HTTP_ORIGIN_H

#include "base/str.h"

typedef struct OriginRules {
    const char *hosts; /* names, separated by commas, that browsers reach the service by; may be empty. Borrows */
    bool any_host;     /* when `hosts` is empty, any is as good as a Host, but not as the Origin of what writes */
} OriginRules;

typedef struct OriginClaims {
    Str host, origin, fetch_site; /* the headers Host, Origin, Sec-Fetch-Site; empty when they are not there */
    bool only_reads;
} OriginClaims;

/* NULL, or why it is refused, as a sentence. */
const char *origin_problem(const OriginRules *rules, const OriginClaims *claims);

#endif

/* Domain names and e-mail addresses in the one spelling that they are kept and compared in.
 *
 * A domain is kept as it goes over the wire: lower case, labels beyond ASCII in their A-label form (IDNA 2008, RFC
 * 5891, with the mapping of UTS 46, not transitional: faß.de is xn--fa-hia.de and not fass.de). White space around it,
 * http:// or https:// in front, a path, a query, a fragment and one dot behind it are taken off; a user, a port,
 * another scheme or an IP address are refused. It has at least two labels of letters, digits and hyphens, each of 1 to
 * 63 bytes, DOMAIN_BYTES_MAX together, and the last one is no number. Symbols and emoji are not in IDNA 2008. Scripts
 * may be mixed: whoever looks at the kept form sees that it is not what it looks like.
 *
 * An e-mail address is a dot-atom (RFC 5321 section 4.1.2: letters, digits and !#$%&'*+/=?^_`{|}~- between dots, at
 * most 64 bytes), an @ and a domain; quoted local parts, comments and names around it are refused, and so are those
 * beyond ASCII before the @. The local part stays as it is: to some receivers its case matters. At most EMAIL_BYTES_MAX
 * in all.
 *
 * OK; REFUSED with a phrase that follows the field's name ("must be …"); BUSY without memory. Texts may be any bytes;
 * results borrow from the arena. */
#ifndef WEIR_ONBOARD_DOMAIN_H
#define WEIR_ONBOARD_DOMAIN_H

#include "base/arena.h"

enum { DOMAIN_BYTES_MAX = 253, DOMAIN_LABEL_BYTES_MAX = 63, EMAIL_BYTES_MAX = 254, EMAIL_LOCAL_BYTES_MAX = 64 };

Status domain_normalise(Str text, Arena *arena, Str *ret_domain, const char **ret_problem) MUST_CHECK;
Status email_normalise(Str text, Arena *arena, Str *ret_email, const char **ret_problem) MUST_CHECK;

#endif

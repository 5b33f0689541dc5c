/* Whether domains are there, as the system's resolver has it. This is the seam between the runner of jobs and the ways
 * to ask: none of the calls waits, and the runner sees to it that it does not wait for an answer longer than it wants
 * to.
 *
 * One thread uses a check. */
#ifndef WEIR_ONBOARD_DOMAIN_CHECK_H
#define WEIR_ONBOARD_DOMAIN_CHECK_H

#include "base/err.h"
#include "base/str.h"
#include "onboard/domain.h"

typedef struct DomainCheck DomainCheck;

typedef enum DomainVerdict {
    DOMAIN_THERE,  /* the name is known, whether it has addresses or (as one that is only for mail) not */
    DOMAIN_ABSENT, /* there is no such name: NXDOMAIN */
    DOMAIN_UNSURE, /* nobody could tell now */
} DomainVerdict;

enum { DOMAIN_ERROR_BYTES_MAX = 128 };

typedef struct DomainAnswer {
    int64_t question;
    DomainVerdict verdict;
    char error[DOMAIN_ERROR_BYTES_MAX]; /* unsure: why */
} DomainAnswer;

/* Every member is required. */
typedef struct DomainCheckOps {
    /* How many questions it takes now. One that is not answered takes up room, also when nobody waits for it any
     * more. */
    size_t (*room)(DomainCheck *check);

    /* Asks about a domain in its ASCII form, at most DOMAIN_BYTES_MAX bytes. There must be room. `question` is the
     * caller's, and comes back with the answer. Copies the domain. */
    void (*ask)(DomainCheck *check, int64_t question, Str domain);

    /* Up to `cap` answers that have come in. */
    size_t (*answers)(DomainCheck *check, DomainAnswer *answers, size_t cap);

    /* Does not wait for answers either. */
    void (*close)(DomainCheck *check);
} DomainCheckOps;

/* Implementations embed this as their first member. */
struct DomainCheck {
    const DomainCheckOps *ops;
};

typedef struct DomainCheckOptions {
    size_t threads; /* questions at once, 1 … DOMAIN_THREADS_MAX */
    /* Called on any thread when there is an answer, until close() returns. */
    void (*wake)(void *self);
    void *self;
} DomainCheckOptions;
enum { DOMAIN_THREADS_MAX = 32 };

/* Over getaddrinfo(), on threads of its own, since it takes as long as the resolver's configuration lets it. BUSY: no
 * memory or threads. */
Status domain_check_open(const DomainCheckOptions *options, DomainCheck **ret_check, Error *reterr) MUST_CHECK;
void domain_check_close(DomainCheck *check); /* accepts NULL */

#endif

#include "onboard/domain_check.h"

#include <assert.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum AskerState { ASKER_IDLE, ASKER_ASKED, ASKER_ANSWERED } AskerState;

/* A thread, and the one question that it has. */
typedef struct Asker {
    struct Resolver *resolver;
    AskerState state;
    DomainAnswer answer;
    char name[DOMAIN_BYTES_MAX + 2]; /* with a dot at its end */
} Asker;

/* Freed by the last who has it: a thread may be in the middle of a question when the check is closed, and nobody can
 * call it back. */
typedef struct Resolver {
    DomainCheck check;
    DomainCheckOptions options;
    pthread_mutex_t lock; /* guards everything */
    pthread_cond_t asked;
    bool closed;
    size_t users; /* threads, and whoever has opened it */
    Asker askers[DOMAIN_THREADS_MAX];
} Resolver;

/* The lock is held, and is no more. */
static void let_go(Resolver *resolver)
{
    bool last = --resolver->users == 0;
    pthread_mutex_unlock(&resolver->lock);
    if (last) {
        pthread_cond_destroy(&resolver->asked);
        pthread_mutex_destroy(&resolver->lock);
        free(resolver);
    }
}

/* ---- Threads ----------------------------------------------------------------------------------------------------- */

/* A name that is there without addresses is as good as any other; only the GNU library tells the difference. */
static DomainVerdict look_up(const char *name, char ret_error[DOMAIN_ERROR_BYTES_MAX])
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(name, NULL, &hints, &found);
    if (code == 0) {
        freeaddrinfo(found);
    }
    if (code == 0 || code == EAI_NODATA || code == EAI_ADDRFAMILY) {
        return DOMAIN_THERE;
    }
    snprintf(ret_error, DOMAIN_ERROR_BYTES_MAX, "%s", gai_strerror(code));
    return code == EAI_NONAME ? DOMAIN_ABSENT : DOMAIN_UNSURE;
}

static void *answer_questions(void *self)
{
    Asker *asker = self;
    Resolver *resolver = asker->resolver;
    pthread_mutex_lock(&resolver->lock);
    while (!resolver->closed) {
        if (asker->state != ASKER_ASKED) {
            pthread_cond_wait(&resolver->asked, &resolver->lock);
            continue;
        }
        pthread_mutex_unlock(&resolver->lock);
        asker->answer.verdict = look_up(asker->name, asker->answer.error);
        pthread_mutex_lock(&resolver->lock);
        asker->state = ASKER_ANSWERED;
        if (!resolver->closed) { /* with the lock, so that nobody is woken who is gone */
            resolver->options.wake(resolver->options.self);
        }
    }
    let_go(resolver);
    return NULL;
}

static Status start_threads(Resolver *resolver, Error *reterr)
{
    pthread_t thread;
    bool started = true;
    pthread_mutex_lock(&resolver->lock);
    for (size_t i = 0; i < resolver->options.threads && started; i++) {
        resolver->askers[i].resolver = resolver;
        started = pthread_create(&thread, NULL, answer_questions, &resolver->askers[i]) == 0;
        if (started) {
            pthread_detach(thread);
            resolver->users++;
        }
    }
    pthread_mutex_unlock(&resolver->lock);
    return started ? STATUS_OK : error_set(reterr, STATUS_BUSY, "no threads to look domains up with");
}

/* ---- The check --------------------------------------------------------------------------------------------------- */

static size_t resolver_room(DomainCheck *check)
{
    Resolver *resolver = (Resolver *)check;
    size_t room = 0;
    pthread_mutex_lock(&resolver->lock);
    for (size_t i = 0; i < resolver->options.threads; i++) {
        room += resolver->askers[i].state == ASKER_IDLE;
    }
    pthread_mutex_unlock(&resolver->lock);
    return room;
}

/* The dot keeps the resolver from trying names of its own search list. */
static void resolver_ask(DomainCheck *check, int64_t question, Str domain)
{
    Resolver *resolver = (Resolver *)check;
    size_t at = 0;
    pthread_mutex_lock(&resolver->lock);
    while (at < resolver->options.threads && resolver->askers[at].state != ASKER_IDLE) {
        at++;
    }
    assert(at < resolver->options.threads && domain.len <= DOMAIN_BYTES_MAX);
    Asker *asker = &resolver->askers[at];
    asker->answer = (DomainAnswer){.question = question};
    snprintf(asker->name, sizeof asker->name, "%.*s.", STR_ARGS(domain));
    asker->state = ASKER_ASKED;
    pthread_cond_broadcast(&resolver->asked);
    pthread_mutex_unlock(&resolver->lock);
}

static size_t resolver_answers(DomainCheck *check, DomainAnswer *answers, size_t cap)
{
    Resolver *resolver = (Resolver *)check;
    size_t count = 0;
    pthread_mutex_lock(&resolver->lock);
    for (size_t i = 0; i < resolver->options.threads && count < cap; i++) {
        if (resolver->askers[i].state == ASKER_ANSWERED) {
            answers[count++] = resolver->askers[i].answer;
            resolver->askers[i].state = ASKER_IDLE;
        }
    }
    pthread_mutex_unlock(&resolver->lock);
    return count;
}

static void resolver_close(DomainCheck *check)
{
    Resolver *resolver = (Resolver *)check;
    pthread_mutex_lock(&resolver->lock);
    resolver->closed = true;
    pthread_cond_broadcast(&resolver->asked);
    let_go(resolver);
}

static const DomainCheckOps resolver_ops = {
    .room = resolver_room,
    .ask = resolver_ask,
    .answers = resolver_answers,
    .close = resolver_close,
};

Status domain_check_open(const DomainCheckOptions *options, DomainCheck **ret_check, Error *reterr)
{
    assert(options->threads >= 1 && options->threads <= DOMAIN_THREADS_MAX);
    Resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver) {
        return error_set(reterr, STATUS_BUSY, "no memory to look domains up with");
    }
    resolver->check.ops = &resolver_ops;
    resolver->options = *options;
    resolver->users = 1;
    pthread_mutex_init(&resolver->lock, NULL);
    pthread_cond_init(&resolver->asked, NULL);
    Status status = start_threads(resolver, reterr);
    if (status != STATUS_OK) {
        resolver_close(&resolver->check);
        return status;
    }
    *ret_check = &resolver->check;
    return STATUS_OK;
}

void domain_check_close(DomainCheck *check)
{
    if (check) {
        check->ops->close(check);
    }
}

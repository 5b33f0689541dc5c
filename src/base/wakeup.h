/* Waits until another thread says that there is something to do. */
#ifndef WEIR_BASE_WAKEUP_H
#define WEIR_BASE_WAKEUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

typedef struct Wakeup {
    int fd; /* readable when somebody called; can be polled for beside others */
} Wakeup;
#define WAKEUP_NONE ((Wakeup){-1})

Status wakeup_init(Wakeup *wakeup, Error *reterr) MUST_CHECK;
void wakeup_release(Wakeup *wakeup); /* accepts WAKEUP_NONE */

/* From any thread, any number of times. */
void wakeup_call(const Wakeup *wakeup);

/* Returns when somebody has called since the last wait, and true, or after `us_max`. One thread. */
bool wakeup_wait(const Wakeup *wakeup, int64_t us_max);
/* The same, and returns when there is one of the `events` of poll() at `fd`, too; less than 0 is none. */
bool wakeup_wait_beside(const Wakeup *wakeup, int fd, short events, int64_t us_max);
/* What those do that poll the descriptor themselves: the calls so far are answered. */
void wakeup_clear(const Wakeup *wakeup);

#endif

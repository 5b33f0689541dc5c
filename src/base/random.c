#include "base/random.h"

#include <sys/random.h>

/* So few bytes come whole, whatever signals arrive: getrandom(2). */
static Status system_fill(void *self, void *bytes, size_t count, Error *reterr)
{
    (void)self;
    return getrandom(bytes, count, 0) == (ssize_t)count
               ? STATUS_OK
               : error_set(reterr, STATUS_BROKEN, "the system gave no random numbers");
}

const Random random_system = {.fill = system_fill};

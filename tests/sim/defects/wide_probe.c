/* A half-open breaker lets two requests through, one after the other, now and then. */
#include "deliver/breaker.h"
#include "now_and_then.h"

unsigned __real_breaker_allows(Breaker *breaker, int64_t now_us, unsigned wanted);
unsigned __wrap_breaker_allows(Breaker *breaker, int64_t now_us, unsigned wanted);

unsigned __wrap_breaker_allows(Breaker *breaker, int64_t now_us, unsigned wanted)
{
    static unsigned calls;
    bool again = breaker->state == BREAKER_HALF_OPEN && breaker->probing && now_and_then(&calls, 2);
    return again && wanted > 0 ? 1 : __real_breaker_allows(breaker, now_us, wanted);
}

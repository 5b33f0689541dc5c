/* An open breaker lets a request through, now and then. */
#include "deliver/breaker.h"
#include "now_and_then.h"

unsigned __real_breaker_allows(Breaker *breaker, int64_t now_us, unsigned wanted);
unsigned __wrap_breaker_allows(Breaker *breaker, int64_t now_us, unsigned wanted);

unsigned __wrap_breaker_allows(Breaker *breaker, int64_t now_us, unsigned wanted)
{
    static unsigned calls;
    bool leaks = breaker->state == BREAKER_OPEN && now_us < breaker->open_until_us && now_and_then(&calls, 10);
    return leaks ? wanted : __real_breaker_allows(breaker, now_us, wanted);
}

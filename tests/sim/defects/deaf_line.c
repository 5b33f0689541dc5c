/* What the other side asks for (Retry-After) is not heeded while the breaker is open. */
#include "deliver/breaker.h"

void __wrap_breaker_put_off(Breaker *breaker, int64_t until_us);

void __wrap_breaker_put_off(Breaker *breaker, int64_t until_us)
{
    (void)breaker;
    (void)until_us;
}

/* A record that differs from the one that is there passes for the same, now and then. */
#include "now_and_then.h"
#include "record/record.h"

uint32_t __real_record_differs(const Record *a, const Record *b);
uint32_t __wrap_record_differs(const Record *a, const Record *b);

uint32_t __wrap_record_differs(const Record *a, const Record *b)
{
    static unsigned calls;
    uint32_t differs = __real_record_differs(a, b);
    return differs && !(differs & FIELD_RECORD_ID) && now_and_then(&calls, 10) ? 0 : differs;
}

/* A summary counts its own record in, now and then. */
#include "now_and_then.h"
#include "record/record.h"

FlowTotals __real_stored_record_summary(const StoredRecord *stored);
FlowTotals __wrap_stored_record_summary(const StoredRecord *stored);

FlowTotals __wrap_stored_record_summary(const StoredRecord *stored)
{
    static unsigned calls;
    return now_and_then(&calls, 200) ? stored->totals : __real_stored_record_summary(stored);
}

/* An alert says that more is exceeded than there is, now and then. */
#include "now_and_then.h"
#include "process/rules.h"

size_t __real_rule_set_decide(const RuleSet *set, const Record *record, const FlowTotals *before,
                              const FlowTotals *after, Alert *ret_alerts);
size_t __wrap_rule_set_decide(const RuleSet *set, const Record *record, const FlowTotals *before,
                              const FlowTotals *after, Alert *ret_alerts);

size_t __wrap_rule_set_decide(const RuleSet *set, const Record *record, const FlowTotals *before,
                              const FlowTotals *after, Alert *ret_alerts)
{
    static unsigned calls;
    size_t count = __real_rule_set_decide(set, record, before, after, ret_alerts);
    if (count > 0 && now_and_then(&calls, 10)) {
        ret_alerts[count - 1].exceeded_by++;
    }
    return count;
}

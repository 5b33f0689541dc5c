/* A rule that is stored is not in force, now and then. */
#include "now_and_then.h"
#include "process/rules.h"

Status __real_rule_set_new(const AlertRule *rules, size_t count, RuleSet **ret_set, Error *reterr);
Status __wrap_rule_set_new(const AlertRule *rules, size_t count, RuleSet **ret_set, Error *reterr);

Status __wrap_rule_set_new(const AlertRule *rules, size_t count, RuleSet **ret_set, Error *reterr)
{
    static unsigned calls;
    return __real_rule_set_new(rules, count > 0 && now_and_then(&calls, 5) ? count - 1 : count, ret_set, reterr);
}

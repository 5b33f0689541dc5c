/* Alert rules: which records are worth an alert, and how severe it is.
 *
 * A RuleSet is immutable; a change of rules makes a new one. The decision is taken while the record is stored, so that
 * the alert is committed with it. */
#ifndef WEIR_PROCESS_RULES_H
#define WEIR_PROCESS_RULES_H

#include "base/arena.h"
#include "record/record.h"

typedef enum RuleMeasure {
    RULE_VALUE,       /* the record's own value is above the threshold */
    RULE_TOTAL_VALUE, /* the flow's gross total crosses it with this record */
    RULE_NET_VALUE,   /* the flow's net total crosses it with this record */
} RuleMeasure;

/* An empty filter text matches everything. */
typedef struct AlertRule {
    int64_t id; /* 1 … ; 0 before it is stored */
    Str name;   /* 1–255 code points, unique among the rules */
    Str source_id, destination_id, unit, reference;
    int type; /* RecordType, or -1 for both */
    RuleMeasure measure;
    int64_t threshold; /* minor units, > 0 */
    bool enabled;
    int64_t version; /* grows with each change */
    int64_t created_us, updated_us;
} AlertRule;

typedef enum Severity { SEVERITY_MEDIUM, SEVERITY_HIGH, SEVERITY_CRITICAL } Severity;

typedef struct Alert {
    const AlertRule *rule; /* borrows from the RuleSet */
    Total exceeded_by;     /* minor units, > 0 */
    Severity severity;
} Alert;

typedef struct RuleSet RuleSet;
enum { RULES_MAX = 1000 };

/* Copies the rules. REFUSED above RULES_MAX. One reference for the caller. */
Status rule_set_new(const AlertRule *rules, size_t count, RuleSet **ret_set, Error *reterr) MUST_CHECK;
RuleSet *rule_set_keep(RuleSet *set);
void rule_set_drop(RuleSet *set); /* accepts NULL */
size_t rule_set_count(const RuleSet *set);
const AlertRule *rule_set_at(const RuleSet *set, size_t index);

/* The alerts that this record fires, in the order of the rules' ids; `before` and `after` are its flow's totals without
 * and with it. Writes up to RULES_MAX of them. Severity by how far over: up to 25 % medium, up to 50 % high, beyond
 * critical. */
size_t rule_set_decide(const RuleSet *set, const Record *record, const FlowTotals *before, const FlowTotals *after,
                       Alert *ret_alerts);

const char *severity_name(Severity severity);
const char *rule_measure_name(RuleMeasure measure); /* "value", "total_value", "net_value" */
bool rule_measure_parse(Str text, RuleMeasure *ret_measure);

#endif

#include "process/rules.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdatomic.h>
#include <stdlib.h>

/* What has to hold before a rule's texts are worth comparing, packed so that a thousand rules pass in about a
 * microsecond. */
typedef struct RuleGate {
    int64_t threshold;
    uint32_t destination_hash; /* 0 for any */
    RuleMeasure measure;
} RuleGate;

struct RuleSet {
    atomic_int references;
    Arena arena; /* the rules' texts */
    size_t count;
    AlertRule *rules; /* by id */
    RuleGate *gates;  /* of the enabled ones only, by id */
    uint16_t *gate_rules;
    size_t gate_count;
    bool has_destinations;
};

static uint32_t destination_hash(Str destination_id)
{
    uint32_t hash = (uint32_t)XXH3_64bits(destination_id.ptr, destination_id.len);
    return hash ? hash : 1;
}

static int compare_ids(const void *a, const void *b)
{
    int64_t left = ((const AlertRule *)a)->id, right = ((const AlertRule *)b)->id;
    return (left > right) - (left < right);
}

static bool copy_texts(Arena *arena, AlertRule *rule)
{
    Str *texts[] = {&rule->name, &rule->source_id, &rule->destination_id, &rule->unit, &rule->reference};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = arena_copy(arena, *texts[i]);
        if (!texts[i]->ptr) {
            return false;
        }
    }
    return true;
}

static bool copy_rules(RuleSet *set, const AlertRule *rules, size_t count)
{
    set->rules = ARENA_ARRAY(&set->arena, AlertRule, count);
    set->gates = ARENA_ARRAY(&set->arena, RuleGate, count);
    set->gate_rules = ARENA_ARRAY(&set->arena, uint16_t, count);
    if (!set->rules || !set->gates || !set->gate_rules) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        set->rules[i] = rules[i];
        if (!copy_texts(&set->arena, &set->rules[i])) {
            return false;
        }
    }
    set->count = count;
    qsort(set->rules, count, sizeof set->rules[0], compare_ids);
    return true;
}

static void make_gates(RuleSet *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const AlertRule *rule = &set->rules[i];
        if (!rule->enabled) {
            continue;
        }
        bool any = rule->destination_id.len == 0;
        set->gates[set->gate_count] = (RuleGate){.threshold = rule->threshold,
                                                 .destination_hash = any ? 0 : destination_hash(rule->destination_id),
                                                 .measure = rule->measure};
        set->gate_rules[set->gate_count++] = (uint16_t)i;
        set->has_destinations |= !any;
    }
}

Status rule_set_new(const AlertRule *rules, size_t count, RuleSet **ret_set, Error *reterr)
{
    enum {
        TEXTS_BYTES = 5 * (RECORD_TEXT_CODE_POINTS_MAX * 4 + 32),
        RULE_BYTES_MAX = TEXTS_BYTES + sizeof(AlertRule) + 64
    };
    if (count > RULES_MAX) {
        return error_set(reterr, STATUS_REFUSED, "%zu alert rules are more than the %d that are possible", count,
                         RULES_MAX);
    }
    RuleSet *set = calloc(1, sizeof *set);
    if (!set) {
        return error_set(reterr, STATUS_BUSY, "no memory for the alert rules");
    }
    atomic_init(&set->references, 1);
    arena_init(&set->arena, 16384, (size_t)(RULES_MAX + 16) * RULE_BYTES_MAX);
    if (!copy_rules(set, rules, count)) {
        rule_set_drop(set);
        return error_set(reterr, STATUS_BUSY, "no memory for %zu alert rules", count);
    }
    make_gates(set);
    *ret_set = set;
    return STATUS_OK;
}

RuleSet *rule_set_keep(RuleSet *set)
{
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void rule_set_drop(RuleSet *set)
{
    /* The last one to let go must see what the others did with the set before they let go. */
    if (set && atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) == 1) {
        arena_release(&set->arena);
        free(set);
    }
}

size_t rule_set_count(const RuleSet *set) { return set->count; }

const AlertRule *rule_set_at(const RuleSet *set, size_t index) { return &set->rules[index]; }

static bool text_matches(Str filter, Str text) { return filter.len == 0 || str_equal(filter, text); }

static bool rule_matches(const AlertRule *rule, const Record *record)
{
    return (rule->type < 0 || rule->type == (int)record->type) &&
           text_matches(rule->destination_id, record->destination_id) &&
           text_matches(rule->source_id, record->source_id) && text_matches(rule->unit, record->unit) &&
           text_matches(rule->reference, record->reference);
}

/* 25 % over is still medium and 50 % still high, as the reference has it. The product of a total and 100 fits 128 bits,
 * since a total stays below 10^34. */
static Severity severity_of(Total exceeded_by, int64_t threshold)
{
    Total over = exceeded_by * 100;
    if (over <= (Total)threshold * 25) {
        return SEVERITY_MEDIUM;
    }
    return over <= (Total)threshold * 50 ? SEVERITY_HIGH : SEVERITY_CRITICAL;
}

/* A measure fires when it was at or below the threshold before the record and is above it after. A record's own value
 * starts from nothing, which is below every threshold. */
typedef struct Crossing {
    Total before, after;
} Crossing;

size_t rule_set_decide(const RuleSet *set, const Record *record, const FlowTotals *before, const FlowTotals *after,
                       Alert *ret_alerts)
{
    const Crossing crossings[] = {
        [RULE_VALUE] = {0, record->value},
        [RULE_TOTAL_VALUE] = {flow_totals_gross(before), flow_totals_gross(after)},
        [RULE_NET_VALUE] = {flow_totals_net(before), flow_totals_net(after)},
    };
    uint32_t hash = set->has_destinations ? destination_hash(record->destination_id) : 0;
    size_t fired = 0;
    for (size_t i = 0; i < set->gate_count; i++) {
        const RuleGate *gate = &set->gates[i];
        const Crossing *crossing = &crossings[gate->measure];
        if (crossing->after <= gate->threshold || crossing->before > gate->threshold ||
            (gate->destination_hash && gate->destination_hash != hash)) {
            continue;
        }
        const AlertRule *rule = &set->rules[set->gate_rules[i]];
        if (rule_matches(rule, record)) {
            Total exceeded_by = crossing->after - rule->threshold;
            ret_alerts[fired++] = (Alert){rule, exceeded_by, severity_of(exceeded_by, rule->threshold)};
        }
    }
    return fired;
}

const char *severity_name(Severity severity)
{
    static const char *const names[] = {
        [SEVERITY_MEDIUM] = "medium", [SEVERITY_HIGH] = "high", [SEVERITY_CRITICAL] = "critical"};
    return names[severity];
}

static const char *const measure_names[] = {
    [RULE_VALUE] = "value", [RULE_TOTAL_VALUE] = "total_value", [RULE_NET_VALUE] = "net_value"};

const char *rule_measure_name(RuleMeasure measure) { return measure_names[measure]; }

bool rule_measure_parse(Str text, RuleMeasure *ret_measure)
{
    for (RuleMeasure measure = RULE_VALUE; measure <= RULE_NET_VALUE; measure++) {
        if (str_is(text, measure_names[measure])) {
            *ret_measure = measure;
            return true;
        }
    }
    return false;
}

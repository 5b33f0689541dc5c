/* POST /api/alert-rules/test: what a rule would have fired on. */
#include "query/request.h"
#include "query/task.h"

#include "record/record_json.h"

enum { SEVERITIES = SEVERITY_CRITICAL + 1 };

typedef struct Hit {
    int64_t seq;
    Total exceeded_by;
    Severity severity;
} Hit;

typedef struct RuleTest {
    Query base;
    Request request;
    RuleSet *rules; /* the one rule */
    uint32_t fields;
    int64_t scanned, examined;
    int64_t severities[SEVERITIES];
    int64_t count;
    Hit *hits; /* the first of them; in the arena */
    size_t hits_max, hits_kept, written;
    bool headed;
} RuleTest;

typedef struct RuleTestStep {
    RuleTest *test;
    QueryStep *step;
    bool stopped;
} RuleTestStep;

static uint32_t fields_of(const AlertRule *rule, const Filter *filter)
{
    uint32_t fields = FIELD_VALUE | filter_fields(filter);
    fields |= rule->source_id.len ? FIELD_SOURCE_ID : 0u;
    fields |= rule->destination_id.len ? FIELD_DESTINATION_ID : 0u;
    fields |= rule->unit.len ? FIELD_UNIT : 0u;
    fields |= rule->reference.len ? FIELD_REFERENCE : 0u;
    /* Running totals are told apart by the record's own type, when this record is taken out of them. */
    fields |= rule->measure != RULE_VALUE ? (uint32_t)(FIELD_TOTALS | FIELD_TYPE) : 0u;
    fields |= rule->type >= 0 ? FIELD_TYPE : 0u;
    return fields;
}

static void keep_hit(RuleTest *test, int64_t seq, const Alert *alert)
{
    test->count++;
    test->severities[alert->severity]++;
    if (test->hits_kept < test->hits_max) {
        test->hits[test->hits_kept++] = (Hit){seq, alert->exceeded_by, alert->severity};
    }
}

static bool visit_tested(void *context, const StoredRecord *stored)
{
    RuleTestStep *work = context;
    RuleTest *test = work->test;
    test->scanned = stored->seq;
    if (filter_matches(&test->request.filter, &stored->record)) {
        Alert alert;
        FlowTotals before = {0};
        test->examined++;
        if (test->fields & FIELD_TOTALS) {
            before = stored_record_summary(stored);
        }
        if (rule_set_decide(test->rules, &stored->record, &before, &stored->totals, &alert) > 0) {
            keep_hit(test, stored->seq, &alert);
        }
    }
    work->stopped = step_is_over(work->step);
    return !work->stopped;
}

static void put_head(const RuleTest *test, Buf *out)
{
    BUF_PUT(out, "{\"data\":{\"count\":");
    buf_put_i64(out, test->count);
    BUF_PUT(out, ",\"severities\":{");
    for (Severity severity = SEVERITY_MEDIUM; severity <= SEVERITY_CRITICAL; severity++) {
        buf_put_key(out, severity_name(severity));
        buf_put_i64(out, test->severities[severity]);
    }
    BUF_PUT(out, "},\"examined\":");
    buf_put_i64(out, test->examined);
    BUF_PUT(out, ",\"records\":[");
}

static bool visit_hit(void *context, const StoredRecord *stored)
{
    RuleTestStep *work = context;
    const Hit *hit = &work->test->hits[work->test->written];
    unsigned scale = work->test->base.options.info->scale;
    Buf *out = work->step->out;
    buf_put(out, work->test->written ? STR(",{") : STR("{"));
    record_put_json_fields(out, &stored->record, stored->seq, scale);
    buf_put_key(out, "exceededBy");
    buf_put_decimal_json(out, hit->exceeded_by, scale);
    buf_put_key(out, "severity");
    buf_put_json(out, str_from(severity_name(hit->severity)));
    buf_put_char(out, '}');
    return true;
}

static Status put_hits(RuleTestStep *work, Error *reterr)
{
    RuleTest *test = work->test;
    Status status = STATUS_OK;
    while (status == STATUS_OK && test->written < test->hits_kept && !step_has_enough(work->step)) {
        status = reader_get(work->step->reader, test->hits[test->written].seq, visit_hit, work, reterr);
        test->written += status == STATUS_OK;
    }
    if (test->written == test->hits_kept) {
        BUF_PUT(work->step->out, "]}}");
    }
    return status;
}

static Status rule_test_step(Query *query, QueryStep *step, bool *ret_done, Error *reterr)
{
    RuleTest *test = (RuleTest *)query;
    RuleTestStep work = {.test = test, .step = step};
    Status status = step_look(step, reterr);
    if (status == STATUS_OK && !test->headed) {
        status =
            reader_scan(step->reader, test->scanned, view_bound(step->view), test->fields, visit_tested, &work, reterr);
        if (status == STATUS_OK && !work.stopped) {
            put_head(test, step->out);
            test->headed = true;
        }
    }
    if (status == STATUS_OK && test->headed) {
        status = put_hits(&work, reterr);
        *ret_done = test->written == test->hits_kept;
    }
    return status;
}

static void rule_test_release(Query *query) { rule_set_drop(((RuleTest *)query)->rules); }

static Status prepare(RuleTest *test, const AlertRule *rule)
{
    AlertRule enabled = *rule;
    enabled.enabled = true;
    test->hits_max = test->request.limit ? test->request.limit : REQUEST_LIMIT_DEFAULT;
    test->hits = ARENA_ARRAY(&test->base.arena, Hit, test->hits_max);
    test->fields = fields_of(rule, &test->request.filter);
    return test->hits ? rule_set_new(&enabled, 1, &test->rules, NULL) : STATUS_BUSY;
}

Status query_rule_test_new(const AlertRule *rule, const QueryParam *params, size_t count, const QueryOptions *options,
                           Query **ret_query, QueryProblems *problems)
{
    problems->count = 0;
    RuleTest *test = query_alloc(sizeof *test, options);
    if (!test) {
        return STATUS_BUSY;
    }
    test->base.step = rule_test_step;
    test->base.release = rule_test_release;
    Status status =
        request_read(&test->request, REQUEST_RULE_TEST, &test->base.arena, REQUEST_LIMIT_MAX, params, count, problems);
    if (status == STATUS_OK) {
        status = prepare(test, rule);
    }
    if (status != STATUS_OK) {
        query_free(&test->base);
        return status;
    }
    *ret_query = &test->base;
    return STATUS_OK;
}

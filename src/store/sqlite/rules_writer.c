/* Alert rules in the store: a small ordinary table. */
#include <stdlib.h>

#include "store/sqlite/db.h"
#include "store/sqlite/sqlite_store.h"

static const char select_rules_sql[] = "SELECT id, name, source_id, destination_id, unit, reference, type, measure, "
                                       "threshold, enabled, version, created_us,"
                                       " updated_us FROM alert_rules ORDER BY id";

static Status read_rule(sqlite3_stmt *stmt, AlertRule *rule, Error *reterr)
{
    *rule = (AlertRule){.id = sqlite3_column_int64(stmt, 0),
                        .name = db_text(stmt, 1),
                        .source_id = db_text(stmt, 2),
                        .destination_id = db_text(stmt, 3),
                        .unit = db_text(stmt, 4),
                        .reference = db_text(stmt, 5),
                        .type = sqlite3_column_int(stmt, 6),
                        .threshold = sqlite3_column_int64(stmt, 8),
                        .enabled = sqlite3_column_int(stmt, 9) != 0,
                        .version = sqlite3_column_int64(stmt, 10),
                        .created_us = sqlite3_column_int64(stmt, 11),
                        .updated_us = sqlite3_column_int64(stmt, 12)};
    return rule_measure_parse(db_text(stmt, 7), &rule->measure)
               ? STATUS_OK
               : error_set(reterr, STATUS_BROKEN, "alert rule %lld has no known measure", (long long)rule->id);
}

Status sqlite_visit_rules(sqlite3 *db, RuleVisitor *visit, void *context, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    bool row = true, go_on = true;
    Status status = db_prepare(db, select_rules_sql, &stmt, reterr);
    while (status == STATUS_OK && go_on &&
           (status = db_step(stmt, "read the alert rules", &row, reterr)) == STATUS_OK && row) {
        AlertRule rule;
        status = read_rule(stmt, &rule, reterr);
        go_on = status == STATUS_OK && visit(context, &rule);
    }
    sqlite3_finalize(stmt);
    return status;
}

Status sqlite_reader_rules(StoreReader *base, RuleVisitor *visit, void *context, Error *reterr)
{
    return sqlite_visit_rules(((SqliteReader *)base)->db, visit, context, reterr);
}

typedef struct RuleList {
    Arena arena;
    AlertRule *rules;
    size_t count;
    bool failed;
} RuleList;

static bool collect_rule(void *context, const AlertRule *rule)
{
    RuleList *list = context;
    if (list->count == RULES_MAX) {
        return false;
    }
    AlertRule *copy = &list->rules[list->count++];
    *copy = *rule;
    Str *texts[] = {&copy->name, &copy->source_id, &copy->destination_id, &copy->unit, &copy->reference};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = arena_copy(&list->arena, *texts[i]);
        list->failed = list->failed || !texts[i]->ptr;
    }
    return !list->failed;
}

/* Makes the rules in force those of the table as the transaction sees it. */
Status sqlite_load_rules(SqliteStore *store, Error *reterr)
{
    RuleList list = {.rules = calloc(RULES_MAX, sizeof(AlertRule))};
    RuleSet *set = NULL;
    arena_init(&list.arena, 16 << 10, (size_t)8 << 20);
    Status status = list.rules ? sqlite_visit_rules(store->db, collect_rule, &list, reterr)
                               : error_set(reterr, STATUS_BUSY, "out of memory");
    if (status == STATUS_OK && list.failed) {
        status = error_set(reterr, STATUS_BUSY, "out of memory for the alert rules");
    }
    if (status == STATUS_OK) {
        status = rule_set_new(list.rules, list.count, &set, reterr);
    }
    if (status == STATUS_OK) {
        rule_set_drop(store->rules);
        store->rules = set;
    }
    arena_release(&list.arena);
    free(list.rules);
    return status;
}

static void bind_rule(sqlite3_stmt *stmt, const AlertRule *rule)
{
    db_bind_text(stmt, 1, rule->name);
    db_bind_text(stmt, 2, rule->source_id);
    db_bind_text(stmt, 3, rule->destination_id);
    db_bind_text(stmt, 4, rule->unit);
    db_bind_text(stmt, 5, rule->reference);
    sqlite3_bind_int(stmt, 6, rule->type);
    db_bind_text(stmt, 7, str_from(rule_measure_name(rule->measure)));
    sqlite3_bind_int64(stmt, 8, rule->threshold);
    sqlite3_bind_int(stmt, 9, rule->enabled);
}

/* A change that finds its row, or one of the three reasons why not: no such rule, another version, the name is
 * taken. */
static Status run_change(SqliteStore *store, Work *work, const char *sql, int64_t now_us, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status = db_prepare(store->db, sql, &stmt, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    bind_rule(stmt, &work->rule);
    sqlite3_bind_int64(stmt, 10, now_us);
    sqlite3_bind_int64(stmt, 11, work->rule.id);
    sqlite3_bind_int64(stmt, 12, work->rule.version);
    int code = sqlite3_step(stmt);
    if ((code & 0xff) == SQLITE_CONSTRAINT) {
        work->status = error_set(&work->error, STATUS_CONFLICT, "there is another alert rule with the name %.*s",
                                 STR_ARGS(work->rule.name));
    } else if (code != SQLITE_DONE) {
        status = db_error(store->db, code, "write an alert rule", reterr);
    }
    sqlite3_finalize(stmt);
    return status;
}

static Status count_rules(SqliteStore *store, Work *work, Error *reterr)
{
    int64_t count = 0;
    Status status = db_get_int(store->db, "SELECT count(*) FROM alert_rules", 0, &count, reterr);
    if (status == STATUS_OK && count >= RULES_MAX) {
        work->status =
            error_set(&work->error, STATUS_REFUSED, "there are %d alert rules already, which is the most", RULES_MAX);
    }
    return status;
}

static Status create_rule(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    Status status = count_rules(store, work, reterr);
    if (status == STATUS_OK && work->status == STATUS_OK) {
        status = run_change(store, work,
                            "INSERT INTO alert_rules(name, source_id, destination_id, unit, reference, type, measure,"
                            " threshold, enabled, version, created_us, updated_us)"
                            " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,1,?10,?10)",
                            now_us, reterr);
    }
    if (status == STATUS_OK && work->status == STATUS_OK) {
        work->rule.id = sqlite3_last_insert_rowid(store->db);
        work->rule.version = 1;
        work->rule.created_us = work->rule.updated_us = now_us;
    }
    return status;
}

static Status require_change(SqliteStore *store, Work *work)
{
    if (work->status == STATUS_OK && sqlite3_changes(store->db) == 0) {
        work->status = error_set(&work->error, STATUS_REFUSED,
                                 "there is no alert rule %lld, or it was changed meanwhile", (long long)work->rule.id);
    }
    return STATUS_OK;
}

static Status replace_rule(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    Status status = run_change(store, work,
                               "UPDATE alert_rules SET name = ?1, source_id = ?2, destination_id = ?3, unit = ?4,"
                               " reference = ?5, type = ?6, measure = ?7, threshold = ?8, enabled = ?9,"
                               " version = version + 1, updated_us = ?10 WHERE id = ?11 AND version = ?12",
                               now_us, reterr);
    if (status != STATUS_OK || require_change(store, work) != STATUS_OK || work->status != STATUS_OK) {
        return status;
    }
    work->rule.version++;
    work->rule.updated_us = now_us;
    return STATUS_OK;
}

static Status delete_rule(SqliteStore *store, Work *work, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status = db_prepare(store->db, "DELETE FROM alert_rules WHERE id = ?", &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, work->rule.id);
        status = db_run(stmt, "delete an alert rule", reterr);
    }
    sqlite3_finalize(stmt);
    return status == STATUS_OK ? require_change(store, work) : status;
}

Status sqlite_apply_rule(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    work->status = STATUS_OK;
    Status status = work->kind == WORK_RULE_DELETE ? delete_rule(store, work, reterr)
                    : work->rule.id == 0           ? create_rule(store, work, now_us, reterr)
                                                   : replace_rule(store, work, now_us, reterr);
    return status == STATUS_OK && work->status == STATUS_OK ? sqlite_load_rules(store, reterr) : status;
}

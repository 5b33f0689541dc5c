#include "engine.h"

#include <semaphore.h>

StoreOptions engine_store_options(const Config *config)
{
    StoreOptions options = store_options_default(config_text(config, OPTION_STORE_DIR));
    options.identity = (RecordIdentity)config_int(config, OPTION_STORE_IDENTITY);
    options.scale = (unsigned)config_int(config, OPTION_STORE_SCALE);
    options.flow_cache_bytes = config_size(config, OPTION_STORE_FLOW_CACHE_BYTES);
    options.free_reserve_bytes = config_size(config, OPTION_STORE_FREE_RESERVE_BYTES);
    options.wal_bytes_max = config_size(config, OPTION_STORE_WAL_BYTES_MAX);
    options.publish_records = config_size(config, OPTION_STORE_PUBLISH_RECORDS);
    options.dead_letter_bytes_max = config_size(config, OPTION_STORE_DEAD_LETTER_BYTES_MAX);
    return options;
}

static Status open_store(Engine *engine, const Config *config, const EngineHooks *hooks, Error *reterr)
{
    StoreOptions options = engine_store_options(config);
    options.progress = hooks->progress;
    options.progress_self = hooks->self;
    Status status = store_open(&options, &engine->store, reterr);
    if (status == STATUS_OK) {
        const StoreInfo *info = store_info(engine->store);
        engine->policy = (RecordPolicy){
            .scale = info->scale,
            .identity = info->identity,
            .hash_seed = info->hash_seed,
            .refuse_unknown_fields = config_int(config, OPTION_INTAKE_UNKNOWN_FIELDS) == 1, /* warn, refuse */
            .faults_allowed = config_int(config, OPTION_FAULTS_ALLOW),
        };
    }
    return status;
}

static Status start_processor(Engine *engine, const Config *config, const EngineHooks *hooks, Error *reterr)
{
    ProcessorOptions options = {
        .store = engine->store,
        .clock = &clock_system,
        .queue_bytes_max = config_size(config, OPTION_PROCESS_QUEUE_BYTES_MAX),
        .batch_records_max = config_size(config, OPTION_PROCESS_BATCH_RECORDS_MAX),
        .background = true,
        .committed = hooks->committed,
        .jobs_made = hooks->jobs_made,
        .broken = hooks->broken,
        .self = hooks->self,
    };
    return processor_start(&options, &engine->processor, reterr);
}

/* ---- Work that is waited for ------------------------------------------------------------------------------------- */

typedef struct Waiting {
    sem_t done;
    Status status;
    Error *reterr;
} Waiting;

static void wake(Submission *submission, Status status, const Error *error)
{
    Waiting *waiting = submission->owner;
    waiting->status = status == STATUS_OK ? STATUS_OK : error_set(waiting->reterr, status, "%s", error->message);
    sem_post(&waiting->done);
}

Status engine_submit_wait(Engine *engine, Submission *submission, Error *reterr)
{
    Waiting waiting = {.reterr = reterr};
    sem_init(&waiting.done, 0, 0);
    submission->done = wake;
    submission->owner = &waiting;
    Status status = processor_submit(engine->processor, submission, reterr);
    if (status == STATUS_OK) {
        while (sem_wait(&waiting.done) != 0) { /* only ever interrupted by a signal */
        }
        status = waiting.status;
    }
    sem_destroy(&waiting.done);
    return status;
}

/* ---- The default rule -------------------------------------------------------------------------------------------- */

bool engine_default_rule_changes(AlertRule *rule, bool is_new, bool is_set, int64_t threshold)
{
    if (rule->id == 0) {
        *rule = (AlertRule){.name = STR(ENGINE_DEFAULT_RULE), .type = -1, .measure = RULE_VALUE, .enabled = true};
        rule->threshold = threshold;
        return is_set || is_new;
    }
    bool changes = is_set && rule->threshold != threshold;
    rule->threshold = is_set ? threshold : rule->threshold;
    return changes;
}

/* Nothing else writes yet, so that looking first and writing then is safe. */
static Status put_default_rule(Engine *engine, const Config *config, RuleSet *rules, Error *reterr)
{
    Submission submission = {.work = {.kind = WORK_RULE_PUT}, .bytes = 1};
    AlertRule *rule = &submission.work.rule;
    for (size_t i = 0; i < rule_set_count(rules); i++) {
        if (str_is(rule_set_at(rules, i)->name, ENGINE_DEFAULT_RULE)) {
            *rule = *rule_set_at(rules, i);
        }
    }
    bool is_set = config_origin(config, OPTION_ALERTS_THRESHOLD) != CONFIG_DEFAULT;
    bool is_new = rule_set_count(rules) == 0 && store_last_seq(engine->store) == 0;
    if (!engine_default_rule_changes(rule, is_new, is_set, config_int(config, OPTION_ALERTS_THRESHOLD))) {
        return STATUS_OK;
    }
    Error error = {0};
    Status status = engine_submit_wait(engine, &submission, &error);
    if (status == STATUS_OK && submission.work.status != STATUS_OK) {
        status = error_set(&error, submission.work.status, "the default rule: %s", submission.work.error.message);
    }
    /* A disk that is too full to write must not keep the service from answering questions, whether that is seen before
     * the commit or by it. The rule comes with the next start, and a store that takes nothing more tells so by
     * itself. */
    return status == STATUS_OK || status == STATUS_BUSY || status == STATUS_UNKNOWN
               ? STATUS_OK
               : error_set(reterr, status, "%s", error.message);
}

Status engine_open(const Config *config, const EngineHooks *hooks, Engine *ret_engine, Error *reterr)
{
    *ret_engine = (Engine){0};
    Status status = open_store(ret_engine, config, hooks, reterr);
    RuleSet *rules = status == STATUS_OK ? rule_set_keep(store_rules(ret_engine->store)) : NULL;
    if (status == STATUS_OK) {
        status = start_processor(ret_engine, config, hooks, reterr);
    }
    if (status == STATUS_OK) {
        status = put_default_rule(ret_engine, config, rules, reterr);
    }
    rule_set_drop(rules);
    if (status != STATUS_OK) {
        engine_close(ret_engine);
    }
    return status;
}

void engine_stop(Engine *engine)
{
    processor_stop(engine->processor);
    engine->processor = NULL;
}

void engine_close(Engine *engine)
{
    engine_stop(engine);
    store_close(engine->store);
    engine->store = NULL;
}

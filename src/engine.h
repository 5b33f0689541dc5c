/* What takes records in: the store, the rules that are in force, and the processor. The service puts HTTP in front of
 * it; `weir ingest --data` feeds it from files. */
#ifndef WEIR_ENGINE_H
#define WEIR_ENGINE_H

#include "config/config.h"
#include "process/processor.h"
#include "record/record_json.h"

typedef struct EngineHooks {
    /* See StoreOptions; may be NULL. */
    void (*progress)(void *self, const char *what, uint64_t done, uint64_t total);
    /* See ProcessorOptions; `broken` may not be NULL. */
    void (*committed)(void *self, int64_t last_seq);
    void (*jobs_made)(void *self);
    void (*broken)(void *self, const Error *error);
    void *self;
} EngineHooks;

typedef struct Engine {
    Store *store;
    Processor *processor;
    RecordPolicy policy;
} Engine;

/* Opens the store that the configuration names, puts the default rule in force and starts the processor. Fails as
 * store_open does; nothing is left open then. `hooks` is copied. */
Status engine_open(const Config *config, const EngineHooks *hooks, Engine *ret_engine, Error *reterr) MUST_CHECK;

/* Finishes what was handed in and closes the store, whose readers must be closed. Accepts a half-open or closed one. */
void engine_close(Engine *engine);

/* In two steps, for those who must do something between: after the first nothing is written any more. */
void engine_stop(Engine *engine);

/* Hands work in and waits until it is on disk (or refused): the work's own status and error tell. Not on the
 * processor's thread. */
Status engine_submit_wait(Engine *engine, Submission *submission, Error *reterr) MUST_CHECK;

/* What the configuration says about the store. */
StoreOptions engine_store_options(const Config *config);

/* The rule "default" watches every record's value. A new store gets it (whoever deletes it has it deleted); where
 * alerts.threshold is set (in the file, the environment or on the command line) it is put back to that at each start,
 * whatever was done to it since. */
#define ENGINE_DEFAULT_RULE "default"

/* Whether the rule must be written, and what then: *rule is the one that is there or zeroed; `is_new` when the store
 * is. For engine_open and its tests. */
bool engine_default_rule_changes(AlertRule *rule, bool is_new, bool is_set, int64_t threshold);

#endif

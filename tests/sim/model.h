/* The oracle: what Weir promises, as a list, two maps and a few rules. No cleverness, and nothing of src/ but its
 * types.
 *
 * The list is the log: entry n has the sequence n. A record's entry holds its flow's totals as the model adds them up,
 * an alert's or a notice's entry what it must say. Texts of records, rules and notices are borrowed for as long as the
 * model lives.
 * What the store keeps about deliveries besides is in tables.h. */
#ifndef WEIR_TESTS_SIM_MODEL_H
#define WEIR_TESTS_SIM_MODEL_H

#include "deliver/outbox.h"
#include "sim/event_model.h"
#include "store/store.h"

typedef struct ModelTotals {
    int64_t positive_count, negative_count;
    Exact positive, negative; /* sums, both ≥ 0 */
} ModelTotals;

typedef enum ModelKind { MODEL_RECORD, MODEL_ALERT, MODEL_NOTICE, MODEL_TOLD } ModelKind;

/* What the notice of a dead letter must say. */
typedef struct ModelNotice {
    int64_t id;
    Str sink;
    int64_t seq; /* of the message; 0: of intake, at `place` of `source`, or of a job, at that of `batch` */
    Str source, batch, place;
    Str error;
    int64_t attempts;
} ModelNotice;

typedef struct ModelEntry {
    ModelKind kind;
    /* a record, or an alert: the sequence of the first record of its flow; what was told: of the first of its key */
    int64_t flow;
    Record record;        /* a record: what was handed in */
    int64_t prev_seq;     /* the flow's record before it, 0 for none */
    ModelTotals before;   /* the flow's, without it */
    int64_t about;        /* an alert, a notice: the sequence of the record that it is about, 0 for none */
    AlertRule rule;       /* as it was then */
    Exact exceeded_by;    /* > 0 */
    const char *severity; /* "medium", "high", "critical" */
    ModelNotice notice;
    MessageKind told; /* of an organization or a batch: what became of it */
    Str key, body;    /* likewise */
} ModelEntry;

/* A record's place in the order of time. */
typedef struct ModelTimed {
    int64_t time_us, seq;
} ModelTimed;

typedef struct Model {
    RecordIdentity identity;
    ModelEntry *entries; /* entries[seq - 1]; owns */
    size_t count, capacity;
    PlainMap by_identity; /* → seq */
    PlainMap by_flow;     /* → seq of the newest */
    ModelTimed *by_time;  /* the records among the first `timed_entries` entries; owns */
    size_t timed, timed_entries, timed_capacity;
    AlertRule rules[64]; /* by id */
    size_t rule_count;
    int64_t next_rule_id;
    EventModel events;
    Arena ids; /* of events that were created under a further one */
} Model;

enum { MODEL_RULES_MAX = 64 };

void model_init(Model *model, RecordIdentity identity);
void model_release(Model *model);

static inline int64_t model_last_seq(const Model *model) { return (int64_t)model->count; }
const ModelEntry *model_at(const Model *model, int64_t seq);
static inline bool model_is_record(const Model *model, int64_t seq)
{
    return model_at(model, seq)->kind == MODEL_RECORD;
}
/* The record that an entry is or is about; NULL for none. */
const Record *model_record_of(const Model *model, int64_t seq);
/* The sequence of the record that is the same as this one; 0 when there is none. */
int64_t model_find(const Model *model, const Record *record);
/* The record that an event of this id is; 0 when nobody has it. The rest of its identity is the record's. */
int64_t model_holder(const Model *model, const Record *record, Str id);

/* All records, by time and sequence. Borrows until the model changes. */
const ModelTimed *model_by_time(Model *model, size_t *ret_count);

/* What is handed in. */
typedef struct ModelWork {
    WorkKind kind;
    const Record *items;
    size_t count;
    bool atomic, dry_run, quiet, simulate_failure;
    const EventItem *events;     /* one for each; NULL: they are none */
    const EventItem *failed;     /* likewise of those that are no records */
    const IntakeLetter *letters; /* one for each record, NULL: nobody keeps any … */
    const IntakeLetter *refused; /* … and for each that failed */
    size_t failed_count;
    AlertRule rule;
} ModelWork;
/* With arrays of its own. What they borrow lives as long as the model. */
ModelWork model_work_copy(const ModelWork *work);
void model_work_release(ModelWork *work);

/* What has to come of it. */
typedef struct ModelAnswer {
    Status status;     /* the work's own */
    Outcome *outcomes; /* room for work->count, filled; `stored` is not used */
    AlertRule rule;    /* put: with its id and version */
} ModelAnswer;

void model_apply(Model *model, const ModelWork *work, ModelAnswer *ret_answer);
/* A dead letter was made. It is announced, unless it is itself about a notice. */
void model_announce(Model *model, const ModelNotice *notice);
/* What became of an organization or a batch. `key` keeps the order of such messages. */
void model_tell(Model *model, MessageKind kind, Str key, Str body);
/* Of which kind the message of an entry is. */
MessageKind model_message_kind(const ModelEntry *entry);

/* A moment to go back to: all that came later never was. */
typedef struct ModelMark {
    size_t count;
    AlertRule rules[MODEL_RULES_MAX];
    size_t rule_count;
    int64_t next_rule_id;
    size_t facts;
} ModelMark;
ModelMark model_mark(const Model *model);
void model_rewind(Model *model, const ModelMark *mark);
/* Whether the rules are the same now as then. */
bool model_same_rules(const Model *model, const ModelMark *mark);

/* The fields in which two records differ, as RecordField bits, but for those that the identity leaves out. */
uint32_t model_differs(const Model *model, const Record *a, const Record *b);

#endif

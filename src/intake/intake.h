/* Intake: takes records in from sources that are not HTTP clients: Kafka, Redis, files. Each source has a feeder; they
 * share nothing with each other but the processor, whose full queue makes them wait.
 *
 * Control goes through the store alone: whoever pauses a source or retries a dead letter submits that work to the
 * processor, and then calls intake_look. */
#ifndef WEIR_INTAKE_INTAKE_H
#define WEIR_INTAKE_INTAKE_H

#include "intake/source.h"
#include "process/processor.h"
#include "record/mapping.h"
#include "record/record_json.h"

enum { INTAKE_SOURCES_MAX = 64 };

typedef struct Intake Intake;

typedef struct IntakeOptions {
    Store *store;                 /* borrows until intake_free */
    Processor *processor;         /* borrows until intake_stop */
    const Clock *clock;           /* likewise */
    const Random *random;         /* for jitter; likewise */
    const RecordPolicy *policy;   /* likewise */
    const MappingSet *mappings;   /* likewise; of events */
    bool first_wins;              /* a record that conflicts with what is stored is a duplicate, no dead letter */
    const SourceOptions *sources; /* borrows until intake_free */
    size_t source_count;          /* at most INTAKE_SOURCES_MAX */
    bool background;              /* a thread for each source; otherwise whoever owns the intake calls intake_step */
    /* Makes the sources; source_open but in simulations. */
    Status (*open_source)(void *self, const SourceContext *context, Source **ret_source, Error *reterr);
    void *self;
} IntakeOptions;

/* REFUSED: an option that a source cannot work with; the message names both. A place that cannot be reached is no
 * failure. */
Status intake_start(const IntakeOptions *options, Intake **ret_intake, Error *reterr) MUST_CHECK;

/* Not in the background: moves every source on by a piece. Returns after how many microseconds, at most, there may be
 * more to do. */
int64_t intake_step(Intake *intake);

/* From any thread: a source's state was changed, dead letters of intake are to be tried again, or a person wants what
 * has failed to be tried now. Accepts NULL. */
void intake_look(Intake *intake);

/* Fetches nothing more, and waits for what is with the processor. Not in the background: does not wait; intake_step
 * then acknowledges what was stored meanwhile. Accepts NULL. */
void intake_stop(Intake *intake);
/* After intake_stop, when the processor has answered whatever was handed in. Accepts NULL. */
void intake_free(Intake *intake);

typedef enum SourceCondition {
    SOURCE_CONNECTING, /* not connected, and trying */
    SOURCE_RUNNING,
    SOURCE_HOLDING, /* what was fetched cannot be stored just now; see error */
    SOURCE_PAUSED,
    SOURCE_FAILED, /* it cannot go on as things are, and a person has to look; it is tried again now and then */
    SOURCE_STOPPED,
} SourceCondition;
const char *source_condition_name(SourceCondition condition); /* "connecting", "running", "holding", … */

typedef struct SourceStatus {
    const SourceOptions *options; /* borrows until intake_free */
    SourceCondition condition;
    bool is_storing; /* a group is to be stored, and will put its places; never while it is paused */
    SourceLag lag;
    /* Since the start of the process. */
    int64_t messages, bytes, created, duplicates, conflicts, rejected;
    int64_t dead_letters, errors;        /* made; failures to connect, fetch, acknowledge or store */
    int64_t message_us, error_us;        /* when the last one came, happened, by the wall clock; 0: never */
    int64_t next_try_us;                 /* connecting, failed: when it is tried again, by the wall clock; 0: now */
    char error[ERROR_MESSAGE_BYTES_MAX]; /* the last one; empty when there was none since it went well */
    char notice[ERROR_MESSAGE_BYTES_MAX];
} SourceStatus;

/* How many there are. Accepts NULL. */
size_t intake_source_count(const Intake *intake);

/* From any thread. In the order of the options. Returns how many were filled. Accepts NULL. */
size_t intake_status(Intake *intake, SourceStatus *ret_status, size_t cap);

#endif

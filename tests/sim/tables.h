/* The oracle of what the store keeps about deliveries: sinks, retries, dead letters, replays. Each piece of work does
 * the same to these tables as to the store's, in words of its own; and a look at the store compares them, row by row.
 *
 * It holds sinks whose name is one of tables_sink_name(), and dead letters of deliveries, of events and of jobs.
 * Attempts are not kept here. What is kept of organizations is in onboard_model.h. */
#ifndef WEIR_TESTS_SIM_TABLES_H
#define WEIR_TESTS_SIM_TABLES_H

#include "sim/model.h"
#include "sim/onboard_model.h"

typedef struct World World;

enum { TABLES_SINKS_MAX = 4, TABLES_TEXT_BYTES = 400 };

typedef struct TableSink {
    bool is_there;
    SinkState state;
    SinkPlace place;
    int64_t version;
    int64_t start; /* where it began */
} TableSink;

#define TABLES_UNKNOWN INT64_MIN /* a time that the store alone knows */

typedef struct TableRetry {
    size_t sink;
    int64_t job, seq;
    int64_t attempts, due_us;
} TableRetry;

/* Texts borrow for as long as the world lives. */
typedef struct TableLetter {
    size_t sink; /* TABLES_SINKS_MAX: of intake, at `place` of TABLES_SOURCE; TABLES_OF_JOBS: of `job` */
    DeadLetterState state;
    int64_t seq, attempts;
    Str error;
    Str place, format, raw; /* of intake; `place` of a job, too */
    int64_t job;
    Str batch; /* the job's */
} TableLetter;
#define TABLES_OF_JOBS ((size_t)TABLES_SINKS_MAX + 1)
#define TABLES_SOURCE  STR("events")

typedef struct TableReplay {
    size_t sink;
    int64_t after, through;
    Str filter; /* borrows for as long as the world lives */
    ReplayState state;
    SinkPlace place;
    int64_t sent, failed;
} TableReplay;

typedef struct Tables {
    TableSink sinks[TABLES_SINKS_MAX];
    TableRetry *retries; /* by sink, job and seq; owns */
    size_t retry_count, retry_room;
    TableLetter *letters; /* of id 1, 2, 3 …; owns */
    size_t letter_count, letter_room;
    TableReplay *replays; /* of id 1, 2, 3 …; owns */
    size_t replay_count, replay_room;
    OnboardTables onboard;
} Tables;

const char *tables_sink_name(size_t sink);

void tables_release(Tables *tables); /* what is all zero is empty */
void tables_copy(const Tables *from, Tables *to);

/* NULL when there is none. Borrows until the tables change. */
TableRetry *tables_retry(const Tables *tables, size_t sink, int64_t job, int64_t seq);
TableLetter *tables_letter(const Tables *tables, size_t sink, int64_t seq);
TableReplay *tables_replay(const Tables *tables, int64_t id);
int64_t tables_open_letters(const Tables *tables);

static inline bool tables_is_of_intake(const TableLetter *letter) { return letter->sink == TABLES_SINKS_MAX; }
static inline bool tables_is_of_sink(const TableLetter *letter) { return letter->sink < TABLES_SINKS_MAX; }

/* The dead letter of a job that has failed: a new one, or the one that it has. */
void tables_open_job_letter(World *world, const StoredJob *job, bool announce);
/* From one state to another, if the job has a letter and that is in the first one. */
void tables_move_job_letter(Tables *tables, int64_t job, DeadLetterState from, DeadLetterState to);

/* What becomes of the dead letters of events: those that failed, and those that are tried again. After model_apply,
 * which gave `outcomes`. */
void tables_take_in(World *world, const ModelWork *work, const Outcome *outcomes);

/* Does to the tables (and to the log, where a dead letter is announced) what the work does. Returns what the work's
 * status has to be. */
Status tables_apply(World *world, const Work *work);

/* A copy of the work with all that it borrows, for when it is not known yet whether it was done. */
Work *tables_keep_work(World *world, const Work *work);
void tables_free_work(Work *work); /* accepts NULL */

/* Whether the store has the same; else the first difference. A reader that was struck says yes. */
bool tables_check(World *world, StoreReader *reader, char ret_difference[TABLES_TEXT_BYTES]);

#endif

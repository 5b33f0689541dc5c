/* How organizations, their batches and jobs are written: the statements, prepared once, and the counts of the piece of
 * work at hand. */
#ifndef WEIR_STORE_SQLITE_ONBOARD_H
#define WEIR_STORE_SQLITE_ONBOARD_H

#include <sqlite3.h>

#include "base/buf.h"
#include "store/onboard.h"

typedef enum OnboardStatement {
    ONBOARD_GET_COUNTS,
    ONBOARD_PUT_COUNTS,
    ONBOARD_FIND_DOMAIN,
    ONBOARD_FIND_DELETED,
    ONBOARD_FIND_ORGANIZATION,
    ONBOARD_ADD_ORGANIZATION,
    ONBOARD_PUT_ORGANIZATION,
    ONBOARD_ADD_CHANGE,
    ONBOARD_HAS_BATCH,
    ONBOARD_FIND_BATCH,
    ONBOARD_ADD_BATCH,
    ONBOARD_MOVE_BATCH,
    ONBOARD_FIND_JOB,
    ONBOARD_FIND_DUE,
    ONBOARD_NEXT_DUE,
    ONBOARD_ADD_JOB,
    ONBOARD_TAKE_JOB,
    ONBOARD_PUT_JOB,
    ONBOARD_FIND_LETTER,
    ONBOARD_ADD_LETTER,
    ONBOARD_MOVE_LETTER,
    ONBOARD_FIND_ANSWER,
    ONBOARD_TRIM_ANSWERS,
    ONBOARD_ADD_ANSWER,
    ONBOARD_STATEMENT_COUNT,
} OnboardStatement;

/* The row of onboard_counts. */
typedef struct OnboardTotals {
    int64_t batches, organizations, answers, jobs[JOB_STATE_COUNT];
    int64_t last_batch, last_organization, last_job;
} OnboardTotals;

typedef struct OnboardWriter {
    sqlite3_stmt *statements[ONBOARD_STATEMENT_COUNT];
    OnboardTotals totals; /* between sqlite_begin_onboard and sqlite_end_onboard */
    Buf text;             /* of the message or the audit row that is being made */
    bool has_leases;      /* there are jobs that an earlier process had */
    int64_t latest_us;    /* of the commits of this process, by the wall clock; INT64_MAX: there was none */
    int64_t now_us;       /* of the batch at hand */
} OnboardWriter;

#endif

/* What one run of `weir ingest` has, for its parts: ingest.c sets it up, ingest_files.c reads, ingest_report.c
 * tells. */
#ifndef WEIR_CLI_INGEST_RUN_H
#define WEIR_CLI_INGEST_RUN_H

#include "cli/command.h"
#include "cli/ingest_batch.h"
#include "cli/progress.h"

enum { INGEST_RAW_SHOWN_BYTES_MAX = 1 << 16 };

typedef struct Ingest {
    const Args *args;
    FileFormat format;
    size_t item_bytes_max;
    bool from_start; /* whatever was taken in before */
    IngestTarget *target;
    IngestPipeline *pipeline;
    IngestBatch *batch; /* that is being filled; NULL before the first record */
    IngestFile *files;  /* the operands */
    FILE *rejects;      /* NULL when they are not kept */
    Progress progress;
    uint64_t counts[OUTCOME_REJECTED + 1]; /* by OutcomeKind */
    uint64_t before;                       /* records that earlier runs have taken in, or refused */
    uint64_t bytes_total, bytes_before;    /* of all files; of the files that are finished */
    int64_t started_us;
    Buf errors, line; /* scratch */
} Ingest;

/* Takes all files in. What was read before a file turned out to be unreadable is taken in all the same; the message
 * says where it stopped. */
Status ingest_take_files(Ingest *ingest, Error *reterr) MUST_CHECK;

/* From now on SIGINT and SIGTERM end ingest_take_files behind the record that is being read; a second one ends the
 * process. */
void ingest_take_signals(void);

/* Of a batch that is committed: counts and reports what became of each. */
Status ingest_report_batch(Ingest *ingest, const IngestBatch *batch, Error *reterr) MUST_CHECK;
uint64_t ingest_problem_count(const Ingest *ingest); /* conflicts and rejections */
/* A line about a file, for people. */
void ingest_say(Ingest *ingest, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints the summary; `error` is what ended the run, or NULL. Returns the exit code. */
int ingest_print_summary(const Ingest *ingest, const Error *error);

#endif

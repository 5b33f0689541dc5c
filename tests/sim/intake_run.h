/* A simulated run of intake: sources that fail beside a disk that loses power, clients that hand the same records in,
 * and people who pause sources and mend dead letters. The store, the processor and intake are the real ones, in one
 * thread; a seed is a run.
 *
 * What has to hold, at every start and at the end: each message is a record once or a dead letter; what the other side
 * or a client was told is stored; no place is ahead of the log. */
#ifndef WEIR_TESTS_SIM_INTAKE_RUN_H
#define WEIR_TESTS_SIM_INTAKE_RUN_H

#include "intake/intake.h"
#include "sim/disk/disk.h"
#include "sim/disk/sim_io.h"
#include "sim/disk/vfs.h"
#include "sim/seed.h"
#include "sim/story.h"
#include "support/fake_source.h"
#include "support/handles.h"

enum { RUN_SOURCES_MAX = 3, RUN_PARTS_MAX = 3, RUN_MESSAGES_MAX = 4000, RUN_RECORDS_MAX = 8000 };

typedef enum RunKind {
    RUN_GOOD,  /* a record of its own */
    RUN_AGAIN, /* the same as the one before it in its part */
    RUN_CLASH, /* with the id of the one before it in its part, and another value */
    RUN_BAD,   /* no record */
} RunKind;

/* A message that was put. */
typedef struct RunMessage {
    size_t source, part;
    int64_t offset;
    RunKind kind;
    size_t number; /* of the record that it is */
} RunMessage;

typedef struct Run {
    Story story;
    uint64_t random;
    SimDisk *disk;
    SimVfs *vfs;
    Io io;
    ManualClock manual;
    Clock clock;
    uint64_t numbers_state, fakes_state;
    Random numbers, fakes_numbers;
    RecordPolicy policy;
    StoreOptions store_options;
    Store *store;
    StoreReader *reader;
    Processor *processor;
    bool broken; /* the processor said that the end has come */
    FakeOrigins *origins;
    FakeOrigin *origin[RUN_SOURCES_MAX];
    FakeOriginStyle styles[RUN_SOURCES_MAX];
    SourceOptions sources[RUN_SOURCES_MAX];
    size_t parts[RUN_SOURCES_MAX];
    size_t source_count;
    IntakeOptions intake_options;
    Intake *intake;
    RunMessage messages[RUN_MESSAGES_MAX];
    size_t message_count;
    size_t records;             /* numbers that were used */
    bool told[RUN_RECORDS_MAX]; /* by number: a client was told that it is stored */
    size_t lives;
    uint64_t disk_told; /* failing operations of this life, as far as they were told */
    bool is_limited;    /* the disk will soon be full, and no write has found it so */
    /* that struck, not counting what the disk counts: full disks, sources that went down or were cut off, ends */
    int64_t faults;
    int64_t entries;
} Run;

/* A SeedRun. */
void intake_run(const SeedOptions *options, SeedReport *ret_report);

/* intake_check.c: looks at everything in the store. `is_end`: all has come to rest, and nothing may be missing any
 * more. */
void run_check(Run *run, bool is_end);
/* Whether the text is the one of a bad message. */
#define RUN_BAD_TEXT STR("{\"recordId\":")
/* How many letters are tried again at this moment. */
size_t run_count_retrying(Run *run);

#endif

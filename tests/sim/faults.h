/* What goes wrong: each seed draws a plan of it, and the rules of what Weir may then answer.
 *
 * A failure needs an excuse. BUSY is one of a full disk alone, and of a full disk nothing worse may come. UNKNOWN and
 * BROKEN are those of a disk that failed, or of a run file that was damaged while nobody looked. What was not excused
 * breaks a promise. */
#ifndef WEIR_TESTS_SIM_FAULTS_H
#define WEIR_TESTS_SIM_FAULTS_H

#include "sim/disk/disk.h"
#include "sim/model.h"
#include "sim/tables.h"

typedef struct World World;

typedef enum FaultKind {
    FAULT_RESTART,   /* the program ends: in order, killed, or with the power; see Restart */
    FAULT_CRASH,     /* the power fails, or the program is killed, at some operation of the disk */
    FAULT_ERROR,     /* an operation fails, once or from then on */
    FAULT_FULL_ONCE, /* a write finds no room, once */
    FAULT_FULL,      /* the disk is full for a while */
    FAULT_CLOCK,     /* the clock jumps */
    FAULT_LIVE_FLIP, /* a bit of a run file that is in use turns over */
    FAULT_KINDS,
} FaultKind;

typedef enum Ending { ENDING_ORDER, ENDING_KILL, ENDING_POWER } Ending;

enum { FAULTS_MAX = 12, FAULTS_DAMAGED_MAX = 32, FAULTS_PATH_BYTES = 200 };

typedef struct Faults {
    uint64_t random;
    struct {
        int64_t step;
        FaultKind kind;
    } plan[FAULTS_MAX]; /* by step */
    size_t count, next;
    bool restart_due;
    Ending ending;           /* of the restart that is due */
    bool was_killed;         /* the life before */
    unsigned kill_percent;   /* of crashes at an operation: only the program dies */
    uint64_t struck;         /* when this life began */
    bool log_sync_failed;    /* in this life: the database's or its WAL's */
    int64_t struck_turn;     /* of the writing side, in which something worse than no room struck it last; 0: none */
    bool hard_struck;        /* in this life: something worse than no room */
    bool damaged_live;       /* in this life: a view may still have a run open that is gone */
    bool has_undone;         /* in this life: records of a batch that found no room, and nobody has looked since */
    size_t armed;            /* since the last start, at most */
    uint64_t told;           /* failing operations of this life, as far as they were told */
    int64_t full_until_step; /* 0: there is room */
    int64_t roomy_us;        /* from this moment on of the monotonic clock, BUSY has no excuse */
    char damaged[FAULTS_DAMAGED_MAX][FAULTS_PATH_BYTES];
    size_t damaged_count;     /* of all times; the last ones are kept */
    bool was_distrusted;      /* before the last start: everything has to be made anew */
    bool damaged_before_boot; /* the next start has to make something anew */
    struct {
        bool taken;
        SimFileCopy *db, *wal, *run;
        ModelMark mark;
        Tables tables; /* owns */
    } kept;            /* an older store, and one of its run files */
    bool at_peace;     /* the end: what is done now is no fault */
    bool full_struck;  /* since the disk was filled a write found no room */
    int64_t happened;  /* not counting what was armed and has not struck, and what the disk itself counts */
} Faults;

/* What struck: operations that failed as planned, full disks that were noticed, ends in the midst of a run, jumps of
 * the clock, damage. */
int64_t faults_happened(const World *world);

void faults_init(World *world, uint64_t seed, int64_t steps);
void faults_release(World *world);

/* Begins and ends what the plan has for this step. */
void faults_step(World *world);
/* From here on nothing goes wrong any more. */
void faults_stop(World *world);

/* For sim_disk_trace, with the world as its context. */
void faults_on_operation(void *world, const SimOperation *operation, const char *text);

/* Whether this life has to end: the disk is frozen, the processor broke, or the plan says so. */
bool faults_end_is_due(const World *world);
/* How it ends, and what the disk loses. Freezes the disk unless it ends in order. */
SimLoss faults_ending(World *world);

/* Between two lives: files are damaged, an older store is put in the place of the newer. */
void faults_between_lives(World *world);
/* Before an attempt to start (0 is the first): the attempt may be struck, too. */
void faults_before_boot(World *world, int attempt);
/* After one that failed. */
void faults_check_boot(World *world, Status status, const char *message);
void faults_after_boot(World *world);

/* A call was told so. A batch may be unsure, or break the store, in the turn alone in which something struck it, or for
 * a run whose damage it names; broken, the store stays so. */
void faults_check_failure(World *world, Status status, const char *message);
/* The processor broke: after a batch, or when it comes to what its housekeeping was struck by earlier in this life. */
void faults_check_broken(void *world);
/* A reader answered so; `struck` is faults_struck() before it was asked. */
void faults_check_reading(World *world, uint64_t struck, const char *what, Status status, const char *message);
uint64_t faults_struck(const World *world);
/* A run file is damaged and still there, or open. */
bool faults_is_damaged(const World *world);
/* After a struck operation something may come of it later. */
bool faults_had_effect(const World *world);

#endif

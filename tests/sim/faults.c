#include "sim/faults.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim/store_damage.h"
#include "sim/world.h"
#include "support/random.h"

/* How old the store's idea of the free space may be (see FREE_CHECK_US in writer.c), and how long it waits before it
 * writes files again (RETRY_US in derived.c); and some. */
enum { ROOMY_AFTER_US = 1500000 };

static uint64_t below(World *world, uint64_t limit) { return random_below(&world->faults.random, limit); }

static bool percent(World *world, unsigned chance) { return below(world, 100) < chance; }

/* ---- The plan ---------------------------------------------------------------------------------------------------- */

static int by_step(const void *a, const void *b)
{
    const int64_t *left = a, *right = b; /* the step is the first member */
    return (*left > *right) - (*left < *right);
}

void faults_init(World *world, uint64_t seed, int64_t steps)
{
    static const FaultKind drawn[] = {FAULT_RESTART,   FAULT_RESTART,   FAULT_CRASH, FAULT_CRASH,    FAULT_CRASH,
                                      FAULT_ERROR,     FAULT_ERROR,     FAULT_ERROR, FAULT_FULL,     FAULT_FULL_ONCE,
                                      FAULT_FULL_ONCE, FAULT_FULL_ONCE, FAULT_CLOCK, FAULT_LIVE_FLIP};
    Faults *faults = &world->faults;
    *faults = (Faults){.random = seed};
    faults->count = percent(world, 20) ? 0 : 1 + below(world, percent(world, 50) ? 4 : FAULTS_MAX);
    for (size_t i = 0; i < faults->count; i++) {
        faults->plan[i].step = (int64_t)below(world, (uint64_t)steps);
        faults->plan[i].kind = drawn[below(world, sizeof drawn / sizeof *drawn)];
    }
    qsort(faults->plan, faults->count, sizeof faults->plan[0], by_step);
}

void faults_release(World *world) { damage_forget_kept(world); }

/* ---- What the disk did ------------------------------------------------------------------------------------------- */

/* A commit that lacks the end of its last page in the WAL may be there for the next program, if that comes before the
 * next commit. One that lacks a page's header is not. */
static void on_no_room(World *world, const SimOperation *operation)
{
    enum { PAGE = 8192 };
    Faults *faults = &world->faults;
    faults->roomy_us = faults->full_until_step ? INT64_MAX : world->machine.clock.monotonic_us + ROOMY_AFTER_US;
    faults->happened += faults->full_until_step && !faults->full_struck;
    faults->full_struck = true;
    bool is_wal = strstr(operation->path, "-wal") && operation->op == SIM_WRITE;
    if (is_wal && world->machine.writing && percent(world, operation->bytes == PAGE ? 60 : 10)) {
        faults->restart_due = true;
        faults->ending = ENDING_KILL;
    }
}

static void on_struck(World *world, const SimOperation *operation)
{
    Faults *faults = &world->faults;
    bool is_sync = operation->end == SIM_END_ERROR && operation->op == SIM_SYNC;
    faults->log_sync_failed = faults->log_sync_failed || (is_sync && strstr(operation->path, ".db"));
    faults->hard_struck = true;
    if (world->machine.writing) {
        faults->struck_turn = world->machine.turns;
    }
}

void faults_on_operation(void *context, const SimOperation *operation, const char *text)
{
    World *world = context;
    Faults *faults = &world->faults;
    if (!operation || operation->end == SIM_END_DONE) {
        story_operation(&world->story, text);
        return;
    }
    if (operation->end == SIM_END_FULL) {
        on_no_room(world, operation);
    } else {
        on_struck(world, operation);
    }
    enum { TOLD_MAX = 5 };
    if (faults->told++ < TOLD_MAX) {
        story_headline(&world->story, "the disk: %s", text);
    } else {
        story_operation(&world->story, text);
    }
}

/* ---- Faults of the disk ------------------------------------------------------------------------------------------ */

/* Where a fault strikes: at one of the next so many operations of a kind, on files of a kind. */
typedef struct Place {
    unsigned ops;
    const char *suffix; /* NULL for any */
    uint64_t within;
} Place;

/* "write or create" */
static void put_operations(unsigned ops, char *ret_text, size_t room)
{
    static const char *const verbs[SIM_OP_KINDS] = {"read",
                                                    "write",
                                                    "sync",
                                                    "open",
                                                    "create",
                                                    "rename",
                                                    "remove",
                                                    "truncation",
                                                    "sync of a directory",
                                                    "new directory",
                                                    "look at the disk",
                                                    "lock"};
    size_t len = 0;
    if (ops == SIM_ANY || ops == SIM_CHANGES) {
        snprintf(ret_text, room, ops == SIM_ANY ? "operation" : "change");
        return;
    }
    for (size_t i = 0; i < SIM_OP_KINDS && len < room; i++) {
        if (ops & 1u << i) {
            len += (size_t)snprintf(ret_text + len, room - len, "%s%s", len ? " or " : "", verbs[i]);
        }
    }
}

static void tell_armed(World *world, const SimFault *fault)
{
    static const char *const failures[] = {"an I/O error", "no room left", "a crash"};
    char operations[128];
    put_operations(fault->ops, operations, sizeof operations);
    story_headline(&world->story, "waiting: %s at %s number %" PRIu64 "%s%s from now%s", failures[fault->failure],
                   operations, fault->nth, fault->suffix ? " of *" : "", fault->suffix ? fault->suffix : "",
                   fault->for_good ? ", and at each after it" : "");
}

static void arm(World *world, Place place, SimFailure failure, bool for_good)
{
    SimFault fault = {.ops = place.ops, .suffix = place.suffix, .failure = failure, .for_good = for_good};
    if (++world->faults.armed > SIM_FAULTS_MAX) { /* most of them never strike */
        sim_disk_disarm(world->machine.disk);
        world->faults.armed = 1;
    }
    fault.nth = 1 + below(world, 1 + below(world, place.within)); /* sooner rather than later */
    tell_armed(world, &fault);
    sim_disk_arm(world->machine.disk, &fault);
}

static void arm_crash(World *world)
{
    static const Place places[] = {
        {SIM_CHANGES, NULL, 400}, {SIM_CHANGES, NULL, 60}, {SIM_ANY, NULL, 600},
        {SIM_SYNC, "-wal", 12},   {SIM_SYNC, "-wal", 4},   {SIM_WRITE, "-wal", 60},
        {SIM_CHANGES, ".db", 12}, {SIM_SYNC, ".db", 2},    {SIM_CHANGES, ".run", 40},
        {SIM_SYNC, ".run", 8},    {SIM_SYNC_DIR, NULL, 8}, {SIM_CREATE | SIM_REMOVE, NULL, 8}};
    Place place = places[below(world, sizeof places / sizeof *places)];
    /* What is written and not synced where a commit ends is there for the next program only. */
    world->faults.kill_percent = place.ops == SIM_SYNC ? 60 : 25;
    arm(world, place, SIM_FAIL_FREEZE, false);
}

static void arm_error(World *world)
{
    static const Place places[] = {{SIM_ANY, NULL, 400},    {SIM_CHANGES, NULL, 200}, {SIM_CHANGES, ".run", 40},
                                   {SIM_SYNC, "-wal", 10},  {SIM_SYNC, "-wal", 4},    {SIM_SYNC, ".db", 3},
                                   {SIM_SYNC, ".db", 2},    {SIM_SYNC, ".run", 10},   {SIM_WRITE, "-wal", 30},
                                   {SIM_WRITE, ".db", 12},  {SIM_WRITE, ".run", 30},  {SIM_READ, NULL, 100},
                                   {SIM_READ, ".run", 40},  {SIM_READ, ".db", 40},    {SIM_READ, "-wal", 20},
                                   {SIM_OPEN, NULL, 20},    {SIM_CREATE, NULL, 10},   {SIM_REMOVE, NULL, 6},
                                   {SIM_SYNC_DIR, NULL, 8}, {SIM_TRUNCATE, NULL, 3},  {SIM_LOOK, NULL, 10}};
    arm(world, places[below(world, sizeof places / sizeof *places)], SIM_FAIL_ERROR, percent(world, 25));
}

static void arm_no_room(World *world)
{
    static const Place places[] = {{SIM_WRITE | SIM_CREATE, "-wal", 20},
                                   {SIM_WRITE | SIM_CREATE, "-wal", 5},
                                   {SIM_WRITE, ".db", 5},
                                   {SIM_WRITE | SIM_CREATE, ".run", 20},
                                   {SIM_WRITE | SIM_CREATE, NULL, 40}};
    arm(world, places[below(world, sizeof places / sizeof *places)], SIM_FAIL_FULL, false);
}

static void fill_disk(World *world)
{
    Faults *faults = &world->faults;
    uint64_t room = percent(world, 30) ? 0 : below(world, 200000);
    faults->full_until_step = world->story.step + 2 + (int64_t)below(world, 30);
    faults->roomy_us = INT64_MAX;
    faults->full_struck = false;
    sim_disk_limit(world->machine.disk, sim_disk_used(world->machine.disk) + room);
    story_headline(&world->story, "the disk has %" PRIu64 " bytes left until step %" PRId64, room,
                   faults->full_until_step);
}

static void make_room(World *world)
{
    sim_disk_limit(world->machine.disk, UINT64_MAX);
    world->faults.full_until_step = 0;
    world->faults.roomy_us = world->machine.clock.monotonic_us + ROOMY_AFTER_US;
    story_headline(&world->story, "the disk has room again");
}

/* ---- Faults of the rest of the computer -------------------------------------------------------------------------- */

static void jump_clock(World *world)
{
    SimClock *clock = &world->machine.clock;
    static const int64_t spans[] = {2000000, INT64_C(7200000000), INT64_C(90000000000000)};
    int64_t span = spans[below(world, sizeof spans / sizeof *spans)];
    int64_t jump = (int64_t)below(world, (uint64_t)span) - span / 2;
    clock->wall_us += jump;
    clock->monotonic_us += percent(world, 30) ? (int64_t)below(world, (uint64_t)span) : 0;
    world->faults.happened++;
    attempts_forget_times(world);
    char text[PLAIN_TEXT_BYTES_MAX];
    story_headline(&world->story, "the clock jumps by %s", plain_duration(jump, text));
}

static void restart(World *world)
{
    Faults *faults = &world->faults;
    faults->restart_due = true;
    faults->ending = (Ending)below(world, 3);
}

static void begin(World *world, FaultKind kind)
{
    switch (kind) {
    case FAULT_RESTART: restart(world); break;
    case FAULT_CRASH: arm_crash(world); break;
    case FAULT_ERROR: arm_error(world); break;
    case FAULT_FULL_ONCE: arm_no_room(world); break;
    case FAULT_FULL: fill_disk(world); break;
    case FAULT_CLOCK: jump_clock(world); break;
    default: damage_flip_live(world); break;
    }
}

void faults_step(World *world)
{
    Faults *faults = &world->faults;
    if (faults->full_until_step && world->story.step >= faults->full_until_step) {
        make_room(world);
    }
    while (faults->next < faults->count && faults->plan[faults->next].step <= world->story.step) {
        begin(world, faults->plan[faults->next++].kind);
    }
}

void faults_stop(World *world)
{
    Faults *faults = &world->faults;
    faults->at_peace = true;
    faults->next = faults->count;
    sim_disk_disarm(world->machine.disk);
    if (faults->full_until_step) {
        make_room(world);
    }
    machine_pass_time(&world->machine, 2 * ROOMY_AFTER_US);
    faults->roomy_us = 0;
}

/* ---- The end of a life ------------------------------------------------------------------------------------------- */

bool faults_end_is_due(const World *world)
{
    return world->faults.restart_due || world->machine.broken || sim_disk_is_frozen(world->machine.disk);
}

static SimLoss draw_loss(World *world)
{
    static const SimLoss losses[] = {SIM_LOSS_DRAWN, SIM_LOSS_ALL, SIM_LOSS_SOME};
    return losses[below(world, sizeof losses / sizeof *losses)];
}

SimLoss faults_ending(World *world)
{
    Faults *faults = &world->faults;
    SimDisk *disk = world->machine.disk;
    if (sim_disk_is_frozen(disk)) {
        faults->was_killed = percent(world, faults->kill_percent);
        return faults->was_killed ? SIM_LOSS_PROCESS : draw_loss(world);
    }
    /* A program that broke ends by itself, most often in order. */
    faults->happened += faults->restart_due && !faults->at_peace;
    Ending ending = faults->restart_due ? faults->ending : percent(world, 60) ? ENDING_ORDER : ENDING_KILL;
    faults->restart_due = false;
    faults->was_killed = ending == ENDING_KILL;
    if (ending == ENDING_ORDER) {
        story_headline(&world->story, "the program ends in order");
        return SIM_LOSS_PROCESS;
    }
    story_headline(&world->story, ending == ENDING_KILL ? "the program is killed" : "the power fails");
    sim_disk_freeze(disk);
    return ending == ENDING_KILL ? SIM_LOSS_PROCESS : draw_loss(world);
}

void faults_between_lives(World *world)
{
    world->faults.restart_due = false;
    if (world->faults.next == world->faults.count) {
        return; /* nothing goes wrong any more */
    }
    if (percent(world, 30)) {
        damage_keep(world);
    } else if (percent(world, 30)) {
        damage_go_back(world);
    }
    if (percent(world, 45)) {
        damage_runs(world);
    }
}

void faults_before_boot(World *world, int attempt)
{
    Faults *faults = &world->faults;
    faults->struck = sim_disk_struck(world->machine.disk);
    faults->log_sync_failed = faults->hard_struck = faults->damaged_live = false;
    faults->has_undone = false;
    faults->struck_turn = 0;
    faults->told = 0;
    faults->armed = 0;
    faults->was_distrusted = store_is_distrusted(world);
    if (attempt == 0 && faults->next < faults->count && percent(world, 25)) {
        if (percent(world, 60)) {
            arm_crash(world);
        } else {
            arm_error(world);
        }
    }
}

void faults_check_boot(World *world, Status status, const char *message)
{
    Faults *faults = &world->faults;
    story_headline(&world->story, "the start fails: %s, %s", status_name(status), message);
    if (faults->hard_struck || faults_struck(world) > faults->struck) {
        return;
    }
    /* A full disk must not keep a store from being opened, unless something has to be written for it. */
    bool needs_room = world->lives == 0 || world->has_new_settings || faults->damaged_before_boot ||
                      faults_is_damaged(world) || store_is_distrusted(world);
    if (faults->full_until_step && needs_room) {
        make_room(world);
        return;
    }
    story_fail(&world->story, "the store cannot be opened, though nothing went wrong with the disk", "OK", message);
}

void faults_after_boot(World *world)
{
    Faults *faults = &world->faults;
    faults->damaged_before_boot = false;
    faults->damaged_live = false;
    if (faults->was_distrusted && !faults->hard_struck && (faults_is_damaged(world) || store_is_distrusted(world))) {
        story_failf(&world->story, "the indexes were distrusted, but the start has not made them anew");
    }
    faults->damaged_live = faults_is_damaged(world);
    if (faults->full_until_step == 0) {
        sim_disk_disarm(world->machine.disk);
        faults->roomy_us = 0;
    }
    /* A power loss soon after a kill finds what the killed one left in memory only. */
    if (faults->next < faults->count && percent(world, faults->was_killed ? 60 : 20)) {
        restart(world);
        faults->ending = ENDING_POWER;
        faults->restart_due = percent(world, faults->was_killed ? 70 : 30);
        if (!faults->restart_due) {
            arm_crash(world);
        }
    }
}

/* ---- Excuses ----------------------------------------------------------------------------------------------------- */

uint64_t faults_struck(const World *world) { return sim_disk_struck(world->machine.disk); }

int64_t faults_happened(const World *world)
{
    return world->faults.happened + (int64_t)sim_disk_faults_struck(world->machine.disk);
}

bool faults_had_effect(const World *world)
{
    return world->faults.hard_struck || faults_is_damaged(world) || faults_end_is_due(world);
}

bool faults_is_damaged(const World *world)
{
    if (world->faults.damaged_live) {
        return true;
    }
    for (size_t i = 0; i < world->faults.damaged_count && i < FAULTS_DAMAGED_MAX; i++) {
        const uint8_t *bytes;
        size_t count;
        if (sim_disk_peek(world->machine.disk, world->faults.damaged[i], &bytes, &count)) {
            return true;
        }
    }
    return false;
}

/* What is said of a damaged run names it, or the indexes as such where somebody looks from outside. */
static bool tells_of_damage(const World *world, const char *message)
{
    for (size_t i = 0; i < world->faults.damaged_count && i < FAULTS_DAMAGED_MAX; i++) {
        if (strstr(message, world->faults.damaged[i])) {
            return true;
        }
    }
    return strstr(message, "the indexes do not fit the log") && faults_is_damaged(world);
}

static bool writer_is_struck(const World *world) { return world->faults.struck_turn == world->machine.turns; }

void faults_check_broken(void *self)
{
    World *world = self;
    bool was_struck = world->faults.struck_turn > 0;
    if (!was_struck && !tells_of_damage(world, world->machine.broken_why)) {
        story_fail(&world->story, "the processor breaks without an excuse", NULL, world->machine.broken_why);
    }
}

void faults_check_failure(World *world, Status status, const char *message)
{
    const Faults *faults = &world->faults;
    bool no_room = world->machine.clock.monotonic_us < faults->roomy_us;
    bool excused = status == STATUS_BUSY      ? no_room
                   : status == STATUS_UNKNOWN ? no_room || writer_is_struck(world)
                   : status == STATUS_BROKEN
                       ? writer_is_struck(world) || world->machine.broken || tells_of_damage(world, message)
                       : false;
    if (!excused) {
        story_fail(&world->story, "a call fails without an excuse",
                   no_room ? "OK, or BUSY or UNKNOWN, since the disk is full" : "OK", message);
    }
}

void faults_check_reading(World *world, uint64_t struck, const char *what, Status status, const char *message)
{
    story_headline(&world->story, "%s fails: %s, %s", what, status_name(status), message);
    if (world->machine.broken && status == STATUS_BROKEN) {
        return; /* a store that has failed shows nothing more */
    }
    if (faults_struck(world) == struck && !sim_disk_is_frozen(world->machine.disk) &&
        !tells_of_damage(world, message)) {
        story_fail(&world->story, what, "an answer, since nothing is wrong with the disk", message);
    }
}

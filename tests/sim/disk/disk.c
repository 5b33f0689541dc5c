#include "disk.h"
#include "support/random.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "support/need.h"

typedef struct Armed {
    SimFault fault;
    bool fired; /* and is for good */
} Armed;

struct SimDisk {
    SimNames names;
    uint64_t random;
    uint64_t counts[SIM_OP_KINDS], number;
    SimTrace *trace;
    void *trace_context;
    Armed armed[SIM_FAULTS_MAX];
    size_t armed_count;
    uint64_t struck, faults_struck;
    bool frozen, sync_failed;
    uint64_t limit;
    size_t open_files;
};

struct SimFile {
    SimDisk *disk;
    SimNode *node;
    char *path;
    bool is_lock;
};

SimDisk *sim_disk_new(uint64_t seed)
{
    SimDisk *disk = need(calloc(1, sizeof *disk));
    disk->random = seed;
    disk->limit = UINT64_MAX;
    return disk;
}

void sim_disk_free(SimDisk *disk)
{
    if (disk) {
        assert(disk->open_files == 0);
        sim_names_release(&disk->names);
        free(disk);
    }
}

SimNames *sim_disk_names(SimDisk *disk) { return &disk->names; }

uint64_t sim_disk_random(SimDisk *disk) { return random_next(&disk->random); }

uint64_t sim_disk_count(const SimDisk *disk, unsigned ops)
{
    uint64_t sum = 0;
    for (unsigned kind = 0; kind < SIM_OP_KINDS; kind++) {
        sum += ops & 1u << kind ? disk->counts[kind] : 0;
    }
    return sum;
}

void sim_disk_trace(SimDisk *disk, SimTrace *trace, void *context)
{
    disk->trace = trace;
    disk->trace_context = context;
}

/* ---- Faults ------------------------------------------------------------------------------------------------------ */

void sim_disk_arm(SimDisk *disk, const SimFault *fault)
{
    assert(disk->armed_count < SIM_FAULTS_MAX && fault->nth > 0);
    disk->armed[disk->armed_count++] = (Armed){.fault = *fault};
}

void sim_disk_disarm(SimDisk *disk) { disk->armed_count = 0; }

uint64_t sim_disk_struck(const SimDisk *disk) { return disk->struck; }

uint64_t sim_disk_faults_struck(const SimDisk *disk) { return disk->faults_struck; }

bool sim_disk_sync_failed(const SimDisk *disk) { return disk->sync_failed; }

void sim_disk_freeze(SimDisk *disk) { disk->frozen = true; }

bool sim_disk_is_frozen(const SimDisk *disk) { return disk->frozen; }

void sim_disk_limit(SimDisk *disk, uint64_t bytes) { disk->limit = bytes; }

uint64_t sim_disk_used(const SimDisk *disk) { return disk->names.used; }

static uint64_t free_room(const SimDisk *disk)
{
    return disk->names.used < disk->limit ? disk->limit - disk->names.used : 0;
}

static bool is_meant(const SimFault *fault, SimOp op, const char *path)
{
    if (!(fault->ops & op)) {
        return false;
    }
    size_t len = strlen(path), suffix_len = fault->suffix ? strlen(fault->suffix) : 0;
    return suffix_len <= len && (suffix_len == 0 || strcmp(path + len - suffix_len, fault->suffix) == 0);
}

/* What becomes of an operation before it has begun. */
typedef enum Verdict { GO, STRUCK_ERROR, STRUCK_FULL, STRUCK_FREEZE, FROZEN } Verdict;

/* Every armed fault counts, and the first whose time has come strikes. */
static Verdict strike(SimDisk *disk, SimOp op, const char *path)
{
    static const Verdict verdicts[] = {
        [SIM_FAIL_ERROR] = STRUCK_ERROR, [SIM_FAIL_FULL] = STRUCK_FULL, [SIM_FAIL_FREEZE] = STRUCK_FREEZE};
    Verdict verdict = GO;
    size_t kept = 0;
    for (size_t i = 0; i < disk->armed_count; i++) {
        Armed armed = disk->armed[i];
        bool strikes = is_meant(&armed.fault, op, path) && (armed.fired || --armed.fault.nth == 0);
        if (strikes && verdict == GO) {
            verdict = verdicts[armed.fault.failure];
            disk->faults_struck += !armed.fired;
        }
        armed.fired = armed.fired || strikes;
        if (!strikes || armed.fault.for_good) {
            disk->armed[kept++] = armed;
        }
    }
    disk->armed_count = kept;
    return verdict;
}

/* ---- Operations -------------------------------------------------------------------------------------------------- */

/* One operation under way. */
typedef struct Call {
    SimDisk *disk;
    SimOp op;
    const char *path, *target; /* of a rename; else NULL */
    uint64_t count, offset;    /* of a read or write, or the length of a truncation */
    Verdict verdict;
} Call;

/* False when nothing is to be done but to end the call: with call_end(&call, SIM_ERROR), which knows better. */
static bool call_begin(Call *call)
{
    SimDisk *disk = call->disk;
    disk->counts[__builtin_ctz(call->op)]++;
    disk->number++;
    call->verdict = disk->frozen ? FROZEN : disk->armed_count ? strike(disk, call->op, call->path) : GO;
    disk->struck += call->verdict != GO && call->verdict != FROZEN;
    disk->frozen = disk->frozen || call->verdict == STRUCK_FREEZE;
    return call->verdict == GO || call->verdict == STRUCK_FREEZE;
}

static SimEnd end_of(const Call *call, SimResult result)
{
    return call->verdict == FROZEN          ? SIM_END_FROZEN
           : call->verdict == STRUCK_FREEZE ? SIM_END_FREEZES
           : result == SIM_FULL             ? SIM_END_FULL
           : result == SIM_ERROR            ? SIM_END_ERROR
                                            : SIM_END_DONE;
}

static void trace_call(const Call *call, SimResult result)
{
    static const char *const verbs[SIM_OP_KINDS] = {"read",           "write",          "sync",    "open",
                                                    "create",         "rename",         "remove",  "truncate",
                                                    "sync directory", "make directory", "look at", "lock"};
    static const char *const results[] = {[SIM_OK] = "",
                                          [SIM_MISSING] = ": not there",
                                          [SIM_TAKEN] = ": taken",
                                          [SIM_FULL] = ": no space left",
                                          [SIM_ERROR] = ": I/O error"};
    char text[1024], detail[64] = "";
    if (call->op & (SIM_READ | SIM_WRITE)) {
        snprintf(detail, sizeof detail, " %llu@%llu", (unsigned long long)call->count,
                 (unsigned long long)call->offset);
    } else if (call->op == SIM_TRUNCATE) {
        snprintf(detail, sizeof detail, " to %llu", (unsigned long long)call->count);
    }
    const char *end = call->verdict == FROZEN          ? ": frozen"
                      : call->verdict == STRUCK_FREEZE ? ": the disk freezes"
                                                       : results[result];
    snprintf(text, sizeof text, "%s %s%s%s%s%s", verbs[__builtin_ctz(call->op)], call->path, call->target ? " to " : "",
             call->target ? call->target : "", detail, end);
    const SimOperation operation = {.number = call->disk->number,
                                    .op = call->op,
                                    .path = call->path,
                                    .bytes = call->count,
                                    .end = end_of(call, result)};
    call->disk->trace(call->disk->trace_context, &operation, text);
}

static SimResult call_end(const Call *call, SimResult result)
{
    if (call->verdict != GO) {
        result = call->verdict == STRUCK_FULL ? SIM_FULL : SIM_ERROR;
    }
    if (call->disk->trace) {
        trace_call(call, result);
    }
    return result;
}

/* ---- Open files -------------------------------------------------------------------------------------------------- */

static SimFile *file_new(SimDisk *disk, SimNode *node, const char *path)
{
    SimFile *file = need(calloc(1, sizeof *file));
    *file = (SimFile){.disk = disk, .node = sim_node_keep(node), .path = need(strdup(path))};
    disk->open_files++;
    return file;
}

SimResult sim_file_open(SimDisk *disk, const char *path, SimFile **ret_file)
{
    Call call = {.disk = disk, .op = SIM_OPEN, .path = path};
    SimNode *node = sim_names_node(&disk->names, path);
    if (!call_begin(&call) || !node) {
        return call_end(&call, SIM_MISSING);
    }
    SimResult result = call_end(&call, SIM_OK);
    if (result == SIM_OK) {
        *ret_file = file_new(disk, node, path);
    }
    return result;
}

SimResult sim_file_create(SimDisk *disk, const char *path, SimFile **ret_file)
{
    Call call = {.disk = disk, .op = SIM_CREATE, .path = path};
    if (!call_begin(&call) || !sim_names_has_dir(&disk->names, path, sim_path_dir(path))) {
        return call_end(&call, SIM_MISSING);
    }
    sim_names_put_new(&disk->names, path);
    SimResult result = call_end(&call, SIM_OK);
    if (result == SIM_OK) {
        *ret_file = file_new(disk, sim_names_node(&disk->names, path), path);
    }
    return result;
}

SimFile *sim_file_anonymous(SimDisk *disk)
{
    SimNode *node = sim_node_new(&disk->names.used);
    SimFile *file = file_new(disk, node, "(temporary)");
    sim_node_drop(node);
    return file;
}

void sim_file_close(SimFile *file)
{
    if (file) {
        SimName *name = file->is_lock ? sim_names_find(&file->disk->names, file->path) : NULL;
        if (name) {
            name->is_locked = false;
        }
        file->disk->open_files--;
        sim_node_drop(file->node);
        free(file->path);
        free(file);
    }
}

uint64_t sim_file_bytes(const SimFile *file) { return sim_node_bytes(file->node); }

SimResult sim_file_read(SimFile *file, uint64_t offset, void *data, size_t count, size_t *ret_count)
{
    Call call = {.disk = file->disk, .op = SIM_READ, .path = file->path, .count = count, .offset = offset};
    if (call_begin(&call)) {
        *ret_count = sim_node_read(file->node, offset, data, count);
    }
    return call_end(&call, SIM_OK);
}

/* How many of `count` bytes at `offset` there is room for. */
static size_t fitting(const SimFile *file, uint64_t offset, size_t count)
{
    uint64_t bytes = sim_node_bytes(file->node), room = free_room(file->disk);
    uint64_t end_max = room < UINT64_MAX - bytes ? bytes + room : UINT64_MAX;
    return offset >= end_max ? 0 : end_max - offset < count ? (size_t)(end_max - offset) : count;
}

/* How much of a write is done that fails. Who is told that there is no room has not had all of it written; after an
 * error, that may be.
 * Often it is all that may be: over older bytes with the same end, that is as good as all. */
static size_t draw_done(SimDisk *disk, Verdict verdict, size_t fitting_bytes, size_t count)
{
    size_t most = verdict == STRUCK_FULL && fitting_bytes == count && count > 0 ? count - 1 : fitting_bytes;
    bool is_most = random_below(&disk->random, 3) == 0;
    return is_most ? most : (size_t)random_below(&disk->random, most + 1);
}

SimResult sim_file_write(SimFile *file, uint64_t offset, const void *data, size_t count)
{
    Call call = {.disk = file->disk, .op = SIM_WRITE, .path = file->path, .count = count, .offset = offset};
    bool goes = call_begin(&call);
    size_t done = fitting(file, offset, count);
    SimResult result = done == count ? SIM_OK : SIM_FULL;
    if (call.verdict == FROZEN) {
        done = 0;
    } else if (!goes) {
        done = draw_done(file->disk, call.verdict, done, count);
    }
    sim_node_write(file->node, offset, data, done);
    return call_end(&call, result);
}

SimResult sim_file_truncate(SimFile *file, uint64_t bytes)
{
    Call call = {.disk = file->disk, .op = SIM_TRUNCATE, .path = file->path, .count = bytes};
    if (!call_begin(&call)) {
        return call_end(&call, SIM_ERROR);
    }
    uint64_t present = sim_node_bytes(file->node);
    if (bytes > present && bytes - present > free_room(file->disk)) {
        return call_end(&call, SIM_FULL);
    }
    sim_node_truncate(file->node, bytes);
    return call_end(&call, SIM_OK);
}

SimResult sim_file_sync(SimFile *file)
{
    SimDisk *disk = file->disk;
    Call call = {.disk = disk, .op = SIM_SYNC, .path = file->path};
    call_begin(&call);
    if (call.verdict == GO) {
        sim_node_sync(file->node);
    } else if (call.verdict == STRUCK_ERROR || call.verdict == STRUCK_FULL) {
        sim_node_sync_fails(file->node, &disk->random);
        disk->sync_failed = disk->sync_failed || call.verdict == STRUCK_ERROR;
    }
    return call_end(&call, SIM_OK);
}

/* ---- Names ------------------------------------------------------------------------------------------------------- */

SimResult sim_disk_rename(SimDisk *disk, const char *from, const char *to)
{
    Call call = {.disk = disk, .op = SIM_RENAME, .path = from, .target = to};
    assert(sim_path_dir(from) == sim_path_dir(to) && strncmp(from, to, sim_path_dir(from)) == 0);
    if (!call_begin(&call) || !sim_names_node(&disk->names, from)) {
        return call_end(&call, SIM_MISSING);
    }
    sim_names_rename(&disk->names, from, to);
    return call_end(&call, SIM_OK);
}

SimResult sim_disk_remove(SimDisk *disk, const char *path)
{
    Call call = {.disk = disk, .op = SIM_REMOVE, .path = path};
    if (!call_begin(&call) || !sim_names_node(&disk->names, path)) {
        return call_end(&call, SIM_MISSING);
    }
    sim_names_set(&disk->names, path, NULL);
    return call_end(&call, SIM_OK);
}

SimResult sim_disk_sync_dir(SimDisk *disk, const char *dir)
{
    Call call = {.disk = disk, .op = SIM_SYNC_DIR, .path = dir};
    call_begin(&call);
    bool is_there = sim_names_has_dir(&disk->names, dir, strlen(dir));
    if (call.verdict == GO && is_there) {
        sim_names_sync(&disk->names, dir);
    }
    return call_end(&call, is_there ? SIM_OK : SIM_MISSING);
}

SimResult sim_disk_make_dir(SimDisk *disk, const char *dir)
{
    Call call = {.disk = disk, .op = SIM_MAKE_DIR, .path = dir};
    if (!call_begin(&call) || !sim_names_has_dir(&disk->names, dir, sim_path_dir(dir))) {
        return call_end(&call, SIM_MISSING);
    }
    if (!sim_names_has_dir(&disk->names, dir, strlen(dir))) {
        sim_names_make_dir(&disk->names, dir);
    }
    return call_end(&call, SIM_OK);
}

SimResult sim_disk_look(SimDisk *disk, const char *path, uint64_t *ret_bytes)
{
    Call call = {.disk = disk, .op = SIM_LOOK, .path = path};
    const SimNode *node = sim_names_node(&disk->names, path);
    if (!call_begin(&call) || !node) {
        return call_end(&call, SIM_MISSING);
    }
    *ret_bytes = sim_node_bytes(node);
    return call_end(&call, SIM_OK);
}

SimResult sim_disk_free_bytes(SimDisk *disk, const char *path, uint64_t *ret_bytes)
{
    Call call = {.disk = disk, .op = SIM_LOOK, .path = path};
    if (call_begin(&call)) {
        *ret_bytes = disk->limit == UINT64_MAX ? UINT64_C(1) << 40 : free_room(disk);
    }
    return call_end(&call, SIM_OK);
}

SimResult sim_disk_list(SimDisk *disk, const char *dir, void (*visit)(void *context, const char *name), void *context)
{
    Call call = {.disk = disk, .op = SIM_LOOK, .path = dir};
    if (!call_begin(&call) || !sim_names_has_dir(&disk->names, dir, strlen(dir))) {
        return call_end(&call, SIM_MISSING);
    }
    SimResult result = call_end(&call, SIM_OK);
    size_t count = 0;
    char **list = sim_names_list(&disk->names, dir, &count); /* a copy: the visitor may remove files */
    for (size_t i = 0; i < count && result == SIM_OK; i++) {
        visit(context, list[i]);
    }
    sim_names_free_list(list, count);
    return result;
}

SimResult sim_disk_lock(SimDisk *disk, const char *path, SimFile **ret_file)
{
    Call call = {.disk = disk, .op = SIM_LOCK, .path = path};
    if (!call_begin(&call) || !sim_names_has_dir(&disk->names, path, sim_path_dir(path))) {
        return call_end(&call, SIM_MISSING);
    }
    const SimName *name = sim_names_find(&disk->names, path);
    if (name && name->is_locked) {
        return call_end(&call, SIM_TAKEN);
    }
    if (!name || !name->live) {
        sim_names_put_new(&disk->names, path);
    }
    SimResult result = call_end(&call, SIM_OK);
    if (result == SIM_OK) {
        sim_names_make(&disk->names, path)->is_locked = true;
        *ret_file = file_new(disk, sim_names_node(&disk->names, path), path);
        (*ret_file)->is_lock = true;
    }
    return result;
}

/* ---- Crashes ----------------------------------------------------------------------------------------------------- */

static SimLoss draw_loss(uint64_t *random)
{
    switch (random_below(random, 16)) {
    case 0: return SIM_LOSS_PROCESS;
    case 1:
    case 2: return SIM_LOSS_NOTHING;
    case 3:
    case 4: return SIM_LOSS_ALL;
    default: return SIM_LOSS_SOME;
    }
}

static SimPattern draw_pattern(SimLoss loss, uint64_t *random)
{
    return loss == SIM_LOSS_ALL       ? SIM_KEEP_NONE
           : loss == SIM_LOSS_NOTHING ? SIM_KEEP_ALL
                                      : (SimPattern)random_below(random, SIM_PATTERN_COUNT);
}

static void trace_crash(SimDisk *disk, SimLoss loss)
{
    static const char *const texts[] = {[SIM_LOSS_NOTHING] = "the power fails, nothing is lost",
                                        [SIM_LOSS_ALL] = "the power fails, all that was not synced is lost",
                                        [SIM_LOSS_SOME] = "the power fails, some of what was not synced is lost",
                                        [SIM_LOSS_PROCESS] = "the process is killed"};
    if (disk->trace) {
        disk->trace(disk->trace_context, NULL, texts[loss]);
    }
}

SimLoss sim_disk_crash(SimDisk *disk, SimLoss loss, uint64_t *random)
{
    assert(disk->open_files == 0);
    if (loss == SIM_LOSS_DRAWN) {
        loss = draw_loss(random);
    }
    trace_crash(disk, loss);
    sim_disk_disarm(disk);
    disk->frozen = disk->sync_failed = false;
    if (loss == SIM_LOSS_PROCESS) {
        return loss;
    }
    sim_names_lose(&disk->names, draw_pattern(loss, random), random);
    for (size_t i = 0; i < disk->names.count; i++) {
        sim_node_lose(disk->names.items[i].live, draw_pattern(loss, random), random);
    }
    return loss;
}

#include "sim/store_damage.h"

#include <inttypes.h>

#include "sim/world.h"
#include "support/random.h"

#define DB_PATH       MACHINE_DIR "/weir.db"
#define WAL_PATH      MACHINE_DIR "/weir.db-wal"
#define DISTRUST_PATH MACHINE_DIR "/index/rebuild"

enum { RUNS_MAX = 256 };

typedef struct RunFiles {
    char paths[RUNS_MAX][FAULTS_PATH_BYTES];
    size_t count;
} RunFiles;

static void add_run(void *context, const char *path)
{
    RunFiles *files = context;
    size_t len = strlen(path);
    if (files->count < RUNS_MAX && len > 4 && strcmp(path + len - 4, ".run") == 0) {
        snprintf(files->paths[files->count++], FAULTS_PATH_BYTES, "%s", path);
    }
}

static uint64_t below(World *world, uint64_t limit) { return random_below(&world->faults.random, limit); }

static void note_damage(World *world)
{
    world->faults.damaged_before_boot = true;
    world->faults.happened++;
}

static void remember(World *world, const char *path)
{
    Faults *faults = &world->faults;
    note_damage(world);
    snprintf(faults->damaged[faults->damaged_count++ % FAULTS_DAMAGED_MAX], FAULTS_PATH_BYTES, "%s", path);
}

static size_t bytes_of(World *world, const char *path)
{
    const uint8_t *bytes;
    size_t count = 0;
    return sim_disk_peek(world->machine.disk, path, &bytes, &count) ? count : 0;
}

static void flip(World *world, const char *path)
{
    uint64_t bits = bytes_of(world, path) * 8;
    uint64_t bit = bits ? below(world, bits) : 0;
    if (bits && sim_disk_flip(world->machine.disk, path, bit)) {
        story_headline(&world->story, "damage: bit %" PRIu64 " of %s turns over", bit, path);
        remember(world, path);
    }
}

static void replace(World *world, const char *path, const SimFileCopy *copy, const char *what)
{
    sim_disk_file_restore(world->machine.disk, path, copy);
    story_headline(&world->story, "damage: %s has the bytes of %s", path, what);
    remember(world, path);
}

static void damage_one(World *world, const RunFiles *files)
{
    SimDisk *disk = world->machine.disk;
    const char *path = files->paths[below(world, files->count)], *other = files->paths[below(world, files->count)];
    switch (below(world, 6)) {
    case 0:
        story_headline(&world->story, "damage: %s is lost", path);
        note_damage(world);
        sim_disk_lose(disk, path);
        break;
    case 1:
        story_headline(&world->story, "damage: %s is torn", path);
        remember(world, path);
        sim_disk_cut(disk, path, below(world, bytes_of(world, path) + 1));
        break;
    case 2:
        if (strcmp(path, other) != 0) {
            SimFileCopy *copy = sim_disk_file_copy(disk, other);
            replace(world, path, copy, other);
            sim_file_copy_free(copy);
        }
        break;
    case 3:
        if (world->faults.kept.run) {
            replace(world, path, world->faults.kept.run, "an older run");
        }
        break;
    default: flip(world, path);
    }
}

void damage_runs(World *world)
{
    static RunFiles files;
    files.count = 0;
    sim_disk_each(world->machine.disk, add_run, &files);
    size_t count = 1 + below(world, 3);
    for (size_t i = 0; i < count && files.count > 0; i++) {
        damage_one(world, &files);
    }
    if (below(world, 10) == 0) { /* as if a checksum had failed before the end */
        story_headline(&world->story, "damage: the indexes are distrusted");
        sim_disk_put(world->machine.disk, DISTRUST_PATH, "", 0);
        note_damage(world);
    }
}

void damage_flip_live(World *world)
{
    static RunFiles files;
    files.count = 0;
    sim_disk_each(world->machine.disk, add_run, &files);
    if (files.count > 0) {
        flip(world, files.paths[below(world, files.count)]);
        world->faults.damaged_live = true;
    }
}

bool store_is_distrusted(World *world)
{
    const uint8_t *bytes;
    size_t count;
    return sim_disk_peek(world->machine.disk, DISTRUST_PATH, &bytes, &count);
}

/* ---- Older stores ----------------------------------------------------------------------------------------------------------- */

void damage_forget_kept(World *world)
{
    sim_file_copy_free(world->faults.kept.db);
    sim_file_copy_free(world->faults.kept.wal);
    sim_file_copy_free(world->faults.kept.run);
    world->faults.kept.db = world->faults.kept.wal = world->faults.kept.run = NULL;
    tables_release(&world->faults.kept.tables);
    world->faults.kept.taken = false;
}

/* What is unsure at this moment may be in the copy or not: such a copy would be no use. */
void damage_keep(World *world)
{
    static RunFiles files;
    Faults *faults = &world->faults;
    if (world->clients.unsure_count > 0 || bytes_of(world, DB_PATH) == 0) {
        return;
    }
    damage_forget_kept(world);
    files.count = 0;
    sim_disk_each(world->machine.disk, add_run, &files);
    faults->kept.taken = true;
    faults->kept.db = sim_disk_file_copy(world->machine.disk, DB_PATH);
    faults->kept.wal = sim_disk_file_copy(world->machine.disk, WAL_PATH);
    if (files.count > 0) {
        faults->kept.run = sim_disk_file_copy(world->machine.disk, files.paths[below(world, files.count)]);
    }
    faults->kept.mark = model_mark(&world->model);
    tables_copy(&world->tables, &faults->kept.tables);
    story_headline(&world->story, "the database is copied aside, at seq %" PRId64, model_last_seq(&world->model));
}

void damage_go_back(World *world)
{
    Faults *faults = &world->faults;
    if (!faults->kept.taken) {
        return;
    }
    story_headline(&world->story, "the database is put back to what it was at seq %zu; the indexes are not",
                   faults->kept.mark.count);
    sim_disk_file_restore(world->machine.disk, DB_PATH, faults->kept.db);
    sim_disk_file_restore(world->machine.disk, WAL_PATH, faults->kept.wal);
    model_rewind(&world->model, &faults->kept.mark);
    clients_forget_unsure(world);
    reading_rewound(world);
    tables_release(&world->tables);
    tables_copy(&faults->kept.tables, &world->tables);
    deliveries_rewound(world);
    onboarding_rewound(world);
    note_damage(world);
}

#include "sim/store_damage.h"

#include <inttypes.h>

#include "sim/world.h"
#include "store/index/run_format.h"
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

/* ---- Bits -------------------------------------------------------------------------------------------------------- */

/* Where the parts of a run begin, in bytes. */
typedef struct RunParts {
    uint64_t last_block, sparse, filter, footer, end;
    uint64_t block_bytes; /* of the last block that are not padding */
} RunParts;

/* False for what is no run any more: one that was torn, or has another damage. */
static bool find_parts(const uint8_t *bytes, size_t count, RunParts *ret_parts)
{
    RunFooter footer;
    RunBlock block;
    if (count < sizeof(RunHeader) + sizeof footer) {
        return false;
    }
    memcpy(&footer, bytes + count - sizeof footer, sizeof footer);
    if (footer.magic != RUN_FOOTER_MAGIC || footer.checksum != run_footer_checksum(&footer) || footer.blocks == 0) {
        return false;
    }
    uint64_t sparse = sizeof(RunHeader) + footer.blocks * sizeof block;
    *ret_parts = (RunParts){.last_block = sparse - sizeof block,
                            .sparse = sparse,
                            .filter = sparse + footer.blocks * sizeof(IndexPair),
                            .footer = count - sizeof footer,
                            .end = count};
    memcpy(&block, bytes + ret_parts->last_block, sizeof block);
    uint64_t used = block.bytes ? block.bytes : (uint64_t)block.count * sizeof(IndexPair);
    ret_parts->block_bytes = offsetof(RunBlock, pairs) + (used < sizeof block.pairs ? used : sizeof block.pairs);
    return ret_parts->filter <= ret_parts->footer;
}

static uint64_t draw_within(World *world, uint64_t from, uint64_t to)
{
    return 8 * from + below(world, 8 * (to - from));
}

/* One that is set, if there is any: a filter that has one too many only costs time. */
static uint64_t draw_filter_bit(World *world, const uint8_t *bytes, const RunParts *parts)
{
    uint64_t from = parts->filter * 8, count = (parts->footer - parts->filter) * 8;
    uint64_t at = below(world, count);
    for (uint64_t i = 0; i < count && !(bytes[(from + at) / 8] & 1u << (from + at) % 8); i++) {
        at = (at + 1) % count;
    }
    return from + at;
}

typedef enum RunPart { PART_ANY, PART_FOOTER, PART_LAST_BLOCK, PART_SPARSE, PART_FILTER, RUN_PARTS } RunPart;

/* Most of a small run is padding, and of what is not, most is never asked for: so the part is drawn before the bit. */
static uint64_t draw_bit(World *world, RunPart part, const uint8_t *bytes, size_t count)
{
    RunParts parts;
    if (part == PART_ANY || !find_parts(bytes, count, &parts)) {
        return below(world, count * 8);
    }
    switch (part) {
    case PART_FOOTER: return draw_within(world, parts.footer, parts.end);
    case PART_LAST_BLOCK: return draw_within(world, parts.last_block, parts.last_block + parts.block_bytes);
    case PART_FILTER:
        return parts.filter < parts.footer ? draw_filter_bit(world, bytes, &parts)
                                           : draw_within(world, parts.sparse, parts.filter);
    default: return draw_within(world, parts.sparse, parts.filter);
    }
}

static size_t bytes_of(World *world, const char *path)
{
    const uint8_t *bytes;
    size_t count = 0;
    return sim_disk_peek(world->machine.disk, path, &bytes, &count) ? count : 0;
}

static void flip(World *world, const char *path, RunPart part)
{
    const uint8_t *bytes;
    size_t count = 0;
    bool has_bits = sim_disk_peek(world->machine.disk, path, &bytes, &count) && count > 0;
    uint64_t bit = has_bits ? draw_bit(world, part, bytes, count) : 0;
    if (has_bits && sim_disk_flip(world->machine.disk, path, bit)) {
        story_headline(&world->story, "damage: bit %" PRIu64 " of %s turns over", bit, path);
        remember(world, path);
    }
}

static RunPart draw_part(World *world) { return (RunPart)below(world, RUN_PARTS); }

/* And nothing else, which would have the index made anew before anybody asks it. */
static void wear(World *world, const char *path)
{
    enum { BITS_MAX = 8 };
    static const RunPart parts[] = {PART_SPARSE, PART_LAST_BLOCK, PART_FILTER, PART_FILTER};
    RunPart part = parts[below(world, sizeof parts / sizeof *parts)];
    for (uint64_t bits = 1 + below(world, BITS_MAX); bits > 0; bits--) {
        flip(world, path, part);
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
    default: flip(world, path, draw_part(world));
    }
}

void damage_runs(World *world)
{
    static RunFiles files;
    files.count = 0;
    sim_disk_each(world->machine.disk, add_run, &files);
    bool wears = files.count > 0 && below(world, 2);
    if (wears) {
        wear(world, files.paths[below(world, files.count)]);
    }
    size_t count = wears ? 0 : 1 + below(world, 3);
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
        flip(world, files.paths[below(world, files.count)], draw_part(world));
        world->faults.damaged_live = true;
    }
}

bool store_is_distrusted(World *world)
{
    const uint8_t *bytes;
    size_t count;
    return sim_disk_peek(world->machine.disk, DISTRUST_PATH, &bytes, &count);
}

/* ---- Older stores ------------------------------------------------------------------------------------------------ */

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

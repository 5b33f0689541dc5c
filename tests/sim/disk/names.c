#include "names.h"
#include "support/random.h"

#include <string.h>

#include "support/need.h"

/* ---- Entries ----------------------------------------------------------------------------------------------------- */

/* FNV-1a, 64 bits (Fowler, Noll, Vo). */
static uint64_t hash_of(const char *path)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *path; path++) {
        hash = (hash ^ (uint8_t)*path) * UINT64_C(0x100000001b3);
    }
    return hash;
}

SimName *sim_names_find(const SimNames *names, const char *path)
{
    uint64_t hash = hash_of(path);
    for (size_t i = 0; i < names->count; i++) {
        if (names->items[i].hash == hash && strcmp(names->items[i].path, path) == 0) {
            return &names->items[i];
        }
    }
    return NULL;
}

SimNode *sim_names_node(const SimNames *names, const char *path)
{
    const SimName *name = sim_names_find(names, path);
    return name ? name->live : NULL;
}

SimName *sim_names_make(SimNames *names, const char *path)
{
    SimName *name = sim_names_find(names, path);
    if (!name) {
        names->items = need_room(names->items, &names->room, names->count + 1, sizeof *names->items);
        name = &names->items[names->count++];
        *name = (SimName){.path = need(strdup(path)), .hash = hash_of(path)};
    }
    return name;
}

static void put_node(SimNode **place, SimNode *node)
{
    SimNode *old = *place;
    *place = sim_node_keep(node);
    sim_node_drop(old);
}

void sim_names_tidy(SimNames *names)
{
    size_t kept = 0;
    for (size_t i = 0; i < names->count; i++) {
        const SimName *name = &names->items[i];
        if (name->live || name->durable || name->is_locked) {
            names->items[kept++] = *name;
        } else {
            free(name->path);
        }
    }
    names->count = kept;
}

/* ---- Changes ----------------------------------------------------------------------------------------------------- */

static void add_change(SimNames *names, const char *from, const char *to, SimNode *node)
{
    names->changes = need_room(names->changes, &names->change_room, names->change_count + 1, sizeof *names->changes);
    names->changes[names->change_count++] =
        (SimNameChange){.from = from ? need(strdup(from)) : NULL, .to = need(strdup(to)), .node = sim_node_keep(node)};
}

static void release_change(SimNameChange *change)
{
    free(change->from);
    free(change->to);
    sim_node_drop(change->node);
}

void sim_names_set(SimNames *names, const char *path, SimNode *node)
{
    put_node(&sim_names_make(names, path)->live, node);
    add_change(names, NULL, path, node);
}

/* The old file of that name is unlinked first, which a power loss may keep without the rest. */
void sim_names_put_new(SimNames *names, const char *path)
{
    SimNode *node = sim_node_new(&names->used);
    if (sim_names_node(names, path)) {
        sim_names_set(names, path, NULL);
    }
    sim_names_set(names, path, node);
    sim_node_drop(node);
}

void sim_names_rename(SimNames *names, const char *from, const char *to)
{
    SimNode *node = sim_node_keep(sim_names_node(names, from));
    if (strcmp(from, to) != 0) {
        put_node(&sim_names_make(names, to)->live, node);
        put_node(&sim_names_find(names, from)->live, NULL);
        add_change(names, from, to, node);
    }
    sim_node_drop(node);
}

/* What is still to become durable under this path never will: a rename from it only makes its target, one to it only
 * removes. */
static void forget_path(SimNames *names, const char *path)
{
    size_t kept = 0;
    for (size_t i = 0; i < names->change_count; i++) {
        SimNameChange change = names->changes[i];
        bool is_to = strcmp(change.to, path) == 0, is_from = change.from && strcmp(change.from, path) == 0;
        if (is_from) {
            free(change.from);
            change.from = NULL;
        } else if (is_to && change.from) {
            free(change.to);
            sim_node_drop(change.node);
            change = (SimNameChange){.to = change.from};
        } else if (is_to) {
            release_change(&change);
            continue;
        }
        names->changes[kept++] = change;
    }
    names->change_count = kept;
}

void sim_names_force(SimNames *names, const char *path, SimNode *node)
{
    forget_path(names, path);
    SimName *name = sim_names_make(names, path);
    put_node(&name->live, node);
    put_node(&name->durable, node);
    sim_names_tidy(names);
}

/* ---- Directories ------------------------------------------------------------------------------------------------- */

size_t sim_path_dir(const char *path)
{
    const char *slash = strrchr(path, '/');
    return !slash ? 0 : slash == path ? 1 : (size_t)(slash - path);
}

bool sim_names_has_dir(const SimNames *names, const char *dir, size_t len)
{
    if (len == 0 || (len == 1 && (*dir == '.' || *dir == '/'))) {
        return true;
    }
    for (size_t i = 0; i < names->dir_count; i++) {
        if (strncmp(names->dirs[i], dir, len) == 0 && names->dirs[i][len] == '\0') {
            return true;
        }
    }
    return false;
}

void sim_names_make_dir(SimNames *names, const char *dir)
{
    names->dirs = need_room(names->dirs, &names->dir_room, names->dir_count + 1, sizeof *names->dirs);
    names->dirs[names->dir_count++] = need(strdup(dir));
}

bool sim_names_is_in(const char *path, const char *dir)
{
    size_t len = sim_path_dir(path);
    return len == 0 ? strcmp(dir, ".") == 0 : strncmp(path, dir, len) == 0 && dir[len] == '\0';
}

char **sim_names_list(const SimNames *names, const char *dir, size_t *ret_count)
{
    size_t count = 0;
    char **list = need(calloc(names->count + 1, sizeof *list));
    for (size_t i = 0; i < names->count; i++) {
        const char *path = names->items[i].path;
        if (names->items[i].live && (!dir || sim_names_is_in(path, dir))) {
            const char *slash = dir ? strrchr(path, '/') : NULL;
            list[count++] = need(strdup(slash ? slash + 1 : path));
        }
    }
    *ret_count = count;
    return list;
}

void sim_names_free_list(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(list[i]);
    }
    free(list);
}

/* ---- Syncs and losses -------------------------------------------------------------------------------------------- */

void sim_names_sync(SimNames *names, const char *dir)
{
    size_t kept = 0;
    for (size_t i = 0; i < names->count; i++) {
        if (sim_names_is_in(names->items[i].path, dir)) {
            put_node(&names->items[i].durable, names->items[i].live);
        }
    }
    for (size_t i = 0; i < names->change_count; i++) {
        if (sim_names_is_in(names->changes[i].to, dir)) {
            release_change(&names->changes[i]);
        } else {
            names->changes[kept++] = names->changes[i];
        }
    }
    names->change_count = kept;
    sim_names_tidy(names);
}

/* What the change would have done to the disk, whatever became of those before it. */
static void replay(SimNames *names, const SimNameChange *change)
{
    if (change->from) {
        SimName *from = sim_names_make(names, change->from);
        put_node(&from->durable, NULL);
    }
    put_node(&sim_names_make(names, change->to)->durable, change->node);
}

void sim_names_lose(SimNames *names, SimPattern pattern, uint64_t *random)
{
    SimSieve sieve = {.pattern = pattern, .random = random};
    if (names->change_count) {
        sieve.at = random_below(random, names->change_count + 1);
        sieve.key = random_below(random, names->change_count);
    }
    for (size_t i = 0; i < names->change_count; i++) {
        if (sim_sieve_keeps(&sieve, i, i)) {
            replay(names, &names->changes[i]);
        }
        release_change(&names->changes[i]);
    }
    names->change_count = 0;
    for (size_t i = 0; i < names->count; i++) {
        put_node(&names->items[i].live, names->items[i].durable);
    }
    sim_names_tidy(names);
}

void sim_names_release(SimNames *names)
{
    for (size_t i = 0; i < names->count; i++) {
        sim_node_drop(names->items[i].live);
        sim_node_drop(names->items[i].durable);
        free(names->items[i].path);
    }
    for (size_t i = 0; i < names->change_count; i++) {
        release_change(&names->changes[i]);
    }
    for (size_t i = 0; i < names->dir_count; i++) {
        free(names->dirs[i]);
    }
    free(names->items);
    free(names->changes);
    free(names->dirs);
}

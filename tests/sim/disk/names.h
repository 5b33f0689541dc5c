/* The directories of the simulated disk: what stands behind each path now, and what would after a power loss.
 *
 * Every change of a name is kept until its directory is synced; a power loss replays a part of those changes, in their
 * order, on top of what was durable. Used by disk.c and damage.c alone. */
#ifndef WEIR_TESTS_SIM_DISK_NAMES_H
#define WEIR_TESTS_SIM_DISK_NAMES_H

#include "node.h"

/* One path. Borrows until a name is next changed, synced or lost. */
typedef struct SimName {
    char *path;
    uint64_t hash;
    SimNode *live, *durable; /* one reference each; NULL for none */
    bool is_locked;          /* keeps the entry, whatever becomes of the file */
} SimName;

typedef struct SimNameChange {
    char *from; /* NULL unless it is a rename */
    char *to;
    SimNode *node; /* NULL for a removal */
} SimNameChange;

typedef struct SimNames {
    SimName *items;
    size_t count, room;
    SimNameChange *changes; /* oldest first */
    size_t change_count, change_room;
    char **dirs; /* but "." and "/", which need not be made */
    size_t dir_count, dir_room;
    uint64_t used; /* bytes of all files, those that are only open included */
} SimNames;

/* For damage.c. Borrows as long as the disk. */
SimNames *sim_disk_names(SimDisk *disk);

void sim_names_release(SimNames *names);

SimName *sim_names_find(const SimNames *names, const char *path);         /* NULL when nothing is known of it */
SimNode *sim_names_node(const SimNames *names, const char *path);         /* NULL when there is no such file; borrows */
SimName *sim_names_make(SimNames *names, const char *path);               /* the entry, made when missing */
void sim_names_set(SimNames *names, const char *path, SimNode *node);     /* NULL removes */
void sim_names_rename(SimNames *names, const char *from, const char *to); /* `from` must be there */
void sim_names_put_new(SimNames *names, const char *path);                /* a new file in place of an old one */
void sim_names_force(SimNames *names, const char *path, SimNode *node);   /* the same, and durable at once */

bool sim_names_has_dir(const SimNames *names, const char *dir, size_t len);
void sim_names_make_dir(SimNames *names, const char *dir);
bool sim_names_is_in(const char *path, const char *dir);

void sim_names_sync(SimNames *names, const char *dir);
void sim_names_lose(SimNames *names, SimPattern pattern, uint64_t *random);
/* The names of the files in a directory, or (NULL) the paths of all files: *ret_count texts in one allocation each, to
 * be freed by sim_names_free_list. */
char **sim_names_list(const SimNames *names, const char *dir, size_t *ret_count);
void sim_names_free_list(char **list, size_t count);
/* Forgets the entries that stand for nothing any more. */
void sim_names_tidy(SimNames *names);

#endif

/* What is done to a simulated disk from outside: damage, and files from elsewhere. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "support/need.h"

struct SimFileCopy {
    size_t count;
    uint8_t bytes[];
};

bool sim_disk_peek(const SimDisk *disk, const char *path, const uint8_t **ret_bytes, size_t *ret_count)
{
    const SimNode *node = sim_names_node(sim_disk_names((SimDisk *)disk), path);
    if (node) {
        *ret_bytes = sim_node_bytes(node) ? sim_node_data(node) : (const uint8_t *)"";
        *ret_count = sim_node_bytes(node);
    }
    return node;
}

void sim_disk_put(SimDisk *disk, const char *path, const void *bytes, size_t count)
{
    SimNames *names = sim_disk_names(disk);
    SimNode *node = sim_node_new(&names->used);
    sim_node_write(node, 0, bytes, count);
    sim_node_sync(node);
    sim_names_force(names, path, node);
    sim_node_drop(node);
}

bool sim_disk_lose(SimDisk *disk, const char *path)
{
    bool is_there = sim_names_node(sim_disk_names(disk), path);
    sim_names_force(sim_disk_names(disk), path, NULL);
    return is_there;
}

bool sim_disk_cut(SimDisk *disk, const char *path, uint64_t bytes)
{
    SimNode *node = sim_names_node(sim_disk_names(disk), path);
    if (!node || bytes > sim_node_bytes(node)) {
        return false;
    }
    sim_node_truncate(node, bytes);
    sim_node_sync(node);
    return true;
}

bool sim_disk_flip(SimDisk *disk, const char *path, uint64_t bit)
{
    SimNode *node = sim_names_node(sim_disk_names(disk), path);
    if (!node || bit / 8 >= sim_node_bytes(node)) {
        return false;
    }
    sim_node_flip(node, bit / 8, (uint8_t)(1u << bit % 8));
    return true;
}

SimFileCopy *sim_disk_file_copy(const SimDisk *disk, const char *path)
{
    const uint8_t *bytes = NULL;
    size_t count = 0;
    if (!sim_disk_peek(disk, path, &bytes, &count)) {
        return NULL;
    }
    SimFileCopy *copy = need(malloc(sizeof *copy + count));
    copy->count = count;
    if (count > 0) {
        memcpy(copy->bytes, bytes, count);
    }
    return copy;
}

void sim_disk_file_restore(SimDisk *disk, const char *path, const SimFileCopy *copy)
{
    if (copy) {
        sim_disk_put(disk, path, copy->bytes, copy->count);
    } else {
        sim_disk_lose(disk, path);
    }
}

void sim_file_copy_free(SimFileCopy *copy) { free(copy); }

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void sim_disk_each(SimDisk *disk, void (*visit)(void *context, const char *path), void *context)
{
    size_t count = 0;
    char **list = sim_names_list(sim_disk_names(disk), NULL, &count);
    qsort(list, count, sizeof *list, compare_texts);
    for (size_t i = 0; i < count; i++) {
        visit(context, list[i]);
    }
    sim_names_free_list(list, count);
}

#include "node.h"
#include "support/random.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "support/need.h"

enum { ZEROS = UINT32_MAX, SETTLED = UINT32_MAX };
#define LENGTH_DURABLE UINT64_MAX

typedef uint8_t Sector[SIM_SECTOR_BYTES];

/* One write of one sector: what it held before. */
typedef struct Change {
    uint32_t sector;
    uint32_t previous; /* the change before this one of the same sector, as a number from 1; 0 for none */
    uint32_t image;    /* of `images`, or ZEROS */
    bool is_cut;       /* by a truncation */
} Change;

typedef struct Length {
    uint64_t bytes;   /* before the change */
    uint32_t changes; /* of sectors that came before */
    bool is_cut;
} Length;

typedef struct Stuck {
    uint32_t sector;
    Sector durable;
} Stuck;

struct SimNode {
    unsigned references;
    uint64_t *used;
    uint8_t *data; /* `room` bytes, zeros behind `bytes` */
    uint64_t bytes, room;
    uint32_t *newest; /* per sector of the room: its newest change as a number from 1; 0 for none */
    Change *changes;
    size_t change_count, change_room;
    Sector *images;
    size_t image_count, image_room;
    Length *lengths;
    size_t length_count, length_room;
    Stuck *stuck;
    size_t stuck_count, stuck_room;
    uint64_t stuck_length; /* the length on the disk when a sync failed to make a longer one durable */
};

SimNode *sim_node_new(uint64_t *used)
{
    SimNode *node = need(calloc(1, sizeof *node));
    *node = (SimNode){.references = 1, .used = used, .stuck_length = LENGTH_DURABLE};
    return node;
}

SimNode *sim_node_keep(SimNode *node)
{
    if (node) {
        node->references++;
    }
    return node;
}

void sim_node_drop(SimNode *node)
{
    if (node && --node->references == 0) {
        *node->used -= node->bytes;
        free(node->data);
        free(node->newest);
        free(node->changes);
        free(node->images);
        free(node->lengths);
        free(node->stuck);
        free(node);
    }
}

uint64_t sim_node_bytes(const SimNode *node) { return node->bytes; }

const uint8_t *sim_node_data(const SimNode *node) { return node->data; }

/* ---- Reading and writing ----------------------------------------------------------------------------------------- */

static void set_bytes(SimNode *node, uint64_t bytes)
{
    *node->used += bytes - node->bytes; /* wraps around and back for a shorter one */
    node->bytes = bytes;
}

static void make_room(SimNode *node, uint64_t bytes)
{
    if (bytes <= node->room) {
        return;
    }
    uint64_t room = bytes + node->room; /* at least doubles */
    room = (room + SIM_SECTOR_BYTES * 8 - 1) / (SIM_SECTOR_BYTES * 8) * (SIM_SECTOR_BYTES * 8);
    size_t old_sectors = node->room / SIM_SECTOR_BYTES, sectors = room / SIM_SECTOR_BYTES;
    assert(sectors < UINT32_MAX);
    node->data = need(realloc(node->data, room));
    memset(node->data + node->room, 0, room - node->room);
    node->newest = need(realloc(node->newest, sectors * sizeof *node->newest));
    memset(node->newest + old_sectors, 0, (sectors - old_sectors) * sizeof *node->newest);
    node->room = room;
}

static uint32_t add_image(SimNode *node, const uint8_t *sector)
{
    node->images = need_room(node->images, &node->image_room, node->image_count + 1, sizeof *node->images);
    memcpy(node->images[node->image_count], sector, SIM_SECTOR_BYTES);
    return (uint32_t)node->image_count++;
}

/* The sector is about to change. */
static void note_change(SimNode *node, uint32_t sector, bool is_cut)
{
    uint64_t offset = (uint64_t)sector * SIM_SECTOR_BYTES;
    node->changes = need_room(node->changes, &node->change_room, node->change_count + 1, sizeof *node->changes);
    node->changes[node->change_count++] = (Change){
        .sector = sector,
        .previous = node->newest[sector],
        .image = offset < node->bytes ? add_image(node, node->data + offset) : ZEROS,
        .is_cut = is_cut,
    };
    node->newest[sector] = (uint32_t)node->change_count;
}

static void note_length(SimNode *node, bool is_cut)
{
    node->lengths = need_room(node->lengths, &node->length_room, node->length_count + 1, sizeof *node->lengths);
    node->lengths[node->length_count++] =
        (Length){.bytes = node->bytes, .changes = (uint32_t)node->change_count, .is_cut = is_cut};
}

size_t sim_node_read(const SimNode *node, uint64_t offset, void *data, size_t count)
{
    if (offset >= node->bytes) {
        return 0;
    }
    count = count < node->bytes - offset ? count : (size_t)(node->bytes - offset);
    memcpy(data, node->data + offset, count);
    return count;
}

void sim_node_write(SimNode *node, uint64_t offset, const void *data, size_t count)
{
    if (count == 0) {
        return;
    }
    uint64_t end = offset + count;
    make_room(node, end);
    if (end > node->bytes) {
        note_length(node, false);
    }
    for (uint64_t sector = offset / SIM_SECTOR_BYTES; sector <= (end - 1) / SIM_SECTOR_BYTES; sector++) {
        note_change(node, (uint32_t)sector, false);
    }
    memcpy(node->data + offset, data, count);
    if (end > node->bytes) {
        set_bytes(node, end);
    }
}

void sim_node_truncate(SimNode *node, uint64_t bytes)
{
    if (bytes == node->bytes) {
        return;
    }
    note_length(node, bytes < node->bytes);
    make_room(node, bytes);
    if (bytes < node->bytes) {
        for (uint64_t sector = bytes / SIM_SECTOR_BYTES; sector <= (node->bytes - 1) / SIM_SECTOR_BYTES; sector++) {
            note_change(node, (uint32_t)sector, true);
        }
        memset(node->data + bytes, 0, node->bytes - bytes);
    }
    set_bytes(node, bytes);
}

/* ---- Syncs ------------------------------------------------------------------------------------------------------- */

static void forget_changes(SimNode *node)
{
    for (size_t i = 0; i < node->change_count; i++) {
        node->newest[node->changes[i].sector] = 0;
    }
    node->change_count = node->image_count = node->length_count = 0;
}

/* What was stuck and written again is not stuck any more. */
static void release_stuck(SimNode *node)
{
    size_t kept = 0;
    for (size_t i = 0; i < node->stuck_count; i++) {
        if (!node->newest[node->stuck[i].sector]) {
            node->stuck[kept++] = node->stuck[i];
        }
    }
    node->stuck_count = kept;
    if (node->length_count) {
        node->stuck_length = LENGTH_DURABLE;
    }
    /* A write behind the length that is on the disk makes it longer, as far as it reaches. */
    for (size_t i = 0; i < node->change_count && node->stuck_length != LENGTH_DURABLE; i++) {
        uint64_t end = ((uint64_t)node->changes[i].sector + 1) * SIM_SECTOR_BYTES;
        if (node->newest[node->changes[i].sector] && end > node->stuck_length) {
            node->stuck_length = end < node->bytes ? end : LENGTH_DURABLE;
        }
    }
}

void sim_node_sync(SimNode *node)
{
    release_stuck(node);
    forget_changes(node);
}

static bool has_cut(const SimNode *node)
{
    for (size_t i = 0; i < node->length_count; i++) {
        if (node->lengths[i].is_cut) {
            return true;
        }
    }
    return false;
}

static void copy_image(const SimNode *node, uint32_t image, uint8_t *ret_sector)
{
    if (image == ZEROS) {
        memset(ret_sector, 0, SIM_SECTOR_BYTES);
    } else {
        memcpy(ret_sector, node->images[image], SIM_SECTOR_BYTES);
    }
}

static SimSieve draw_sieve(const SimNode *node, SimPattern pattern, uint64_t *random)
{
    SimSieve sieve = {.pattern = pattern, .random = random};
    if (node->change_count) {
        sieve.at = random_below(random, node->change_count + 1);
        sieve.key = node->changes[random_below(random, node->change_count)].sector;
    }
    return sieve;
}

bool sim_sieve_keeps(SimSieve *sieve, uint64_t index, uint64_t key)
{
    switch (sieve->pattern) {
    case SIM_KEEP_ALL: return true;
    case SIM_KEEP_SOME: return random_next(sieve->random) & 1;
    case SIM_KEEP_FIRST: return index < sieve->at;
    case SIM_KEEP_LAST: return index >= sieve->at;
    case SIM_KEEP_BUT_ONE: return key != sieve->key;
    case SIM_KEEP_ONE: return key == sieve->key;
    case SIM_KEEP_ODD: return key & 1;
    case SIM_KEEP_NONE:
    case SIM_PATTERN_COUNT: break;
    }
    return false;
}

/* The bytes on the disk are those before the sector's first change, or older ones where it was stuck already. */
static void add_stuck(SimNode *node, const Change *first)
{
    for (size_t i = 0; i < node->stuck_count; i++) {
        if (node->stuck[i].sector == first->sector) {
            return;
        }
    }
    node->stuck = need_room(node->stuck, &node->stuck_room, node->stuck_count + 1, sizeof *node->stuck);
    Stuck *stuck = &node->stuck[node->stuck_count++];
    stuck->sector = first->sector;
    copy_image(node, first->image, stuck->durable);
}

static void make_stuck(SimNode *node, SimPattern pattern, uint64_t *random)
{
    SimSieve sieve = draw_sieve(node, pattern, random);
    for (size_t i = 0; i < node->change_count; i++) {
        const Change *change = &node->changes[i];
        if (change->previous == 0 && !sim_sieve_keeps(&sieve, i, change->sector)) {
            add_stuck(node, change);
            node->newest[change->sector] = 0; /* for release_stuck: this one has not made it */
        }
    }
    uint64_t length = node->length_count ? node->lengths[0].bytes : LENGTH_DURABLE;
    bool keeps_length = pattern == SIM_KEEP_ALL || random_next(random) & 1;
    uint64_t old_length = node->stuck_length;
    release_stuck(node);
    if (node->length_count && !keeps_length) {
        node->stuck_length = old_length != LENGTH_DURABLE ? old_length : length;
    }
    forget_changes(node);
}

void sim_node_sync_fails(SimNode *node, uint64_t *random)
{
    SimPattern pattern = (SimPattern)random_below(random, SIM_PATTERN_COUNT);
    bool reads_old = random_below(random, 4) == 0;
    if (has_cut(node)) {
        return;
    }
    if (reads_old) {
        sim_node_lose(node, pattern, random);
    } else {
        make_stuck(node, pattern, random);
    }
}

/* ---- Power loss -------------------------------------------------------------------------------------------------- */

/* A truncation and what followed it survive in their order: so many of the first length changes and sector changes may
 * be kept, and of the lengths those before `lengths_from` are past. */
typedef struct Reach {
    size_t lengths_from, lengths_to;
    size_t changes_to;
} Reach;

static Reach draw_reach(const SimNode *node, SimPattern pattern, uint64_t *random)
{
    Reach reach = {.lengths_to = node->length_count, .changes_to = node->change_count};
    for (size_t i = 0; i < node->length_count; i++) {
        if (node->lengths[i].is_cut) {
            if (pattern == SIM_KEEP_NONE || (pattern != SIM_KEEP_ALL && random_next(random) & 1)) {
                reach.lengths_to = i;
                reach.changes_to = node->lengths[i].changes;
                break;
            }
            reach.lengths_from = i + 1;
        }
    }
    return reach;
}

/* The length before the change numbered `at`; behind the last one the present. */
static uint64_t length_at(const SimNode *node, size_t at)
{
    return at < node->length_count ? node->lengths[at].bytes : node->bytes;
}

static uint64_t draw_length(const SimNode *node, SimPattern pattern, Reach reach, uint64_t *random)
{
    size_t at = reach.lengths_to;
    if (pattern == SIM_KEEP_NONE) {
        at = reach.lengths_from;
    } else if (pattern != SIM_KEEP_ALL) {
        at = reach.lengths_from + random_below(random, reach.lengths_to - reach.lengths_from + 1);
    }
    uint64_t length = length_at(node, at);
    bool is_stuck = at == 0 && node->stuck_length != LENGTH_DURABLE;
    return is_stuck && node->stuck_length < length ? node->stuck_length : length;
}

/* Goes back from the newest change of each sector until one is kept. */
static void undo_changes(SimNode *node, SimSieve *sieve, size_t changes_to)
{
    for (size_t i = node->change_count; i-- > 0;) {
        const Change *change = &node->changes[i];
        if (node->newest[change->sector] == SETTLED) {
            continue;
        }
        if (i < changes_to && (change->is_cut || sim_sieve_keeps(sieve, i, change->sector))) {
            node->newest[change->sector] = SETTLED;
        } else {
            copy_image(node, change->image, node->data + (uint64_t)change->sector * SIM_SECTOR_BYTES);
        }
    }
}

static void lose_stuck(SimNode *node)
{
    for (size_t i = 0; i < node->stuck_count; i++) {
        uint32_t sector = node->stuck[i].sector;
        if (node->newest[sector] != SETTLED) {
            memcpy(node->data + (uint64_t)sector * SIM_SECTOR_BYTES, node->stuck[i].durable, SIM_SECTOR_BYTES);
        }
    }
    node->stuck_count = 0;
    node->stuck_length = LENGTH_DURABLE;
}

static uint64_t longest(const SimNode *node)
{
    uint64_t bytes = node->bytes;
    for (size_t i = 0; i < node->length_count; i++) {
        bytes = node->lengths[i].bytes > bytes ? node->lengths[i].bytes : bytes;
    }
    return bytes;
}

void sim_node_lose(SimNode *node, SimPattern pattern, uint64_t *random)
{
    if (node->change_count + node->length_count + node->stuck_count == 0 && node->stuck_length == LENGTH_DURABLE) {
        return;
    }
    Reach reach = draw_reach(node, pattern, random);
    uint64_t length = draw_length(node, pattern, reach, random);
    uint64_t end = (longest(node) + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES * SIM_SECTOR_BYTES;
    SimSieve sieve = draw_sieve(node, pattern, random);
    undo_changes(node, &sieve, reach.changes_to);
    lose_stuck(node);
    forget_changes(node);
    memset(node->data + length, 0, end > length ? end - length : 0);
    set_bytes(node, length);
}

/* ---- Damage ------------------------------------------------------------------------------------------------------ */

void sim_node_flip(SimNode *node, uint64_t offset, uint8_t mask)
{
    uint64_t sector = offset / SIM_SECTOR_BYTES, at = offset % SIM_SECTOR_BYTES;
    node->data[offset] ^= mask;
    for (uint32_t i = node->newest[sector]; i; i = node->changes[i - 1].previous) {
        uint32_t image = node->changes[i - 1].image;
        if (image != ZEROS) {
            node->images[image][at] ^= mask;
        }
    }
    for (size_t i = 0; i < node->stuck_count; i++) {
        if (node->stuck[i].sector == sector) {
            node->stuck[i].durable[at] ^= mask;
        }
    }
}

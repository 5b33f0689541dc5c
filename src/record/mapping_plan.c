#include "record/mapping_plan.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/buf.h"

enum { SHOWN_PATHS_MAX = 12, PATH_BYTES_MAX = MAPPING_DEPTH_MAX * (2 * MAPPING_KEY_BYTES_MAX + 1) };

/* ---- The tree ---------------------------------------------------------------------------------------------------- */

static size_t first_slot(const MappingPlan *plan, uint16_t node, Str key)
{
    return XXH3_64bits_withSeed(key.ptr, key.len, node) & plan->slot_mask;
}

uint16_t mapping_plan_step(const MappingPlan *plan, uint16_t node, Str key)
{
    for (size_t at = first_slot(plan, node, key);; at = (at + 1) & plan->slot_mask) {
        uint16_t found = plan->slots[at];
        if (found == 0 || (plan->nodes[found].parent == node && str_equal(plan->nodes[found].key, key))) {
            return found;
        }
    }
}

static void keep_slot(MappingPlan *plan, uint16_t node)
{
    const MappingNode *of = &plan->nodes[node];
    size_t at = first_slot(plan, of->parent, of->key);
    while (plan->slots[at] != 0) {
        at = (at + 1) & plan->slot_mask;
    }
    plan->slots[at] = node;
}

/* Only "0", "1", "12": a key of digits with a zero in front is a key of objects alone. */
static uint64_t place_of(Str key)
{
    uint64_t place;
    bool is_place = str_to_u64(key, UINT32_MAX, &place) && (key.len == 1 || key.ptr[0] != '0');
    return is_place ? place : UINT64_MAX;
}

static uint16_t add_node(MappingPlan *plan, uint16_t parent, Str key, Str path)
{
    uint16_t node = (uint16_t)plan->count++;
    MappingNode *added = &plan->nodes[node];
    *added =
        (MappingNode){.key = key, .path = path, .place = place_of(key), .parent = parent, .extra = MAPPING_NO_RANK};
    memset(added->rank, MAPPING_NO_RANK, sizeof added->rank);
    plan->nodes[parent].leads_on = true;
    plan->nodes[parent].leads_into_array |= added->place != UINT64_MAX;
    keep_slot(plan, node);
    return node;
}

/* The node at which the path ends, made with those that lead to it; 0 without memory. */
static uint16_t add_path(MappingPlan *plan, const EventPath *path, Arena *arena)
{
    uint16_t node = 0;
    for (size_t depth = 0; depth < path->depth; depth++) {
        uint16_t next = mapping_plan_step(plan, node, path->keys[depth]);
        if (next == 0) {
            Str text = mapping_path_text(path, depth + 1, arena);
            if (!text.ptr) {
                return 0;
            }
            next = add_node(plan, node, path->keys[depth], text);
        }
        node = next;
    }
    plan->nodes[node].ends = true;
    return node;
}

static bool add_part(MappingPlan *plan, const Mapping *mapping, EventPart part, Arena *arena)
{
    for (size_t i = 0; i < mapping->parts[part].count; i++) {
        uint16_t node = add_path(plan, &mapping->parts[part].items[i], arena);
        if (node == 0) {
            return false;
        }
        uint8_t *rank = &plan->nodes[node].rank[part];
        *rank = *rank < i ? *rank : (uint8_t)i; /* the same path again says nothing new */
    }
    return true;
}

/* Puts an extra path's place where the texts stay in order. */
static void order_extra(MappingPlan *plan, uint8_t extra)
{
    size_t at = plan->extra_count++;
    Str path = plan->nodes[plan->extra_node[extra]].path;
    for (; at > 0; at--) {
        uint8_t before = plan->extra_order[at - 1];
        if (str_compare(plan->nodes[plan->extra_node[before]].path, path) <= 0) {
            break;
        }
        plan->extra_order[at] = before;
    }
    plan->extra_order[at] = extra;
}

static bool add_extra(MappingPlan *plan, const Mapping *mapping, Arena *arena)
{
    for (size_t i = 0; i < mapping->extra.count; i++) {
        uint16_t node = add_path(plan, &mapping->extra.items[i], arena);
        if (node == 0) {
            return false;
        }
        if (plan->nodes[node].extra == MAPPING_NO_RANK) {
            uint8_t extra = (uint8_t)plan->extra_count;
            plan->nodes[node].extra = extra;
            plan->extra_node[extra] = node;
            order_extra(plan, extra);
        }
    }
    return true;
}

static bool make_room(const Mapping *mapping, Arena *arena, MappingPlan *plan)
{
    size_t nodes = 1, slots = 8;
    for (EventPart part = 0; part < EVENT_PART_COUNT; part++) {
        for (size_t i = 0; i < mapping->parts[part].count; i++) {
            nodes += mapping->parts[part].items[i].depth;
        }
    }
    for (size_t i = 0; i < mapping->extra.count; i++) {
        nodes += mapping->extra.items[i].depth;
    }
    while (slots < nodes * 4) {
        slots *= 2;
    }
    plan->nodes = ARENA_ARRAY(arena, MappingNode, nodes);
    plan->slots = ARENA_ARRAY(arena, uint16_t, slots);
    plan->slot_mask = slots - 1;
    plan->count = 1; /* the event */
    return plan->nodes && plan->slots;
}

/* ---- Texts ------------------------------------------------------------------------------------------------------- */

static void put_key(Buf *buf, Str key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] == '.' || key.ptr[i] == '\\') {
            buf_put_char(buf, '\\');
        }
        buf_put_char(buf, key.ptr[i]);
    }
}

static void put_path(Buf *buf, const EventPath *path, size_t depth)
{
    for (size_t i = 0; i < depth; i++) {
        if (i > 0) {
            buf_put_char(buf, '.');
        }
        put_key(buf, path->keys[i]);
    }
}

static Str keep(Buf *buf, Arena *arena)
{
    Str kept = buf->failed ? (Str){NULL, 0} : arena_copy(arena, buf_str(buf));
    buf_release(buf);
    return kept;
}

Str mapping_path_text(const EventPath *path, size_t depth, Arena *arena)
{
    Buf buf;
    buf_init(&buf, PATH_BYTES_MAX);
    put_path(&buf, path, depth);
    return keep(&buf, arena);
}

/* Of many paths those that lead as deep as the first one: a name is enough to know where else it is looked for. */
static size_t count_shown(const EventPaths *paths)
{
    size_t count = 0;
    if (paths->count <= SHOWN_PATHS_MAX) {
        return paths->count;
    }
    while (count < SHOWN_PATHS_MAX && paths->items[count].depth == paths->items[0].depth) {
        count++;
    }
    return count;
}

/* "is missing; looked for amount, value and 12 more" */
static const char *missing_text(const EventPaths *paths, Arena *arena)
{
    Buf buf;
    const size_t shown = count_shown(paths);
    buf_init(&buf, (size_t)PATH_BYTES_MAX * (SHOWN_PATHS_MAX + 1));
    BUF_PUT(&buf, "is missing");
    for (size_t i = 0; i < shown; i++) {
        buf_put(&buf, i > 0 ? STR(", ") : STR("; looked for "));
        put_path(&buf, &paths->items[i], paths->items[i].depth);
    }
    if (paths->count > shown) {
        buf_printf(&buf, " and %zu more", paths->count - shown);
    }
    return keep(&buf, arena).ptr;
}

Status mapping_plan_make(const Mapping *mapping, Arena *arena, MappingPlan *ret_plan)
{
    *ret_plan = (MappingPlan){0};
    if (!make_room(mapping, arena, ret_plan) || !add_extra(ret_plan, mapping, arena)) {
        return STATUS_BUSY;
    }
    for (EventPart part = 0; part < EVENT_PART_COUNT; part++) {
        ret_plan->missing[part] = missing_text(&mapping->parts[part], arena);
        if (!ret_plan->missing[part] || !add_part(ret_plan, mapping, part, arena)) {
            return STATUS_BUSY;
        }
    }
    return STATUS_OK;
}

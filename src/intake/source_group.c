#include "intake/source_group.h"

#include <assert.h>

enum { CHUNK_BYTES = 1 << 20, PLACES_FIRST = 16 };

void source_group_init(SourceGroup *group, size_t messages_max)
{
    assert(messages_max > 0);
    /* The texts, what is parsed, and records, with room for the longest message on top of a full group. */
    size_t bytes_max = 4 * ((size_t)SOURCE_GROUP_BYTES + SOURCE_MESSAGE_BYTES_MAX) + messages_max * 2048;
    *group = (SourceGroup){.cap = messages_max};
    arena_init(&group->arena, CHUNK_BYTES, bytes_max);
}

void source_group_reset(SourceGroup *group)
{
    arena_reset(&group->arena);
    group->messages = NULL;
    group->places = NULL;
    group->count = group->bytes = group->place_count = group->place_cap = 0;
}

void source_group_release(SourceGroup *group) { arena_release(&group->arena); }

bool source_group_has_room(const SourceGroup *group, size_t bytes)
{
    return group->count < group->cap && (group->count == 0 || group->bytes + bytes <= SOURCE_GROUP_BYTES);
}

static Status refuse_memory(Error *reterr) { return error_set(reterr, STATUS_BUSY, "no memory for messages"); }

/* Empty ones stay empty. */
static bool copy_text(Arena *arena, Str *text)
{
    *text = text->len ? arena_copy(arena, *text) : (Str){"", 0};
    return text->ptr != NULL;
}

Status source_group_add(SourceGroup *group, const SourceMessage *message, Error *reterr)
{
    assert(group->count < group->cap);
    if (!group->messages && !(group->messages = ARENA_ARRAY(&group->arena, SourceMessage, group->cap))) {
        return refuse_memory(reterr);
    }
    SourceMessage *copy = &group->messages[group->count];
    *copy = *message;
    Str *texts[] = {&copy->raw, &copy->place, &copy->format, &copy->traceparent, &copy->token, &copy->refused};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!copy_text(&group->arena, texts[i])) {
            return refuse_memory(reterr);
        }
    }
    copy->outcome = OUTCOME_NONE;
    copy->error = STR("");
    group->count++;
    group->bytes += message->raw.len;
    return STATUS_OK;
}

static SourcePlace *find_place(SourceGroup *group, Str part)
{
    for (size_t i = 0; i < group->place_count; i++) {
        if (str_equal(group->places[i].part, part)) {
            return &group->places[i];
        }
    }
    return NULL;
}

static bool grow_places(SourceGroup *group)
{
    if (group->place_count < group->place_cap) {
        return true;
    }
    size_t cap = group->place_cap ? 2 * group->place_cap : PLACES_FIRST;
    SourcePlace *places = ARENA_ARRAY(&group->arena, SourcePlace, cap);
    if (!places) {
        return false;
    }
    if (group->place_count > 0) {
        memcpy(places, group->places, group->place_count * sizeof *places);
    }
    group->places = places;
    group->place_cap = cap;
    return true;
}

Status source_group_put_place(SourceGroup *group, Str part, int64_t next, Str mark, Error *reterr)
{
    assert(part.len <= SOURCE_PART_BYTES_MAX && mark.len <= SOURCE_MARK_BYTES_MAX);
    SourcePlace *place = find_place(group, part);
    bool is_new = !place;
    if (is_new) {
        if (!grow_places(group) || !copy_text(&group->arena, &part)) {
            return refuse_memory(reterr);
        }
        place = &group->places[group->place_count];
        place->part = part;
    }
    if (!copy_text(&group->arena, &mark)) {
        return refuse_memory(reterr);
    }
    place->next = next;
    place->mark = mark;
    group->place_count += is_new;
    return STATUS_OK;
}

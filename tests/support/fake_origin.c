#include <assert.h>
#include <stdlib.h>

#include "support/fake_source_parts.h"

void *fake_origin_must(void *memory)
{
    if (!memory) {
        abort();
    }
    return memory;
}

void fake_origin_lock(const FakeOrigin *origin) { pthread_mutex_lock(&origin->origins->lock); }

void fake_origin_unlock(const FakeOrigin *origin) { pthread_mutex_unlock(&origin->origins->lock); }

static char *copy(Str text)
{
    char *to = fake_origin_must(malloc(text.len + 1));
    if (text.len) {
        memcpy(to, text.ptr, text.len);
    }
    to[text.len] = '\0';
    return to;
}

/* ---- Origins ----------------------------------------------------------------------------------------------------- */

FakeOrigins *fake_origins_new(const FakeOriginsOptions *options)
{
    FakeOrigins *origins = fake_origin_must(calloc(1, sizeof *origins));
    origins->options = *options;
    pthread_mutex_init(&origins->lock, NULL);
    return origins;
}

static void clear_part(FakePart *part)
{
    for (size_t i = 0; i < part->count; i++) {
        free(part->messages[i].raw);
        free(part->messages[i].format);
        free(part->messages[i].traceparent);
        free(part->messages[i].refused);
    }
    free(part->messages);
    *part = (FakePart){0};
}

void fake_origins_free(FakeOrigins *origins)
{
    if (!origins) {
        return;
    }
    while (origins->list) {
        FakeOrigin *origin = origins->list;
        origins->list = origin->next;
        assert(!origin->open);
        for (size_t i = 0; i < origin->part_count; i++) {
            clear_part(&origin->parts[i]);
        }
        free(origin->name);
        free(origin);
    }
    pthread_mutex_destroy(&origins->lock);
    free(origins);
}

FakeOrigin *fake_origins_add(FakeOrigins *origins, const char *name, FakeOriginStyle style, size_t parts)
{
    assert(parts > 0 && parts <= FAKE_ORIGIN_PARTS_MAX);
    FakeOrigin *origin = fake_origin_must(calloc(1, sizeof *origin));
    *origin = (FakeOrigin){.origins = origins,
                           .next = origins->list,
                           .name = copy(str_from(name)),
                           .style = style,
                           .part_count = parts,
                           .notice = ""};
    origins->list = origin;
    return origin;
}

int64_t fake_origin_put_message(FakeOrigin *origin, size_t at, const SourceMessage *message)
{
    assert(at < origin->part_count);
    fake_origin_lock(origin);
    FakePart *part = &origin->parts[at];
    if (part->count == part->cap) {
        part->cap = part->cap ? 2 * part->cap : 64;
        part->messages = fake_origin_must(realloc(part->messages, part->cap * sizeof part->messages[0]));
    }
    int64_t offset = (int64_t)part->count;
    part->messages[part->count++] = (FakeMessage){.raw = copy(message->raw),
                                                  .len = message->raw.len,
                                                  .format = copy(message->format),
                                                  .traceparent = copy(message->traceparent),
                                                  .refused = copy(message->refused)};
    origin->left++;
    fake_origin_unlock(origin);
    return offset;
}

int64_t fake_origin_put(FakeOrigin *origin, size_t part, Str raw)
{
    return fake_origin_put_message(origin, part, &(SourceMessage){.raw = raw, .format = SOURCE_FORMAT_JSON});
}

size_t fake_origin_count(const FakeOrigin *origin)
{
    size_t count = 0;
    fake_origin_lock(origin);
    for (size_t i = 0; i < origin->part_count; i++) {
        count += origin->parts[i].count;
    }
    fake_origin_unlock(origin);
    return count;
}

size_t fake_origin_left(const FakeOrigin *origin)
{
    fake_origin_lock(origin);
    size_t count = origin->left;
    fake_origin_unlock(origin);
    return count;
}

bool fake_origin_acknowledged(const FakeOrigin *origin, size_t part, int64_t offset)
{
    fake_origin_lock(origin);
    assert(part < origin->part_count && offset >= 0 && (size_t)offset < origin->parts[part].count);
    bool acknowledged = origin->parts[part].messages[offset].acknowledged;
    fake_origin_unlock(origin);
    return acknowledged;
}

OutcomeKind fake_origin_outcome(const FakeOrigin *origin, size_t part, int64_t offset)
{
    fake_origin_lock(origin);
    assert(part < origin->part_count && offset >= 0 && (size_t)offset < origin->parts[part].count);
    OutcomeKind outcome = origin->parts[part].messages[offset].outcome;
    fake_origin_unlock(origin);
    return outcome;
}

FakeOriginCounts fake_origin_counts(const FakeOrigin *origin)
{
    fake_origin_lock(origin);
    FakeOriginCounts counts = origin->counts;
    fake_origin_unlock(origin);
    return counts;
}

/* ---- What goes wrong --------------------------------------------------------------------------------------------- */

void fake_origin_set_faults(FakeOrigin *origin, const FakeOriginFaults *faults)
{
    fake_origin_lock(origin);
    origin->faults = *faults;
    fake_origin_unlock(origin);
}

void fake_origin_set_down(FakeOrigin *origin, bool down)
{
    fake_origin_lock(origin);
    origin->down = down;
    fake_origin_unlock(origin);
}

void fake_origin_cut(FakeOrigin *origin)
{
    fake_origin_lock(origin);
    if (origin->open) {
        origin->open->cut = origin->open->connected;
    }
    fake_origin_unlock(origin);
}

void fake_origin_recreate(FakeOrigin *origin)
{
    fake_origin_lock(origin);
    for (size_t i = 0; i < origin->part_count; i++) {
        clear_part(&origin->parts[i]);
    }
    origin->left = 0;
    origin->generation++;
    if (origin->open) {
        origin->open->cut = origin->open->connected;
    }
    fake_origin_unlock(origin);
}

void fake_origin_forget(FakeOrigin *origin)
{
    fake_origin_lock(origin);
    for (size_t i = 0; i < origin->part_count; i++) {
        origin->parts[i].noted = 0;
        for (size_t k = 0; k < origin->parts[i].count; k++) {
            origin->left += origin->parts[i].messages[k].acknowledged;
            origin->parts[i].messages[k].acknowledged = false;
        }
    }
    fake_origin_unlock(origin);
}

static void set_script(FakeOrigin *origin, Script *script, Status status, unsigned times)
{
    fake_origin_lock(origin);
    *script = (Script){status, times};
    fake_origin_unlock(origin);
}

void fake_origin_script_open(FakeOrigin *origin, Status status, unsigned times)
{
    set_script(origin, &origin->opening, status, times);
}

void fake_origin_script_connect(FakeOrigin *origin, Status status, unsigned times)
{
    set_script(origin, &origin->connecting, status, times);
}

void fake_origin_script_fetch(FakeOrigin *origin, Status status, unsigned times)
{
    set_script(origin, &origin->fetching, status, times);
}

void fake_origin_script_acknowledge(FakeOrigin *origin, Status status, unsigned times)
{
    set_script(origin, &origin->acknowledging, status, times);
}

void fake_origin_set_notice(FakeOrigin *origin, const char *notice)
{
    fake_origin_lock(origin);
    origin->notice = notice;
    fake_origin_unlock(origin);
}

FakeOrigin *fake_origin_find(FakeOrigins *origins, const char *name)
{
    FakeOrigin *origin = origins->list;
    while (origin && strcmp(origin->name, name) != 0) {
        origin = origin->next;
    }
    return origin;
}

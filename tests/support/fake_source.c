#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "support/fake_source_parts.h"

enum { PLACE_BYTES_MAX = 128, NAP_US = 1000 };

static uint64_t draw(const FakeOrigin *origin, uint64_t below)
{
    uint64_t bits = 0;
    Error error;
    if (random_fill(origin->origins->options.random, &bits, sizeof bits, &error) != STATUS_OK) {
        abort();
    }
    return bits % below;
}

static bool chance(const FakeOrigin *origin, unsigned of_a_thousand)
{
    return of_a_thousand > 0 && draw(origin, 1000) < of_a_thousand;
}

static bool used(Script *script, Status *ret_status)
{
    if (script->times == 0) {
        return false;
    }
    script->times--;
    *ret_status = script->status;
    return true;
}

/* ---- The source -------------------------------------------------------------------------------------------------- */

static bool has_places(const FakeOrigin *origin) { return origin->style != FAKE_QUEUE; }

static const SourcePlace *place_of(const SourcePlace *places, size_t count, size_t part)
{
    char name[24];
    snprintf(name, sizeof name, "%zu", part);
    for (size_t i = 0; i < count; i++) {
        if (str_is(places[i].part, name)) {
            return &places[i];
        }
    }
    return NULL;
}

static Str mark_of(const FakeOrigin *origin, char buf[24])
{
    snprintf(buf, 24, "made-%u", origin->generation);
    return str_from(buf);
}

/* Where it reads on: the larger of our place and of theirs. */
static Status find_beginnings(FakeSource *source, const SourcePlace *places, size_t count, Error *reterr)
{
    FakeOrigin *origin = source->origin;
    char mark[24];
    for (size_t i = 0; i < origin->part_count; i++) {
        const SourcePlace *ours = has_places(origin) ? place_of(places, count, i) : NULL;
        if (ours && !str_equal(ours->mark, mark_of(origin, mark))) {
            return error_set(reterr, STATUS_REFUSED, "%s was made anew: its offsets have gone back", origin->name);
        }
        assert(!ours || (ours->next >= 0 && (size_t)ours->next <= origin->parts[i].count));
        source->at[i] = origin->style == FAKE_LOG ? origin->parts[i].noted : 0;
        source->at[i] = ours && ours->next > source->at[i] ? ours->next : source->at[i];
    }
    return STATUS_OK;
}

/* What was fetched and not acknowledged comes again. */
static void drop_under_way(FakeSource *source)
{
    FakeOrigin *origin = source->origin;
    source->under_way_count = 0;
    for (size_t i = 0; i < origin->part_count; i++) {
        for (size_t k = 0; k < origin->parts[i].count; k++) {
            origin->parts[i].messages[k].pending = false;
        }
    }
}

static Status connect_locked(FakeSource *source, const SourcePlace *places, size_t count, Error *reterr)
{
    FakeOrigin *origin = source->origin;
    Status status = STATUS_OK;
    source->connected = source->cut = false;
    drop_under_way(source);
    if (used(&origin->connecting, &status) && status != STATUS_OK) {
        return error_set(reterr, status, "the script says so");
    }
    if (origin->down || chance(origin, origin->faults.connect_busy)) {
        return error_set(reterr, STATUS_BUSY, "%s is down", origin->name);
    }
    status = find_beginnings(source, places, count, reterr);
    source->connected = status == STATUS_OK;
    origin->counts.connected += source->connected;
    return status;
}

static Status fake_connect(Source *base, const SourcePlace *places, size_t count, Error *reterr)
{
    FakeSource *source = (FakeSource *)base;
    fake_origin_lock(source->origin);
    Status status = connect_locked(source, places, count, reterr);
    base->notice = str_from(source->origin->notice);
    fake_origin_unlock(source->origin);
    return status;
}

/* Whether the connection is lost, and if so why. */
static Status check_connection(FakeSource *source, Script *script, unsigned busy, Error *reterr)
{
    FakeOrigin *origin = source->origin;
    Status status = STATUS_OK;
    assert(source->connected);
    source->base.notice = str_from(origin->notice);
    if (!used(script, &status) && (source->cut || origin->down || chance(origin, busy))) {
        status = STATUS_BUSY;
    }
    if (status != STATUS_OK) {
        source->connected = false;
        return error_set(reterr, status, "the connection to %s is lost", origin->name);
    }
    return STATUS_OK;
}

/* The first message of a part that has not been fetched; -1 for none. */
static int64_t next_offset(const FakeSource *source, size_t at)
{
    const FakePart *part = &source->origin->parts[at];
    int64_t offset = source->at[at];
    while (offset < (int64_t)part->count && source->origin->style == FAKE_QUEUE &&
           (part->messages[offset].pending || part->messages[offset].acknowledged)) {
        offset++;
    }
    return offset < (int64_t)part->count ? offset : -1;
}

static Status add_message(FakeSource *source, SourceGroup *group, size_t part, int64_t offset, Error *reterr)
{
    const FakeMessage *message = &source->origin->parts[part].messages[offset];
    char place[PLACE_BYTES_MAX], token[48];
    snprintf(place, sizeof place, "%s/%zu/%" PRId64, source->origin->name, part, offset);
    snprintf(token, sizeof token, "%zu/%" PRId64, part, offset);
    SourceMessage copy_of = {.raw = {message->raw, message->len},
                             .place = str_from(place),
                             .format = str_from(message->format),
                             .traceparent = str_from(message->traceparent),
                             .token = str_from(token),
                             .refused = str_from(message->refused)};
    if (!copy_of.refused.len && message->len > source->options->message_bytes_max) {
        copy_of.refused = STR("is longer than message_bytes_max");
    }
    return source_group_add(group, &copy_of, reterr);
}

static Status fill_from_part(FakeSource *source, SourceGroup *group, FakeGroup *taken, size_t at, size_t count_max,
                             Error *reterr)
{
    FakePart *part = &source->origin->parts[at];
    Status status = STATUS_OK;
    int64_t offset;
    taken->ranges[at].from = source->at[at];
    while (status == STATUS_OK && group->count < count_max && (offset = next_offset(source, at)) >= 0 &&
           source_group_has_room(group, part->messages[offset].len)) {
        status = add_message(source, group, at, offset, reterr);
        part->messages[offset].pending = source->origin->style == FAKE_QUEUE;
        source->at[at] = offset + 1;
    }
    taken->ranges[at].through = source->at[at];
    return status;
}

static Status put_place(const FakeSource *source, SourceGroup *group, const FakeRange *range, size_t at, Error *reterr)
{
    char part[24], mark[24];
    if (!has_places(source->origin) || range->from == range->through) {
        return STATUS_OK;
    }
    snprintf(part, sizeof part, "%zu", at);
    return source_group_put_place(group, str_from(part), range->through, mark_of(source->origin, mark), reterr);
}

static Status fill(FakeSource *source, SourceGroup *group, Error *reterr)
{
    FakeOrigin *origin = source->origin;
    FakeGroup taken = {0};
    Status status = STATUS_OK;
    size_t count_max = chance(origin, origin->faults.fetch_little) ? draw(origin, 4) : group->cap;
    assert(group->count == 0 && group->place_count == 0 && source->under_way_count < FAKE_UNDER_WAY_MAX);
    for (size_t i = 0; i < origin->part_count && status == STATUS_OK; i++) {
        size_t at = (source->first_part + i) % origin->part_count;
        status = fill_from_part(source, group, &taken, at, count_max, reterr);
        status = status == STATUS_OK ? put_place(source, group, &taken.ranges[at], at, reterr) : status;
    }
    source->first_part++;
    taken.count = group->count;
    origin->counts.messages += group->count;
    if (status == STATUS_OK && taken.count > 0) {
        source->under_way[source->under_way_count++] = taken;
    }
    source->connected = status == STATUS_OK;
    return status;
}

static Status fake_fetch(Source *base, SourceGroup *group, Error *reterr)
{
    FakeSource *source = (FakeSource *)base;
    FakeOrigin *origin = source->origin;
    fake_origin_lock(origin);
    origin->counts.fetches += group != NULL;
    origin->counts.empty_calls += group == NULL;
    Status status = check_connection(source, &origin->fetching, origin->faults.fetch_busy, reterr);
    if (status == STATUS_OK && group) {
        status = fill(source, group, reterr);
    }
    fake_origin_unlock(origin);
    return status;
}

static FakeMessage *message_of(FakeOrigin *origin, Str token, size_t *ret_part, int64_t *ret_offset)
{
    char text[48];
    assert(token.len < sizeof text);
    snprintf(text, sizeof text, "%.*s", STR_ARGS(token));
    char *end;
    *ret_part = strtoul(text, &end, 10);
    *ret_offset = strtoll(end + 1, NULL, 10);
    return &origin->parts[*ret_part].messages[*ret_offset];
}

static void note_message(FakeOrigin *origin, FakeMessage *message)
{
    origin->left -= !message->acknowledged;
    message->acknowledged = true;
    message->pending = false;
}

/* Where there are offsets, they say that all before is done with, too. */
static void note(FakeOrigin *origin, const SourceGroup *group)
{
    for (size_t i = 0; i < group->count; i++) {
        size_t at;
        int64_t offset;
        FakeMessage *message = message_of(origin, group->messages[i].token, &at, &offset);
        FakePart *part = &origin->parts[at];
        message->outcome = message->acknowledged ? message->outcome : group->messages[i].outcome;
        note_message(origin, message);
        for (; has_places(origin) && part->noted <= offset; part->noted++) {
            note_message(origin, &part->messages[part->noted]);
        }
    }
    origin->counts.acknowledged++;
}

/* Groups come back whole, each once, in the order in which they were fetched. */
static void check_order(FakeSource *source, const SourceGroup *group)
{
    assert(source->under_way_count > 0 && source->under_way[0].count == group->count);
    for (size_t i = 0; i < group->count; i++) {
        size_t part;
        int64_t offset;
        message_of(source->origin, group->messages[i].token, &part, &offset);
        const FakeRange *range = &source->under_way[0].ranges[part];
        assert(offset >= range->from && offset < range->through);
    }
    memmove(source->under_way, source->under_way + 1, --source->under_way_count * sizeof source->under_way[0]);
}

static Status fake_acknowledge(Source *base, const SourceGroup *group, Error *reterr)
{
    FakeSource *source = (FakeSource *)base;
    FakeOrigin *origin = source->origin;
    fake_origin_lock(origin);
    unsigned generation_busy = origin->faults.acknowledge_busy;
    bool stale = source->cut || origin->down; /* what is on its way then never arrives */
    Status status = check_connection(source, &origin->acknowledging, generation_busy, reterr);
    if (group->count > 0 && !stale) {
        check_order(source, group);
        if (status == STATUS_OK || draw(origin, 2) == 1) {
            note(origin, group);
        }
    }
    fake_origin_unlock(origin);
    return status;
}

static bool has_more(FakeSource *source)
{
    bool any = source->cut || source->origin->down;
    for (size_t i = 0; i < source->origin->part_count; i++) {
        any = any || next_offset(source, i) >= 0;
    }
    return any;
}

static bool may_fetch(FakeSource *source)
{
    fake_origin_lock(source->origin);
    bool any = has_more(source);
    fake_origin_unlock(source->origin);
    return any;
}

static void fake_wait(Source *base, int64_t us_max)
{
    FakeSource *source = (FakeSource *)base;
    const FakeOriginsOptions *options = &source->origin->origins->options;
    int64_t until_us = clock_monotonic_us(options->clock) + us_max, left_us;
    while (!atomic_exchange(&source->woken, false) && !may_fetch(source) &&
           (left_us = until_us - clock_monotonic_us(options->clock)) > 0) {
        options->sleep(options->self, left_us < NAP_US ? left_us : NAP_US);
    }
}

static void fake_wake(Source *base) { atomic_store(&((FakeSource *)base)->woken, true); }

static void fake_lag(const Source *base, SourceLag *ret_lag)
{
    const FakeSource *source = (const FakeSource *)base;
    fake_origin_lock(source->origin);
    *ret_lag = (SourceLag){.messages = (int64_t)source->origin->left};
    fake_origin_unlock(source->origin);
}

static void fake_close(Source *base)
{
    FakeSource *source = (FakeSource *)base;
    FakeOrigin *origin = source->origin;
    fake_origin_lock(origin);
    drop_under_way(source);
    origin->open = NULL;
    origin->counts.closed++;
    fake_origin_unlock(origin);
    free(source);
}

static const SourceOps fake_ops = {
    .connect = fake_connect,
    .fetch = fake_fetch,
    .acknowledge = fake_acknowledge,
    .wait = fake_wait,
    .wake = fake_wake,
    .lag = fake_lag,
    .close = fake_close,
};

Status fake_source_open(void *self, const SourceContext *context, Source **ret_source, Error *reterr)
{
    FakeOrigin *origin = fake_origin_find(self, context->options->name);
    Status status = STATUS_OK;
    if (!origin) {
        return error_set(reterr, STATUS_REFUSED, "there is no origin %s", context->options->name);
    }
    fake_origin_lock(origin);
    if (used(&origin->opening, &status) && status != STATUS_OK) {
        fake_origin_unlock(origin);
        return error_set(reterr, status, "the script says so");
    }
    FakeSource *source = fake_origin_must(calloc(1, sizeof *source));
    source->base.ops = &fake_ops;
    source->origin = origin;
    source->options = context->options;
    assert(!origin->open);
    origin->open = source;
    origin->counts.opened++;
    fake_origin_unlock(origin);
    *ret_source = &source->base;
    return STATUS_OK;
}

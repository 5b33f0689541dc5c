#include "sim/corrections.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim/meaning.h"
#include "sim/world.h"
#include "support/need.h"
#include "support/random.h"

enum { CHANGES_MAX = 8, LOOKS_MAX = 30 };

/* One event, and what is in force of it. */
typedef struct Looked {
    World *world;
    const Fact *event;
    int64_t rounds, seq;
    bool taken_back;
    Record becomes;
    int64_t holder, same_as;
} Looked;

static uint64_t below(World *world, uint64_t limit) { return random_below(&world->senders.random, limit); }

/* ---- What there is ----------------------------------------------------------------------------------------------- */

/* The record that corrects this one, behind `after`; 0: none. */
static int64_t correction_of(const EventModel *events, int64_t seq, int64_t after)
{
    for (size_t i = 0; i < events->count; i++) {
        const Fact *fact = &events->facts[i];
        if (fact->kind == FACT_CORRECTION && fact->item.corrects == seq && fact->seq > after) {
            return fact->seq;
        }
    }
    return 0;
}

/* The first correction of a record takes it back, the second takes its place. */
static void find_in_force(Looked *looked)
{
    const EventModel *events = &looked->world->model.events;
    looked->seq = looked->event->seq;
    for (;;) {
        int64_t reversal = correction_of(events, looked->seq, 0);
        int64_t replacement = reversal ? correction_of(events, looked->seq, reversal) : 0;
        looked->taken_back = reversal && !replacement;
        if (!replacement) {
            return;
        }
        looked->seq = replacement;
        looked->rounds++;
    }
}

/* Whether it stays with the id, by the mapping of now; what was no event does. */
static bool keeps_id(const Looked *looked, int64_t holder)
{
    const Senders *senders = &looked->world->senders;
    const Fact *origin = event_model_origin(&looked->world->model.events, holder);
    if (!origin) {
        return true;
    }
    Meaning meaning = meaning_of(senders->key, meaning_event(origin->item.raw), senders->mapping);
    return str_equal(meaning_record(looked->world, meaning).record_id, looked->becomes.record_id);
}

static void find_same(Looked *looked, const ModelWork *work, const int64_t *events)
{
    Model *model = &looked->world->model;
    for (size_t i = 0; i < work->count; i++) {
        const EventItem *item = &work->events[i];
        Str id = item->taken_for ? work->items[i].record_id : item->alias;
        if ((item->replaces || item->taken_for) && str_equal(id, looked->becomes.record_id)) {
            looked->same_as = events[i];
            looked->holder = EVENT_HOLDER_BEFORE_IT;
            return;
        }
    }
    looked->holder = model_holder(model, &looked->becomes, looked->becomes.record_id);
    bool is_other = looked->holder && (looked->taken_back || looked->holder != looked->seq);
    looked->same_as = is_other && keeps_id(looked, looked->holder) ? looked->holder : 0;
}

static bool is_right(const Looked *looked)
{
    const Model *model = &looked->world->model;
    uint32_t differs =
        model_differs(model, &model_at(model, looked->seq)->record, &looked->becomes) & ~(uint32_t)FIELD_RECORD_ID;
    return looked->taken_back ? looked->same_as != 0 : differs == 0 && looked->holder == looked->seq;
}

/* ---- What puts it right ------------------------------------------------------------------------------------------ */

static Str id_of(const Looked *looked, int64_t number)
{
    Model *model = &looked->world->model;
    Str id = model_at(model, looked->event->seq)->record.record_id;
    size_t prefix = sizeof "sha256:" - 1;
    const char *text = arena_printf(&looked->world->workload.texts, "correction:%.*s:%" PRId64, (int)(id.len - prefix),
                                    id.ptr + prefix, number);
    return str_from(need((void *)(uintptr_t)text));
}

static EventItem *add(const Looked *looked, ModelWork *work, const Record *content, bool replaces)
{
    const World *world = looked->world;
    int64_t now_us = world->machine.clock.wall_us;
    Record *record = (Record *)(uintptr_t)&work->items[work->count];
    EventItem *item = (EventItem *)(uintptr_t)&work->events[work->count++];
    *record = *content;
    record->record_id = id_of(looked, 2 * looked->rounds + 1 + replaces);
    record->traceparent = (Str){NULL, 0};
    *item = (EventItem){.raw = STR(""),
                        .mapping = meaning_mapping(world->senders.mapping),
                        .alias = STR(""),
                        .received_us = now_us,
                        .normalised_us = now_us,
                        .hashed_us = now_us,
                        .corrects = looked->seq,
                        .replaces = replaces};
    return item;
}

static Record reversal_of(const Looked *looked)
{
    Record record = model_at(&looked->world->model, looked->seq)->record;
    record.type = record.type == RECORD_POSITIVE ? RECORD_NEGATIVE : RECORD_POSITIVE;
    return record;
}

/* A record that is no correction may have the name of one: then nothing is done. */
static bool is_taken(const Looked *looked, const ModelWork *work, size_t from)
{
    bool taken = false;
    for (size_t i = from; i < work->count; i++) {
        taken = taken || model_find(&looked->world->model, &work->items[i]);
    }
    return taken;
}

static void put_right(const Looked *looked, ModelWork *work, int64_t *events)
{
    size_t from = work->count;
    EventItem *last = NULL;
    if (!looked->taken_back) {
        Record reversal = reversal_of(looked);
        last = add(looked, work, &reversal, false);
    }
    if (!looked->same_as) {
        last = add(looked, work, &looked->becomes, true);
    }
    last->alias = looked->becomes.record_id;
    last->client = looked->becomes.source_id;
    last->holder = looked->holder;
    for (size_t i = from; i < work->count; i++) {
        events[i] = looked->event->seq;
    }
    work->count = is_taken(looked, work, from) ? from : work->count;
}

static const Fact *draw_event(World *world)
{
    const EventModel *events = &world->model.events;
    size_t at = events->count ? below(world, events->count) : 0;
    while (at < events->count && events->facts[at].kind != FACT_EVENT) {
        at++;
    }
    return at < events->count ? &events->facts[at] : NULL;
}

static bool is_planned(const ModelWork *work, const int64_t *events, int64_t seq)
{
    bool planned = false;
    for (size_t i = 0; i < work->count; i++) {
        planned = planned || events[i] == seq;
    }
    return planned;
}

static bool is_full(const ModelWork *work) { return work->count + 2 > 2 * CHANGES_MAX; }

/* By the mapping of now. */
static Record read_again(World *world, Str raw)
{
    const Senders *senders = &world->senders;
    return meaning_record(world, meaning_of(senders->key, meaning_event(raw), senders->mapping));
}

/* Whether an event counts as what was taken for a duplicate, or is to be put right so; else `holder` is who has its id,
 * and does not keep it. */
static bool is_counted(Looked *looked, const ModelWork *work, const int64_t *events)
{
    const EventModel *facts = &looked->world->model.events;
    Str id = looked->becomes.record_id;
    int64_t lead = event_model_lead(facts, id);
    if (str_equal(read_again(looked->world, looked->event->item.raw).record_id, id)) {
        return true;
    }
    find_same(looked, work, events);
    if (looked->holder == EVENT_HOLDER_BEFORE_IT) {
        return true;
    }
    return lead < 0 ? keeps_id(looked, -lead) : looked->holder && keeps_id(looked, looked->holder);
}

static void bring_back(const Looked *looked, const Fact *duplicate, ModelWork *work, int64_t *events)
{
    const World *world = looked->world;
    int64_t now_us = world->machine.clock.wall_us;
    events[work->count] = looked->event->seq;
    *(Record *)(uintptr_t)&work->items[work->count] = looked->becomes;
    EventItem *item = (EventItem *)(uintptr_t)&work->events[work->count++];
    *item = (EventItem){.client = looked->becomes.source_id,
                        .raw = duplicate->item.raw,
                        .mapping = meaning_mapping(world->senders.mapping),
                        .alias = STR(""),
                        .received_us = duplicate->item.received_us,
                        .normalised_us = now_us,
                        .hashed_us = now_us,
                        .taken_for = looked->event->seq,
                        .holder = looked->holder};
}

/* False: there are more. */
static bool look_at_duplicates(World *world, const Fact *event, ModelWork *work, int64_t *events)
{
    const EventModel *facts = &world->model.events;
    size_t at = event_model_next_duplicate(facts, event->seq, 0);
    for (; at != SIZE_MAX && !is_full(work); at = event_model_next_duplicate(facts, event->seq, at + 1)) {
        const Fact *duplicate = event_model_duplicate(facts, at);
        Looked looked = {.world = world, .event = event, .becomes = read_again(world, duplicate->item.raw)};
        if (!is_counted(&looked, work, events)) {
            bring_back(&looked, duplicate, work, events);
        }
    }
    return at == SIZE_MAX && !is_full(work);
}

/* What was taken for its duplicates comes first. False: it is to be looked at once more. */
static bool look_at(World *world, const Fact *event, ModelWork *work, int64_t *events)
{
    Looked looked = {.world = world, .event = event, .becomes = read_again(world, event->item.raw)};
    if (!look_at_duplicates(world, event, work, events)) {
        return false;
    }
    find_in_force(&looked);
    find_same(&looked, work, events);
    if (!is_right(&looked)) {
        put_right(&looked, work, events);
    }
    return true;
}

static ModelWork new_work(void)
{
    return (ModelWork){.kind = WORK_RECORDS,
                       .items = need(calloc(2 * CHANGES_MAX, sizeof(Record))),
                       .events = need(calloc(2 * CHANGES_MAX, sizeof(EventItem))),
                       .atomic = true,
                       .quiet = true};
}

ModelWork corrections_draw(World *world)
{
    int64_t events[2 * CHANGES_MAX]; /* which event each record is about */
    size_t changes = below(world, 2) ? 1 : 1 + below(world, CHANGES_MAX);
    ModelWork work = new_work();
    for (size_t i = 0, found = 0; i < LOOKS_MAX && found < changes && !is_full(&work); i++) {
        size_t before = work.count;
        const Fact *event = draw_event(world);
        if (event && !is_planned(&work, events, event->seq)) {
            (void)look_at(world, event, &work, events);
        }
        found += work.count > before;
    }
    work.simulate_failure = below(world, 100) < world->senders.fault_percent;
    return work;
}

/* ---- All of them ------------------------------------------------------------------------------------------------- */

ModelWork corrections_next(World *world, size_t *at)
{
    const EventModel *facts = &world->model.events;
    int64_t events[2 * CHANGES_MAX];
    ModelWork work = new_work();
    bool done = true;
    while (*at < facts->count && done && !is_full(&work)) {
        done = facts->facts[*at].kind != FACT_EVENT || look_at(world, &facts->facts[*at], &work, events);
        *at += done;
    }
    return work;
}

/* `by_id` has whoever counts as what the id means. */
static void check_event(World *world, const Fact *event, PlainMap *by_id)
{
    Looked looked = {.world = world, .event = event};
    const Senders *senders = &world->senders;
    looked.becomes = meaning_record(world, meaning_of(senders->key, meaning_event(event->item.raw), senders->mapping));
    find_in_force(&looked);
    Str id = looked.becomes.record_id;
    int64_t holder = model_holder(&world->model, &looked.becomes, id), other = plain_map_get(by_id, id);
    if (!looked.taken_back && (other || holder != looked.seq)) {
        story_failf(&world->story,
                    "event %" PRId64 " counts as record %" PRId64 ", but it is known as %" PRId64
                    ", and record %" PRId64 " (0: none) counts as the same",
                    event->seq, looked.seq, holder, other);
    }
    if (looked.taken_back && !holder) {
        story_failf(&world->story, "event %" PRId64 " was taken back, and nothing counts for it", event->seq);
    }
    if (!looked.taken_back) {
        plain_map_put(by_id, id, looked.seq);
    }
}

/* Whatever was taken for a duplicate, counts. */
static void check_duplicate(World *world, const Fact *duplicate, const PlainMap *by_id)
{
    Str id = read_again(world, duplicate->item.raw).record_id;
    if (!plain_map_get(by_id, id)) {
        story_failf(&world->story,
                    "what was taken for a duplicate of event %" PRId64 " is %.*s, and nothing counts for it",
                    duplicate->kept_for, STR_ARGS(id));
    }
}

void corrections_check(World *world)
{
    const EventModel *facts = &world->model.events;
    PlainMap by_id;
    plain_map_init(&by_id);
    for (size_t i = 0; i < facts->count; i++) {
        if (facts->facts[i].kind == FACT_EVENT) {
            check_event(world, &facts->facts[i], &by_id);
        }
    }
    for (size_t i = 0; i < facts->duplicate_count; i++) {
        check_duplicate(world, event_model_duplicate(facts, i), &by_id);
    }
    plain_map_release(&by_id);
}

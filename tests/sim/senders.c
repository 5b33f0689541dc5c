#include "sim/senders.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim/corrections.h"
#include "sim/event_look.h"
#include "sim/meaning.h"
#include "sim/people.h"
#include "sim/world.h"
#include "support/need.h"
#include "support/random.h"

static uint64_t below(World *world, uint64_t limit) { return random_below(&world->senders.random, limit); }
static bool percent(World *world, unsigned chance) { return below(world, 100) < chance; }

#define KEEP(world, ...) str_from(need((void *)(uintptr_t)arena_printf(&(world)->workload.texts, __VA_ARGS__)))

/* ---- What the seed draws ----------------------------------------------------------------------------------------- */

/* Some are destinations of plain records, too, so that flows have both. */
static void draw_clients(World *world)
{
    Senders *senders = &world->senders;
    const WorkloadTexts *known = &world->workload.destinations;
    senders->client_count = 1 + below(world, SENDERS_CLIENTS_MAX);
    for (size_t i = 0; i < senders->client_count; i++) {
        senders->clients[i] = i < known->count && percent(world, 30) ? known->items[i] : KEEP(world, "client-%zu", i);
    }
}

void senders_init(World *world, uint64_t seed)
{
    static const uint64_t totals[] = {20, 100, 300, 800};
    Senders *senders = &world->senders;
    *senders = (Senders){.random = seed, .number = 1000000};
    if (percent(world, 50)) {
        return;
    }
    senders->busy_percent = 20 + (unsigned)below(world, 60);
    senders->key = random_next(&senders->random);
    draw_clients(world);
    senders->events_max = totals[below(world, sizeof totals / sizeof *totals)];
    senders->repeat_percent = 10 + (unsigned)below(world, 60);
    senders->fail_percent = (unsigned)below(world, 20);
    senders->correct_percent = percent(world, 20) ? 0 : 10 + (unsigned)below(world, 50);
    senders->fault_percent = percent(world, 50) ? 0 : (unsigned)below(world, 15);
    senders->events_at_once = 1 + below(world, percent(world, 30) ? 60 : 8);
    senders->calls_max = 1 + below(world, 6);
    senders_draw_settings(world);
    story_tell(&world->story, "%zu clients send events", senders->client_count);
}

bool senders_are_there(const World *world) { return world->senders.busy_percent > 0; }

void senders_draw_settings(World *world)
{
    static const size_t attempts[] = {1, 3, 10, 50, STORE_EVENT_ATTEMPTS_MAX};
    static const size_t clients[] = {1, 2, 5, 20, STORE_EVENT_CLIENTS_MAX};
    StoreOptions *options = &world->machine.options;
    if (senders_are_there(world)) {
        options->event_attempts_max = attempts[below(world, sizeof attempts / sizeof *attempts)];
        options->event_clients_max = clients[below(world, sizeof clients / sizeof *clients)];
    }
}

void senders_begin_life(World *world)
{
    world->model.events.attempts_max = world->machine.options.event_attempts_max;
    world->model.events.clients_max = world->machine.options.event_clients_max;
    if (senders_are_there(world)) {
        story_tell(&world->story, "bounds: of events %zu attempts are kept, and %zu clients by name",
                   world->model.events.attempts_max, world->model.events.clients_max);
    }
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

/* What is sent again most often came in lately. */
static uint64_t draw_event(World *world)
{
    Senders *senders = &world->senders;
    bool repeat =
        senders->made > 0 && (senders->made == senders->events_max || percent(world, senders->repeat_percent));
    if (!repeat) {
        return ++senders->made;
    }
    uint64_t recent = percent(world, 60) && senders->made > 20 ? 20 : senders->made;
    return senders->made - below(world, recent);
}

/* Now and then the client names a mapping itself. */
static Sent draw_sent(World *world)
{
    uint64_t event = draw_event(world);
    return (Sent){.event = event,
                  .mapping = percent(world, 85) ? world->senders.mapping : (unsigned)below(world, SENDERS_MAPPINGS),
                  .spelling = percent(world, 60) ? 0 : (unsigned)below(world, 4)};
}

/* One with an id that leads nowhere any more; the same bytes again, or others. False when there is none at hand. */
static bool draw_ended(World *world, Sent *ret_sent)
{
    const PlainMap *leads = &world->model.events.leads;
    size_t from = below(world, leads->capacity);
    for (size_t i = 0; i < leads->capacity; i++) {
        const struct PlainSlot *slot = &leads->slots[(from + i) % leads->capacity];
        uint64_t number = slot->value < 0 ? meaning_number(slot->key) : 0;
        if (number > 0 && number <= world->senders.made) { /* the first mapping has no other meaning for it */
            *ret_sent = (Sent){.event = number, .spelling = (unsigned)below(world, 4)};
            return true;
        }
    }
    return false;
}

static void add_sent(World *world, ModelWork *work, Sent sent, int64_t letter)
{
    int64_t now_us = world->machine.clock.wall_us;
    Record record = meaning_record(world, meaning_of(world->senders.key, sent.event, sent.mapping));
    EventItem item = {.client = record.source_id,
                      .raw = meaning_bytes(world, sent.event, sent.spelling),
                      .mapping = meaning_mapping(sent.mapping),
                      .received_us = now_us - (int64_t)below(world, 1000),
                      .normalised_us = now_us,
                      .hashed_us = now_us + (int64_t)below(world, 3)};
    ((Record *)(uintptr_t)work->items)[work->count] = record;
    ((IntakeLetter *)(uintptr_t)work->letters)[work->count] =
        (IntakeLetter){.place = record.record_id, .format = STR("event"), .raw = item.raw, .letter = letter};
    ((EventItem *)(uintptr_t)work->events)[work->count++] = item;
}

static void add_event(World *world, ModelWork *work, int64_t letter)
{
    Sent *last = &world->senders.last, sent = *last;
    sent.spelling = (unsigned)below(world, 4);
    bool is_last_again = last->event && percent(world, 12);
    if (!is_last_again && (!percent(world, 10) || !draw_ended(world, &sent))) {
        sent = draw_sent(world);
    }
    add_sent(world, work, sent, letter);
    *last = sent;
}

static Str draw_failed_client(World *world)
{
    const Senders *senders = &world->senders;
    switch (below(world, 5)) {
    case 0: return STR("");
    case 1: return KEEP(world, "unknown-%" PRIu64, below(world, 5));
    case 2: return KEEP(world, "longer than a text may be %01100u", (unsigned)below(world, 3));
    default: return senders->clients[below(world, senders->client_count)];
    }
}

static void add_failed(World *world, ModelWork *work, int64_t letter)
{
    Senders *senders = &world->senders;
    bool repeat = senders->failed > 0 && percent(world, 50);
    uint64_t number = repeat ? 1 + below(world, senders->failed) : ++senders->failed;
    ((EventItem *)(uintptr_t)work->failed)[work->failed_count] = (EventItem){
        .client = draw_failed_client(world), .received_us = world->machine.clock.wall_us - (int64_t)below(world, 1000)};
    ((IntakeLetter *)(uintptr_t)work->refused)[work->failed_count++] =
        (IntakeLetter){.place = KEEP(world, "sha256:failed-%" PRIu64, number),
                       .format = STR("event"),
                       .raw = KEEP(world, "{\"failed\":%" PRIu64 "}", number),
                       .error = KEEP(world, "no amount, as of call %" PRId64, senders->number),
                       .letter = letter};
}

/* A dead letter that is tried again, or, seldom, one that somebody takes for such; 0: there is none. */
static int64_t draw_letter(World *world)
{
    const Tables *tables = &world->tables;
    bool any = percent(world, 5);
    for (size_t i = 0; i < tables->letter_count; i++) {
        const TableLetter *letter = &tables->letters[i];
        if (tables_is_of_intake(letter) && (any || letter->state == DEAD_LETTER_RETRYING) && percent(world, 30)) {
            return (int64_t)i + 1;
        }
    }
    return 0;
}

/* Room for so many of each. */
static ModelWork new_work(size_t count)
{
    return (ModelWork){.kind = WORK_RECORDS,
                       .items = need(calloc(count, sizeof(Record))),
                       .events = need(calloc(count, sizeof(EventItem))),
                       .failed = need(calloc(count, sizeof(EventItem))),
                       .letters = need(calloc(count, sizeof(IntakeLetter))),
                       .refused = need(calloc(count, sizeof(IntakeLetter)))};
}

static void forget_letters(ModelWork *work)
{
    free((void *)(uintptr_t)work->letters);
    free((void *)(uintptr_t)work->refused);
    work->letters = work->refused = NULL;
}

static ModelWork draw_events(World *world)
{
    Senders *senders = &world->senders;
    size_t count = percent(world, 30) ? 1 : 1 + below(world, senders->events_at_once);
    ModelWork work = new_work(count);
    for (size_t i = 0; i < count; i++) {
        int64_t letter = percent(world, 20) ? draw_letter(world) : 0;
        bool fails = percent(world, letter ? 40 : senders->fail_percent);
        (fails ? add_failed : add_event)(world, &work, letter);
    }
    work.atomic = percent(world, 15);
    work.dry_run = percent(world, 8);
    work.simulate_failure = percent(world, senders->fault_percent);
    if (percent(world, 10)) { /* what failed is nobody's dead letter then */
        forget_letters(&work);
    }
    return work;
}

/* ---- Others ------------------------------------------------------------------------------------------------------ */

/* A plain record that has the id of an event. */
static ModelWork draw_impostor(World *world)
{
    Senders *senders = &world->senders;
    ModelWork work = {.kind = WORK_RECORDS, .items = need(calloc(1, sizeof(Record))), .count = 1};
    uint64_t event = 1 + below(world, senders->made + 1);
    *(Record *)(uintptr_t)work.items =
        meaning_record(world, meaning_of(senders->key, event, (unsigned)below(world, SENDERS_MAPPINGS)));
    return work;
}

static void see_to_letters(World *world)
{
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.origin = TABLES_SOURCE;
    if (percent(world, 50)) {
        filter.id = 1 + (int64_t)below(world, world->tables.letter_count + 1);
    }
    people_submit(world, (Work){.kind = WORK_DEAD_LETTERS,
                                .dead_letters = {.filter = filter,
                                                 .action = percent(world, 80) ? DEAD_LETTER_RETRY : DEAD_LETTER_DISCARD,
                                                 .limit = 1 + below(world, 10)}});
}

static void hand_in(World *world, ModelWork *work)
{
    if (work->count + work->failed_count > 0) {
        clients_call_events(world, work);
    } else {
        model_work_release(work);
    }
}

/* Between the look and the write the clients send those again that are to be corrected: as they are read now. */
static void come_first(World *world, const ModelWork *corrections)
{
    const Senders *senders = &world->senders;
    ModelWork work = new_work(corrections->count + 1);
    for (size_t i = 0; i < corrections->count; i++) {
        const EventItem *item = &corrections->events[i];
        const Fact *origin = event_model_origin(&world->model.events, item->corrects);
        Str raw = item->taken_for ? item->raw : origin->item.raw;
        Sent sent = {.event = meaning_event(raw), .mapping = senders->mapping};
        if (percent(world, 50)) {
            add_sent(world, &work, sent, 0);
        }
    }
    hand_in(world, &work);
}

/* As a start with another configuration does it: no correction that was planned by the one before is under way. */
static void change_mapping(World *world)
{
    Senders *senders = &world->senders;
    if (world->clients.under_way[CLIENTS_OF_EVENTS] == 0) {
        senders->mapping = (unsigned)below(world, SENDERS_MAPPINGS);
        story_tell(&world->story, "mapping %u is in force", senders->mapping);
    }
}

/* Where records are known by their content nothing is corrected. */
static void call(World *world)
{
    Senders *senders = &world->senders;
    bool corrects = senders->made > 0 && world->workload.identity != IDENTITY_CONTENT;
    ModelWork work;
    if (world->clients.under_way[CLIENTS_OF_EVENTS] >= senders->calls_max ||
        (percent(world, 40) && clients_call_events_again(world))) {
        return;
    }
    if (corrects && percent(world, senders->correct_percent)) {
        work = corrections_draw(world);
        if (percent(world, 30)) {
            come_first(world, &work);
        }
    } else if (percent(world, 2)) {
        work = draw_impostor(world);
    } else {
        work = draw_events(world);
    }
    hand_in(world, &work);
}

static void act(World *world)
{
    uint64_t drawn = below(world, 100);
    if (drawn < 12) {
        event_look_step(world);
    } else if (drawn < 16) {
        see_to_letters(world);
    } else if (drawn < 20) {
        change_mapping(world);
    } else {
        call(world);
    }
}

void senders_step(World *world)
{
    enum { ACTS_MAX = 3 };
    size_t acts = percent(world, world->senders.busy_percent) ? 1 + below(world, ACTS_MAX) : 0;
    for (size_t i = 0; i < acts && !faults_end_is_due(world); i++) {
        act(world);
    }
}

void senders_tell_item(World *world, const EventItem *item)
{
    char line[200];
    if (item->corrects) {
        snprintf(line, sizeof line, "  %s record %" PRId64 ", as %.*s, which is record %" PRId64 "'s",
                 item->replaces ? "replaces" : "takes back", item->corrects, STR_ARGS(item->alias), item->holder);
    } else {
        int len = item->raw.len < 60 ? (int)item->raw.len : 60;
        snprintf(line, sizeof line, "  by mapping %.*s from %.*s", STR_ARGS(item->mapping), len, item->raw.ptr);
    }
    if (item->taken_for) {
        size_t end = strlen(line);
        snprintf(line + end, sizeof line - end, ", taken for event %" PRId64 " at first", item->taken_for);
    }
    story_detail(&world->story, line);
}

#include "sim/deliveries.h"

#include <inttypes.h>
#include <stdlib.h>

#include "deliver/subscription_json.h"
#include "sim/people.h"
#include "sim/wire_check.h"
#include "sim/world.h"
#include "support/need.h"
#include "support/random.h"

#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US   (3600 * SECOND_US)

static uint64_t below(World *world, uint64_t limit) { return random_below(&world->deliveries.random, limit); }
static bool percent(World *world, unsigned chance) { return below(world, 100) < chance; }
static unsigned some(World *world, unsigned most) { return (unsigned)below(world, (uint64_t)most + 1); }

static Status fill_random(void *self, void *bytes, size_t count, Error *reterr)
{
    (void)reterr;
    for (size_t i = 0; i < count; i++) {
        ((uint8_t *)bytes)[i] = (uint8_t)random_next(self);
    }
    return STATUS_OK;
}

/* ---- What the seed draws ----------------------------------------------------------------------------------------- */

static Str one_of(World *world, const WorkloadTexts *texts) { return texts->items[below(world, 1 + texts->count / 4)]; }

static Subscription draw_subscription(World *world)
{
    static const unsigned kinds[] = {7, 7, 7, 7, 1, 2, 3, 5, 6, 4};
    Subscription subscription = {.kinds = kinds[below(world, sizeof kinds / sizeof *kinds)], .type = -1};
    const Workload *workload = &world->workload;
    if (percent(world, 15)) {
        subscription.destination_id = one_of(world, &workload->destinations);
    }
    if (percent(world, 8)) {
        subscription.source_id = one_of(world, &workload->sources);
    }
    if (percent(world, 8)) {
        subscription.unit = one_of(world, &workload->units);
    }
    subscription.type = percent(world, 10) ? (int)below(world, 2) : -1;
    subscription.value_min = percent(world, 15) ? (int64_t)below(world, (uint64_t)workload->value_typical) : 0;
    return subscription;
}

static void draw_schedule(World *world, SinkOptions *options)
{
    static const int64_t longest[] = {SECOND_US / 10, SECOND_US, 20 * SECOND_US, 5 * MINUTE_US, 10 * HOUR_US};
    int64_t most_us = longest[below(world, sizeof longest / sizeof *longest)];
    options->schedule_count = 1 + below(world, 8);
    for (size_t i = 1; i < options->schedule_count; i++) {
        options->schedule_us[i] = (int64_t)below(world, (uint64_t)most_us);
    }
}

const char *deliveries_kinds(unsigned kinds, char ret_text[DELIVERIES_KINDS_BYTES])
{
    size_t len = 0;
    snprintf(ret_text, DELIVERIES_KINDS_BYTES, "nothing");
    for (MessageKind kind = 0; kind < MESSAGE_KIND_COUNT && len < DELIVERIES_KINDS_BYTES; kind++) {
        if (kinds & 1u << kind) {
            len += (size_t)snprintf(ret_text + len, DELIVERIES_KINDS_BYTES - len, "%s%s", len ? ", " : "",
                                    message_kind_name(kind));
        }
    }
    return ret_text;
}

static void tell_sink(World *world, const SimSink *sink, const SinkOptions *options)
{
    static const char *const names[] = {"webhook", "transactions", "stream", "list"};
    char kinds[DELIVERIES_KINDS_BYTES];
    story_tell(&world->story,
               "%s: %s%s of %s, room for %zu, from seq %" PRId64 ", %zu attempts, breaker at %u %% of %u",
               options->name, options->ordered ? "ordered " : "", names[sink->style],
               deliveries_kinds(options->subscription.kinds, kinds), options->in_flight_max, options->start_seq,
               options->schedule_count, options->breaker_percent, options->breaker_requests);
}

static void draw_sink(World *world, size_t at)
{
    static const size_t rooms[] = {1, 2, 5, 16, 64, 300};
    SimSink *sink = &world->deliveries.sinks[at];
    SinkOptions *options = &world->deliveries.options[at];
    size_t room = rooms[below(world, sizeof rooms / sizeof *rooms)];
    room = world->workload.is_large ? 300 : room;
    sink->style = percent(world, 40) ? FAKE_WEBHOOK : (FakeStyle)below(world, 4);
    *options = (SinkOptions){.name = tables_sink_name(at),
                             .type = sink->style == FAKE_WEBHOOK        ? SINK_WEBHOOK
                                     : sink->style == FAKE_TRANSACTIONS ? SINK_KAFKA
                                                                        : SINK_REDIS,
                             .subscription = draw_subscription(world),
                             .start_seq = percent(world, 60) ? 0 : (int64_t)below(world, 60) - 1,
                             .in_flight_max = room,
                             .timeout_us = SECOND_US / 2 + (int64_t)below(world, 10 * SECOND_US),
                             .ordered = sink->style == FAKE_WEBHOOK && percent(world, 50),
                             .breaker_percent = percent(world, 40) ? 0 : 30 + some(world, 70),
                             .breaker_requests = 1 + some(world, 12),
                             .breaker_window_us = SECOND_US + (int64_t)below(world, 30 * SECOND_US),
                             .breaker_pause_us = SECOND_US / 5 + (int64_t)below(world, 10 * SECOND_US)};
    draw_schedule(world, options);
    sink->receiver = fake_sinks_add(world->deliveries.fakes, options->name, sink->style, room);
    tell_sink(world, sink, options);
}

static void draw_filters(World *world)
{
    SimFilter *filters = world->deliveries.filters;
    Subscription subscription = {
        .kinds = 3, .type = -1, .destination_id = one_of(world, &world->workload.destinations)};
    Buf buf;
    buf_init(&buf, 65536);
    subscription_put_json(&buf, &subscription, world->workload.scale);
    Str text = arena_copy(&world->workload.texts, buf_str(&buf));
    filters[0] = (SimFilter){STR("{}"), 0, -1, {NULL, 0}};
    filters[1] = (SimFilter){STR("{\"type\":\"positive\"}"), 0, RECORD_POSITIVE, {NULL, 0}};
    filters[2] = (SimFilter){STR("{\"messages\":[\"alert\"],\"type\":\"negative\"}"), 2, RECORD_NEGATIVE, {NULL, 0}};
    filters[3] = (SimFilter){text, 3, -1, subscription.destination_id};
    buf_release(&buf);
}

void deliveries_init(World *world, uint64_t seed)
{
    Deliveries *deliveries = &world->deliveries;
    *deliveries = (Deliveries){.random = seed, .fakes_random = seed + 1, .jitter_random = seed + 2};
    looks_init(&deliveries->looks, seed + 3);
    deliveries->fakes_numbers = (Random){fill_random, &deliveries->fakes_random};
    deliveries->jitter_numbers = (Random){fill_random, &deliveries->jitter_random};
    FakeSinksOptions fakes = {
        .clock = &world->machine.clock.clock, .random = &deliveries->fakes_numbers, .sleep = wire_sleep, .self = world};
    deliveries->fakes = fake_sinks_new(&fakes);
    deliveries->count = percent(world, 25) ? 0 : 1 + below(world, TABLES_SINKS_MAX);
    for (size_t i = 0; i < deliveries->count; i++) {
        draw_sink(world, i);
    }
    draw_filters(world);
    world->machine.dispatcher_options = (DispatcherOptions){.clock = &world->machine.clock.clock,
                                                            .random = &deliveries->jitter_numbers,
                                                            .sinks = deliveries->options,
                                                            .sink_count = deliveries->count,
                                                            .open_sink = wire_open,
                                                            .self = world};
}

void deliveries_release(World *world)
{
    Deliveries *deliveries = &world->deliveries;
    fake_sinks_free(deliveries->fakes);
    for (size_t i = 0; i < deliveries->count; i++) {
        free(deliveries->sinks[i].seen);
        attempts_release_line(&deliveries->sinks[i].line);
    }
    wire_forget_replays(world);
    free(deliveries->replays);
}

void deliveries_begin_life(World *world)
{
    world->deliveries.info = *store_info(world->machine.store);
    wire_begin_life(world);
}

void deliveries_rewound(World *world)
{
    messages_rewound(&world->messages, model_last_seq(&world->model));
    wire_begin_anew(world);
}

/* ---- What goes wrong on the other side --------------------------------------------------------------------------- */

static void draw_faults(World *world, size_t at)
{
    const SimSink *sink = &world->deliveries.sinks[at];
    bool alone = sink->style == FAKE_WEBHOOK; /* a broker fails as a whole */
    FakeFaults faults = {.held = some(world, 30), .refused = percent(world, 40) ? some(world, 15) : 0};
    if (percent(world, 60)) {
        faults.failed = alone ? some(world, percent(world, 40) ? 850 : 150) : 0;
        faults.lost = alone ? some(world, 90) : 0;
        faults.gone = alone && percent(world, 20) ? some(world, 4) : 0;
        faults.twice = some(world, 50);
        faults.connect_busy = some(world, 300);
        faults.send_busy = some(world, 100);
        faults.send_unknown = some(world, 100);
    }
    faults.asks = percent(world, 50) ? some(world, 1000) : 0;
    faults.retry_after_us_max = percent(world, 50) ? 2 * SECOND_US : 15 * MINUTE_US;
    faults.latency_us_max = percent(world, 40) ? 0 : (int64_t)below(world, percent(world, 70) ? 300000 : 4 * SECOND_US);
    faults.latency_us_min = (int64_t)below(world, (uint64_t)faults.latency_us_max + 1);
    fake_receiver_set_faults(sink->receiver, &faults);
    story_tell(&world->story, "%s: of a thousand %u fail (%u ask for time), %u are refused, %u lost, %u held, %u gone",
               tables_sink_name(at), faults.failed, faults.asks, faults.refused, faults.lost, faults.held, faults.gone);
}

static void script(World *world, size_t at)
{
    static const SinkVerdict verdicts[] = {SINK_REFUSED, SINK_FAILED, SINK_FAILED, SINK_TAKEN};
    bool alone = world->deliveries.sinks[at].style == FAKE_WEBHOOK;
    FakeAnswer answer = {.seq = model_last_seq(&world->model) + (int64_t)below(world, 30) - 10,
                         .times = 1 + some(world, 6),
                         .verdict = alone ? verdicts[below(world, sizeof verdicts / sizeof *verdicts)] : SINK_REFUSED,
                         .keeps = percent(world, 20),
                         .twice = percent(world, 20)};
    answer.after_us = (int64_t)below(world, 2 * SECOND_US);
    answer.retry_after_us = alone && percent(world, 30) ? (int64_t)below(world, 20 * SECOND_US) : 0;
    if (answer.seq > 0) {
        fake_receiver_script(world->deliveries.sinks[at].receiver, answer);
    }
}

static void go_down(World *world, size_t at)
{
    SimSink *sink = &world->deliveries.sinks[at];
    sink->down_until_step = world->story.step + 1 + (int64_t)below(world, 40);
    fake_receiver_set_down(sink->receiver, true);
    if (percent(world, 50)) {
        fake_receiver_cut(sink->receiver);
    }
    story_headline(&world->story, "%s is down until step %" PRId64, tables_sink_name(at), sink->down_until_step);
}

static void come_up(World *world, size_t at)
{
    SimSink *sink = &world->deliveries.sinks[at];
    sink->down_until_step = 0;
    fake_receiver_set_down(sink->receiver, false);
    story_headline(&world->story, "%s is up again", tables_sink_name(at));
}

/* A broker keeps a place for days: it forgets one that Weir has stored as well. */
static void forget(World *world, size_t at)
{
    SimSink *sink = &world->deliveries.sinks[at];
    SinkPlace theirs = {0};
    bool has_place = fake_receiver_place(sink->receiver, &theirs);
    if (has_place && world->tables.sinks[at].place.cursor >= theirs.cursor && world->clients.unsure_count == 0 &&
        !world->deliveries.lost_something) {
        fake_receiver_forget(sink->receiver);
        story_headline(&world->story, "%s has forgotten its place", tables_sink_name(at));
    }
}

/* The tail of a stream, at least one message of which stays: of one that has vanished nobody would know. */
static void lose_tail(World *world, size_t at)
{
    SimSink *sink = &world->deliveries.sinks[at];
    size_t count, first = 0;
    const FakeDelivery *deliveries = fake_receiver_deliveries(sink->receiver, &count);
    SinkPlace place = {0};
    while (first < count && (deliveries[first].job || !deliveries[first].placed)) {
        first++;
    }
    if (sink->style != FAKE_STREAM || first + 1 >= count || !fake_receiver_place(sink->receiver, &place)) {
        return;
    }
    size_t most = count - first - 1;
    wire_lose(world, at, 1 + below(world, most < 50 ? most : 50));
    world->deliveries.lost_something = true;
}

static void go_wrong(World *world)
{
    size_t at = below(world, world->deliveries.count);
    switch (below(world, 10)) {
    case 0:
    case 1:
    case 2: draw_faults(world, at); break;
    case 3:
    case 4: script(world, at); break;
    case 5: go_down(world, at); break;
    case 6: forget(world, at); break;
    case 7: lose_tail(world, at); break;
    case 8: fake_receiver_cut(world->deliveries.sinks[at].receiver); break;
    default: machine_pass_time(&world->machine, (int64_t)below(world, MINUTE_US));
    }
}

static void end_outages(World *world)
{
    for (size_t i = 0; i < world->deliveries.count; i++) {
        int64_t until = world->deliveries.sinks[i].down_until_step;
        if (until && (world->story.step >= until || world->deliveries.is_peaceful)) {
            come_up(world, i);
        }
    }
}

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

static int64_t next_answer_us(const World *world)
{
    int64_t next_us = INT64_MAX;
    for (size_t i = 0; i < world->deliveries.count; i++) {
        int64_t due_us = fake_receiver_due_us(world->deliveries.sinks[i].receiver);
        next_us = due_us < next_us ? due_us : next_us;
    }
    return next_us;
}

/* Lets the lines move on, and the time go by until there may be more to do, but at most so long. */
static void move_on(World *world, int64_t us_max)
{
    int64_t wait_us = wire_step(world);
    int64_t answer_us = next_answer_us(world) - world->machine.clock.monotonic_us;
    wait_us = answer_us < wait_us ? answer_us : wait_us;
    wait_us = wait_us < us_max ? wait_us : us_max;
    machine_pass_time(&world->machine, wait_us > 0 ? wait_us : 1);
}

void deliveries_step(World *world)
{
    bool idle = false;
    if (world->deliveries.count == 0) {
        return;
    }
    end_outages(world);
    if (percent(world, 12)) {
        go_wrong(world);
    }
    if (percent(world, 12)) {
        people_act(world);
    }
    size_t rounds = 1 + below(world, 6);
    for (size_t i = 0; i < rounds && !sim_disk_is_frozen(world->machine.disk); i++) {
        move_on(world, (int64_t)below(world, SECOND_US));
        if (percent(world, 40) && !sim_disk_is_frozen(world->machine.disk)) {
            machine_step(&world->machine, &idle);
        }
    }
}

/* ---- The end ----------------------------------------------------------------------------------------------------- */

static void make_peace(World *world)
{
    const FakeFaults none = {0};
    world->deliveries.is_peaceful = true;
    end_outages(world);
    for (size_t i = 0; i < world->deliveries.count; i++) {
        fake_receiver_set_faults(world->deliveries.sinks[i].receiver, &none);
    }
}

/* A line that has nothing to send may be left with a breaker that is open. One that has just gone back, behind what is
 * stored, is not at rest. */
static bool all_run(const World *world)
{
    LineStatus lines[DISPATCHER_SINKS_MAX];
    size_t count = dispatcher_status(world->machine.dispatcher, lines, DISPATCHER_SINKS_MAX);
    for (size_t i = 0; i < count; i++) {
        bool is_open = lines[i].state == LINE_HOLDING && lines[i].breaker != BREAKER_CLOSED;
        bool is_at_end = lines[i].cursor >= model_last_seq(&world->model);
        if (!lines[i].job && (!is_at_end || (lines[i].state != LINE_RUNNING && !is_open))) {
            return false;
        }
    }
    return true;
}

/* What keeps everything from being at rest; NULL for nothing. */
static const char *what_is_left(const World *world)
{
    const Tables *tables = &world->tables;
    int64_t last_seq = model_last_seq(&world->model);
    for (size_t i = 0; i < world->deliveries.count; i++) {
        if (!tables->sinks[i].is_there || tables->sinks[i].place.cursor < last_seq) {
            return "a cursor is not at the end of the log";
        }
    }
    for (size_t i = 0; i < tables->replay_count; i++) {
        if (tables->replays[i].state == REPLAY_RUNNING) {
            return "a replay runs";
        }
    }
    if (!all_run(world)) {
        return "a line does not run";
    }
    return tables->retry_count > 0 ? "a retry waits" : clients_wait(world) ? "work waits" : NULL;
}

void deliveries_finish(World *world)
{
    enum { ROUNDS_MAX = 20000, ROUNDS_A_MESSAGE = 5, LEAP = 8 };
    const char *left = NULL;
    bool idle = false;
    if (world->deliveries.count == 0) {
        return;
    }
    make_peace(world);
    for (int64_t i = 0; i < ROUNDS_MAX + ROUNDS_A_MESSAGE * model_last_seq(&world->model); i++) {
        people_resume(world);
        move_on(world, HOUR_US);
        machine_step(&world->machine, &idle);
        if (i % LEAP == LEAP - 1) { /* lines look at the store five times a second, and may wait for half a day */
            machine_pass_time(&world->machine, i < 40 * LEAP ? MINUTE_US : HOUR_US);
        }
        if (!(left = what_is_left(world))) {
            break;
        }
    }
    if (left) {
        story_fail(&world->story, "the deliveries, when nothing goes wrong any more", "that they come to rest", left);
    }
    if (!world->deliveries.lost_something) {
        wire_check_complete(world);
    }
    story_tell(&world->story, "the deliveries have come to rest at %" PRId64, model_last_seq(&world->model));
}

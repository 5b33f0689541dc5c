#include "sim/people.h"

#include <stdlib.h>

#include "sim/hand_in.h"
#include "sim/world.h"
#include "support/need.h"
#include "support/random.h"

static uint64_t below(World *world, uint64_t limit) { return random_below(&world->deliveries.random, limit); }
static bool percent(World *world, unsigned chance) { return below(world, 100) < chance; }

typedef struct Order {
    Submission submission;
    World *world;
} Order;

static void on_done(Submission *submission, Status status, const Error *error)
{
    Order *order = submission->owner;
    hand_in_done(order->world, submission);
    wire_told(order->world, &submission->work, status, error);
    free(order);
}

/* Whoever finds the queue full thinks better of it. */
void people_submit(World *world, Work work)
{
    Order *order = need(calloc(1, sizeof *order));
    Error error = {0};
    order->world = world;
    order->submission = (Submission){.work = work, .bytes = 100, .done = on_done, .owner = order};
    if (hand_in(world, &order->submission, &error) != STATUS_OK) {
        free(order);
    }
}

static void set_state(World *world, size_t sink, SinkState state)
{
    people_submit(world,
                  (Work){.kind = WORK_SINK_STATE, .sink = {.name = str_from(tables_sink_name(sink)), .state = state}});
}

static void act_on_letters(World *world, size_t sink)
{
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    if (percent(world, 60)) {
        filter.origin = str_from(tables_sink_name(sink));
    }
    if (percent(world, 30)) {
        filter.id = 1 + (int64_t)below(world, world->tables.letter_count + 1);
    }
    people_submit(world, (Work){.kind = WORK_DEAD_LETTERS,
                                .dead_letters = {.filter = filter,
                                                 .action = percent(world, 65) ? DEAD_LETTER_RETRY : DEAD_LETTER_DISCARD,
                                                 .limit = 1 + below(world, 20)}});
}

static void ask_for_replay(World *world, size_t sink)
{
    enum { REPLAYS_MAX = 40 };
    int64_t last_seq = model_last_seq(&world->model);
    if (world->tables.replay_count >= REPLAYS_MAX || last_seq == 0) {
        return;
    }
    int64_t after = (int64_t)below(world, (uint64_t)last_seq);
    int64_t through = after + 1 + (int64_t)below(world, (uint64_t)(last_seq - after));
    people_submit(world,
                  (Work){.kind = WORK_REPLAY_PUT,
                         .replay = {.sink = str_from(tables_sink_name(sink)),
                                    .after = after,
                                    .through = through < after + 300 ? through : after + 300,
                                    .filter = world->deliveries.filters[below(world, DELIVERIES_FILTERS)].text}});
}

void people_act(World *world)
{
    size_t sink = below(world, world->deliveries.count);
    bool active = world->tables.sinks[sink].state == SINK_STATE_ACTIVE;
    if (percent(world, active ? 15 : 50)) {
        set_state(world, sink, active ? SINK_STATE_PAUSED : SINK_STATE_ACTIVE);
    } else if (percent(world, 50)) {
        act_on_letters(world, sink);
    } else if (percent(world, 70)) {
        ask_for_replay(world, sink);
    } else if (world->tables.replay_count > 0) {
        int64_t id = 1 + (int64_t)below(world, world->tables.replay_count);
        people_submit(world, (Work){.kind = WORK_REPLAY_CANCEL, .replay = {.id = id}});
    }
}

void people_resume(World *world)
{
    for (size_t i = 0; i < world->deliveries.count; i++) {
        const TableSink *row = &world->tables.sinks[i];
        if (row->is_there && row->state != SINK_STATE_ACTIVE && !clients_wait(world)) {
            set_state(world, i, SINK_STATE_ACTIVE);
        }
    }
}

#include "sim/wire_check.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim/looks.h"
#include "sim/world.h"
#include "support/need.h"

#define FAIL(world, ...) story_failf(&(world)->story, __VA_ARGS__)

static const SinkOptions *options_of(const World *world, size_t sink) { return &world->deliveries.options[sink]; }

static bool keeps_its_place(const World *world, size_t sink)
{
    FakeStyle style = world->deliveries.sinks[sink].style;
    return style == FAKE_TRANSACTIONS || style == FAKE_STREAM;
}

/* ---- What is wanted ---------------------------------------------------------------------------------------------- */

static bool allows(Str wanted, Str text) { return wanted.len == 0 || str_equal(wanted, text); }

static bool subscribes(const Subscription *subscription, const Model *model, int64_t seq)
{
    const Record *record = model_record_of(model, seq);
    if (!(subscription->kinds & 1u << model_message_kind(model_at(model, seq)))) {
        return false;
    }
    return !record || (allows(subscription->source_id, record->source_id) &&
                       allows(subscription->destination_id, record->destination_id) &&
                       allows(subscription->unit, record->unit) && record->value >= subscription->value_min &&
                       (subscription->type < 0 || subscription->type == (int)record->type));
}

/* What a replay's filter does not name stays as the sink has it. */
static Subscription subscription_of(const World *world, size_t sink, int64_t job)
{
    Subscription subscription = options_of(world, sink)->subscription;
    const TableReplay *replay = tables_replay(&world->tables, job);
    for (size_t i = 0; replay && i < DELIVERIES_FILTERS; i++) {
        const SimFilter *filter = &world->deliveries.filters[i];
        if (str_equal(filter->text, replay->filter)) {
            subscription.kinds = filter->kinds ? filter->kinds : subscription.kinds;
            subscription.type = filter->type >= 0 ? filter->type : subscription.type;
            subscription.destination_id =
                filter->destination_id.len ? filter->destination_id : subscription.destination_id;
        }
    }
    return subscription;
}

bool wire_wants(const World *world, size_t sink, int64_t job, int64_t seq)
{
    const TableSink *row = &world->tables.sinks[sink];
    const TableReplay *replay = tables_replay(&world->tables, job);
    int64_t after = job ? replay->after : row->start, through = job ? replay->through : INT64_MAX;
    Subscription subscription = subscription_of(world, sink, job);
    return seq > after && seq <= through && seq <= model_last_seq(&world->model) &&
           subscribes(&subscription, &world->model, seq);
}

/* ---- What is sent ------------------------------------------------------------------------------------------------ */

static void check_may_send(World *world, size_t at, int64_t job)
{
    const SimSink *sink = &world->deliveries.sinks[at];
    if (world->deliveries.is_stopping) {
        FAIL(world, "%s: something is sent while the lines are told to end", tables_sink_name(at));
    }
    if (sink->silent && !looks_line_failed()) {
        FAIL(world, "%s is paused or disabled, and something is sent to it", tables_sink_name(at));
    }
    if (sink->gone_job == job + 1) {
        FAIL(world, "%s wants nothing more, and something is sent to it", tables_sink_name(at));
    }
}

/* Whatever is sent is in the log for ever: it was told to have been committed. */
static void check_is_known(World *world, size_t sink, int64_t job, int64_t seq)
{
    if (seq < 1 || seq > model_last_seq(&world->model)) {
        FAIL(world, "%s: message %" PRId64 " is sent, but the log ends at %" PRId64, tables_sink_name(sink), seq,
             model_last_seq(&world->model));
    }
    if (!world->tables.sinks[sink].is_there || (job && !tables_replay(&world->tables, job))) {
        FAIL(world, "%s: message %" PRId64 " is sent for a line that is not there (replay %" PRId64 ")",
             tables_sink_name(sink), seq, job);
    }
    if (!wire_wants(world, sink, job, seq)) {
        FAIL(world, "%s: message %" PRId64 " is sent, which is not wanted (replay %" PRId64 ")", tables_sink_name(sink),
             seq, job);
    }
}

static void check_not_dead(World *world, size_t sink, int64_t seq)
{
    const TableLetter *letter = tables_letter(&world->tables, sink, seq);
    if (letter && letter->state != DEAD_LETTER_RETRYING) {
        FAIL(world, "%s: message %" PRId64 " is sent, though it is a dead letter (%s)", tables_sink_name(sink), seq,
             dead_letter_state_names[letter->state]);
    }
}

static bool is_in_group(const Message *messages, size_t count, int64_t seq)
{
    for (size_t i = 0; i < count; i++) {
        if (messages[i].seq == seq) {
            return true;
        }
    }
    return false;
}

/* A receiver that keeps the place believes that it has all in front of it. */
void wire_check_place(World *world, size_t at, int64_t from, const Message *messages, size_t count,
                      const SinkPlace *place)
{
    const SimSink *sink = &world->deliveries.sinks[at];
    if (place->sent_seq != messages[count - 1].seq || place->cursor < place->sent_seq) {
        FAIL(world, "%s: the place behind message %" PRId64 " is cursor %" PRId64 ", sent %" PRId64,
             tables_sink_name(at), messages[count - 1].seq, place->cursor, place->sent_seq);
    }
    for (int64_t seq = from + 1; seq <= place->cursor; seq++) {
        const Seen *seen = wire_seen(world, at, seq);
        bool is_right = seen->arrived || seen->lost || seq <= sink->base || is_in_group(messages, count, seq) ||
                        tables_letter(&world->tables, at, seq) || tables_retry(&world->tables, at, 0, seq);
        if (wire_wants(world, at, 0, seq) && !is_right) {
            FAIL(world, "%s: the place that is sent, %" PRId64 ", goes past message %" PRId64, tables_sink_name(at),
                 place->cursor, seq);
        }
    }
}

int64_t wire_place_of(const World *world, size_t at)
{
    SinkPlace theirs = {0};
    bool has_place = fake_receiver_place(world->deliveries.sinks[at].receiver, &theirs);
    return has_place ? theirs.cursor : world->tables.sinks[at].place.cursor;
}

void wire_check_group(World *world, size_t sink, int64_t job, const Message *messages, size_t count,
                      const SinkPlace *place)
{
    check_may_send(world, sink, job);
    for (size_t i = 0; i < count; i++) {
        check_is_known(world, sink, job, messages[i].seq);
        if (place && i > 0 && messages[i].seq <= messages[i - 1].seq) {
            FAIL(world, "%s: message %" PRId64 " is sent behind %" PRId64, tables_sink_name(sink), messages[i].seq,
                 messages[i - 1].seq);
        }
        if (!job) {
            check_not_dead(world, sink, messages[i].seq);
        }
    }
    attempts_check_send(world, sink, job, messages, count, place != NULL);
}

void wire_note_verdict(World *world, size_t sink, int64_t job, const SinkResult *result)
{
    if (result->verdict == SINK_GONE) {
        world->deliveries.sinks[sink].gone_job = job + 1;
    }
    bool is_new = attempts_note_verdict(world, sink, job, result);
    if (job && is_new && attempts_trial(wire_line(world, sink, job), result->seq)->given_up) {
        wire_replay(world, job)->marks[result->seq] |= WIRE_GIVEN_UP;
    }
}

/* ---- What has come ----------------------------------------------------------------------------------------------- */

static void check_id(World *world, size_t sink, const FakeDelivery *delivery)
{
    static const char digits[] = "0123456789abcdef";
    const StoreInfo *info = &world->deliveries.info;
    char id[128];
    for (size_t i = 0; i < sizeof info->id; i++) {
        id[2 * i] = digits[info->id[i] >> 4];
        id[2 * i + 1] = digits[info->id[i] & 15];
    }
    snprintf(id + 2 * sizeof info->id, sizeof id - 2 * sizeof info->id, "-%" PRId64 "-%" PRId64, info->epoch,
             delivery->seq);
    if (strcmp(id, delivery->id) != 0) {
        story_fail(&world->story, "the id of a message", id, delivery->id);
    }
    (void)sink;
}

static void check_content(World *world, const FakeDelivery *delivery)
{
    const ModelEntry *entry = model_at(&world->model, delivery->seq);
    const Record *record = model_record_of(&world->model, delivery->seq);
    Str key = record ? record->destination_id : entry->key, traceparent = record ? record->traceparent : STR("");
    MessageKind kind = model_message_kind(entry);
    if (delivery->kind != kind || !str_is(key, delivery->key) || !str_is(traceparent, delivery->traceparent)) {
        FAIL(world, "message %" PRId64 " has the kind %d, the key %s, the traceparent %s", delivery->seq,
             (int)delivery->kind, delivery->key, delivery->traceparent);
    }
    messages_check_bytes(world, delivery->seq, str_from(delivery->body));
}

/* Where the receiver keeps the place, each comes once; one that comes without a place was asked for by a person. */
static void check_once(World *world, size_t at, const FakeDelivery *delivery, const Seen *seen)
{
    SimSink *sink = &world->deliveries.sinks[at];
    if (!keeps_its_place(world, at)) {
        return;
    }
    if (!delivery->placed && !seen->was_dead) {
        FAIL(world, "%s: message %" PRId64 " has come without a place", tables_sink_name(at), delivery->seq);
    }
    if (delivery->placed && delivery->seq <= sink->placed_seq) {
        FAIL(world, "%s: message %" PRId64 " has come after %" PRId64 ": twice, or out of order", tables_sink_name(at),
             delivery->seq, sink->placed_seq);
    }
    sink->placed_seq = delivery->placed ? delivery->seq : sink->placed_seq;
}

/* What comes for the first time, but for what has been a dead letter. */
static void check_order(World *world, size_t at, int64_t seq)
{
    SimSink *sink = &world->deliveries.sinks[at];
    int64_t flow = model_at(&world->model, seq)->flow;
    if (sink->style == FAKE_LIST && seq < sink->first_seq) {
        FAIL(world, "%s: message %" PRId64 " has come for the first time, after %" PRId64, tables_sink_name(at), seq,
             sink->first_seq);
    }
    sink->first_seq = seq > sink->first_seq ? seq : sink->first_seq;
    if (!options_of(world, at)->ordered || !flow || seq <= sink->older) {
        return;
    }
    Seen *first = wire_seen(world, at, flow);
    if (seq < first->flow_last) {
        FAIL(world, "%s: message %" PRId64 " has come for the first time, after %" PRId64 " of its flow",
             tables_sink_name(at), seq, first->flow_last);
    }
    first->flow_last = seq;
}

/* The last of the flow, of those that the replay has brought; 0 for none. */
static int64_t *flow_of_replay(SimReplay *replay, int64_t flow)
{
    for (size_t i = 0; i < replay->flow_count; i++) {
        if (replay->flows[i].flow == flow) {
            return &replay->flows[i].last;
        }
    }
    replay->flows = need_room(replay->flows, &replay->flow_room, replay->flow_count + 1, sizeof *replay->flows);
    replay->flows[replay->flow_count].flow = flow;
    replay->flows[replay->flow_count].last = 0;
    return &replay->flows[replay->flow_count++].last;
}

/* What a replay brings for the first time, and has not given up before: in order of a flow with `ordered`, else, but
 * for webhooks, in order. */
static void check_order_of_replay(World *world, size_t at, SimReplay *replay, const FakeDelivery *delivery)
{
    int64_t flow = model_at(&world->model, delivery->seq)->flow;
    bool is_webhook = world->deliveries.sinks[at].style == FAKE_WEBHOOK;
    if (is_webhook && !(options_of(world, at)->ordered && flow)) {
        return;
    }
    int64_t *last = is_webhook ? flow_of_replay(replay, flow) : &replay->first_seq;
    if (delivery->seq < *last) {
        FAIL(world, "%s: replay %" PRId64 " brings message %" PRId64 " for the first time after %" PRId64 "%s",
             tables_sink_name(at), delivery->job, delivery->seq, *last, is_webhook ? " of its flow" : "");
    }
    *last = delivery->seq;
}

static void look_at(World *world, size_t sink, const FakeDelivery *delivery)
{
    check_is_known(world, sink, delivery->job, delivery->seq);
    check_id(world, sink, delivery);
    check_content(world, delivery);
    if (delivery->job) {
        SimReplay *replay = wire_replay(world, delivery->job);
        if (!replay->marks[delivery->seq]) {
            check_order_of_replay(world, sink, replay, delivery);
        }
        replay->marks[delivery->seq] |= WIRE_ARRIVED;
        return;
    }
    Seen *seen = wire_seen(world, sink, delivery->seq);
    check_once(world, sink, delivery, seen);
    if (!seen->ever && !seen->was_dead && !seen->is_ahead) {
        check_order(world, sink, delivery->seq);
        seen = wire_seen(world, sink, delivery->seq);
    }
    seen->ever = true;
    seen->lost = false;
    seen->arrived++;
}

void wire_look(World *world)
{
    for (size_t i = 0; i < world->deliveries.count; i++) {
        SimSink *sink = &world->deliveries.sinks[i];
        size_t count;
        const FakeDelivery *deliveries = fake_receiver_deliveries(sink->receiver, &count);
        while (sink->looked < count) {
            look_at(world, i, &deliveries[sink->looked++]);
        }
    }
}

/* ---- What is stored ---------------------------------------------------------------------------------------------- */

static size_t sink_of(Str name)
{
    size_t sink = 0;
    while (!str_is(name, tables_sink_name(sink))) {
        sink++;
    }
    return sink;
}

static void check_dead(World *world, size_t sink, const DeliveryChange *change)
{
    for (size_t i = 0; i < change->dead_count; i++) {
        if (change->job) {
            FAIL(world, "%s: replay %" PRId64 " makes dead letters", tables_sink_name(sink), change->job);
        }
        wire_seen(world, sink, change->dead[i].seq)->was_dead = true;
    }
}

static bool is_dead_now(const DeliveryChange *change, int64_t seq)
{
    for (size_t i = 0; i < change->dead_count; i++) {
        if (change->dead[i].seq == seq) {
            return true;
        }
    }
    return false;
}

static void check_retries(World *world, size_t sink, const DeliveryChange *change)
{
    const SinkOptions *options = options_of(world, sink);
    for (size_t i = 0; i < change->retry_count; i++) {
        const StoredRetry *retry = &change->retries[i];
        bool was_dead = !change->job && wire_seen(world, sink, retry->seq)->was_dead; /* and is tried again */
        if ((retry->attempts >= (int64_t)options->schedule_count && !was_dead) ||
            !wire_wants(world, sink, change->job, retry->seq)) {
            FAIL(world, "%s: a retry of message %" PRId64 " is stored after %" PRId64 " attempts; the schedule has %zu",
                 tables_sink_name(sink), retry->seq, retry->attempts, options->schedule_count);
        }
    }
    for (size_t i = 0; i < change->settled_count; i++) {
        int64_t seq = change->settled[i];
        bool is_settled = change->job ? wire_replay(world, change->job)->marks[seq]
                                      : wire_seen(world, sink, seq)->ever || is_dead_now(change, seq);
        if (!is_settled) {
            FAIL(world, "%s: the retry of message %" PRId64 " is settled, but it has not come", tables_sink_name(sink),
                 seq);
        }
    }
}

void wire_check_before(World *world, const Work *work)
{
    wire_look(world);
    if (work->kind != WORK_DELIVERY || work->status != STATUS_OK) {
        return;
    }
    size_t sink = sink_of(work->delivery.sink);
    attempts_check_change(world, sink, &work->delivery);
    check_dead(world, sink, &work->delivery);
    check_retries(world, sink, &work->delivery);
}

/* Each wanted message that the cursor has passed has come, or waits behind it, or was given up. */
static void check_passed(World *world, size_t sink, int64_t job, int64_t from, int64_t to)
{
    to = to < model_last_seq(&world->model) ? to : model_last_seq(&world->model);
    for (int64_t seq = from + 1; seq <= to; seq++) {
        if (!wire_wants(world, sink, job, seq) || tables_retry(&world->tables, sink, job, seq)) {
            continue;
        }
        bool is_right = job ? wire_replay(world, job)->marks[seq]
                            : wire_seen(world, sink, seq)->ever || seq <= world->deliveries.sinks[sink].base ||
                                  tables_letter(&world->tables, sink, seq);
        if (!is_right) {
            FAIL(world,
                 "%s: the cursor is stored at %" PRId64 ", and message %" PRId64
                 " has not come, waits for nothing and was not given up (replay %" PRId64 ")",
                 tables_sink_name(sink), to, seq, job);
        }
    }
}

/* After a crash a line goes on where the replay's stream is, and cannot know what was refused in front of that. */
static void check_end_of_replay(World *world, int64_t job)
{
    const TableReplay *row = tables_replay(&world->tables, job);
    const SimReplay *replay = wire_replay(world, job);
    int64_t wanted = 0, given_up = 0;
    bool exact = replay->life == world->lives;
    uint8_t known =
        !exact && world->deliveries.sinks[row->sink].style == FAKE_STREAM ? WIRE_ARRIVED | WIRE_GIVEN_UP : WIRE_ARRIVED;
    for (int64_t seq = replay->base + 1; seq <= row->through; seq++) {
        bool wants = wire_wants(world, row->sink, job, seq);
        wanted += wants;
        given_up += wants && !(replay->marks[seq] & known);
    }
    int64_t counted = row->sent + row->failed;
    if (given_up > row->failed || (replay->base == row->after && counted != wanted)) {
        FAIL(world,
             "replay %" PRId64 " is done: %" PRId64 " messages, %" PRId64 " of which have not come; it counted %" PRId64
             " sent and %" PRId64 " failed",
             job, wanted, given_up, row->sent, row->failed);
    }
}

static void check_start(World *world, const Work *work)
{
    size_t sink = sink_of(work->sink.name);
    int64_t start = options_of(world, sink)->start_seq, is = world->tables.sinks[sink].start;
    if (start >= 0 ? is != start : is > model_last_seq(&world->model)) {
        FAIL(world, "%s begins at %" PRId64, tables_sink_name(sink), is);
    }
}

static void note_state(World *world, const Work *work)
{
    SimSink *sink = &world->deliveries.sinks[sink_of(work->sink.name)];
    sink->quiet_us = world->machine.clock.monotonic_us;
    sink->gone_job = work->sink.state == SINK_STATE_ACTIVE ? 0 : sink->gone_job;
}

void wire_check_after(World *world, const Work *work, const TableSink *before, int64_t replay_cursor)
{
    const DeliveryChange *change = &work->delivery;
    if (work->kind == WORK_SINK_PUT) {
        check_start(world, work);
    } else if (work->kind == WORK_SINK_STATE) {
        note_state(world, work);
    }
    if (work->kind != WORK_DELIVERY) {
        return;
    }
    size_t sink = sink_of(change->sink);
    int64_t from = change->job ? replay_cursor : before[sink].place.cursor;
    check_passed(world, sink, change->job, from, change->place.cursor);
    if (change->job && change->done) {
        check_end_of_replay(world, change->job);
    }
}

/* ---- The end ----------------------------------------------------------------------------------------------------- */

static void check_all_came(World *world, size_t sink)
{
    for (int64_t seq = world->deliveries.sinks[sink].base + 1; seq <= model_last_seq(&world->model); seq++) {
        const Seen *seen = wire_seen(world, sink, seq);
        bool excused = seen->was_dead || seen->lost || tables_letter(&world->tables, sink, seq);
        if (wire_wants(world, sink, 0, seq) && !seen->arrived && !excused) {
            FAIL(world, "%s: message %" PRId64 " has never come", tables_sink_name(sink), seq);
        }
    }
}

void wire_check_complete(World *world)
{
    for (size_t i = 0; i < world->deliveries.count; i++) {
        check_all_came(world, i);
    }
}

#include "support/fake_parts.h"

#include <assert.h>

/* ---- What is answered -------------------------------------------------------------------------------------------- */

static FakeAnswer *script_for(FakeReceiver *receiver, int64_t seq)
{
    for (size_t i = 0; i < receiver->script_count; i++) {
        FakeAnswer *script = &receiver->scripts[i];
        if (script->times > 0 && (script->seq == 0 || script->seq == seq)) {
            return script;
        }
    }
    return NULL;
}

static SinkVerdict drawn_verdict(FakeReceiver *receiver, bool *ret_lost)
{
    const FakeFaults *faults = &receiver->faults;
    const struct {
        unsigned share;
        SinkVerdict verdict;
    } shares[] = {{faults->lost, SINK_FAILED},
                  {faults->failed, SINK_FAILED},
                  {faults->refused, SINK_REFUSED},
                  {faults->held, SINK_HELD},
                  {faults->gone, SINK_GONE}};
    uint64_t drawn = fake_draw(receiver, 1000);
    *ret_lost = drawn < faults->lost;
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        if (drawn < shares[i].share) {
            return shares[i].verdict;
        }
        drawn -= shares[i].share;
    }
    return SINK_TAKEN;
}

/* What a Retry-After says; 0 for none. */
static int64_t asked_for(FakeReceiver *receiver)
{
    const FakeFaults *faults = &receiver->faults;
    return fake_chance(receiver, faults->asks) ? 1 + (int64_t)fake_draw(receiver, (uint64_t)faults->retry_after_us_max)
                                               : 0;
}

static FakeAnswer drawn_answer(FakeSink *sink, int64_t seq)
{
    FakeReceiver *receiver = sink->receiver;
    const FakeFaults *faults = &receiver->faults;
    bool lost;
    FakeAnswer answer = {.seq = seq, .verdict = drawn_verdict(receiver, &lost)};
    uint64_t spread_us = (uint64_t)(faults->latency_us_max - faults->latency_us_min);
    answer.after_us = faults->latency_us_min + (int64_t)fake_draw(receiver, spread_us + 1);
    answer.twice = fake_chance(receiver, faults->twice);
    if (answer.verdict == SINK_FAILED && !lost) {
        answer.retry_after_us = asked_for(receiver);
    }
    if (lost) {
        answer.after_us = sink->options->timeout_us;
        answer.keeps = fake_draw(receiver, 2) == 1;
    }
    return answer;
}

static FakeAnswer answer_for(FakeSink *sink, int64_t seq)
{
    FakeReceiver *receiver = sink->receiver;
    if (receiver->down) {
        return (FakeAnswer){.seq = seq, .verdict = SINK_FAILED, .retry_after_us = asked_for(receiver)};
    }
    FakeAnswer *script = script_for(receiver, seq);
    if (script) {
        script->times--;
        return *script;
    }
    return drawn_answer(sink, seq);
}

/* ---- The sink ---------------------------------------------------------------------------------------------------- */

static bool takes_groups(const FakeSink *sink) { return sink->receiver->style != FAKE_WEBHOOK; }

static bool used(StatusScript *script, Status *ret_status)
{
    if (script->times == 0) {
        return false;
    }
    script->times--;
    *ret_status = script->status;
    return true;
}

/* Whether a message that no answer has come for has arrived all the same, only the other side knows. */
static void drop_flights(FakeSink *sink)
{
    for (size_t i = 0; i < sink->flight_count; i++) {
        Flight *flight = &sink->flights[i];
        bool may_arrive = !flight->settled && (flight->answer.verdict == SINK_TAKEN || flight->answer.keeps);
        if (may_arrive && fake_draw(sink->receiver, 2) == 1) {
            fake_receiver_keep(sink->receiver, &flight->message);
        }
        fake_delivery_free(&flight->message);
    }
    sink->flight_count = 0;
}

/* The last message that has come of a replay; 0 for none. A replay into a stream has one of its own. */
static int64_t last_of_job(const FakeReceiver *receiver, int64_t job)
{
    size_t i = receiver->delivery_count;
    while (i > 0 && (receiver->deliveries[i - 1].job != job || !receiver->deliveries[i - 1].placed)) {
        i--;
    }
    return i > 0 ? receiver->deliveries[i - 1].seq : 0;
}

static SinkPlace place_of_job(const FakeSink *sink, SinkPlace ours)
{
    int64_t last = sink->receiver->style == FAKE_STREAM ? last_of_job(sink->receiver, sink->job) : 0;
    return last == 0 || last == ours.sent_seq ? ours : (SinkPlace){.cursor = last, .sent_seq = last};
}

static SinkPlace their_place(const FakeSink *sink, SinkPlace ours)
{
    const FakeReceiver *receiver = sink->receiver;
    if (sink->job != 0) {
        return place_of_job(sink, ours);
    }
    if (!receiver->has_place) {
        return ours;
    }
    if (receiver->style == FAKE_TRANSACTIONS) {
        return receiver->place.cursor > ours.cursor ? receiver->place : ours;
    }
    /* A stream knows its last message alone: when that is our last one, too, ours has more to say. */
    return receiver->place.sent_seq == ours.sent_seq ? ours : receiver->place;
}

static Status fake_connect(Sink *base, SinkPlace ours, SinkPlace *ret_theirs, Error *reterr)
{
    FakeSink *sink = (FakeSink *)base;
    FakeReceiver *receiver = sink->receiver;
    Status status = STATUS_OK;
    drop_flights(sink);
    sink->connected = sink->cut = false;
    if (used(&receiver->connect, &status) && status != STATUS_OK) {
        return error_set(reterr, status, "the script says so");
    }
    if (takes_groups(sink) && (receiver->down || fake_chance(receiver, receiver->faults.connect_busy))) {
        return error_set(reterr, STATUS_BUSY, "%s is down", receiver->name);
    }
    sink->connected = true;
    receiver->counts.connected++;
    *ret_theirs = their_place(sink, ours);
    return STATUS_OK;
}

static size_t fake_room(const Sink *base)
{
    const FakeSink *sink = (const FakeSink *)base;
    if (takes_groups(sink)) {
        return sink->flight_count == 0 ? sink->receiver->room : 0;
    }
    return sink->receiver->room - sink->flight_count;
}

/* The message arrives, unless a stream has it already. */
static void arrive(FakeSink *sink, FakeDelivery *message)
{
    FakeReceiver *receiver = sink->receiver;
    bool is_stream = receiver->style == FAKE_STREAM && message->placed;
    if (is_stream && message->job != 0 && message->seq <= last_of_job(receiver, message->job)) {
        return;
    }
    if (is_stream && message->job == 0) {
        if (receiver->has_place && message->seq <= receiver->place.cursor) {
            return;
        }
        receiver->has_place = true;
        receiver->place = (SinkPlace){.cursor = message->seq, .sent_seq = message->seq};
    }
    fake_receiver_keep(receiver, message);
}

static void arrive_first(FakeSink *sink, Flight *flights, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        arrive(sink, &flights[i].message);
    }
}

static void remember(FakeSink *sink, const SinkPlace *place)
{
    if (sink->receiver->style == FAKE_TRANSACTIONS && sink->job == 0 && place) {
        sink->receiver->has_place = true;
        sink->receiver->place = *place;
    }
}

/* The first message that is not taken ends the group: a transaction is then undone, other groups have taken what was
 * before. */
static void settle_group(FakeSink *sink, size_t count, const SinkPlace *place)
{
    size_t good = 0;
    while (good < count && sink->flights[good].answer.verdict == SINK_TAKEN) {
        good++;
    }
    size_t kept = sink->receiver->style == FAKE_TRANSACTIONS && good < count ? 0 : good;
    arrive_first(sink, sink->flights, kept);
    for (size_t i = kept; i < count; i++) {
        sink->flights[i].answer.verdict = i == good ? sink->flights[i].answer.verdict : SINK_HELD;
    }
    if (good == count) {
        remember(sink, place);
    }
    for (size_t i = 0; i < count; i++) {
        sink->flights[i].settled = true;
        sink->flights[i].due_us = sink->flights[count - 1].due_us;
    }
}

/* Some of the new ones may have arrived, and nobody is told which. */
static void lose_group(FakeSink *sink, size_t first, size_t count, const SinkPlace *place)
{
    FakeReceiver *receiver = sink->receiver;
    size_t arrived = fake_draw(receiver, count + 1);
    if (receiver->style == FAKE_TRANSACTIONS) {
        arrived = fake_draw(receiver, 2) == 1 ? count : 0;
    }
    arrive_first(sink, sink->flights + first, arrived);
    if (arrived == count) {
        remember(sink, place);
    }
    for (size_t i = 0; i < count; i++) {
        sink->flights[first + i].settled = true;
    }
}

static Status send_status(FakeSink *sink)
{
    FakeReceiver *receiver = sink->receiver;
    Status status = STATUS_OK;
    if (sink->cut) {
        return STATUS_BUSY;
    }
    if (used(&receiver->send, &status)) {
        return status;
    }
    if ((takes_groups(sink) && receiver->down) || fake_chance(receiver, receiver->faults.send_busy)) {
        return STATUS_BUSY;
    }
    return fake_chance(receiver, receiver->faults.send_unknown) ? STATUS_UNKNOWN : STATUS_OK;
}

static void begin(FakeSink *sink, const Message *message, bool placed)
{
    int64_t begun_us = fake_now_us(sink->receiver);
    Flight *flight = &sink->flights[sink->flight_count++];
    *flight = (Flight){.message = fake_delivery_of(message, sink->job, placed), .begun_us = begun_us};
    flight->answer = answer_for(sink, message->seq);
    flight->due_us = begun_us + flight->answer.after_us;
}

static Status fake_send(Sink *base, const Message *messages, size_t count, const SinkPlace *place, Error *reterr)
{
    FakeSink *sink = (FakeSink *)base;
    FakeReceiver *receiver = sink->receiver;
    assert(sink->connected && count > 0 && count <= fake_room(base));
    receiver->counts.sends++;
    receiver->counts.messages += count;
    Status status = send_status(sink);
    size_t first = sink->flight_count;
    for (size_t i = 0; i < count && (status == STATUS_OK || status == STATUS_UNKNOWN); i++) {
        begin(sink, &messages[i], place != NULL);
    }
    if (status == STATUS_OK) {
        if (takes_groups(sink)) {
            settle_group(sink, count, place);
        }
        return STATUS_OK;
    }
    if (status == STATUS_UNKNOWN) {
        lose_group(sink, first, count, place);
    }
    drop_flights(sink);
    sink->connected = false;
    return error_set(reterr, status, "%s has gone away", receiver->name);
}

static const char *const errors[] = {[SINK_TAKEN] = "",
                                     [SINK_FAILED] = "the receiver has failed",
                                     [SINK_REFUSED] = "the receiver never takes this message",
                                     [SINK_HELD] = "the message was not tried",
                                     [SINK_GONE] = "the receiver wants nothing more"};

/* The verdict of a flight whose time has come; the flight ends, unless it is answered once more. */
static void land(FakeSink *sink, size_t index, SinkResult *ret_result)
{
    Flight *flight = &sink->flights[index];
    FakeAnswer *answer = &flight->answer;
    *ret_result = (SinkResult){.seq = flight->message.seq,
                               .verdict = answer->verdict,
                               .code = answer->code,
                               .judged = answer->verdict == SINK_FAILED && answer->code == 422,
                               .latency_us = flight->due_us - flight->begun_us,
                               .retry_after_us = answer->retry_after_us,

                               .error = str_from(errors[answer->verdict])};
    if (!flight->settled && (answer->verdict == SINK_TAKEN || answer->keeps)) {
        arrive(sink, &flight->message);
    }
    flight->settled = true;
    if (answer->twice) {
        answer->twice = false;
        return;
    }
    fake_delivery_free(&flight->message);
    memmove(flight, flight + 1, (sink->flight_count - index - 1) * sizeof *flight);
    sink->flight_count--;
}

/* The flight that is due first; of several the one that was sent first. */
static size_t next_due(const FakeSink *sink)
{
    size_t next = 0;
    for (size_t i = 1; i < sink->flight_count; i++) {
        next = sink->flights[i].due_us < sink->flights[next].due_us ? i : next;
    }
    return next;
}

static bool is_due(const FakeSink *sink)
{
    return sink->flight_count > 0 && sink->flights[next_due(sink)].due_us <= fake_now_us(sink->receiver);
}

static size_t fake_results(Sink *base, SinkResult *results, size_t cap)
{
    FakeSink *sink = (FakeSink *)base;
    size_t count = 0;
    while (count < cap && is_due(sink)) {
        land(sink, next_due(sink), &results[count++]);
    }
    return count;
}

static void fake_wait(Sink *base, int64_t us_max)
{
    enum { NAP_US = 1000 };
    FakeSink *sink = (FakeSink *)base;
    FakeReceiver *receiver = sink->receiver;
    int64_t until_us = fake_now_us(receiver) + us_max, left_us;
    while (!atomic_exchange(&sink->woken, false) && !is_due(sink) && (left_us = until_us - fake_now_us(receiver)) > 0) {
        receiver->sinks->options.sleep(receiver->sinks->options.self, left_us < NAP_US ? left_us : NAP_US);
    }
}

static void fake_wake(Sink *base) { atomic_store(&((FakeSink *)base)->woken, true); }

static void fake_close(Sink *base)
{
    FakeSink *sink = (FakeSink *)base, **link = &sink->receiver->open;
    drop_flights(sink);
    while (*link != sink) {
        link = &(*link)->next;
    }
    *link = sink->next;
    free(sink->flights);
    free(sink);
}

static const SinkOps fake_ops = {
    .connect = fake_connect,
    .room = fake_room,
    .send = fake_send,
    .results = fake_results,
    .wait = fake_wait,
    .wake = fake_wake,
    .close = fake_close,
};

Status fake_sink_open(void *sinks, const SinkContext *context, Sink **ret_sink, Error *reterr)
{
    FakeReceiver *receiver = ((FakeSinks *)sinks)->receivers;
    while (receiver && strcmp(receiver->name, context->options->name) != 0) {
        receiver = receiver->next;
    }
    if (!receiver) {
        return error_set(reterr, STATUS_REFUSED, "there is no receiver %s", context->options->name);
    }
    FakeSink *sink = fake_must(calloc(1, sizeof *sink));
    *sink = (FakeSink){.sink = {.ops = &fake_ops},
                       .receiver = receiver,
                       .next = receiver->open,
                       .options = context->options,
                       .job = context->replay_job,
                       .flights = fake_must(calloc(receiver->room, sizeof sink->flights[0]))};
    receiver->open = sink;
    receiver->counts.opened++;
    *ret_sink = &sink->sink;
    return STATUS_OK;
}

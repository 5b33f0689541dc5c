#include "support/fake_sink.h"

#include <assert.h>
#include <stdatomic.h>

typedef struct StatusScript {
    Status status;
    unsigned times;
} StatusScript;

struct FakeReceiver {
    FakeSinks *sinks;
    FakeReceiver *next;
    char *name;
    FakeStyle style;
    size_t room;
    FakeFaults faults;
    bool down;
    FakeAnswer *scripts;
    size_t script_count;
    StatusScript connect, send;
    FakeDelivery *deliveries;
    size_t delivery_count, delivery_cap;
    bool has_place;
    SinkPlace place;
    struct FakeSink *open; /* the sinks that are open on it */
    FakeCounts counts;
};

struct FakeSinks {
    FakeSinksOptions options;
    FakeReceiver *receivers;
};

/* A message on its way, or its verdict on the way back. */
typedef struct Flight {
    FakeDelivery message;
    FakeAnswer answer;
    int64_t begun_us, due_us;
    bool settled; /* of a group: nothing more becomes of it */
} Flight;

typedef struct FakeSink {
    Sink sink;
    FakeReceiver *receiver;
    struct FakeSink *next;
    const SinkOptions *options;
    int64_t job;
    bool connected;
    Flight *flights; /* receiver->room of them */
    size_t flight_count;
    atomic_bool woken;
} FakeSink;

/* ---- Small things ------------------------------------------------------------------------------------------------ */

static void *must(void *memory)
{
    if (!memory) {
        abort();
    }
    return memory;
}

static char *copy(Str text)
{
    char *to = must(malloc(text.len + 1));
    if (text.len) {
        memcpy(to, text.ptr, text.len);
    }
    to[text.len] = '\0';
    return to;
}

static FakeDelivery delivery_of(const Message *message, int64_t job, bool placed)
{
    return (FakeDelivery){.seq = message->seq,
                          .kind = message->kind,
                          .job = job,
                          .placed = placed,
                          .id = copy(message->id),
                          .key = copy(message->key),
                          .body = copy(message->body),
                          .traceparent = copy(message->traceparent)};
}

static void delivery_free(FakeDelivery *delivery)
{
    free(delivery->id);
    free(delivery->key);
    free(delivery->body);
    free(delivery->traceparent);
}

static int64_t now_us(const FakeReceiver *receiver) { return clock_monotonic_us(receiver->sinks->options.clock); }

static uint64_t draw(FakeReceiver *receiver, uint64_t below)
{
    uint64_t bits = 0;
    Error error;
    if (random_fill(receiver->sinks->options.random, &bits, sizeof bits, &error) != STATUS_OK) {
        abort();
    }
    return bits % below;
}

static bool chance(FakeReceiver *receiver, unsigned of_a_thousand)
{
    return of_a_thousand > 0 && draw(receiver, 1000) < of_a_thousand;
}

/* ---- Receivers --------------------------------------------------------------------------------------------------- */

FakeSinks *fake_sinks_new(const FakeSinksOptions *options)
{
    FakeSinks *sinks = must(calloc(1, sizeof *sinks));
    sinks->options = *options;
    return sinks;
}

void fake_sinks_free(FakeSinks *sinks)
{
    while (sinks && sinks->receivers) {
        FakeReceiver *receiver = sinks->receivers;
        sinks->receivers = receiver->next;
        assert(!receiver->open);
        for (size_t i = 0; i < receiver->delivery_count; i++) {
            delivery_free(&receiver->deliveries[i]);
        }
        free(receiver->deliveries);
        free(receiver->scripts);
        free(receiver->name);
        free(receiver);
    }
    free(sinks);
}

FakeReceiver *fake_sinks_add(FakeSinks *sinks, const char *name, FakeStyle style, size_t room)
{
    assert(room > 0);
    FakeReceiver *receiver = must(calloc(1, sizeof *receiver));
    *receiver = (FakeReceiver){
        .sinks = sinks, .next = sinks->receivers, .name = copy(str_from(name)), .style = style, .room = room};
    sinks->receivers = receiver;
    return receiver;
}

void fake_receiver_set_faults(FakeReceiver *receiver, const FakeFaults *faults)
{
    assert(faults->failed + faults->refused + faults->held + faults->gone + faults->lost <= 1000);
    assert(faults->latency_us_min >= 0 && faults->latency_us_min <= faults->latency_us_max);
    receiver->faults = *faults;
}

void fake_receiver_set_down(FakeReceiver *receiver, bool down) { receiver->down = down; }

void fake_receiver_script(FakeReceiver *receiver, FakeAnswer answer)
{
    receiver->scripts = must(realloc(receiver->scripts, (receiver->script_count + 1) * sizeof receiver->scripts[0]));
    receiver->scripts[receiver->script_count++] = answer;
}

void fake_receiver_script_connect(FakeReceiver *receiver, Status status, unsigned times)
{
    receiver->connect = (StatusScript){status, times};
}

void fake_receiver_script_send(FakeReceiver *receiver, Status status, unsigned times)
{
    receiver->send = (StatusScript){status, times};
}

const FakeDelivery *fake_receiver_deliveries(const FakeReceiver *receiver, size_t *ret_count)
{
    *ret_count = receiver->delivery_count;
    return receiver->deliveries;
}

size_t fake_receiver_count(const FakeReceiver *receiver, int64_t seq)
{
    size_t count = 0;
    for (size_t i = 0; i < receiver->delivery_count; i++) {
        count += receiver->deliveries[i].seq == seq && receiver->deliveries[i].job == 0;
    }
    return count;
}

bool fake_receiver_place(const FakeReceiver *receiver, SinkPlace *ret_place)
{
    if (receiver->has_place) {
        *ret_place = receiver->place;
    }
    return receiver->has_place;
}

void fake_receiver_forget(FakeReceiver *receiver) { receiver->has_place = false; }

static void stream_place_from_messages(FakeReceiver *receiver)
{
    receiver->has_place = false;
    for (size_t i = 0; i < receiver->delivery_count; i++) {
        const FakeDelivery *delivery = &receiver->deliveries[i];
        if (delivery->placed && (!receiver->has_place || delivery->seq > receiver->place.cursor)) {
            receiver->has_place = true;
            receiver->place = (SinkPlace){.cursor = delivery->seq, .sent_seq = delivery->seq};
        }
    }
}

void fake_receiver_lose(FakeReceiver *receiver, size_t count)
{
    while (count-- > 0 && receiver->delivery_count > 0) {
        delivery_free(&receiver->deliveries[--receiver->delivery_count]);
    }
    if (receiver->style == FAKE_STREAM) {
        stream_place_from_messages(receiver);
    }
}

int64_t fake_receiver_due_us(const FakeReceiver *receiver)
{
    int64_t due_us = INT64_MAX;
    for (const FakeSink *sink = receiver->open; sink; sink = sink->next) {
        for (size_t i = 0; i < sink->flight_count; i++) {
            due_us = sink->flights[i].due_us < due_us ? sink->flights[i].due_us : due_us;
        }
    }
    return due_us;
}

FakeCounts fake_receiver_counts(const FakeReceiver *receiver) { return receiver->counts; }

/* Moves the message to the receiver. */
static void keep(FakeReceiver *receiver, FakeDelivery *message)
{
    if (receiver->delivery_count == receiver->delivery_cap) {
        receiver->delivery_cap = receiver->delivery_cap ? 2 * receiver->delivery_cap : 64;
        receiver->deliveries =
            must(realloc(receiver->deliveries, receiver->delivery_cap * sizeof receiver->deliveries[0]));
    }
    FakeDelivery *kept = &receiver->deliveries[receiver->delivery_count++];
    *kept = *message;
    kept->at_us = now_us(receiver);
    message->id = message->key = message->body = message->traceparent = NULL;
}

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
    uint64_t drawn = draw(receiver, 1000);
    *ret_lost = drawn < faults->lost;
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        if (drawn < shares[i].share) {
            return shares[i].verdict;
        }
        drawn -= shares[i].share;
    }
    return SINK_TAKEN;
}

static FakeAnswer drawn_answer(FakeSink *sink, int64_t seq)
{
    FakeReceiver *receiver = sink->receiver;
    const FakeFaults *faults = &receiver->faults;
    bool lost;
    FakeAnswer answer = {.seq = seq, .verdict = drawn_verdict(receiver, &lost)};
    uint64_t spread_us = (uint64_t)(faults->latency_us_max - faults->latency_us_min);
    answer.after_us = faults->latency_us_min + (int64_t)draw(receiver, spread_us + 1);
    answer.twice = chance(receiver, faults->twice);
    if (lost) {
        answer.after_us = sink->options->timeout_us;
        answer.keeps = draw(receiver, 2) == 1;
    }
    return answer;
}

static FakeAnswer answer_for(FakeSink *sink, int64_t seq)
{
    FakeReceiver *receiver = sink->receiver;
    if (receiver->down) {
        return (FakeAnswer){.seq = seq, .verdict = SINK_FAILED};
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
        if (may_arrive && draw(sink->receiver, 2) == 1) {
            keep(sink->receiver, &flight->message);
        }
        delivery_free(&flight->message);
    }
    sink->flight_count = 0;
}

static SinkPlace their_place(const FakeSink *sink, SinkPlace ours)
{
    const FakeReceiver *receiver = sink->receiver;
    if (sink->job != 0 || !receiver->has_place) {
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
    sink->connected = false;
    if (used(&receiver->connect, &status) && status != STATUS_OK) {
        return error_set(reterr, status, "the script says so");
    }
    if (takes_groups(sink) && (receiver->down || chance(receiver, receiver->faults.connect_busy))) {
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
    if (receiver->style == FAKE_STREAM && message->placed && message->job == 0) {
        if (receiver->has_place && message->seq <= receiver->place.cursor) {
            return;
        }
        receiver->has_place = true;
        receiver->place = (SinkPlace){.cursor = message->seq, .sent_seq = message->seq};
    }
    keep(receiver, message);
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

/* The first message that is not taken ends the group: a transaction is then undone, other groups have taken what was before. */
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
    size_t arrived = draw(receiver, count + 1);
    if (receiver->style == FAKE_TRANSACTIONS) {
        arrived = draw(receiver, 2) == 1 ? count : 0;
    }
    arrive_first(sink, sink->flights + first, arrived);
    if (arrived == count) {
        remember(sink, place);
    }
    for (size_t i = 0; i < count; i++) {
        sink->flights[first + i].settled = true;
    }
}

static Status send_status(FakeReceiver *receiver, bool groups)
{
    Status status = STATUS_OK;
    if (used(&receiver->send, &status)) {
        return status;
    }
    if ((groups && receiver->down) || chance(receiver, receiver->faults.send_busy)) {
        return STATUS_BUSY;
    }
    return chance(receiver, receiver->faults.send_unknown) ? STATUS_UNKNOWN : STATUS_OK;
}

static void begin(FakeSink *sink, const Message *message, bool placed)
{
    int64_t begun_us = now_us(sink->receiver);
    Flight *flight = &sink->flights[sink->flight_count++];
    *flight = (Flight){.message = delivery_of(message, sink->job, placed), .begun_us = begun_us};
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
    Status status = send_status(receiver, takes_groups(sink));
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
    delivery_free(&flight->message);
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
    return sink->flight_count > 0 && sink->flights[next_due(sink)].due_us <= now_us(sink->receiver);
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
    int64_t until_us = now_us(receiver) + us_max, left_us;
    while (!atomic_exchange(&sink->woken, false) && !is_due(sink) && (left_us = until_us - now_us(receiver)) > 0) {
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
    FakeSink *sink = must(calloc(1, sizeof *sink));
    *sink = (FakeSink){.sink = {&fake_ops},
                       .receiver = receiver,
                       .next = receiver->open,
                       .options = context->options,
                       .job = context->replay_job,
                       .flights = must(calloc(receiver->room, sizeof sink->flights[0]))};
    receiver->open = sink;
    receiver->counts.opened++;
    *ret_sink = &sink->sink;
    return STATUS_OK;
}

#include "support/fake_parts.h"

#include <assert.h>

/* ---- Small things ------------------------------------------------------------------------------------------------ */

void *fake_must(void *memory)
{
    if (!memory) {
        abort();
    }
    return memory;
}

static char *copy(Str text)
{
    char *to = fake_must(malloc(text.len + 1));
    if (text.len) {
        memcpy(to, text.ptr, text.len);
    }
    to[text.len] = '\0';
    return to;
}

FakeDelivery fake_delivery_of(const Message *message, int64_t job, bool placed)
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

void fake_delivery_free(FakeDelivery *delivery)
{
    free(delivery->id);
    free(delivery->key);
    free(delivery->body);
    free(delivery->traceparent);
}

int64_t fake_now_us(const FakeReceiver *receiver) { return clock_monotonic_us(receiver->sinks->options.clock); }

uint64_t fake_draw(FakeReceiver *receiver, uint64_t below)
{
    uint64_t bits = 0;
    Error error;
    if (random_fill(receiver->sinks->options.random, &bits, sizeof bits, &error) != STATUS_OK) {
        abort();
    }
    return bits % below;
}

bool fake_chance(FakeReceiver *receiver, unsigned of_a_thousand)
{
    return of_a_thousand > 0 && fake_draw(receiver, 1000) < of_a_thousand;
}

/* ---- Receivers --------------------------------------------------------------------------------------------------- */

FakeSinks *fake_sinks_new(const FakeSinksOptions *options)
{
    FakeSinks *sinks = fake_must(calloc(1, sizeof *sinks));
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
            fake_delivery_free(&receiver->deliveries[i]);
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
    FakeReceiver *receiver = fake_must(calloc(1, sizeof *receiver));
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

void fake_receiver_cut(FakeReceiver *receiver)
{
    for (FakeSink *sink = receiver->open; sink; sink = sink->next) {
        sink->cut = sink->connected;
    }
}

void fake_receiver_script(FakeReceiver *receiver, FakeAnswer answer)
{
    receiver->scripts =
        fake_must(realloc(receiver->scripts, (receiver->script_count + 1) * sizeof receiver->scripts[0]));
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
        if (delivery->placed && delivery->job == 0 &&
            (!receiver->has_place || delivery->seq > receiver->place.cursor)) {
            receiver->has_place = true;
            receiver->place = (SinkPlace){.cursor = delivery->seq, .sent_seq = delivery->seq};
        }
    }
}

void fake_receiver_lose(FakeReceiver *receiver, size_t count)
{
    while (count-- > 0 && receiver->delivery_count > 0) {
        fake_delivery_free(&receiver->deliveries[--receiver->delivery_count]);
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

void fake_receiver_keep(FakeReceiver *receiver, FakeDelivery *message)
{
    if (receiver->delivery_count == receiver->delivery_cap) {
        receiver->delivery_cap = receiver->delivery_cap ? 2 * receiver->delivery_cap : 64;
        receiver->deliveries =
            fake_must(realloc(receiver->deliveries, receiver->delivery_cap * sizeof receiver->deliveries[0]));
    }
    FakeDelivery *kept = &receiver->deliveries[receiver->delivery_count++];
    *kept = *message;
    kept->at_us = fake_now_us(receiver);
    message->id = message->key = message->body = message->traceparent = NULL;
}

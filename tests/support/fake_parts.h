/* What the two files of the fake sinks share: the receivers as they are, and the sinks that are open on them. */
#ifndef WEIR_TESTS_SUPPORT_FAKE_PARTS_H
#define WEIR_TESTS_SUPPORT_FAKE_PARTS_H

#include <stdatomic.h>

#include "support/fake_sink.h"

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
    bool cut;        /* the connection is gone, and the sink does not know yet */
    Flight *flights; /* receiver->room of them */
    size_t flight_count;
    atomic_bool woken;
} FakeSink;

void *fake_must(void *memory); /* aborts when it is NULL */
FakeDelivery fake_delivery_of(const Message *message, int64_t job, bool placed);
void fake_delivery_free(FakeDelivery *delivery);
/* Moves the message to the receiver. */
void fake_receiver_keep(FakeReceiver *receiver, FakeDelivery *message);

/* 0 … below-1 */
uint64_t fake_draw(FakeReceiver *receiver, uint64_t below);
bool fake_chance(FakeReceiver *receiver, unsigned of_a_thousand);
int64_t fake_now_us(const FakeReceiver *receiver);

#endif

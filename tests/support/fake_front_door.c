#include "support/fake_front_door.h"

#include <stdlib.h>

static Status start(FrontDoor *door, Error *reterr)
{
    (void)door, (void)reterr;
    return STATUS_OK;
}

static FrontDoorAnswer hand_in(FrontDoor *base, FrontDoorCall *call, Error *reterr)
{
    FakeFrontDoor *door = (FakeFrontDoor *)base;
    if (door->answer != FRONT_DOOR_TAKEN) {
        error_set(reterr, STATUS_BUSY, "the test did not let it in");
        return door->answer;
    }
    if (door->count == FAKE_FRONT_DOOR_CALLS_MAX || call->count == 0) {
        abort();
    }
    door->calls[door->count++] = call;
    return FRONT_DOOR_TAKEN;
}

static void look(FrontDoor *door, FrontDoorStatus *ret_status)
{
    (void)door;
    *ret_status = (FrontDoorStatus){.source = "fake", .topic = "fake", .state = FRONT_DOOR_OPEN};
}

static void stop(FrontDoor *base)
{
    FakeFrontDoor *door = (FakeFrontDoor *)base;
    for (size_t i = 0; i < door->count; i++) {
        if (door->calls[i]) {
            fake_front_door_say(door, i, STATUS_UNKNOWN);
        }
    }
}

static void close_door(FrontDoor *door) { (void)door; }

static const FrontDoorOps fake_ops = {
    .start = start, .hand_in = hand_in, .look = look, .stop = stop, .close = close_door};

void fake_front_door_init(FakeFrontDoor *door) { *door = (FakeFrontDoor){.base.ops = &fake_ops}; }

void fake_front_door_say(FakeFrontDoor *door, size_t index, Status status)
{
    const Error error = {status, "the test said so"};
    FrontDoorCall *call = door->calls[index];
    if (!call) {
        abort();
    }
    door->calls[index] = NULL;
    call->done(call, status, &error);
}

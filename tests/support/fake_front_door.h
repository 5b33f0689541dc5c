/* A front door whose broker is the test: it keeps calls until the test says what became of them. One thread. */
#ifndef WEIR_TESTS_SUPPORT_FAKE_FRONT_DOOR_H
#define WEIR_TESTS_SUPPORT_FAKE_FRONT_DOOR_H

#include "intake/front_door.h"

enum { FAKE_FRONT_DOOR_CALLS_MAX = 16 };

typedef struct FakeFrontDoor {
    FrontDoor base;
    FrontDoorAnswer answer; /* to the next calls */
    FrontDoorCall *calls[FAKE_FRONT_DOOR_CALLS_MAX];
    size_t count;
} FakeFrontDoor;

/* All zero but the operations: calls are taken. */
void fake_front_door_init(FakeFrontDoor *door);

/* Says what became of the call that was taken as number `index`; once for each. */
void fake_front_door_say(FakeFrontDoor *door, size_t index, Status status);

#endif

#include "intake/front_door.h"

const int64_t front_door_bucket_us[FRONT_DOOR_BUCKETS - 1] = {1000,   2500,   5000,    10000,   25000,   50000,
                                                              100000, 250000, 1000000, 5000000, 30000000};

const char *front_door_state_name(FrontDoorState state)
{
    static const char *const names[] = {
        [FRONT_DOOR_CONNECTING] = "connecting", [FRONT_DOOR_OPEN] = "open", [FRONT_DOOR_DOWN] = "down"};
    return names[state];
}

void front_door_stop(FrontDoor *door)
{
    if (door) {
        door->ops->stop(door);
    }
}

void front_door_close(FrontDoor *door)
{
    if (door) {
        door->ops->close(door);
    }
}

/* What the store keeps about events, held against the oracle's facts: all of it, or a drawn piece. Where nobody sends
 * any, nothing is looked at: that would change nothing but which operation of the disk a fault strikes. */
#ifndef WEIR_TESTS_SIM_EVENT_LOOK_H
#define WEIR_TESTS_SIM_EVENT_LOOK_H

#include "sim/tables.h"

/* Whether the store has what the oracle has; else the first difference. A reader that was struck says yes. */
bool event_look_check(World *world, StoreReader *reader, char ret_difference[TABLES_TEXT_BYTES]);
/* The events and corrections of a view that ends at `bound`. */
void event_look_view(World *world, StoreReader *reader, int64_t bound);
/* One look at something, with a reader of its own. */
void event_look_step(World *world);

#endif

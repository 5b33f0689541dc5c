/* What a line may do, and what a receiver may get. */
#ifndef WEIR_TESTS_SIM_WIRE_CHECK_H
#define WEIR_TESTS_SIM_WIRE_CHECK_H

#include "deliver/sink.h"
#include "sim/wire.h"

/* A line is about to send these. */
void wire_check_group(World *world, size_t sink, int64_t job, const Message *messages, size_t count,
                      const SinkPlace *place);
/* Where the receiver believes that the live line is. */
int64_t wire_place_of(const World *world, size_t sink);
/* Such a group has reached it, where it was at `from`. */
void wire_check_place(World *world, size_t sink, int64_t from, const Message *messages, size_t count,
                      const SinkPlace *place);
/* It was told so. */
void wire_note_verdict(World *world, size_t sink, int64_t job, const SinkResult *result);

/* The store did this: what it says has to be so before, and the cursor has passed nothing after. */
void wire_check_before(World *world, const Work *work);
void wire_check_after(World *world, const Work *work, const TableSink *before, int64_t replay_cursor);

/* Nothing goes wrong any more, and all have come to rest: everything has come. */
void wire_check_complete(World *world);

#endif

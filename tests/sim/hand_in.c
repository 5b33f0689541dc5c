#include "sim/hand_in.h"

#include "sim/world.h"

/* The wrapped one is for those who do not know of the world: see wire.c. */
Status __real_processor_submit(Processor *processor, Submission *submission, Error *reterr);

Status hand_in(World *world, Submission *submission, Error *reterr)
{
    Clients *clients = &world->clients;
    bool fits = clients->queue_bytes == 0 ||
                clients->queue_bytes + submission->bytes <= world->machine.processor_options.queue_bytes_max;
    Status status = __real_processor_submit(world->machine.processor, submission, reterr);
    if (status != (fits ? STATUS_OK : STATUS_BUSY)) {
        story_fail(&world->story, "something is handed in",
                   fits ? "room in the queue" : "BUSY, since the queue is full", status_name(status));
    }
    if (status == STATUS_OK) {
        clients->queue_bytes += submission->bytes;
        clients->told.submissions++;
    } else {
        clients->told.refused_busy++;
    }
    return status;
}

void hand_in_done(World *world, const Submission *submission) { world->clients.queue_bytes -= submission->bytes; }

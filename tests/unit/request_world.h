/* A request alone, whose connection is never suspended, and what it hands to the processor in the test's hands. For
 * programs that are linked with processor_submit wrapped (meson.build). */
#ifndef WEIR_TESTS_REQUEST_WORLD_H
#define WEIR_TESTS_REQUEST_WORLD_H

#include "unit.h"

#include <microhttpd.h>

#include "http/parts.h"
#include "http/turn.h"

/* ---- What is replaced -------------------------------------------------------------------------------------------- */

enum { HANDED_MAX = 8 };
static Submission *handed[HANDED_MAX]; /* since the world was made, in order */
static size_t handed_count;

Status __wrap_processor_submit(Processor *processor, Submission *submission, Error *reterr);
Status __wrap_processor_submit(Processor *processor, Submission *submission, Error *reterr)
{
    (void)processor, (void)reterr;
    assert_true(handed_count < HANDED_MAX);
    handed[handed_count++] = submission;
    return STATUS_OK;
}

void MHD_suspend_connection(struct MHD_Connection *mhd) { (void)mhd; }
void MHD_resume_connection(struct MHD_Connection *mhd) { (void)mhd; }

/* Each record of what was handed in as number `index` is a new one; seqs from 1 on. */
static inline void create_records(size_t index)
{
    const Work *work = &handed[index]->work;
    for (size_t i = 0; i < work->records.count; i++) {
        work->records.outcomes[i] = (Outcome){.kind = OUTCOME_CREATED, .seq = (int64_t)i + 1};
    }
}

/* ---- The world --------------------------------------------------------------------------------------------------- */

typedef struct RequestWorld {
    RecordPolicy policy;
    MappingSet *mappings; /* the built-in one alone */
    HttpServer server;
    Poller poller; /* never asleep */
    Conn conn;
    Request *request;
} RequestWorld;

/* The world is zeroed. */
static inline void request_world_init(RequestWorld *world)
{
    Error error = {0};
    handed_count = 0;
    world->policy = (RecordPolicy){.scale = 2, .identity = IDENTITY_RECORD_ID, .hash_seed = 5};
    assert_int_equal(mapping_set_new(NULL, 0, &world->mappings, &error), STATUS_OK);
    world->server.options = http_server_options_default();
    world->server.options.policy = &world->policy;
    world->server.options.mappings = world->mappings;
    world->server.options.clock = &clock_system;
    world->server.bodies.bytes_max = world->server.options.bodies_bytes_max;
    world->conn.server = &world->server;
    world->conn.poller = &world->poller;
    world->request = request_new(&world->conn);
    assert_non_null(world->request);
}

static inline void request_world_release(RequestWorld *world)
{
    request_free(world->request);
    mapping_set_free(world->mappings);
}

/* The processor has stored what it was handed first, and the request goes on. */
static inline void request_world_go_on(RequestWorld *world)
{
    const Error no_error = {0};
    handed[0]->done(handed[0], STATUS_OK, &no_error);
    assert_int_equal(turn_take_back(world->request), TURN_BACK_OURS);
    world->request->then(world->request);
}

#endif

/* What a message must say: each member held against the model, and the same bytes whenever and to whomever it is
 * sent. */
#ifndef WEIR_TESTS_SIM_MESSAGES_H
#define WEIR_TESTS_SIM_MESSAGES_H

#include "sim/expect.h"

typedef struct World World;

/* The bytes of each message that was looked at, as a hash by sequence; 0: not yet. */
typedef struct Messages {
    uint64_t *hashes; /* owns */
    size_t count, room;
} Messages;

void messages_release(Messages *messages);
/* The log has become shorter: what comes behind its end will be another message. */
void messages_rewound(Messages *messages, int64_t last_seq);

/* The message at `seq`, whatever its kind. */
void messages_check(World *world, int64_t seq, yyjson_val *message);
/* The same of its text, which must not change from one time to the next. */
void messages_check_bytes(World *world, int64_t seq, Str body);

#endif

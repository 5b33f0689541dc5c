/* What the two files of the fake sources share: the origins as they are, and the source that is open on one. */
#ifndef WEIR_TESTS_SUPPORT_FAKE_SOURCE_PARTS_H
#define WEIR_TESTS_SUPPORT_FAKE_SOURCE_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "support/fake_source.h"

enum { FAKE_UNDER_WAY_MAX = 2 };

typedef struct FakeMessage {
    char *raw;
    size_t len;
    char *format, *traceparent, *refused;
    bool pending; /* FAKE_QUEUE: fetched, and not acknowledged */
    bool acknowledged;
    OutcomeKind outcome;
} FakeMessage;

typedef struct FakePart {
    FakeMessage *messages;
    size_t count, cap;
    int64_t noted; /* the first offset that was not acknowledged */
} FakePart;

typedef struct Script {
    Status status;
    unsigned times;
} Script;

typedef struct FakeSource FakeSource;

struct FakeOrigin {
    FakeOrigins *origins;
    FakeOrigin *next;
    char *name;
    FakeOriginStyle style;
    FakePart parts[FAKE_ORIGIN_PARTS_MAX];
    size_t part_count;
    size_t left;         /* messages that were not acknowledged */
    unsigned generation; /* how often it was made anew */
    FakeOriginFaults faults;
    bool down;
    Script opening, connecting, fetching, acknowledging;
    const char *notice;
    FakeSource *open;
    FakeOriginCounts counts;
};

struct FakeOrigins {
    FakeOriginsOptions options;
    pthread_mutex_t lock; /* guards all origins and what their sources keep, but for `woken` */
    FakeOrigin *list;
};

/* The messages of a part that a group has: those from … through - 1 that it took. */
typedef struct FakeRange {
    int64_t from, through;
} FakeRange;

typedef struct FakeGroup {
    FakeRange ranges[FAKE_ORIGIN_PARTS_MAX];
    size_t count; /* of messages */
} FakeGroup;

struct FakeSource {
    Source base;
    FakeOrigin *origin;
    const SourceOptions *options;
    bool connected, cut;
    int64_t at[FAKE_ORIGIN_PARTS_MAX]; /* reads on there */
    size_t first_part;                 /* where the next fetch begins, so that no part starves */
    FakeGroup under_way[FAKE_UNDER_WAY_MAX];
    size_t under_way_count;
    atomic_bool woken;
};

void *fake_origin_must(void *memory); /* aborts when it is NULL */
void fake_origin_lock(const FakeOrigin *origin);
void fake_origin_unlock(const FakeOrigin *origin);
FakeOrigin *fake_origin_find(FakeOrigins *origins, const char *name); /* NULL when there is none */

#endif

/* Consumers of the feeds: they read messages behind their cursor, in pages or as streams, and hold each message's bytes
 * against the model: none left out, none twice, in commit order, each with its record, its summary, its rule. */
#ifndef WEIR_TESTS_SIM_FEEDS_H
#define WEIR_TESTS_SIM_FEEDS_H

#include "query/query.h"

typedef struct World World;

typedef struct Consumer {
    FeedKind kind;
    int64_t after;
} Consumer;

enum { FEEDS_CONSUMERS = 4 };

typedef struct Feeds {
    Consumer consumers[FEEDS_CONSUMERS];
    Buf out;
} Feeds;

void feeds_init(Feeds *feeds);
void feeds_release(Feeds *feeds);

/* One consumer reads on a little. */
void feeds_step(World *world);
/* All of them read to the end, and a new one of each kind from the beginning. */
void feeds_all(World *world);
/* The log has become shorter. */
void feeds_rewound(World *world);

#endif

/* What the tests of sources share: a source, its other side, and what a feeder does with both. It keeps the places of
 * what was stored, and counts what comes; messages are told apart by a number that they begin with.
 *
 * Every call to the source is bounded in time, and every message is looked at as it comes; whatever fails here fails
 * the test. */
#ifndef WEIR_TESTS_CONTRACT_READING_FIXTURE_H
#define WEIR_TESTS_CONTRACT_READING_FIXTURE_H

#include "source_suite.h"

#define SECOND_US   INT64_C(1000000)
#define PATIENCE_US (30 * SECOND_US) /* for what has to come */
#define BOUNDED_US  (15 * SECOND_US) /* of a call, with room for a busy machine */
#define QUIET_US    (SECOND_US / 2)  /* after which nothing more is expected to come */

enum { NUMBER_MAX = 2000, PARTS_MAX = 48, PLACES_MAX = 64, GROUPS = 2 };

/* What a feeder would have stored. */
typedef struct KeptPlace {
    char *part, *mark;
    size_t part_len, mark_len;
    int64_t next;
} KeptPlace;

typedef struct SourceFixture {
    void *side;
    Source *source;
    SideLimits limits;
    SourceGroup groups[GROUPS]; /* for the test's use */
    KeptPlace kept[PLACES_MAX];
    size_t kept_count;
    KeptPlace copied[PLACES_MAX]; /* an older copy of them */
    size_t copied_count;
    size_t seen[NUMBER_MAX];   /* how often each has come */
    size_t last_of[PARTS_MAX]; /* the last number of a part since the source was connected */
    size_t refused;            /* messages that came with a reason why they are none */
} SourceFixture;

extern const SourceSide *source_side; /* that the tests are run on */

/* A fresh other side, and a source that is open and not connected. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_open(SourceFixture *fixture, size_t group_messages_max, size_t message_bytes_max);
int64_t side_now_us(void);

/* Numbers first … first + count - 1 into one part; one into part 0 that is so long. */
void fixture_put(SourceFixture *fixture, size_t part, size_t first, size_t count);
void fixture_put_long(SourceFixture *fixture, size_t number, size_t bytes);
void fixture_assert_left(SourceFixture *fixture, int64_t count);

/* With the places that were stored. */
Status fixture_try_connect(SourceFixture *fixture, Error *reterr);
void fixture_connect(SourceFixture *fixture);
void fixture_reopen(SourceFixture *fixture);

/* One call; fails the test when it takes too long. The messages are not looked at. */
Status fixture_fetch_once(SourceFixture *fixture, SourceGroup *group, Error *reterr);
/* Fetches until something has come, or until `us_max` has gone by. Returns how many messages there are. */
size_t fixture_fetch_within(SourceFixture *fixture, SourceGroup *group, int64_t us_max);
size_t fixture_fetch(SourceFixture *fixture, SourceGroup *group); /* something has to come */

/* The group is in the store, with its places. */
void fixture_store(SourceFixture *fixture, SourceGroup *group);
void fixture_acknowledge(SourceFixture *fixture, const SourceGroup *group);
void fixture_forget_places(SourceFixture *fixture);
/* A copy of the store is taken; and put back, once. */
void fixture_copy_places(SourceFixture *fixture);
void fixture_put_places_back(SourceFixture *fixture);

/* Takes `count` messages as a feeder would that nothing happens to. Returns the number of groups. */
size_t fixture_take(SourceFixture *fixture, size_t count);
/* Places come, so many, and no message; they are stored. */
void fixture_take_places(SourceFixture *fixture, size_t count);

/* Nothing more comes. */
void fixture_assert_quiet(SourceFixture *fixture);
void fixture_assert_notice(const SourceFixture *fixture, const char *words); /* NULL: there is none */
void fixture_assert_seen(const SourceFixture *fixture, size_t first, size_t count, size_t times);

#endif

/* What the tests of deliveries share: short ways to do something, and to look at what is kept.
 *
 * Each look is one of its own; whatever fails here fails the test. */
#ifndef WEIR_TESTS_CONTRACT_DELIVERY_FIXTURE_H
#define WEIR_TESTS_CONTRACT_DELIVERY_FIXTURE_H

#include "store_fixture.h"

enum { TEXT_BYTES = 512, SEEN_MAX = 64 };

typedef struct SeenSink {
    bool found;
    StoredSink sink;
    char reason[TEXT_BYTES];
    char names[TEXT_BYTES]; /* of all, with a space behind each */
    Str wanted;
} SeenSink;

typedef struct SeenRetries {
    size_t count;
    StoredRetry retries[SEEN_MAX]; /* the first ones */
} SeenRetries;

typedef struct SeenLetters {
    size_t count, limit;
    DeadLetter letters[SEEN_MAX];               /* their texts are gone */
    char origin[TEXT_BYTES], error[TEXT_BYTES]; /* of the last */
} SeenLetters;

typedef struct SeenMessages {
    size_t count;
    int64_t seqs[SEEN_MAX], record_seqs[SEEN_MAX];
    char kinds[TEXT_BYTES]; /* the first letter of each */
    char body[TEXT_BYTES];  /* the last one's */
} SeenMessages;

typedef struct SeenAttempts {
    size_t count;
    StoredAttempt attempts[SEEN_MAX];
    char last[TEXT_BYTES]; /* the last one's texts */
} SeenAttempts;

typedef struct SeenReplays {
    size_t count;
    StoredReplay replays[SEEN_MAX];
    char last[TEXT_BYTES]; /* the last one's texts */
} SeenReplays;

Status apply(Fixture *fixture, Work *work);
void put_sink(Fixture *fixture, const char *name, int64_t cursor);
Status deliver(Fixture *fixture, DeliveryChange change);
size_t die(Fixture *fixture, const char *sink, int64_t seq, const char *error, bool announce); /* how many are new */
void settle(Fixture *fixture, const char *sink, int64_t seq);
size_t change_letters(Fixture *fixture, DeadLetterFilter filter, DeadLetterAction action, size_t limit);
int64_t put_replay(Fixture *fixture, const char *sink, int64_t after, int64_t through);
SeenSink look_at_sink(Fixture *fixture, const char *name);
int64_t version_of(Fixture *fixture, const char *sink);
SeenRetries look_at_retries(Fixture *fixture, const char *sink, int64_t job);
SeenLetters look_at_letters(Fixture *fixture, DeadLetterFilter filter, size_t limit);
DeadLetterState state_of(Fixture *fixture, int64_t id);
int64_t open_letters(Fixture *fixture);
SeenMessages look_at_messages(Fixture *fixture, const char *kind, int64_t after);
SeenAttempts look_at_attempts(Fixture *fixture, int64_t seq);
SeenReplays look_at_replays(Fixture *fixture, const char *sink);

#endif

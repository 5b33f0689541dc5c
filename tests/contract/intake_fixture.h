/* What the tests of intake share: groups of messages on their way into the store, and looks at what is kept of them.
 *
 * Whatever fails here fails the test. */
#ifndef WEIR_TESTS_CONTRACT_INTAKE_FIXTURE_H
#define WEIR_TESTS_CONTRACT_INTAKE_FIXTURE_H

#include "delivery_fixture.h"

enum { GROUP_MAX = 32 };

/* A group of messages on its way into the store. */
typedef struct Group {
    Record records[GROUP_MAX];
    Outcome outcomes[GROUP_MAX];
    IntakeLetter letters[GROUP_MAX], refused[GROUP_MAX];
    SourcePlace places[GROUP_MAX];
    IntakeChange change;
    size_t count;
} Group;

typedef struct SeenRaw {
    size_t count, len;
    char raw[TEXT_BYTES], place[TEXT_BYTES], format[TEXT_BYTES], error[TEXT_BYTES], origin[TEXT_BYTES];
    DeadLetter letter; /* its texts are gone */
} SeenRaw;

/* Free with test_free. Texts borrow until then. */
Group *group_new(const char *source);
IntakeLetter *add_record(Group *group, Record record, const char *place, const char *raw);
IntakeLetter *add_refused(Group *group, const char *place, Str raw, const char *error);
void add_place(Group *group, const char *part, int64_t next, const char *mark);

/* Whatever was in the outcomes before; assert_undecided: the store said that it decided nothing. */
void spoil_outcomes(Group *group);
void assert_undecided(const Group *group);

/* The group is left as it is, so that it can come again. */
Status take_in(Fixture *fixture, Group *group);
/* One refused message of the source "orders", and nothing else. */
Status refuse_one(Fixture *fixture, const char *place, Str raw, int64_t letter);
Record record_of(const Fixture *fixture, const char *id, int64_t value); /* of one flow */

/* Expected: part=next:mark, a space behind each. */
void assert_places(Fixture *fixture, const char *source, const char *expected);
DeadLetterFilter by_id(int64_t id);
SeenRaw *look_at(Fixture *fixture, int64_t id); /* free with test_free */
void assert_letter(Fixture *fixture, int64_t id, DeadLetterState state, int64_t attempts, const char *error);
size_t count_letters(Fixture *fixture);
/* Of their messages. What the store's metrics say has to be what its rows count for. */
uint64_t letter_bytes(Fixture *fixture);
/* So many letters as refuse_one makes, with so many bytes of messages. */
uint64_t room_for(size_t letters, size_t raw_bytes);
/* With other bytes, if not empty. How many are tried again. */
size_t retry(Fixture *fixture, int64_t id, const char *raw);

#endif

/* What the tests of events share: events on their way into the store, and looks at what is kept of them.
 *
 * Whatever fails here fails the test. */
#ifndef WEIR_TESTS_CONTRACT_EVENTS_FIXTURE_H
#define WEIR_TESTS_CONTRACT_EVENTS_FIXTURE_H

#include "intake_fixture.h"

/* Events that are handed in together. */
typedef struct Events {
    Group *group; /* their records; work.records.intake may be its change */
    EventItem items[GROUP_MAX], failed[GROUP_MAX];
    EventChange change;
    Work work;
} Events;

Events *events_new(void); /* free with events_free; texts borrow until then */
void events_free(Events *events);
/* One more, of the flow that record_of gives. */
EventItem *add_event(Fixture *fixture, Events *events, const char *id, const char *client, const char *raw,
                     int64_t value);
void add_failed(Events *events, const char *client, int64_t received_us);
/* They are left as they are, so that they can come again. */
Status hand_in(Fixture *fixture, Events *events);
/* A single one. */
Outcome send_event(Fixture *fixture, const char *id, const char *client, const char *raw, int64_t value);
/* One of the shop, of value 1. */
Outcome send_raw(Fixture *fixture, const char *id, const char *raw);

/* A correction of the event at `seq`: it takes it back or, with an alias, puts there what has that id now. */
EventItem *add_correction(Fixture *fixture, Events *events, const char *id, int64_t seq, const char *alias);
/* They are taken all or none, and nobody counts them. */
void make_one_piece(Events *events);
/* Takes the event at `seq` back and replaces it, in one piece. The alias is the id of the record at `holder`; 0: nobody
 * has had it, or who had was taken back. */
void correct_as(Fixture *fixture, const char *first, const char *second, int64_t seq, const char *alias,
                int64_t holder);
void correct(Fixture *fixture, const char *first, const char *second, int64_t seq, const char *alias);

void assert_created(Outcome outcome, int64_t seq);
/* It may differ. */
void assert_known(Outcome outcome, int64_t seq);

typedef struct SeenEvents {
    size_t count, limit;
    StoredEvent last;      /* its texts are gone */
    char text[TEXT_BYTES]; /* seq:mapping:raw*attempts of each, a space behind each */
} SeenEvents;

SeenEvents look_at_events(Fixture *fixture, int64_t after, int64_t through, size_t limit);
/* OK or REFUSED. */
Status look_at_event(Fixture *fixture, int64_t seq, SeenEvents *ret_seen);
void assert_events(Fixture *fixture, const char *expected);
/* Expected: id:seq#number, the newest first, a space behind each; and a ! before it when something differs. */
void assert_attempts(Fixture *fixture, EventAttemptFilter filter, const char *expected);
/* Expected: id:mapping:raw of each, a space behind each. */
void assert_duplicates(Fixture *fixture, int64_t seq, int64_t after, const char *expected);
/* Expected: name=processed/duplicates/failed, a space behind each. */
void assert_clients(Fixture *fixture, const char *expected);

#endif

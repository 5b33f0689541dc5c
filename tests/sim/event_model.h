/* The oracle of store/events.h: what was committed about events, as a list of facts in the order of commits, and the
 * rows that follow from them. To go back is to forget the last facts and to read the others again.
 *
 * Texts are borrowed for as long as the model lives. */
#ifndef WEIR_TESTS_SIM_EVENT_MODEL_H
#define WEIR_TESTS_SIM_EVENT_MODEL_H

#include "sim/plain.h"
#include "store/events.h"

typedef enum FactKind {
    FACT_EVENT,      /* became the record `seq` */
    FACT_ATTEMPT,    /* is the record `seq` already */
    FACT_FAILED,     /* became none */
    FACT_CORRECTION, /* of which the record is `seq` */
    FACT_TRIM,       /* a batch ends, and the ring keeps so many attempts */
} FactKind;

typedef struct Fact {
    FactKind kind;
    EventItem item;
    int64_t seq;
    Str client;       /* the row that it counts in */
    Str id;           /* event: leads to its record from now on; empty for the record's own */
    Str ended;        /* correction that takes back: the corrected record's id, if that is an event's */
    int64_t number;   /* attempt */
    uint32_t differs; /* attempt */
    int64_t kept_for; /* attempt: the event of which it is a duplicate with other bytes; 0: its bytes are not kept */
    size_t keep;      /* trim */
} Fact;

typedef struct EventModel {
    size_t attempts_max, clients_max; /* the store's options */
    Fact *facts;                      /* owns */
    size_t count, room;
    size_t *of_record; /* by seq: the fact that made it an event, counted from 1; 0 for none; owns */
    size_t record_count, record_room;
    size_t *attempts; /* facts; the ring is what is behind the first `gone`; owns */
    size_t attempt_count, attempt_room, gone;
    bool attempted;     /* since the last trim */
    size_t *duplicates; /* facts, of attempts whose bytes are kept; owns */
    size_t duplicate_count, duplicate_room;
    EventClient *clients; /* in the order in which they came; `received` is not used; owns */
    size_t client_count, client_room;
    PlainMap leads; /* an id → the record that it leads to; below 0: to that one no more */
} EventModel;

void event_model_init(EventModel *events);
void event_model_release(EventModel *events);

/* The fact that made the record at `seq` an event or a correction; NULL where it is none. */
const Fact *event_model_at(const EventModel *events, int64_t seq);
/* Whose bytes are behind a record: itself, or the first of those that it corrects. NULL where it is no event. */
const Fact *event_model_origin(const EventModel *events, int64_t seq);
/* Where an id leads; see reader_event_alias(). */
int64_t event_model_lead(const EventModel *events, Str id);

/* The next one behind `after`, a place from 0 on, that is kept as a duplicate of the event at `seq`; SIZE_MAX: none. */
size_t event_model_next_duplicate(const EventModel *events, int64_t seq, size_t after);
const Fact *event_model_duplicate(const EventModel *events, size_t at);
/* Whether what had been taken for a duplicate is kept as one. */
bool event_model_keeps(const EventModel *events, const EventItem *item);

/* `id` is empty where the record has the event's own. */
void event_model_created(EventModel *events, const EventItem *item, int64_t seq, Str id);
void event_model_attempt(EventModel *events, const EventItem *item, int64_t seq, uint32_t differs);
void event_model_failed(EventModel *events, const EventItem *item);
/* `corrected` is the id of the record that it corrects. */
void event_model_correct(EventModel *events, const EventItem *item, int64_t seq, Str corrected);
/* A batch is committed. */
void event_model_commit(EventModel *events);

void event_model_rewind(EventModel *events, size_t count);

#endif

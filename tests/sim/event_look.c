#include "sim/event_look.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "sim/world.h"
#include "support/need.h"
#include "support/random.h"

/* One look; what a visitor finds first that is not right is told, and nothing more is looked at. */
typedef struct Look {
    const EventModel *right;
    int64_t *numbers; /* by seq: of the newest attempt that the ring has, 0 for none; owns */
    bool is_older;    /* it began when the ring was another one */
    int64_t at, through;
    size_t next; /* attempt */
    int64_t of;  /* attempts of this record alone, 0 for all */
    int64_t last_id;
    size_t enough; /* so many attempts; 0: all */
    size_t count;
    EventCorrection *corrections; /* that are to come; owns */
    size_t correction_count;
    Str last_name;
    char *difference;
} Look;

/* Always false. */
static bool differ(Look *look, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool differ(Look *look, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(look->difference, TABLES_TEXT_BYTES, format, args);
    va_end(args);
    return false;
}

static bool is_clean(const Look *look) { return !look->difference[0]; }

/* ---- Events ------------------------------------------------------------------------------------------------------ */

static void number_attempts(Look *look, int64_t last_seq)
{
    const EventModel *right = look->right;
    look->numbers = need(calloc((size_t)last_seq + 1, sizeof *look->numbers));
    for (size_t i = right->gone; i < right->attempt_count; i++) {
        const Fact *fact = &right->facts[right->attempts[i]];
        look->numbers[fact->seq] = fact->number;
    }
}

static int64_t next_event(const Look *look)
{
    int64_t seq = look->at + 1;
    while (seq <= look->through && !event_model_at(look->right, seq)) {
        seq++;
    }
    return seq <= look->through ? seq : 0;
}

static bool are_times(const EventItem *right, int64_t received_us, int64_t normalised_us, int64_t hashed_us)
{
    return received_us == right->received_us && normalised_us == right->normalised_us && hashed_us == right->hashed_us;
}

static bool visit_event(void *context, const StoredEvent *event)
{
    Look *look = context;
    int64_t seq = next_event(look), attempts = seq && look->numbers[seq] ? look->numbers[seq] : 1;
    if (event->seq != seq) {
        return differ(look, "the next event is that of record %" PRId64 ", and should be that of %" PRId64, event->seq,
                      seq);
    }
    const EventItem *right = &event_model_at(look->right, seq)->item;
    look->at = seq;
    if (!str_equal(event->raw, right->raw) || !str_equal(event->mapping, right->mapping) ||
        !are_times(right, event->received_us, event->normalised_us, event->hashed_us)) {
        return differ(look, "event %" PRId64 " has other bytes, another mapping or other times than it came with", seq);
    }
    attempts = look->is_older ? event->attempts : attempts;
    if (event->taken_for != right->taken_for) {
        return differ(look, "event %" PRId64 " had been taken for %" PRId64 ", and should have been for %" PRId64, seq,
                      event->taken_for, right->taken_for);
    }
    return (event->corrects == right->corrects && event->attempts == attempts) ||
           differ(look,
                  "event %" PRId64 " corrects %" PRId64 " and has %" PRId64 " attempts; right are %" PRId64
                  ", %" PRId64,
                  seq, event->corrects, event->attempts, right->corrects, attempts);
}

static Status look_at_events(StoreReader *reader, Look *look, int64_t after, int64_t through, Error *reterr)
{
    look->at = after;
    look->through = through;
    Status status = reader_events(reader, after, through, visit_event, look, reterr);
    if (status == STATUS_OK && is_clean(look) && next_event(look)) {
        differ(look, "the event of record %" PRId64 " is missing", next_event(look));
    }
    return status;
}

/* ---- What was taken for duplicates ------------------------------------------------------------------------------- */

static bool visit_duplicate(void *context, const StoredDuplicate *duplicate)
{
    Look *look = context;
    size_t at = event_model_next_duplicate(look->right, look->of, look->next);
    if (at == SIZE_MAX || duplicate->id <= look->last_id) {
        return differ(look, "event %" PRId64 " has what was taken for its duplicate and was not, or in another order",
                      look->of);
    }
    const EventItem *right = &event_model_duplicate(look->right, at)->item;
    look->next = at + 1;
    look->last_id = duplicate->id;
    return (str_equal(duplicate->raw, right->raw) && str_equal(duplicate->mapping, right->mapping) &&
            duplicate->received_us == right->received_us && duplicate->seq == look->of) ||
           differ(look, "event %" PRId64 " has other bytes than those of what was taken for its duplicate", look->of);
}

static Status look_at_duplicates(StoreReader *reader, Look *look, int64_t of, Error *reterr)
{
    look->of = of;
    look->next = 0;
    look->last_id = 0;
    Status status = reader_event_duplicates(reader, of, 0, visit_duplicate, look, reterr);
    if (status == STATUS_OK && is_clean(look) && event_model_next_duplicate(look->right, of, look->next) != SIZE_MAX) {
        differ(look, "event %" PRId64 " does not have all of what was taken for its duplicate", of);
    }
    return status;
}

/* Of each that was an event. */
static Status look_at_all_duplicates(StoreReader *reader, Look *look, Error *reterr)
{
    const EventModel *right = look->right;
    Status status = STATUS_OK;
    for (size_t i = 0; i < right->count && status == STATUS_OK && is_clean(look); i++) {
        if (right->facts[i].kind == FACT_EVENT) {
            status = look_at_duplicates(reader, look, right->facts[i].seq, reterr);
        }
    }
    return status;
}

/* ---- Corrections ------------------------------------------------------------------------------------------------- */

static int by_corrected(const void *a, const void *b)
{
    const EventCorrection *left = a, *right = b;
    if (left->corrects != right->corrects) {
        return left->corrects < right->corrects ? -1 : 1;
    }
    return (left->seq > right->seq) - (left->seq < right->seq);
}

/* Those of the records from `first` to `last`, that are there up to `bound`. */
static void expect_corrections(Look *look, int64_t first, int64_t last, int64_t bound)
{
    const EventModel *right = look->right;
    free(look->corrections);
    look->corrections = need(calloc(right->count + 1, sizeof *look->corrections));
    look->correction_count = look->count = 0;
    for (size_t i = 0; i < right->count; i++) {
        const Fact *fact = &right->facts[i];
        int64_t corrects = fact->item.corrects;
        if (fact->kind == FACT_CORRECTION && corrects >= first && corrects <= last && fact->seq <= bound) {
            look->corrections[look->correction_count++] = (EventCorrection){fact->seq, corrects};
        }
    }
    qsort(look->corrections, look->correction_count, sizeof *look->corrections, by_corrected);
}

static bool visit_correction(void *context, const EventCorrection *correction)
{
    Look *look = context;
    const EventCorrection *right = &look->corrections[look->count];
    bool same = look->count < look->correction_count && correction->seq == right->seq &&
                correction->corrects == right->corrects;
    look->count++;
    return same || differ(look, "record %" PRId64 " corrects record %" PRId64 ", which is not the next one that does",
                          correction->seq, correction->corrects);
}

static Status look_at_corrections(StoreReader *reader, Look *look, int64_t first, int64_t last, int64_t bound,
                                  Error *reterr)
{
    expect_corrections(look, first, last, bound);
    Status status = reader_event_corrections(reader, first, last, visit_correction, look, reterr);
    if (status == STATUS_OK && is_clean(look) && look->count != look->correction_count) {
        differ(look, "%zu corrections are found of %zu", look->count, look->correction_count);
    }
    return status;
}

/* ---- Attempts ---------------------------------------------------------------------------------------------------- */

/* The newest one among those before `next` that is wanted; SIZE_MAX: none. */
static size_t next_attempt(const Look *look)
{
    const EventModel *right = look->right;
    for (size_t i = look->next; i > right->gone; i--) {
        if (look->of == 0 || right->facts[right->attempts[i - 1]].seq == look->of) {
            return i - 1;
        }
    }
    return SIZE_MAX;
}

static bool visit_attempt(void *context, const EventAttempt *attempt)
{
    Look *look = context;
    size_t at = next_attempt(look);
    if (at == SIZE_MAX || attempt->id >= look->last_id) {
        return differ(look, "attempt %" PRId64 " of event %" PRId64 " is there", attempt->id, attempt->seq);
    }
    const Fact *right = &look->right->facts[look->right->attempts[at]];
    look->next = at;
    look->last_id = attempt->id;
    bool same = attempt->seq == right->seq && attempt->number == right->number && attempt->differs == right->differs &&
                are_times(&right->item, attempt->received_us, attempt->normalised_us, attempt->hashed_us);
    if (!same) {
        return differ(look,
                      "attempt %" PRId64 " is number %" PRId64 " of event %" PRId64
                      " and differs by %x; right are %" PRId64 " of %" PRId64 ", %x, and its times",
                      attempt->id, attempt->number, attempt->seq, attempt->differs, right->number, right->seq,
                      right->differs);
    }
    return !look->enough || --look->enough > 0;
}

/* Those in front of the first `skip` that there are, which end at the id `before`. */
static Status look_at_attempts(StoreReader *reader, Look *look, int64_t of, size_t skip, int64_t before, Error *reterr)
{
    EventAttemptFilter filter = {.seq = of, .before = before};
    look->of = of;
    look->next = look->right->attempt_count - skip;
    look->last_id = before ? before : INT64_MAX;
    bool wants_all = look->enough == 0;
    Status status = reader_event_attempts(reader, &filter, visit_attempt, look, reterr);
    if (status == STATUS_OK && is_clean(look) && wants_all && next_attempt(look) != SIZE_MAX) {
        const Fact *right = &look->right->facts[look->right->attempts[next_attempt(look)]];
        differ(look, "attempt number %" PRId64 " of event %" PRId64 " is missing", right->number, right->seq);
    }
    return status;
}

/* ---- Clients ----------------------------------------------------------------------------------------------------- */

static const EventClient *client_of(const EventModel *right, Str name)
{
    for (size_t i = 0; i < right->client_count; i++) {
        if (str_equal(right->clients[i].client, name)) {
            return &right->clients[i];
        }
    }
    return NULL;
}

static bool visit_client(void *context, const EventClient *client)
{
    Look *look = context;
    const EventClient *right = client_of(look->right, client->client);
    look->count++;
    if (!right) {
        return differ(look, "there is a client %.*s", STR_ARGS(client->client));
    }
    bool same = client->processed == right->processed && client->duplicates == right->duplicates &&
                client->failed == right->failed && client->first_us == right->first_us &&
                client->last_us == right->last_us &&
                client->received == right->processed + right->duplicates + right->failed;
    return same ||
           differ(look,
                  "client %.*s has %" PRId64 " processed, %" PRId64 " duplicates, %" PRId64 " failed, %" PRId64
                  " received; right are %" PRId64 ", %" PRId64 ", %" PRId64 ", and the times of the first and the last",
                  STR_ARGS(client->client), client->processed, client->duplicates, client->failed, client->received,
                  right->processed, right->duplicates, right->failed);
}

static Status look_at_clients(StoreReader *reader, Look *look, Error *reterr)
{
    look->count = 0;
    Status status = reader_event_clients(reader, visit_client, look, reterr);
    if (status == STATUS_OK && is_clean(look) && look->count != look->right->client_count) {
        differ(look, "there are %zu clients, and should be %zu", look->count, look->right->client_count);
    }
    return status;
}

/* ---- Where ids lead ---------------------------------------------------------------------------------------------- */

static Status look_at_id(StoreReader *reader, Look *look, Str id, Error *reterr)
{
    int64_t is = 0, right = event_model_lead(look->right, id);
    Status status = reader_event_alias(reader, id, &is, reterr);
    if (status == STATUS_OK && is != right) {
        differ(look, "the id %.*s leads to record %" PRId64 " (below 0: no more), and should to %" PRId64, STR_ARGS(id),
               is, right);
    }
    return status;
}

/* Each that leads somewhere, and the first of those that do not. */
static Status look_at_ids(World *world, StoreReader *reader, Look *look, Error *reterr)
{
    enum { OTHERS_MAX = 50 };
    const EventModel *right = look->right;
    Status status = STATUS_OK;
    for (size_t i = 0; i < right->leads.capacity && status == STATUS_OK && is_clean(look); i++) {
        if (right->leads.slots[i].value) {
            status = look_at_id(reader, look, right->leads.slots[i].key, reterr);
        }
    }
    for (size_t i = 0, others = 0; i < right->count && status == STATUS_OK && is_clean(look) && others < OTHERS_MAX;
         i++) {
        if (right->facts[i].kind == FACT_EVENT) {
            status = look_at_id(reader, look, model_at(&world->model, right->facts[i].seq)->record.record_id, reterr);
            others++;
        }
    }
    return status;
}

/* ---- All of it --------------------------------------------------------------------------------------------------- */

static Look begin(World *world, char ret_difference[TABLES_TEXT_BYTES])
{
    Look look = {.right = &world->model.events, .difference = ret_difference};
    ret_difference[0] = '\0';
    number_attempts(&look, model_last_seq(&world->model));
    return look;
}

static void end(Look *look)
{
    free(look->numbers);
    free(look->corrections);
}

static Status look_at_all(World *world, StoreReader *reader, Look *look, Error *reterr)
{
    int64_t bound = model_last_seq(&world->model);
    Status status = look_at_events(reader, look, 0, bound, reterr);
    if (status == STATUS_OK && is_clean(look)) {
        status = look_at_corrections(reader, look, 1, INT64_MAX, bound, reterr);
    }
    if (status == STATUS_OK && is_clean(look)) {
        status = look_at_all_duplicates(reader, look, reterr);
    }
    if (status == STATUS_OK && is_clean(look)) {
        status = look_at_attempts(reader, look, 0, 0, 0, reterr);
    }
    if (status == STATUS_OK && is_clean(look)) {
        status = look_at_clients(reader, look, reterr);
    }
    return status == STATUS_OK && is_clean(look) ? look_at_ids(world, reader, look, reterr) : status;
}

bool event_look_check(World *world, StoreReader *reader, char ret_difference[TABLES_TEXT_BYTES])
{
    if (!senders_are_there(world)) {
        return true;
    }
    Look look = begin(world, ret_difference);
    Error error = {0};
    uint64_t struck = faults_struck(world);
    Status status = look_at_all(world, reader, &look, &error);
    bool same = is_clean(&look);
    end(&look);
    if (status != STATUS_OK) {
        faults_check_reading(world, struck, "what is kept of events", status, error.message);
        return true;
    }
    return same;
}

/* ---- Pieces ------------------------------------------------------------------------------------------------------ */

static uint64_t below(World *world, uint64_t limit) { return random_below(&world->senders.random, limit); }

static void conclude(World *world, uint64_t struck, Status status, const Look *look, const Error *error)
{
    if (status != STATUS_OK) {
        faults_check_reading(world, struck, "a look at events", status, error->message);
    } else if (!is_clean(look)) {
        story_fail(&world->story, "a look at events", NULL, look->difference);
    }
}

void event_look_view(World *world, StoreReader *reader, int64_t bound)
{
    if (!senders_are_there(world)) {
        return;
    }
    char difference[TABLES_TEXT_BYTES];
    Look look = begin(world, difference);
    Error error = {0};
    uint64_t struck = faults_struck(world);
    look.is_older = true;
    Status status = look_at_events(reader, &look, 0, bound, &error);
    if (status == STATUS_OK && is_clean(&look)) {
        status = look_at_corrections(reader, &look, 1, INT64_MAX, bound, &error);
    }
    conclude(world, struck, status, &look, &error);
    end(&look);
}

/* REFUSED where the record is no event. */
static Status look_at_one(StoreReader *reader, Look *look, int64_t seq, Error *reterr)
{
    look->at = seq - 1;
    look->through = seq;
    Status status = reader_event(reader, seq, visit_event, look, reterr);
    bool is_event = event_model_at(look->right, seq);
    if (is_clean(look) && (status == STATUS_REFUSED) == is_event) {
        differ(look, "record %" PRId64 " is %s event", seq, is_event ? "no" : "an");
    }
    return status == STATUS_REFUSED ? STATUS_OK : status;
}

/* The newest few, and those behind them from where that look ended. */
static Status look_at_page(World *world, StoreReader *reader, Look *look, Error *reterr)
{
    size_t there = look->right->attempt_count - look->right->gone;
    look->enough = 1 + below(world, there + 1);
    Status status = look_at_attempts(reader, look, 0, 0, 0, reterr);
    size_t seen = look->right->attempt_count - look->next;
    look->enough = 0;
    return status == STATUS_OK && is_clean(look) && seen
               ? look_at_attempts(reader, look, 0, seen, look->last_id, reterr)
               : status;
}

static Status look_at_piece(World *world, StoreReader *reader, Look *look, int64_t bound, Error *reterr)
{
    int64_t first = (int64_t)below(world, (uint64_t)bound + 2), last = first + (int64_t)below(world, 50);
    switch (below(world, 7)) {
    case 0: return look_at_one(reader, look, first, reterr);
    case 1: return look_at_events(reader, look, first, last < bound ? last : bound, reterr);
    case 2: return look_at_corrections(reader, look, first, last, bound, reterr);
    case 3: return look_at_attempts(reader, look, first, 0, 0, reterr);
    case 4: return look_at_duplicates(reader, look, first, reterr);
    case 5: return look_at_page(world, reader, look, reterr);
    default: return look_at_clients(reader, look, reterr);
    }
}

void event_look_step(World *world)
{
    char difference[TABLES_TEXT_BYTES];
    StoreReader *reader = NULL;
    StoreView *view = NULL;
    Error error = {0};
    Look look = begin(world, difference);
    uint64_t struck = faults_struck(world);
    Status status = machine_reader(&world->machine, MACHINE_READER_QUICK, &reader, &error);
    if (status == STATUS_OK) {
        status = reader_begin(reader, &view, &error);
    }
    if (status == STATUS_OK) {
        status = look_at_piece(world, reader, &look, view_bound(view), &error);
        reader_end(reader);
    }
    conclude(world, struck, status, &look, &error);
    view_free(view);
    end(&look);
}

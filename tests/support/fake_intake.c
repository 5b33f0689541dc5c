#include "support/fake_intake.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "deliver/message.h"
#include "record/event_letter.h"
#include "support/fake_store.h"

enum { SOURCES_MAX = 64, PLACES_MAX = 1024 };

typedef struct FakePlace {
    Str source;
    SourcePlace place;
} FakePlace;

struct FakeIntake {
    FakeDeliveries *deliveries;
    Arena texts;
    StoredSource sources[SOURCES_MAX]; /* by name */
    size_t source_count;
    FakePlace places[PLACES_MAX]; /* by source and part */
    size_t place_count;
    uint64_t bytes_max;
};

FakeIntake *fake_intake_new(FakeDeliveries *deliveries)
{
    FakeIntake *intake = calloc(1, sizeof *intake);
    assert(intake);
    intake->deliveries = deliveries;
    intake->bytes_max = UINT64_MAX;
    arena_init(&intake->texts, 64 << 10, (size_t)1 << 30);
    return intake;
}

void fake_intake_free(FakeIntake *intake)
{
    arena_release(&intake->texts);
    free(intake);
}

void fake_intake_set_bytes_max(FakeIntake *intake, uint64_t bytes) { intake->bytes_max = bytes; }

static Str keep(FakeIntake *intake, Str text)
{
    Str copy = arena_copy(&intake->texts, text.len ? text : STR(""));
    assert(copy.ptr);
    return copy;
}

static int compare_texts(Str left, Str right)
{
    int order = memcmp(left.ptr, right.ptr, left.len < right.len ? left.len : right.len);
    return order ? order : (left.len > right.len) - (left.len < right.len);
}

/* ---- Room -------------------------------------------------------------------------------------------------------- */

typedef struct Sums {
    uint64_t open, closed;
    uint64_t clients;      /* of those that are open, what came over HTTP */
    int64_t oldest_closed; /* 0: none */
} Sums;

static bool is_of_clients(Str origin) { return str_equal(origin, EVENT_LETTER_SOURCE); }

/* The newest come first. */
static bool add_up(void *context, const DeadLetter *letter)
{
    Sums *sums = context;
    bool is_closed = letter->state == DEAD_LETTER_RESOLVED || letter->state == DEAD_LETTER_DISCARDED;
    uint64_t bytes = (uint64_t)dead_letter_bytes(letter);
    *(is_closed ? &sums->closed : &sums->open) += bytes;
    sums->clients += !is_closed && is_of_clients(letter->origin) ? bytes : 0;
    sums->oldest_closed = is_closed ? letter->id : sums->oldest_closed;
    return true;
}

static Sums sums_of(const FakeIntake *intake)
{
    Sums sums = {0};
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.stage = DEAD_LETTER_INTAKE;
    fake_deliveries_letters(intake->deliveries, &filter, add_up, &sums);
    return sums;
}

uint64_t fake_intake_bytes(const FakeIntake *intake)
{
    Sums sums = sums_of(intake);
    return sums.open + sums.closed;
}

static bool is_all_tried_again(const Work *work)
{
    const IntakeChange *change = work->records.intake;
    bool all = true;
    for (size_t i = 0; i < work->records.count; i++) {
        all = all && change->letters[i].letter;
    }
    for (size_t i = 0; i < change->refused_count; i++) {
        all = all && change->refused[i].letter;
    }
    return all;
}

bool fake_intake_make_room(FakeIntake *intake, Work *work)
{
    const IntakeChange *change = work->records.intake;
    uint64_t wanted = 0;
    for (size_t i = 0; i < change->refused_count; i++) {
        const IntakeLetter *refused = &change->refused[i];
        DeadLetter made = intake_dead_letter(change->source, refused, refused->error, 0);
        wanted += refused->letter ? 0 : (uint64_t)dead_letter_bytes(&made);
    }
    Sums sums = sums_of(intake);
    if (is_all_tried_again(work)) {
        return true;
    }
    bool beyond_share = is_of_clients(change->source) && wanted > 0 &&
                        sums.clients + wanted > intake->bytes_max / DEAD_LETTER_CLIENTS_SHARE;
    if (sums.open && (beyond_share || sums.open + wanted > intake->bytes_max)) {
        work->status = error_set(&work->error, STATUS_BUSY, "the dead letters have no room");
        return false;
    }
    while (sums.oldest_closed && sums.open + sums.closed + wanted > intake->bytes_max) {
        fake_deliveries_drop_letter(intake->deliveries, sums.oldest_closed);
        sums = sums_of(intake);
    }
    return true;
}

/* ---- Letters ----------------------------------------------------------------------------------------------------- */

static void announce(Store *store, const DeadLetter *letter)
{
    Buf body;
    buf_init(&body, 64 << 10);
    message_put_dead_letter_body(&body, letter);
    assert(!body.failed);
    fake_store_add_message(store, STR("dead_letter.created"), 0, letter->created_us, buf_str(&body));
    buf_release(&body);
}

static void fail_letter(FakeIntake *intake, DeadLetter *letter, const DeadLetter *as)
{
    letter->state = DEAD_LETTER_OPEN;
    letter->error = keep(intake, as->error);
    letter->attempts++;
    letter->updated_us = as->updated_us;
}

static bool is_open(const DeadLetter *letter)
{
    return letter->state == DEAD_LETTER_OPEN || letter->state == DEAD_LETTER_RETRYING;
}

typedef struct Again {
    const DeadLetter *letter;
    int64_t id; /* found; 0: none */
} Again;

static bool find_again(void *context, const DeadLetter *letter)
{
    Again *again = context;
    if (is_open(letter) && str_equal(letter->place, again->letter->place) &&
        str_equal(letter->raw, again->letter->raw)) {
        again->id = letter->id;
    }
    return again->id == 0;
}

static DeadLetter *find_letter(FakeIntake *intake, const DeadLetter *letter)
{
    Again again = {.letter = letter};
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    filter.stage = DEAD_LETTER_INTAKE;
    filter.origin = letter->origin;
    fake_deliveries_letters(intake->deliveries, &filter, find_again, &again);
    return again.id ? fake_deliveries_letter(intake->deliveries, again.id) : NULL;
}

static void put_letter(FakeIntake *intake, Store *store, IntakeChange *change, const IntakeLetter *from, Str why,
                       int64_t now_us)
{
    DeadLetter made = intake_dead_letter(change->source, from, why, now_us);
    DeadLetter *letter =
        from->letter ? fake_deliveries_letter(intake->deliveries, from->letter) : find_letter(intake, &made);
    if (from->letter) {
        if (letter && letter->state == DEAD_LETTER_RETRYING) {
            fail_letter(intake, letter, &made);
            change->lettered++;
        }
        return;
    }
    if (letter) {
        if (letter->state == DEAD_LETTER_OPEN) {
            fail_letter(intake, letter, &made);
        }
        return;
    }
    announce(store, fake_deliveries_add_letter(intake->deliveries, &made));
    change->lettered++;
}

static void resolve_letter(FakeIntake *intake, int64_t id, int64_t now_us)
{
    DeadLetter *letter = fake_deliveries_letter(intake->deliveries, id);
    if (letter && letter->state == DEAD_LETTER_RETRYING) {
        letter->state = DEAD_LETTER_RESOLVED;
        letter->updated_us = now_us;
    }
}

static Str describe(const Outcome *outcome, Buf *text)
{
    buf_reset(text);
    if (outcome->kind == OUTCOME_REJECTED) {
        return STR("a total of its flow would be too large");
    }
    buf_printf(text, "record %" PRId64 " is stored under the same id, and differs in", outcome->seq);
    for (unsigned bit = 0; bit < RECORD_FIELD_COUNT; bit++) {
        if (outcome->differs & (1u << bit)) {
            buf_printf(text, " %s", record_field_names[bit]);
        }
    }
    return buf_str(text);
}

static void settle(FakeIntake *intake, Store *store, Work *work, size_t at, int64_t now_us)
{
    IntakeChange *change = work->records.intake;
    const Outcome *outcome = &work->records.outcomes[at];
    const IntakeLetter *letter = &change->letters[at];
    bool taken = outcome->kind == OUTCOME_CREATED || outcome->kind == OUTCOME_DUPLICATE ||
                 (outcome->kind == OUTCOME_CONFLICT && (change->first_wins || work->records.events));
    if (taken) {
        if (letter->letter) {
            resolve_letter(intake, letter->letter, now_us);
        }
        return;
    }
    Buf text;
    buf_init(&text, 1024);
    put_letter(intake, store, change, letter, describe(outcome, &text), now_us);
    buf_release(&text);
}

/* ---- Places ------------------------------------------------------------------------------------------------------ */

static int compare_places(const void *a, const void *b)
{
    const FakePlace *left = a, *right = b;
    int order = compare_texts(left->source, right->source);
    return order ? order : compare_texts(left->place.part, right->place.part);
}

static void put_place(FakeIntake *intake, Str source, const SourcePlace *place)
{
    size_t at = 0;
    while (at < intake->place_count &&
           !(str_equal(intake->places[at].source, source) && str_equal(intake->places[at].place.part, place->part))) {
        at++;
    }
    assert(at < PLACES_MAX);
    intake->place_count += at == intake->place_count;
    intake->places[at] =
        (FakePlace){keep(intake, source), {keep(intake, place->part), place->next, keep(intake, place->mark)}};
    qsort(intake->places, intake->place_count, sizeof intake->places[0], compare_places);
}

void fake_intake_apply(FakeIntake *intake, Store *store, Work *work, int64_t now_us)
{
    IntakeChange *change = work->records.intake;
    change->lettered = 0;
    for (size_t i = 0; i < work->records.count; i++) {
        settle(intake, store, work, i, now_us);
    }
    for (size_t i = 0; i < change->refused_count; i++) {
        put_letter(intake, store, change, &change->refused[i], change->refused[i].error, now_us);
    }
    for (size_t i = 0; i < change->place_count; i++) {
        put_place(intake, change->source, &change->places[i]);
    }
}

static void forget(FakeIntake *intake, Work *work)
{
    size_t kept = 0;
    for (size_t i = 0; i < intake->place_count; i++) {
        const FakePlace *place = &intake->places[i];
        bool gone = str_equal(place->source, work->forget.source) &&
                    (!work->forget.part.len || str_equal(place->place.part, work->forget.part));
        if (!gone) {
            intake->places[kept++] = *place;
        }
    }
    work->forget.count = intake->place_count - kept;
    intake->place_count = kept;
}

static int compare_sources(const void *a, const void *b)
{
    return compare_texts(((const StoredSource *)a)->name, ((const StoredSource *)b)->name);
}

static void set_state(FakeIntake *intake, const StoredSource *source, int64_t now_us)
{
    size_t at = 0;
    while (at < intake->source_count && !str_equal(intake->sources[at].name, source->name)) {
        at++;
    }
    assert(at < SOURCES_MAX);
    intake->source_count += at == intake->source_count;
    intake->sources[at] = (StoredSource){.name = keep(intake, source->name),
                                         .state = source->state,
                                         .reason = keep(intake, source->reason),
                                         .updated_us = now_us};
    qsort(intake->sources, intake->source_count, sizeof intake->sources[0], compare_sources);
}

void fake_intake_change(FakeIntake *intake, Work *work, int64_t now_us)
{
    if (work->kind == WORK_SOURCE_STATE) {
        set_state(intake, &work->source, now_us);
    } else {
        assert(work->kind == WORK_SOURCE_FORGET);
        forget(intake, work);
    }
}

/* ---- Read -------------------------------------------------------------------------------------------------------- */

void fake_intake_sources(const FakeIntake *intake, SourceVisitor *visit, void *context)
{
    bool go_on = true;
    for (size_t i = 0; i < intake->source_count && go_on; i++) {
        go_on = visit(context, &intake->sources[i]);
    }
}

void fake_intake_places(const FakeIntake *intake, Str source, PlaceVisitor *visit, void *context)
{
    bool go_on = true;
    for (size_t i = 0; i < intake->place_count && go_on; i++) {
        if (str_equal(intake->places[i].source, source)) {
            go_on = visit(context, &intake->places[i].place);
        }
    }
}

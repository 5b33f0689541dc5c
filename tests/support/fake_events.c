#include "support/fake_events.h"

#include <assert.h>
#include <stdlib.h>

#include "support/fake_store.h"

enum { EVENTS_MAX = 20000, CLIENTS_MAX = 1000, ALIASES_MAX = 1000 };

typedef struct FakeAlias {
    Str record_id;
    int64_t seq; /* < 0: it led to -seq, which was taken back */
} FakeAlias;

typedef struct FakeDuplicate {
    StoredDuplicate stored;
    Str client;
    bool is_event; /* by now */
} FakeDuplicate;

struct FakeEvents {
    Arena texts;
    StoredEvent events[EVENTS_MAX]; /* in commit order */
    size_t event_count;
    EventAttempt attempts[EVENTS_MAX]; /* in the order of their ids; the newest of them are in the ring */
    size_t attempt_count;
    FakeDuplicate duplicates[EVENTS_MAX]; /* in the order of their ids */
    size_t duplicate_count;
    EventClient clients[CLIENTS_MAX];
    size_t client_count;
    FakeAlias aliases[ALIASES_MAX];
    size_t alias_count;
    size_t attempts_max, clients_max;
};

FakeEvents *fake_events_new(void)
{
    FakeEvents *events = calloc(1, sizeof *events);
    assert(events);
    arena_init(&events->texts, 64 << 10, (size_t)1 << 30);
    fake_events_set_max(events, STORE_EVENT_ATTEMPTS_MAX, STORE_EVENT_CLIENTS_MAX);
    return events;
}

void fake_events_free(FakeEvents *events)
{
    arena_release(&events->texts);
    free(events);
}

void fake_events_set_max(FakeEvents *events, size_t attempts, size_t clients)
{
    events->attempts_max = attempts;
    events->clients_max = clients;
}

static Str keep(FakeEvents *events, Str text)
{
    Str copy = arena_copy(&events->texts, text.len ? text : STR(""));
    assert(copy.ptr);
    return copy;
}

/* ---- Attempts ---------------------------------------------------------------------------------------------------- */

static size_t ring_begin(const FakeEvents *events)
{
    return events->attempt_count > events->attempts_max ? events->attempt_count - events->attempts_max : 0;
}

/* Of those that are in the ring when the batch ends, and in this one. */
static int64_t newest_number(const FakeEvents *events, int64_t seq, size_t begin)
{
    for (size_t i = events->attempt_count; i-- > begin;) {
        if (events->attempts[i].seq == seq) {
            return events->attempts[i].number;
        }
    }
    return 1;
}

static void put_attempt(FakeEvents *events, const EventItem *item, const Outcome *outcome, size_t begin, int64_t now_us)
{
    assert(events->attempt_count < EVENTS_MAX);
    EventAttempt attempt = {.id = (int64_t)events->attempt_count + 1,
                            .seq = outcome->seq,
                            .number = newest_number(events, outcome->seq, begin) + 1,
                            .received_us = item->received_us,
                            .normalised_us = item->normalised_us,
                            .hashed_us = item->hashed_us,
                            .decided_us = now_us,
                            .differs = outcome->differs};
    events->attempts[events->attempt_count++] = attempt;
}

/* ---- Clients ----------------------------------------------------------------------------------------------------- */

static EventClient *find_client(FakeEvents *events, Str name)
{
    for (size_t i = 0; i < events->client_count; i++) {
        if (str_equal(events->clients[i].client, name)) {
            return &events->clients[i];
        }
    }
    return NULL;
}

static size_t count_named(const FakeEvents *events)
{
    size_t count = 0;
    for (size_t i = 0; i < events->client_count; i++) {
        count += events->clients[i].client.len > 0;
    }
    return count;
}

static EventClient *add_client(FakeEvents *events, Str name, int64_t received_us)
{
    assert(events->client_count < CLIENTS_MAX);
    EventClient *client = &events->clients[events->client_count++];
    *client = (EventClient){.client = keep(events, name), .first_us = received_us, .last_us = received_us};
    return client;
}

static Str name_of(const EventItem *item)
{
    enum { NAME_BYTES_MAX = 4 * RECORD_TEXT_CODE_POINTS_MAX };
    return item->client.len <= NAME_BYTES_MAX ? item->client : STR("");
}

static EventClient *client_of(FakeEvents *events, const EventItem *item)
{
    Str name = name_of(item);
    EventClient *client = find_client(events, name);
    if (!client && name.len && count_named(events) >= events->clients_max) {
        name = STR("");
        client = find_client(events, name);
    }
    client = client ? client : add_client(events, name, item->received_us);
    client->received++;
    client->first_us = item->received_us < client->first_us ? item->received_us : client->first_us;
    client->last_us = item->received_us > client->last_us ? item->received_us : client->last_us;
    return client;
}

/* ---- Corrections ------------------------------------------------------------------------------------------------- */

int64_t fake_events_alias(const FakeEvents *events, Str record_id)
{
    for (size_t i = 0; i < events->alias_count; i++) {
        if (str_equal(events->aliases[i].record_id, record_id)) {
            return events->aliases[i].seq;
        }
    }
    return 0;
}

void fake_events_put_alias(FakeEvents *events, Str record_id, int64_t seq)
{
    for (size_t i = 0; i < events->alias_count; i++) {
        if (str_equal(events->aliases[i].record_id, record_id)) {
            events->aliases[i].seq = seq;
            return;
        }
    }
    assert(events->alias_count < ALIASES_MAX);
    events->aliases[events->alias_count++] = (FakeAlias){keep(events, record_id), seq};
}

static const StoredEvent *find_event(const FakeEvents *events, int64_t seq)
{
    for (size_t i = 0; i < events->event_count; i++) {
        if (events->events[i].seq == seq) {
            return &events->events[i];
        }
    }
    return NULL;
}

static const StoredEvent *find_origin(const FakeEvents *events, int64_t seq)
{
    const StoredEvent *event = find_event(events, seq);
    while (event && event->corrects) {
        event = find_event(events, event->corrects);
    }
    return event;
}

static bool came_as(const EventItem *item, Str raw, bool asked, Str mapping)
{
    return str_equal(raw, item->raw) && asked == item->asked && (!asked || str_equal(mapping, item->mapping));
}

bool fake_events_is_same(const FakeEvents *events, int64_t seq, const EventItem *item)
{
    const StoredEvent *event = find_origin(events, seq);
    return event && came_as(item, event->raw, event->asked, event->mapping);
}

int64_t fake_events_origin(const FakeEvents *events, int64_t seq)
{
    const StoredEvent *event = find_origin(events, seq);
    return event ? event->seq : 0;
}

/* Nothing leads any more to what is taken back. */
static void take_back(FakeEvents *events, Store *store, int64_t seq)
{
    for (size_t i = 0; i < events->alias_count; i++) {
        FakeAlias *alias = &events->aliases[i];
        alias->seq = alias->seq == seq ? -seq : alias->seq;
    }
    const Record *record = &fake_store_at(store, seq)->record;
    const StoredEvent *event = find_event(events, seq);
    if (event && !event->corrects && !fake_events_alias(events, record->record_id)) {
        fake_events_put_alias(events, record->record_id, -seq);
    }
}

static void correct(FakeEvents *events, Store *store, const EventItem *item, int64_t seq)
{
    if (item->replaces) {
        fake_events_put_alias(events, item->alias, seq);
    } else {
        take_back(events, store, item->corrects);
    }
}

/* ---- Duplicates that came otherwise ------------------------------------------------------------------------------ */

static FakeDuplicate *find_duplicate(const FakeEvents *events, int64_t seq, const EventItem *item)
{
    for (size_t i = 0; i < events->duplicate_count; i++) {
        const FakeDuplicate *duplicate = &events->duplicates[i];
        const StoredDuplicate *kept = &duplicate->stored;
        if (!duplicate->is_event && kept->seq == seq && came_as(item, kept->raw, kept->asked, kept->mapping)) {
            return (FakeDuplicate *)(uintptr_t)duplicate;
        }
    }
    return NULL;
}

bool fake_events_keeps(const FakeEvents *events, const EventItem *item)
{
    return find_duplicate(events, item->taken_for, item);
}

static void put_duplicate(FakeEvents *events, const EventItem *item, int64_t seq)
{
    const StoredEvent *event = find_origin(events, seq);
    if (!event || fake_events_is_same(events, seq, item) || find_duplicate(events, event->seq, item)) {
        return;
    }
    assert(events->duplicate_count < EVENTS_MAX);
    FakeDuplicate *duplicate = &events->duplicates[events->duplicate_count++];
    *duplicate = (FakeDuplicate){.stored = {.id = (int64_t)events->duplicate_count,
                                            .seq = event->seq,
                                            .raw = keep(events, item->raw),
                                            .mapping = keep(events, item->mapping),
                                            .asked = item->asked,
                                            .received_us = item->received_us},
                                 .client = keep(events, name_of(item))};
}

/* It is an event now. */
static void end_duplicate(FakeEvents *events, const EventItem *item)
{
    FakeDuplicate *duplicate = find_duplicate(events, item->taken_for, item);
    duplicate->is_event = true;
    EventClient *client = find_client(events, duplicate->client);
    client = client && client->duplicates ? client : find_client(events, STR(""));
    client->received--;
    client->duplicates--;
}

/* ---- All of it --------------------------------------------------------------------------------------------------- */

static void put_event(FakeEvents *events, const EventItem *item, int64_t seq, int64_t now_us)
{
    assert(events->event_count < EVENTS_MAX);
    events->events[events->event_count++] = (StoredEvent){.seq = seq,
                                                          .raw = keep(events, item->raw),
                                                          .mapping = keep(events, item->mapping),
                                                          .asked = item->asked,
                                                          .received_us = item->received_us,
                                                          .normalised_us = item->normalised_us,
                                                          .hashed_us = item->hashed_us,
                                                          .stored_us = now_us,
                                                          .corrects = item->corrects,
                                                          .taken_for = item->taken_for};
}

static void apply_one(FakeEvents *events, Store *store, const EventItem *item, const Outcome *outcome, size_t begin,
                      int64_t now_us)
{
    bool created = outcome->kind == OUTCOME_CREATED;
    bool duplicate = outcome->kind == OUTCOME_DUPLICATE || outcome->kind == OUTCOME_CONFLICT;
    if (created) {
        put_event(events, item, outcome->seq, now_us);
    }
    if (item->corrects) {
        if (created) {
            correct(events, store, item, outcome->seq);
        }
        return;
    }
    if (item->taken_for && !created) {
        return;
    }
    if (item->taken_for) {
        end_duplicate(events, item);
    }
    EventClient *client = client_of(events, item);
    client->processed += created;
    client->duplicates += duplicate;
    client->failed += !created && !duplicate;
    if (duplicate) {
        put_attempt(events, item, outcome, begin, now_us);
        put_duplicate(events, item, outcome->seq);
    }
}

void fake_events_apply(FakeEvents *events, Store *store, const Work *work, int64_t now_us)
{
    const EventChange *change = work->records.events;
    size_t begin = ring_begin(events);
    for (size_t i = 0; i < work->records.count; i++) {
        apply_one(events, store, &change->items[i], &work->records.outcomes[i], begin, now_us);
    }
    for (size_t i = 0; i < change->failed_count; i++) {
        client_of(events, &change->failed[i])->failed++;
    }
}

/* ---- Read -------------------------------------------------------------------------------------------------------- */

void fake_events_walk(const FakeEvents *events, int64_t after, int64_t through, EventVisitor *visit, void *context)
{
    bool go_on = true;
    for (size_t i = 0; i < events->event_count && go_on; i++) {
        StoredEvent event = events->events[i];
        if (event.seq > after && event.seq <= through) {
            event.attempts = newest_number(events, event.seq, ring_begin(events));
            go_on = visit(context, &event);
        }
    }
}

bool fake_events_at(const FakeEvents *events, int64_t seq, EventVisitor *visit, void *context)
{
    size_t at = 0;
    while (at < events->event_count && events->events[at].seq != seq) {
        at++;
    }
    if (at < events->event_count) {
        fake_events_walk(events, seq - 1, seq, visit, context);
    }
    return at < events->event_count;
}

/* In the order of what they correct: the next one is looked for among all, again and again. */
void fake_events_corrections(const FakeEvents *events, int64_t first, int64_t last, int64_t bound,
                             EventCorrectionVisitor *visit, void *context)
{
    const StoredEvent *next = NULL;
    EventCorrection at = {0, first > 0 ? first : 1};
    do {
        next = NULL;
        for (size_t i = 0; i < events->event_count; i++) {
            const StoredEvent *event = &events->events[i];
            bool is_behind = event->corrects > at.corrects || (event->corrects == at.corrects && event->seq > at.seq);
            bool is_wanted = is_behind && event->corrects <= last && event->seq <= bound;
            next = is_wanted && (!next || event->corrects < next->corrects) ? event : next;
        }
        at = next ? (EventCorrection){next->seq, next->corrects} : at;
    } while (next && visit(context, &at));
}

void fake_events_attempts(const FakeEvents *events, const EventAttemptFilter *filter, EventAttemptVisitor *visit,
                          void *context)
{
    bool go_on = true;
    for (size_t i = events->attempt_count; i-- > ring_begin(events) && go_on;) {
        const EventAttempt *attempt = &events->attempts[i];
        if ((!filter->seq || attempt->seq == filter->seq) && (!filter->before || attempt->id < filter->before)) {
            go_on = visit(context, attempt);
        }
    }
}

void fake_events_duplicates(const FakeEvents *events, int64_t seq, int64_t after, EventDuplicateVisitor *visit,
                            void *context)
{
    bool go_on = true;
    for (size_t i = 0; i < events->duplicate_count && go_on; i++) {
        const FakeDuplicate *duplicate = &events->duplicates[i];
        if (!duplicate->is_event && duplicate->stored.seq == seq && duplicate->stored.id > after) {
            go_on = visit(context, &duplicate->stored);
        }
    }
}

static int compare_clients(const void *a, const void *b)
{
    Str left = ((const EventClient *)a)->client, right = ((const EventClient *)b)->client;
    int order = memcmp(left.ptr, right.ptr, left.len < right.len ? left.len : right.len);
    return order ? order : (left.len > right.len) - (left.len < right.len);
}

void fake_events_clients(const FakeEvents *events, EventClientVisitor *visit, void *context)
{
    bool go_on = true;
    size_t count = events->client_count;
    EventClient *sorted = calloc(count + 1, sizeof *sorted);
    assert(sorted);
    memcpy(sorted, events->clients, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_clients);
    for (size_t i = 0; i < count && go_on; i++) {
        go_on = visit(context, &sorted[i]);
    }
    free(sorted);
}

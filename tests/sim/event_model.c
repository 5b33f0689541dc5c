#include "sim/event_model.h"

#include <assert.h>

#include "support/need.h"

void event_model_init(EventModel *events)
{
    *events = (EventModel){.attempts_max = STORE_EVENT_ATTEMPTS_MAX, .clients_max = STORE_EVENT_CLIENTS_MAX};
    plain_map_init(&events->leads);
}

void event_model_release(EventModel *events)
{
    free(events->facts);
    free(events->of_record);
    free(events->attempts);
    free(events->duplicates);
    free(events->clients);
    plain_map_release(&events->leads);
}

const Fact *event_model_at(const EventModel *events, int64_t seq)
{
    size_t fact = seq >= 0 && (size_t)seq < events->record_count ? events->of_record[seq] : 0;
    return fact ? &events->facts[fact - 1] : NULL;
}

const Fact *event_model_origin(const EventModel *events, int64_t seq)
{
    const Fact *fact = event_model_at(events, seq);
    while (fact && fact->item.corrects) {
        fact = event_model_at(events, fact->item.corrects);
    }
    return fact;
}

int64_t event_model_lead(const EventModel *events, Str id) { return plain_map_get(&events->leads, id); }

/* ---- What was taken for duplicates ------------------------------------------------------------------------------- */

const Fact *event_model_duplicate(const EventModel *events, size_t at)
{
    return &events->facts[events->duplicates[at]];
}

size_t event_model_next_duplicate(const EventModel *events, int64_t seq, size_t after)
{
    for (size_t i = after; i < events->duplicate_count; i++) {
        if (event_model_duplicate(events, i)->kept_for == seq) {
            return i;
        }
    }
    return SIZE_MAX;
}

static size_t find_duplicate(const EventModel *events, int64_t seq, Str raw)
{
    size_t at = event_model_next_duplicate(events, seq, 0);
    while (at != SIZE_MAX && !str_equal(event_model_duplicate(events, at)->item.raw, raw)) {
        at = event_model_next_duplicate(events, seq, at + 1);
    }
    return at;
}

bool event_model_keeps(const EventModel *events, const EventItem *item)
{
    return find_duplicate(events, item->taken_for, item->raw) != SIZE_MAX;
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

static EventClient *find_client(const EventModel *events, Str name)
{
    for (size_t i = 0; i < events->client_count; i++) {
        if (str_equal(events->clients[i].client, name)) {
            return &events->clients[i];
        }
    }
    return NULL;
}

/* Those who come when there are as many as there may be have no row of their own. */
static Str row_of(const EventModel *events, Str client)
{
    enum { NAME_BYTES_MAX = 1020 }; /* 255 code points */
    size_t named = events->client_count - (find_client(events, STR("")) ? 1 : 0);
    bool has_own =
        client.len > 0 && client.len <= NAME_BYTES_MAX && (find_client(events, client) || named < events->clients_max);
    return has_own ? client : STR("");
}

static EventClient *count(EventModel *events, const Fact *fact)
{
    int64_t received_us = fact->item.received_us;
    EventClient *client = find_client(events, fact->client);
    if (!client) {
        events->clients =
            need_room(events->clients, &events->client_room, events->client_count + 1, sizeof *events->clients);
        client = &events->clients[events->client_count++];
        *client = (EventClient){.client = fact->client, .first_us = received_us, .last_us = received_us};
    }
    client->first_us = received_us < client->first_us ? received_us : client->first_us;
    client->last_us = received_us > client->last_us ? received_us : client->last_us;
    return client;
}

static void enter(EventModel *events, size_t fact)
{
    size_t wanted = (size_t)events->facts[fact].seq + 1;
    events->of_record = need_room(events->of_record, &events->record_room, wanted, sizeof *events->of_record);
    while (events->record_count < wanted) {
        events->of_record[events->record_count++] = 0;
    }
    events->of_record[wanted - 1] = fact + 1;
}

/* Nothing leads any more to what is taken back: not its own id, and no other. */
static void end_leads(EventModel *events, const Fact *fact)
{
    int64_t corrected = fact->item.corrects;
    for (size_t i = 0; i < events->leads.capacity; i++) {
        struct PlainSlot *slot = &events->leads.slots[i];
        slot->value = slot->value == corrected ? -corrected : slot->value;
    }
    if (fact->ended.len && event_model_lead(events, fact->ended) == 0) {
        plain_map_put(&events->leads, fact->ended, -corrected);
    }
}

static void keep_duplicate(EventModel *events, size_t fact)
{
    size_t wanted = events->duplicate_count + 1;
    events->duplicates = need_room(events->duplicates, &events->duplicate_room, wanted, sizeof *events->duplicates);
    events->duplicates[events->duplicate_count++] = fact;
}

/* It is an event now. Whoever had no row of his own was counted in the one without a name. */
static void end_duplicate(EventModel *events, const EventItem *item)
{
    size_t at = find_duplicate(events, item->taken_for, item->raw);
    assert(at != SIZE_MAX);
    EventClient *client = find_client(events, event_model_duplicate(events, at)->item.client);
    client = client && client->duplicates > 0 ? client : find_client(events, STR(""));
    client->duplicates--;
    events->duplicate_count--;
    memmove(events->duplicates + at, events->duplicates + at + 1,
            (events->duplicate_count - at) * sizeof *events->duplicates);
}

static void take_attempt(EventModel *events, size_t fact)
{
    if (events->facts[fact].kept_for) {
        keep_duplicate(events, fact);
    }
    events->attempts =
        need_room(events->attempts, &events->attempt_room, events->attempt_count + 1, sizeof *events->attempts);
    events->attempts[events->attempt_count++] = fact;
    events->attempted = true;
    count(events, &events->facts[fact])->duplicates++;
}

static void trim(EventModel *events, size_t keep)
{
    bool is_full = events->attempt_count - events->gone > keep;
    events->gone = is_full ? events->attempt_count - keep : events->gone;
    events->attempted = false;
}

static void play(EventModel *events, size_t at)
{
    const Fact *fact = &events->facts[at];
    switch (fact->kind) {
    case FACT_EVENT:
        enter(events, at);
        if (fact->item.taken_for) {
            end_duplicate(events, &fact->item);
        }
        count(events, fact)->processed++;
        if (fact->id.len) {
            plain_map_put(&events->leads, fact->id, fact->seq);
        }
        break;
    case FACT_CORRECTION:
        enter(events, at);
        if (fact->item.replaces) {
            plain_map_put(&events->leads, fact->item.alias, fact->seq);
        } else {
            end_leads(events, fact);
        }
        break;
    case FACT_ATTEMPT: take_attempt(events, at); break;
    case FACT_FAILED: count(events, fact)->failed++; break;
    case FACT_TRIM: trim(events, fact->keep);
    }
}

/* ---- Facts ------------------------------------------------------------------------------------------------------- */

static void add(EventModel *events, Fact fact)
{
    events->facts = need_room(events->facts, &events->room, events->count + 1, sizeof *events->facts);
    events->facts[events->count++] = fact;
    play(events, events->count - 1);
}

void event_model_created(EventModel *events, const EventItem *item, int64_t seq, Str id)
{
    add(events,
        (Fact){.kind = FACT_EVENT, .item = *item, .seq = seq, .client = row_of(events, item->client), .id = id});
}

/* The first one made the record; where the ring has forgotten all others nobody knows better. */
static int64_t next_number(const EventModel *events, int64_t seq)
{
    for (size_t i = events->attempt_count; i > events->gone; i--) {
        const Fact *fact = &events->facts[events->attempts[i - 1]];
        if (fact->seq == seq) {
            return fact->number + 1;
        }
    }
    return 2;
}

void event_model_attempt(EventModel *events, const EventItem *item, int64_t seq, uint32_t differs)
{
    const Fact *origin = event_model_origin(events, seq);
    bool keeps =
        origin && !str_equal(origin->item.raw, item->raw) && find_duplicate(events, origin->seq, item->raw) == SIZE_MAX;
    add(events, (Fact){.kind = FACT_ATTEMPT,
                       .item = *item,
                       .seq = seq,
                       .client = row_of(events, item->client),
                       .number = next_number(events, seq),
                       .kept_for = keeps ? origin->seq : 0,
                       .differs = differs});
}

void event_model_failed(EventModel *events, const EventItem *item)
{
    add(events, (Fact){.kind = FACT_FAILED, .item = *item, .client = row_of(events, item->client)});
}

void event_model_correct(EventModel *events, const EventItem *item, int64_t seq, Str corrected)
{
    const Fact *other = event_model_at(events, item->corrects);
    bool is_event = other && other->item.corrects == 0;
    add(events, (Fact){.kind = FACT_CORRECTION, .item = *item, .seq = seq, .ended = is_event ? corrected : STR("")});
}

void event_model_commit(EventModel *events)
{
    if (events->attempted) {
        add(events, (Fact){.kind = FACT_TRIM, .keep = events->attempts_max});
    }
}

void event_model_rewind(EventModel *events, size_t count)
{
    assert(count <= events->count);
    if (count == events->count) {
        return;
    }
    events->count = count;
    events->record_count = events->attempt_count = events->gone = events->client_count = 0;
    events->duplicate_count = 0;
    events->attempted = false;
    plain_map_clear(&events->leads);
    for (size_t i = 0; i < count; i++) {
        play(events, i);
    }
}

#include "sim/meaning.h"

#include <assert.h>
#include <inttypes.h>

#include "sim/world.h"
#include "support/need.h"
#include "support/random.h"

static uint64_t mix(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t state = a ^ b * UINT64_C(0x9e3779b97f4a7c15) ^ c * UINT64_C(0xc2b2ae3d27d4eb4f);
    random_next(&state);
    return state;
}

Meaning meaning_of(uint64_t key, uint64_t event, unsigned mapping)
{
    uint64_t state = mix(key, event, mapping), others = mapping * UINT64_C(1000000);
    if (mapping == 0) {
        return (Meaning){event, 0};
    }
    switch (random_below(&state, 10)) {
    case 0: return (Meaning){others + event, 0};
    case 1:
    case 2: return (Meaning){others + event / 3, 0};
    case 3:
    case 4: return (Meaning){event ^ 1, 0};
    case 5: return (Meaning){event / 2 + 1, 0};
    case 6: return (Meaning){event, mapping};
    default: return (Meaning){event, 0};
    }
}

static Str pick(uint64_t *state, const WorkloadTexts *texts)
{
    return texts->items[random_below(state, 1 + texts->count / 4)];
}

Record meaning_record(World *world, Meaning meaning)
{
    enum { DAY_S = 86400 };
    const Workload *workload = &world->workload;
    const Senders *senders = &world->senders;
    uint64_t state = mix(senders->key, meaning.number, 99), other = mix(senders->key, meaning.number, meaning.variant);
    Str client = senders->clients[random_below(&state, 1 + random_below(&state, senders->client_count))];
    const char *id = arena_printf(&world->workload.texts, "sha256:%064" PRIx64, meaning.number);
    int64_t time_s = INT64_C(1750000000) - (int64_t)random_below(&state, 30 * DAY_S);
    return (Record){.record_id = str_from(need((void *)(uintptr_t)id)),
                    .source_id = client,
                    .destination_id = client,
                    .reference = pick(&state, &workload->references),
                    .unit = pick(&state, &workload->units),
                    .time_us = time_s * 1000000,
                    .value = (int64_t)random_below(&other, (uint64_t)workload->value_typical + 1),
                    .type = random_below(&other, 3) ? RECORD_POSITIVE : RECORD_NEGATIVE};
}

uint64_t meaning_number(Str id)
{
    uint64_t number = 0;
    for (size_t i = sizeof "sha256:" - 1; i < id.len && id.ptr[i] != ':'; i++) {
        char digit = id.ptr[i];
        number = number * 16 + (uint64_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    }
    return number;
}

/* Most are short; one in forty needs pages of its own. */
Str meaning_bytes(World *world, uint64_t event, unsigned spelling)
{
    enum { LONG = 20000, SHORT = 80 };
    uint64_t state = mix(world->senders.key, event, 77);
    int padding = (int)random_below(&state, random_below(&state, 40) ? SHORT : LONG);
    const char *raw = arena_printf(&world->workload.texts, "{\"event\":%" PRIu64 ",\"spelling\":%u,\"padding\":%*d}",
                                   event, spelling, padding, 0);
    return str_from(need((void *)(uintptr_t)raw));
}

uint64_t meaning_event(Str raw)
{
    static const char head[] = "{\"event\":";
    size_t at = sizeof head - 1;
    uint64_t event = 0;
    assert(str_starts_with(raw, STR("{\"event\":")));
    for (; at < raw.len && raw.ptr[at] != ','; at++) {
        event = event * 10 + (uint64_t)(raw.ptr[at] - '0');
    }
    return event;
}

Str meaning_mapping(unsigned mapping)
{
    static const char *const names[SENDERS_MAPPINGS] = {"builtin", "first", "second", "third", "fourth"};
    return str_from(names[mapping]);
}

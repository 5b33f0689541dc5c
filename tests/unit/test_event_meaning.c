/* What an event means is what it is known by: any spelling of one meaning has one hash, and any other meaning another.
 * The tests begin with the meaning, write its canonical form down by themselves, and hash it by a SHA-256 of their
 * own. */
#include "unit.h"

#include "naive_sha256.h"
#include "record/event.h"
#include "support/random.h"

enum { MEANINGS = 1500, SPELLINGS = 4, TEXT_BYTES_MAX = NAIVE_SHA256_TEXT_BYTES_MAX };

static const RecordPolicy policy = {.scale = 2};

/* ---- What is meant ----------------------------------------------------------------------------------------------- */

typedef struct Meaning {
    const char *client, *metric, *unit;
    const char *reference; /* the extra field; NULL: it is not there */
    int64_t cents, time_us;
    bool is_negative;
} Meaning;

static const char *const clients[] = {"A",         "a", "client 7", "Ümlaut \"q\" \\", "日本", "\xF0\x9F\x98\x80",
                                      "tab\there", "42"};
static const char *const metrics[] = {"revenue", "Revenue", "sign.up", "x"};
static const char *const units[] = {"none", "EUR", "USD", "kWh"};
static const char *const references[] = {NULL, "r-1", "r-2", ""};
#define PICK(random, list) (list)[random_below((random), sizeof(list) / sizeof *(list))]

static Meaning some_meaning(uint64_t *random)
{
    static const int64_t sizes[] = {1, 100, 100000, INT64_C(999999999999999)};
    int64_t size = PICK(random, sizes), day_us = INT64_C(86400000000);
    Meaning meaning = {PICK(random, clients),
                       PICK(random, metrics),
                       PICK(random, units),
                       PICK(random, references),
                       (int64_t)random_below(random, (uint64_t)size + 1),
                       0,
                       random_below(random, 3) == 0};
    meaning.time_us = ((int64_t)random_below(random, 20000) + 3000) * day_us;
    if (random_below(random, 2)) {
        meaning.time_us += (int64_t)random_below(random, (uint64_t)day_us);
    } else {
        meaning.time_us += (int64_t)random_below(random, 86400) * 1000000;
    }
    meaning.is_negative &= meaning.cents > 0; /* a zero has no sign */
    return meaning;
}

/* Its canonical form; the texts above need no escapes but these. */
static void put_escaped(Buf *buf, const char *text)
{
    buf_put_char(buf, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            buf_put_char(buf, '\\');
        }
        buf_put(buf, *text == '\t' ? STR("\\t") : (Str){text, 1});
    }
    buf_put_char(buf, '"');
}

typedef struct Date {
    int year, month, day, hour, minute, second, us;
} Date;

/* By counting days, year after year. */
static Date date_of(int64_t time_us)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t seconds = time_us / 1000000, days = seconds / 86400;
    int left = (int)(seconds % 86400);
    Date date = {1970, 1, 1, left / 3600, left / 60 % 60, left % 60, (int)(time_us % 1000000)};
    for (; days > 0; days--) {
        bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
        if (date.day++ == lengths[date.month - 1] + (leap && date.month == 2)) {
            date.day = 1;
            date.month++;
        }
        if (date.month == 13) {
            date.month = 1;
            date.year++;
        }
    }
    return date;
}

static void put_canonical(Buf *buf, const Meaning *meaning)
{
    Date date = date_of(meaning->time_us);
    BUF_PUT(buf, "[\"weir-event-1\",");
    put_escaped(buf, meaning->client);
    buf_put_char(buf, ',');
    put_escaped(buf, meaning->metric);
    buf_printf(buf, ",\"%s\",\"%lld", meaning->is_negative ? "negative" : "positive",
               (long long)(meaning->cents / 100));
    if (meaning->cents % 10 != 0) {
        buf_printf(buf, ".%02d", (int)(meaning->cents % 100));
    } else if (meaning->cents % 100 != 0) {
        buf_printf(buf, ".%d", (int)(meaning->cents % 100) / 10);
    }
    buf_printf(buf, "\",\"%s\",\"%04d-%02d-%02dT%02d:%02d:%02d.%06dZ\",{", meaning->unit, date.year, date.month,
               date.day, date.hour, date.minute, date.second, date.us);
    if (meaning->reference) {
        BUF_PUT(buf, "\"meta.ref\":");
        put_escaped(buf, meaning->reference);
    }
    BUF_PUT(buf, "}]");
}

/* ---- How it is spelt --------------------------------------------------------------------------------------------- */

static void put_space(Buf *buf, uint64_t *random)
{
    static const char *const spaces[] = {"", "", "", " ", "\n", "\t", " \r\n "};
    buf_put(buf, str_from(PICK(random, spaces)));
}

/* Some of the ASCII characters as \u00xx; others are left as they are. */
static void put_string(Buf *buf, const char *text, uint64_t *random)
{
    bool escapes = random_below(random, 2);
    buf_put_char(buf, '"');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == '"' || c == '\\' || (c < 0x80 && escapes && random_below(random, 2))) {
            buf_printf(buf, random_below(random, 2) ? "\\u%04x" : "\\u%04X", c);
        } else {
            buf_put_char(buf, *text);
        }
    }
    buf_put_char(buf, '"');
}

static void put_padded(Buf *buf, const char *text, uint64_t *random)
{
    static const char *const pads[] = {"", "", " ", "\t ", "\xC2\xA0", "\xE2\x80\xAF"};
    char padded[128];
    snprintf(padded, sizeof padded, "%s%s%s", PICK(random, pads), text, PICK(random, pads));
    put_string(buf, padded, random);
}

/* Digits in groups of three. */
static void group(int64_t whole, const char *separator, char ret_text[64])
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%lld", (long long)whole);
    size_t at = 0;
    for (int i = 0; i < len; i++) {
        int left = len - i;
        at += (size_t)snprintf(ret_text + at, 64 - at, "%s%c", i > 0 && left % 3 == 0 ? separator : "", digits[i]);
    }
}

/* Two decimals and a separator that cannot be one of thousands: clear without a mapping's help. */
static void put_amount_text(Buf *buf, const Meaning *meaning, uint64_t *random)
{
    static const char *const separators[] = {"", ".", ",", " ", "'", "\xC2\xA0", "\xE2\x80\x89", "\xE2\x80\x99"};
    const char *separator = PICK(random, separators), *currency = "";
    char whole[64], text[128];
    group(meaning->cents / 100, separator, whole);
    char decimal = *separator == '.' ? ',' : *separator == ',' || random_below(random, 2) ? '.' : ',';
    if (strcmp(meaning->unit, "EUR") == 0 && random_below(random, 2)) {
        currency = random_below(random, 2) ? " EUR" : "\xE2\x82\xAC";
    } else if (strcmp(meaning->unit, "USD") == 0 && random_below(random, 2)) {
        currency = random_below(random, 2) ? "$" : " USD";
    }
    bool closes = meaning->is_negative && random_below(random, 2);
    const char *sign = closes ? "(" : meaning->is_negative ? (random_below(random, 2) ? "-" : "\xE2\x88\x92") : "";
    snprintf(text, sizeof text, "%s%s%c%02d%s%s", sign, whole, decimal, (int)(meaning->cents % 100), closes ? ")" : "",
             currency);
    put_padded(buf, text, random);
}

static void put_amount(Buf *buf, const Meaning *meaning, uint64_t *random)
{
    long long whole = meaning->cents / 100, cents = meaning->cents;
    int rest = (int)(meaning->cents % 100);
    const char *minus = meaning->is_negative ? "-" : "";
    switch (random_below(random, rest == 0 ? 8 : 6)) {
    case 0: buf_printf(buf, "%s%lld.%02d", minus, whole, rest); break;
    case 1: buf_printf(buf, "%s%lld.%02d0000000000000000000000", minus, whole, rest); break;
    case 2: buf_printf(buf, "%s%llde-2", minus, cents); break;
    case 3: buf_printf(buf, "%s%lld.%02dE+0", minus, whole, rest); break;
    case 6: buf_printf(buf, "%s%lld", minus, whole); break;
    case 7: buf_printf(buf, "\"%s%lld\"", minus, whole); break;
    default: put_amount_text(buf, meaning, random); break;
    }
}

/* From September 2001 to 2030 counts since 1970 are never digits that read as a date. */
static bool is_countable(int64_t us) { return us >= INT64_C(1000000000000000) && us < INT64_C(1900000000000000); }

static void put_time(Buf *buf, int64_t us, uint64_t *random)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    Date d = date_of(us), east = date_of(us + INT64_C(5400000000));
    char text[128];
    bool whole = us % 1000000 == 0;
    uint64_t choice = random_below(random, whole ? 9 : 6);
    bool is_count = choice == 4 || choice == 5 || choice > 6;
    switch (is_count && !is_countable(us) ? 0 : choice) {
    case 0:
        snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", d.year, d.month, d.day, d.hour, d.minute,
                 d.second, d.us);
        break;
    case 1:
        snprintf(text, sizeof text, "%d/%d/%d %d:%02d:%02d.%06d000", d.year, d.month, d.day, d.hour, d.minute, d.second,
                 d.us);
        break;
    case 2:
        snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d,%06d+01:30", east.year, east.month, east.day,
                 east.hour, east.minute, east.second, east.us);
        break;
    case 3:
        snprintf(text, sizeof text, "%04d%02d%02dT%02d%02d%02d.%06d UTC", d.year, d.month, d.day, d.hour, d.minute,
                 d.second, d.us);
        break;
    case 4: buf_printf(buf, "%lld", (long long)us); return;
    case 5: buf_printf(buf, "\"%lld.%06d\"", (long long)(us / 1000000), d.us); return;
    case 6:
        snprintf(text, sizeof text, "%d %s %d %02d:%02d:%02d GMT", d.day, months[d.month - 1], d.year, d.hour, d.minute,
                 d.second);
        break;
    case 7: buf_printf(buf, "%llde-1", (long long)(us / 100000)); return;
    default: buf_printf(buf, "\"%lld\"", (long long)(us / 1000)); return;
    }
    put_padded(buf, text, random);
}

static const char *sign_of(const char *unit) { return strcmp(unit, "EUR") == 0 ? "\xE2\x82\xAC" : unit; }

/* One part as a member: its place, its name, its value. */
typedef struct Member {
    const char *place, *name;
    char value[256];
} Member;

static void set_value(Member *member, Buf *value)
{
    assert_true(!value->failed && value->len < sizeof member->value);
    memcpy(member->value, value->ptr, value->len);
    member->value[value->len] = '\0';
    buf_reset(value);
}

static size_t make_members(const Meaning *meaning, uint64_t *random, Member ret_members[8])
{
    static const char *const places[] = {"", "", "payload", "data", "event", "body", "attributes", "properties"};
    static const char *const names[][4] = {{"client", "source", "tenantId", "client_id"},
                                           {"metric", "type", "name", "metricName"},
                                           {"amount", "value", "total", "quantity"},
                                           {"timestamp", "time", "ts", "occurred_at"},
                                           {"unit", "currency", "unit", "currency"}};
    Buf value;
    size_t count = 0;
    buf_init(&value, 4096);
    for (size_t part = 0; part < 5; part++) {
        Member *member = &ret_members[count];
        *member = (Member){.place = PICK(random, places), .name = PICK(random, names[part])};
        switch (part) {
        case 0: put_padded(&value, meaning->client, random); break;
        case 1: put_padded(&value, meaning->metric, random); break;
        case 2: put_amount(&value, meaning, random); break;
        case 3: put_time(&value, meaning->time_us, random); break;
        default: put_padded(&value, random_below(random, 2) ? sign_of(meaning->unit) : meaning->unit, random); break;
        }
        set_value(member, &value);
        /* What is the default may be left out. */
        count += !(part == 4 && strcmp(meaning->unit, "none") == 0 && random_below(random, 2));
    }
    if (meaning->reference) {
        ret_members[count] = (Member){.place = "meta", .name = "ref"};
        put_padded(&value, meaning->reference, random);
        set_value(&ret_members[count++], &value);
    }
    buf_release(&value);
    return count;
}

static bool is_at_start(const Buf *buf)
{
    size_t len = buf->len;
    while (strchr(" \t\r\n", buf->ptr[len - 1])) {
        len--;
    }
    return buf->ptr[len - 1] == '{';
}

static void put_name(Buf *buf, const char *name, uint64_t *random)
{
    buf_put(buf, is_at_start(buf) ? STR("") : STR(","));
    put_space(buf, random);
    put_string(buf, name, random);
    put_space(buf, random);
    buf_put_char(buf, ':');
    put_space(buf, random);
}

static void put_member(Buf *buf, Member *member, uint64_t *random)
{
    put_name(buf, member->name, random);
    buf_put(buf, str_from(member->value));
    put_space(buf, random);
    member->place = NULL; /* it is there */
}

/* All that are at the same place go into one object. */
static void put_object(Buf *buf, const char *place, Member *members, size_t count, uint64_t *random)
{
    put_name(buf, place, random);
    buf_put_char(buf, '{');
    for (size_t i = 0; i < count; i++) {
        if (members[i].place && strcmp(members[i].place, place) == 0) {
            put_member(buf, &members[i], random);
        }
    }
    buf_put_char(buf, '}');
}

static void put_event(Buf *buf, const Meaning *meaning, uint64_t *random)
{
    Member members[8];
    size_t count = make_members(meaning, random, members);
    for (size_t i = count; i > 1; i--) { /* in any order */
        size_t with = random_below(random, i);
        Member kept = members[i - 1];
        members[i - 1] = members[with];
        members[with] = kept;
    }
    buf_put_char(buf, '{');
    for (size_t i = 0; i < count; i++) {
        if (members[i].place && *members[i].place) {
            put_object(buf, members[i].place, members + i, count - i, random);
        } else if (members[i].place) {
            put_member(buf, &members[i], random);
        }
    }
    buf_put_char(buf, '}');
}

/* ---- The tests --------------------------------------------------------------------------------------------------- */

typedef struct World {
    MappingSet *mappings;
    Arena arena;
    Buf text, canonical;
} World;

static int set_up(void **state)
{
    static World world;
    static const EventPath reference = {.keys = {STR("meta"), STR("ref")}, .depth = 2};
    const Mapping mappings[] = {{.name = STR("referring"), .extra = {&reference, 1}},
                                {.name = STR("numbered"), .parts = {[EVENT_ID] = {&reference, 1}}}};
    Error error;
    world = (World){0};
    arena_init(&world.arena, 1 << 16, 1 << 22);
    buf_init(&world.text, TEXT_BYTES_MAX);
    buf_init(&world.canonical, TEXT_BYTES_MAX);
    *state = &world;
    return mapping_set_new(mappings, 2, &world.mappings, &error) != STATUS_OK;
}

static int tear_down(void **state)
{
    World *world = *state;
    mapping_set_free(world->mappings);
    arena_release(&world->arena);
    buf_release(&world->text);
    buf_release(&world->canonical);
    return 0;
}

static yyjson_val *read_text(World *world)
{
    yyjson_val *value = NULL;
    Error error = {0};
    char *copy = arena_alloc_zero(&world->arena, world->text.len + YYJSON_PADDING_SIZE);
    assert_non_null(copy);
    memcpy(copy, world->text.ptr, world->text.len);
    if (json_read(copy, world->text.len, &world->arena, &value, &error) != STATUS_OK) {
        fail_msg("%.*s: %s", STR_ARGS(buf_str(&world->text)), error.message);
    }
    return value;
}

/* Spells the meaning in some way, and reads that. */
static void hash_some(World *world, const Meaning *meaning, const char *mapping, uint64_t *random,
                      uint8_t ret_hash[EVENT_HASH_BYTES])
{
    Event event;
    RecordProblems problems;
    buf_reset(&world->text);
    arena_reset(&world->arena);
    put_event(&world->text, meaning, random);
    assert_false(world->text.failed);
    Status status = event_from_json(read_text(world), world->mappings, str_from(mapping), &policy, &world->arena,
                                    &event, &problems);
    if (status != STATUS_OK || problems.unknown_count > 0) {
        buf_reset(&world->canonical);
        record_problems_put_text(&world->canonical, &problems);
        fail_msg("%.*s: %.*s", STR_ARGS(buf_str(&world->text)), STR_ARGS(buf_str(&world->canonical)));
    }
    assert_text(event.record.source_id, meaning->client);
    assert_text(event.record.reference, meaning->metric);
    assert_text(event.record.unit, meaning->unit);
    assert_int_equal(event.record.value, meaning->cents);
    assert_int_equal(event.record.time_us, meaning->time_us);
    assert_int_equal(event.record.type, meaning->is_negative ? RECORD_NEGATIVE : RECORD_POSITIVE);
    memcpy(ret_hash, event.hash, EVENT_HASH_BYTES);
}

static void hash_canonical(World *world, const Meaning *meaning, uint8_t ret_hash[EVENT_HASH_BYTES])
{
    buf_reset(&world->canonical);
    put_canonical(&world->canonical, meaning);
    assert_false(world->canonical.failed);
    naive_sha256(buf_str(&world->canonical), ret_hash);
}

static void test_the_naive_hash(void **state)
{
    (void)state;
    /* FIPS 180-4's examples: one block, and two. */
    static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea}, two[] = {0x24, 0x8d, 0x6a, 0x61};
    uint8_t hash[EVENT_HASH_BYTES];
    naive_sha256(STR("abc"), hash);
    assert_memory_equal(hash, abc, sizeof abc);
    naive_sha256(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), hash);
    assert_memory_equal(hash, two, sizeof two);
}

static void test_any_spelling_has_one_hash(void **state)
{
    World *world = *state;
    uint64_t random = 1;
    for (int i = 0; i < MEANINGS; i++) {
        Meaning meaning = some_meaning(&random);
        uint8_t expected[EVENT_HASH_BYTES], found[EVENT_HASH_BYTES];
        hash_canonical(world, &meaning, expected);
        for (int spelling = 0; spelling < SPELLINGS; spelling++) {
            hash_some(world, &meaning, "referring", &random, found);
            if (memcmp(found, expected, sizeof found) != 0) {
                fail_msg("%.*s is not %.*s", STR_ARGS(buf_str(&world->text)), STR_ARGS(buf_str(&world->canonical)));
            }
        }
    }
}

enum { CHANGES = 8 };

/* One thing changed. */
static Meaning change(Meaning meaning, int what)
{
    switch (what) {
    case 0: meaning.client = meaning.client == clients[0] ? clients[1] : clients[0]; break;
    case 1: meaning.metric = meaning.metric == metrics[0] ? metrics[1] : metrics[0]; break;
    case 2: meaning.unit = meaning.unit == units[0] ? units[3] : units[0]; break;
    case 3: meaning.cents += meaning.cents < 100 ? 1 : -1; break;
    case 4: meaning.time_us++; break;
    case 5: meaning.time_us -= INT64_C(3600000000); break;
    case 6: meaning.reference = meaning.reference ? NULL : ""; break;
    default:
        meaning.is_negative = !meaning.is_negative;
        meaning.cents += meaning.cents == 0;
        break;
    }
    return meaning;
}

static void test_any_other_meaning_has_another(void **state)
{
    World *world = *state;
    uint64_t random = 2;
    for (int i = 0; i < MEANINGS / 4; i++) {
        Meaning meaning = some_meaning(&random);
        uint8_t hash[EVENT_HASH_BYTES], other[EVENT_HASH_BYTES];
        hash_some(world, &meaning, "referring", &random, hash);
        for (int what = 0; what < CHANGES; what++) {
            Meaning changed = change(meaning, what);
            hash_some(world, &changed, "referring", &random, other);
            assert_memory_not_equal(hash, other, sizeof hash);
        }
    }
}

static void test_ids_decide(void **state)
{
    World *world = *state;
    uint64_t random = 3;
    for (int i = 0; i < MEANINGS / 4; i++) {
        Meaning meaning = some_meaning(&random), other = some_meaning(&random);
        uint8_t hash[EVENT_HASH_BYTES], others[EVENT_HASH_BYTES];
        meaning.reference = "r-1";
        hash_some(world, &meaning, "numbered", &random, hash);
        other.reference = "r-1";
        other.client = meaning.client;
        hash_some(world, &other, "numbered", &random, others);
        assert_memory_equal(hash, others, sizeof hash);
        other.reference = "r-2";
        hash_some(world, &other, "numbered", &random, others);
        assert_memory_not_equal(hash, others, sizeof hash);
        Meaning elsewhere = change(meaning, 0);
        hash_some(world, &elsewhere, "numbered", &random, others);
        assert_memory_not_equal(hash, others, sizeof hash);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_naive_hash),
        cmocka_unit_test(test_any_spelling_has_one_hash),
        cmocka_unit_test(test_any_other_meaning_has_another),
        cmocka_unit_test(test_ids_decide),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

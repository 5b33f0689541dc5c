#include "reading_fixture.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LABEL_BYTES_MAX = 64 };

const SourceSide *source_side;

void fixture_open(SourceFixture *fixture, size_t group_messages_max, size_t message_bytes_max)
{
    fixture->limits = (SideLimits){group_messages_max, message_bytes_max};
    fixture->source = source_side->open(fixture->side, fixture->limits);
    assert_non_null(fixture->source);
    for (size_t i = 0; i < GROUPS; i++) {
        source_group_release(&fixture->groups[i]);
        source_group_init(&fixture->groups[i], group_messages_max);
    }
}

int fixture_setup(void **state)
{
    SourceFixture *fixture = test_calloc(1, sizeof *fixture);
    fixture->side = source_side->start();
    for (size_t i = 0; i < GROUPS; i++) {
        source_group_init(&fixture->groups[i], 1);
    }
    *state = fixture;
    fixture_open(fixture, 100, 1 << 20);
    return 0;
}

int fixture_teardown(void **state)
{
    SourceFixture *fixture = *state;
    source_close(fixture->source);
    source_side->stop(fixture->side);
    for (size_t i = 0; i < GROUPS; i++) {
        source_group_release(&fixture->groups[i]);
    }
    fixture_put_places_back(fixture);
    fixture_forget_places(fixture);
    test_free(fixture);
    return 0;
}

int64_t side_now_us(void) { return clock_monotonic_us(source_side->clock); }

/* ---- The other side ---------------------------------------------------------------------------------------------- */

/* Numbers first … first + count - 1 into one part. */
void fixture_put(SourceFixture *fixture, size_t part, size_t first, size_t count)
{
    assert_true(first + count <= NUMBER_MAX);
    char(*texts)[LABEL_BYTES_MAX] = calloc(count, sizeof *texts); /* a thread other than the test's may be here */
    Str *raws = calloc(count, sizeof *raws);
    assert_true(texts && raws);
    for (size_t i = 0; i < count; i++) {
        int len = snprintf(texts[i], sizeof texts[i], "%zu.%zu {\"note\":\"å\"}", first + i, part);
        raws[i] = (Str){texts[i], (size_t)len};
    }
    source_side->put(fixture->side, part, raws, count);
    free(raws);
    free(texts);
}

/* One that is so long. */
void fixture_put_long(SourceFixture *fixture, size_t number, size_t bytes)
{
    char *text = malloc(bytes);
    assert_non_null(text);
    memset(text, 'x', bytes);
    int len = snprintf(text, bytes, "%zu.0 ", number);
    text[len] = 'x';
    Str raw = {text, bytes};
    source_side->put(fixture->side, 0, &raw, 1);
    free(text);
}

void fixture_assert_left(SourceFixture *fixture, int64_t count)
{
    int64_t until_us = side_now_us() + PATIENCE_US, left = source_side->left(fixture->side);
    Error error;
    while (left >= 0 && left != count && side_now_us() < until_us) { /* acknowledgements may be on their way */
        /* A long one goes out piece by piece, as a feeder lets it by asking for no messages. */
        Status ignored = fixture->source->ops->fetch(fixture->source, NULL, &error);
        (void)ignored;
        fixture->source->ops->wait(fixture->source, SECOND_US / 100);
        left = source_side->left(fixture->side);
    }
    if (left >= 0) {
        assert_int_equal(left, count);
    }
}

/* ---- What a feeder does ------------------------------------------------------------------------------------------ */

static size_t kept_places(const SourceFixture *fixture, SourcePlace *ret_places)
{
    for (size_t i = 0; i < fixture->kept_count; i++) {
        const KeptPlace *kept = &fixture->kept[i];
        ret_places[i] = (SourcePlace){
            .part = {kept->part, kept->part_len}, .next = kept->next, .mark = {kept->mark, kept->mark_len}};
    }
    return fixture->kept_count;
}

Status fixture_try_connect(SourceFixture *fixture, Error *reterr)
{
    SourcePlace places[PLACES_MAX];
    size_t count = kept_places(fixture, places);
    int64_t begun_us = side_now_us();
    memset(fixture->last_of, 0, sizeof fixture->last_of);
    Status status = fixture->source->ops->connect(fixture->source, places, count, reterr);
    assert_true(side_now_us() - begun_us < BOUNDED_US);
    return status;
}

void fixture_connect(SourceFixture *fixture)
{
    Error error = {0};
    int64_t until_us = side_now_us() + PATIENCE_US;
    Status status;
    while ((status = fixture_try_connect(fixture, &error)) == STATUS_BUSY && side_now_us() < until_us) {
        fixture->source->ops->wait(fixture->source, SECOND_US / 10);
    }
    if (status != STATUS_OK) {
        fail_msg("connect: %s", error.message);
    }
}

void fixture_reopen(SourceFixture *fixture)
{
    source_close(fixture->source);
    fixture->source = source_side->open(fixture->side, fixture->limits);
    fixture_connect(fixture);
}

static size_t number_of(Str raw)
{
    size_t number = 0;
    for (size_t i = 0; i < raw.len && raw.ptr[i] >= '0' && raw.ptr[i] <= '9' && number < NUMBER_MAX; i++) {
        number = 10 * number + (size_t)(raw.ptr[i] - '0');
    }
    return number;
}

/* Behind the point. */
static size_t part_of(Str raw)
{
    const char *point = memchr(raw.ptr, '.', raw.len);
    return point ? number_of((Str){point + 1, raw.len - (size_t)(point + 1 - raw.ptr)}) : 0;
}

static void take_message(SourceFixture *fixture, const SourceMessage *message)
{
    assert_true(message->place.len > 0 && message->format.len > 0);
    assert_int_equal(message->letter, 0);
    fixture->refused += message->refused.len > 0;
    if (message->refused.len > 0) {
        return;
    }
    size_t number = number_of(message->raw), part = part_of(message->raw);
    assert_in_range(number, 1, NUMBER_MAX - 1);
    assert_in_range(part, 0, PARTS_MAX - 1);
    fixture->seen[number]++;
    if (number <= fixture->last_of[part]) {
        fail_msg("message %zu of part %zu came behind %zu", number, part, fixture->last_of[part]);
    }
    fixture->last_of[part] = number;
}

static void check_bounds(const SourceFixture *fixture, const SourceGroup *group)
{
    size_t bytes = 0;
    for (size_t i = 0; i < group->count; i++) {
        bytes += group->messages[i].raw.len;
    }
    assert_true(group->count <= fixture->limits.group_messages_max);
    assert_true(group->count <= 1 || bytes <= SOURCE_GROUP_BYTES);
}

/* One call. The status is given back only when the caller can do something with it. */
Status fixture_fetch_once(SourceFixture *fixture, SourceGroup *group, Error *reterr)
{
    int64_t begun_us = side_now_us();
    source_group_reset(group);
    Status status = fixture->source->ops->fetch(fixture->source, group, reterr);
    assert_true(side_now_us() - begun_us < BOUNDED_US);
    return status;
}

/* Fetches until something has come, or until `us_max` has gone by. Returns how many messages there are. */
size_t fixture_fetch_within(SourceFixture *fixture, SourceGroup *group, int64_t us_max)
{
    Error error = {0};
    int64_t until_us = side_now_us() + us_max, left_us = us_max;
    while (true) {
        if (fixture_fetch_once(fixture, group, &error) != STATUS_OK) {
            fail_msg("fetch: %s", error.message);
        }
        if (group->count > 0 || left_us <= 0) {
            break;
        }
        /* A group of places alone is stored and acknowledged like any other; here it is simply not. */
        fixture->source->ops->wait(fixture->source, left_us < SECOND_US ? left_us : SECOND_US);
        left_us = until_us - side_now_us();
    }
    check_bounds(fixture, group);
    for (size_t i = 0; i < group->count; i++) {
        take_message(fixture, &group->messages[i]);
    }
    return group->count;
}

size_t fixture_fetch(SourceFixture *fixture, SourceGroup *group)
{
    size_t count = fixture_fetch_within(fixture, group, PATIENCE_US);
    if (count == 0) {
        fail_msg("nothing came");
    }
    return count;
}

static char *keep_text(Str text)
{
    char *copy = malloc(text.len + 1);
    assert_non_null(copy);
    memcpy(copy, text.len ? text.ptr : "", text.len);
    return copy;
}

static KeptPlace *kept_of(SourceFixture *fixture, Str part)
{
    for (size_t i = 0; i < fixture->kept_count; i++) {
        if (str_equal((Str){fixture->kept[i].part, fixture->kept[i].part_len}, part)) {
            return &fixture->kept[i];
        }
    }
    assert_true(fixture->kept_count < PLACES_MAX);
    KeptPlace *kept = &fixture->kept[fixture->kept_count++];
    *kept = (KeptPlace){.part = keep_text(part), .part_len = part.len};
    return kept;
}

/* The group is in the store, with its places. */
void fixture_store(SourceFixture *fixture, SourceGroup *group)
{
    for (size_t i = 0; i < group->place_count; i++) {
        const SourcePlace *place = &group->places[i];
        KeptPlace *kept = kept_of(fixture, place->part);
        free(kept->mark);
        kept->mark = keep_text(place->mark);
        kept->mark_len = place->mark.len;
        kept->next = place->next;
    }
    for (size_t i = 0; i < group->count; i++) {
        bool refused = group->messages[i].refused.len > 0;
        group->messages[i].outcome = refused ? OUTCOME_NONE : OUTCOME_CREATED;
        group->messages[i].error = group->messages[i].refused;
    }
}

void fixture_acknowledge(SourceFixture *fixture, const SourceGroup *group)
{
    Error error = {0};
    int64_t begun_us = side_now_us();
    if (fixture->source->ops->acknowledge(fixture->source, group, &error) != STATUS_OK) {
        fail_msg("acknowledge: %s", error.message);
    }
    assert_true(side_now_us() - begun_us < BOUNDED_US);
}

/* Takes `count` messages as a feeder would that nothing happens to. Returns the number of groups. */
size_t fixture_take(SourceFixture *fixture, size_t count)
{
    SourceGroup *group = &fixture->groups[0];
    size_t taken = 0, groups = 0;
    while (taken < count) {
        taken += fixture_fetch(fixture, group);
        groups++;
        fixture_store(fixture, group);
        fixture_acknowledge(fixture, group);
    }
    assert_int_equal(taken, count);
    return groups;
}

void fixture_take_places(SourceFixture *fixture, size_t count)
{
    SourceGroup *group = &fixture->groups[0];
    Error error = {0};
    int64_t until_us = side_now_us() + PATIENCE_US;
    while (fixture_fetch_once(fixture, group, &error) == STATUS_OK && group->place_count == 0 &&
           side_now_us() < until_us) {
        fixture->source->ops->wait(fixture->source, SECOND_US / 10);
    }
    assert_int_equal(group->place_count, count);
    assert_int_equal(group->count, 0);
    fixture_store(fixture, group);
    fixture_acknowledge(fixture, group);
}

/* Nothing more comes. A source may have places left to tell, such as the end of a file. */
void fixture_assert_quiet(SourceFixture *fixture)
{
    SourceGroup *group = &fixture->groups[0];
    Error error = {0};
    int64_t until_us = side_now_us() + QUIET_US;
    do {
        if (fixture_fetch_once(fixture, group, &error) != STATUS_OK) {
            fail_msg("fetch: %s", error.message);
        }
        if (group->count > 0) {
            fail_msg("message %zu came, and nothing should", number_of(group->messages[0].raw));
        }
        if (group->place_count > 0) {
            fixture_store(fixture, group);
            fixture_acknowledge(fixture, group);
        }
        fixture->source->ops->wait(fixture->source, QUIET_US / 5);
    } while (side_now_us() < until_us);
}

void fixture_assert_notice(const SourceFixture *fixture, const char *words)
{
    Str notice = fixture->source->notice;
    if (words ? !memmem(notice.ptr, notice.len, words, strlen(words)) : notice.len > 0) {
        fail_msg("it says: %.*s", STR_ARGS(notice));
    }
}

void fixture_assert_seen(const SourceFixture *fixture, size_t first, size_t count, size_t times)
{
    for (size_t number = first; number < first + count; number++) {
        if (fixture->seen[number] != times) {
            fail_msg("message %zu came %zu times instead of %zu", number, fixture->seen[number], times);
        }
    }
}

void fixture_forget_places(SourceFixture *fixture)
{
    for (size_t i = 0; i < fixture->kept_count; i++) {
        free(fixture->kept[i].part);
        free(fixture->kept[i].mark);
    }
    fixture->kept_count = 0;
}

void fixture_copy_places(SourceFixture *fixture)
{
    assert_int_equal(fixture->copied_count, 0);
    for (; fixture->copied_count < fixture->kept_count; fixture->copied_count++) {
        KeptPlace copy = fixture->kept[fixture->copied_count];
        copy.part = keep_text((Str){copy.part, copy.part_len});
        copy.mark = keep_text((Str){copy.mark, copy.mark_len});
        fixture->copied[fixture->copied_count] = copy;
    }
}

void fixture_put_places_back(SourceFixture *fixture)
{
    fixture_forget_places(fixture);
    memcpy(fixture->kept, fixture->copied, sizeof fixture->kept);
    fixture->kept_count = fixture->copied_count;
    fixture->copied_count = 0;
}

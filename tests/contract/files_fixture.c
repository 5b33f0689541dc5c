#include "files_fixture.h"

#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "record/record.h"

void files_open(FilesFixture *fixture, size_t group_messages_max)
{
    source_close(fixture->source);
    fixture->source = files_side_open(fixture->side, (SideLimits){group_messages_max, 1000});
    source_group_release(&fixture->group);
    source_group_init(&fixture->group, group_messages_max);
}

Status files_connect(FilesFixture *fixture)
{
    SourcePlace place = {str_from(fixture->part), fixture->next, {fixture->mark, fixture->mark_len}};
    return fixture->source->ops->connect(fixture->source, &place, fixture->has_place, &fixture->error);
}

int files_setup(void **state)
{
    FilesFixture *fixture = test_calloc(1, sizeof *fixture);
    fixture->side = files_side_start();
    source_group_init(&fixture->group, FILES_MESSAGES_MAX);
    files_open(fixture, FILES_MESSAGES_MAX);
    *state = fixture;
    return 0;
}

int files_teardown(void **state)
{
    FilesFixture *fixture = *state;
    source_group_release(&fixture->group);
    source_close(fixture->source);
    files_side_stop(fixture->side);
    test_free(fixture);
    return 0;
}

/* What a message says is what becomes of it. */
static void decide(SourceMessage *message)
{
    const char *raw = message->raw.ptr;
    size_t len = message->raw.len;
    message->outcome = OUTCOME_CREATED;
    if (message->refused.len > 0 || memmem(raw, len, "bad", 3)) {
        message->outcome = OUTCOME_NONE;
        message->error = message->refused.len ? message->refused : STR("is bad");
    } else if (memmem(raw, len, "clash", 5)) {
        message->outcome = OUTCOME_CONFLICT;
        message->differs = FIELD_VALUE | FIELD_UNIT;
    } else if (memmem(raw, len, "large", 5)) {
        message->outcome = OUTCOME_REJECTED;
    }
}

void files_store(FilesFixture *fixture)
{
    for (size_t i = 0; i < fixture->group.count; i++) {
        SourceMessage *message = &fixture->group.messages[i];
        decide(message);
        assert_true(fixture->count < FILES_MESSAGES_MAX);
        snprintf(fixture->places[fixture->count++], FILES_PLACE_BYTES, "%.*s", STR_ARGS(message->place));
    }
    for (size_t i = 0; i < fixture->group.place_count; i++) {
        const SourcePlace *place = &fixture->group.places[i];
        snprintf(fixture->part, sizeof fixture->part, "%.*s", STR_ARGS(place->part));
        memcpy(fixture->mark, place->mark.ptr, place->mark.len);
        fixture->mark_len = place->mark.len;
        fixture->next = place->next;
        fixture->has_place = true;
    }
}

size_t files_fetch(FilesFixture *fixture)
{
    source_group_reset(&fixture->group);
    assert_int_equal(fixture->source->ops->fetch(fixture->source, &fixture->group, &fixture->error), STATUS_OK);
    return fixture->group.count;
}

void files_acknowledge(FilesFixture *fixture)
{
    assert_int_equal(fixture->source->ops->acknowledge(fixture->source, &fixture->group, &fixture->error), STATUS_OK);
}

void files_take_rest(FilesFixture *fixture)
{
    while (files_fetch(fixture) + fixture->group.place_count > 0) {
        files_store(fixture);
        files_acknowledge(fixture);
    }
}

void files_take_all(FilesFixture *fixture)
{
    assert_int_equal(files_connect(fixture), STATUS_OK);
    files_take_rest(fixture);
}

void files_path(const FilesFixture *fixture, const char *name, char ret_path[FILES_PATH_BYTES])
{
    snprintf(ret_path, FILES_PATH_BYTES, "%s/%s", fixture->side->dir, name);
}

bool files_is_there(const FilesFixture *fixture, const char *name)
{
    char path[FILES_PATH_BYTES];
    struct stat info;
    files_path(fixture, name, path);
    return lstat(path, &info) == 0;
}

void files_check_content(const FilesFixture *fixture, const char *name, const char *expected)
{
    char path[FILES_PATH_BYTES], text[4096];
    files_path(fixture, name, path);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    assert_string_equal(text, expected);
}

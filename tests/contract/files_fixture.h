/* A source of files, and a store that is played: it keeps the place, and decides by what a message says ("bad",
 * "clash", "large") what becomes of it. */
#ifndef WEIR_TESTS_CONTRACT_FILES_FIXTURE_H
#define WEIR_TESTS_CONTRACT_FILES_FIXTURE_H

#include "files_side.h"

enum { FILES_PATH_BYTES = 512, FILES_MESSAGES_MAX = 100, FILES_PLACE_BYTES = 64 };

typedef struct FilesFixture {
    FilesSide *side;
    Source *source;
    SourceGroup group;
    Error error;
    size_t count; /* messages that came */
    char places[FILES_MESSAGES_MAX][FILES_PLACE_BYTES];
    bool has_place; /* what the store has */
    int64_t next;
    char part[FILES_PLACE_BYTES], mark[SOURCE_MARK_BYTES_MAX];
    size_t mark_len;
} FilesFixture;

/* Around each test. */
int files_setup(void **state);
int files_teardown(void **state);

/* As a process that is started anew; what was not stored is lost. */
void files_open(FilesFixture *fixture, size_t group_messages_max);
Status files_connect(FilesFixture *fixture);

/* Into the fixture's group; how many messages that has. */
size_t files_fetch(FilesFixture *fixture);
void files_store(FilesFixture *fixture);
void files_acknowledge(FilesFixture *fixture);
/* Until nothing comes, not even a place; files_take_all connects before. */
void files_take_rest(FilesFixture *fixture);
void files_take_all(FilesFixture *fixture);

/* Names are below the directory. */
void files_path(const FilesFixture *fixture, const char *name, char ret_path[FILES_PATH_BYTES]);
bool files_is_there(const FilesFixture *fixture, const char *name);
void files_check_content(const FilesFixture *fixture, const char *name, const char *expected);

#endif

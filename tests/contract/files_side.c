#include "files_side.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/scratch_dir.h"

enum { PATH_BYTES = 512, MESSAGES_MAX = 100 };

void *files_side_start(void)
{
    FilesSide *side = test_calloc(1, sizeof *side);
    scratch_dir_make(side->top, sizeof side->top);
    snprintf(side->dir, sizeof side->dir, "%s/here/drop", side->top);
    snprintf(side->away, sizeof side->away, "%s/away", side->top);
    char parent[PATH_BYTES];
    snprintf(parent, sizeof parent, "%s/here", side->top);
    assert_int_equal(mkdir(parent, 0700), 0);
    side->options = (SourceOptions){.name = "partner",
                                    .type = SOURCE_FILES,
                                    .group_messages_max = MESSAGES_MAX,
                                    .message_bytes_max = 1 << 20,
                                    .dir = side->dir,
                                    .pattern = "*.ndjson, *.json,*.csv, *.gz",
                                    .keep_done = true};
    side->context = (SourceContext){.options = &side->options, .clock = &clock_system, .random = &random_system};
    return side;
}

void files_side_stop(void *self)
{
    scratch_dir_remove(((FilesSide *)self)->top);
    test_free(self);
}

Source *files_side_open(void *self, SideLimits limits)
{
    FilesSide *side = self;
    Source *source = NULL;
    Error error;
    side->options.group_messages_max = limits.group_messages_max;
    side->options.message_bytes_max = limits.message_bytes_max;
    assert_int_equal(source_files_open(&side->context, &source, &error), STATUS_OK);
    return source;
}

void files_side_drop(FilesSide *side, const char *name, const void *bytes, size_t len)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    snprintf(from, sizeof from, "%s/%s.new", side->top, name);
    snprintf(to, sizeof to, "%s/%s", side->dir, name);
    FILE *file = fopen(from, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_true(mkdir(side->dir, 0700) == 0 || access(side->dir, F_OK) == 0);
    assert_int_equal(rename(from, to), 0);
}

void files_side_drop_text(FilesSide *side, const char *name, const char *text)
{
    files_side_drop(side, name, text, strlen(text));
}

void files_side_put(void *self, size_t part, const Str *raws, size_t count)
{
    FilesSide *side = self;
    char name[64];
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += raws[i].len + 1;
    }
    char *text = malloc(len), *at = text;
    assert_non_null(text);
    for (size_t i = 0; i < count; i++) {
        memcpy(at, raws[i].ptr, raws[i].len);
        at[raws[i].len] = '\n';
        at += raws[i].len + 1;
    }
    snprintf(name, sizeof name, "%06u-%zu.ndjson", atomic_fetch_add(&side->files, 1), part);
    files_side_drop(side, name, text, len);
    free(text);
}

bool files_side_put_unfit(void *self)
{
    (void)self;
    return false;
}

/* Names in a directory, but for those of directories; -1 when it is not there. */
static int count_files(const char *path)
{
    int count = 0;
    DIR *listing = opendir(path);
    if (!listing) {
        return -1;
    }
    for (const struct dirent *entry; (entry = readdir(listing));) {
        count += entry->d_type != DT_DIR;
    }
    closedir(listing);
    return count;
}

/* Files, for nobody has counted lines. */
int64_t files_side_left(void *self)
{
    int count = count_files(((FilesSide *)self)->dir);
    return count < 0 ? 0 : count;
}

bool files_side_unreachable(void *self, bool unreachable)
{
    FilesSide *side = self;
    char parent[PATH_BYTES];
    snprintf(parent, sizeof parent, "%s/here", side->top);
    assert_int_equal(unreachable ? rename(parent, side->away) : rename(side->away, parent), 0);
    return true;
}

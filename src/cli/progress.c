#include "cli/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { BAR_CELLS = 24, SHOW_US = 100000, SECOND_US = 1000000 };

const char *count_format(uint64_t count, char ret_text[COUNT_BYTES_MAX])
{
    char *at = ret_text + COUNT_BYTES_MAX;
    *--at = '\0';
    for (int digits = 0; digits == 0 || count > 0; digits++, count /= 10) {
        if (digits && digits % 3 == 0) {
            *--at = ',';
        }
        *--at = (char)('0' + count % 10);
    }
    return at;
}

/* Appends, and cuts what does not fit. */
__attribute__((format(printf, 3, 4))) static void put(char *text, size_t *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text + *at, PROGRESS_BYTES_MAX - *at, format, args);
    va_end(args);
    if (len > 0) {
        *at += (size_t)len < PROGRESS_BYTES_MAX - *at ? (size_t)len : PROGRESS_BYTES_MAX - *at - 1;
    }
}

static void put_bar(char *text, size_t *at, uint64_t done, uint64_t total)
{
    double part = done < total ? (double)done / (double)total : 1;
    int cells = (int)(part * (double)BAR_CELLS);
    put(text, at, "  [%.*s%*s] %3d %%", cells, "########################", BAR_CELLS - cells, "", (int)(part * 100));
}

static void put_left(char *text, size_t *at, uint64_t behind, uint64_t done, uint64_t total, int64_t elapsed_us)
{
    if (done <= behind || done > total || elapsed_us < SECOND_US) {
        return; /* too early to say */
    }
    double left = (double)elapsed_us / (double)SECOND_US * ((double)(total - done) / (double)(done - behind));
    if (left < 360000) {
        long seconds = (long)(left + 0.5);
        put(text, at, "  %ld:%02ld left", seconds / 60, seconds % 60);
    }
}

size_t progress_format(char ret_text[PROGRESS_BYTES_MAX], const Progress *progress, uint64_t done, uint64_t total,
                       uint64_t records, int64_t elapsed_us)
{
    size_t at = 0;
    char count[COUNT_BYTES_MAX];
    put(ret_text, &at, "%s", progress->what);
    if (total > 0) {
        put_bar(ret_text, &at, done, total);
    }
    put(ret_text, &at, "  %s %s", count_format(records, count), progress->noun ? progress->noun : "records");
    if (elapsed_us >= SECOND_US / 2) {
        put(ret_text, &at, "  %s/s",
            count_format((uint64_t)((double)records * (double)SECOND_US / (double)elapsed_us), count));
    }
    put_left(ret_text, &at, progress->behind, done, total, elapsed_us);
    return at;
}

void progress_begin(Progress *progress) { *progress = (Progress){.enabled = isatty(STDERR_FILENO) == 1}; }

void progress_show(Progress *progress, const char *what, uint64_t done, uint64_t total, uint64_t records)
{
    if (!progress->enabled) {
        return;
    }
    int64_t now = clock_monotonic_us(&clock_system);
    if (!progress->what || strcmp(progress->what, what) != 0) {
        progress->what = what;
        progress->stage_us = now;
    }
    if (progress->visible && now - progress->shown_us < SHOW_US) {
        return;
    }
    char text[PROGRESS_BYTES_MAX];
    progress_format(text, progress, done, total, records, now - progress->stage_us);
    fprintf(stderr, "\r\033[K%s", text);
    progress->shown_us = now;
    progress->visible = true;
}

void progress_end(Progress *progress)
{
    if (progress->visible) {
        fputs("\r\033[K", stderr);
        progress->visible = false;
    }
}

void progress_of_records(void *self, const char *what, uint64_t done, uint64_t total)
{
    progress_show(self, what, done, total, done);
}

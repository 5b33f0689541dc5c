/* A progress bar on standard error, for work that takes a while; only when that is a terminal.
 *
 *     taking in  [##########          ]  52 %  1,234,567 records  310,000/s  0:12 left */
#ifndef WEIR_CLI_PROGRESS_H
#define WEIR_CLI_PROGRESS_H

#include "base/clock.h"
#include "base/str.h"

typedef struct Progress {
    const char *what; /* of the stage that is under way; borrows */
    const char *noun; /* of what is counted; NULL: records. Borrows */
    uint64_t behind;  /* of what is done, in the bar's unit: not by this run, so that the time left does not go by it */
    int64_t stage_us, shown_us;
    bool enabled, visible;
} Progress;

/* Shows nothing when standard error is not a terminal. */
void progress_begin(Progress *progress);
/* `done` of `total` (0: unknown) in any unit make the bar; `records` is what is counted, and its rate. Another `what`
 * begins a new stage. Cheap enough to be called often: it writes ten times a second. */
void progress_show(Progress *progress, const char *what, uint64_t done, uint64_t total, uint64_t records);
/* Takes the bar away, so that an ordinary line can be written. */
void progress_end(Progress *progress);

/* For functions that report stages of records: store_open, store_verify. `self` is a Progress. */
void progress_of_records(void *self, const char *what, uint64_t done, uint64_t total);

/* The line without a line feed, for progress_show and its tests; returns the length. */
enum { PROGRESS_BYTES_MAX = 160 };
size_t progress_format(char ret_text[PROGRESS_BYTES_MAX], const Progress *progress, uint64_t done, uint64_t total,
                       uint64_t records, int64_t elapsed_us);

/* "1,234,567" */
enum { COUNT_BYTES_MAX = 32 };
const char *count_format(uint64_t count, char ret_text[COUNT_BYTES_MAX]);

#endif

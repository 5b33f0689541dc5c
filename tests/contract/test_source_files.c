/* The contract of source.h on files that are dropped into a directory. */
#include <setjmp.h>

#include <cmocka.h>

#include "files_side.h"

int main(void)
{
    static const SourceSide side = {.name = "source_files",
                                    .places = false, /* the last groups come again: see source_files.c */
                                    .remembers = true,
                                    .any_bytes = false,
                                    .parts = 3,
                                    .message_bytes_max = 8 << 20,
                                    .clock = &clock_system,
                                    .start = files_side_start,
                                    .stop = files_side_stop,
                                    .open = files_side_open,
                                    .put = files_side_put,
                                    .put_unfit = files_side_put_unfit,
                                    .left = files_side_left,
                                    .unreachable = files_side_unreachable};
    return source_suite_run(&side);
}

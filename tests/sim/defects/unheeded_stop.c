/* A line that is told to end forgets it with its next step, and goes on sending for as long as it has something to
 * write. */
#include "deliver/line_parts.h"

void __real_line_reap(Line *line, int64_t now_us);
void __wrap_line_reap(Line *line, int64_t now_us);

void __wrap_line_reap(Line *line, int64_t now_us)
{
    line->finishing = false;
    __real_line_reap(line, now_us);
}

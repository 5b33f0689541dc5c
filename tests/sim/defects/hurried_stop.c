/* A stop does not wait for what a line has to write. */
#include "deliver/line.h"

bool __wrap_line_is_writing(const Line *line);

bool __wrap_line_is_writing(const Line *line)
{
    (void)line;
    return false;
}

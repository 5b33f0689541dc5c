/* An attempt is spent by what fails while the breaker is open. */
#include "deliver/line_parts.h"

void __real_line_take_results(Line *line, int64_t now_us);
void __wrap_line_take_results(Line *line, int64_t now_us);

void __wrap_line_take_results(Line *line, int64_t now_us)
{
    Breaker before = line->breaker;
    bool is_open = before.state == BREAKER_OPEN;
    if (is_open) {
        line->breaker.state = BREAKER_CLOSED;
        line->breaker.percent = 0;
    }
    __real_line_take_results(line, now_us);
    line->breaker = is_open ? before : line->breaker;
}

/* The cursor goes past messages that are not settled, now and then. */
#include "deliver/window.h"
#include "now_and_then.h"

void __real_window_advance(Window *window, int64_t read_seq, SinkPlace *place);
void __wrap_window_advance(Window *window, int64_t read_seq, SinkPlace *place);

void __wrap_window_advance(Window *window, int64_t read_seq, SinkPlace *place)
{
    static unsigned calls;
    __real_window_advance(window, read_seq, place);
    if (window->count > 0 && now_and_then(&calls, 20)) {
        place->cursor = window_at(window, 0)->seq;
    }
}

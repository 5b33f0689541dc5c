/* A feed's cursor goes past a message that was not in the page, now and then. */
#include "base/buf.h"
#include "now_and_then.h"

void __real_buf_put_key_i64(Buf *buf, const char *key, int64_t value);
void __wrap_buf_put_key_i64(Buf *buf, const char *key, int64_t value);

void __wrap_buf_put_key_i64(Buf *buf, const char *key, int64_t value)
{
    static unsigned calls;
    bool is_cursor = strcmp(key, "nextAfter") == 0 && value > 0;
    __real_buf_put_key_i64(buf, key, value + (is_cursor && now_and_then(&calls, 5)));
}

/* A page of a list begins behind all records of the time at which the one before has ended. */
#include "query/cursor.h"

void __real_cursor_format(const Cursor *cursor, const Filter *filter, const StoreInfo *info,
                          char ret_text[CURSOR_TEXT_BYTES]);
void __wrap_cursor_format(const Cursor *cursor, const Filter *filter, const StoreInfo *info,
                          char ret_text[CURSOR_TEXT_BYTES]);

void __wrap_cursor_format(const Cursor *cursor, const Filter *filter, const StoreInfo *info,
                          char ret_text[CURSOR_TEXT_BYTES])
{
    Cursor hasty = *cursor;
    hasty.at.seq = cursor->descending ? 0 : INT64_MAX;
    __real_cursor_format(&hasty, filter, info, ret_text);
}

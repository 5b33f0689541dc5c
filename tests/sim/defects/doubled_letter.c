/* A message that comes again makes another dead letter: its place is not looked for. */
#include "store/sqlite/db.h"

Status __real_db_step(sqlite3_stmt *stmt, const char *what, bool *ret_row, Error *reterr);
Status __wrap_db_step(sqlite3_stmt *stmt, const char *what, bool *ret_row, Error *reterr);

Status __wrap_db_step(sqlite3_stmt *stmt, const char *what, bool *ret_row, Error *reterr)
{
    Status status = __real_db_step(stmt, what, ret_row, reterr);
    if (status == STATUS_OK && strcmp(what, "look for a dead letter") == 0) {
        *ret_row = false;
    }
    return status;
}

/* What a correction is known by is not kept, now and then, though the correction is. */
#include <string.h>

#include "now_and_then.h"
#include "store/sqlite/db.h"

Status __real_db_run(sqlite3_stmt *stmt, const char *what, Error *reterr);
Status __wrap_db_run(sqlite3_stmt *stmt, const char *what, Error *reterr);

Status __wrap_db_run(sqlite3_stmt *stmt, const char *what, Error *reterr)
{
    static unsigned calls;
    bool is_alias = strcmp(what, "keep where an event's id leads") == 0;
    return is_alias && now_and_then(&calls, 20) ? STATUS_OK : __real_db_run(stmt, what, reterr);
}

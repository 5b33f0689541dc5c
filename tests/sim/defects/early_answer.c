/* Calls are answered before their commit, which is done when the next one comes. */
#include <string.h>

#include "store/sqlite/db.h"

Status __real_db_exec(sqlite3 *db, const char *sql, Error *reterr);
Status __wrap_db_exec(sqlite3 *db, const char *sql, Error *reterr);

Status __wrap_db_exec(sqlite3 *db, const char *sql, Error *reterr)
{
    if (strcmp(sql, "COMMIT") == 0) {
        return STATUS_OK;
    }
    if (strcmp(sql, "BEGIN IMMEDIATE") == 0 && !sqlite3_get_autocommit(db)) {
        Status status = __real_db_exec(db, "COMMIT", reterr);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return __real_db_exec(db, sql, reterr);
}

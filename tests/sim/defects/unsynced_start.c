/* A start trusts what it finds in the WAL, without making it durable. */
#include <sqlite3.h>

int __wrap_sqlite3_file_control(sqlite3 *db, const char *name, int op, void *argument);

int __wrap_sqlite3_file_control(sqlite3 *db, const char *name, int op, void *argument)
{
    (void)db;
    (void)name;
    (void)op;
    *(sqlite3_file **)argument = NULL;
    return SQLITE_OK;
}

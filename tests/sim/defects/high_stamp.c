/* A publish says that it covers one entry more than it does. */
#include <string.h>

#include "store/sqlite/schema.h"

Status __real_meta_put_int(sqlite3 *db, const char *name, int64_t value, Error *reterr);
Status __wrap_meta_put_int(sqlite3 *db, const char *name, int64_t value, Error *reterr);

Status __wrap_meta_put_int(sqlite3 *db, const char *name, int64_t value, Error *reterr)
{
    return __real_meta_put_int(db, name, value + (strcmp(name, META_PUBLISHED_SEQ) == 0), reterr);
}

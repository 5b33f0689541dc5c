/* What verify finds about deliveries and dead letters: rows that nobody would ever look at again, and what was counted
 * wrongly. */
#include <assert.h>

#include "store/sqlite/db.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_store.h"

/* Each row is a sentence. */
static const char *const forgotten_sql[] = {
    "SELECT 'dead letter ' || id || ': it is to be tried again, but no retry waits for that' FROM dead_letters AS "
    "letter"
    " WHERE stage = 1 AND state = 1 AND NOT EXISTS (SELECT 1 FROM retries"
    " WHERE sink = letter.origin AND job = 0 AND seq = letter.seq)",
    "SELECT 'the retry of message ' || seq || ': there is no sink ' || sink FROM retries"
    " WHERE job = 0 AND sink NOT IN (SELECT name FROM sinks)",
    "SELECT 'the retry of message ' || seq || ': the replay ' || job || ' of sink ' || sink || ' does not run'"
    " FROM retries WHERE job <> 0 AND NOT EXISTS (SELECT 1 FROM replays"
    " WHERE id = retries.job AND sink = retries.sink AND state = 0)",
};
static const char miscounted_sql[] =
    "SELECT 'dead letter ' || id || ': it counts for ' || bytes || ' bytes, and has ' || " DEAD_LETTER_BYTES_SQL
    " FROM dead_letters WHERE stage = 0 AND bytes <> " DEAD_LETTER_BYTES_SQL;
static_assert(DEAD_LETTER_INTAKE == 0 && DEAD_LETTER_DELIVERY == 1 && DEAD_LETTER_RETRYING == 1 && REPLAY_RUNNING == 0,
              "the statements say so");

Status sqlite_find_forgotten(sqlite3 *db, void (*tell)(void *context, Str sentence), void *context, Error *reterr)
{
    int64_t version = 0;
    Status status = schema_version(db, &version, reterr);
    bool any = version >= SCHEMA_DELIVERIES;
    for (size_t i = 0; i < sizeof forgotten_sql / sizeof *forgotten_sql && any && status == STATUS_OK; i++) {
        status = db_visit_texts(db, forgotten_sql[i], tell, context, reterr);
    }
    bool counts_bytes = status == STATUS_OK && version >= SCHEMA_EVENTS;
    return counts_bytes ? db_visit_texts(db, miscounted_sql, tell, context, reterr) : status;
}

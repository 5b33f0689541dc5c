/* What readers see of sources: the small tables as they are now, whatever a view's bound. */
#include "store/sqlite/db.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_store.h"

#define WHAT "read what is kept of sources"

Status sqlite_sources(StoreReader *base, SourceVisitor *visit, void *context, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    Status status =
        sqlite_reader_prepare((SqliteReader *)base, SCHEMA_SOURCES,
                              "SELECT name, state, reason, updated_us FROM sources ORDER BY name", &stmt, reterr);
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        StoredSource source = {.name = db_text(stmt, 0),
                               .state = (SourceState)sqlite3_column_int(stmt, 1),
                               .reason = db_text(stmt, 2),
                               .updated_us = sqlite3_column_int64(stmt, 3)};
        go_on = visit(context, &source);
    }
    sqlite3_finalize(stmt);
    return status;
}

Status sqlite_places(StoreReader *base, Str source, PlaceVisitor *visit, void *context, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    Status status = sqlite_reader_prepare((SqliteReader *)base, SCHEMA_SOURCES,
                                          "SELECT part, next, mark FROM source_places WHERE source = ? ORDER BY part",
                                          &stmt, reterr);
    if (stmt) {
        db_bind_text(stmt, 1, source);
    }
    while (db_next(stmt, go_on, WHAT, &status, reterr)) {
        SourcePlace place = {.part = db_text(stmt, 0), .next = sqlite3_column_int64(stmt, 1), .mark = db_text(stmt, 2)};
        go_on = visit(context, &place);
    }
    sqlite3_finalize(stmt);
    return status;
}

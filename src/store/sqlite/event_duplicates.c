/* What was taken for a duplicate of an event, and came as other bytes or for another mapping. */
#include "store/sqlite/db.h"
#include "store/sqlite/sqlite_store.h"

enum { HASH_BYTES = 32, CLIENT_BYTES = 4 * RECORD_TEXT_CODE_POINTS_MAX };

static bool digest(const SqliteStore *store, Str bytes, unsigned char *ret_hash)
{
    return EVP_Digest(bytes.len ? bytes.ptr : "", bytes.len, ret_hash, NULL, store->events.digest, NULL) == 1;
}

/* The same bytes may be two events where two mappings were asked for: the mapping's name belongs to their hash then. */
static bool hash_item(const SqliteStore *store, const EventItem *item, unsigned char *ret_hash)
{
    unsigned char both[2 * HASH_BYTES];
    if (!item->asked) {
        return digest(store, item->raw, ret_hash);
    }
    return digest(store, item->raw, both) && digest(store, item->mapping, both + HASH_BYTES) &&
           digest(store, (Str){(const char *)both, sizeof both}, ret_hash);
}

/* The two that say which one it is. */
static Status bind_bytes(SqliteStore *store, sqlite3_stmt *stmt, int64_t seq, const EventItem *item, Error *reterr)
{
    unsigned char hash[HASH_BYTES];
    if (!hash_item(store, item, hash)) {
        return error_set(reterr, STATUS_BUSY, "out of memory for an event's bytes");
    }
    sqlite3_bind_int64(stmt, 1, seq);
    int code = sqlite3_bind_blob(stmt, 2, hash, sizeof hash, SQLITE_TRANSIENT);
    return code == SQLITE_OK ? STATUS_OK : db_error(store->db, code, "name the bytes of a duplicate", reterr);
}

/* The client is whose duplicate it is counted as. */
Status sqlite_keep_duplicate(SqliteStore *store, const EventItem *item, int64_t seq, Error *reterr)
{
    sqlite3_stmt *stmt = store->events.statements[EVENT_PUT_DUPLICATE];
    Status status = bind_bytes(store, stmt, seq, item, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite3_bind_int64(stmt, 3, item->received_us);
    sqlite3_bind_int(stmt, 4, item->asked);
    db_bind_text(stmt, 5, item->client.len <= CLIENT_BYTES ? item->client : STR(""));
    db_bind_text(stmt, 6, item->mapping);
    status = db_bind_blob(stmt, 7, item->raw, reterr);
    return status == STATUS_OK ? db_run(stmt, "keep the bytes of a duplicate", reterr) : status;
}

/* *ret_client has room for CLIENT_BYTES. */
static Status find_duplicate(SqliteStore *store, const EventItem *item, bool *ret_kept, Str *ret_client, Error *reterr)
{
    sqlite3_stmt *stmt = store->events.statements[EVENT_FIND_DUPLICATE];
    *ret_kept = false;
    Status status = bind_bytes(store, stmt, item->taken_for, item, reterr);
    if (status == STATUS_OK) {
        status = db_step(stmt, "look for the bytes of a duplicate", ret_kept, reterr);
    }
    if (status == STATUS_OK && *ret_kept) {
        Str client = db_text(stmt, 0);
        ret_client->len = client.len <= CLIENT_BYTES ? client.len : 0;
        memcpy((char *)(uintptr_t)ret_client->ptr, ret_client->len ? client.ptr : "", ret_client->len);
    }
    sqlite3_reset(stmt);
    return status;
}

Status sqlite_is_duplicate_kept(SqliteStore *store, const EventItem *item, bool *ret_kept, Error *reterr)
{
    char room[CLIENT_BYTES];
    Str client = {room, 0};
    return find_duplicate(store, item, ret_kept, &client, reterr);
}

static Status uncount(SqliteStore *store, Str client, Error *reterr)
{
    sqlite3_stmt *stmt = store->events.statements[EVENT_UNCOUNT_DUPLICATE];
    Status status = sqlite_put_event_counts(store, reterr);
    db_bind_text(stmt, 1, client);
    return status == STATUS_OK ? db_run(stmt, "count a duplicate no more", reterr) : status;
}

Status sqlite_end_duplicate(SqliteStore *store, const EventItem *item, Error *reterr)
{
    sqlite3_stmt *stmt = store->events.statements[EVENT_END_DUPLICATE];
    char room[CLIENT_BYTES];
    Str client = {room, 0};
    bool kept = false;
    Status status = find_duplicate(store, item, &kept, &client, reterr);
    if (status == STATUS_OK) {
        status = uncount(store, client, reterr);
    }
    if (status == STATUS_OK) {
        status = bind_bytes(store, stmt, item->taken_for, item, reterr);
    }
    return status == STATUS_OK ? db_run(stmt, "end what was taken for a duplicate", reterr) : status;
}

/* Dead letters: made, announced, tried again, discarded. */
#include <assert.h>

#include "base/buf.h"
#include "deliver/message.h"
#include "store/sqlite/db.h"
#include "store/sqlite/row.h"
#include "store/sqlite/sqlite_store.h"

enum { NOTICE_BYTES_MAX = 64 << 10, SQL_BYTES_MAX = 4096 };

#define NOTICE_KIND STR("dead_letter.created")

static_assert(DEAD_LETTER_OPEN == 0 && DEAD_LETTER_RETRYING == 1 && DEAD_LETTER_DISCARDED == 3 &&
                  DEAD_LETTER_DELIVERY == 1,
              "the statements say so");

Status sqlite_count_dead_letters(SqliteStore *store, Error *reterr)
{
    return db_get_int(store->db, "SELECT count(*) FROM dead_letters WHERE state = 0", 0, &store->tally.dead_letters,
                      reterr);
}

/* ---- What a message is about ------------------------------------------------------------------------------------- */

typedef struct Subject {
    int64_t record_seq; /* the record itself, or the one that an alert is about; 0 for none */
    uint64_t flow_hash;
    bool is_record, is_notice;
} Subject;

/* Fills the flow when there is a record at `seq`. */
static Status find_record(SqliteStore *store, int64_t seq, bool *ret_found, Subject *subject, Error *reterr)
{
    sqlite3_stmt *stmt = store->select_record;
    sqlite3_reset(stmt);
    sqlite3_bind_int64(stmt, 1, seq);
    Status status = db_step(stmt, "read a record", ret_found, reterr);
    if (status == STATUS_OK && *ret_found) {
        StoredRecord stored = {0};
        row_read(stmt, FIELD_ALL, &stored);
        subject->record_seq = seq;
        subject->flow_hash = record_flow_hash(stored.record.destination_id, stored.record.reference, stored.record.unit,
                                              store->base.info.hash_seed);
    }
    sqlite3_reset(stmt);
    return status;
}

static Status find_message(SqliteStore *store, int64_t seq, int64_t *ret_record_seq, Subject *subject, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    Status status = db_prepare(store->db, "SELECT kind, record_seq, body FROM messages WHERE seq = ?", &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, seq);
        status = db_step(stmt, "read a message", &row, reterr);
    }
    if (status == STATUS_OK && row) {
        subject->is_notice = str_equal(db_text(stmt, 0), NOTICE_KIND);
        subject->flow_hash = message_subject_hash(db_text(stmt, 2), store->base.info.hash_seed);
        *ret_record_seq = sqlite3_column_int64(stmt, 1);
    }
    sqlite3_finalize(stmt);
    return status;
}

/* A notice of a dead letter is about no record, though it names one: it belongs to no flow. */
static Status find_subject(SqliteStore *store, int64_t seq, Subject *ret_subject, Error *reterr)
{
    int64_t record_seq = 0;
    bool found = false;
    *ret_subject = (Subject){0};
    Status status = find_record(store, seq, &ret_subject->is_record, ret_subject, reterr);
    if (status == STATUS_OK && !ret_subject->is_record) {
        status = find_message(store, seq, &record_seq, ret_subject, reterr);
    }
    if (status == STATUS_OK && record_seq && !ret_subject->is_notice) {
        status = find_record(store, record_seq, &found, ret_subject, reterr);
    }
    return status;
}

/* ---- Made -------------------------------------------------------------------------------------------------------- */

Status sqlite_append_notice(SqliteStore *store, const DeadLetter *letter, bool is_record, Error *reterr)
{
    Buf body;
    buf_init(&body, NOTICE_BYTES_MAX);
    message_put_dead_letter_body(&body, letter);
    StoredMessage message = {.kind = NOTICE_KIND,
                             .record_seq = is_record ? letter->seq : 0,
                             .created_us = letter->created_us,
                             .body = buf_str(&body)};
    Status status = body.failed ? error_set(reterr, STATUS_BUSY, "out of memory for the notice of a dead letter")
                                : sqlite_append_message(store, &message, reterr);
    buf_release(&body);
    return status;
}

/* A notice that cannot be delivered is not announced in its turn: a sink that takes none would never come to an end. */
static Status announce(SqliteStore *store, const DeadLetter *letter, Error *reterr)
{
    Subject subject;
    Status status = find_subject(store, letter->seq, &subject, reterr);
    return status == STATUS_OK && !subject.is_notice ? sqlite_append_notice(store, letter, subject.is_record, reterr)
                                                     : status;
}

static Status find_letter(SqliteStore *store, const DeadLetter *letter, int64_t *ret_id, bool *ret_open, Error *reterr)
{
    sqlite3_stmt *stmt = store->deliveries[DELIVERY_FIND_LETTER];
    bool row = false;
    db_bind_text(stmt, 1, letter->origin);
    sqlite3_bind_int64(stmt, 2, letter->seq);
    Status status = db_step(stmt, "look for a dead letter", &row, reterr);
    if (status == STATUS_OK) {
        *ret_id = row ? sqlite3_column_int64(stmt, 0) : 0;
        *ret_open = row && sqlite3_column_int(stmt, 1) == DEAD_LETTER_OPEN;
    }
    sqlite3_reset(stmt);
    return status;
}

Status sqlite_reopen_dead_letter(SqliteStore *store, int64_t id, Str error, int64_t attempts, int64_t now_us,
                                 Error *reterr)
{
    sqlite3_stmt *stmt = store->deliveries[DELIVERY_REOPEN_LETTER];
    sqlite3_bind_int64(stmt, 1, id);
    db_bind_text(stmt, 2, error);
    sqlite3_bind_int64(stmt, 3, attempts);
    sqlite3_bind_int64(stmt, 4, now_us);
    return db_run(stmt, "open a dead letter again", reterr);
}

static Status add_letter(SqliteStore *store, const DeadLetter *letter, int64_t now_us, Error *reterr)
{
    sqlite3_stmt *stmt = store->deliveries[DELIVERY_ADD_LETTER];
    db_bind_text(stmt, 1, letter->origin);
    sqlite3_bind_int64(stmt, 2, letter->seq);
    db_bind_text(stmt, 3, letter->error);
    sqlite3_bind_int64(stmt, 4, letter->attempts);
    sqlite3_bind_int64(stmt, 5, now_us);
    return db_run(stmt, "make a dead letter", reterr);
}

Status sqlite_put_dead_letter(SqliteStore *store, const DeadLetter *letter, bool is_announced, int64_t now_us,
                              bool *ret_made, Error *reterr)
{
    int64_t id = 0;
    bool is_open = false;
    Status status = find_letter(store, letter, &id, &is_open, reterr);
    if (status == STATUS_OK) {
        status = id ? sqlite_reopen_dead_letter(store, id, letter->error, letter->attempts, now_us, reterr)
                    : add_letter(store, letter, now_us, reterr);
    }
    if (status == STATUS_OK) {
        store->tally.dead_letters += !is_open;
        *ret_made = id == 0;
    }
    if (status != STATUS_OK || id || !is_announced) {
        return status;
    }
    DeadLetter made = *letter;
    made.id = sqlite3_last_insert_rowid(store->db);
    made.created_us = now_us;
    return announce(store, &made, reterr);
}

Status sqlite_resolve_dead_letter(SqliteStore *store, Str sink, int64_t seq, int64_t now_us, Error *reterr)
{
    sqlite3_stmt *stmt = store->deliveries[DELIVERY_RESOLVE_LETTER];
    db_bind_text(stmt, 1, sink);
    sqlite3_bind_int64(stmt, 2, seq);
    sqlite3_bind_int64(stmt, 3, now_us);
    return db_run(stmt, "resolve a dead letter", reterr);
}

/* ---- Picked ------------------------------------------------------------------------------------------------------ */

Status sqlite_prepare_letters(sqlite3 *db, const char *head, const DeadLetterFilter *filter, const char *tail,
                              sqlite3_stmt **ret_stmt, Error *reterr)
{
    Buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    /* Only what is written out counts for the indexes of some letters alone: the stage beside the sequence and the
     * place, and that they are open. */
    const char *state = filter->state == DEAD_LETTER_OPEN ? " AND state = 0" : " AND state = ?2";
    buf_printf(&sql, "%s FROM dead_letters WHERE 1%s%s%s%s%s%s%s%s%s", head,
               filter->stage >= 0 ? " AND stage = ?1" : "", filter->state >= 0 ? state : "",
               filter->origin.len ? " AND origin = ?3" : "", filter->id ? " AND id = ?4" : "",
               filter->before ? " AND id < ?5" : "", filter->seq ? " AND stage = 1 AND seq = ?8" : "",
               filter->behind ? " AND stage = 1 AND seq > ?9" : "",
               filter->place.len ? " AND stage = 0 AND place = ?10" : "", tail);
    buf_put_char(&sql, '\0');
    Status status =
        sql.failed ? error_set(reterr, STATUS_BUSY, "out of memory") : db_prepare(db, sql.ptr, ret_stmt, reterr);
    if (status == STATUS_OK) { /* those that the statement does not have are out of its range, or not looked at */
        sqlite3_bind_int(*ret_stmt, 1, filter->stage);
        sqlite3_bind_int(*ret_stmt, 2, filter->state);
        db_bind_text(*ret_stmt, 3, filter->origin);
        sqlite3_bind_int64(*ret_stmt, 4, filter->id);
        sqlite3_bind_int64(*ret_stmt, 5, filter->before);
        sqlite3_bind_int64(*ret_stmt, 8, filter->seq);
        sqlite3_bind_int64(*ret_stmt, 9, filter->behind);
        db_bind_text(*ret_stmt, 10, filter->place);
    }
    buf_release(&sql);
    return status;
}

/* ---- Discarded --------------------------------------------------------------------------------------------------- */

static int64_t limit_of(const DeadLetterChange *change)
{
    return change->limit < INT64_MAX ? (int64_t)change->limit : INT64_MAX;
}

static Status discard(SqliteStore *store, DeadLetterChange *change, int64_t now_us, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status = sqlite_prepare_letters(
        store->db, "UPDATE dead_letters SET state = 3, updated_us = ?6 WHERE id IN (SELECT id", &change->filter,
        " AND state = 0 ORDER BY id LIMIT ?7) RETURNING bytes, origin", &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 6, now_us);
        sqlite3_bind_int64(stmt, 7, limit_of(change));
    }
    while (db_next(stmt, true, "discard dead letters", &status, reterr)) {
        change->count++;
        store->tally.dead_letters--;
        sqlite_count_closed(store, stmt);
    }
    sqlite3_finalize(stmt);
    return status;
}

/* ---- Tried again ------------------------------------------------------------------------------------------------- */

bool sqlite_narrow_letters(const DeadLetterChange *change, DeadLetterStage stage, DeadLetterFilter *ret_filter)
{
    *ret_filter = change->filter;
    ret_filter->stage = (int)stage;
    ret_filter->state = DEAD_LETTER_OPEN;
    return (change->filter.stage < 0 || change->filter.stage == (int)stage) && change->filter.state <= DEAD_LETTER_OPEN;
}

/* One line's dead letters on their way to be retries. */
typedef struct Revival {
    SqliteStore *store;
    DeadLetterChange *change;
    DeadLetterFilter filter; /* its origin is the line's sink */
    sqlite3_stmt *select, *update;
    int64_t room;
    int64_t now_us;
} Revival;

static Status mark_retrying(const Revival *revival, int64_t id, Error *reterr)
{
    sqlite3_bind_int64(revival->update, 1, revival->now_us);
    sqlite3_bind_int64(revival->update, 2, id);
    return db_run(revival->update, "try a dead letter again", reterr);
}

/* The next one behind `after`: *ret_id is 0 when there is none. */
static Status next_letter(const Revival *revival, int64_t after, int64_t *ret_id, StoredRetry *ret_retry, Error *reterr)
{
    bool row = false;
    sqlite3_bind_int64(revival->select, 6, after);
    Status status = db_step(revival->select, "look for dead letters", &row, reterr);
    *ret_id = 0;
    if (status == STATUS_OK && row) {
        *ret_id = sqlite3_column_int64(revival->select, 0);
        *ret_retry = (StoredRetry){.seq = sqlite3_column_int64(revival->select, 1),
                                   .attempts = sqlite3_column_int64(revival->select, 2),
                                   .due_us = revival->now_us};
    }
    sqlite3_reset(revival->select);
    return status;
}

static Status revive(const Revival *revival, int64_t id, StoredRetry *retry, Error *reterr)
{
    Subject subject;
    Status status = find_subject(revival->store, retry->seq, &subject, reterr);
    if (status == STATUS_OK) {
        retry->flow_hash = subject.flow_hash;
        status = sqlite_put_retry(revival->store, revival->filter.origin, 0, retry, reterr);
    }
    return status == STATUS_OK ? mark_retrying(revival, id, reterr) : status;
}

static Status count_room(Revival *revival, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    Status status =
        db_prepare(revival->store->db, "SELECT count(*) FROM retries WHERE sink = ? AND job = 0", &stmt, reterr);
    if (status == STATUS_OK) {
        db_bind_text(stmt, 1, revival->filter.origin);
        status = db_step(stmt, "count the retries of a line", &row, reterr);
    }
    if (status == STATUS_OK) {
        revival->room = STORE_RETRIES_MAX - sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    return status;
}

static Status revive_letters(Revival *revival, Error *reterr)
{
    DeadLetterChange *change = revival->change;
    size_t before = change->count;
    int64_t id = 0;
    StoredRetry retry;
    Status status = count_room(revival, reterr);
    while (status == STATUS_OK && revival->room > 0 && change->count < change->limit &&
           (status = next_letter(revival, id, &id, &retry, reterr)) == STATUS_OK && id) {
        status = revive(revival, id, &retry, reterr);
        revival->room--;
        change->count++;
    }
    bool found = false;
    return status == STATUS_OK && change->count > before
               ? sqlite_touch_sink(revival->store, revival->filter.origin, revival->now_us, &found, reterr)
               : status;
}

/* By the index dead_letters_open each look at a letter is a search, so that one sink's are no walk through all the
 * others'. */
static Status revive_line(Revival *revival, Error *reterr)
{
    Status status = sqlite_prepare_letters(revival->store->db, "SELECT id, seq, attempts", &revival->filter,
                                           " AND id > ?6 ORDER BY id LIMIT 1", &revival->select, reterr);
    if (status == STATUS_OK) {
        status = revive_letters(revival, reterr);
    }
    sqlite3_finalize(revival->select);
    revival->select = NULL;
    return status;
}

/* The first sink by name behind this one that the change is about, copied into the batch's memory; empty when there is
 * none. */
static Status next_sink(Revival *revival, Error *reterr)
{
    Str *name = &revival->filter.origin;
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    Status status = db_prepare(
        revival->store->db, "SELECT name FROM sinks WHERE name > ?1 AND (?2 = '' OR name = ?2) ORDER BY name LIMIT 1",
        &stmt, reterr);
    if (status == STATUS_OK) {
        db_bind_text(stmt, 1, *name);
        db_bind_text(stmt, 2, revival->change->filter.origin);
        status = db_step(stmt, "look for a sink", &row, reterr);
    }
    if (status == STATUS_OK) {
        *name = row ? arena_copy(&revival->store->scratch, db_text(stmt, 0)) : (Str){0};
        status = row && !name->len ? error_set(reterr, STATUS_BUSY, "out of memory") : STATUS_OK;
    }
    sqlite3_finalize(stmt);
    return status;
}

static Status revive_all(SqliteStore *store, DeadLetterChange *change, int64_t now_us, Error *reterr)
{
    Revival revival = {.store = store, .change = change, .now_us = now_us};
    if (!sqlite_narrow_letters(change, DEAD_LETTER_DELIVERY, &revival.filter)) {
        return STATUS_OK;
    }
    revival.filter.origin = (Str){0};
    Status status = db_prepare(store->db, "UPDATE dead_letters SET state = 1, updated_us = ? WHERE id = ?",
                               &revival.update, reterr);
    while (status == STATUS_OK && change->count < change->limit &&
           (status = next_sink(&revival, reterr)) == STATUS_OK && revival.filter.origin.len) {
        status = revive_line(&revival, reterr);
    }
    sqlite3_finalize(revival.update);
    return status;
}

/* ---- Intake: tried again by whoever reads the letters that are RETRYING ------------------------------------------ */

/* The bytes that a person has mended, of the one that is now tried again. */
static Status put_raw(SqliteStore *store, const DeadLetterChange *change, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    bool any;
    Status status = db_prepare(store->db,
                               "UPDATE dead_letters SET bytes = bytes + length(?1) - length(raw), raw = ?1"
                               " WHERE id = ?2 AND stage = 0 AND state = 1 RETURNING bytes, origin",
                               &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 2, change->filter.id);
        status = db_bind_blob(stmt, 1, change->raw, reterr);
    }
    if (status == STATUS_OK) {
        status = sqlite_change_letter(store, stmt, change->filter.id, &any, reterr);
    }
    sqlite3_finalize(stmt);
    return status;
}

static Status retry_intake(SqliteStore *store, DeadLetterChange *change, int64_t now_us, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    DeadLetterFilter filter;
    if (!sqlite_narrow_letters(change, DEAD_LETTER_INTAKE, &filter)) {
        return STATUS_OK;
    }
    Status status =
        sqlite_prepare_letters(store->db, "UPDATE dead_letters SET state = 1, updated_us = ?6 WHERE id IN (SELECT id",
                               &filter, " ORDER BY id LIMIT ?7)", &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 6, now_us);
        sqlite3_bind_int64(stmt, 7, limit_of(change));
        status = db_run(stmt, "try dead letters of intake again", reterr);
    }
    if (status == STATUS_OK) {
        change->count += (size_t)sqlite3_changes64(store->db);
    }
    sqlite3_finalize(stmt);
    bool is_mended = change->raw.len && change->filter.id && change->count > 0;
    return status == STATUS_OK && is_mended ? put_raw(store, change, reterr) : status;
}

static Status retry_all(SqliteStore *store, DeadLetterChange *change, int64_t now_us, Error *reterr)
{
    Status status = retry_intake(store, change, now_us, reterr);
    if (status == STATUS_OK) {
        status = revive_all(store, change, now_us, reterr);
    }
    store->tally.dead_letters -= (int64_t)change->count;
    return status == STATUS_OK ? sqlite_retry_job_letters(store, change, now_us, reterr) : status;
}

Status sqlite_apply_dead_letters(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    DeadLetterChange *change = &work->dead_letters;
    change->count = 0;
    return change->action == DEAD_LETTER_RETRY ? retry_all(store, change, now_us, reterr)
                                               : discard(store, change, now_us, reterr);
}

/* What goes with records from a source: its places, and the dead letters of what could not be taken in. */
#include <assert.h>
#include <inttypes.h>

#include "base/buf.h"
#include "record/event_letter.h"
#include "store/sqlite/db.h"
#include "store/sqlite/sqlite_store.h"

enum { ERROR_BYTES_MAX = 1024 };

static_assert(DEAD_LETTER_OPEN == 0 && DEAD_LETTER_RETRYING == 1 && DEAD_LETTER_RESOLVED == 2 &&
                  DEAD_LETTER_DISCARDED == 3 && DEAD_LETTER_INTAKE == 0,
              "the statements say so");

/* ---- Room -------------------------------------------------------------------------------------------------------- */

#define BYTES_SQL "SELECT coalesce(sum(bytes), 0) FROM dead_letters WHERE stage = 0 AND "

/* By the indexes dead_letters_by_bytes and dead_letters_open alone, but for those that are tried again, which are
 * few. */
Status sqlite_count_letter_bytes(SqliteStore *store, Error *reterr)
{
    const struct {
        const char *sql;
        int64_t *bytes;
    } sums[] = {{BYTES_SQL "state IN (0, 1, 2, 3)", &store->tally.letter_bytes},
                {BYTES_SQL "state IN (2, 3)", &store->tally.closed_bytes},
                {BYTES_SQL "state = 0 AND origin = 'events'", &store->tally.client_bytes}};
    int64_t retrying = 0;
    Status status = STATUS_OK;
    for (size_t i = 0; i < sizeof sums / sizeof *sums && status == STATUS_OK; i++) {
        status = db_get_int(store->db, sums[i].sql, 0, sums[i].bytes, reterr);
    }
    if (status == STATUS_OK) {
        status = db_get_int(store->db, BYTES_SQL "state = 1 AND origin = 'events'", 0, &retrying, reterr);
    }
    store->tally.client_bytes += retrying;
    return status;
}

/* What of it came over HTTP. */
static int64_t of_clients(Str origin, int64_t bytes) { return str_equal(origin, EVENT_LETTER_SOURCE) ? bytes : 0; }

static Status find_closed(sqlite3 *db, int state, int64_t *ret_id, int64_t *ret_bytes, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    Status status = db_prepare(
        db, "SELECT id, bytes FROM dead_letters WHERE state = ? AND stage = 0 ORDER BY id LIMIT 1", &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_int(stmt, 1, state);
        status = db_step(stmt, "look for a dead letter that is closed", &row, reterr);
    }
    *ret_id = row ? sqlite3_column_int64(stmt, 0) : 0;
    *ret_bytes = row ? sqlite3_column_int64(stmt, 1) : 0;
    sqlite3_finalize(stmt);
    return status;
}

/* *ret_id is 0 when there is none. */
static Status find_oldest_closed(sqlite3 *db, int64_t *ret_id, int64_t *ret_bytes, Error *reterr)
{
    int64_t id = 0, bytes = 0;
    Status status = find_closed(db, DEAD_LETTER_RESOLVED, ret_id, ret_bytes, reterr);
    if (status == STATUS_OK) {
        status = find_closed(db, DEAD_LETTER_DISCARDED, &id, &bytes, reterr);
    }
    if (id && (!*ret_id || id < *ret_id)) {
        *ret_id = id;
        *ret_bytes = bytes;
    }
    return status;
}

static Status drop_closed(SqliteStore *store, bool *ret_any, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    int64_t id = 0, bytes = 0;
    Status status = find_oldest_closed(store->db, &id, &bytes, reterr);
    *ret_any = id != 0;
    if (status != STATUS_OK || !id) {
        return status;
    }
    if ((status = db_prepare(store->db, "DELETE FROM dead_letters WHERE id = ?", &stmt, reterr)) == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, id);
        status = db_run(stmt, "drop a dead letter that is closed", reterr);
    }
    store->tally.letter_bytes -= bytes;
    store->tally.closed_bytes -= bytes;
    sqlite3_finalize(stmt);
    return status;
}

/* What is to be kept that is not kept yet: what is tried again has its letter, and room is made by trying it. */
static int64_t count_new_bytes(const IntakeChange *intake)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < intake->refused_count; i++) {
        const IntakeLetter *refused = &intake->refused[i];
        DeadLetter made = intake_dead_letter(intake->source, refused, refused->error, 0);
        bytes += refused->letter ? 0 : dead_letter_bytes(&made);
    }
    return bytes;
}

static bool is_all_tried_again(const Work *work)
{
    const IntakeChange *intake = work->records.intake;
    bool all = true;
    for (size_t i = 0; i < work->records.count && all; i++) {
        all = intake->letters[i].letter != 0;
    }
    for (size_t i = 0; i < intake->refused_count && all; i++) {
        all = intake->refused[i].letter != 0;
    }
    return all;
}

static bool is_beyond_share(const SqliteStore *store, const Work *work, int64_t wanted)
{
    int64_t share = (int64_t)store->options.dead_letter_bytes_max / DEAD_LETTER_CLIENTS_SHARE;
    return of_clients(work->records.intake->source, store->tally.client_bytes + wanted) > share;
}

/* Nothing is dropped in vain: only when those that are open leave room for it. */
static Status drop_until(SqliteStore *store, int64_t wanted, Error *reterr)
{
    bool any = true;
    Status status = STATUS_OK;
    while (any && status == STATUS_OK &&
           store->tally.letter_bytes + wanted > (int64_t)store->options.dead_letter_bytes_max) {
        status = drop_closed(store, &any, reterr);
    }
    return status;
}

static Status refuse_room(const SqliteStore *store, Work *work, bool beyond_share)
{
    return beyond_share
               ? error_set(&work->error, STATUS_BUSY,
                           "the dead letters of what came over HTTP have %" PRId64 " of the %" PRIu64
                           " bytes that they may have (half of store.dead_letter_bytes_max), and there are more to "
                           "come; see to them, or discard some",
                           store->tally.client_bytes, store->options.dead_letter_bytes_max / DEAD_LETTER_CLIENTS_SHARE)
               : error_set(&work->error, STATUS_BUSY,
                           "the dead letters of intake have %" PRId64 " of the %" PRIu64
                           " bytes that they may have (store.dead_letter_bytes_max), and there are more to come; see "
                           "to them, or discard some",
                           store->tally.letter_bytes, store->options.dead_letter_bytes_max);
}

/* What goes into a row is bounded here, before the batch is begun to be written: there it would end the store. */
static bool has_too_long(const IntakeChange *intake)
{
    bool has = false;
    for (size_t i = 0; i < intake->refused_count && !has; i++) {
        has = intake->refused[i].raw.len > DEAD_LETTER_RAW_BYTES_MAX;
    }
    return has;
}

/* One that is longer than everything may be is kept when there is no other. */
Status sqlite_make_letter_room(SqliteStore *store, Work *work, Error *reterr)
{
    int64_t wanted = count_new_bytes(work->records.intake), bytes_max = (int64_t)store->options.dead_letter_bytes_max;
    int64_t open = store->tally.letter_bytes - store->tally.closed_bytes;
    bool beyond_share = is_beyond_share(store, work, wanted);
    if (has_too_long(work->records.intake)) {
        work->status = error_set(&work->error, STATUS_REFUSED, "a message of more than %d MiB is not kept",
                                 DEAD_LETTER_RAW_BYTES_MAX >> 20);
        return STATUS_OK;
    }
    if ((store->tally.letter_bytes + wanted <= bytes_max && !beyond_share) || is_all_tried_again(work) ||
        (wanted == 0 && work->records.events)) { /* of events nothing conflicts */
        return STATUS_OK;
    }
    if (open > 0 && (beyond_share || open + wanted > bytes_max)) {
        work->status = refuse_room(store, work, beyond_share);
        return STATUS_OK;
    }
    return drop_until(store, wanted, reterr);
}

/* ---- Letters ----------------------------------------------------------------------------------------------------- */

static Status find_again(SqliteStore *store, const DeadLetter *letter, int64_t *ret_id, Error *reterr)
{
    sqlite3_stmt *stmt = store->deliveries[INTAKE_FIND_LETTER];
    bool row = false;
    db_bind_text(stmt, 1, letter->origin);
    db_bind_text(stmt, 2, letter->place);
    Status status = db_bind_blob(stmt, 3, letter->raw, reterr);
    if (status == STATUS_OK) {
        status = db_step(stmt, "look for a dead letter", &row, reterr);
    }
    *ret_id = status == STATUS_OK && row ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return status;
}

static Status add_letter(SqliteStore *store, DeadLetter *letter, Error *reterr)
{
    sqlite3_stmt *stmt = store->deliveries[INTAKE_ADD_LETTER];
    int64_t bytes = dead_letter_bytes(letter);
    db_bind_text(stmt, 1, letter->origin);
    db_bind_text(stmt, 2, letter->place);
    db_bind_text(stmt, 3, letter->format);
    db_bind_text(stmt, 4, letter->error);
    sqlite3_bind_int64(stmt, 6, letter->created_us);
    sqlite3_bind_int64(stmt, 7, bytes);
    Status status = db_bind_blob(stmt, 5, letter->raw, reterr);
    if (status == STATUS_OK && (status = db_run(stmt, "make a dead letter", reterr)) == STATUS_OK) {
        letter->id = sqlite3_last_insert_rowid(store->db);
        store->tally.dead_letters++;
        store->tally.letter_bytes += bytes;
        store->tally.client_bytes += of_clients(letter->origin, bytes);
        status = sqlite_append_notice(store, letter, false, reterr);
    }
    return status;
}

/* 0 when there is no such letter. */
static Status bytes_of_letter(SqliteStore *store, int64_t id, int64_t *ret_bytes, Error *reterr)
{
    sqlite3_stmt *stmt = store->deliveries[INTAKE_BYTES_OF_LETTER];
    bool row = false;
    sqlite3_bind_int64(stmt, 1, id);
    Status status = db_step(stmt, "look at a dead letter", &row, reterr);
    *ret_bytes = status == STATUS_OK && row ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return status;
}

Status sqlite_change_letter(SqliteStore *store, sqlite3_stmt *stmt, int64_t id, bool *ret_any, Error *reterr)
{
    int64_t before = 0;
    Status status = bytes_of_letter(store, id, &before, reterr);
    *ret_any = false;
    if (status == STATUS_OK) {
        status = db_step(stmt, "change a dead letter", ret_any, reterr);
    }
    if (status == STATUS_OK && *ret_any) {
        int64_t more = sqlite3_column_int64(stmt, 0) - before;
        store->tally.letter_bytes += more;
        store->tally.client_bytes += of_clients(db_text(stmt, 1), more);
    }
    sqlite3_reset(stmt);
    return status;
}

/* One attempt more has failed. `which` says in which state the letter has to be. */
static Status fail_letter(SqliteStore *store, DeliveryStatement which, int64_t id, const DeadLetter *letter,
                          bool *ret_any, Error *reterr)
{
    sqlite3_stmt *stmt = store->deliveries[which];
    sqlite3_bind_int64(stmt, 1, id);
    db_bind_text(stmt, 2, letter->error);
    sqlite3_bind_int64(stmt, 3, letter->updated_us);
    return sqlite_change_letter(store, stmt, id, ret_any, reterr);
}

static Status reopen_letter(SqliteStore *store, IntakeChange *intake, int64_t id, const DeadLetter *letter,
                            Error *reterr)
{
    bool any;
    Status status = fail_letter(store, INTAKE_REOPEN_LETTER, id, letter, &any, reterr);
    if (status == STATUS_OK && any) {
        store->tally.dead_letters++;
        intake->lettered++;
    }
    return status;
}

static Status put_letter(SqliteStore *store, IntakeChange *intake, const IntakeLetter *from, Str why, int64_t now_us,
                         Error *reterr)
{
    DeadLetter letter = intake_dead_letter(intake->source, from, why, now_us);
    int64_t id = 0;
    bool any;
    if (from->letter) {
        return reopen_letter(store, intake, from->letter, &letter, reterr);
    }
    Status status = find_again(store, &letter, &id, reterr);
    if (status != STATUS_OK || id) {
        return id ? fail_letter(store, INTAKE_AGAIN_LETTER, id, &letter, &any, reterr) : status;
    }
    intake->lettered++;
    return add_letter(store, &letter, reterr);
}

void sqlite_count_closed(SqliteStore *store, sqlite3_stmt *stmt)
{
    int64_t bytes = sqlite3_column_int64(stmt, 0);
    store->tally.closed_bytes += bytes;
    store->tally.client_bytes -= of_clients(db_text(stmt, 1), bytes);
}

static Status resolve_letter(SqliteStore *store, int64_t id, int64_t now_us, Error *reterr)
{
    sqlite3_stmt *stmt = store->deliveries[INTAKE_RESOLVE_LETTER];
    bool any = false;
    sqlite3_bind_int64(stmt, 1, id);
    sqlite3_bind_int64(stmt, 2, now_us);
    Status status = db_step(stmt, "resolve a dead letter", &any, reterr);
    if (status == STATUS_OK && any) {
        sqlite_count_closed(store, stmt);
    }
    sqlite3_reset(stmt);
    return status;
}

/* ---- Outcomes ---------------------------------------------------------------------------------------------------- */

static Str describe(const Outcome *outcome, Buf *buf)
{
    buf_reset(buf);
    if (outcome->kind == OUTCOME_REJECTED) {
        return STR("a total of its flow would be too large");
    }
    buf_printf(buf, "record %" PRId64 " is stored under the same id, and differs in ", outcome->seq);
    bool any = false;
    for (unsigned bit = 0; bit < RECORD_FIELD_COUNT; bit++) {
        if (outcome->differs & (1u << bit)) {
            buf_put(buf, any ? STR(", ") : STR(""));
            buf_put(buf, str_from(record_field_names[bit]));
            any = true;
        }
    }
    return buf_str(buf);
}

static bool is_taken(const Work *work, OutcomeKind kind)
{
    bool first_wins = work->records.intake->first_wins || work->records.events;
    return kind == OUTCOME_CREATED || kind == OUTCOME_DUPLICATE || (kind == OUTCOME_CONFLICT && first_wins);
}

static Status settle(SqliteStore *store, Work *work, size_t at, Buf *text, int64_t now_us, Error *reterr)
{
    IntakeChange *intake = work->records.intake;
    const Outcome *outcome = &work->records.outcomes[at];
    const IntakeLetter *letter = &intake->letters[at];
    if (is_taken(work, outcome->kind)) {
        return letter->letter ? resolve_letter(store, letter->letter, now_us, reterr) : STATUS_OK;
    }
    Str why = describe(outcome, text);
    return text->failed ? error_set(reterr, STATUS_BUSY, "no memory for why a record was not taken in")
                        : put_letter(store, intake, letter, why, now_us, reterr);
}

static Status settle_all(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    IntakeChange *intake = work->records.intake;
    Status status = STATUS_OK;
    Buf text;
    buf_init(&text, ERROR_BYTES_MAX);
    for (size_t i = 0; i < work->records.count && status == STATUS_OK; i++) {
        status = settle(store, work, i, &text, now_us, reterr);
    }
    buf_release(&text);
    for (size_t i = 0; i < intake->refused_count && status == STATUS_OK; i++) {
        status = put_letter(store, intake, &intake->refused[i], intake->refused[i].error, now_us, reterr);
    }
    return status;
}

/* ---- Places ------------------------------------------------------------------------------------------------------ */

static Status put_place(SqliteStore *store, Str source, const SourcePlace *place, int64_t now_us, Error *reterr)
{
    sqlite3_stmt *stmt = store->deliveries[INTAKE_PUT_PLACE];
    assert(place->part.len <= SOURCE_PART_BYTES_MAX && place->mark.len <= SOURCE_MARK_BYTES_MAX);
    db_bind_text(stmt, 1, source);
    db_bind_text(stmt, 2, place->part);
    sqlite3_bind_int64(stmt, 3, place->next);
    db_bind_text(stmt, 4, place->mark);
    sqlite3_bind_int64(stmt, 5, now_us);
    return db_run(stmt, "put a source's place", reterr);
}

Status sqlite_apply_intake(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    IntakeChange *intake = work->records.intake;
    intake->lettered = 0;
    Status status = settle_all(store, work, now_us, reterr);
    for (size_t i = 0; i < intake->place_count && status == STATUS_OK; i++) {
        status = put_place(store, intake->source, &intake->places[i], now_us, reterr);
    }
    return status;
}

Status sqlite_forget_places(SqliteStore *store, Work *work, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status =
        db_prepare(store->db, "DELETE FROM source_places WHERE source = ?1 AND (?2 = '' OR part = ?2)", &stmt, reterr);
    if (status == STATUS_OK) {
        db_bind_text(stmt, 1, work->forget.source);
        db_bind_text(stmt, 2, work->forget.part);
        status = db_run(stmt, "forget a source's places", reterr);
    }
    work->forget.count = status == STATUS_OK ? (size_t)sqlite3_changes64(store->db) : 0;
    sqlite3_finalize(stmt);
    return status;
}

Status sqlite_set_source_state(SqliteStore *store, Work *work, int64_t now_us, Error *reterr)
{
    const StoredSource *source = &work->source;
    sqlite3_stmt *stmt = NULL;
    Status status = db_prepare(
        store->db, "INSERT OR REPLACE INTO sources(name, state, reason, updated_us) VALUES(?,?,?,?)", &stmt, reterr);
    if (status == STATUS_OK) {
        db_bind_text(stmt, 1, source->name);
        sqlite3_bind_int(stmt, 2, (int)source->state);
        db_bind_text(stmt, 3, source->reason);
        sqlite3_bind_int64(stmt, 4, now_us);
        status = db_run(stmt, "change a source's state", reterr);
    }
    sqlite3_finalize(stmt);
    return status;
}

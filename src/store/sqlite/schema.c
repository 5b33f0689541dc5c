#include "store/sqlite/schema.h"

#include <assert.h>
#include <stdio.h>

#include "base/buf.h"
#include "store/sqlite/db.h"

/* `records` is append-only, in commit order. Short and often read columns come first, since SQLite reads a row from its
 * front. Totals are of the flow up to and including the row: hi × 10^15 + lo, minor units. No secondary index: what
 * finds rows by anything but seq is in the run files, and can be made anew from here. */
static const char tables_sql[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE records("
    "  seq INTEGER PRIMARY KEY,"
    "  time_us INTEGER, value INTEGER, type INTEGER,"
    "  destination_id TEXT, unit TEXT, reference TEXT, source_id TEXT, record_id TEXT,"
    "  received_us INTEGER, prev_seq INTEGER,"
    "  positive_count INTEGER, negative_count INTEGER,"
    "  positive_total_hi INTEGER, positive_total_lo INTEGER, negative_total_hi INTEGER, negative_total_lo INTEGER,"
    "  traceparent TEXT);"
    "CREATE TABLE messages("
    "  seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, record_seq INTEGER NOT NULL, created_us INTEGER NOT NULL, body "
    "TEXT NOT NULL);"
    "CREATE INDEX messages_by_kind ON messages(kind, seq);"
    "CREATE TABLE index_runs("
    "  index_number INTEGER, first_seq INTEGER, last_seq INTEGER NOT NULL, row_hash INTEGER NOT NULL, file TEXT NOT "
    "NULL,"
    "  PRIMARY KEY(index_number, first_seq)) WITHOUT ROWID;"
    "CREATE TABLE alert_rules("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, source_id TEXT NOT NULL, destination_id TEXT "
    "NOT NULL,"
    "  unit TEXT NOT NULL, reference TEXT NOT NULL, type INTEGER NOT NULL, measure TEXT NOT NULL, threshold INTEGER "
    "NOT NULL,"
    "  enabled INTEGER NOT NULL, version INTEGER NOT NULL, created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL);";

/* What is kept about deliveries. `cursor_seq` and `sent_seq` are a line's place. Attempts are a ring: a rising id, the
 * lowest go. Dead letters and replays never use an id again, since people were told of it. */
static const char deliveries_sql[] =
    "CREATE TABLE sinks("
    "  name TEXT PRIMARY KEY, state INTEGER NOT NULL, reason TEXT NOT NULL, cursor_seq INTEGER NOT NULL, sent_seq "
    "INTEGER NOT NULL,"
    "  version INTEGER NOT NULL, created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE retries("
    "  sink TEXT, job INTEGER, seq INTEGER, attempts INTEGER NOT NULL, due_us INTEGER NOT NULL, flow_hash INTEGER NOT "
    "NULL,"
    "  PRIMARY KEY(sink, job, seq)) WITHOUT ROWID;"
    "CREATE TABLE delivery_attempts("
    "  id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, sink TEXT NOT NULL, job INTEGER NOT NULL, number INTEGER NOT NULL,"
    "  begun_us INTEGER NOT NULL, latency_us INTEGER NOT NULL, code INTEGER NOT NULL, taken INTEGER NOT NULL,"
    "  error TEXT NOT NULL, response TEXT NOT NULL);"
    "CREATE INDEX delivery_attempts_by_seq ON delivery_attempts(seq);"
    "CREATE TABLE dead_letters("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, stage INTEGER NOT NULL, state INTEGER NOT NULL, origin TEXT NOT NULL,"
    "  seq INTEGER NOT NULL, error TEXT NOT NULL, attempts INTEGER NOT NULL, raw BLOB NOT NULL,"
    "  created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL);"
    "CREATE INDEX dead_letters_by_state ON dead_letters(state, id);"
    "CREATE UNIQUE INDEX dead_letters_of_deliveries ON dead_letters(origin, seq) WHERE stage = 1;"
    "CREATE TABLE replays("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT NOT NULL, after_seq INTEGER NOT NULL, through_seq INTEGER NOT "
    "NULL,"
    "  filter TEXT NOT NULL, state INTEGER NOT NULL, cursor_seq INTEGER NOT NULL, sent_seq INTEGER NOT NULL,"
    "  sent INTEGER NOT NULL, failed INTEGER NOT NULL, created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL);";

/* What is kept about sources, and what they could not take in. */
static const char sources_sql[] =
    "CREATE TABLE sources("
    "  name TEXT PRIMARY KEY, state INTEGER NOT NULL, reason TEXT NOT NULL, updated_us INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE source_places("
    "  source TEXT, part TEXT, next INTEGER NOT NULL, mark TEXT NOT NULL, updated_us INTEGER NOT NULL,"
    "  PRIMARY KEY(source, part)) WITHOUT ROWID;"
    "ALTER TABLE dead_letters ADD COLUMN place TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE dead_letters ADD COLUMN format TEXT NOT NULL DEFAULT '';"
    "CREATE INDEX dead_letters_of_intake ON dead_letters(origin, place, state) WHERE stage = 0;";
static_assert(DEAD_LETTER_DELIVERY == 1 && DEAD_LETTER_INTAKE == 0, "indexes say so");

/* What a dead letter of intake counts for (dead_letter_bytes), and an index in which all of it is added up and the
 * oldest one that is closed is found, without a look at the letters themselves, which are long. */
#define LETTER_BYTES_SQL                                                                                               \
    "ALTER TABLE dead_letters ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;"                                            \
    "UPDATE dead_letters SET bytes = " DEAD_LETTER_BYTES_SQL " WHERE stage = 0;"                                       \
    "CREATE INDEX dead_letters_by_bytes ON dead_letters(state, stage, id, bytes);"
static_assert(DEAD_LETTER_ROW_BYTES == 320 && DEAD_LETTER_INTAKE == 0, "the statements say so");

/* What is kept about events. `raw_events` is append-only like the log, in its order; attempts are a ring: a rising id,
 * the lowest go. */
static const char events_sql[] =
    "CREATE TABLE raw_events("
    "  seq INTEGER PRIMARY KEY, received_us INTEGER NOT NULL, normalised_us INTEGER NOT NULL, hashed_us INTEGER NOT "
    "NULL,"
    "  stored_us INTEGER NOT NULL, corrects INTEGER NOT NULL, taken_for INTEGER NOT NULL, asked INTEGER NOT NULL,"
    "  mapping TEXT NOT NULL, raw BLOB NOT NULL);"
    "CREATE INDEX raw_events_corrections ON raw_events(corrects) WHERE corrects <> 0;"
    /* Of an event with other bytes, or for another mapping: the same ones are known by their SHA-256. `client` is whose
     * duplicate it was counted as. */
    "CREATE TABLE raw_duplicates("
    "  id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, received_us INTEGER NOT NULL, asked INTEGER NOT NULL,"
    "  hash BLOB NOT NULL, client TEXT NOT NULL, mapping TEXT NOT NULL, raw BLOB NOT NULL);"
    "CREATE UNIQUE INDEX raw_duplicates_by_bytes ON raw_duplicates(seq, hash);"
    /* In the order of their ids, for pages. */
    "CREATE INDEX raw_duplicates_by_seq ON raw_duplicates(seq);"
    "CREATE TABLE event_attempts("
    "  id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, number INTEGER NOT NULL, received_us INTEGER NOT NULL,"
    "  normalised_us INTEGER NOT NULL, hashed_us INTEGER NOT NULL, decided_us INTEGER NOT NULL, differs INTEGER NOT "
    "NULL);"
    "CREATE INDEX event_attempts_by_seq ON event_attempts(seq);"
    "CREATE TABLE event_clients("
    "  client TEXT PRIMARY KEY, processed INTEGER NOT NULL, duplicates INTEGER NOT NULL, failed INTEGER NOT NULL,"
    "  first_us INTEGER NOT NULL, last_us INTEGER NOT NULL) WITHOUT ROWID;"
    /* seq < 0: the id led to the record -seq, which was taken back. */
    "CREATE TABLE event_aliases(record_id TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX event_aliases_by_seq ON event_aliases(seq);" LETTER_BYTES_SQL;

/* What came in stands behind everything else: it may be long, and SQLite reads a row from its front. */
#define LETTER_RAW_SQL                                                                                                 \
    "ALTER TABLE dead_letters ADD COLUMN came BLOB NOT NULL DEFAULT x'';"                                              \
    "UPDATE dead_letters SET came = raw WHERE stage = 0;"                                                              \
    "ALTER TABLE dead_letters DROP COLUMN raw;"                                                                        \
    "ALTER TABLE dead_letters RENAME COLUMN came TO raw;"

/* What is kept about onboarding. The jobs of a batch are `first_job` and the ids behind it, so that no index finds
 * them; the state of an organization is that of its newest `job`, so that a job that moves writes no organization.
 * Whatever is done to jobs waits in two small indexes: those that will be due, and those that are not completed.
 * `due_us` of one that is processing is the end of its lease. */
static const char onboard_sql[] =
    "CREATE TABLE organizations("
    "  id INTEGER PRIMARY KEY, job INTEGER NOT NULL, version INTEGER NOT NULL, created_us INTEGER NOT NULL,"
    "  updated_us INTEGER NOT NULL, deleted_us INTEGER NOT NULL, domain TEXT NOT NULL, name TEXT NOT NULL,"
    "  contact_email TEXT NOT NULL, metadata TEXT NOT NULL);"
    "CREATE UNIQUE INDEX organizations_by_domain ON organizations(domain) WHERE deleted_us = 0;"
    "CREATE INDEX organizations_deleted ON organizations(domain) WHERE deleted_us <> 0;"
    "CREATE TABLE organization_changes("
    "  id INTEGER PRIMARY KEY, organization INTEGER NOT NULL, action INTEGER NOT NULL, version INTEGER NOT NULL,"
    "  at_us INTEGER NOT NULL, batch INTEGER NOT NULL, who TEXT NOT NULL, changed TEXT NOT NULL);"
    "CREATE INDEX organization_changes_by_organization ON organization_changes(organization);"
    "CREATE TABLE onboard_batches("
    "  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, first_job INTEGER NOT NULL, total INTEGER NOT NULL,"
    "  pending INTEGER NOT NULL, processing INTEGER NOT NULL, completed INTEGER NOT NULL, failed INTEGER NOT NULL,"
    "  cancelled INTEGER NOT NULL, created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL,"
    "  started_us INTEGER NOT NULL, finished_us INTEGER NOT NULL);"
    "CREATE TABLE jobs("
    "  id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, item INTEGER NOT NULL, organization INTEGER NOT NULL,"
    "  state INTEGER NOT NULL, attempts INTEGER NOT NULL, due_us INTEGER NOT NULL, token INTEGER NOT NULL,"
    "  created_us INTEGER NOT NULL, updated_us INTEGER NOT NULL, finished_us INTEGER NOT NULL, error TEXT NOT NULL);"
    "CREATE INDEX jobs_due ON jobs(due_us) WHERE state < 2;"
    "CREATE INDEX jobs_unfinished ON jobs(state, organization) WHERE state <> 2;"
    "CREATE TABLE idempotency_answers("
    "  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, created_us INTEGER NOT NULL, code INTEGER NOT NULL,"
    "  body_hash BLOB NOT NULL, answer TEXT NOT NULL);"
    /* One row: how many there are, and the newest ids, which are never used again. */
    "CREATE TABLE onboard_counts("
    "  batches INTEGER NOT NULL, organizations INTEGER NOT NULL, answers INTEGER NOT NULL, pending INTEGER NOT NULL,"
    "  processing INTEGER NOT NULL, completed INTEGER NOT NULL, failed INTEGER NOT NULL, cancelled INTEGER NOT NULL,"
    "  last_batch INTEGER NOT NULL, last_organization INTEGER NOT NULL, last_job INTEGER NOT NULL);"
    "INSERT INTO onboard_counts VALUES(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);"
    "CREATE UNIQUE INDEX dead_letters_of_jobs ON dead_letters(origin, place) WHERE stage = 2;"
    /* For whoever lists or tries again what one sink, source or batch has, oldest or newest first, or adds up its
     * bytes. */
    "CREATE INDEX dead_letters_open ON dead_letters(stage, origin, id, bytes) WHERE state = 0;" LETTER_RAW_SQL;
static_assert(JOB_PENDING == 0 && JOB_PROCESSING == 1 && JOB_COMPLETED == 2 && DEAD_LETTER_JOB == 2 &&
                  DEAD_LETTER_OPEN == 0,
              "indexes say so");

/* Each makes a store of one version into one of the next; an empty database has version 0. */
static const char *const upgrades_sql[] = {tables_sql, deliveries_sql, sources_sql, events_sql, onboard_sql};
static_assert(sizeof upgrades_sql / sizeof *upgrades_sql == SCHEMA_VERSION, "one for each version");

static const char *const identity_names[] = {"recordId", "sourceId+recordId", "content"};

/* Minor units as a decimal in SQL; `hi` and `lo` as the columns hold them. */
static void put_total_sql(Buf *buf, const char *name, unsigned scale)
{
    const char *format = "CASE %s_hi WHEN 0 THEN %s_lo / %llu ELSE printf('%%d%%0*d', %s_hi, %u, %s_lo / %llu) END";
    unsigned long long unit = 1;
    for (unsigned i = 0; i < scale; i++) {
        unit *= 10;
    }
    buf_printf(buf, format, name, name, unit, name, 15 - scale, name, unit);
    if (scale) {
        buf_printf(buf, " || printf('.%%0%ud', %s_lo %% %llu)", scale, name, unit);
    }
    buf_printf(buf, " AS %s", name);
}

/* For people with a SQLite shell: decimals and timestamps as text. */
static Status create_view(sqlite3 *db, unsigned scale, Error *reterr)
{
    Buf sql;
    buf_init(&sql, 8192);
    unsigned long long unit = 1;
    for (unsigned i = 0; i < scale; i++) {
        unit *= 10;
    }
    BUF_PUT(&sql, "CREATE VIEW records_view AS SELECT seq, record_id,"
                  " strftime('%Y-%m-%dT%H:%M:%S', time_us / 1000000 - (time_us % 1000000 < 0), 'unixepoch') ||"
                  " printf('.%06dZ', ((time_us % 1000000) + 1000000) % 1000000) AS time,"
                  " source_id, destination_id, CASE type WHEN 0 THEN 'positive' ELSE 'negative' END AS type,");
    if (scale) {
        buf_printf(&sql, " printf('%%d.%%0%ud', value / %llu, value %% %llu) AS value,", scale, unit, unit);
    } else {
        BUF_PUT(&sql, " value,");
    }
    BUF_PUT(&sql, " unit, reference, prev_seq, positive_count, negative_count, ");
    put_total_sql(&sql, "positive_total", scale);
    BUF_PUT(&sql, ", ");
    put_total_sql(&sql, "negative_total", scale);
    BUF_PUT(&sql, ", traceparent FROM records");
    buf_put_char(&sql, '\0');
    Status status = sql.failed ? error_set(reterr, STATUS_BUSY, "out of memory") : db_exec(db, sql.ptr, reterr);
    buf_release(&sql);
    return status;
}

Status meta_get_int(sqlite3 *db, const char *name, int64_t otherwise, int64_t *ret_value, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    Status status = db_prepare(db, "SELECT value FROM meta WHERE name = ?", &stmt, reterr);
    if (status == STATUS_OK) {
        db_bind_text(stmt, 1, str_from(name));
        status = db_step(stmt, "read meta", &row, reterr);
    }
    if (status == STATUS_OK) {
        *ret_value = row ? sqlite3_column_int64(stmt, 0) : otherwise;
    }
    sqlite3_finalize(stmt);
    return status;
}

Status meta_put_int(sqlite3 *db, const char *name, int64_t value, Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status = db_prepare(db, "INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)", &stmt, reterr);
    if (status == STATUS_OK) {
        db_bind_text(stmt, 1, str_from(name));
        sqlite3_bind_int64(stmt, 2, value);
        status = db_run(stmt, "write meta", reterr);
    }
    sqlite3_finalize(stmt);
    return status;
}

static Status put_store_id(sqlite3 *db, const uint8_t id[16], Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    Status status = db_prepare(db, "INSERT INTO meta(name, value) VALUES('store_id', ?)", &stmt, reterr);
    if (status == STATUS_OK) {
        sqlite3_bind_blob(stmt, 1, id, 16, SQLITE_STATIC);
        status = db_run(stmt, "write the store's id", reterr);
    }
    sqlite3_finalize(stmt);
    return status;
}

static Status read_store_id(sqlite3 *db, uint8_t ret_id[16], Error *reterr)
{
    sqlite3_stmt *stmt = NULL;
    bool row = false;
    Status status = db_prepare(db, "SELECT value FROM meta WHERE name = 'store_id'", &stmt, reterr);
    if (status == STATUS_OK) {
        status = db_step(stmt, "read the store's id", &row, reterr);
    }
    if (status == STATUS_OK) {
        if (row && sqlite3_column_bytes(stmt, 0) == 16) {
            memcpy(ret_id, sqlite3_column_blob(stmt, 0), 16);
        } else {
            status = error_set(reterr, STATUS_BROKEN, "the store has no id: the table meta is damaged");
        }
    }
    sqlite3_finalize(stmt);
    return status;
}

Status schema_version(sqlite3 *db, int64_t *ret_version, Error *reterr)
{
    return db_get_int(db, "PRAGMA user_version", 0, ret_version, reterr);
}

/* Inside a transaction. */
static Status upgrade(sqlite3 *db, int64_t version, Error *reterr)
{
    char pragma[64];
    Status status = STATUS_OK;
    for (int64_t at = version; at < SCHEMA_VERSION && status == STATUS_OK; at++) {
        status = db_exec(db, upgrades_sql[at], reterr);
    }
    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", SCHEMA_VERSION);
    return status == STATUS_OK ? db_exec(db, pragma, reterr) : status;
}

static Status end_transaction(sqlite3 *db, Status status, Error *reterr)
{
    if (status == STATUS_OK) {
        status = db_exec(db, "COMMIT", reterr);
    }
    return status == STATUS_OK || db_roll_back(db) ? status : STATUS_BROKEN;
}

/* A store of an older program gets what it lacks. */
static Status bring_up_to_date(sqlite3 *db, Error *reterr)
{
    int64_t version = 0;
    Status status = schema_version(db, &version, reterr);
    if (status != STATUS_OK || version == SCHEMA_VERSION ||
        (status = db_exec(db, "BEGIN IMMEDIATE", reterr)) != STATUS_OK) {
        return status;
    }
    return end_transaction(db, upgrade(db, version, reterr), reterr);
}

static Status create(sqlite3 *db, const StoreOptions *options, Error *reterr)
{
    struct {
        uint8_t id[16];
        int64_t hash_seed;
    } random;
    Status status = random_fill(options->random, &random, sizeof random, reterr);
    if (status != STATUS_OK || (status = db_exec(db, "BEGIN IMMEDIATE", reterr)) != STATUS_OK) {
        return status;
    }
    if ((status = upgrade(db, 0, reterr)) == STATUS_OK &&
        (status = create_view(db, options->scale, reterr)) == STATUS_OK &&
        (status = put_store_id(db, random.id, reterr)) == STATUS_OK &&
        (status = meta_put_int(db, "hash_seed", random.hash_seed, reterr)) == STATUS_OK &&
        (status = meta_put_int(db, "epoch", 1, reterr)) == STATUS_OK &&
        (status = meta_put_int(db, "identity", (int64_t)options->identity, reterr)) == STATUS_OK &&
        (status = meta_put_int(db, "scale", (int64_t)options->scale, reterr)) == STATUS_OK &&
        (status = meta_put_int(db, "created_us", clock_wall_us(options->clock), reterr)) == STATUS_OK) {
        status = db_exec(db, "PRAGMA application_id = 0x57656972", reterr);
    }
    return end_transaction(db, status, reterr);
}

Status schema_check(sqlite3 *db, bool *ret_empty, Error *reterr)
{
    int64_t application = 0, version = 0, tables = 0;
    Status status = db_get_int(db, "PRAGMA application_id", 0, &application, reterr);
    if (status == STATUS_OK) {
        status = schema_version(db, &version, reterr);
    }
    if (status == STATUS_OK) {
        status = db_get_int(db, "SELECT count(*) FROM sqlite_schema", 0, &tables, reterr);
    }
    if (status != STATUS_OK) {
        return status;
    }
    *ret_empty = application == 0 && tables == 0;
    if (*ret_empty) {
        return STATUS_OK;
    }
    if (application != SCHEMA_APPLICATION_ID) {
        return error_set(reterr, STATUS_REFUSED,
                         "the file is a SQLite database but not a Weir store; choose another directory");
    }
    if (version > SCHEMA_VERSION) {
        return error_set(reterr, STATUS_REFUSED,
                         "the store has format %lld and this program knows up to %d; use the newer Weir that wrote it",
                         (long long)version, SCHEMA_VERSION);
    }
    return STATUS_OK;
}

static Status check_choices(const StoreOptions *options, int64_t identity, int64_t scale, Error *reterr)
{
    if (identity < 0 || identity > IDENTITY_CONTENT || scale < 0 || scale > 6) {
        return error_set(reterr, STATUS_BROKEN,
                         "the store's identity or scale makes no sense: the table meta is damaged");
    }
    if (options->read_only) {
        return STATUS_OK;
    }
    if (identity != (int64_t)options->identity) {
        return error_set(reterr, STATUS_REFUSED, "the store was made with identity %s and cannot be opened with %s",
                         identity_names[identity], identity_names[options->identity]);
    }
    if (scale != (int64_t)options->scale) {
        return error_set(reterr, STATUS_REFUSED, "the store was made with scale %d and cannot be opened with %u",
                         (int)scale, options->scale);
    }
    return STATUS_OK;
}

Status schema_open(sqlite3 *db, const StoreOptions *options, StoreInfo *ret_info, Error *reterr)
{
    bool empty = false;
    Status status = schema_check(db, &empty, reterr);
    if (status == STATUS_OK && empty) {
        status = options->read_only ? error_set(reterr, STATUS_REFUSED, "there is no store in %s", options->dir)
                                    : create(db, options, reterr);
    } else if (status == STATUS_OK && !options->read_only) {
        status = bring_up_to_date(db, reterr);
    }
    int64_t identity = 0, scale = 0, seed = 0, epoch = 0;
    if (status != STATUS_OK || (status = meta_get_int(db, "identity", -1, &identity, reterr)) != STATUS_OK ||
        (status = meta_get_int(db, "scale", -1, &scale, reterr)) != STATUS_OK ||
        (status = meta_get_int(db, "hash_seed", 0, &seed, reterr)) != STATUS_OK ||
        (status = meta_get_int(db, "epoch", 1, &epoch, reterr)) != STATUS_OK ||
        (status = check_choices(options, identity, scale, reterr)) != STATUS_OK) {
        return status;
    }
    *ret_info = (StoreInfo){
        .epoch = epoch, .hash_seed = (uint64_t)seed, .identity = (RecordIdentity)identity, .scale = (unsigned)scale};
    return read_store_id(db, ret_info->id, reterr);
}

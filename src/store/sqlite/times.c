/* Records in the order of their times: the runs of the index, merged with the tail behind them. */
#include <stdlib.h>

#include "store/index/memtable.h"
#include "store/sqlite/db.h"
#include "store/sqlite/row.h"
#include "store/sqlite/sqlite_store.h"

/* The tail as a sorted list, made once a view. It is bounded by what may be unpublished. */
static Status load_tail(SqliteReader *reader, SqliteView *view, Error *reterr)
{
    if (view->has_tail) {
        return STATUS_OK;
    }
    size_t room = (size_t)(view->base.bound - view->set->published_seq);
    IndexPair *pairs = malloc((room + 1) * sizeof *pairs), *scratch = malloc((room + 1) * sizeof *scratch);
    sqlite3_stmt *stmt = NULL;
    bool row = true;
    size_t count = 0;
    Status status = pairs && scratch ? STATUS_OK : error_set(reterr, STATUS_BUSY, "out of memory");
    if (status == STATUS_OK) {
        status = row_prepare_select(reader->db, FIELD_TIME, "FROM records WHERE seq > ? AND seq <= ? ORDER BY seq",
                                    &stmt, reterr);
    }
    if (status == STATUS_OK) {
        sqlite3_bind_int64(stmt, 1, view->set->published_seq);
        sqlite3_bind_int64(stmt, 2, view->base.bound);
    }
    while (status == STATUS_OK && (status = db_step(stmt, "read the log", &row, reterr)) == STATUS_OK && row) {
        pairs[count++] =
            (IndexPair){index_time_key(sqlite3_column_int64(stmt, 1)), (uint64_t)sqlite3_column_int64(stmt, 0)};
    }
    sqlite3_finalize(stmt);
    if (status == STATUS_OK) {
        index_pairs_sort(pairs, scratch, count);
        view->tail = pairs;
        view->tail_count = count;
        view->has_tail = true;
    } else {
        free(pairs);
    }
    free(scratch);
    return status;
}

/* One sorted input of the walk: a run, or (run NULL) the tail. */
typedef struct Input {
    RunCursor cursor;
    const IndexPair *tail;
    size_t tail_at, tail_count; /* tail_at counts the pairs handed out, in the walk's direction */
    IndexPair next;
    bool has_next;
} Input;

typedef struct Walk {
    Input *inputs;
    size_t count;
    bool backwards;
    IndexPair end; /* exclusive */
} Walk;

static bool is_before(const Walk *walk, IndexPair a, IndexPair b)
{
    return walk->backwards ? index_pair_before(b, a) : index_pair_before(a, b);
}

static Status advance(Walk *walk, Input *input, Error *reterr)
{
    Status status = STATUS_OK;
    if (input->cursor.run) {
        status = run_cursor_next(&input->cursor, &input->next, &input->has_next, reterr);
    } else {
        input->has_next = input->tail_at < input->tail_count;
        if (input->has_next) {
            input->next = input->tail[walk->backwards ? input->tail_count - 1 - input->tail_at : input->tail_at];
            input->tail_at++;
        }
    }
    input->has_next = input->has_next && is_before(walk, input->next, walk->end);
    return status;
}

/* The tail's part from the starting place on: by bisection. */
static void seek_tail(const Walk *walk, Input *input, const SqliteView *view, IndexPair from)
{
    size_t low = 0, high = view->tail_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        bool before = walk->backwards ? !index_pair_before(from, view->tail[middle])
                                      : index_pair_before(view->tail[middle], from);
        if (before) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    input->tail = walk->backwards ? view->tail : view->tail + low;
    input->tail_count = walk->backwards ? low : view->tail_count - low;
}

/* `from` is inclusive here. */
static Status walk_open(Walk *walk, const SqliteView *view, IndexPair from, Error *reterr)
{
    const IndexSet *set = view->set;
    size_t runs = set->counts[INDEX_TIMES];
    walk->inputs = calloc(runs + 1, sizeof *walk->inputs);
    if (!walk->inputs) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    Status status = STATUS_OK;
    for (size_t i = 0; i < runs && status == STATUS_OK; i++) {
        status = run_cursor_init(&walk->inputs[i].cursor, set->runs[INDEX_TIMES][i], from, walk->backwards, reterr);
        walk->count += status == STATUS_OK;
    }
    if (status == STATUS_OK) {
        seek_tail(walk, &walk->inputs[walk->count++], view, from);
    }
    for (size_t i = 0; i < walk->count && status == STATUS_OK; i++) {
        status = advance(walk, &walk->inputs[i], reterr);
    }
    return status;
}

static void walk_close(Walk *walk)
{
    for (size_t i = 0; i < walk->count; i++) {
        if (walk->inputs[i].cursor.run) {
            run_cursor_release(&walk->inputs[i].cursor);
        }
    }
    free(walk->inputs);
}

static Input *walk_first(Walk *walk)
{
    Input *first = NULL;
    for (size_t i = 0; i < walk->count; i++) {
        Input *input = &walk->inputs[i];
        if (input->has_next && (!first || is_before(walk, input->next, first->next))) {
            first = input;
        }
    }
    return first;
}

static Status visit_row(sqlite3_stmt *stmt, uint64_t seq, uint32_t fields, RecordVisitor *visit, void *context,
                        bool *ret_go_on, Error *reterr)
{
    StoredRecord stored = {0};
    bool row = false;
    sqlite3_bind_int64(stmt, 1, (int64_t)seq);
    Status status = db_step(stmt, "read a record", &row, reterr);
    if (status == STATUS_OK && !row) {
        status = error_set(reterr, STATUS_BROKEN, "the index times names record %llu, which the log does not have",
                           (unsigned long long)seq);
    }
    if (status == STATUS_OK) {
        row_read(stmt, fields, &stored);
        *ret_go_on = visit(context, &stored);
    }
    sqlite3_reset(stmt);
    return status;
}

/* The place next to `position` in the direction of the walk: the walk's ends are exclusive. */
static IndexPair start_pair(TimePosition position, bool backwards)
{
    IndexPair pair = {index_time_key(position.time_us), (uint64_t)position.seq};
    if (backwards) {
        if (pair.value > 0) {
            pair.value--;
        } else if (pair.key > 0) {
            pair = (IndexPair){pair.key - 1, UINT64_MAX};
        }
    } else if (pair.value < UINT64_MAX) {
        pair.value++;
    }
    return pair;
}

Status sqlite_walk_times(StoreReader *base, TimePosition from, TimePosition to, int64_t through, uint32_t fields,
                         RecordVisitor *visit, void *context, Error *reterr)
{
    SqliteReader *reader = (SqliteReader *)base;
    bool backwards = from.time_us > to.time_us || (from.time_us == to.time_us && from.seq > to.seq);
    Walk walk = {.backwards = backwards, .end = {index_time_key(to.time_us), (uint64_t)to.seq}};
    sqlite3_stmt *stmt = NULL;
    bool go_on = true;
    bool with_tail = through > reader->view->set->published_seq;
    Status status = with_tail ? load_tail(reader, reader->view, reterr) : STATUS_OK;
    if (status == STATUS_OK) {
        status = sqlite_readable_fields(reader, &fields, reterr);
    }
    if (status == STATUS_OK) {
        status = sqlite_take_select(reader, READER_WALK, fields, "FROM records WHERE seq = ?", &stmt, reterr);
    }
    if (status == STATUS_OK) {
        status = sqlite_distrust(reader, walk_open(&walk, reader->view, start_pair(from, backwards), reterr));
    }
    while (status == STATUS_OK && go_on) {
        Input *first = walk_first(&walk);
        if (!first) {
            break;
        }
        if ((int64_t)first->next.value <= through) {
            status =
                sqlite_distrust(reader, visit_row(stmt, first->next.value, fields, visit, context, &go_on, reterr));
        }
        if (status == STATUS_OK && go_on) {
            status = sqlite_distrust(reader, advance(&walk, first, reterr));
        }
    }
    walk_close(&walk);
    sqlite_give_back_select(reader, READER_WALK, fields, stmt);
    return status;
}

uint64_t sqlite_estimate_times(const StoreView *base, TimePosition from, TimePosition to)
{
    const SqliteView *view = (const SqliteView *)base;
    IndexPair low = {index_time_key(from.time_us), (uint64_t)from.seq},
              high = {index_time_key(to.time_us), (uint64_t)to.seq};
    uint64_t count = (uint64_t)(base->bound - view->set->published_seq);
    if (index_pair_before(high, low)) {
        IndexPair swap = low;
        low = high;
        high = swap;
    }
    for (size_t i = 0; i < view->set->counts[INDEX_TIMES]; i++) {
        count += run_estimate(view->set->runs[INDEX_TIMES][i], low, high);
    }
    return count;
}

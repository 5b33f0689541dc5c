/* The indexes as verify looks at them: each has the entries that the rows make, and no record is there twice. */
#include <inttypes.h>
#include <stdlib.h>

#include "store/sqlite/verify_parts.h"

/* Two entries with one hash: they must be different records. */
typedef struct PairCheck {
    const StoreInfo *info;
    Arena arena;
    Record first;
    bool has_first, equal;
} PairCheck;

static bool compare_record(void *context, const StoredRecord *stored)
{
    PairCheck *check = context;
    if (check->has_first) {
        check->equal =
            (record_differs(&check->first, &stored->record) & record_identity_fields(check->info->identity)) == 0;
        return false;
    }
    check->first = stored->record;
    Str *texts[] = {&check->first.record_id, &check->first.source_id, &check->first.destination_id,
                    &check->first.unit,      &check->first.reference, &check->first.traceparent};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = arena_copy(&check->arena, *texts[i]);
    }
    check->has_first = true;
    return false;
}

static Status check_equal_hashes(Verify *verify, uint64_t a, uint64_t b)
{
    PairCheck check = {.info = verify->info};
    arena_init(&check.arena, 8192, 65536);
    Status status = sqlite_get(&verify->reader->base, (int64_t)a, compare_record, &check, verify->reterr);
    if (status == STATUS_OK) {
        status = sqlite_get(&verify->reader->base, (int64_t)b, compare_record, &check, verify->reterr);
    }
    if (status == STATUS_OK && check.equal) {
        verify_tell(verify, "records %" PRIu64 " and %" PRIu64 " are the same record: it was counted twice", a, b);
    }
    arena_release(&check.arena);
    if (status == STATUS_REFUSED) {
        verify_tell(verify, "the index ids names records %" PRIu64 " and %" PRIu64 ", of which the log lacks one", a,
                    b);
        status = STATUS_OK;
    }
    return status;
}

typedef struct RunWalk {
    RunCursor cursor;
    IndexPair next;
    bool has_next;
} RunWalk;

/* All runs of an index in one order. */
typedef struct IndexWalk {
    IndexNumber index;
    RunWalk *runs; /* owns */
    size_t run_count;
    bool is_damaged; /* one of them could not be read: a finding, which was told, and no failure to verify */
    uint64_t digest; /* of the entries so far */
    int64_t count;
} IndexWalk;

static Status note_damage(Verify *verify, IndexWalk *walk, Status status)
{
    if (status != STATUS_BROKEN) {
        return status;
    }
    verify_tell(verify, "the index %s cannot be read: %s", index_names[walk->index], verify->reterr->message);
    walk->is_damaged = true;
    return STATUS_OK;
}

static Status step_run(Verify *verify, IndexWalk *walk, RunWalk *run)
{
    return note_damage(verify, walk, run_cursor_next(&run->cursor, &run->next, &run->has_next, verify->reterr));
}

static Status open_walk(Verify *verify, IndexWalk *walk)
{
    const IndexSet *set = verify->view->set;
    walk->run_count = set->counts[walk->index];
    walk->runs = calloc(walk->run_count + 1, sizeof *walk->runs);
    Status status = walk->runs ? STATUS_OK : error_set(verify->reterr, STATUS_BUSY, "out of memory");
    for (size_t i = 0; i < walk->run_count && status == STATUS_OK && !walk->is_damaged; i++) {
        RunCursor *cursor = &walk->runs[i].cursor;
        status = note_damage(
            verify, walk, run_cursor_init(cursor, set->runs[walk->index][i], (IndexPair){0, 0}, false, verify->reterr));
        if (status == STATUS_OK && !walk->is_damaged) {
            status = step_run(verify, walk, &walk->runs[i]);
        }
    }
    return status;
}

static void close_walk(IndexWalk *walk)
{
    for (size_t i = 0; i < walk->run_count && walk->runs; i++) {
        if (walk->runs[i].cursor.run) {
            run_cursor_release(&walk->runs[i].cursor);
        }
    }
    free(walk->runs);
}

static RunWalk *first_run(const IndexWalk *walk)
{
    RunWalk *first = NULL;
    for (size_t i = 0; i < walk->run_count; i++) {
        RunWalk *run = &walk->runs[i];
        if (run->has_next && (!first || index_pair_before(run->next, first->next))) {
            first = run;
        }
    }
    return first;
}

/* Sums the digests up and, for ids, looks at equal neighbours. */
static Status walk_index(Verify *verify, IndexWalk *walk)
{
    IndexPair last = {0, 0};
    Status status = open_walk(verify, walk);
    for (RunWalk *run; status == STATUS_OK && !walk->is_damaged && (run = first_run(walk));) {
        IndexPair pair = run->next;
        if (walk->index == INDEX_IDS && walk->count > 0 && last.key == pair.key) {
            status = check_equal_hashes(verify, last.value, pair.value);
        }
        last = pair;
        walk->digest += verify_digest(pair.key, pair.value);
        if (status == STATUS_OK && ++walk->count % VERIFY_CHUNK == 0) {
            status = verify_look_away(verify, index_names[walk->index], (uint64_t)walk->count,
                                      (uint64_t)verify->published_records);
        }
        if (status == STATUS_OK) {
            status = step_run(verify, walk, run);
        }
    }
    close_walk(walk);
    return status;
}

Status verify_index(Verify *verify, IndexNumber index, uint64_t right_digest)
{
    IndexWalk walk = {.index = index};
    Status status = walk_index(verify, &walk);
    if (status != STATUS_OK || walk.is_damaged) {
        return status;
    }
    if (walk.count != verify->published_records) {
        verify_tell(verify, "the index %s has %" PRId64 " entries for %" PRId64 " records", index_names[index],
                    walk.count, verify->published_records);
    } else if (walk.digest != right_digest) {
        verify_tell(verify, "the index %s has other entries than the log", index_names[index]);
    }
    return STATUS_OK;
}

static Status check_flow_entry(Verify *verify, const FlowCheck *flow)
{
    const IndexSet *set = verify->view->set;
    for (size_t i = set->counts[INDEX_FLOWS]; i-- > 0;) {
        uint64_t seq = 0;
        size_t count = 0;
        bool more = false;
        Status status = run_find(set->runs[INDEX_FLOWS][i], flow->hash, &seq, 1, &count, &more, verify->reterr);
        if (status != STATUS_OK) {
            verify_tell(verify, "the index flows cannot be read: %s", verify->reterr->message);
            return STATUS_OK;
        }
        if (count) {
            if (seq < (uint64_t)flow->newest_seq) { /* a larger one belongs to another flow with this hash */
                verify_tell(verify, "the index flows says %" PRIu64 " for a flow whose newest record is %" PRId64, seq,
                            flow->newest_seq);
            }
            return STATUS_OK;
        }
    }
    verify_tell(verify, "the index flows does not know the flow whose newest record is %" PRId64, flow->newest_seq);
    return STATUS_OK;
}

Status verify_flows_index(Verify *verify)
{
    Status status = STATUS_OK;
    int64_t count = 0;
    for (size_t i = 0; i < verify->flows_capacity && status == STATUS_OK; i++) {
        if (verify->flows[i].newest_seq) {
            status = check_flow_entry(verify, &verify->flows[i]);
            count++;
        }
        if (status == STATUS_OK && i % VERIFY_CHUNK == VERIFY_CHUNK - 1) {
            status = verify_look_away(verify, "flows", (uint64_t)count, (uint64_t)verify->report.flows);
        }
    }
    return status;
}

static bool keep_tail_record(Verify *verify, uint64_t hash, uint64_t seq)
{
    size_t count = verify->tail_count, room = 2 * count + 1;
    bool is_full = (count & (count - 1)) == 0; /* at each power of two */
    IndexPair *tail = is_full ? realloc(verify->tail, room * sizeof *tail) : verify->tail;
    if (!tail) {
        verify->status = error_set(verify->reterr, STATUS_BUSY, "out of memory");
        return false;
    }
    verify->tail = tail;
    verify->tail[verify->tail_count++] = (IndexPair){hash, seq};
    return true;
}

static int by_pair(const void *a, const void *b)
{
    return index_pair_before(*(const IndexPair *)a, *(const IndexPair *)b) ? -1 : 1; /* no two are the same */
}

Status verify_tail(Verify *verify)
{
    Status status = STATUS_OK;
    qsort(verify->tail, verify->tail_count, sizeof *verify->tail, by_pair);
    for (size_t i = 1; i < verify->tail_count && status == STATUS_OK; i++) {
        if (verify->tail[i - 1].key == verify->tail[i].key) {
            status = check_equal_hashes(verify, verify->tail[i - 1].value, verify->tail[i].value);
        }
    }
    return status;
}

bool verify_tail_record(void *context, const StoredRecord *stored)
{
    Verify *verify = context;
    const IndexSet *set = verify->view->set;
    uint64_t hash = record_identity_hash(&stored->record, verify->info->identity, verify->info->hash_seed);
    for (size_t i = 0; i < set->counts[INDEX_IDS] && verify->status == STATUS_OK; i++) {
        uint64_t seq = 0;
        size_t count = 0;
        bool more = false;
        verify->status = run_find(set->runs[INDEX_IDS][i], hash, &seq, 1, &count, &more, verify->reterr);
        if (verify->status == STATUS_BROKEN) { /* verify_index has told of it */
            verify->status = STATUS_OK;
            break;
        }
        if (verify->status == STATUS_OK && count) {
            verify->status = check_equal_hashes(verify, seq, (uint64_t)stored->seq);
        }
    }
    return verify->status == STATUS_OK && keep_tail_record(verify, hash, (uint64_t)stored->seq);
}

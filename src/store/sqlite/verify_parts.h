/* What the files of verify share: verify.c (rows, messages, rollups) and verify_indexes.c. For nobody else. */
#ifndef WEIR_STORE_SQLITE_VERIFY_PARTS_H
#define WEIR_STORE_SQLITE_VERIFY_PARTS_H

#include <xxhash.h>

#include "store/rollup/rollup_map.h"
#include "store/sqlite/sqlite_store.h"

enum { VERIFY_CHUNK = 50000 }; /* so many rows or entries between two looks away */

/* A flow as the rows so far make it. Known by 128 bits of hash. */
typedef struct FlowCheck {
    XXH128_hash_t name;
    uint64_t hash; /* as in the index */
    int64_t newest_seq;
    FlowTotals totals;
} FlowCheck;

typedef struct Verify {
    SqliteReader *reader;
    SqliteView *view;
    const StoreInfo *info;
    void (*problem)(void *context, const char *text);
    void *context;
    void (*progress)(void *context, const char *what, uint64_t done, uint64_t total);
    VerifyReport report;
    FlowCheck *flows; /* open addressing; newest_seq 0: empty */
    size_t flows_capacity;
    RollupMap *rollups;
    uint64_t ids_digest, times_digest; /* sums over the published records: they do not depend on the order */
    int64_t published_records;
    IndexPair *tail; /* the records that are not published: hash of the identity, sequence; owns */
    size_t tail_count;
    bool in_tail;
    Status status; /* of a visitor */
    Error *reterr;
} Verify;

/* A problem, as a sentence. */
void verify_tell(Verify *verify, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ends the transaction and begins another one, that sees the same; tells the progress meanwhile. */
Status verify_look_away(Verify *verify, const char *what, uint64_t done, uint64_t total) MUST_CHECK;

static inline uint64_t verify_digest(uint64_t key, uint64_t value)
{
    uint64_t pair[] = {key, value};
    return XXH3_64bits(pair, sizeof pair);
}

/* The entries of an index are as many as the published records, and add up to this digest. */
Status verify_index(Verify *verify, IndexNumber index, uint64_t right_digest) MUST_CHECK;

/* Of each flow that the published rows have, the index knows the newest record. */
Status verify_flows_index(Verify *verify) MUST_CHECK;

/* For sqlite_scan: a record behind the published ones is not among them already … */
bool verify_tail_record(void *context, const StoredRecord *stored);
/* … nor twice among themselves, which no index says. After all of them. */
Status verify_tail(Verify *verify) MUST_CHECK;

#endif

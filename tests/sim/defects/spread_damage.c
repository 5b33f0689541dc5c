/* Once a damaged run was read, what has nothing to do with it cannot be read either, until the store is opened anew. */
#include "store/store.h"

static bool is_damaged;

Status __real_store_open(const StoreOptions *options, Store **ret_store, Error *reterr);
Status __real_reader_rollups(StoreReader *reader, RollupLevel level, int64_t from, int64_t to, RollupVisitor *visit,
                             void *context, Error *reterr);
Status __real_reader_rules(StoreReader *reader, RuleVisitor *visit, void *context, Error *reterr);
Status __wrap_store_open(const StoreOptions *options, Store **ret_store, Error *reterr);
Status __wrap_reader_rollups(StoreReader *reader, RollupLevel level, int64_t from, int64_t to, RollupVisitor *visit,
                             void *context, Error *reterr);
Status __wrap_reader_rules(StoreReader *reader, RuleVisitor *visit, void *context, Error *reterr);

Status __wrap_store_open(const StoreOptions *options, Store **ret_store, Error *reterr)
{
    is_damaged = false;
    return __real_store_open(options, ret_store, reterr);
}

Status __wrap_reader_rollups(StoreReader *reader, RollupLevel level, int64_t from, int64_t to, RollupVisitor *visit,
                             void *context, Error *reterr)
{
    Status status = __real_reader_rollups(reader, level, from, to, visit, context, reterr);
    is_damaged = is_damaged || status == STATUS_BROKEN;
    return status;
}

Status __wrap_reader_rules(StoreReader *reader, RuleVisitor *visit, void *context, Error *reterr)
{
    return is_damaged ? error_set(reterr, STATUS_BROKEN, "something is damaged")
                      : __real_reader_rules(reader, visit, context, reterr);
}

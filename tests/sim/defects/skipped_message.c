/* A consumer's page begins one entry too late, now and then. */
#include "now_and_then.h"
#include "store/store.h"

Status __real_reader_scan(StoreReader *reader, int64_t after, int64_t through, uint32_t fields, RecordVisitor *visit,
                          void *context, Error *reterr);
Status __wrap_reader_scan(StoreReader *reader, int64_t after, int64_t through, uint32_t fields, RecordVisitor *visit,
                          void *context, Error *reterr);

Status __wrap_reader_scan(StoreReader *reader, int64_t after, int64_t through, uint32_t fields, RecordVisitor *visit,
                          void *context, Error *reterr)
{
    static unsigned calls;
    return __real_reader_scan(reader, after + now_and_then(&calls, 30), through, fields, visit, context, reterr);
}

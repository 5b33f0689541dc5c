/* A dead letter that is resolved still counts as open. */
#include "store/store.h"

static int64_t most;

void __real_store_metrics(const Store *store, StoreMetrics *ret_metrics);
void __wrap_store_metrics(const Store *store, StoreMetrics *ret_metrics);

void __wrap_store_metrics(const Store *store, StoreMetrics *ret_metrics)
{
    __real_store_metrics(store, ret_metrics);
    most = ret_metrics->dead_letters_open > most ? ret_metrics->dead_letters_open : most;
    ret_metrics->dead_letters_open = most;
}

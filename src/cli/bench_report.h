/* What a run of the load generator found, for people and for scripts. */
#ifndef WEIR_CLI_BENCH_REPORT_H
#define WEIR_CLI_BENCH_REPORT_H

#include "base/buf.h"
#include "bench/load.h"

const char *load_mode_name(LoadMode mode); /* "rate", "single", … */

/* Lines of a label and what was measured; times in the unit that reads best. */
void report_put_table(Buf *buf, const LoadOptions *options, const LoadResult *result);

/* One object; times in microseconds, rates a second:
 * {"mode","url","connections","threads","seconds","requests","requestsPerSecond","bytesSent",
 *  "records":{"sent","answered","perSecond","created","duplicates","conflicts","rejected"},
 *  "statuses":{"201":n},"failures":{"connect","broken","timeouts"},
 *  "latency":{"mean","p50","p90","p99","p999","max"},"service":{…},"millions":[records/s],"clientCpuSeconds",
 *  "seed","startTime"} */
void report_put_json(Buf *buf, const LoadOptions *options, const LoadResult *result);

/* Whether every request was answered, and with 2xx. */
bool report_is_clean(const LoadResult *result);

#endif

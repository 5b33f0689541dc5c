/* What the parts count, in the text format of Prometheus. Each part keeps its own counters; here they get their
 * names. */
#ifndef WEIR_OBSERVE_METRICS_H
#define WEIR_OBSERVE_METRICS_H

#include "base/buf.h"
#include "deliver/dispatcher.h"
#include "intake/front_door.h"
#include "intake/intake.h"
#include "onboard/runner.h"
#include "process/processor.h"

void metrics_put_store(Buf *buf, const StoreMetrics *metrics);
void metrics_put_processor(Buf *buf, const ProcessorMetrics *metrics);
/* A line of each live sink; replays are not counted. */
void metrics_put_sinks(Buf *buf, const LineStatus *lines, size_t count);
/* `now_us` by the wall clock: what waits gets older. */
void metrics_put_sources(Buf *buf, const SourceStatus *sources, size_t count, int64_t now_us);
void metrics_put_front_door(Buf *buf, const FrontDoorStatus *status);
/* What the store has of onboarding; `now_us` by the wall clock. And what its runner does. */
void metrics_put_jobs(Buf *buf, const OnboardCounts *counts, int64_t now_us);
void metrics_put_runner(Buf *buf, const RunnerStatus *status);
/* The program's version, memory, processor time, open descriptors; `uptime_us` since it began. */
void metrics_put_process(Buf *buf, const char *version, int64_t uptime_us);

#endif

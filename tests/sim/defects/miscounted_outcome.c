/* A duplicate counts as created in the processor's metrics. */
#include "process/processor.h"

void __real_processor_metrics(const Processor *processor, ProcessorMetrics *ret_metrics);
void __wrap_processor_metrics(const Processor *processor, ProcessorMetrics *ret_metrics);

void __wrap_processor_metrics(const Processor *processor, ProcessorMetrics *ret_metrics)
{
    __real_processor_metrics(processor, ret_metrics);
    if (ret_metrics->duplicates > 0) {
        ret_metrics->duplicates--;
        ret_metrics->created++;
    }
}

/* What a record's own answer says of its deliveries. */
#ifndef WEIR_HTTP_ROUTE_DELIVERIES_H
#define WEIR_HTTP_ROUTE_DELIVERIES_H

#include "http/sinks_call.h"

/* ,"deliveries":[{"sink":…,"state":…},…] of the notification of the record at `seq`. Inside reader_begin and
 * reader_end. */
Status deliveries_put_states(StoreReader *reader, const SinkLines *lines, int64_t seq, Arena *arena, Buf *buf,
                             Error *reterr) MUST_CHECK;

#endif

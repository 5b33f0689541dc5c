/* What became of one message at each sink, pieced together from what the store keeps of the lines, as of one moment.
 *
 * Nothing is written when a message was delivered but the cursor, so "delivered" is what a cursor says that has gone
 * by. */
#ifndef WEIR_DELIVER_DELIVERIES_H
#define WEIR_DELIVER_DELIVERIES_H

#include "deliver/dispatcher.h"

typedef enum DeliveryState {
    DELIVERY_WAITING, /* its turn has not come, or its answer */
    DELIVERY_RETRYING,
    DELIVERY_DELIVERED,
    DELIVERY_DEAD_LETTER, /* given up; somebody has to look */
    DELIVERY_DISCARDED,   /* given up, and not wanted any more */
} DeliveryState;
const char *delivery_state_name(DeliveryState state); /* "waiting", "retrying", … */

typedef struct Delivery {
    const SinkOptions *sink;
    DeliveryState state;
    int64_t dead_letter; /* its id; 0 when there never was one */
    int64_t due_us;      /* retrying: when the next attempt is, by the wall clock; 0 when that is not known yet */
} Delivery;

/* The message that is asked about. */
typedef struct DeliverySubject {
    int64_t seq;
    int64_t committed_us; /* by the wall clock */
    uint64_t lines;       /* bit i: lines[i] wants it, see deliveries_wanted */
} DeliverySubject;

/* Which of the live lines want a message of this kind about this record. `lines` as dispatcher_status fills it. */
uint64_t deliveries_wanted(const LineStatus *lines, size_t count, MessageKind kind, const Record *record);

/* One delivery for each sink that wants the message and had begun when it was committed. Inside reader_begin and
 * reader_end. */
Status deliveries_find(StoreReader *reader, const LineStatus *lines, size_t count, const DeliverySubject *subject,
                       Delivery ret_deliveries[DISPATCHER_SINKS_MAX], size_t *ret_count, Error *reterr) MUST_CHECK;

#endif

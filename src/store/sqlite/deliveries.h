/* The statements that a batch of deliveries is made of: prepared once, since a fast sink has many batches. */
#ifndef WEIR_STORE_SQLITE_DELIVERIES_H
#define WEIR_STORE_SQLITE_DELIVERIES_H

typedef enum DeliveryStatement {
    DELIVERY_MOVE_SINK,
    DELIVERY_MOVE_REPLAY,
    DELIVERY_PUT_RETRY,
    DELIVERY_DROP_RETRY,
    DELIVERY_RESOLVE_LETTER,
    DELIVERY_FIND_LETTER,
    DELIVERY_REOPEN_LETTER,
    DELIVERY_ADD_LETTER,
    DELIVERY_ADD_ATTEMPT,
    DELIVERY_TRIM_ATTEMPTS,
    DELIVERY_STATEMENT_COUNT,
} DeliveryStatement;

#endif

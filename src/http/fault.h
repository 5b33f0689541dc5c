/* Failures on purpose, for clients that want to see that they try again as they should: {"simulateFailure":"during",
 * …}, where the option faults.allow says that it may be. */
#ifndef WEIR_HTTP_FAULT_H
#define WEIR_HTTP_FAULT_H

#include "http/request.h"

typedef enum Fault {
    FAULT_NONE,
    FAULT_BEFORE, /* anything was done */
    FAULT_DURING, /* the transaction, which is rolled back */
    FAULT_AFTER,  /* the commit: it is there, and its client is told that something failed */
} Fault;

/* What the value asks for, which is a record or an event. False, and a 422 is said, when it is not understood or not
 * allowed. */
bool fault_read(Request *request, yyjson_val *value, Fault *ret_fault);

/* 500, whatever came of it. */
void fault_say(Request *request, Fault fault);

#endif

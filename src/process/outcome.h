/* What became of a record that was handed in. */
#ifndef WEIR_PROCESS_OUTCOME_H
#define WEIR_PROCESS_OUTCOME_H

#include "record/record.h"

typedef enum OutcomeKind {
    OUTCOME_NONE,      /* not decided: the submission failed as a whole, or (atomic) was refused as a whole */
    OUTCOME_CREATED,   /* now in the log */
    OUTCOME_DUPLICATE, /* the same record was there already; nothing changed */
    OUTCOME_CONFLICT,  /* the same identity with other content was there already; nothing changed */
    OUTCOME_REJECTED,  /* well formed, but a total of its flow would overflow; nothing changed */
} OutcomeKind;

typedef struct Outcome {
    OutcomeKind kind;
    uint32_t differs; /* conflict: RecordField bits */
    /* duplicate, conflict: an event that came as its own bytes once more; false also where nobody looked */
    bool same_bytes;
    int64_t seq; /* where the record is in the log: created, duplicate, conflict; 0 in a dry run that would create */
    /* What is in the log, when that is not as it was handed in (a conflict, an event whose id leads elsewhere, another
     * id where the content alone counts), and the submission asked for it, or for its recordId alone; in its arena;
     * else NULL. */
    const StoredRecord *stored;
    bool starved; /* it asked, and its arena has no room: it has to ask again */
} Outcome;

#endif

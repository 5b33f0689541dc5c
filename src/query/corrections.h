/* How events were corrected: in rounds, each of which takes back what was in force and puts another record in its
 * place. */
#ifndef WEIR_QUERY_CORRECTIONS_H
#define WEIR_QUERY_CORRECTIONS_H

#include "query/seq_set.h"
#include "query/task.h"

/* What corrects one record; 0 where there is nothing. */
typedef struct CorrectionRound {
    int64_t reversal, replacement;
} CorrectionRound;

/* Inside a look at the store. The replacement may have been corrected itself. */
Status corrections_of(StoreReader *reader, int64_t seq, CorrectionRound *ret_round, Error *reterr) MUST_CHECK;

/* The records that do not count, since they were taken back, or take back: read in steps. */
typedef struct Corrected {
    SeqSet *set;
    int64_t last; /* what corrects the records up to here has been read */
} Corrected;

/* REFUSED and BUSY: there is no memory for so many. */
Status corrected_step(Corrected *corrected, QueryStep *step, bool *ret_done, Error *reterr) MUST_CHECK;

#endif

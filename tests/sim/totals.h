/* Groups and their totals, added up record by record. */
#ifndef WEIR_TESTS_SIM_TOTALS_H
#define WEIR_TESTS_SIM_TOTALS_H

#include "sim/expect.h"
#include "sim/question.h"

/* The groups of an answer have to be those of these records, in the order of their keys, each with its right totals. */
void totals_check(const Expect *expect, const Question *question, const Model *model, const int64_t *seqs, size_t count,
                  yyjson_val *groups);

#endif

/* What became of a record that was handed in, in words. */
#ifndef WEIR_TESTS_SIM_OUTCOME_WORDS_H
#define WEIR_TESTS_SIM_OUTCOME_WORDS_H

#include "process/outcome.h"
#include "sim/story.h"

/* "conflict, seq 12, other value, other time" */
void outcome_put(const Outcome *outcome, char *ret_text, size_t room);

/* Which records contradict what is there, and in what. */
void outcome_tell_conflicts(Story *story, const Outcome *outcomes, size_t count);

#endif

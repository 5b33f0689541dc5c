/* A defect of a build of weir-sim that must be caught. The linker (--wrap) puts its __wrap_x in the place of x, which
 * goes on being __real_x; nothing in src/ knows of it. */
#ifndef WEIR_TESTS_SIM_DEFECTS_NOW_AND_THEN_H
#define WEIR_TESTS_SIM_DEFECTS_NOW_AND_THEN_H

#include <stdbool.h>

/* True for each nth call: seldom enough to be a mistake that a test could overlook. */
static inline bool now_and_then(unsigned *calls, unsigned nth) { return ++*calls % nth == 0; }

#endif

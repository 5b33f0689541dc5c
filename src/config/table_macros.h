/* What the tables of options are written with. */
#ifndef WEIR_CONFIG_TABLE_MACROS_H
#define WEIR_CONFIG_TABLE_MACROS_H

#include "config/options.h"

#define KIB         INT64_C(1024)
#define MIB         (1024 * KIB)
#define GIB         (1024 * MIB)
#define MILLISECOND INT64_C(1000)
#define SECOND      (1000 * MILLISECOND)
#define HOUR        (3600 * SECOND)

#define NO_LIMITS 0, 0
#define NO_MARKS  0, 0
#define CHOICES(...)                                                                                                   \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define NO_CHOICES                                                                                                     \
    {                                                                                                                  \
        0                                                                                                              \
    }

#endif

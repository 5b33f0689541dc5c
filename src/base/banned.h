/* Included before everything else by the compiler's command line (-include): calls that have cost others dearly do not
 * compile here. Each has a better one: see base/str.h, base/buf.h, base/decimal.h. */
#ifndef WEIR_BASE_BANNED_H
#define WEIR_BASE_BANNED_H

/* The headers that declare them come first, so that their own declarations are not poisoned. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Some are macros where a compiler checks buffers by itself. */
#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets
#pragma GCC poison strtok strtok_r atoi atol atoll atof strtod strtof
#undef alloca
/* rand() is left to tests/tidy: OpenSSL's headers have parameters of that name. */
#pragma GCC poison gmtime localtime ctime asctime srand tmpnam mktemp alloca

#endif

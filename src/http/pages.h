/* What is embedded in the program: openapi.json and page.html. */
#ifndef WEIR_HTTP_PAGES_H
#define WEIR_HTTP_PAGES_H

#include "base/str.h"

Str page_openapi(void);
Str page_index(void);

#endif

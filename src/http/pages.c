#include "http/pages.h"

#include "openapi_json.h"
#include "page_html.h"

Str page_openapi(void) { return (Str){openapi_json, sizeof openapi_json - 1}; }

Str page_index(void) { return (Str){page_html, sizeof page_html - 1}; }

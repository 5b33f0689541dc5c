/* Names in a directory that files are dropped into. */
#ifndef WEIR_INTAKE_DROP_NAMES_H
#define WEIR_INTAKE_DROP_NAMES_H

#include <stdbool.h>

#include "intake/file_mark.h"

/* Whether a file of this name is taken: by one of the patterns, which are separated by commas, and neither hidden, nor
 * one that is still being copied, nor too long. */
bool drop_name_is_wanted(const char *name, const char *patterns);

/* "orders.csv", "orders.csv.2"; number 0 adds nothing. The name is one that is wanted. */
enum { DROP_NAME_BYTES_MAX = FILE_MARK_NAME_BYTES_MAX + 32 };
void drop_name_of(char ret_name[DROP_NAME_BYTES_MAX], const char *name, unsigned number);
/* "orders.csv.2.report.ndjson" */
void drop_report_name_of(char ret_name[DROP_NAME_BYTES_MAX], const char *name, unsigned number);

/* Names, in no order. One that there is no room for is not kept. */
enum { DROP_NAMES_MAX = 1024 };
typedef struct DropNames {
    size_t count;
    char items[DROP_NAMES_MAX][FILE_MARK_NAME_BYTES_MAX + 1];
} DropNames;

bool drop_names_have(const DropNames *names, const char *name);
void drop_names_add(DropNames *names, const char *name);    /* of at most FILE_MARK_NAME_BYTES_MAX bytes */
void drop_names_remove(DropNames *names, const char *name); /* if it is there */

#endif

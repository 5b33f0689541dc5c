/* weir orgs import: a file of organizations, in batches that a server onboards. */
#ifndef WEIR_CLI_ORGS_IMPORT_H
#define WEIR_CLI_ORGS_IMPORT_H

#include "cli/remote.h"

int orgs_import(Remote *remote, const Args *args);

#endif

/* base/io.h over a SimDisk: the files that a store keeps beside SQLite's. */
#ifndef WEIR_TESTS_SIM_IO_H
#define WEIR_TESTS_SIM_IO_H

#include "base/io.h"
#include "disk.h"

/* The table; the disk must outlive its use. Errors become statuses as io_system's do: full BUSY, missing REFUSED, an
 * I/O error BROKEN. */
Io sim_io(SimDisk *disk);

#endif

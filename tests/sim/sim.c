/* weir-sim: the core on a faulty disk. See command.c for what it can be asked. */
#include <sqlite3.h>

#include "sim/command.h"
#include "sim/world.h"

/* There is one thread, which takes no locks; without statistics, as in the service. Must come before SQLite is first used. */
static void configure_sqlite(void)
{
    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int main(int argc, char **argv)
{
    configure_sqlite();
    return command_run(argc, argv, world_run);
}

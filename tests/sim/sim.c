/* weir-sim: the core on a faulty disk. See command.c for what it can be asked. */
#include <sqlite3.h>

#include "sim/command.h"
#include "sim/world.h"

/* There is one thread, which takes no locks; without statistics, as in the service. Must come before SQLite is first
 * used. */
static void configure_sqlite(void)
{
    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static const char legend[] =
    "life 2               a process of Weir, from its start to its end; disk, clients and receivers outlive it\n"
    "call 9 (intake 0)    what clients hand in, at one of several doors; from 1000001 on, calls of those who send "
    "events\n"
    "sink-1: cursor 7     the line of a sink brings it the log's messages, and all up to seq 7 is settled;\n"
    "                     \"sink-1, replay 3\" is the line of a replay\n"
    "bounds, settings     limits of the store, so narrow that what takes a year elsewhere happens in each run\n"
    "waiting: …           a fault that may strike later, or never; \"the disk: …\" is one that has struck\n"
    "asked: …             a query over HTTP, whose answer is held against the model's\n";

int main(int argc, char **argv)
{
    configure_sqlite();
    return command_run(argc, argv, &(Simulator){world_run, legend});
}

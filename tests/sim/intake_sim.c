/* weir-sim-intake: intake alone, with sources that fail beside a faulty disk. See command.c for what it can be
 * asked. */
#include "sim/command.h"
#include "sim/intake_run.h"

static const char legend[] =
    "life 2           a process of Weir, from its start to its end; disk, clients and sources outlive it\n"
    "orders/0/12      message 12 of part 0 of the source \"orders\"; it is a record, known by its number, or none\n"
    "waiting: …       a fault that may strike later, or never; \"the disk: …\" is one that has struck\n";

int main(int argc, char **argv) { return command_run(argc, argv, &(Simulator){intake_run, legend}); }

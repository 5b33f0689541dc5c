/* weir-sim-intake: intake alone, with sources that fail beside a faulty disk. See command.c for what it can be asked. */
#include "sim/command.h"
#include "sim/intake_run.h"

int main(int argc, char **argv) { return command_run(argc, argv, intake_run); }

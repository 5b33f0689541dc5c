/* A sync that failed is tried again, and the second answer believed. */
#include "sim/disk/disk.h"

SimResult __real_sim_file_sync(SimFile *file);
SimResult __wrap_sim_file_sync(SimFile *file);

SimResult __wrap_sim_file_sync(SimFile *file)
{
    SimResult result = __real_sim_file_sync(file);
    return result == SIM_ERROR ? __real_sim_file_sync(file) : result;
}

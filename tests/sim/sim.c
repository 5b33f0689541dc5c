/* weir-sim: the simulator's command line. */
#include <getopt.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "sim/runner.h"
#include "sim/world.h"

static const char help[] =
    "usage: weir-sim --seed N [--trace | --disk] [--steps N]\n"
    "       weir-sim --seeds A-B [--jobs N] [--steps N] [--twice | --caught | --caught-by TEXT]\n"
    "\n"
    "  --seed N     runs one seed in this process and prints its hash; the same seed and build give the same hash\n"
    "  --trace      tells its story: each step, each fault, and where a promise was broken what was expected\n"
    "  --disk       with every operation of the disk\n"
    "  --seeds A-B  runs many, each in a process of its own; --seeds N is 1-N\n"
    "  --jobs N     so many at a time (2)\n"
    "  --steps N    instead of as many as each seed draws\n"
    "  --twice      each seed again, with its story, and compares the hashes\n"
    "  --caught     succeeds when a promise is broken, and stops there: for builds with a defect in them\n"
    "  --caught-by TEXT   likewise, when what is said of it has this text: by the check that is meant, and no other\n"
    "\n"
    "Exit code 0 when every promise was kept, 1 when a seed failed (of one seed: 3 when it broke a promise), 2 for "
    "wrong usage.\n";

typedef struct Arguments {
    bool one, trace, disk, twice, caught;
    uint64_t first, last;
    int64_t steps;
    size_t jobs;
    const char *by;
} Arguments;

static _Noreturn void refuse(void)
{
    fputs(help, stderr);
    exit(2);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (end == text || *end) {
        refuse();
    }
    return value;
}

static void read_range(Arguments *arguments, char *text)
{
    char *dash = strchr(text, '-');
    arguments->first = 1;
    if (dash) {
        *dash = '\0';
        arguments->first = number(text);
        text = dash + 1;
    }
    arguments->last = number(text);
}

static Arguments read_arguments(int argc, char **argv)
{
    enum { SEED = 1, SEEDS, TRACE, DISK, STEPS, JOBS, TWICE, CAUGHT, CAUGHT_BY, HELP };
    static const struct option known[] = {
        {"seed", 1, NULL, SEED},   {"seeds", 1, NULL, SEEDS},   {"trace", 0, NULL, TRACE},
        {"disk", 0, NULL, DISK},   {"steps", 1, NULL, STEPS},   {"jobs", 1, NULL, JOBS},
        {"twice", 0, NULL, TWICE}, {"caught", 0, NULL, CAUGHT}, {"caught-by", 1, NULL, CAUGHT_BY},
        {"help", 0, NULL, HELP},   {NULL, 0, NULL, 0}};
    Arguments arguments = {.jobs = 2, .first = 1};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case SEED:
            arguments.one = true;
            arguments.first = arguments.last = number(optarg);
            break;
        case SEEDS: read_range(&arguments, optarg); break;
        case TRACE: arguments.trace = true; break;
        case DISK: arguments.trace = arguments.disk = true; break;
        case STEPS: arguments.steps = (int64_t)number(optarg); break;
        case JOBS: arguments.jobs = number(optarg); break;
        case TWICE: arguments.twice = true; break;
        case CAUGHT: arguments.caught = true; break;
        case CAUGHT_BY:
            arguments.caught = true;
            arguments.by = optarg;
            break;
        case HELP: fputs(help, stdout); exit(0);
        default: refuse();
        }
    }
    if (optind != argc || arguments.last < arguments.first || arguments.jobs < 1 || arguments.jobs > RUNNER_JOBS_MAX) {
        refuse();
    }
    return arguments;
}

static void run_one(const Arguments *arguments)
{
    WorldOptions options = {.seed = arguments->first,
                            .steps = arguments->steps,
                            .trace = arguments->trace ? stdout : NULL,
                            .trace_disk = arguments->disk};
    WorldReport report;
    world_run(&options, &report);
    printf("seed %" PRIu64 " kept every promise: %" PRId64 " steps, %" PRId64 " entries, %" PRId64 " lives, %" PRId64
           " faults; hash %016" PRIx64 "\n",
           arguments->first, report.steps, report.entries, report.lives, report.faults, report.hash);
}

/* There is one thread, which takes no locks; without statistics, as in the service. Must come before SQLite is first used. */
static void configure_sqlite(void)
{
    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int main(int argc, char **argv)
{
    Arguments arguments = read_arguments(argc, argv);
    configure_sqlite();
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    if (arguments.one) {
        run_one(&arguments);
        return 0;
    }
    RunsOptions options = {.program = argv[0],
                           .first = arguments.first,
                           .last = arguments.last,
                           .steps = arguments.steps,
                           .jobs = arguments.jobs,
                           .until_broken = arguments.caught,
                           .by = arguments.by,
                           .twice = arguments.twice};
    RunsResult result = runner_run(&options);
    /* A defect may trip over an assertion in one seed, but has to be seen from outside in another. */
    bool caught = result.broken > 0 && result.others == 0 && result.broken + result.asserted == result.failed;
    return arguments.caught ? !caught : result.failed > 0;
}

#include "sim/command.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "sim/runner.h"

static const char help[] =
    "usage: %s --seed N [--faults | --trace | --disk] [--steps N]\n"
    "       %s --seeds A-B [--jobs N] [--steps N] [--twice | --caught | --caught-by TEXT]\n"
    "\n"
    "  --seed N     runs one seed in this process and prints its hash; the same seed and build give the same hash\n"
    "  --faults     tells what goes wrong, when processes start and end, and what became of calls\n"
    "  --trace      tells its story: each step, each fault, and where a promise was broken what was expected\n"
    "  --disk       with every operation of the disk\n"
    "  --seeds A-B  runs many, each in a process of its own; --seeds N is 1-N\n"
    "  --jobs N     so many at a time (2)\n"
    "  --steps N    instead of as many as each seed draws, which makes other lives of the same seeds\n"
    "  --twice      each seed again, with its story, and compares the hashes\n"
    "  --caught     succeeds when a promise is broken, and stops there: for builds with a defect in them\n"
    "  --caught-by TEXT   likewise, by the check that is meant: goes on to the first seed of which is said (or "
    "expected, or found) this text\n"
    "\n"
    "Exit code 0 when every promise was kept, 1 when a seed failed (of one seed: 3 when it broke a promise), 2 for "
    "wrong usage.\n";

enum { SEED = 1, SEEDS, FAULTS, TRACE, DISK, STEPS, JOBS, TWICE, CAUGHT, CAUGHT_BY, HELP };
enum { STEPS_MAX = 1000000 };

typedef struct Arguments {
    const char *program;
    bool one, many, faults, trace, disk, twice, caught;
    uint64_t first, last;
    int64_t steps;
    size_t jobs; /* 0: as many as there are without the option */
    const char *by;
} Arguments;

static void print_help(const Arguments *arguments, FILE *out)
{
    const char *slash = strrchr(arguments->program, '/'), *name = slash ? slash + 1 : arguments->program;
    fprintf(out, help, name, name);
}

static _Noreturn void refuse(const Arguments *arguments, const char *format, ...) __attribute__((format(printf, 2, 3)));
static _Noreturn void refuse(const Arguments *arguments, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", arguments->program);
    vfprintf(stderr, format, args);
    fprintf(stderr, " (--help says what there is)\n");
    va_end(args);
    exit(2);
}

static uint64_t number(const Arguments *arguments, const char *option, const char *text, uint64_t least, uint64_t most)
{
    uint64_t value = 0;
    if (!str_to_u64(str_from(text), most, &value) || value < least) {
        refuse(arguments, "%s: \"%s\" is no number from %" PRIu64 " to %" PRIu64, option, text, least, most);
    }
    return value;
}

static void read_range(Arguments *arguments, char *text)
{
    char *dash = strchr(text, '-');
    arguments->many = true;
    arguments->first = 1;
    if (dash) {
        *dash = '\0';
        arguments->first = number(arguments, "--seeds", text, 0, UINT64_MAX - 1);
        text = dash + 1;
    }
    arguments->last = number(arguments, "--seeds", text, arguments->first, UINT64_MAX - 1);
}

static void read_one(Arguments *arguments, int option)
{
    switch (option) {
    case SEED:
        arguments->one = true;
        arguments->first = arguments->last = number(arguments, "--seed", optarg, 0, UINT64_MAX);
        break;
    case SEEDS: read_range(arguments, optarg); break;
    case FAULTS: arguments->faults = true; break;
    case TRACE: arguments->trace = true; break;
    case DISK: arguments->trace = arguments->disk = true; break;
    case STEPS: arguments->steps = (int64_t)number(arguments, "--steps", optarg, 1, STEPS_MAX); break;
    case JOBS: arguments->jobs = number(arguments, "--jobs", optarg, 1, RUNNER_JOBS_MAX); break;
    case TWICE: arguments->twice = true; break;
    case CAUGHT: arguments->caught = true; break;
    case CAUGHT_BY:
        arguments->caught = true;
        arguments->by = optarg;
        break;
    case HELP: print_help(arguments, stdout); exit(0);
    default: exit(2); /* getopt has said why */
    }
}

/* Nothing that was asked for may be left out in silence: who asks for it would take it for done. */
static void check_arguments(const Arguments *arguments)
{
    bool of_many = arguments->twice || arguments->caught || arguments->jobs > 0;
    bool of_one = arguments->trace || arguments->faults;
    if (arguments->one == arguments->many) {
        refuse(arguments, "one of --seed and --seeds");
    }
    if (arguments->one && of_many) {
        refuse(arguments, "--jobs, --twice, --caught and --caught-by go with --seeds");
    }
    if (arguments->many && of_one) {
        refuse(arguments, "--faults, --trace and --disk go with --seed");
    }
    if ((arguments->twice && arguments->caught) || (arguments->trace && arguments->faults)) {
        refuse(arguments, "%s",
               arguments->twice ? "one of --twice and --caught" : "one of --faults, --trace and --disk");
    }
}

static Arguments read_arguments(int argc, char **argv)
{
    static const struct option known[] = {
        {"seed", 1, NULL, SEED},           {"seeds", 1, NULL, SEEDS},   {"trace", 0, NULL, TRACE},
        {"disk", 0, NULL, DISK},           {"faults", 0, NULL, FAULTS}, {"steps", 1, NULL, STEPS},
        {"jobs", 1, NULL, JOBS},           {"twice", 0, NULL, TWICE},   {"caught", 0, NULL, CAUGHT},
        {"caught-by", 1, NULL, CAUGHT_BY}, {"help", 0, NULL, HELP},     {NULL, 0, NULL, 0}};
    Arguments arguments = {.program = argv[0]};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        read_one(&arguments, option);
    }
    if (optind != argc) {
        refuse(&arguments, "\"%s\" is no option", argv[optind]);
    }
    check_arguments(&arguments);
    return arguments;
}

/* ---- One seed ---------------------------------------------------------------------------------------------------- */

static void on_late(int number)
{
    static const char text[] = "the seed takes longer than a seed may, and is ended\n";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    signal(number, SIG_DFL);
    raise(number);
}

/* How a story's lines are read. It is no part of the story, whose hash knows nothing of it. */
static void print_legend(const char *words)
{
    printf(
        "Each line: the step, the simulated clock, what happened. What is indented belongs to the line above it.\n%s\n",
        words);
}

static void run_one(const Arguments *arguments, const Simulator *simulator)
{
    bool tells = arguments->trace || arguments->faults;
    const SeedOptions options = {.program = arguments->program,
                                 .seed = arguments->first,
                                 .steps = arguments->steps,
                                 .trace = tells ? stdout : NULL,
                                 .trace_disk = arguments->disk,
                                 .trace_faults = arguments->faults};
    SeedReport report;
    signal(SIGXCPU, on_late);
    signal(SIGALRM, on_late);
    runner_limit_time();
    if (tells) {
        print_legend(simulator->legend);
    }
    simulator->run(&options, &report);
    printf("seed %" PRIu64 " kept every promise: %" PRId64 " steps, %" PRId64 " entries, %" PRId64 " lives, %" PRId64
           " faults that struck; hash %016" PRIx64 "\n",
           arguments->first, report.steps, report.entries, report.lives, report.faults, report.hash);
}

int command_run(int argc, char **argv, const Simulator *simulator)
{
    enum { JOBS_USUAL = 2 };
    Arguments arguments = read_arguments(argc, argv);
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    if (arguments.one) {
        run_one(&arguments, simulator);
        return 0;
    }
    RunsOptions options = {.program = arguments.program,
                           .run = simulator->run,
                           .first = arguments.first,
                           .last = arguments.last,
                           .steps = arguments.steps,
                           .jobs = arguments.jobs ? arguments.jobs : JOBS_USUAL,
                           .until_broken = arguments.caught,
                           .by = arguments.by,
                           .twice = arguments.twice};
    RunsResult result = runner_run(&options);
    /* A defect may trip over an assertion in one seed, but has to be seen from outside in another. */
    bool caught = result.meant > 0 && result.broken + result.asserted == result.failed;
    return arguments.caught ? !caught : result.failed > 0;
}

/* Runs seeds of intake, each in a process of its own: weir-sim-intake [--seeds N | --seed S] [--caught]. With --caught one of them has to
 * break a promise, as builds with a mistake in them do; without, none may. --seed tells the run's story. Each is run twice, and
 * has to be the same. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "sim/intake_run.h"

static uint64_t number_of(const char *text)
{
    uint64_t number = 0;
    return str_to_u64(str_from(text), UINT64_MAX, &number) ? number : 0;
}

static void run_twice(uint64_t seed)
{
    uint64_t first = 0, second = 0;
    run_seed(seed, NULL, &first);
    run_seed(seed, NULL, &second);
    if (first != second) {
        printf("seed %" PRIu64 " is not the same run twice\n", seed);
        exit(1);
    }
}

/* Whether it kept its promises. */
static bool try_seed(uint64_t seed)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        run_twice(seed);
        exit(0);
    }
    waitpid(child, &status, 0);
    bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!good) {
        printf("seed %" PRIu64 " failed (status %d); its story: weir-sim-intake --seed %" PRIu64 "\n", seed, status,
               seed);
    }
    return good;
}

int main(int argc, char **argv)
{
    uint64_t seeds = 20, failed = 0, hash;
    bool caught = false;
    log_configure(LOG_ERROR, LOG_FORMAT_LOGFMT);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--caught") == 0) {
            caught = true;
        } else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            seeds = number_of(argv[++i]);
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            run_seed(number_of(argv[++i]), stdout, &hash);
            return 0;
        }
    }
    for (uint64_t seed = 1; seed <= seeds && !(caught && failed); seed++) {
        failed += !try_seed(seed);
    }
    printf("%" PRIu64 " of %" PRIu64 " seeds broke a promise\n", failed, seeds);
    return caught ? failed == 0 : failed > 0;
}

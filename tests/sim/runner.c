#include "sim/runner.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/story.h"

typedef struct Job {
    pid_t pid; /* 0: free */
    uint64_t seed;
    bool second;         /* the seed was run before */
    uint64_t first_hash; /* and had this hash */
    int report;          /* the reading end of a pipe */
    FILE *output;
} Job;

typedef struct Runner {
    const RunsOptions *options;
    Job jobs[RUNNER_JOBS_MAX];
    size_t running;
    uint64_t next, done;
    RunsResult result;
    SeedReport sum; /* hash: of all hashes, whatever their order */
} Runner;

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "simulator: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* ---- One seed, in a process of its own --------------------------------------------------------------------------- */

/* Of the processor's time, since the machine may be busy with something else; and of real time, should a run wait for
 * ever. */
void runner_limit_time(void)
{
    enum { WAITING_SECONDS_MAX = 20 * RUNNER_SECONDS_MAX };
    const struct rlimit limit = {RUNNER_SECONDS_MAX, RUNNER_SECONDS_MAX + 1};
    if (setrlimit(RLIMIT_CPU, &limit) != 0) {
        give_up("setrlimit");
    }
    alarm(WAITING_SECONDS_MAX);
}

static _Noreturn void run_child(SeedRun *run, const SeedOptions *options, FILE *output, int report)
{
    SeedReport done;
    dup2(fileno(output), STDOUT_FILENO);
    dup2(fileno(output), STDERR_FILENO);
    runner_limit_time();
    run(options, &done);
    fflush(stdout);
    /* Not exit(), but the leak checker has its say: it is run at exit. */
    if (write(report, &done, sizeof done) != (ssize_t)sizeof done) {
        _exit(2);
    }
    exit(0);
}

static void start(Runner *runner, Job *job, uint64_t seed, FILE *trace)
{
    const SeedOptions options = {
        .program = runner->options->program, .seed = seed, .steps = runner->options->steps, .trace = trace};
    int ends[2];
    job->output = trace ? trace : tmpfile();
    if (!job->output || pipe(ends) != 0) {
        give_up("a seed cannot be started");
    }
    fflush(stdout);
    job->pid = fork();
    if (job->pid < 0) {
        give_up("fork");
    }
    if (job->pid == 0) {
        close(ends[0]);
        run_child(runner->options->run, &options, job->output, ends[1]);
    }
    close(ends[1]);
    job->seed = seed;
    job->report = ends[0];
    runner->running++;
}

/* ---- What came of it --------------------------------------------------------------------------------------------- */

/* What the seed is, its settings, who takes part: up to where its first life begins. Returns where that ends. */
static long print_head(FILE *output)
{
    enum { HEAD_LINES_MAX = 60, LINE_BYTES = 400 };
    char line[LINE_BYTES];
    bool begun = false;
    rewind(output);
    for (int i = 0; i < HEAD_LINES_MAX && !begun && fgets(line, sizeof line, output); i++) {
        fputs(line, stdout);
        begun = strstr(line, STORY_FIRST_LIFE);
    }
    return ftell(output);
}

/* To the end of a line. */
static void skip_line(FILE *output)
{
    int c;
    do {
        c = fgetc(output);
    } while (c != EOF && c != '\n');
}

/* Its head and its end, or all of it when that is not much more. */
static void print_story(FILE *output)
{
    enum { TAIL_BYTES = 12000 };
    static char text[TAIL_BYTES];
    long head = print_head(output);
    fseek(output, 0, SEEK_END);
    if (ftell(output) - head > TAIL_BYTES) {
        printf("     …\n");
        fseek(output, -TAIL_BYTES, SEEK_END);
        skip_line(output);
    } else {
        fseek(output, head, SEEK_SET);
    }
    fwrite(text, 1, fread(text, 1, TAIL_BYTES, output), stdout);
}

static bool was_late(int status)
{
    return WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGALRM);
}

static const char *how_it_ended(int status, char *text, size_t room)
{
    if (was_late(status)) {
        snprintf(text, room, "took longer than %d s", RUNNER_SECONDS_MAX);
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == STORY_BROKEN_EXIT) {
        snprintf(text, room, "broke a promise");
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) {
        snprintf(text, room, "ended by an assertion");
    } else if (WIFSIGNALED(status)) {
        snprintf(text, room, "was killed by signal %d", WTERMSIG(status));
    } else {
        snprintf(text, room, "ended with %d", WEXITSTATUS(status));
    }
    return text;
}

/* The same again, with the story. It is waited for: one failure is told at a time. */
static void tell_failure(Runner *runner, uint64_t seed, int status)
{
    char text[64];
    Job again = {.pid = 0};
    FILE *trace = tmpfile();
    if (!trace) {
        give_up("no room for a story");
    }
    setvbuf(trace, NULL, _IOLBF, BUFSIZ); /* an assertion must not take the last lines with it */
    printf("---- seed %" PRIu64 " %s; its story, or the end of it:\n", seed, how_it_ended(status, text, sizeof text));
    start(runner, &again, seed, trace);
    int second = 0;
    waitpid(again.pid, &second, 0);
    runner->running--;
    print_story(trace);
    close(again.report);
    fclose(trace);
    if (second != status && !was_late(status) && !was_late(second)) {
        printf("     the second time it %s: the run is not deterministic\n", how_it_ended(second, text, sizeof text));
    }
    if (!WIFEXITED(second) || WEXITSTATUS(second) != STORY_BROKEN_EXIT) { /* else the story has told it */
        const SeedOptions options = {
            .program = runner->options->program, .seed = seed, .steps = runner->options->steps};
        story_print_command(&options, stdout);
    }
    fflush(stdout);
}

/* Whether it was the check that is meant which ended the run: what it says, expected or found has the text. */
static bool was_found_by(FILE *output, const char *by)
{
    enum { LINE_BYTES = 4096 };
    char line[LINE_BYTES];
    bool found = by == NULL, failed = false;
    rewind(output);
    while (!found && fgets(line, sizeof line, output)) {
        failed = failed || strncmp(line, "FAIL ", 5) == 0;
        found = failed && strstr(line, by);
    }
    return found;
}

/* A defect that is caught by another check than the one that is meant: its story is of no interest. */
static void tell_other(uint64_t seed, FILE *output)
{
    enum { LINE_BYTES = 400 };
    char line[LINE_BYTES];
    rewind(output);
    for (bool failed = false; fgets(line, sizeof line, output);) {
        failed = failed || strncmp(line, "FAIL ", 5) == 0;
        if (failed) {
            fputs(line, stdout);
        }
    }
    printf("     seed %" PRIu64 ": found by another check than the one that is meant\n", seed);
    fflush(stdout);
}

static void add_report(Runner *runner, const SeedReport *report)
{
    runner->sum.hash += report->hash;
    runner->sum.steps += report->steps;
    runner->sum.entries += report->entries;
    runner->sum.lives += report->lives;
    runner->sum.faults += report->faults;
}

static void run_second(Runner *runner, Job *job, uint64_t first_hash)
{
    FILE *trace = tmpfile();
    if (!trace) {
        give_up("no room for a story");
    }
    job->second = true;
    job->first_hash = first_hash;
    start(runner, job, job->seed, trace);
}

static void collect(Runner *runner, Job *job, int status)
{
    SeedReport report;
    bool complete = read(job->report, &report, sizeof report) == (ssize_t)sizeof report;
    bool failed = status != 0 || !complete, broken = WIFEXITED(status) && WEXITSTATUS(status) == STORY_BROKEN_EXIT;
    bool meant = broken && was_found_by(job->output, runner->options->by);
    if (broken && !meant) {
        tell_other(job->seed, job->output);
    }
    close(job->report);
    fclose(job->output);
    runner->running--;
    if (!failed && runner->options->twice && !job->second) {
        run_second(runner, job, report.hash);
        return;
    }
    Job done = *job;
    *job = (Job){.pid = 0};
    runner->done++;
    if (failed) {
        runner->result.failed++;
        runner->result.broken += broken;
        runner->result.meant += meant;
        runner->result.asserted += WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
        if (meant || !broken) {
            tell_failure(runner, done.seed, status);
        }
    } else if (done.second && done.first_hash != report.hash) {
        runner->result.failed++;
        printf("---- seed %" PRIu64 " has the hash %016" PRIx64 ", and %016" PRIx64
               " when its story is told: it is not deterministic\n",
               done.seed, done.first_hash, report.hash);
    } else {
        add_report(runner, &report);
    }
}

static void wait_for_one(Runner *runner)
{
    int status = 0;
    pid_t pid = waitpid(-1, &status, 0);
    if (pid < 0 && errno != EINTR) {
        give_up("waitpid");
    }
    for (size_t i = 0; i < runner->options->jobs; i++) {
        if (pid > 0 && runner->jobs[i].pid == pid) {
            collect(runner, &runner->jobs[i], status);
            return;
        }
    }
}

static bool wants_more(const Runner *runner)
{
    return runner->next <= runner->options->last && !(runner->options->until_broken && runner->result.meant);
}

static void start_one(Runner *runner)
{
    for (size_t i = 0; i < runner->options->jobs; i++) {
        if (runner->jobs[i].pid == 0) {
            start(runner, &runner->jobs[i], runner->next++, NULL);
            return;
        }
    }
}

RunsResult runner_run(const RunsOptions *options)
{
    static Runner runner;
    runner = (Runner){.options = options, .next = options->first};
    time_t begun = time(NULL);
    while (runner.running > 0 || wants_more(&runner)) {
        if (runner.running < options->jobs && wants_more(&runner)) {
            start_one(&runner);
        } else {
            wait_for_one(&runner);
        }
    }
    printf("%" PRIu64 " seeds (%" PRIu64 "-%" PRIu64 "), %" PRIu64
           " failed; %s%lld steps, %lld entries, %lld lives, %lld faults that struck, in %lld s; "
           "hash %016" PRIx64 "\n",
           runner.done, options->first, options->first + runner.done - 1, runner.result.failed,
           runner.result.failed ? "the others: " : "", (long long)runner.sum.steps, (long long)runner.sum.entries,
           (long long)runner.sum.lives, (long long)runner.sum.faults, (long long)(time(NULL) - begun), runner.sum.hash);
    return runner.result;
}

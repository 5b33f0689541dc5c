/* Queries as tasks: a question is put, answered in steps while others write between them, and the whole answer held
 * against the model's. A list has to be of the moment when it was begun; an aggregate of one moment while it was under
 * way. */
#ifndef WEIR_TESTS_SIM_TASKS_H
#define WEIR_TESTS_SIM_TASKS_H

#include "sim/question.h"

typedef struct World World;

enum { TASK_MOMENTS_MAX = 64 };

typedef struct Task {
    Query *query; /* NULL: none is under way; owns */
    Question question;
    Buf out;
    int64_t moments[TASK_MOMENTS_MAX]; /* where the log ended at each of its steps, without repetition */
    size_t moment_count;
    int64_t *seqs; /* a list's, from its first page on; owns */
    size_t seq_count;
    size_t listed; /* records on the pages before this one */
    size_t steps;
    char cursor[128];
} Task;

enum { TASKS_MAX = 2 };

typedef struct Tasks {
    Task items[TASKS_MAX];
} Tasks;

/* Begins a task, or goes on with one. */
void tasks_step(World *world);
/* Some questions from beginning to end, with nothing between. */
void tasks_all(World *world);
/* What is under way ends. */
void tasks_end(World *world);

#endif

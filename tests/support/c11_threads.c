/* C11 threads on top of POSIX ones. The thread sanitizer knows of POSIX threads alone, and ends the program when a
 * thread that it does not know of, as librdkafka's are, asks for memory. To be preloaded. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t) && sizeof(cnd_t) >= sizeof(pthread_cond_t),
               "one in the place of the other");

typedef struct Start {
    thrd_start_t run;
    void *self;
} Start;

static void *run(void *self)
{
    Start start = *(Start *)self;
    free(self);
    return (void *)(intptr_t)start.run(start.self);
}

static int result_of(int code) { return code == 0 ? thrd_success : code == ETIMEDOUT ? thrd_timedout : thrd_error; }

int thrd_create(thrd_t *ret_thread, thrd_start_t function, void *self)
{
    Start *start = malloc(sizeof *start);
    if (!start) {
        return thrd_nomem;
    }
    *start = (Start){function, self};
    int code = pthread_create(ret_thread, NULL, run, start);
    if (code != 0) {
        free(start);
    }
    return result_of(code);
}

int thrd_join(thrd_t thread, int *ret_result)
{
    void *result = NULL;
    int code = pthread_join(thread, &result);
    if (ret_result) {
        *ret_result = (int)(intptr_t)result;
    }
    return result_of(code);
}

int mtx_init(mtx_t *mutex, int type)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type & mtx_recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
    int code = pthread_mutex_init((pthread_mutex_t *)mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return result_of(code);
}

void mtx_destroy(mtx_t *mutex) { pthread_mutex_destroy((pthread_mutex_t *)mutex); }
int mtx_lock(mtx_t *mutex) { return result_of(pthread_mutex_lock((pthread_mutex_t *)mutex)); }
int mtx_unlock(mtx_t *mutex) { return result_of(pthread_mutex_unlock((pthread_mutex_t *)mutex)); }

int cnd_init(cnd_t *condition) { return result_of(pthread_cond_init((pthread_cond_t *)condition, NULL)); }
void cnd_destroy(cnd_t *condition) { pthread_cond_destroy((pthread_cond_t *)condition); }
int cnd_signal(cnd_t *condition) { return result_of(pthread_cond_signal((pthread_cond_t *)condition)); }
int cnd_broadcast(cnd_t *condition) { return result_of(pthread_cond_broadcast((pthread_cond_t *)condition)); }

int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
    return result_of(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex));
}

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *limit)
{
    return result_of(pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, limit));
}

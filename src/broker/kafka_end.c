#include "broker/kafka_end.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/wakeup.h"

/* Whoever of the two is through with it last frees it. */
typedef struct Ending {
    rd_kafka_t *client;
    Wakeup ended;
    atomic_int holders;
} Ending;

static void end_client(rd_kafka_t *client) { rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE); }

static void give_up(Ending *ending)
{
    if (atomic_fetch_sub(&ending->holders, 1) == 1) {
        wakeup_release(&ending->ended);
        free(ending);
    }
}

static void *run(void *self)
{
    Ending *ending = self;
    end_client(ending->client);
    wakeup_call(&ending->ended);
    give_up(ending);
    return NULL;
}

static bool start(Ending *ending)
{
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    bool started = pthread_create(&thread, &attributes, run, ending) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

void kafka_end(rd_kafka_t *client, int ms_max)
{
    Error error;
    if (!client) {
        return;
    }
    Ending *ending = calloc(1, sizeof *ending);
    if (!ending || wakeup_init(&ending->ended, &error) != STATUS_OK) {
        free(ending);
        end_client(client);
        return;
    }
    ending->client = client;
    ending->holders = 2;
    if (!start(ending)) {
        end_client(client);
        ending->holders = 1;
    } else {
        wakeup_wait(&ending->ended, INT64_C(1000) * ms_max);
    }
    give_up(ending);
}

/* What the files of Kafka as the front door share: front_door_kafka.c (the seam and the thread), front_door_connect.c
 * (settings, the producer, whether brokers are there). For nobody else.
 *
 * One thread has the producer. Calls are handed to it in a list, and everything that librdkafka has to say is said on
 * it:
 *
 *     hand_in ─► list ─► produce ─► in flight ─► the last report of a call ─► done
 *
 * librdkafka sends what fails again by itself, in order and without doubling it (an idempotent producer), until its
 * time is over. A producer that has failed for good is replaced by a new one; what it had is given back as unknown. */
#ifndef WEIR_INTAKE_FRONT_DOOR_KAFKA_H
#define WEIR_INTAKE_FRONT_DOOR_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "base/buf.h"
#include "base/wakeup.h"
#include "intake/front_door.h"

enum { FRONT_DOOR_TOPIC_BYTES = 256, FRONT_DOOR_REASON_BYTES = 256 };

typedef struct KafkaFrontDoor {
    FrontDoor base;
    FrontDoorOptions options;
    char topic_name[FRONT_DOOR_TOPIC_BYTES];
    rd_kafka_conf_t *conf; /* owns; each producer gets a copy */
    Wakeup wakeup;         /* called when there is a call, when librdkafka has something to say, and for a stop */
    pthread_t thread;
    bool is_running; /* the thread; only who starts and stops it looks */

    /* The thread's own. */
    rd_kafka_t *producer; /* NULL when there was no memory for one */
    rd_kafka_topic_t *topic;
    FrontDoorCall *in_flight; /* all of whose records were produced, or failed */
    Buf text;
    bool is_failing;                      /* the last call was not confirmed */
    bool is_suspect;                      /* librdkafka could reach no broker for a moment */
    unsigned probes_failed;               /* in a row */
    int64_t probe_us;                     /* when brokers are asked next, when they have to be */
    char reason[FRONT_DOOR_REASON_BYTES]; /* librdkafka's last complaint; empty for none */

    pthread_mutex_t lock; /* guards what follows */
    FrontDoorCall *first, **last;
    bool is_stopping;
    FrontDoorStatus status;
} KafkaFrontDoor;

static inline int64_t front_door_now_us(const KafkaFrontDoor *door) { return clock_monotonic_us(door->options.clock); }

/* Makes `conf`, but for the callbacks. */
Status front_door_settings(KafkaFrontDoor *door, Error *reterr) MUST_CHECK;

/* A producer in the place of the one there was, which is ended. BUSY: no memory; there is none then. */
Status front_door_renew(KafkaFrontDoor *door, Error *reterr) MUST_CHECK;
void front_door_disconnect(KafkaFrontDoor *door);

/* Asks brokers for the topic when there is doubt, and keeps the state. May take a second while none answers. */
void front_door_probe(KafkaFrontDoor *door);
/* A broker has taken something: there is no doubt. */
void front_door_is_up(KafkaFrontDoor *door);
/* Something was not taken. To look at the topic also makes librdkafka forget that it was once not allowed to write to
 * it. */
void front_door_is_in_doubt(KafkaFrontDoor *door);

#endif

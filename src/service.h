/* The service: everything that runs in `weir serve`, started in order and drained in reverse. */
#ifndef WEIR_SERVICE_H
#define WEIR_SERVICE_H

#include "config/config.h"

typedef struct ServiceOptions {
    const Config *config; /* borrows until service_run returns */
    /* Progress of opening the store; may be NULL. */
    void (*progress)(void *self, const char *what, uint64_t done, uint64_t total);
    /* Called once everything is up: "http://127.0.0.1:8080". */
    void (*listening)(void *self, const char *url);
    void *self;
} ServiceOptions;

/* Runs until SIGTERM or SIGINT, then refuses new work, finishes what was begun, and returns OK; everything that was
 * acknowledged is on disk. Another signal, when a second or two have passed, ends the process at once, with exit code
 * 130. Call it on the main thread before there are others, since it blocks the signals for all. REFUSED: what was asked
 * cannot be (an address, a store that is not ours). BUSY: another process holds the store. BROKEN: the store failed
 * while the service ran. A page of the database that the disk does not give back ends the process at once, with a
 * message. */
Status service_run(const ServiceOptions *options, Error *reterr) MUST_CHECK;

enum {
    SERVICE_EXIT_UNREADABLE = 74, /* the disk could not be read where the database is mapped: EX_IOERR of sysexits.h */
    SERVICE_EXIT_SECOND_SIGNAL = 130,
};

#endif

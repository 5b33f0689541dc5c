/* The contract of store.h as a suite of tests: run on every implementation.
 *
 * An implementation provides how a fresh place for a store is made and removed; the suite does the rest through
 * store.h. */
#ifndef WEIR_TESTS_CONTRACT_STORE_SUITE_H
#define WEIR_TESTS_CONTRACT_STORE_SUITE_H

#include "store/store.h"

typedef struct StoreFactory {
    const char *name;
    /* A new empty place in `ret_dir`. */
    void (*make)(char *ret_dir, size_t size);
    void (*remove)(const char *dir);
    /* What options differ from the defaults. */
    void (*adjust)(StoreOptions *options);
    Status (*open)(const StoreOptions *options, Store **ret_store, Error *reterr);
    bool keeps; /* what was written is there when the place is opened again */
} StoreFactory;

/* Runs all tests; returns how many failed. */
int store_suite_run(const StoreFactory *factory);
/* The part of them that is about the reading side. */
int store_suite_run_reading(const StoreFactory *factory);
/* And those about sinks, retries and replays, and about dead letters. */
int store_suite_run_deliveries(const StoreFactory *factory);
int store_suite_run_dead_letters(const StoreFactory *factory);
/* And those about sources. */
int store_suite_run_intake(const StoreFactory *factory);
/* And those about events. */
int store_suite_run_events(const StoreFactory *factory);
int store_suite_run_corrections(const StoreFactory *factory);
int store_suite_run_duplicates(const StoreFactory *factory);
/* And those about onboarding. */
int store_suite_run_onboard(const StoreFactory *factory);
int store_suite_run_jobs(const StoreFactory *factory);

#endif

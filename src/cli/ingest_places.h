/* How far files were taken into a store by `weir ingest` before: read once, when it starts. */
#ifndef WEIR_CLI_INGEST_PLACES_H
#define WEIR_CLI_INGEST_PLACES_H

#include "engine.h"
#include "intake/file_mark.h"

/* The source that their places and dead letters belong to; no source of the configuration has this name. */
#define INGEST_SOURCE STR("ingest")

typedef struct IngestPlaces {
    Arena arena;
    SourcePlace *items; /* by part */
    size_t count, cap;
} IngestPlaces;

/* Those that there is no memory for are not known: their files are read from the beginning, which is safe. */
Status ingest_places_read(IngestPlaces *places, Store *store, Error *reterr) MUST_CHECK;
void ingest_places_release(IngestPlaces *places);

/* Where there are many places, has the store forget some of those whose file is not there any more. */
Status ingest_places_prune(const IngestPlaces *places, Engine *engine, Error *reterr) MUST_CHECK;

bool ingest_places_find(const IngestPlaces *places, Str path, FileMark *ret_mark);

#endif

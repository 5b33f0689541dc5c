/* A group of messages and what it is handed in with: the records that were read from it, and what is no record. For a
 * feeder only. */
#ifndef WEIR_INTAKE_FEEDER_BATCH_H
#define WEIR_INTAKE_FEEDER_BATCH_H

#include "intake/intake.h"
#include "intake/source_group.h"

typedef struct Batch {
    Submission submission;
    IntakeChange intake;
    EventChange events; /* when that is what its messages are */
    EventItem *items, *failed;
    IntakeLetter *letters, *refused;
    SourceGroup group;
    size_t *message_of; /* for each record */
} Batch;

/* Reads every message of the group: a record or an event, or a dead letter. `done` and `owner` are the caller's to set.
 * BUSY: no memory. */
Status batch_prepare(Batch *batch, const SourceOptions *source, const IntakeOptions *options, Error *reterr) MUST_CHECK;

/* Once it is stored: tells the source what became of each message. */
void batch_fill_outcomes(Batch *batch);

#endif

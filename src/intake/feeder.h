/* A feeder: takes what one source has, makes records of it, has them stored together with the source's place, and tells
 * the source when they are. It decides when to try again; the source only reads.
 *
 * While one group is with the processor the next is fetched and read. Groups are stored one after another, so that a
 * place never gets ahead of a group that has to be handed in again. */
#ifndef WEIR_INTAKE_FEEDER_H
#define WEIR_INTAKE_FEEDER_H

#include "intake/intake.h"

typedef struct Feeder Feeder;

/* `open` makes the source, and is called again when it is needed anew. Borrows all until feeder_close. */
typedef Status FeederOpen(void *self, const SourceContext *context, Source **ret_source, Error *reterr);

Status feeder_open(const IntakeOptions *options, const SourceOptions *source, FeederOpen *open, void *self,
                   Feeder **ret_feeder, Error *reterr) MUST_CHECK;

/* Does what can be done now. Returns after how many microseconds, at most, there may be more to do. */
int64_t feeder_step(Feeder *feeder);

/* Waits so long at most; until messages have come, feeder_wake was called or the processor has answered. */
void feeder_wait(Feeder *feeder, int64_t us_max);
void feeder_wake(Feeder *feeder); /* from any thread */

/* The source's state in the store has changed, or a person wants what has failed to be tried now. From any thread. */
void feeder_look(Feeder *feeder);

/* Fetches nothing more. feeder_step then only ends what is under way; true when nothing is. */
bool feeder_finish(Feeder *feeder);

/* The processor has answered whatever was handed in. Accepts NULL. */
void feeder_close(Feeder *feeder);

void feeder_status(Feeder *feeder, SourceStatus *ret_status); /* from any thread */

#endif

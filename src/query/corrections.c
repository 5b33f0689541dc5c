#include "query/corrections.h"

static bool take_round(void *context, const EventCorrection *correction)
{
    CorrectionRound *round = context;
    bool is_reversal = round->reversal == 0;
    *(is_reversal ? &round->reversal : &round->replacement) = correction->seq;
    return is_reversal;
}

Status corrections_of(StoreReader *reader, int64_t seq, CorrectionRound *ret_round, Error *reterr)
{
    *ret_round = (CorrectionRound){0};
    return reader_event_corrections(reader, seq, seq, take_round, ret_round, reterr);
}

/* One step, for its visitor. */
typedef struct Collecting {
    Corrected *corrected;
    QueryStep *step;
    bool stopped, full;
} Collecting;

/* The first that corrects a record takes it back, and does not count itself. */
static bool collect(void *context, const EventCorrection *correction)
{
    Collecting *collecting = context;
    Corrected *corrected = collecting->corrected;
    if (correction->corrects == corrected->last) {
        return true;
    }
    collecting->full =
        !seq_set_add(corrected->set, correction->corrects) || !seq_set_add(corrected->set, correction->seq);
    corrected->last = correction->corrects;
    collecting->stopped = step_is_over(collecting->step);
    return !collecting->full && !collecting->stopped;
}

Status corrected_step(Corrected *corrected, QueryStep *step, bool *ret_done, Error *reterr)
{
    Collecting collecting = {.corrected = corrected, .step = step};
    int64_t first = corrected->last + 1;
    Status status = step_look(step, reterr);
    if (status == STATUS_OK) {
        status = reader_event_corrections(step->reader, first, view_bound(step->view), collect, &collecting, reterr);
    }
    if (status == STATUS_OK && collecting.full) {
        status =
            corrected->set->arena.starved
                ? error_set(reterr, STATUS_BUSY, "too many large aggregates at once; try again later")
                : error_set(reterr, STATUS_REFUSED, "the store has more corrected events than there is memory for");
    }
    *ret_done = status == STATUS_OK && !collecting.stopped;
    return status;
}

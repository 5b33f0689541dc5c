#include "intake/source_letters.h"

#include <stdlib.h>

#include "base/wakeup.h"
#include "record/event_letter.h"

/* The letters that are RETRYING are what waits. A group of them is fetched when the one before is in the store, since
 * until then they are still there. */
typedef struct LettersSource {
    Source base;
    StoreReader *reader;
    Wakeup wakeup;
    bool pending; /* a group was fetched and not acknowledged */
} LettersSource;

typedef struct Fetching {
    SourceGroup *group;
    Status status;
    Error *reterr;
} Fetching;

/* A group is of records, or of events. */
static bool is_of_a_kind(const SourceGroup *group, const DeadLetter *letter)
{
    Str mapping;
    return group->count == 0 ||
           event_format_parse(group->messages[0].format, &mapping) == event_format_parse(letter->format, &mapping);
}

static bool take_letter(void *context, const DeadLetter *letter)
{
    Fetching *fetching = context;
    SourceMessage message = {
        .raw = letter->raw, .place = letter->place, .format = letter->format, .letter = letter->id};
    /* Of a time when options allowed that: no group holds it, and others wait behind it. */
    if (letter->raw.len > SOURCE_MESSAGE_BYTES_MAX) {
        message.raw = STR("");
        message.refused = STR("is too long to be tried again: mend it so that it has at most 64 MiB, or discard it");
    }
    if (!source_group_has_room(fetching->group, message.raw.len) || !is_of_a_kind(fetching->group, letter)) {
        return false; /* those that follow come next */
    }
    fetching->status = source_group_add(fetching->group, &message, fetching->reterr);
    return fetching->status == STATUS_OK;
}

static Status read_letters(LettersSource *source, Fetching *fetching)
{
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    StoreView *view = NULL;
    filter.stage = DEAD_LETTER_INTAKE;
    filter.state = DEAD_LETTER_RETRYING;
    Status status = reader_begin(source->reader, &view, fetching->reterr);
    if (status != STATUS_OK) {
        return status;
    }
    status = reader_dead_letters(source->reader, &filter, take_letter, fetching, fetching->reterr);
    if (status == STATUS_OK) {
        status = reader_check(source->reader, fetching->reterr);
    }
    reader_end(source->reader);
    view_free(view);
    return status == STATUS_OK ? fetching->status : STATUS_BUSY;
}

static Status letters_connect(Source *base, const SourcePlace *places, size_t count, Error *reterr)
{
    (void)places;
    (void)count;
    (void)reterr;
    ((LettersSource *)base)->pending = false;
    return STATUS_OK;
}

static Status letters_fetch(Source *base, SourceGroup *group, Error *reterr)
{
    LettersSource *source = (LettersSource *)base;
    Fetching fetching = {.group = group, .reterr = reterr};
    if (!group || source->pending) {
        return STATUS_OK;
    }
    Status status = read_letters(source, &fetching);
    source->pending = status == STATUS_OK && group->count > 0;
    return status;
}

static Status letters_acknowledge(Source *base, const SourceGroup *group, Error *reterr)
{
    (void)group;
    (void)reterr;
    ((LettersSource *)base)->pending = false;
    return STATUS_OK;
}

static void letters_wait(Source *base, int64_t us_max) { wakeup_wait(&((LettersSource *)base)->wakeup, us_max); }

static void letters_wake(Source *base) { wakeup_call(&((LettersSource *)base)->wakeup); }

static void letters_lag(const Source *base, SourceLag *ret_lag)
{
    (void)base;
    *ret_lag = (SourceLag){.messages = -1};
}

static void letters_close(Source *base)
{
    LettersSource *source = (LettersSource *)base;
    store_reader_close(source->reader);
    wakeup_release(&source->wakeup);
    free(source);
}

static const SourceOps letters_ops = {
    .connect = letters_connect,
    .fetch = letters_fetch,
    .acknowledge = letters_acknowledge,
    .wait = letters_wait,
    .wake = letters_wake,
    .lag = letters_lag,
    .close = letters_close,
};

Status source_letters_open(void *self, const SourceContext *context, Source **ret_source, Error *reterr)
{
    (void)context;
    LettersSource *source = calloc(1, sizeof *source);
    if (!source) {
        return error_set(reterr, STATUS_BUSY, "no memory for a source");
    }
    source->base.ops = &letters_ops;
    source->wakeup = WAKEUP_NONE;
    Status status = wakeup_init(&source->wakeup, reterr);
    if (status == STATUS_OK) {
        status = store_reader_open(self, &source->reader, reterr);
    }
    if (status != STATUS_OK) {
        letters_close(&source->base);
        return status;
    }
    *ret_source = &source->base;
    return STATUS_OK;
}

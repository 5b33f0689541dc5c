/* Sources whose other side is in memory: the origins. An origin outlives the sources that are opened on it, as a broker
 * outlives the process that reads from it, so that a test can close a source at any moment, open it again and see what
 * comes. What fails when is scripted or drawn; the same clock, the same random numbers and the same calls give the same
 * run.
 *
 * A source aborts when it is not used as intake/source.h says: fetched from without a connection, groups acknowledged
 * out of their order.
 * One source of an origin is open at a time. Functions on origins may be called from any thread. It aborts without
 * memory. */
#ifndef WEIR_TESTS_SUPPORT_FAKE_SOURCE_H
#define WEIR_TESTS_SUPPORT_FAKE_SOURCE_H

#include "intake/source.h"

typedef enum FakeOriginStyle {
    /* Kafka's: offsets in parts; the other side notes what was acknowledged, and the larger of both places counts */
    FAKE_LOG,
    FAKE_QUEUE, /* Redis's: no places; what was acknowledged is gone, everything else comes again */
    FAKE_FILE,  /* offsets in parts; nobody notes them but the store */
} FakeOriginStyle;

typedef struct FakeOrigins FakeOrigins;
typedef struct FakeOrigin FakeOrigin;

typedef struct FakeOriginsOptions {
    const Random *random; /* borrows until fake_origins_free, as does all of this */
    const Clock *clock;
    /* Lets that much time go by: a source's wait() calls it again and again until it is over. Moves the clock where
     * that stands still. */
    void (*sleep)(void *self, int64_t us);
    void *self;
} FakeOriginsOptions;

FakeOrigins *fake_origins_new(const FakeOriginsOptions *options);
void fake_origins_free(FakeOrigins *origins); /* after its sources; accepts NULL */

/* The other side of the source of that name (which is copied), nothing in it. */
enum { FAKE_ORIGIN_PARTS_MAX = 8 };
FakeOrigin *fake_origins_add(FakeOrigins *origins, const char *name, FakeOriginStyle style, size_t parts);

/* IntakeOptions.open_source; `origins` is a FakeOrigins. REFUSED when no origin has the source's name. */
Status fake_source_open(void *origins, const SourceContext *context, Source **ret_source, Error *reterr) MUST_CHECK;

/* ---- What is there ----------------------------------------------------------------------------------------------- */

/* Appends a message, whose place is "<origin>/<part>/<offset>". Copies. Returns its offset. */
int64_t fake_origin_put(FakeOrigin *origin, size_t part, Str raw);
/* Likewise; its raw bytes, format, traceparent and `refused` are used. */
int64_t fake_origin_put_message(FakeOrigin *origin, size_t part, const SourceMessage *message);

size_t fake_origin_count(const FakeOrigin *origin); /* all that was ever put */
size_t fake_origin_left(const FakeOrigin *origin);  /* what was not acknowledged */
bool fake_origin_acknowledged(const FakeOrigin *origin, size_t part, int64_t offset);
/* What became of it, as the source was told when it was acknowledged the first time. */
OutcomeKind fake_origin_outcome(const FakeOrigin *origin, size_t part, int64_t offset);

typedef struct FakeOriginCounts {
    size_t opened, connected, closed; /* sources; calls of connect() that were OK; sources */
    size_t fetches, empty_calls;      /* calls with a group, and without */
    size_t messages, acknowledged;    /* fetched, one that comes again once more; groups */
} FakeOriginCounts;
FakeOriginCounts fake_origin_counts(const FakeOrigin *origin);

/* ---- What goes wrong --------------------------------------------------------------------------------------------- */

/* So many of a thousand calls. */
typedef struct FakeOriginFaults {
    unsigned connect_busy, fetch_busy;
    unsigned acknowledge_busy; /* the other side has noted it or not, as a coin falls */
    unsigned fetch_little;     /* only some of what would fit comes */
} FakeOriginFaults;
void fake_origin_set_faults(FakeOrigin *origin, const FakeOriginFaults *faults); /* copies */

/* Nothing works (BUSY). */
void fake_origin_set_down(FakeOrigin *origin, bool down);
/* The connection of the source that is open is gone, which it notices with its next call (BUSY). */
void fake_origin_cut(FakeOrigin *origin);
/* Everything is gone, and offsets begin at 0 again: REFUSED for who has a place. */
void fake_origin_recreate(FakeOrigin *origin);
/* The other side has forgotten what was acknowledged. FAKE_QUEUE: it is there again. */
void fake_origin_forget(FakeOrigin *origin);

/* The next `times` calls answer so. */
void fake_origin_script_open(FakeOrigin *origin, Status status, unsigned times);
void fake_origin_script_connect(FakeOrigin *origin, Status status, unsigned times);
void fake_origin_script_fetch(FakeOrigin *origin, Status status, unsigned times);
void fake_origin_script_acknowledge(FakeOrigin *origin, Status status, unsigned times);
/* What the sources have to say to people; "" for nothing. Borrows while it is used. */
void fake_origin_set_notice(FakeOrigin *origin, const char *notice);

#endif

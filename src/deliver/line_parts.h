/* The line as its own files see it: line.c (what is done in a step), line_send.c (what goes out), line_result.c (what
 * became of it), line_store.c (what is remembered). Callers use line.h. */
#ifndef WEIR_DELIVER_LINE_PARTS_H
#define WEIR_DELIVER_LINE_PARTS_H

#include <pthread.h>

#include "deliver/line.h"
#include "deliver/retries.h"
#include "deliver/window.h"

enum {
    LINE_WINDOW_MAX = 65536,        /* messages between the cursor and the newest that was sent */
    LINE_ORDERED_WINDOW_MAX = 4096, /* the same, where flows wait for themselves */
    LINE_BLOCKED_MAX = 1024,        /* messages that wait for their flow and are no retries, for want of room */
    LINE_GROUP_MAX = 4096,          /* messages in one call of send */
    LINE_GROUP_BYTES_MAX = 32 << 20,
    LINE_RESULTS_MAX = 256, /* taken at once */
    LINE_NOTES_MAX = 1024,  /* attempts and dead letters that wait to be written */
    LINE_NOTES_BYTES_MAX = 16 << 20,
};
#define LINE_FLUSH_US                                                                                                  \
    INT64_C(100000) /* a cursor is written at most so often, but for the sake of what else is to be written */
#define LINE_RETRY_US     INT64_C(100000)   /* after the processor had no room, or the disk none */
#define LINE_CONNECT_US   INT64_C(100000)   /* the first wait after a failed connection … */
#define LINE_RECONNECT_US INT64_C(30000000) /* … and the longest */

/* What happened and is not yet handed to the processor. */
typedef struct LineNotes {
    Arena arena; /* texts */
    StoredAttempt attempts[LINE_NOTES_MAX];
    size_t attempt_count;
    DeadLetter dead[LINE_NOTES_MAX];
    size_t dead_count;
    int64_t *settled; /* retries that are no more; STORE_RETRIES_MAX */
    size_t settled_count;
} LineNotes;

/* A piece of work that is with the processor, or has to be handed to it again. */
typedef struct LineWriting {
    Submission submission;
    LineNotes *notes; /* what it borrows; owns */
    StoredRetry *retries;
    bool wanted; /* there is something in it that the store has not taken */
    bool flying; /* the processor has it */
    bool landed; /* the processor is done with it: `status` and `error` say how. Guarded by the line's lock */
    Status status;
    Error error;
    int64_t again_us; /* not before */
} LineWriting;

/* A group of messages that is being put together. */
typedef struct LineGroup {
    Arena arena;
    Message messages[LINE_GROUP_MAX];
    size_t count, wanted;
    bool failed; /* no memory */
} LineGroup;

struct Line {
    const DispatcherOptions *options;
    const SinkOptions *sink_options;
    SinkContext context;
    int64_t job, through; /* of a replay; 0 and INT64_MAX for a live line */
    Str name;
    Sink *sink;
    Outbox *outbox;
    StoreReader *reader; /* for the sink's row and its retries */
    Breaker breaker;
    Window window;
    Retries retries;
    LineGroup *group;

    /* Messages in front of what was read that are settled already: dead letters from before, and retries from before
     * that have ended before the line came to them. */
    int64_t *ahead; /* by seq, at most LINE_WINDOW_MAX; owns */
    size_t ahead_count;
    bool ahead_known; /* the dead letters among them were read since the line went back or began */

    bool known; /* the sink's row is there and was read */
    bool connected, finishing, done;
    SinkState state;               /* as the store has it, or (disabled) is about to have it */
    int64_t version, version_seen; /* of the row: read, and asked for by line_control_changed */
    SinkPlace place, stored_place;
    int64_t stored_failed; /* of a replay: window.failed as the store has it */
    int64_t read_seq;      /* the log was read up to here */
    size_t in_flight;
    size_t held;                                    /* entries of the window in the state ENTRY_HELD */
    size_t blocked;                                 /* likewise ENTRY_BLOCKED */
    bool probe_retry;                               /* whether the next probe of a breaker is a retry */
    unsigned failed_connects;                       /* in a row, until something was taken */
    int64_t connect_at_us, look_at_us, flush_at_us; /* by the monotonic clock */
    int64_t hold_until_us; /* likewise: nothing new of the log before; there is no room for what would fail */
    bool put_wanted;       /* the sink has no row yet */
    bool disable_wanted;   /* the row is to say that it is disabled */
    char reason[ERROR_MESSAGE_BYTES_MAX]; /* why it disables itself */
    LineNotes *notes;                     /* owns */
    LineWriting writing;
    bool done_wanted; /* a replay has come to its end, and the store is to know */

    pthread_mutex_t lock; /* guards status, and what the processor answers */
    LineStatus status;
    LineStatus next; /* the thread's own, copied to `status` after each step */
};

/* line_store.c */

/* Reads the sink's row (or the replay's) and, when somebody changed it, the retries. */
void line_look(Line *line, int64_t now_us);
/* Hands to the processor what is to be remembered, when there is something and it is time. */
void line_write(Line *line, int64_t now_us);
/* Takes the processor's answer when it is there. */
void line_reap(Line *line, int64_t now_us);
/* Whether the results of another call fit in. */
bool line_has_room_for_notes(const Line *line);
/* Whether there are dead letters, or failures of a replay, that the store does not have yet: before it has, nothing is
 * sent, since a sink that remembers the place itself would go past them. */
bool line_has_unwritten_dead(const Line *line);
Status line_store_init(Line *line, Error *reterr) MUST_CHECK;
void line_store_release(Line *line);
/* Whether it was settled before the log was read up to it, and is not to be sent in its turn. */
bool line_is_settled_ahead(const Line *line, int64_t seq);
void line_settle_ahead(Line *line, int64_t seq);
/* What an attempt came to; `number` counts from 1. */
void line_note_attempt(Line *line, const SinkResult *result, int64_t number);
void line_note_dead(Line *line, int64_t seq, Str error, int64_t attempts);
/* A retry is no more: it was taken, or nobody took it. */
void line_end_retry(Line *line, int64_t seq, bool taken);
void line_disable(Line *line, const char *reason);
/* For the status: what went wrong last. */
void line_fail(Line *line, Str error);

/* line_send.c */

/* Sends retries that are due and what is next in the log, as far as the sink and the breaker let it. Returns when there
 * may be more, by the monotonic clock: `now_us` for at once. */
int64_t line_send(Line *line, int64_t now_us);
/* Makes the sink ready, when it is time. */
void line_connect(Line *line, int64_t now_us);
/* The sink has let go of what it had, or is to: whatever is under way is held. */
void line_hold_all(Line *line);
void line_disconnect(Line *line, const char *message, int64_t now_us);
/* Begins anew at a place, as if nothing were under way. */
void line_rewind(Line *line, SinkPlace place);

/* line_result.c */
void line_take_results(Line *line, int64_t now_us);

#endif

/* A line: one sink's way through the log, or a replay's. It decides what is sent when, and has the store remember how
 * far it got.
 *
 *               connect fails, send fails                    breaker open, connect failed
 *   CONNECTING ◄───────────────────────── RUNNING ──────────────────────────► HOLDING
 *        └──────── connect is OK ───────────►▲ └──────── pause is over ──────────┘
 *   any ── a person's word, 410 ──► PAUSED, DISABLED ── resumed by a person ──► CONNECTING
 *
 * A message is settled once it was taken, is stored as a retry, or is a dead letter; the cursor is behind the last of
 * the settled ones that have no unsettled one before them. Nothing is settled by a change that the store has not taken:
 * after a crash the line goes on at the stored cursor, and what was taken behind it is sent again (unless the sink
 * remembers the place itself).
 *
 * One thread, but for line_status and line_wake. */
#ifndef WEIR_DELIVER_LINE_H
#define WEIR_DELIVER_LINE_H

#include "deliver/dispatcher.h"

typedef struct Line Line;

/* A message that nobody takes would keep a replay running for as long as the live line has patience with it, a day and
 * more, and a person waits for it. So a replay is given a schedule of at most so many attempts and such delays, and
 * heeds a Retry-After so far. */
enum { LINE_REPLAY_ATTEMPTS_MAX = 4 };
#define LINE_REPLAY_DELAY_US       INT64_C(60000000)
#define LINE_REPLAY_RETRY_AFTER_US INT64_C(600000000)

/* `options` borrows until line_close, as does `sink`. With a replay its texts are copied. REFUSED: an option that the
 * sink cannot work with. */
Status line_open(const DispatcherOptions *options, const SinkOptions *sink, const StoredReplay *replay, Line **ret_line,
                 Error *reterr) MUST_CHECK;
/* Drops what is under way. Nothing that the line has handed to the processor may be left there (line_is_handed_over).
 * Accepts NULL. */
void line_close(Line *line);

/* Does a bounded piece of work. Returns after how many microseconds, at most, there may be more; 0 for at once. */
int64_t line_step(Line *line);

/* For the line's own thread: waits for an answer, for a wake, or so long. */
void line_wait(Line *line, int64_t us_max);

/* From any thread: something was committed, or the end has come. */
void line_wake(Line *line);

/* The first step towards the end: nothing more is sent, and no answer is waited for. Steps then only write what was
 * answered; over when nothing is left to be written (false). */
void line_finish(Line *line);
bool line_is_writing(const Line *line);
/* The processor has a piece of the line's work, which lies inside the line. */
bool line_is_handed_over(Line *line);

/* The sink's row has changed since the last call: replays may have come or gone. The line's own thread. */
bool line_control_changed(Line *line);

bool line_is_done(const Line *line); /* of a replay */
int64_t line_job(const Line *line);
const SinkOptions *line_sink(const Line *line);
void line_status(Line *line, LineStatus *ret_status);

#endif

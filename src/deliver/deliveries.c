#include "deliver/deliveries.h"

static const char *const names[] = {
    [DELIVERY_WAITING] = "waiting",         [DELIVERY_RETRYING] = "retrying",   [DELIVERY_DELIVERED] = "delivered",
    [DELIVERY_DEAD_LETTER] = "dead_letter", [DELIVERY_DISCARDED] = "discarded",
};

const char *delivery_state_name(DeliveryState state) { return names[state]; }

static size_t live_count(size_t count) { return count < DISPATCHER_SINKS_MAX ? count : DISPATCHER_SINKS_MAX; }

uint64_t deliveries_wanted(const LineStatus *lines, size_t count, MessageKind kind, const Record *record)
{
    uint64_t wanted = 0;
    for (size_t i = 0; i < live_count(count); i++) {
        const Subscription *subscription = &lines[i].options->subscription;
        bool wants = !lines[i].job && subscription->kinds & 1u << kind && subscription_wants(subscription, record);
        wanted |= wants ? UINT64_C(1) << i : 0;
    }
    return wanted;
}

/* One question, and what was found out about it. */
typedef struct Finding {
    StoreReader *reader;
    const LineStatus *lines;
    size_t count;
    const DeliverySubject *subject;
    uint64_t taken;                           /* bit i: an attempt of lines[i] is kept that went well */
    int64_t created_us[DISPATCHER_SINKS_MAX]; /* of the stored sinks; 0: there is none yet */
    int64_t cursors[DISPATCHER_SINKS_MAX];    /* likewise */
} Finding;

/* The index of the live line of that name, or `count`. */
static size_t line_named(const Finding *finding, Str name)
{
    size_t i = 0;
    while (i < finding->count && (finding->lines[i].job || !str_is(name, finding->lines[i].options->name))) {
        i++;
    }
    return i;
}

static bool note_sink(void *context, const StoredSink *sink)
{
    Finding *finding = context;
    size_t at = line_named(finding, sink->name);
    if (at < finding->count) {
        finding->created_us[at] = sink->created_us;
        finding->cursors[at] = sink->place.cursor;
    }
    return true;
}

static bool note_attempt(void *context, const StoredAttempt *attempt)
{
    Finding *finding = context;
    size_t at = line_named(finding, attempt->sink);
    if (at < finding->count && attempt->taken && attempt->job == 0) {
        finding->taken |= UINT64_C(1) << at;
    }
    return true;
}

/* A sink that began later never had the message before it. */
static bool had_begun(const Finding *finding, size_t at)
{
    int64_t start = finding->lines[at].options->start_seq;
    if (start < 0) {
        return finding->created_us[at] && finding->subject->committed_us >= finding->created_us[at];
    }
    return finding->subject->seq > start;
}

static bool note_letter(void *context, const DeadLetter *letter)
{
    static const DeliveryState states[] = {[DEAD_LETTER_OPEN] = DELIVERY_DEAD_LETTER,
                                           [DEAD_LETTER_RETRYING] = DELIVERY_RETRYING,
                                           [DEAD_LETTER_RESOLVED] = DELIVERY_DELIVERED,
                                           [DEAD_LETTER_DISCARDED] = DELIVERY_DISCARDED};
    Delivery *delivery = context;
    delivery->dead_letter = letter->id;
    delivery->state = states[letter->state];
    return false;
}

typedef struct RetryFinding {
    int64_t seq;
    Delivery *delivery;
} RetryFinding;

/* One without an attempt waits behind an earlier message of its flow; that of a dead letter is about to be tried. */
static bool note_retry(void *context, const StoredRetry *retry)
{
    RetryFinding *finding = context;
    if (retry->seq == finding->seq && retry->attempts == 0 && !finding->delivery->dead_letter) {
        finding->delivery->state = DELIVERY_WAITING;
    } else if (retry->seq == finding->seq) {
        finding->delivery->state = DELIVERY_RETRYING;
        finding->delivery->due_us = retry->due_us;
    }
    return retry->seq < finding->seq;
}

/* The stored cursor, not the line's own, which runs ahead of it: only the former is of one piece with the retries and
 * dead letters. */
static Status find_one(const Finding *finding, size_t at, Delivery *delivery, Error *reterr)
{
    const LineStatus *line = &finding->lines[at];
    int64_t seq = finding->subject->seq;
    bool was_taken = finding->taken & UINT64_C(1) << at || finding->cursors[at] >= seq;
    DeadLetterFilter filter = DEAD_LETTER_FILTER_ALL;
    RetryFinding retry = {seq, delivery};
    *delivery = (Delivery){.sink = line->options, .state = was_taken ? DELIVERY_DELIVERED : DELIVERY_WAITING};
    filter.origin = str_from(line->options->name);
    filter.seq = seq;
    Status status = reader_dead_letters(finding->reader, &filter, note_letter, delivery, reterr);
    if (status == STATUS_OK) {
        status = reader_retries(finding->reader, filter.origin, 0, note_retry, &retry, reterr);
    }
    return status;
}

Status deliveries_find(StoreReader *reader, const LineStatus *lines, size_t count, const DeliverySubject *subject,
                       Delivery ret_deliveries[DISPATCHER_SINKS_MAX], size_t *ret_count, Error *reterr)
{
    Finding finding = {.reader = reader, .lines = lines, .count = live_count(count), .subject = subject};
    size_t found = 0;
    *ret_count = 0;
    if (!subject->lines) {
        return STATUS_OK;
    }
    Status status = reader_sinks(reader, note_sink, &finding, reterr);
    if (status == STATUS_OK) {
        status = reader_attempts(reader, subject->seq, note_attempt, &finding, reterr);
    }
    for (size_t i = 0; i < finding.count && status == STATUS_OK; i++) {
        if (subject->lines & UINT64_C(1) << i && had_begun(&finding, i)) {
            status = find_one(&finding, i, &ret_deliveries[found], reterr);
            found++;
        }
    }
    *ret_count = status == STATUS_OK ? found : 0;
    return status;
}

/* What goes out: retries that are due, and what is next in the log. */
#include "base/backoff.h"
#include "deliver/line_parts.h"

enum { FLOW_BITS = 1 << 15 };

/* ---- Connection -------------------------------------------------------------------------------------------------- */

void line_rewind(Line *line, SinkPlace place)
{
    window_clear(&line->window);
    line->held = line->blocked = line->in_flight = 0;
    if (place.cursor < line->place.cursor) {
        line->ahead_known = false;
        line->look_at_us = 0;
    }
    line->place = place;
    line->read_seq = place.cursor;
}

void line_hold_all(Line *line)
{
    for (size_t i = 0; i < line->window.count; i++) {
        Entry *entry = window_at(&line->window, i);
        if (entry->state == ENTRY_SENT) {
            entry->state = ENTRY_HELD;
            line->held++;
        }
    }
    for (size_t i = 0; i < line->retries.count; i++) {
        line->retries.items[i].sent = false;
    }
    for (; line->in_flight > 0; line->in_flight--) {
        breaker_withdrawn(&line->breaker);
    }
}

void line_disconnect(Line *line, const char *message, int64_t now_us)
{
    line_hold_all(line);
    line_fail(line, str_from(message));
    line->connected = false;
    line->connect_at_us = now_us + backoff_exponential_us(LINE_CONNECT_US, LINE_RECONNECT_US, ++line->failed_connects,
                                                          line->options->random);
}

/* Nothing is sent before it is on disk. Whoever is further on than the log has heard from another copy of this store,
 * and what comes next would be passed over. */
static Status check_place(const Line *line, SinkPlace theirs, Error *reterr)
{
    int64_t last_seq = store_last_seq(line->options->store);
    if (theirs.cursor <= last_seq || theirs.cursor <= line->place.cursor) { /* a sink may begin further on */
        return STATUS_OK;
    }
    return error_set(
        reterr, STATUS_REFUSED,
        "the other side is at %lld and the log ends at %lld: it was sent to from another copy of this store; "
        "take that one, or another prefix",
        (long long)theirs.cursor, (long long)last_seq);
}

/* What the stream of a replay has was sent before a crash, and is not in its counts yet; what it has lost is about to
 * be sent again. */
static Status count_jump(Line *line, int64_t to, Error *reterr)
{
    int64_t from = line->place.cursor, low = from < to ? from : to, high = from < to ? to : from, count = 0;
    Status status = STATUS_OK;
    high = high < line->through ? high : line->through;
    while (line->job && status == STATUS_OK && low < high) {
        int64_t before = low;
        status = outbox_count(line->outbox, low, high, &count, &low, reterr);
        if (status == STATUS_OK && low == before) {
            status = error_set(reterr, STATUS_BUSY, "the log cannot be read up to %lld yet", (long long)high);
        }
    }
    if (status == STATUS_OK && from < to) {
        line->window.sent += count;
    } else if (status == STATUS_OK && line->job) {
        window_uncount(&line->window, from, to, count);
    }
    return status;
}

void line_connect(Line *line, int64_t now_us)
{
    Error error = {0};
    SinkPlace theirs = line->place;
    if (line->connected || now_us < line->connect_at_us) {
        return;
    }
    Status status = line->sink->ops->connect(line->sink, line->place, &theirs, &error);
    if (status == STATUS_OK) {
        status = check_place(line, theirs, &error);
    }
    if (status == STATUS_OK) {
        status = count_jump(line, theirs.cursor, &error);
    }
    if (status != STATUS_OK) {
        line_disconnect(line, error.message, clock_monotonic_us(line->options->clock));
        return;
    }
    line->connected = true;
    if (line->sink->notice.len > 0) {
        line_fail(line, line->sink->notice);
    }
    if (theirs.cursor != line->place.cursor) {
        line_rewind(line, theirs);
    }
    line->place = theirs;
}

/* ---- Flows ------------------------------------------------------------------------------------------------------- */

/* A set of flows that may say of one that it is in it though it is not: that one waits without need, and no order is
 * broken. */
typedef struct FlowBits {
    uint64_t words[FLOW_BITS / 64];
} FlowBits;

static void flow_bits_put(FlowBits *bits, uint64_t flow_hash)
{
    bits->words[flow_hash % FLOW_BITS / 64] |= UINT64_C(1) << flow_hash % 64;
}

static bool flow_bits_has(const FlowBits *bits, uint64_t flow_hash)
{
    return bits->words[flow_hash % FLOW_BITS / 64] & UINT64_C(1) << flow_hash % 64;
}

/* ---- Groups ------------------------------------------------------------------------------------------------------ */

static Str keep(LineGroup *group, Str text)
{
    Str copy = arena_copy(&group->arena, text);
    group->failed = group->failed || !copy.ptr;
    return copy;
}

static bool add_to_group(LineGroup *group, const Message *message)
{
    Message *copy = &group->messages[group->count];
    *copy = *message;
    copy->id = keep(group, message->id);
    copy->key = keep(group, message->key);
    copy->body = keep(group, message->body);
    copy->traceparent = keep(group, message->traceparent);
    group->count += !group->failed;
    return !group->failed;
}

static void begin_group(LineGroup *group, size_t wanted)
{
    arena_reset(&group->arena);
    group->count = 0;
    group->wanted = wanted < LINE_GROUP_MAX ? wanted : LINE_GROUP_MAX;
    group->failed = false;
}

/* Whatever was not sent is held: the sink lets go of the rest, too. */
static bool send_group(Line *line, const SinkPlace *place, int64_t now_us)
{
    LineGroup *group = line->group;
    Error error = {0};
    Status status = line->sink->ops->send(line->sink, group->messages, group->count, place, &error);
    line->in_flight += group->count;
    for (size_t i = 0; i < group->count; i++) {
        breaker_begun(&line->breaker);
    }
    if (status != STATUS_OK) {
        line_disconnect(line, error.message, now_us);
    }
    return status == STATUS_OK;
}

static bool take_message(void *context, const Message *message) { return add_to_group(context, message); }

/* ---- Retries ----------------------------------------------------------------------------------------------------- */

/* Its message is in the log no more. */
static void bury(Line *line, int64_t seq)
{
    const Retry *retry = retries_find(&line->retries, seq);
    if (!line->job) {
        line_note_dead(line, seq, STR("the message is in the log no more"), retry->stored.attempts);
    }
    line_end_retry(line, seq, false);
}

/* Adds the message to the group, or leaves the group as it was. */
static bool collect_one(Line *line, int64_t seq)
{
    Error error = {0};
    size_t before = line->group->count;
    Status status = outbox_read_one(line->outbox, seq, take_message, line->group, &error);
    if (status == STATUS_REFUSED && retries_find(&line->retries, seq)) {
        bury(line, seq);
    }
    if (status != STATUS_OK) {
        line->group->count = before;
    }
    return line->group->count > before;
}

/* A retry of a replay waits until the log was read up to it: where it ends in front of the cursor, only its entry keeps
 * it from being counted once more after a crash. It waits for a moment, and not at all when there is no room for what
 * is read. */
static bool is_too_early(const Line *line, int64_t seq)
{
    return line->job && seq > line->read_seq && !retries_is_full(&line->retries);
}

static void collect_retry(Line *line, int64_t seq)
{
    if (!is_too_early(line, seq) && collect_one(line, seq)) {
        retries_find(&line->retries, seq)->sent = true;
    }
}

/* A clock that was set back would let retries wait for as long as it was wrong. */
static void mend_times(Line *line, int64_t wall_us)
{
    const SinkOptions *options = line->sink_options;
    int64_t longest_us = line->job ? LINE_REPLAY_RETRY_AFTER_US : INT64_C(25) * 3600 * 1000000;
    for (size_t i = 0; i < options->schedule_count; i++) {
        int64_t with_jitter_us = options->schedule_us[i] + options->schedule_us[i] / 8;
        longest_us = with_jitter_us > longest_us ? with_jitter_us : longest_us;
    }
    for (size_t i = 0; i < line->retries.count; i++) {
        StoredRetry *stored = &line->retries.items[i].stored;
        stored->due_us = stored->due_us > wall_us + longest_us ? wall_us + longest_us : stored->due_us;
    }
}

/* Returns how many were sent. */
static size_t send_retries(Line *line, size_t wanted, int64_t now_us, int64_t *next_us)
{
    enum { AT_ONCE = 64 };
    int64_t seqs[AT_ONCE], next_wall_us, wall_us = clock_wall_us(line->options->clock);
    mend_times(line, wall_us);
    size_t count = retries_due(&line->retries, wall_us, seqs, wanted < AT_ONCE ? wanted : AT_ONCE, &next_wall_us);
    if (next_wall_us != INT64_MAX && now_us + (next_wall_us - wall_us) < *next_us) {
        *next_us = now_us + (next_wall_us - wall_us);
    }
    begin_group(line->group, count);
    for (size_t i = 0; i < count; i++) {
        collect_retry(line, seqs[i]);
    }
    size_t sent = line->group->count;
    return sent > 0 && send_group(line, NULL, now_us) ? sent : 0;
}

/* ---- The log ----------------------------------------------------------------------------------------------------- */

typedef struct Gathering {
    Line *line;
    FlowBits busy; /* flows of unsettled messages; only where the order counts */
} Gathering;

static void note_busy_flows(Gathering *gathering)
{
    const Line *line = gathering->line;
    for (size_t i = 0; line->sink_options->ordered && i < line->window.count; i++) {
        const Entry *entry = window_at(&line->window, i);
        if (entry->state != ENTRY_SETTLED && entry->flow_hash) {
            flow_bits_put(&gathering->busy, entry->flow_hash);
        }
    }
}

static void settle_new(Line *line, const Message *message)
{
    window_push(&line->window, message->seq, message->flow_hash)->state = ENTRY_SETTLED;
}

static void settle_given_up(Line *line, const Message *message)
{
    Entry *entry = window_push(&line->window, message->seq, message->flow_hash);
    entry->state = ENTRY_SETTLED;
    entry->given_up = true;
}

/* Whether it has to wait for an earlier message of its flow; then it is put where it waits. */
static bool waits(Gathering *gathering, const Message *message)
{
    Line *line = gathering->line;
    if (!line->sink_options->ordered || !message->flow_hash) {
        return false;
    }
    bool is_busy = flow_bits_has(&gathering->busy, message->flow_hash);
    flow_bits_put(&gathering->busy, message->flow_hash);
    if (is_busy || retries_has_flow(&line->retries, message->flow_hash)) {
        window_push(&line->window, message->seq, message->flow_hash)->state = ENTRY_BLOCKED;
        line->blocked++;
        return true;
    }
    return false;
}

static bool gather_new(Gathering *gathering, const Message *message)
{
    Line *line = gathering->line;
    if (window_is_full(&line->window) || line->blocked == LINE_BLOCKED_MAX) {
        return false;
    }
    if (retries_find(&line->retries, message->seq) || line_is_settled_ahead(line, message->seq)) { /* from before */
        settle_new(line, message);
        return true;
    }
    if (line->job && window_gave_up(&line->window, message->seq)) { /* before the other side lost what it had */
        settle_given_up(line, message);
        return true;
    }
    if (waits(gathering, message)) {
        return true;
    }
    if (!add_to_group(line->group, message)) {
        return false;
    }
    window_push(&line->window, message->seq, message->flow_hash);
    return true;
}

static bool gather(void *context, const Message *message)
{
    Gathering *gathering = context;
    Line *line = gathering->line;
    LineGroup *group = line->group;
    Entry *entry = window_find(&line->window, message->seq);
    if (group->count == group->wanted) {
        return false;
    }
    if (!entry) {
        return gather_new(gathering, message);
    }
    if (entry->state != ENTRY_HELD) {
        return true;
    }
    if (!add_to_group(group, message)) {
        return false;
    }
    entry->state = ENTRY_SENT;
    line->held--;
    return true;
}

/* Where to read on: behind what was read, or, when something has to be sent again, before the first of these. */
static int64_t place_to_read(const Line *line)
{
    for (size_t i = 0; line->held > 0 && i < line->window.count; i++) {
        if (window_at(&line->window, i)->state == ENTRY_HELD) {
            return window_at(&line->window, i)->seq - 1;
        }
    }
    return line->read_seq;
}

static bool has_more(const Line *line)
{
    int64_t last_seq = store_last_seq(line->options->store);
    int64_t end = last_seq < line->through ? last_seq : line->through;
    bool room = !window_is_full(&line->window) && line->blocked < LINE_BLOCKED_MAX;
    return line->held > 0 || (line->read_seq < end && room);
}

/* What was gathered is not sent after all. */
static void hold_group(Line *line)
{
    for (size_t i = 0; i < line->group->count; i++) {
        window_find(&line->window, line->group->messages[i].seq)->state = ENTRY_HELD;
        line->held++;
    }
}

/* Reading has failed somewhere behind what was put into the window: it goes on there, not in front. */
static void keep_place(Line *line)
{
    int64_t last = line->window.count > 0 ? window_at(&line->window, line->window.count - 1)->seq : 0;
    line->read_seq = last > line->read_seq ? last : line->read_seq;
    line->hold_until_us = clock_monotonic_us(line->options->clock) + LINE_RETRY_US;
}

/* Returns how many were sent. */
static size_t send_next(Line *line, size_t wanted, int64_t now_us)
{
    Gathering gathering = {.line = line};
    Error error = {0};
    int64_t after = place_to_read(line);
    note_busy_flows(&gathering);
    begin_group(line->group, wanted);
    if (outbox_read(line->outbox, after, line->through, gather, &gathering, &after, &error) != STATUS_OK) {
        line_fail(line, str_from(error.message));
        hold_group(line);
        keep_place(line);
        return 0;
    }
    line->read_seq = after > line->read_seq ? after : line->read_seq;
    size_t sent = line->group->count;
    if (line->group->failed) { /* no memory: what fitted goes out, the rest waits a moment */
        line->hold_until_us = now_us + LINE_RETRY_US;
    }
    if (sent == 0) {
        window_advance(&line->window, line->read_seq, &line->place);
        return 0;
    }
    SinkPlace place = {.cursor = after, .sent_seq = line->group->messages[sent - 1].seq};
    return send_group(line, &place, now_us) ? sent : 0;
}

/* Waits as a retry behind the retry of its flow. */
static void park(Line *line, Entry *entry)
{
    StoredRetry stored = {.seq = entry->seq, .flow_hash = entry->flow_hash};
    stored.due_us = clock_wall_us(line->options->clock);
    retries_put(&line->retries, &stored)->dirty = true;
    entry->state = ENTRY_SETTLED;
    line->blocked--;
}

/* What waits for nothing in the window steps aside when a retry of its flow is before it: only then, since the retry
 * may be of a dead letter that somebody has tried again, with an earlier message of the flow still under way. Room for
 * the next of the log comes of it. */
static void park_behind_retries(Line *line)
{
    if (line->blocked == 0 || line->retries.count == 0) {
        return;
    }
    FlowBits busy = {0};
    for (size_t i = 0; line->blocked > 0 && i < line->window.count; i++) {
        Entry *entry = window_at(&line->window, i);
        if (entry->state == ENTRY_SETTLED || !entry->flow_hash) {
            continue;
        }
        bool is_first = entry->state == ENTRY_BLOCKED && !flow_bits_has(&busy, entry->flow_hash);
        if (is_first && retries_has_flow(&line->retries, entry->flow_hash) && !retries_is_full(&line->retries)) {
            park(line, entry);
        } else {
            flow_bits_put(&busy, entry->flow_hash);
        }
    }
    window_advance(&line->window, line->read_seq, &line->place);
}

/* Those whose flow has nothing before them any more. */
static size_t send_blocked(Line *line, size_t wanted, int64_t now_us)
{
    FlowBits busy = {0};
    begin_group(line->group, wanted);
    for (size_t i = 0; line->blocked > 0 && i < line->window.count && line->group->count < line->group->wanted; i++) {
        Entry *entry = window_at(&line->window, i);
        if (entry->state == ENTRY_SETTLED || !entry->flow_hash) {
            continue;
        }
        bool is_next = entry->state == ENTRY_BLOCKED && !flow_bits_has(&busy, entry->flow_hash) &&
                       !retries_has_flow(&line->retries, entry->flow_hash);
        if (is_next && collect_one(line, entry->seq)) {
            entry->state = ENTRY_SENT;
            line->blocked--;
        }
        flow_bits_put(&busy, entry->flow_hash);
    }
    size_t sent = line->group->count;
    return sent > 0 && send_group(line, NULL, now_us) ? sent : 0;
}

/* ---- All of it --------------------------------------------------------------------------------------------------- */

static size_t probe_retry(Line *line, int64_t now_us)
{
    int64_t seq = retries_longest_due(&line->retries, clock_wall_us(line->options->clock));
    begin_group(line->group, 1);
    if (seq) {
        collect_retry(line, seq);
    }
    size_t sent = line->group->count;
    return sent > 0 && send_group(line, NULL, now_us) ? sent : 0;
}

/* The one request that a half-open breaker lets through is now a retry, each time another one, now the next of the log,
 * so that a message which nobody ever takes cannot keep it open. */
static void send_probe(Line *line, int64_t now_us)
{
    line->probe_retry = !line->probe_retry;
    size_t sent = line->probe_retry ? probe_retry(line, now_us) : 0;
    if (sent == 0 && line->connected && line->blocked > 0) {
        sent = send_blocked(line, 1, now_us);
    }
    if (sent == 0 && line->connected && has_more(line)) {
        sent = send_next(line, 1, now_us);
    }
    if (sent == 0 && line->connected) {
        probe_retry(line, now_us);
    }
}

/* When the next retry is due. */
static int64_t time_of_retry(const Line *line, int64_t now_us)
{
    int64_t seq, next_wall_us, wall_us = clock_wall_us(line->options->clock);
    size_t due = retries_due(&line->retries, wall_us, &seq, 1, &next_wall_us);
    return due > 0 || next_wall_us == INT64_MAX ? INT64_MAX : now_us + (next_wall_us - wall_us);
}

/* How many may be sent now. What was sent a moment ago is looked at first: some sinks have answered by then. */
static size_t room_of(Line *line, int64_t now_us)
{
    line_take_results(line, now_us);
    if (!line->connected || line->state != SINK_STATE_ACTIVE) {
        return 0; /* the other side may just have said that it wants nothing more */
    }
    if (line_has_unwritten_dead(line) || !line_has_room_for_notes(line)) {
        return 0; /* the processor's answer tells when that is over */
    }
    size_t room = line->sink->ops->room(line->sink);
    return room > 0 ? breaker_allows(&line->breaker, now_us, (unsigned)room) : 0;
}

static void send_more(Line *line, size_t room, int64_t now_us, int64_t *next_us)
{
    park_behind_retries(line);
    if (send_retries(line, room, now_us, next_us) > 0) {
        room = room_of(line, now_us);
    }
    if (line->connected && line->blocked > 0 && room > 0 && send_blocked(line, room, now_us) > 0) {
        room = room_of(line, now_us);
    }
    if (line->connected && room > 0 && has_more(line) && now_us >= line->hold_until_us) {
        send_next(line, room, now_us);
    }
}

int64_t line_send(Line *line, int64_t now_us)
{
    int64_t next_us = INT64_MAX;
    if (!line->ahead_known) {
        return next_us; /* the next look tells */
    }
    size_t room = room_of(line, now_us);
    if (room == 0) {
        return line->breaker.state == BREAKER_OPEN ? line->breaker.open_until_us : next_us;
    }
    if (line->breaker.state == BREAKER_HALF_OPEN) {
        send_probe(line, now_us);
        return time_of_retry(line, now_us);
    }
    send_more(line, room, now_us, &next_us);
    if (!has_more(line) || room_of(line, now_us) == 0) {
        return next_us;
    }
    int64_t more_us = line->hold_until_us > now_us ? line->hold_until_us : now_us;
    return more_us < next_us ? more_us : next_us;
}

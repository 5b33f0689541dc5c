#include "deliver/outbox.h"

#include <stdio.h>
#include <stdlib.h>

#include "deliver/message.h"

enum {
    BODY_BYTES_MAX = 256 << 10,
    NOTES_MAX = 256, /* messages that are not records, read at once */
    ROWS_MAX = 8192, /* rows looked at in a piece of work */
    NOTES_BYTES_MAX = 64 << 20,
    TEXTS_BYTES_MAX = 16 << 10,
};

static const struct {
    const char *name;
    MessageStream stream;
} kinds[MESSAGE_KIND_COUNT] = {
    [MESSAGE_NOTIFICATION] = {"notification", STREAM_NOTIFICATIONS},
    [MESSAGE_ALERT] = {"alert", STREAM_ALERTS},
    [MESSAGE_DEAD_LETTER_CREATED] = {"dead_letter.created", STREAM_DEAD_LETTERS},
    [MESSAGE_ORGANIZATION_CREATED] = {"organization.created", STREAM_ORGANIZATIONS},
    [MESSAGE_ORGANIZATION_UPDATED] = {"organization.updated", STREAM_ORGANIZATIONS},
    [MESSAGE_ORGANIZATION_PROCESSED] = {"organization.processed", STREAM_ORGANIZATIONS},
    [MESSAGE_ORGANIZATION_FAILED] = {"organization.failed", STREAM_ORGANIZATIONS},
    [MESSAGE_BATCH_COMPLETED] = {"batch.completed", STREAM_BATCHES},
    [MESSAGE_BATCH_FAILED] = {"batch.failed", STREAM_BATCHES},
};

const char *message_kind_name(MessageKind kind) { return kinds[kind].name; }
MessageStream message_kind_stream(MessageKind kind) { return kinds[kind].stream; }

const char *message_stream_name(MessageStream stream)
{
    static const char *const names[MESSAGE_STREAM_COUNT] = {"notifications", "alerts", "dead_letters", "organizations",
                                                            "batches"};
    return names[stream];
}

bool message_kind_parse(Str name, MessageKind *ret_kind)
{
    for (MessageKind kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
        if (str_is(name, kinds[kind].name)) {
            *ret_kind = kind;
            return true;
        }
    }
    return false;
}

bool subscription_wants_stream(const Subscription *subscription, MessageStream stream)
{
    bool wants = false;
    for (MessageKind kind = 0; kind < MESSAGE_KIND_COUNT; kind++) {
        wants = wants || (kinds[kind].stream == stream && subscription->kinds & 1u << kind);
    }
    return wants;
}

static bool allows(Str wanted, Str text) { return wanted.len == 0 || str_equal(wanted, text); }

bool subscription_wants(const Subscription *subscription, const Record *record)
{
    if (subscription->has_times &&
        (record->time_us < subscription->start_us || record->time_us > subscription->end_us)) {
        return false;
    }
    return record->value >= subscription->value_min && allows(subscription->source_id, record->source_id) &&
           allows(subscription->destination_id, record->destination_id) && allows(subscription->unit, record->unit) &&
           (subscription->type < 0 || subscription->type == (int)record->type);
}

size_t message_id_format(const StoreInfo *info, int64_t seq, char ret_id[MESSAGE_ID_BYTES_MAX])
{
    size_t len = (size_t)(str_put_hex(ret_id, info->id, sizeof info->id) - ret_id);
    return len + (size_t)snprintf(ret_id + len, MESSAGE_ID_BYTES_MAX - len, "-%lld-%lld", (long long)info->epoch,
                                  (long long)seq);
}

/* ---- Open and close ---------------------------------------------------------------------------------------------- */

/* A message that is not a record, made ready while its record could be asked for. */
typedef struct Note {
    MessageKind kind;
    int64_t seq, created_us;
    int64_t record_seq;
    Str body; /* first as it is stored, then as it is sent */
    Str key, traceparent;
    uint64_t flow_hash;
    bool wanted;
} Note;

struct Outbox {
    StoreReader *reader;
    const StoreInfo *info;
    Subscription subscription;
    Arena texts; /* the subscription's */
    Arena arena; /* the notes' */
    Buf body;    /* of the message that is handed out */
    Note notes[NOTES_MAX];
    size_t note_count;
};

static Status copy_subscription(Outbox *outbox, const Subscription *subscription, Error *reterr)
{
    outbox->subscription = *subscription;
    Str *texts[] = {&outbox->subscription.source_id, &outbox->subscription.destination_id, &outbox->subscription.unit};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = arena_copy(&outbox->texts, *texts[i]);
        if (!texts[i]->ptr) {
            return error_set(reterr, STATUS_BUSY, "out of memory");
        }
    }
    return STATUS_OK;
}

Status outbox_open(Store *store, const Subscription *subscription, Outbox **ret_outbox, Error *reterr)
{
    Outbox *outbox = calloc(1, sizeof *outbox);
    if (!outbox) {
        return error_set(reterr, STATUS_BUSY, "out of memory");
    }
    outbox->info = store_info(store);
    arena_init(&outbox->texts, 4096, TEXTS_BYTES_MAX);
    arena_init(&outbox->arena, 64 << 10, NOTES_BYTES_MAX);
    buf_init(&outbox->body, BODY_BYTES_MAX);
    Status status = copy_subscription(outbox, subscription, reterr);
    if (status == STATUS_OK) {
        status = store_reader_open(store, &outbox->reader, reterr);
    }
    if (status != STATUS_OK) {
        outbox_close(outbox);
        return status;
    }
    *ret_outbox = outbox;
    return STATUS_OK;
}

void outbox_close(Outbox *outbox)
{
    if (outbox) {
        store_reader_close(outbox->reader);
        arena_release(&outbox->texts);
        arena_release(&outbox->arena);
        buf_release(&outbox->body);
        free(outbox);
    }
}

/* ---- Messages that are not records ------------------------------------------------------------------------------- */

typedef struct Collecting {
    Outbox *outbox;
    int64_t through;
    size_t wanted;
    bool failed;
} Collecting;

static bool collect_note(void *context, const StoredMessage *message)
{
    Collecting *collecting = context;
    Outbox *outbox = collecting->outbox;
    if (message->seq > collecting->through) {
        return false;
    }
    Note *note = &outbox->notes[outbox->note_count++];
    *note = (Note){.seq = message->seq, .created_us = message->created_us, .record_seq = message->record_seq};
    /* A kind that this program does not know is a newer one's: it is passed over, as one that nobody asked for is. */
    note->wanted = message_kind_parse(message->kind, &note->kind) && outbox->subscription.kinds & 1u << note->kind;
    if (note->wanted) {
        note->body = arena_copy(&outbox->arena, message->body);
        note->key = message_subject(note->body);
        note->flow_hash = message_subject_hash(note->body, outbox->info->hash_seed);
        collecting->failed = !note->body.ptr;
    }
    return !collecting->failed && outbox->note_count < collecting->wanted;
}

typedef struct Completing {
    Outbox *outbox;
    Note *note;
    bool failed;
} Completing;

static Str keep(Completing *completing, Str text)
{
    Str copy = arena_copy(&completing->outbox->arena, text);
    completing->failed = completing->failed || !copy.ptr;
    return copy;
}

static bool complete_alert(void *context, const StoredRecord *stored)
{
    Completing *completing = context;
    Outbox *outbox = completing->outbox;
    Note *note = completing->note;
    const Record *record = &stored->record;
    note->wanted = subscription_wants(&outbox->subscription, record);
    if (note->wanted) {
        buf_reset(&outbox->body);
        message_put_alert(&outbox->body, stored, note->body, outbox->info->scale);
        completing->failed = outbox->body.failed;
        note->body = keep(completing, buf_str(&outbox->body));
        note->key = keep(completing, record->destination_id);
        note->traceparent = keep(completing, record->traceparent);
        note->flow_hash =
            record_flow_hash(record->destination_id, record->reference, record->unit, outbox->info->hash_seed);
    }
    return true;
}

/* One walk of the store inside another is not possible, so that the alerts' records are fetched before the log is
 * walked. */
static Status complete_notes(Outbox *outbox, Error *reterr)
{
    for (size_t i = 0; i < outbox->note_count; i++) {
        Completing completing = {outbox, &outbox->notes[i], false};
        if (!completing.note->wanted || completing.note->kind != MESSAGE_ALERT) {
            continue;
        }
        Status status = reader_get(outbox->reader, completing.note->record_seq, complete_alert, &completing, reterr);
        if (status == STATUS_REFUSED) { /* retention may have removed the record of an old alert */
            completing.note->wanted = false;
        } else if (status != STATUS_OK) {
            return status;
        }
        if (completing.failed) {
            return error_set(reterr, STATUS_BUSY, "no memory for the alert %lld", (long long)completing.note->seq);
        }
    }
    return STATUS_OK;
}

/* Reads those with after < seq ≤ *through, at most `wanted`; when there are more, *through is moved to the last that
 * was read. */
static Status collect_notes(Outbox *outbox, int64_t after, size_t wanted, int64_t *through, Error *reterr)
{
    Collecting collecting = {outbox, *through, wanted, false};
    outbox->note_count = 0;
    arena_reset(&outbox->arena);
    if (!(outbox->subscription.kinds & ~(1u << MESSAGE_NOTIFICATION))) {
        return STATUS_OK;
    }
    Status status = reader_messages(outbox->reader, STR(""), after, collect_note, &collecting, reterr);
    if (status == STATUS_OK && collecting.failed) {
        status = error_set(reterr, STATUS_BUSY, "no memory for messages");
    }
    if (status == STATUS_OK && outbox->note_count == wanted) {
        *through = outbox->notes[wanted - 1].seq;
    }
    return status == STATUS_OK ? complete_notes(outbox, reterr) : status;
}

/* ---- Handing out ------------------------------------------------------------------------------------------------- */

typedef struct Reading {
    Outbox *outbox;
    MessageTaker *take; /* NULL: messages are counted, and not made */
    void *context;
    int64_t counted;
    int64_t after; /* all wanted ones up to here were taken */
    size_t next_note;
    size_t rows;
    bool stopped;
    bool failed;
} Reading;

static bool hand_out(Reading *reading, Message *message)
{
    char id[MESSAGE_ID_BYTES_MAX];
    message->id = (Str){id, message_id_format(reading->outbox->info, message->seq, id)};
    reading->stopped = !reading->take(reading->context, message);
    return !reading->stopped;
}

static bool hand_out_note(Reading *reading, const Note *note)
{
    if (!reading->take) {
        reading->counted += note->wanted;
        reading->after = note->seq;
        return true;
    }
    Message message = {.seq = note->seq,
                       .kind = note->kind,
                       .key = note->key,
                       .body = note->body,
                       .traceparent = note->traceparent,
                       .created_us = note->created_us,
                       .flow_hash = note->flow_hash};
    if (note->wanted && !hand_out(reading, &message)) {
        return false;
    }
    reading->after = note->seq;
    return true;
}

static bool hand_out_notes(Reading *reading, int64_t before)
{
    Outbox *outbox = reading->outbox;
    for (; reading->next_note < outbox->note_count; reading->next_note++) {
        const Note *note = &outbox->notes[reading->next_note];
        if (note->seq >= before) {
            break;
        }
        if (!hand_out_note(reading, note)) {
            return false;
        }
    }
    return true;
}

static bool hand_out_record(Reading *reading, const StoredRecord *stored)
{
    Outbox *outbox = reading->outbox;
    const Record *record = &stored->record;
    buf_reset(&outbox->body);
    message_put_notification(&outbox->body, stored, outbox->info->scale);
    reading->failed = outbox->body.failed;
    Message message = {.seq = stored->seq,
                       .kind = MESSAGE_NOTIFICATION,
                       .key = record->destination_id,
                       .body = buf_str(&outbox->body),
                       .traceparent = record->traceparent,
                       .created_us = stored->received_us,
                       .flow_hash = record_flow_hash(record->destination_id, record->reference, record->unit,
                                                     outbox->info->hash_seed)};
    return !reading->failed && hand_out(reading, &message);
}

static bool visit_record(void *context, const StoredRecord *stored)
{
    Reading *reading = context;
    if (!hand_out_notes(reading, stored->seq)) {
        return false;
    }
    bool wanted = subscription_wants(&reading->outbox->subscription, &stored->record);
    reading->counted += wanted;
    if (wanted && reading->take && !hand_out_record(reading, stored)) {
        return false;
    }
    reading->after = stored->seq;
    reading->stopped = ++reading->rows == ROWS_MAX;
    return !reading->stopped;
}

/* What subscription_wants looks at, as RecordField bits. */
static uint32_t fields_of(const Subscription *subscription)
{
    uint32_t fields = FIELD_VALUE;
    fields |= subscription->source_id.len ? FIELD_SOURCE_ID : 0u;
    fields |= subscription->destination_id.len ? FIELD_DESTINATION_ID : 0u;
    fields |= subscription->unit.len ? FIELD_UNIT : 0u;
    fields |= subscription->type >= 0 ? FIELD_TYPE : 0u;
    return fields | (subscription->has_times ? FIELD_TIME : 0u);
}

static Status read_piece(Reading *reading, int64_t through, Error *reterr)
{
    Outbox *outbox = reading->outbox;
    Status status = collect_notes(outbox, reading->after, NOTES_MAX, &through, reterr);
    if (status == STATUS_OK && outbox->subscription.kinds & 1u << MESSAGE_NOTIFICATION) {
        uint32_t fields = reading->take ? (uint32_t)FIELD_ALL : fields_of(&outbox->subscription);
        status = reader_scan(outbox->reader, reading->after, through, fields, visit_record, reading, reterr);
    }
    if (status == STATUS_OK && reading->failed) {
        return error_set(reterr, STATUS_BUSY, "no memory for the message %lld", (long long)reading->after + 1);
    }
    if (status == STATUS_OK && !reading->stopped && hand_out_notes(reading, INT64_MAX)) {
        reading->after = through;
    }
    return status;
}

static Status read_in_view(Reading *reading, int64_t through, Error *reterr)
{
    StoreReader *reader = reading->outbox->reader;
    StoreView *view = NULL;
    Status status = reader_begin(reader, &view, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    int64_t bound = view_bound(view) < through ? view_bound(view) : through;
    if (reading->after < bound) {
        status = read_piece(reading, bound, reterr);
    }
    if (status == STATUS_OK) {
        status = reader_check(reader, reterr);
    }
    reader_end(reader);
    view_free(view);
    return status;
}

Status outbox_read(Outbox *outbox, int64_t after, int64_t through, MessageTaker *take, void *context,
                   int64_t *ret_after, Error *reterr)
{
    Reading reading = {.outbox = outbox, .take = take, .context = context, .after = after};
    Status status = read_in_view(&reading, through, reterr);
    *ret_after = reading.after;
    return status;
}

Status outbox_count(Outbox *outbox, int64_t after, int64_t through, int64_t *count, int64_t *ret_after, Error *reterr)
{
    Reading reading = {.outbox = outbox, .after = after};
    Status status = read_in_view(&reading, through, reterr);
    *count += status == STATUS_OK ? reading.counted : 0;
    *ret_after = status == STATUS_OK ? reading.after : after;
    return status;
}

/* ---- One message ------------------------------------------------------------------------------------------------- */

static bool visit_one(void *context, const StoredRecord *stored) { return hand_out_record(context, stored); }

/* The subscription is set aside for the moment: what is asked for by its number is wanted. */
static Status read_one_note(Reading *reading, int64_t seq, Error *reterr)
{
    Outbox *outbox = reading->outbox;
    Subscription subscription = outbox->subscription;
    int64_t through = seq;
    outbox->subscription = (Subscription){.kinds = (1u << MESSAGE_KIND_COUNT) - 1, .type = -1};
    Status status = collect_notes(outbox, seq - 1, 1, &through, reterr);
    outbox->subscription = subscription;
    if (status == STATUS_OK && (outbox->note_count == 0 || !outbox->notes[0].wanted)) {
        return error_set(reterr, STATUS_REFUSED, "there is no message %lld any more", (long long)seq);
    }
    if (status == STATUS_OK) {
        hand_out_note(reading, &outbox->notes[0]);
    }
    return status;
}

Status outbox_read_one(Outbox *outbox, int64_t seq, MessageTaker *take, void *context, Error *reterr)
{
    Reading reading = {.outbox = outbox, .take = take, .context = context, .after = seq - 1};
    StoreView *view = NULL;
    Status status = reader_begin(outbox->reader, &view, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    status = reader_get(outbox->reader, seq, visit_one, &reading, reterr);
    if (status == STATUS_REFUSED) {
        status = read_one_note(&reading, seq, reterr);
    } else if (status == STATUS_OK && reading.failed) {
        status = error_set(reterr, STATUS_BUSY, "no memory for the message %lld", (long long)seq);
    }
    if (status == STATUS_OK) {
        status = reader_check(outbox->reader, reterr);
    }
    reader_end(outbox->reader);
    view_free(view);
    return status;
}

/* What became of a record's messages at each sink. */
#include "http/route_deliveries.h"

#include "http/look.h"
#include "http/route_handlers.h"
#include "http/sink_json.h"

enum { ALERTS_MAX = 64, RECORDS_MAX = 100 };

/* A message of the record: its notification, and its alerts. */
typedef struct RecordMessage {
    MessageKind kind;
    DeliverySubject subject;
} RecordMessage;

typedef struct DeliveriesCall {
    Request *request;
    SinkLines lines;
    Str source_id;
    StoreView *view;           /* in which the records are looked for; owns */
    int64_t found_at;          /* of reader_find */
    int64_t seqs[RECORDS_MAX]; /* of the records with this id */
    size_t seq_count;
    int64_t seq;       /* of the one that is looked at */
    uint64_t alerting; /* lines that want its alerts */
    RecordMessage messages[ALERTS_MAX + 1];
    size_t message_count;
    Delivery deliveries[DISPATCHER_SINKS_MAX];
} DeliveriesCall;

/* ---- What there is ----------------------------------------------------------------------------------------------- */

static bool note_record(void *context, const StoredRecord *stored)
{
    DeliveriesCall *call = context;
    const SinkLines *lines = &call->lines;
    call->messages[0] = (RecordMessage){
        MESSAGE_NOTIFICATION,
        {.seq = stored->seq,
         .committed_us = stored->received_us,
         .lines = deliveries_wanted(lines->lines, lines->count, MESSAGE_NOTIFICATION, &stored->record)}};
    call->alerting = deliveries_wanted(lines->lines, lines->count, MESSAGE_ALERT, &stored->record);
    call->message_count = 1;
    return true;
}

/* A record's alerts stand right behind it in the log. */
static bool note_alert(void *context, const StoredMessage *message)
{
    DeliveriesCall *call = context;
    if (message->record_seq != call->seq || call->message_count > ALERTS_MAX) {
        return false;
    }
    call->messages[call->message_count++] =
        (RecordMessage){MESSAGE_ALERT, {message->seq, message->created_us, call->alerting}};
    return true;
}

static Status find_messages(DeliveriesCall *call, StoreReader *reader, int64_t seq, Error *reterr)
{
    call->seq = seq;
    call->message_count = 0;
    Status status = reader_get(reader, seq, note_record, call, reterr);
    return status == STATUS_OK ? reader_messages(reader, STR("alert"), seq, note_alert, call, reterr) : status;
}

/* ---- The states, for GET /api/records/{recordId} ----------------------------------------------------------------- */

Status deliveries_put_states(StoreReader *reader, const SinkLines *lines, int64_t seq, Arena *arena, Buf *buf,
                             Error *reterr)
{
    DeliveriesCall *call = ARENA_NEW(arena, DeliveriesCall);
    size_t count = 0;
    if (!call) {
        return error_set(reterr, STATUS_BUSY, "there is no memory for the deliveries");
    }
    call->lines = *lines;
    Status status = reader_get(reader, seq, note_record, call, reterr);
    if (status == STATUS_OK) {
        status = deliveries_find(reader, lines->lines, lines->count, &call->messages[0].subject, call->deliveries,
                                 &count, reterr);
    }
    buf_put_key(buf, "deliveries");
    buf_put_char(buf, '[');
    for (size_t i = 0; i < count; i++) {
        buf_put(buf, i ? STR(",") : STR(""));
        delivery_put_fields(buf, &call->deliveries[i]);
        buf_put_char(buf, '}');
    }
    buf_put_char(buf, ']');
    return status;
}

/* ---- All of it --------------------------------------------------------------------------------------------------- */

typedef struct AttemptPut {
    Buf *out;
    const char *sink;
    size_t count;
} AttemptPut;

static bool put_attempt(void *context, const StoredAttempt *attempt)
{
    AttemptPut *put = context;
    if (str_is(attempt->sink, put->sink)) {
        buf_put(put->out, put->count++ ? STR(",") : STR(""));
        attempt_put_json(put->out, attempt);
    }
    return !put->out->failed;
}

static Status put_delivery(Buf *out, StoreReader *reader, const Delivery *delivery, int64_t seq, Error *reterr)
{
    AttemptPut put = {.out = out, .sink = delivery->sink->name};
    delivery_put_fields(out, delivery);
    buf_put_key(out, "attempts");
    buf_put_char(out, '[');
    Status status = reader_attempts(reader, seq, put_attempt, &put, reterr);
    BUF_PUT(out, "]}");
    return status;
}

static Status put_message(DeliveriesCall *call, StoreReader *reader, const RecordMessage *message, Error *reterr)
{
    Buf *out = &call->request->out;
    size_t count = 0;
    Status status = deliveries_find(reader, call->lines.lines, call->lines.count, &message->subject, call->deliveries,
                                    &count, reterr);
    buf_put(out, out->len && out->ptr[out->len - 1] == '}' ? STR(",{") : STR("{"));
    buf_put_key_i64(out, "seq", message->subject.seq);
    buf_put_key(out, "type");
    buf_put_json(out, str_from(message_kind_name(message->kind)));
    buf_put_key(out, "sinks");
    buf_put_char(out, '[');
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        buf_put(out, i ? STR(",") : STR(""));
        status = put_delivery(out, reader, &call->deliveries[i], message->subject.seq, reterr);
    }
    BUF_PUT(out, "]}");
    return status;
}

static bool note_seq(void *context, const StoredRecord *stored)
{
    DeliveriesCall *call = context;
    call->seqs[call->seq_count++] = stored->seq;
    return call->seq_count < RECORDS_MAX;
}

/* Several records may have this id when the identity is more than that; all their messages are told, by sequence. */
static Status read_deliveries(Request *request, StoreReader *reader)
{
    DeliveriesCall *call = request->state;
    Error *error = &request->error;
    Status status = STATUS_OK;
    for (size_t i = 0; i < call->seq_count && status == STATUS_OK; i++) {
        status = find_messages(call, reader, call->seqs[i], error);
        for (size_t j = 0; j < call->message_count && status == STATUS_OK; j++) {
            status = put_message(call, reader, &call->messages[j], error);
        }
    }
    return status;
}

/* A piece of the search. */
static Status find_step(Request *request, StoreReader *reader)
{
    DeliveriesCall *call = request->state;
    Error *error = &request->error;
    Status status = call->view ? reader_resume(reader, call->view, error) : reader_begin(reader, &call->view, error);
    if (status == STATUS_OK) {
        status = reader_find(reader, request->id, call->source_id, &call->found_at, note_seq, call, error);
        if (status == STATUS_OK) {
            status = reader_check(reader, error);
        }
        reader_end(reader);
    }
    return status;
}

static JobNext read_step(Request *request, StoreReader *reader)
{
    const DeliveriesCall *call = request->state;
    if (call->found_at != FIND_DONE) {
        request->failed = find_step(request, reader);
        return request->failed == STATUS_OK ? JOB_AGAIN : JOB_FINISHED;
    }
    BUF_PUT(&request->out, "{\"data\":{\"recordId\":");
    buf_put_json(&request->out, request->id);
    BUF_PUT(&request->out, ",\"messages\":[");
    look_read(request, reader, read_deliveries);
    BUF_PUT(&request->out, "]}}");
    return JOB_FINISHED;
}

static void release(Request *request)
{
    DeliveriesCall *call = request->state;
    view_free(call->view);
}

static void say_deliveries(Request *request)
{
    const DeliveriesCall *call = request->state;
    if (request->failed != STATUS_OK) {
        request_failed(request, request->failed, &request->error);
    } else if (call->seq_count == 0) {
        request_problem(request, PROBLEM_NOT_FOUND, "there is no record with the id %.*s", STR_ARGS(request->id));
    } else {
        request_answer(request, 200, JSON_TYPE);
    }
}

void records_deliveries(Request *request)
{
    static const char *const known[] = {"sourceId"};
    const QueryParam *source = request_param(request, "sourceId");
    DeliveriesCall *call = request_check_params(request, known, 1) ? ARENA_NEW(&request->arena, DeliveriesCall) : NULL;
    if (!call) {
        if (request->phase == PHASE_HANDLING) {
            request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        }
        return;
    }
    call->request = request;
    call->source_id = source ? source->value : (Str){NULL, 0};
    request->state = call;
    request->release = release;
    if (sink_lines_look(request, &call->lines)) {
        request_run(request, read_step, say_deliveries);
    }
}

/* Partitions come and go, and where each is begun: behind what we have in the store, or what the group has committed,
 * whichever is further.
 * When the group is further by our own doing, the store is an older copy of itself, and what it has counts.
 *
 * Where our place is not the end of what may be wrong is looked at here, too: what retention removed before it was read
 * is told, and a topic that was made anew is refused. Questions to the brokers are asked within the callback; each
 * lasts step_ms at most, and there are three. */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

#include "broker/kafka_error.h"
#include "intake/kafka_source.h"

enum { AGAIN_MS = 100 };

/* What there is to know of partitions that were given to us, in the order in which they were given. */
typedef struct Given {
    rd_kafka_topic_partition_list_t *committed, *low, *high; /* own */
} Given;

static void release_given(Given *given)
{
    rd_kafka_topic_partition_list_t *lists[] = {given->committed, given->low, given->high};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (lists[i]) {
            rd_kafka_topic_partition_list_destroy(lists[i]);
        }
    }
}

/* ---- Asking ------------------------------------------------------------------------------------------------------ */

static Status check_answers(const rd_kafka_topic_partition_list_t *list, rd_kafka_resp_err_t code, const char *what,
                            Error *reterr)
{
    for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        code = list->elems[i].err;
    }
    Status status = kafka_error_status(code);
    return status == STATUS_OK ? status : error_set(reterr, status, "asking for %s: %s", what, rd_kafka_err2str(code));
}

/* `word`: BEGINNING or END for the first or the last offset of each, which a question for times takes as well; INVALID
 * for what the group has committed. */
static rd_kafka_resp_err_t ask_once(KafkaSource *source, rd_kafka_topic_partition_list_t *list, int64_t word, int ms)
{
    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].offset = word;
        list->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    return word == RD_KAFKA_OFFSET_INVALID ? rd_kafka_committed(source->consumer, list, ms)
                                           : rd_kafka_offsets_for_times(source->consumer, list, ms);
}

/* A leader that has just moved is found again within a moment. */
static Status ask_list(KafkaSource *source, rd_kafka_topic_partition_list_t *list, int64_t word, const char *what,
                       Error *reterr)
{
    int64_t deadline_us = kafka_source_now_us(source) + INT64_C(1000) * source->step_ms;
    for (;;) {
        int64_t left_ms = (deadline_us - kafka_source_now_us(source)) / 1000;
        rd_kafka_resp_err_t code = ask_once(source, list, word, left_ms > AGAIN_MS ? (int)left_ms : AGAIN_MS);
        Status status = check_answers(list, code, what, reterr);
        if (status != STATUS_BUSY || left_ms <= AGAIN_MS) {
            return status;
        }
        poll(NULL, 0, AGAIN_MS);
    }
}

static Status ask(KafkaSource *source, const rd_kafka_topic_partition_list_t *list, Given *given, Error *reterr)
{
    *given = (Given){.committed = rd_kafka_topic_partition_list_copy(list),
                     .low = rd_kafka_topic_partition_list_copy(list),
                     .high = rd_kafka_topic_partition_list_copy(list)};
    Status status = ask_list(source, given->committed, RD_KAFKA_OFFSET_INVALID, "what the group has committed", reterr);
    if (status == STATUS_OK) {
        status = ask_list(source, given->low, RD_KAFKA_OFFSET_BEGINNING, "where partitions begin", reterr);
    }
    if (status == STATUS_OK) {
        status = ask_list(source, given->high, RD_KAFKA_OFFSET_END, "where partitions end", reterr);
    }
    return status;
}

static const rd_kafka_topic_partition_t *find_answer(const rd_kafka_topic_partition_list_t *list,
                                                     const rd_kafka_topic_partition_t *asked)
{
    return rd_kafka_topic_partition_list_find((rd_kafka_topic_partition_list_t *)(uintptr_t)list, asked->topic,
                                              asked->partition);
}

static int64_t answer_of(const rd_kafka_topic_partition_list_t *list, const rd_kafka_topic_partition_t *asked)
{
    const rd_kafka_topic_partition_t *found = find_answer(list, asked);
    return found && found->offset >= 0 ? found->offset : KAFKA_NOWHERE;
}

/* Of a partition that was given to us. */
typedef struct Answers {
    int64_t theirs, low, high; /* what the group has committed, KAFKA_NOWHERE for nothing; where it begins and ends */
    bool ours;                 /* it was us who committed that */
} Answers;

static Answers answers_of(const KafkaSource *source, const Given *given, const rd_kafka_topic_partition_t *asked)
{
    const rd_kafka_topic_partition_t *committed = find_answer(given->committed, asked);
    return (Answers){.theirs = answer_of(given->committed, asked),
                     .low = answer_of(given->low, asked),
                     .high = answer_of(given->high, asked),
                     .ours = committed &&
                             kafka_sign_is(source->context->info->id, source->context->options->name, committed)};
}

/* ---- What a person should know ----------------------------------------------------------------------------------- */

enum { MORE_BYTES = 24 };

/* Partitions come together, and each may have something to tell: as much of it as there is room for. */
static void tell(KafkaSource *source, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(KafkaSource *source, const char *format, ...)
{
    char text[KAFKA_TEXT_BYTES], *notice = source->notice;
    size_t size = sizeof source->notice, at = source->told_bytes;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (at == 0) {
        kafka_source_note(source, false, "%s", text);
        source->told_bytes = source->base.notice.len;
    } else if (source->told_after == 0 && at + 2 + (size_t)len < size - MORE_BYTES) {
        source->told_bytes += (size_t)snprintf(notice + at, size - at, "; %s", text);
    } else {
        snprintf(notice + at, size - at, "; and %u more", ++source->told_after);
    }
    source->base.notice = str_from(notice);
}

/* ---- Where to begin ---------------------------------------------------------------------------------------------- */

/* Nobody knows of a place. A partition that was added to a topic which is read already is read from its beginning in
 * any case: what came to it before we had it is new. Its place is stored at once, so that a restart does not choose
 * anew. */
static void begin_new(KafkaSource *source, KafkaPart *part, int64_t low, int64_t high)
{
    bool from_beginning = source->context->options->from_beginning || kafka_parts_know(&source->parts, part->topic);
    part->next = from_beginning ? low : high;
    part->mark[0] = '\0';
    part->put = true;
}

static Status refuse_end(const KafkaSource *source, const KafkaPart *part, int64_t high, Error *reterr)
{
    return error_set(reterr, STATUS_REFUSED,
                     "%s ends at offset %lld, and was read up to %lld: the topic was made anew, or has lost its end; "
                     "'weir sources forget %s' starts over",
                     part->name, (long long)high, (long long)part->next, source->context->options->name);
}

static void pass_gap(KafkaSource *source, KafkaPart *part, int64_t low)
{
    tell(source, "%s: %lld messages were removed before they were read, from offset %lld on", part->name,
         (long long)(low - part->next), (long long)part->next);
    part->next = low;
    part->mark[0] = '\0';
    part->put = true;
}

/* From where to where, unless a new source would begin there or later anyway. */
static void tell_of_jump(KafkaSource *source, const KafkaPart *part, const Answers *is)
{
    bool from_beginning = source->context->options->from_beginning || kafka_parts_know(&source->parts, part->topic);
    if (part->next != KAFKA_NOWHERE) {
        tell(source, "%s: somebody else has moved the group from offset %lld to %lld, and the source goes on there",
             part->name, (long long)part->next, (long long)is->theirs);
    } else if (is->ours && is->theirs > is->low) {
        tell(source,
             "%s: this source has read up to offset %lld, and the store does not know: its place was forgotten, or the "
             "store is an older copy of itself; the source goes on there",
             part->name, (long long)is->theirs);
    } else if (from_beginning && is->theirs > is->low) {
        tell(source, "%s: the group is at offset %lld, and what is there from %lld on up to it is not read", part->name,
             (long long)is->theirs, (long long)is->low);
    }
}

/* Whoever else was further has stored what he committed, or wanted it to be skipped. But what was us is not in the
 * store any more: it is read again, and what is known after all counts once. */
static void follow(KafkaSource *source, KafkaPart *part, const Answers *is)
{
    if (is->theirs > is->high) {
        tell(source, "%s ends at offset %lld; the group's offset %lld is left aside", part->name, (long long)is->high,
             (long long)is->theirs);
    } else if (is->theirs > part->next && is->ours && part->next != KAFKA_NOWHERE) {
        tell(source,
             "%s: the store is an older copy of itself: it has read up to offset %lld, and had up to %lld before; what "
             "is between is read again",
             part->name, (long long)part->next, (long long)is->theirs);
    } else if (is->theirs > part->next) {
        tell_of_jump(source, part, is);
        part->next = is->theirs;
        part->mark[0] = '\0';
        part->put = true;
    }
}

/* *ret_from: what is read first; the message in front of our place, when it can be compared with what we know of it. */
static Status begin_part(KafkaSource *source, KafkaPart *part, const Answers *is, int64_t *ret_from, Error *reterr)
{
    if (part->next > is->high) {
        return refuse_end(source, part, is->high, reterr);
    }
    int64_t before = part->next;
    if (is->theirs < part->kept) { /* what was stored while the partition was not ours, or nobody's */
        kafka_source_commit_later(source);
    }
    follow(source, part, is);
    if (part->next == KAFKA_NOWHERE) {
        begin_new(source, part, is->low, is->high);
    } else if (part->next < is->low) {
        pass_gap(source, part, is->low);
    }
    part->compare = part->mark[0] != '\0' && part->next > is->low;
    *ret_from = part->compare ? part->next - 1 : part->next;
    /* What was handed over may still be under way. */
    if (part->next != before && part->next > part->stored) {
        part->stored = part->next;
    }
    part->end = is->high;
    part->seen_end = KAFKA_NOWHERE;
    return STATUS_OK;
}

/* ---- Coming ------------------------------------------------------------------------------------------------------ */

/* Before it is begun: no message of it comes by another queue. */
static void lead(KafkaSource *source, const rd_kafka_topic_partition_t *given)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(source->consumer, given->topic, given->partition);
    if (queue) {
        rd_kafka_queue_forward(queue, source->messages);
        rd_kafka_queue_destroy(queue);
    }
}

static Status begin_all(KafkaSource *source, rd_kafka_topic_partition_list_t *list, const Given *given, Error *reterr)
{
    Status status = STATUS_OK;
    for (int i = 0; i < list->cnt && status == STATUS_OK; i++) {
        rd_kafka_topic_partition_t *each = &list->elems[i];
        KafkaPart *part = kafka_parts_get(&source->parts, each->topic, each->partition);
        Answers is = answers_of(source, given, each);
        if (!part) {
            return error_set(reterr, STATUS_BUSY, "no memory for a partition");
        }
        if (is.low < 0 || is.high < 0) {
            return error_set(reterr, STATUS_BUSY, "%s: brokers do not say where it begins and ends", part->name);
        }
        status = begin_part(source, part, &is, &each->offset, reterr);
        part->assigned = status == STATUS_OK;
        lead(source, each);
    }
    return status;
}

/* When it fails, the consumer is left at the next call, and what comes until then is not looked at. */
static void come(KafkaSource *source, rd_kafka_topic_partition_list_t *list)
{
    Given given;
    Error error;
    Status status = ask(source, list, &given, &error);
    if (status == STATUS_OK) {
        kafka_source_unnote(source);
        source->told_bytes = source->told_after = 0;
        status = begin_all(source, list, &given, &error);
    }
    release_given(&given);
    if (status != STATUS_OK) {
        kafka_source_fail(source, status, "%s", error.message);
    }
}

/* ---- Going ------------------------------------------------------------------------------------------------------- */

/* What was handed over stays so: should it come back, we go on behind that. */
static void go(KafkaSource *source, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        KafkaPart *part = kafka_parts_find(&source->parts, list->elems[i].topic, list->elems[i].partition);
        if (part) {
            part->assigned = part->compare = false;
        }
        if (part && source->carry && source->carry->partition == part->partition &&
            strcmp(rd_kafka_topic_name(source->carry->rkt), part->topic) == 0) {
            rd_kafka_message_destroy(source->carry);
            source->carry = NULL;
        }
    }
}

static void check_call(KafkaSource *source, rd_kafka_error_t *error)
{
    Error text = {0};
    if (error) {
        Status status = kafka_error_take(error, "taking partitions", &text);
        kafka_source_fail(source, status, "%s", text.message);
    }
}

void kafka_source_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
                            void *self)
{
    KafkaSource *source = self;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !source->leaving) {
        source->joined = true;
        if (list->cnt > 0) {
            come(source, list);
        }
        check_call(source, rd_kafka_incremental_assign(consumer, list));
    } else if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        go(source, list);
        check_call(source, rd_kafka_incremental_unassign(consumer, list));
    } else {
        rd_kafka_assign(consumer, NULL);
    }
}

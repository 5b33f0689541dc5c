/* Partitions come and go, and where each is begun: behind what we have in the store, or what the group has committed,
 * whichever is further.
 * When the group is further by our own doing, the store is an older copy of itself, and what it has counts; or its
 * place was forgotten, and all is read again.
 *
 * Where our place is not the end of what may be wrong is looked at here, too: what retention removed before it was read
 * is told, and a topic that was made anew is refused. Questions to the brokers are asked within the callback, in
 * three steps, for which everything else waits.
 *
 * Of each partition that is judged by itself: one without a leader keeps no other from being read. It is ours, but
 * librdkafka is not told to read it, and it is tried again by and by, without a rebalance. */
#include <stdarg.h>
#include <stdio.h>

#include "base/backoff.h"
#include "broker/kafka_error.h"
#include "intake/kafka_source.h"

#define LATER_US     INT64_C(1000000) /* until what could not be begun is tried again, at first … */
#define LATER_US_MAX INT64_C(30000000)

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

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

/* The first thing that is not known of it. */
static rd_kafka_resp_err_t trouble_of(const KafkaGiven *given, const rd_kafka_topic_partition_t *asked)
{
    const rd_kafka_topic_partition_list_t *lists[] = {given->committed, given->low, given->high};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const rd_kafka_topic_partition_t *found = find_answer(lists[i], asked);
        if (found && found->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return found->err;
        }
    }
    bool known = answer_of(given->low, asked) >= 0 && answer_of(given->high, asked) >= 0;
    return known ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE;
}

/* Of a partition that was given to us. */
typedef struct Answers {
    int64_t theirs, low, high; /* what the group has committed, KAFKA_NOWHERE for nothing; where it begins and ends */
    bool ours;                 /* it was us who committed that */
} Answers;

static Answers answers_of(const KafkaSource *source, const KafkaGiven *given, const rd_kafka_topic_partition_t *asked)
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

/* Partitions come together, and each may have something to tell, also one that is begun later: as much of it as there
 * is room for. */
static void tell(KafkaSource *source, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(KafkaSource *source, const char *format, ...)
{
    char text[KAFKA_TEXT_BYTES], *notice = source->notice;
    size_t size = sizeof source->notice, at = source->told_bytes;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (source->tells_anew || at == 0) {
        kafka_source_note(source, false, "%s", text);
        source->told_bytes = strlen(notice);
        source->tells_anew = false;
    } else if (source->told_after == 0 && at + 2 + (size_t)len < size - MORE_BYTES) {
        source->told_bytes += (size_t)snprintf(notice + at, size - at, "; %s", text);
    } else {
        snprintf(notice + at, size - at, "; and %u more", ++source->told_after);
    }
    kafka_source_show(source);
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
    } else if (from_beginning && is->theirs > is->low) {
        tell(source, "%s: the group is at offset %lld, and what is there from %lld on up to it is not read", part->name,
             (long long)is->theirs, (long long)is->low);
    }
}

/* What the store does not know of may be in it, or not, and the topic be another one since: with none passed over, what
 * is known counts once. */
static void read_again(KafkaSource *source, KafkaPart *part, const Answers *is)
{
    tell(source,
         "%s: this source has read up to offset %lld, and the store does not know: its place was forgotten, or the "
         "store is an older copy of itself; all that is there is read, from offset %lld on",
         part->name, (long long)is->theirs, (long long)is->low);
    part->next = is->low;
    part->put = true;
}

/* Whoever else was further has stored what he committed, or wanted it to be skipped. But what was us is not in the
 * store any more: it is read again, and what is known after all counts once. */
static void follow(KafkaSource *source, KafkaPart *part, const Answers *is)
{
    if (is->ours && part->next == KAFKA_NOWHERE) {
        read_again(source, part, is);
    } else if (is->theirs > is->high) {
        tell(source, "%s ends at offset %lld; the group's offset %lld is left aside", part->name, (long long)is->high,
             (long long)is->theirs);
    } else if (is->theirs > part->next && is->ours) {
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

/* OK also when it has to wait, which is then its `trouble`. */
static Status begin_given(KafkaSource *source, const KafkaGiven *given, rd_kafka_topic_partition_t *each, Error *reterr)
{
    KafkaPart *part = kafka_parts_get(&source->parts, each->topic, each->partition);
    if (!part) {
        return error_set(reterr, STATUS_BUSY, "no memory for a partition");
    }
    part->trouble = trouble_of(given, each);
    part->group_trouble = part->trouble != RD_KAFKA_RESP_ERR_NO_ERROR && !find_answer(given->low, each);
    Status status = kafka_error_status(part->trouble);
    if (status == STATUS_OK) {
        Answers is = answers_of(source, given, each);
        status = begin_part(source, part, &is, &each->offset, reterr);
        part->assigned = status == STATUS_OK;
        lead(source, each);
    } else if (status == STATUS_REFUSED) {
        char text[KAFKA_TROUBLE_BYTES];
        kafka_part_trouble(part, text);
        error_set(reterr, status, "%s", text);
    }
    return status == STATUS_BUSY ? STATUS_OK : status;
}

static bool is_begun(KafkaSource *source, const rd_kafka_topic_partition_t *each)
{
    const KafkaPart *part = kafka_parts_find(&source->parts, each->topic, each->partition);
    return part && part->assigned;
}

/* Those of the list that are read. */
static rd_kafka_topic_partition_list_t *copy_begun(KafkaSource *source, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *copy = rd_kafka_topic_partition_list_new(list->cnt);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *each = &list->elems[i];
        if (is_begun(source, each)) {
            rd_kafka_topic_partition_list_add(copy, each->topic, each->partition)->offset = each->offset;
        }
    }
    return copy;
}

static bool reads_any(const KafkaSource *source)
{
    for (size_t i = 0; i < source->parts.count; i++) {
        if (source->parts.items[i].assigned) {
            return true;
        }
    }
    return false;
}

static const KafkaPart *first_in_trouble(const KafkaSource *source)
{
    for (size_t i = 0; i < source->parts.count; i++) {
        if (source->parts.items[i].trouble != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return &source->parts.items[i];
        }
    }
    return NULL;
}

/* A source that can read nothing at all is not connected. */
static Status look_at_trouble(KafkaSource *source, Error *reterr)
{
    const KafkaPart *part = first_in_trouble(source);
    kafka_source_show(source);
    if (!part) {
        source->again_us = source->again_failures = 0;
        return STATUS_OK;
    }
    source->again_us =
        kafka_source_now_us(source) +
        backoff_exponential_us(LATER_US, LATER_US_MAX, ++source->again_failures, source->context->random);
    if (reads_any(source)) {
        return STATUS_OK;
    }
    char text[KAFKA_TROUBLE_BYTES];
    kafka_part_trouble(part, text);
    return error_set(reterr, STATUS_BUSY, "%s", text);
}

/* When it fails, the consumer is left at the next call, and what comes until then is not looked at. */
static void come(KafkaSource *source, rd_kafka_topic_partition_list_t *list, bool again)
{
    KafkaGiven given;
    Error error;
    Status status = STATUS_OK;
    kafka_source_ask(source, list, again, &given);
    for (int i = 0; i < list->cnt && status == STATUS_OK; i++) {
        status = begin_given(source, &given, &list->elems[i], &error);
    }
    kafka_given_release(&given);
    if (status == STATUS_OK) {
        status = look_at_trouble(source, &error);
    }
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
            part->trouble = RD_KAFKA_RESP_ERR_NO_ERROR;
        }
        if (part && source->carry && source->carry->partition == part->partition &&
            strcmp(rd_kafka_topic_name(source->carry->rkt), part->topic) == 0) {
            rd_kafka_message_destroy(source->carry);
            source->carry = NULL;
        }
    }
    kafka_source_show(source);
}

static void check_call(KafkaSource *source, rd_kafka_error_t *error)
{
    Error text = {0};
    if (error) {
        Status status = kafka_error_take(error, "taking partitions", &text);
        kafka_source_fail(source, status, "%s", text.message);
    }
}

/* ---- What librdkafka is told ------------------------------------------------------------------------------------- */

static void take_begun(KafkaSource *source, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *begun = copy_begun(source, list);
    check_call(source, rd_kafka_incremental_assign(source->consumer, begun));
    rd_kafka_topic_partition_list_destroy(begun);
}

static void give_back(KafkaSource *source, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *begun = copy_begun(source, list);
    go(source, list);
    check_call(source, rd_kafka_incremental_unassign(source->consumer, begun));
    rd_kafka_topic_partition_list_destroy(begun);
}

void kafka_source_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
                            void *self)
{
    KafkaSource *source = self;
    source->joining = source->joining && code != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !source->leaving) {
        source->joined = true;
        source->again_failures = 0;
        if (list->cnt > 0) {
            kafka_source_unnote(source);
            source->tells_anew = true;
            come(source, list, false);
        }
        take_begun(source, list);
    } else if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        give_back(source, list);
    } else {
        rd_kafka_assign(consumer, NULL);
    }
}

static rd_kafka_topic_partition_list_t *list_in_trouble(const KafkaSource *source)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)source->parts.count);
    for (size_t i = 0; i < source->parts.count; i++) {
        const KafkaPart *part = &source->parts.items[i];
        if (part->trouble != RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_topic_partition_list_add(list, part->topic, part->partition);
        }
    }
    return list;
}

/* While they are asked for, nothing is taken of the others: the longer that lasted, the later they are tried again. */
void kafka_source_begin_due(KafkaSource *source)
{
    int64_t begun_us = kafka_source_now_us(source);
    if (source->again_us == 0 || begun_us < source->again_us) {
        return;
    }
    rd_kafka_topic_partition_list_t *list = list_in_trouble(source);
    source->again_us = 0;
    if (list->cnt > 0) {
        source->tells_anew = false;
        come(source, list, true);
        take_begun(source, list);
    }
    rd_kafka_topic_partition_list_destroy(list);
    int64_t now_us = kafka_source_now_us(source), rest_us = KAFKA_REST_TIMES * (now_us - begun_us);
    if (source->again_us && source->again_us < now_us + rest_us) {
        source->again_us = now_us + rest_us;
    }
}

/* A question about records: filters, an order, groups. As parameters for Weir's queries, and answered by the model. */
#ifndef WEIR_TESTS_SIM_QUESTION_H
#define WEIR_TESTS_SIM_QUESTION_H

#include "query/query.h"
#include "sim/model.h"
#include "sim/workload.h"

typedef enum QuestionKey {
    QUESTION_DESTINATION,
    QUESTION_SOURCE,
    QUESTION_REFERENCE,
    QUESTION_TYPE,
    QUESTION_UNIT
} QuestionKey;
enum { QUESTION_KEYS_MAX = 5, QUESTION_PARAMS_MAX = 16 };

typedef struct Question {
    bool is_aggregate;
    int64_t start_us, end_us; /* inclusive */
    bool has_start, has_end;
    int type;                                 /* RecordType, -1 for both */
    Str source, destination, reference, unit; /* empty: any */
    bool descending;                          /* a list */
    size_t limit;                             /* a list in pages; 0: all of it as NDJSON */
    bool records;                             /* an aggregate: lists them as well */
    QuestionKey keys[QUESTION_KEYS_MAX];
    size_t key_count;
    const char *window;         /* NULL for none */
    bool extremes, percentiles; /* measures */
} Question;

/* No filter at all; keeps the order. */
void question_everything(Question *question);
void question_draw(Question *question, uint64_t *random, const Workload *workload, int64_t now_us);

/* As parameters. The texts borrow from `room`, which stays where it is, and from the question. */
typedef struct QuestionParams {
    QueryParam items[QUESTION_PARAMS_MAX];
    size_t count;
    char room[8][128];
    size_t used;
} QuestionParams;
void question_params(const Question *question, QuestionParams *ret_params);

/* In one line, for the story. */
void question_put(const Question *question, char *ret_text, size_t room);

bool question_matches(const Question *question, const Record *record);
/* The sequences of the records that match up to `bound`, by (time, seq) as the question wants it. To be freed. */
int64_t *question_seqs(const Question *question, Model *model, int64_t bound, size_t *ret_count);

const char *question_key_name(QuestionKey key);
Str question_key_text(QuestionKey key, const Record *record);

#endif

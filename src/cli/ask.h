/* Questions of the command line, put to a running server (--to) or to a store's directory (--data), which is then only
 * read and may be in use by a server meanwhile. Both give the same bytes. */
#ifndef WEIR_CLI_ASK_H
#define WEIR_CLI_ASK_H

#include "cli/client.h"
#include "cli/command.h"

typedef enum QuestionKind { ASK_RECORDS, ASK_AGGREGATE, ASK_NOTIFICATIONS, ASK_ALERTS } QuestionKind;

typedef struct Question {
    QuestionKind kind;
    QueryFormat format; /* of records and aggregates; feeds are JSON */
    QueryParam params[ARGS_PARAMS_MAX];
    size_t param_count;
} Question;

typedef struct Asker Asker;

Status asker_open(const Args *args, Asker **ret_asker, Error *reterr) MUST_CHECK;
void asker_close(Asker *asker); /* accepts NULL */
bool asker_is_server(const Asker *asker);
/* The last sequence that is committed. */
Status asker_last_seq(Asker *asker, int64_t *ret_seq, Error *reterr) MUST_CHECK;

/* Hands the answer to `sink` piece by piece. REFUSED: the parameters are wrong, and the message names them. */
Status asker_ask(Asker *asker, const Question *question, ClientSink *sink, void *context, Error *reterr) MUST_CHECK;

/* The whole answer in `answer`, which is reset first. */
Status asker_ask_whole(Asker *asker, const Question *question, Buf *answer, Error *reterr) MUST_CHECK;

/* How --format and --json want the answer. */
typedef enum OutputFormat { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_NDJSON, OUTPUT_CSV } OutputFormat;
Status output_format(const Args *args, OutputFormat *ret_format, Error *reterr) MUST_CHECK;

/* Asks and prints: as a table that `put_table` makes of the JSON answer, else as the answer comes. Returns the exit
 * code. */
typedef void TablePrinter(Buf *out, Str answer);
int ask_and_print(const Args *args, Question *question, TablePrinter *put_table);

#endif

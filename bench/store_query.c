/* How long questions to a store take: no HTTP.
 *
 *   store_query DIR RUNS KIND [NAME=VALUE …]
 *
 * KIND is list, aggregate, or either with /ndjson or /csv behind it. Prints, over RUNS runs, the fastest, the median
 * and the slowest time to the first byte and to the last, the longest step, and the size of the answer. @A and @B in a
 * value stand for random instants to the second in the last 30 days, A before B. The store may be one that a server is
 * writing to. */
#include <stdlib.h>

#include "base/timestamp.h"
#include "query/query.h"
#include "store/store.h"

enum { RUNS_MAX = 10000, PARAMS_MAX = 16, ANSWER_BYTES_MAX = 1 << 24, WANTED_BYTES = 1 << 17 };

typedef struct Times {
    int64_t first_us, last_us, step_us;
    uint64_t bytes;
} Times;

typedef struct Question {
    char **params;
    size_t count;
    bool list;
    QueryFormat format;
} Question;

static int64_t now_us(void) { return clock_monotonic_us(&clock_system); }

static Status make(const Question *question, const QueryOptions *options, char instants[2][TIMESTAMP_TEXT_BYTES_MAX],
                   Query **ret_query, QueryProblems *problems)
{
    QueryParam params[PARAMS_MAX];
    for (size_t i = 0; i < question->count; i++) {
        Str value = str_from(question->params[i]);
        params[i].name = str_split(&value, '=');
        params[i].value = str_is(value, "@A")   ? str_from(instants[0])
                          : str_is(value, "@B") ? str_from(instants[1])
                                                : value;
    }
    return question->list
               ? query_list_new(params, question->count, question->format, options, ret_query, problems)
               : query_aggregate_new(params, question->count, question->format, options, ret_query, problems);
}

static Status run(Query *query, StoreReader *reader, Buf *out, Times *ret_times, Error *reterr)
{
    int64_t start = now_us();
    bool done = false;
    Status status = STATUS_OK;
    *ret_times = (Times){0};
    while (status == STATUS_OK && !done) {
        int64_t before = now_us();
        buf_reset(out);
        status = query_step(query, reader, WANTED_BYTES, out, &done, reterr);
        int64_t took = now_us() - before;
        ret_times->step_us = took > ret_times->step_us ? took : ret_times->step_us;
        ret_times->bytes += out->len;
        if (ret_times->first_us == 0 && out->len) {
            ret_times->first_us = now_us() - start;
        }
    }
    ret_times->last_us = now_us() - start;
    return status;
}

static void random_instants(char ret_instants[2][TIMESTAMP_TEXT_BYTES_MAX])
{
    int64_t second = 1000000, end = clock_wall_us(&clock_system) / second, length = INT64_C(30) * 86400;
    int64_t a = end - (int64_t)((uint64_t)random() % (uint64_t)length),
            b = end - (int64_t)((uint64_t)random() % (uint64_t)length);
    timestamp_format((a < b ? a : b) * second, ret_instants[0]);
    timestamp_format((a < b ? b : a) * second, ret_instants[1]);
}

static int fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    return 1;
}

static int compare_us(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* Fastest, median, slowest. */
static void print_times(const char *what, int64_t *us, size_t count)
{
    qsort(us, count, sizeof us[0], compare_us);
    printf("%s %.2f / %.2f / %.2f ms  ", what, (double)us[0] / 1000, (double)us[count / 2] / 1000,
           (double)us[count - 1] / 1000);
}

static Status run_once(const Question *question, StoreReader *reader, const StoreInfo *info, Buf *out, Times *ret_times,
                       Error *reterr)
{
    char instants[2][TIMESTAMP_TEXT_BYTES_MAX];
    QueryOptions options = query_options_default(info);
    QueryProblems problems;
    Query *query = NULL;
    random_instants(instants);
    Status status = make(question, &options, instants, &query, &problems);
    if (status != STATUS_OK) {
        return error_set(reterr, status, "%s", problems.count ? problems.items[0].problem : "out of memory");
    }
    status = run(query, reader, out, ret_times, reterr);
    query_free(query);
    return status;
}

static int measure(const Question *question, StoreReader *reader, const StoreInfo *info, size_t runs)
{
    static int64_t first_us[RUNS_MAX], last_us[RUNS_MAX];
    Times times = {0}, max = {0};
    Error error = {0};
    Buf out;
    buf_init(&out, ANSWER_BYTES_MAX);
    for (size_t i = 0; i < runs; i++) {
        if (run_once(question, reader, info, &out, &times, &error) != STATUS_OK) {
            return fail(error.message);
        }
        first_us[i] = times.first_us;
        last_us[i] = times.last_us;
        max.step_us = times.step_us > max.step_us ? times.step_us : max.step_us;
        max.bytes = times.bytes > max.bytes ? times.bytes : max.bytes;
    }
    print_times("first byte", first_us, runs);
    print_times("last byte", last_us, runs);
    printf("longest step %.2f ms  %llu bytes\n", (double)max.step_us / 1000, (unsigned long long)max.bytes);
    buf_release(&out);
    return 0;
}

int main(int argc, char **argv)
{
    Question question = {0};
    uint64_t runs = 0;
    Error error = {0};
    Store *store = NULL;
    StoreReader *reader = NULL;
    if (argc < 4 || argc > 4 + PARAMS_MAX || !str_to_u64(str_from(argv[2]), RUNS_MAX, &runs) || runs == 0) {
        fprintf(stderr, "usage: store_query DIR RUNS list|aggregate[/ndjson|/csv] [NAME=VALUE …]\n");
        return 2;
    }
    Str format = str_from(argv[3]), kind = str_split(&format, '/');
    question = (Question){.params = argv + 4, .count = (size_t)argc - 4, .list = str_is(kind, "list")};
    question.format = str_is(format, "csv") ? QUERY_CSV : str_is(format, "ndjson") ? QUERY_NDJSON : QUERY_JSON;
    StoreOptions options = store_options_default(argv[1]);
    options.read_only = true;
    if (store_open(&options, &store, &error) != STATUS_OK || store_reader_open(store, &reader, &error) != STATUS_OK) {
        return fail(error.message);
    }
    int code = measure(&question, reader, store_info(store), runs);
    store_reader_close(reader);
    store_close(store);
    return code;
}

/* A question as it comes in the address of a request: cut into parameters, read, and answered from a small store. What
 * the list answers is counted a second time, row by row. */
#include "fuzz.h"

#include <yyjson.h>

#include "http/uri.h"
#include "query/request.h"
#include "support/fake_store.h"

enum { ROWS = 40, PUBLISHED = 25, ANSWER_BYTES_MAX = 64 << 20, STEPS_MAX = 100000 };

static const StoreInfo info = {.epoch = 1, .hash_seed = 77, .scale = 2};

static int64_t still(void *self)
{
    (void)self;
    return 1000;
}
static const Clock standing = {still, still, NULL};

/* ---- The store --------------------------------------------------------------------------------------------------- */

/* Texts that need quotes, escapes and several bytes a character. */
static const char *const texts[] = {"a", "b,\"c\"", "d&=+ e", "\xC3\xA5\xE2\x82\xAC", "-\n", "=1+1"};
static Record rows[ROWS];

static void make_rows(void)
{
    static char ids[ROWS][96];
    for (int i = 0; i < ROWS; i++) {
        const char *forms[] = {"rec-%d", "sha256:%064x", "correction:%064x:2", "sha256:%064x:3"};
        snprintf(ids[i], sizeof ids[i], forms[i % 4], i);
        rows[i] = (Record){.record_id = str_from(ids[i]),
                           .source_id = str_from(texts[i % 2]),
                           .destination_id = str_from(texts[i % 6]),
                           .unit = i % 3 ? STR("EUR") : STR("SEK"),
                           .reference = str_from(texts[i % 5]),
                           .type = i % 4 ? RECORD_POSITIVE : RECORD_NEGATIVE,
                           .value = i * 12345,
                           /* From before 1970, over the change of clocks in Europe, to the end of time. */
                           .time_us = i == 0   ? TIMESTAMP_MIN
                                      : i == 1 ? TIMESTAMP_MAX
                                               : INT64_C(1743289200000000) + (i % 10 - 5) * INT64_C(1800000000)};
    }
}

/* Others have ids like theirs. */
static bool is_event(int row) { return row % 8 == 1 || row % 8 == 2; }

static Store *the_store(void)
{
    static Store *store;
    if (!store) {
        make_rows();
        store = fake_store_new(&info);
        for (int i = 0; i < ROWS; i++) {
            (is_event(i) ? fake_store_add_event : fake_store_add)(store, &rows[i]);
            if (i == PUBLISHED) {
                fake_store_publish(store);
            }
        }
    }
    return store;
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

/* The whole answer; false when it was refused. The query is freed. */
static bool run(Query *query, Buf *out)
{
    Error error;
    bool done = false;
    Status status = STATUS_OK;
    buf_init(out, ANSWER_BYTES_MAX);
    for (int i = 0; !done && status == STATUS_OK; i++) {
        PROMISE(i < STEPS_MAX);
        status = query_step(query, fake_store_reader(the_store()), 4096, out, &done, &error);
    }
    PROMISE(status == STATUS_OK || (status == STATUS_REFUSED && out->len == 0 && error.message[0]));
    PROMISE(!out->failed);
    query_free(query);
    return status == STATUS_OK;
}

static bool is_json(Str text)
{
    yyjson_doc *doc = yyjson_read(text.ptr, text.len, YYJSON_READ_NOFLAG);
    bool is_object = yyjson_is_obj(yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return is_object;
}

static size_t count_json_lines(Str text)
{
    size_t lines = 0;
    while (text.len > 0) {
        Str line = str_split(&text, '\n');
        PROMISE(text.ptr && is_json(line));
        lines++;
    }
    return lines;
}

static QueryOptions options(void)
{
    QueryOptions options = query_options_default(&info);
    options.clock = &standing;
    options.group_bytes_max = 1 << 20;
    return options;
}

static size_t count_matches(const Filter *filter)
{
    size_t count = 0;
    for (int i = 0; i < ROWS; i++) {
        count += filter_takes(filter, &(StoredRecord){.record = rows[i], .is_event = is_event(i)});
    }
    return count;
}

/* ---- Questions --------------------------------------------------------------------------------------------------- */

static void check_problems(const QueryProblems *problems)
{
    PROMISE(problems->count > 0 && problems->count <= QUERY_PROBLEMS_MAX);
    for (size_t i = 0; i < problems->count; i++) {
        PROMISE(str_count_code_points(str_from(problems->items[i].field)) >= 0);
        PROMISE(problems->items[i].problem[0] != '\0');
    }
}

typedef Status MakeQuery(const QueryParam *params, size_t count, QueryFormat format, const QueryOptions *options,
                         Query **ret_query, QueryProblems *problems);

/* `read` is what the parameters were found to say. */
static void check_list(MakeQuery *make, const QueryParam *params, size_t count, const Request *read)
{
    static const QueryFormat formats[] = {QUERY_JSON, QUERY_NDJSON, QUERY_CSV};
    size_t matches = count_matches(&read->filter);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        Buf out;
        Query *query;
        QueryProblems problems;
        QueryOptions list_options = options();
        Status status = make(params, count, formats[i], &list_options, &query, &problems);
        if (status != STATUS_OK) {
            check_problems(&problems);
            PROMISE(status == STATUS_REFUSED && read->cursor.len > 0);
            continue;
        }
        PROMISE(run(query, &out));
        PROMISE(formats[i] != QUERY_JSON || is_json(buf_str(&out)));
        if (formats[i] == QUERY_NDJSON && read->cursor.len == 0) {
            bool cut = read->limit && matches > read->limit;
            PROMISE(count_json_lines(buf_str(&out)) == (cut ? read->limit : matches));
        }
        buf_release(&out);
    }
}

/* "data":{"count":…} */
static size_t count_of(Str text)
{
    yyjson_doc *doc = yyjson_read(text.ptr, text.len, YYJSON_READ_NOFLAG);
    yyjson_val *data = yyjson_obj_get(yyjson_doc_get_root(doc), "data");
    PROMISE(yyjson_is_uint(yyjson_obj_get(data, "count")));
    size_t count = yyjson_get_uint(yyjson_obj_get(data, "count"));
    yyjson_doc_free(doc);
    return count;
}

static void check_aggregate(MakeQuery *make, const QueryParam *params, size_t count, const Request *read)
{
    static const QueryFormat formats[] = {QUERY_JSON, QUERY_NDJSON, QUERY_CSV};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        Buf out;
        Query *query;
        QueryProblems problems;
        QueryOptions aggregate_options = options();
        Status status = make(params, count, formats[i], &aggregate_options, &query, &problems);
        if (status != STATUS_OK) {
            PROMISE(status == STATUS_REFUSED);
            check_problems(&problems);
            continue;
        }
        if (run(query, &out)) {
            PROMISE(formats[i] != QUERY_JSON || count_of(buf_str(&out)) == count_matches(&read->filter));
            PROMISE(formats[i] != QUERY_NDJSON || count_json_lines(buf_str(&out)) <= ROWS);
        }
        buf_release(&out);
    }
}

static void check_rule_test(const QueryParam *params, size_t count)
{
    const AlertRule rule = {.type = -1, .threshold = 100000, .enabled = true};
    Buf out;
    Query *query;
    QueryProblems problems;
    QueryOptions test_options = options();
    if (query_rule_test_new(&rule, params, count, &test_options, &query, &problems) == STATUS_OK) {
        PROMISE(run(query, &out) && is_json(buf_str(&out)));
        buf_release(&out);
    } else {
        check_problems(&problems);
    }
}

static void check_request(const Request *request)
{
    const Str read[] = {request->filter.source_id, request->filter.destination_id,
                        request->filter.reference, request->filter.unit,
                        request->cursor,           request->time_zone};
    for (size_t i = 0; i < sizeof read / sizeof *read; i++) {
        PROMISE(read[i].len == 0 || str_count_code_points(read[i]) <= RECORD_TEXT_CODE_POINTS_MAX);
    }
    PROMISE(request->filter.start_us <= request->filter.end_us);
    PROMISE(request->key_count <= GROUP_KEY_COUNT && request->limit <= request->limit_max);
    PROMISE(request->measures < 1u << MEASURE_KINDS);
}

static void check_kind(RequestKind kind, const QueryParam *params, size_t count)
{
    Arena arena;
    Request request;
    QueryProblems problems;
    arena_init(&arena, 4096, REQUEST_ARENA_BYTES);
    Status status = request_read(&request, kind, &arena, REQUEST_LIMIT_MAX, params, count, &problems);
    PROMISE(status == (problems.count ? STATUS_REFUSED : STATUS_OK));
    if (status == STATUS_OK) {
        check_request(&request);
        switch (kind) {
        case REQUEST_LIST: check_list(query_list_new, params, count, &request); break;
        case REQUEST_EVENTS: check_list(query_events_new, params, count, &request); break;
        case REQUEST_AGGREGATE: check_aggregate(query_aggregate_new, params, count, &request); break;
        case REQUEST_EVENT_AGGREGATE: check_aggregate(query_event_aggregate_new, params, count, &request); break;
        case REQUEST_RULE_TEST: check_rule_test(params, count); break;
        case REQUEST_REPROCESS: break; /* which reads the log, and makes records */
        }
    } else {
        check_problems(&problems);
    }
    arena_release(&arena);
}

/* ---- The address ------------------------------------------------------------------------------------------------- */

static void put_encoded(Buf *buf, Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        buf_printf(buf, "%%%02x", (unsigned)(unsigned char)text.ptr[i]);
    }
}

/* Written out with every byte escaped, the parameters are what they were. */
static void check_encoded(const Uri *uri, Arena *arena)
{
    Buf buf;
    Uri back;
    Str bad;
    Error error;
    buf_init(&buf, 1 << 20);
    BUF_PUT(&buf, "/?");
    for (size_t i = 0; i < uri->param_count; i++) {
        put_encoded(&buf, uri->params[i].name);
        buf_put_char(&buf, '=');
        put_encoded(&buf, uri->params[i].value);
        buf_put_char(&buf, '&');
    }
    PROMISE(uri_parse(buf_str(&buf), arena, &back, &bad, &error) == STATUS_OK);
    PROMISE(back.param_count == uri->param_count);
    for (size_t i = 0; i < uri->param_count; i++) {
        PROMISE(str_equal(back.params[i].name, uri->params[i].name));
        PROMISE(str_equal(back.params[i].value, uri->params[i].value));
    }
    buf_release(&buf);
}

static void check_uri(const Uri *uri, Str target, Arena *arena)
{
    static const char *const patterns[] = {"/", "/api/records", "/api/records/{recordId}", "/{a}/b", "/{a}/{b}", "//"};
    PROMISE(uri->path.len > 0 && uri->path.ptr[0] == '/' && !memchr(uri->path.ptr, '?', uri->path.len));
    PROMISE(uri->param_count <= URI_PARAMS_MAX);
    /* Another form of address than a path names its scheme first. */
    PROMISE(target.ptr[0] == '/' || (target.ptr[0] | 0x20) >= 'a');
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        Str segments[URI_SEGMENTS_MAX] = {{NULL, 0}}, decoded;
        Error error;
        bool matched = uri_match(uri->path, patterns[i], segments);
        for (size_t j = 0; matched && j < URI_SEGMENTS_MAX && segments[j].ptr; j++) {
            PROMISE(segments[j].len > 0 && !memchr(segments[j].ptr, '/', segments[j].len));
            Status status = uri_decode(segments[j], false, arena, &decoded, &error);
            PROMISE(status == STATUS_REFUSED || (status == STATUS_OK && str_count_code_points(decoded) > 0));
        }
    }
    for (size_t i = 0; i < uri->param_count; i++) {
        PROMISE(str_count_code_points(uri->params[i].name) >= 0 && str_count_code_points(uri->params[i].value) >= 0);
    }
    check_encoded(uri, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Arena arena;
    Uri uri;
    Str bad;
    Error error = {0};
    char *copy = fuzz_copy(data, size);
    Str target = {copy, size};
    arena_init(&arena, 4096, 1 << 20);
    Status status = uri_parse(target, &arena, &uri, &bad, &error);
    PROMISE(status == STATUS_OK || (status == STATUS_REFUSED && error.message[0]));
    if (status == STATUS_OK) {
        check_uri(&uri, target, &arena);
        check_kind(REQUEST_LIST, uri.params, uri.param_count);
        check_kind(REQUEST_AGGREGATE, uri.params, uri.param_count);
        check_kind(REQUEST_RULE_TEST, uri.params, uri.param_count);
        check_kind(REQUEST_EVENTS, uri.params, uri.param_count);
        check_kind(REQUEST_EVENT_AGGREGATE, uri.params, uri.param_count);
    }
    arena_release(&arena);
    free(copy);
    return 0;
}

/* Requests to onboard many, in JSON and CSV: whatever comes is read or has its problems named, each organization is
 * good or bad, answers are JSON, and what was good is good and the same when it is sent again. */
#include "fuzz.h"

#include "onboard/bulk.h"

enum { BYTES_MAX = 1 << 16, ARENA_BYTES_MAX = 1 << 24 };

/* So many bytes and what has to be behind them, which stays as it is. */
static Status read_text(Str text, BulkForm form, const RecordPolicy *policy, Arena *arena, Bulk *ret_bulk)
{
    char *copy = arena_alloc_zero(arena, text.len + YYJSON_PADDING_SIZE);
    PROMISE(copy != NULL);
    memcpy(copy, text.ptr, text.len);
    memset(copy + text.len, '"', YYJSON_PADDING_SIZE);
    Status status = bulk_read(copy, text.len, form, policy, arena, ret_bulk);
    for (size_t i = 0; i < YYJSON_PADDING_SIZE; i++) {
        PROMISE(copy[text.len + i] == '"');
    }
    return status;
}

/* That it is JSON, too. */
static void check_answer(Buf *answer)
{
    Arena arena;
    Error error;
    yyjson_val *value;
    arena_init(&arena, 1 << 14, 1 << 28);
    PROMISE(!answer->failed && buf_reserve(answer, YYJSON_PADDING_SIZE));
    PROMISE(json_read(answer->ptr, answer->len, &arena, &value, &error) == STATUS_OK);
    PROMISE(yyjson_is_ctn(value));
    arena_release(&arena);
    buf_reset(answer);
}

static void check_bad(const Bulk *bulk)
{
    Buf answer;
    size_t kept = 0;
    buf_init(&answer, 64 << 20);
    for (size_t i = 0; i < bulk->bad_count; i++) {
        PROMISE(bulk->bad[i].problem_count > 0);
        kept += bulk->bad[i].problem_count;
    }
    PROMISE(kept <= bulk->problem_count && kept <= BULK_PROBLEMS_MAX + ONBOARD_ITEMS_MAX);
    bulk_put_errors(&answer, bulk);
    check_answer(&answer);
    bulk_put_bad(&answer, bulk);
    check_answer(&answer);
    buf_release(&answer);
}

static void check_content(const OrganizationContent *content)
{
    int64_t points = str_count_code_points(content->name);
    PROMISE(points >= 1 && points <= 255 && content->domain.len > 0 && content->contact_email.len > 0);
    PROMISE(content->metadata.len <= ONBOARD_METADATA_BYTES_MAX);
    PROMISE(content->metadata.len == 0 ||
            (content->metadata.ptr[0] == '{' && str_count_code_points(content->metadata) > 0));
}

static void put_again(Buf *buf, const OrganizationContent *content)
{
    buf_put(buf, buf->len ? STR(",{\"name\":") : STR("[{\"name\":"));
    buf_put_json(buf, content->name);
    buf_put_key(buf, "domain");
    buf_put_json(buf, content->domain);
    buf_put_key(buf, "contact_email");
    buf_put_json(buf, content->contact_email);
    buf_put_key(buf, "metadata");
    buf_put(buf, content->metadata.len ? content->metadata : STR("null"));
    buf_put_char(buf, '}');
}

static bool equal_contents(const OrganizationContent *a, const OrganizationContent *b)
{
    return str_equal(a->name, b->name) && str_equal(a->domain, b->domain) &&
           str_equal(a->contact_email, b->contact_email) && str_equal(a->metadata, b->metadata);
}

static void check_again(const Bulk *bulk, const RecordPolicy *policy)
{
    Arena arena;
    Buf text;
    Bulk again;
    arena_init(&arena, 1 << 14, 1 << 28);
    buf_init(&text, 64 << 20);
    for (size_t i = 0; i < bulk->count; i++) {
        check_content(&bulk->content[i]);
        put_again(&text, &bulk->content[i]);
    }
    buf_put_char(&text, ']');
    PROMISE(!text.failed);
    PROMISE(read_text(buf_str(&text), BULK_JSON, policy, &arena, &again) == STATUS_OK && again.count == bulk->count);
    for (size_t i = 0; i < bulk->count; i++) {
        PROMISE(again.items[i] == (int64_t)i && equal_contents(&again.content[i], &bulk->content[i]));
    }
    buf_release(&text);
    arena_release(&arena);
}

static void check_bulk(const Bulk *bulk, Status status, const RecordPolicy *policy)
{
    bool is_refused = bulk->whole.problem || bulk->bad_count > 0;
    PROMISE(status == (is_refused ? STATUS_REFUSED : STATUS_OK));
    PROMISE(bulk->whole.problem ? !bulk->count && !bulk->bad_count : bulk->count + bulk->bad_count == bulk->given);
    PROMISE(bulk->whole.problem || (bulk->given >= 1 && bulk->given <= ONBOARD_ITEMS_MAX));
    for (size_t i = 0; i < bulk->warning_count; i++) {
        PROMISE(str_count_code_points(bulk->warnings[i]) > 0);
    }
    check_bad(bulk);
    if (bulk->count > 0) {
        check_again(bulk, policy);
    }
}

/* The first byte chooses the form, and whether unknown fields are refused. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t choice = fuzz_take(&data, &size);
    const RecordPolicy policy = {.scale = 2, .hash_seed = 7, .refuse_unknown_fields = choice / 2 % 2};
    Arena arena;
    Bulk bulk;
    if (size > BYTES_MAX) {
        return 0;
    }
    arena_init(&arena, 1 << 14, ARENA_BYTES_MAX);
    Str text = {size ? (const char *)data : "", size};
    Status status = read_text(text, choice % 2 ? BULK_CSV : BULK_JSON, &policy, &arena, &bulk);
    check_bulk(&bulk, status, &policy);
    arena_release(&arena);
    return 0;
}

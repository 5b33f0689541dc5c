#include "fuzz.h"

#include "record/record_json.h"

static const RecordPolicy policies[] = {
    {.scale = 2, .identity = IDENTITY_RECORD_ID, .hash_seed = 1},
    {.scale = 0, .identity = IDENTITY_CONTENT, .hash_seed = 2, .refuse_unknown_fields = true},
};

/* Behind the text stands what would close any string, array or object. */
#define BEHIND "\"}]\"}]\"}]"

static char *with_padding(const uint8_t *data, size_t size)
{
    char *text = malloc(size + sizeof BEHIND);
    PROMISE(text != NULL);
    memcpy(text, data, size);
    memcpy(text + size, BEHIND, sizeof BEHIND);
    return text;
}

static void check_text(Str text)
{
    int64_t count = str_count_code_points(text);
    PROMISE(count >= 1 && count <= RECORD_TEXT_CODE_POINTS_MAX);
    PROMISE(memchr(text.ptr, '\0', text.len) == NULL);
}

static void check_good(const Record *record, const RecordPolicy *policy, Arena *arena)
{
    Buf buf;
    Record back;
    RecordProblems problems;
    RecordPolicy lenient = *policy;
    check_text(record->record_id);
    check_text(record->source_id);
    check_text(record->destination_id);
    check_text(record->unit);
    check_text(record->reference);
    PROMISE(record->value >= 0 && record->value <= RECORD_VALUE_MAX);
    PROMISE(record->identity_hash != 0);

    /* The answer's own "id" is not a field of a record. */
    lenient.refuse_unknown_fields = false;
    buf_init(&buf, 1 << 20);
    record_put_json(&buf, &(StoredRecord){.record = *record, .seq = 1}, policy->scale);
    size_t len = buf.len;
    PROMISE(buf_reserve(&buf, YYJSON_PADDING_SIZE) != NULL);
    memset(buf.ptr + len, 0, YYJSON_PADDING_SIZE);
    PROMISE(record_parse_line(buf.ptr, len, &lenient, arena, &back, &problems) == STATUS_OK);
    PROMISE(record_differs(record, &back) == 0 && back.identity_hash == record->identity_hash);
    buf_release(&buf);
}

static void check_bad(const RecordProblems *problems)
{
    Buf buf;
    PROMISE(problems->count > 0 && problems->count <= RECORD_PROBLEMS_MAX);
    buf_init(&buf, 1 << 20);
    record_problems_put_text(&buf, problems);
    buf_reset(&buf);
    record_problems_put_json(&buf, problems);
    PROMISE(!buf.failed);
    yyjson_doc *doc = yyjson_read(buf.ptr, buf.len, 0);
    PROMISE(yyjson_is_obj(yyjson_doc_get_root(doc)));
    yyjson_doc_free(doc);
    buf_release(&buf);
}

/* The way of a request's body: the same answer as for a line, but that bad JSON is named apart. */
static void check_other_way(const uint8_t *data, size_t size, const RecordPolicy *policy, Status status,
                            const Record *record)
{
    Arena arena;
    Error error;
    yyjson_val *root;
    Record other;
    RecordProblems problems;
    char *text = with_padding(data, size);
    arena_init(&arena, 4096, 1 << 24);
    Status other_status = json_read(text, size, &arena, &root, &error);
    PROMISE(memcmp(text + size, BEHIND, sizeof BEHIND) == 0);
    if (other_status == STATUS_OK) {
        other_status = record_from_json(root, policy, &other, &problems);
    } else {
        PROMISE(error.message[0] != '\0');
    }
    PROMISE(other_status == status);
    PROMISE(status != STATUS_OK ||
            (record_differs(record, &other) == 0 && record->identity_hash == other.identity_hash));
    free(text);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        Arena arena;
        Record record;
        RecordProblems problems;
        char *text = with_padding(data, size);
        arena_init(&arena, 4096, 1 << 24);
        Status status = record_parse_line(text, size, &policies[i], &arena, &record, &problems);
        PROMISE(status == STATUS_OK || status == STATUS_REFUSED);
        PROMISE(memcmp(text + size, BEHIND, sizeof BEHIND) == 0);
        check_other_way(data, size, &policies[i], status, &record);
        if (status == STATUS_OK) {
            check_good(&record, &policies[i], &arena);
        } else {
            check_bad(&problems);
        }
        free(text);
        arena_release(&arena);
    }
    return 0;
}

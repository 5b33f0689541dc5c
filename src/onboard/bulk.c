#include "onboard/bulk_parts.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "record/record_check.h"

/* What one organization takes, at most, besides the JSON and its metadata: its places in the arrays, copies of its
 * domain and e-mail address before and after IDNA, and what is said of it. */
enum { BYTES_EACH = 8 << 10 };

Status bulk_reserve(BulkReading *reading, size_t count)
{
    size_t slots = 8;
    while (slots < count * 2) {
        slots *= 2;
    }
    Bulk *bulk = reading->bulk;
    bulk->content = ARENA_ARRAY(reading->arena, OrganizationContent, count);
    bulk->items = ARENA_ARRAY(reading->arena, int64_t, count);
    bulk->bad = ARENA_ARRAY(reading->arena, BulkBad, count);
    reading->seen = ARENA_ARRAY(reading->arena, SeenDomain, slots);
    reading->seen_mask = slots - 1;
    return bulk->content && bulk->items && bulk->bad && reading->seen ? STATUS_OK : STATUS_BUSY;
}

/* ---- The same domain twice --------------------------------------------------------------------------------------- */

/* The slot of the domain, or the free one where it goes. */
static SeenDomain *find_domain(const BulkReading *reading, Str domain)
{
    size_t at = XXH3_64bits_withSeed(domain.ptr, domain.len, reading->policy->hash_seed) & reading->seen_mask;
    while (reading->seen[at].domain.ptr && !str_equal(reading->seen[at].domain, domain)) {
        at = (at + 1) & reading->seen_mask;
    }
    return &reading->seen[at];
}

static Status note_domain(BulkReading *reading, Str domain, int64_t item, int64_t line)
{
    SeenDomain *seen = find_domain(reading, domain);
    if (!seen->domain.ptr) {
        *seen = (SeenDomain){domain, item, line};
        return STATUS_OK;
    }
    const char *problem = line ? arena_printf(reading->arena, "must not be that of line %lld, too: %.*s",
                                              (long long)seen->line, STR_ARGS(domain))
                               : arena_printf(reading->arena, "must not be that of organizations.%lld, too: %.*s",
                                              (long long)seen->item, STR_ARGS(domain));
    if (!problem) {
        return STATUS_BUSY;
    }
    record_problems_add(&reading->problems, str_from(organization_field_names[ORGANIZATION_DOMAIN]), problem);
    return STATUS_OK;
}

/* ---- Good and bad ------------------------------------------------------------------------------------------------ */

/* Problems are many only when somebody makes them: those of a thousand organizations with four each are kept. */
static Status add_bad(BulkReading *reading, int64_t item, int64_t line)
{
    const RecordProblems *problems = &reading->problems;
    size_t room = BULK_PROBLEMS_MAX > reading->problems_kept ? BULK_PROBLEMS_MAX - reading->problems_kept : 1;
    size_t kept = problems->count < room ? problems->count : room;
    FieldProblem *copies = ARENA_ARRAY(reading->arena, FieldProblem, kept);
    if (!copies) {
        return STATUS_BUSY;
    }
    memcpy(copies, problems->items, kept * sizeof *copies);
    reading->bulk->bad[reading->bulk->bad_count++] = (BulkBad){item, line, copies, kept};
    reading->bulk->problem_count += problems->count;
    reading->problems_kept += kept;
    return STATUS_OK;
}

Status bulk_add(BulkReading *reading, int64_t line, Status read, const OrganizationContent *content)
{
    Bulk *bulk = reading->bulk;
    int64_t item = (int64_t)bulk->given;
    Status status = read == STATUS_BUSY ? read : STATUS_OK;
    if (status == STATUS_OK && content->domain.len > 0) {
        status = note_domain(reading, content->domain, item, line);
    }
    if (status != STATUS_OK) {
        return status;
    }
    bulk->given++;
    bulk_add_warnings(reading);
    if (reading->problems.count > 0) {
        return add_bad(reading, item, line);
    }
    bulk->items[bulk->count] = item;
    bulk->content[bulk->count++] = *content;
    return STATUS_OK;
}

static void add_warning(Bulk *bulk, Str name)
{
    for (size_t i = 0; i < bulk->warning_count; i++) {
        if (str_equal(bulk->warnings[i], name)) {
            return;
        }
    }
    if (bulk->warning_count < BULK_WARNINGS_MAX) {
        bulk->warnings[bulk->warning_count++] = name;
    }
}

void bulk_add_warnings(BulkReading *reading)
{
    const RecordProblems *problems = &reading->problems;
    for (size_t i = 0; i < problems->unknown_count && i < RECORD_WARNINGS_MAX; i++) {
        add_warning(reading->bulk, problems->unknown_fields[i]);
    }
}

Status bulk_refuse(BulkReading *reading, Str field, const char *problem)
{
    Bulk *bulk = reading->bulk;
    Str field_copy = arena_copy(reading->arena, str_cut(field, FIELD_NAME_BYTES_MAX));
    Str problem_copy = arena_copy(reading->arena, str_from(problem));
    if (!field_copy.ptr || !problem_copy.ptr) {
        return STATUS_BUSY;
    }
    *bulk = (Bulk){.given = bulk->given, .whole = {field_copy, problem_copy.ptr}};
    return STATUS_REFUSED;
}

Status bulk_refuse_text(BulkReading *reading, const char *what, const Error *error)
{
    const char *problem = arena_printf(reading->arena, "%s%s", what, error->message);
    return problem ? bulk_refuse(reading, STR("body"), problem) : STATUS_BUSY;
}

Status bulk_refuse_count(BulkReading *reading)
{
    const char *problem = arena_printf(reading->arena, "must be 1 to %d organizations, and there are %zu",
                                       ONBOARD_ITEMS_MAX, reading->bulk->given);
    return problem ? bulk_refuse(reading, STR("organizations"), problem) : STATUS_BUSY;
}

Status bulk_read(char *text, size_t len, BulkForm form, const RecordPolicy *policy, Arena *arena, Bulk *ret_bulk)
{
    BulkReading reading = {.bulk = ret_bulk, .policy = policy, .arena = arena};
    *ret_bulk = (Bulk){.given = 0};
    arena_allow(arena, len + (size_t)ONBOARD_ITEMS_MAX * BYTES_EACH);
    Status status = form == BULK_JSON ? bulk_read_json(&reading, text, len) : bulk_read_csv(&reading, text, len);
    return status == STATUS_OK && ret_bulk->bad_count > 0 ? STATUS_REFUSED : status;
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

static void put_errors_of(Buf *buf, const BulkBad *bad)
{
    char prefix[FIELD_PREFIX_BYTES_MAX], whole[FIELD_PREFIX_BYTES_MAX];
    const char *list = bad->line ? "lines" : "organizations";
    long long place = bad->line ? bad->line : bad->item;
    snprintf(prefix, sizeof prefix, "%s.%lld.", list, place);
    snprintf(whole, sizeof whole, "%s.%lld", list, place);
    field_problems_put(buf, prefix, whole, bad->problems, bad->problem_count);
}

void bulk_put_errors(Buf *buf, const Bulk *bulk)
{
    buf_put_char(buf, '{');
    if (bulk->whole.problem) {
        field_problems_put(buf, "", "body", &bulk->whole, 1);
    }
    for (size_t i = 0; i < bulk->bad_count; i++) {
        put_errors_of(buf, &bulk->bad[i]);
    }
    buf_put_char(buf, '}');
}

void bulk_put_bad(Buf *buf, const Bulk *bulk)
{
    buf_put_char(buf, '[');
    for (size_t i = 0; i < bulk->bad_count; i++) {
        const BulkBad *bad = &bulk->bad[i];
        buf_put(buf, i > 0 ? STR(",{\"index\":") : STR("{\"index\":"));
        buf_put_i64(buf, bad->item);
        if (bad->line) {
            buf_put_key(buf, "line");
            buf_put_i64(buf, bad->line);
        }
        BUF_PUT(buf, ",\"errors\":{");
        field_problems_put(buf, "", "organization", bad->problems, bad->problem_count);
        BUF_PUT(buf, "}}");
    }
    buf_put_char(buf, ']');
}

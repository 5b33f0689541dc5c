#include "query/record_output.h"

#include "record/record_json.h"

static void put_json(const RecordOutput *output, const StoredRecord *stored)
{
    record_put_json(output->step->out, stored, output->scale);
}

static void put_csv(const RecordOutput *output, const StoredRecord *stored)
{
    record_put_csv(output->step->out, stored, output->scale);
}

const RecordShape record_shape = {put_json, record_put_csv_header, put_csv};

bool record_output_put(void *context, const StoredRecord *stored)
{
    RecordOutput *output = context;
    Buf *buf = output->step->out;
    switch (output->format) {
    case QUERY_CSV: output->shape->put_csv(output, stored); break;
    case QUERY_NDJSON:
        output->shape->put_json(output, stored);
        buf_put_char(buf, '\n');
        break;
    default:
        if (output->any) {
            buf_put_char(buf, ',');
        }
        output->shape->put_json(output, stored);
    }
    output->any = true;
    return !step_has_enough(output->step);
}

Status record_page_read(const Request *request, const StoreInfo *info, Cursor *ret_cursor, QueryProblems *problems)
{
    *ret_cursor = (Cursor){.bound = 0};
    if (request->cursor.len == 0) {
        return STATUS_OK;
    }
    const char *problem = cursor_parse(request->cursor, &request->filter, info, ret_cursor);
    if (!problem && ret_cursor->descending != request->descending) {
        problem = "belongs to the other order; start again without it";
    }
    return problem ? problems_add(problems, STR("cursor"), "%s", problem) : STATUS_OK;
}

void record_page_begin(Lister *lister, const Request *request, const Cursor *cursor, uint64_t limit, StoreView *view)
{
    int64_t bound = view_bound(view);
    bool resumed = request->cursor.len > 0;
    bound = resumed && cursor->bound < bound ? cursor->bound : bound;
    lister_init(lister, &request->filter, request->descending, bound, limit, resumed ? &cursor->at : NULL);
}

void record_page_put_next(Buf *buf, const Lister *lister, const StoreInfo *info)
{
    char text[CURSOR_TEXT_BYTES];
    buf_put_key(buf, "nextCursor");
    if (!lister->more) {
        BUF_PUT(buf, "null");
        return;
    }
    Cursor cursor = {.bound = lister->bound, .at = lister->at, .descending = lister->descending};
    cursor_format(&cursor, lister->filter, info, text);
    buf_put_json(buf, (Str){text, sizeof text});
}

#include "http/records_call.h"
#include "http/upload.h"

typedef struct Stream {
    RecordsCall *call;
    Upload *upload;
} Stream;

static void release_stream(Request *request)
{
    Stream *stream = request->state;
    upload_drop(stream->upload);
}

static size_t take_body(Request *request, Str piece)
{
    Stream *stream = request->state;
    return upload_take(stream->upload, piece);
}

void records_begin_ndjson(Request *request)
{
    Stream *stream = ARENA_NEW(&request->arena, Stream);
    RecordsCall *call = request->state;
    Upload *upload = stream ? upload_new(request, call) : NULL;
    if (!upload) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return;
    }
    *stream = (Stream){call, upload};
    request->state = stream;
    request->release = release_stream;
    request->take_body = take_body;
}

/* False without memory for it, also where it will be said. */
static bool put_members(Request *request, const UploadEnd *end, Buf *members)
{
    enum { REST_BYTES = 8 << 10 };
    BUF_PUT(members, "\"committedThrough\":");
    buf_put_u64(members, end->committed_through);
    BUF_PUT(members, ",\"data\":");
    results_put(members, end->results);
    return !members->failed && buf_reserve(&request->out, members->len + REST_BYTES);
}

/* Part of it is committed, and what of the rest is not known to the client; sending all of it again is safe. How far it
 * was is told even where there is no room for what became of each line. */
static void say_stopped(Request *request, const UploadEnd *end)
{
    Buf members;
    request_buf_init(request, &members, 64 << 20);
    if (!put_members(request, end, &members)) {
        results_forget_list(end->results);
        buf_release(&members);
        put_members(request, end, &members);
    }
    request_problem_with(request, PROBLEM_UNKNOWN, buf_str(&members),
                         "%s; all lines up to line %llu are decided, and sending the whole again is safe",
                         end->error.message, (unsigned long long)end->committed_through);
    buf_release(&members);
}

static void go_on(Request *request)
{
    Stream *stream = request->state;
    if (!upload_finish(stream->upload, go_on)) {
        return;
    }
    UploadEnd end = upload_end(stream->upload);
    if (end.status == STATUS_OK) {
        results_answer(request, stream->call, end.results);
    } else {
        say_stopped(request, &end);
    }
}

void records_finish_ndjson(Request *request) { go_on(request); }

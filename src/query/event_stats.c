/* GET /api/stats */
#include "query/task.h"

#include "record/record_json.h"

typedef struct Stats {
    Buf clients;
    EventClient sum;
    EventClient unnamed; /* of events without a client, and of clients beyond those that are counted by name */
} Stats;

static void put_counts(Buf *out, const EventClient *client)
{
    BUF_PUT(out, "\"received\":");
    buf_put_i64(out, client->received);
    buf_put_key_i64(out, "processed", client->processed);
    buf_put_key_i64(out, "duplicates", client->duplicates);
    buf_put_key_i64(out, "failed", client->failed);
}

static void put_client(Buf *out, const EventClient *client)
{
    BUF_PUT(out, "{\"client\":");
    buf_put_json(out, client->client);
    buf_put_char(out, ',');
    put_counts(out, client);
    buf_put_key_time(out, "firstAt", client->first_us);
    buf_put_key_time(out, "lastAt", client->last_us);
    buf_put_char(out, '}');
}

static bool visit_client(void *context, const EventClient *client)
{
    Stats *stats = context;
    stats->sum.received += client->received;
    stats->sum.processed += client->processed;
    stats->sum.duplicates += client->duplicates;
    stats->sum.failed += client->failed;
    if (client->client.len == 0) {
        stats->unnamed = *client;
        return true;
    }
    buf_put(&stats->clients, stats->clients.len ? STR(",") : STR(""));
    put_client(&stats->clients, client);
    return true;
}

static Status stats_step(Query *query, QueryStep *step, bool *ret_done, Error *reterr)
{
    enum { CLIENTS_BYTES_MAX = 32 << 20 };
    (void)query;
    Stats stats = {0};
    buf_init(&stats.clients, CLIENTS_BYTES_MAX);
    Status status = step_look(step, reterr);
    if (status == STATUS_OK) {
        status = reader_event_clients(step->reader, visit_client, &stats, reterr);
    }
    if (status == STATUS_OK) {
        BUF_PUT(step->out, "{\"data\":{");
        put_counts(step->out, &stats.sum);
        BUF_PUT(step->out, ",\"unnamed\":{");
        put_counts(step->out, &stats.unnamed);
        BUF_PUT(step->out, "},\"clients\":[");
        buf_put(step->out, buf_str(&stats.clients));
        BUF_PUT(step->out, "]}}");
        step->out->failed |= stats.clients.failed;
        *ret_done = true;
    }
    buf_release(&stats.clients);
    return status;
}

Status query_event_stats_new(const QueryOptions *options, Query **ret_query)
{
    Query *query = query_alloc(sizeof *query, options);
    if (!query) {
        return STATUS_BUSY;
    }
    query->step = stats_step;
    *ret_query = query;
    return STATUS_OK;
}

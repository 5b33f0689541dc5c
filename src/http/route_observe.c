/* What is asked about the service itself. */
#include "http/look.h"
#include "http/pages.h"
#include "http/parts.h"
#include "http/route_handlers.h"
#include "http/routes.h"
#include "http/sinks_call.h"
#include "http/source_json.h"
#include "http/sources_call.h"
#include "observe/metrics.h"
#include "observe/prometheus.h"

static void put_version(Request *request)
{
    int64_t uptime_us = request_now_us(request) - request->server->started_us;
    buf_put_key(&request->out, "version");
    buf_put_json(&request->out, str_from(request_options(request)->version));
    buf_put_key_i64(&request->out, "uptimeSeconds", uptime_us / 1000000);
}

/* Alive: it answers. Never asks the store, which may be slow. */
void health_get(Request *request)
{
    BUF_PUT(&request->out, "{\"status\":\"ok\"");
    put_version(request);
    buf_put_char(&request->out, '}');
    request_answer(request, 200, JSON_TYPE);
}

static void put_front_door(Buf *out, FrontDoor *door)
{
    FrontDoorStatus status;
    front_door_look(door, &status);
    buf_put_key(out, "frontDoor");
    BUF_PUT(out, "{\"source\":");
    buf_put_json(out, str_from(status.source));
    buf_put_key(out, "topic");
    buf_put_json(out, str_from(status.topic));
    buf_put_key(out, "state");
    buf_put_json(out, str_from(front_door_state_name(status.state)));
    buf_put_key_i64(out, "waiting", status.waiting_records);
    if (status.error[0]) {
        buf_put_key(out, "error");
        buf_put_json(out, str_from(status.error));
    }
    buf_put_char(out, '}');
}

static void put_onboarding(Buf *out, Runner *runner)
{
    RunnerStatus status;
    runner_status(runner, &status);
    buf_put_key(out, "onboarding");
    BUF_PUT(out, "{\"handler\":");
    buf_put_json(out, str_from(status.handler));
    buf_put_key(out, "state");
    buf_put_json(out, str_from(runner_state_name(status.state)));
    buf_put_key_i64(out, "inFlight", status.in_flight);
    if (status.state != RUNNER_RUNNING) {
        buf_put_key(out, "error");
        buf_put_json(out, str_from(status.error));
        buf_put_key_time(out, "nextTry", status.next_try_us);
    }
    buf_put_char(out, '}');
}

/* A full disk does not make it unready: it still answers questions, and takes records in again when there is room.
 * Neither does a sink that is down: its messages wait in the log, and to take the service out would only stop intake
 * too. Nor a source or the front door that is down, nor a service that organizations are onboarded with: it is told,
 * and the rest goes on. */
void ready_get(Request *request)
{
    bool ready = atomic_load(&request->server->ready);
    StoreMetrics metrics;
    SourceList sources;
    if (!source_list_look(request, &sources)) {
        return;
    }
    store_metrics(request_options(request)->store, &metrics);
    BUF_PUT(&request->out, "{\"status\":");
    buf_put(&request->out, ready ? STR("\"ready\"") : STR("\"draining\""));
    buf_put_key(&request->out, "intake");
    buf_put(&request->out, metrics.disk_low ? STR("\"refused: the disk is nearly full\"")
                           : ready          ? STR("\"open\"")
                                            : STR("\"closing\""));
    buf_put_key(&request->out, "sources");
    source_put_idle(&request->out, sources.items, sources.count);
    if (request_options(request)->front_door) {
        put_front_door(&request->out, request_options(request)->front_door);
    }
    if (request_options(request)->runner) {
        put_onboarding(&request->out, request_options(request)->runner);
    }
    put_version(request);
    buf_put_char(&request->out, '}');
    request_answer(request, ready ? 200 : 503, JSON_TYPE);
}

static const char *method_of(size_t route) { return route < route_count ? routes[route].method : "other"; }
static const char *pattern_of(size_t route) { return route < route_count ? routes[route].pattern : "none"; }

static void put_connections(Buf *buf, HttpServer *server)
{
    prometheus_value(buf, "weir_http_connections", "gauge", "Open connections.", atomic_load(&server->conn_count));
    prometheus_value(buf, "weir_http_bodies_bytes", "gauge",
                     "Memory that requests take: bodies, what is made of them, and answers.",
                     (int64_t)atomic_load(&server->bodies.taken));
    prometheus_value(buf, "weir_http_event_streams", "gauge", "Event streams that are open.",
                     atomic_load(&server->event_streams));
    prometheus_value(buf, "weir_http_groups_bytes", "gauge", "Memory that the groups of aggregates take.",
                     (int64_t)atomic_load(&server->groups.taken));
    prometheus_value(buf, "weir_http_requests_in_flight", "gauge", "Requests that are not answered yet.",
                     atomic_load(&server->requests));
    prometheus_value(buf, "weir_http_requests_waiting", "gauge",
                     "Requests that wait for a commit, a query thread, or for something to happen.",
                     atomic_load(&server->waits));
}

static Status read_counts(Request *request, StoreReader *reader)
{
    return reader_onboard_counts(reader, request->state, &request->error);
}

static JobNext count_step(Request *request, StoreReader *reader)
{
    look_read(request, reader, read_counts);
    return JOB_FINISHED;
}

static void put_onboarding_metrics(Request *request)
{
    const HttpServerOptions *options = request_options(request);
    if (request->failed == STATUS_OK) { /* else they are not known; the others are */
        metrics_put_jobs(&request->out, request->state, clock_wall_us(options->clock));
    }
    if (options->runner) {
        RunnerStatus status;
        runner_status(options->runner, &status);
        metrics_put_runner(&request->out, &status);
    }
}

static void say_metrics(Request *request)
{
    HttpServer *server = request->server;
    Buf *out = &request->out;
    StoreMetrics store;
    ProcessorMetrics processor;
    SinkLines sinks;
    SourceList sources;
    if (!sink_lines_look(request, &sinks) || !source_list_look(request, &sources)) {
        return;
    }
    store_metrics(server->options.store, &store);
    processor_metrics(server->options.processor, &processor);
    metrics_put_process(out, server->options.version, request_now_us(request) - server->started_us);
    metrics_put_processor(out, &processor);
    metrics_put_store(out, &store);
    metrics_put_sinks(out, sinks.lines, sinks.count);
    metrics_put_sources(out, sources.items, sources.count, clock_wall_us(server->options.clock));
    if (server->options.front_door) {
        FrontDoorStatus front_door;
        front_door_look(server->options.front_door, &front_door);
        metrics_put_front_door(out, &front_door);
    }
    put_onboarding_metrics(request);
    put_connections(out, server);
    http_metrics_put(out, &server->metrics, route_count, method_of, pattern_of);
    request_answer(request, 200, PROMETHEUS_TYPE);
}

/* What is counted in the store alone is read by a query thread. */
void metrics_get(Request *request)
{
    request->state = ARENA_NEW(&request->arena, OnboardCounts);
    if (!request->state) {
        request_problem(request, PROBLEM_BUSY, "there is no memory for the request");
        return;
    }
    request_run(request, count_step, say_metrics);
}

void openapi_get(Request *request)
{
    buf_put(&request->out, page_openapi());
    request_answer(request, 200, JSON_TYPE);
}

void index_get(Request *request)
{
    buf_put(&request->out, page_index());
    request_answer_with(request, &(Answer){.code = 200,
                                           .content_type = "text/html; charset=utf-8",
                                           .headers = {{"X-Content-Type-Options", "nosniff"}},
                                           .header_count = 1});
}

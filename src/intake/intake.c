#include "intake/intake.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "intake/feeder.h"
#include "intake/source_letters.h"

enum { LETTERS_GROUP_MAX = 256 };
#define STOP_WAIT_US INT64_C(10000)
#define QUIET_US     INT64_C(10000000) /* between two looks at what may happen with each message */

/* A feeder and the thread that it runs on. */
typedef struct Lane {
    Intake *intake;
    Feeder *feeder; /* owns */
    pthread_t thread;
    bool has_thread;
    bool is_told;         /* the source of dead letters is nobody's concern */
    SourceCondition told; /* in the log */
    bool told_trouble;    /* likewise: with an error */
    int64_t told_letters; /* likewise: how many were made */
    char told_notice[ERROR_MESSAGE_BYTES_MAX];
    int64_t quiet_until_us; /* for the last two; monotonic */
} Lane;

struct Intake {
    IntakeOptions options;
    SourceOptions letters;              /* of the source of dead letters, which is the last lane */
    Lane lanes[INTAKE_SOURCES_MAX + 1]; /* in the order of the options */
    size_t lane_count;
    atomic_bool stopping;
};

/* ---- Lanes ------------------------------------------------------------------------------------------------------- */

/* Each change of a source's state is a line in the program's log; so is its first trouble in a state. */
static void tell_state(Lane *lane, const SourceStatus *status)
{
    bool is_tried = status->condition != SOURCE_PAUSED && status->condition != SOURCE_STOPPED;
    bool has_trouble = is_tried && status->error[0];
    if (status->condition == lane->told && has_trouble == lane->told_trouble) {
        return;
    }
    lane->told = status->condition;
    lane->told_trouble = has_trouble;
    if (has_trouble) {
        log_warn("a source has trouble", log_text("source", status->options->name),
                 log_text("state", source_condition_name(status->condition)), log_text("error", status->error));
    } else {
        log_info("a source's state", log_text("source", status->options->name),
                 log_text("state", source_condition_name(status->condition)));
    }
}

/* A source that is fed nothing but rubbish does not fill the log, too. */
static void tell_what_happened(Lane *lane, const SourceStatus *status)
{
    int64_t now_us = clock_monotonic_us(lane->intake->options.clock),
            letters = status->dead_letters - lane->told_letters;
    bool has_notice = status->notice[0] && strcmp(status->notice, lane->told_notice) != 0;
    if ((letters == 0 && !has_notice) || now_us < lane->quiet_until_us) {
        return;
    }
    lane->quiet_until_us = now_us + QUIET_US;
    if (letters > 0) {
        lane->told_letters = status->dead_letters;
        log_warn("a source's messages became dead letters", log_text("source", status->options->name),
                 log_int("count", letters));
    }
    if (has_notice) {
        memcpy(lane->told_notice, status->notice, sizeof lane->told_notice);
        log_warn("a source's notice", log_text("source", status->options->name), log_text("notice", status->notice));
    }
}

static void tell(Lane *lane)
{
    SourceStatus status;
    feeder_status(lane->feeder, &status);
    tell_state(lane, &status);
    tell_what_happened(lane, &status);
}

static int64_t step_lane(Lane *lane)
{
    int64_t wait_us = feeder_step(lane->feeder);
    if (lane->is_told) {
        tell(lane);
    }
    return wait_us;
}

static void *run_lane(void *self)
{
    Lane *lane = self;
    while (!lane->intake->stopping) {
        int64_t wait_us = step_lane(lane);
        if (wait_us > 0 && !lane->intake->stopping) {
            feeder_wait(lane->feeder, wait_us);
        }
    }
    /* The processor answers whatever was handed in, before it stops. */
    while (!feeder_finish(lane->feeder)) {
        int64_t wait_us = feeder_step(lane->feeder);
        feeder_wait(lane->feeder, wait_us < STOP_WAIT_US ? wait_us : STOP_WAIT_US);
    }
    return NULL;
}

int64_t intake_step(Intake *intake)
{
    int64_t least_us = INT64_MAX;
    for (size_t i = 0; i < intake->lane_count; i++) {
        int64_t wait_us = step_lane(&intake->lanes[i]);
        least_us = wait_us < least_us ? wait_us : least_us;
        if (intake->stopping) {
            feeder_finish(intake->lanes[i].feeder);
        }
    }
    return least_us;
}

void intake_look(Intake *intake)
{
    for (size_t i = 0; intake && i < intake->lane_count; i++) {
        feeder_look(intake->lanes[i].feeder);
    }
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

static Status add_lane(Intake *intake, const SourceOptions *source, FeederOpen *open, void *self, Error *reterr)
{
    Lane *lane = &intake->lanes[intake->lane_count];
    *lane = (Lane){.intake = intake, .is_told = source != &intake->letters};
    Status status = feeder_open(&intake->options, source, open, self, &lane->feeder, reterr);
    if (status != STATUS_OK) {
        return error_prefix(reterr, "the source %s", source->name);
    }
    intake->lane_count++;
    return STATUS_OK;
}

static Status add_lanes(Intake *intake, Error *reterr)
{
    const IntakeOptions *options = &intake->options;
    Status status = STATUS_OK;
    for (size_t i = 0; i < options->source_count && status == STATUS_OK; i++) {
        status = add_lane(intake, &options->sources[i], options->open_source, options->self, reterr);
    }
    intake->letters = (SourceOptions){
        .name = "", .group_messages_max = LETTERS_GROUP_MAX, .message_bytes_max = SOURCE_MESSAGE_BYTES_MAX};
    return status == STATUS_OK ? add_lane(intake, &intake->letters, source_letters_open, options->store, reterr)
                               : status;
}

static Status start_threads(Intake *intake, Error *reterr)
{
    for (size_t i = 0; i < intake->lane_count; i++) {
        Lane *lane = &intake->lanes[i];
        lane->has_thread = pthread_create(&lane->thread, NULL, run_lane, lane) == 0;
        if (!lane->has_thread) {
            return error_set(reterr, STATUS_BUSY, "the system gave no thread for a source");
        }
    }
    return STATUS_OK;
}

Status intake_start(const IntakeOptions *options, Intake **ret_intake, Error *reterr)
{
    assert(options->source_count <= INTAKE_SOURCES_MAX);
    Intake *intake = calloc(1, sizeof *intake);
    if (!intake) {
        return error_set(reterr, STATUS_BUSY, "no memory for the sources");
    }
    intake->options = *options;
    Status status = add_lanes(intake, reterr);
    if (status == STATUS_OK && options->background) {
        status = start_threads(intake, reterr);
    }
    if (status != STATUS_OK) {
        intake_stop(intake);
        intake_free(intake);
        return status;
    }
    *ret_intake = intake;
    return STATUS_OK;
}

void intake_stop(Intake *intake)
{
    if (!intake) {
        return;
    }
    intake->stopping = true;
    for (size_t i = 0; i < intake->lane_count; i++) {
        feeder_wake(intake->lanes[i].feeder);
        if (!intake->options.background) {
            feeder_finish(intake->lanes[i].feeder);
        }
    }
    for (size_t i = 0; i < intake->lane_count; i++) {
        if (intake->lanes[i].has_thread) {
            pthread_join(intake->lanes[i].thread, NULL);
            intake->lanes[i].has_thread = false;
        }
    }
}

void intake_free(Intake *intake)
{
    if (intake) {
        for (size_t i = 0; i < intake->lane_count; i++) {
            feeder_close(intake->lanes[i].feeder);
        }
        free(intake);
    }
}

const char *source_condition_name(SourceCondition condition)
{
    static const char *const names[] = {
        [SOURCE_CONNECTING] = "connecting", [SOURCE_RUNNING] = "running", [SOURCE_HOLDING] = "holding",
        [SOURCE_PAUSED] = "paused",         [SOURCE_FAILED] = "failed",   [SOURCE_STOPPED] = "stopped",
    };
    return names[condition];
}

/* Without the source of dead letters. */
size_t intake_source_count(const Intake *intake) { return intake ? intake->lane_count - 1 : 0; }

size_t intake_status(Intake *intake, SourceStatus *ret_status, size_t cap)
{
    size_t count = intake_source_count(intake);
    count = count < cap ? count : cap;
    for (size_t i = 0; i < count; i++) {
        feeder_status(intake->lanes[i].feeder, &ret_status[i]);
    }
    return count;
}

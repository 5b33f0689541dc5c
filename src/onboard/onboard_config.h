/* What the configuration says about onboarding: onboarding.… as the options of a runner. */
#ifndef WEIR_ONBOARD_ONBOARD_CONFIG_H
#define WEIR_ONBOARD_ONBOARD_CONFIG_H

#include "config/config.h"
#include "deliver/secret_file.h"
#include "deliver/sink_config.h"
#include "onboard/runner.h"

/* In the order of the option's choices. */
typedef enum OnboardHandler { HANDLER_NONE, HANDLER_WEBHOOK, HANDLER_KAFKA, HANDLER_REDIS } OnboardHandler;
const char *onboard_handler_name(OnboardHandler handler); /* "none", "webhook", … */

typedef struct OnboardConfig {
    OnboardHandler handler;
    bool has_jobs;    /* there is something to do for an organization; else a batch is complete when it is stored */
    SinkOptions sink; /* of the webhook that is called */
    char secret[SECRET_FILE_BYTES_MAX + 1]; /* from a file; sink.secret points to it then */
    /* without what belongs to the service: store, clock, random numbers, ways to open; `sink` is `sink` above or
     * NULL */
    RunnerOptions runner;
} OnboardConfig;

/* Reads the file of the secret, too. Fills what lies in one place and stays there, since the runner's options point
 * into it. Texts borrow from `config`. REFUSED with where it is set: something is missing that the handler needs, or
 * does not go with something else; no sink hands over what is onboarded. */
Status onboard_config_read(const Config *config, const SinkConfig *sinks, OnboardConfig *ret_onboard,
                           Error *reterr) MUST_CHECK;

#endif

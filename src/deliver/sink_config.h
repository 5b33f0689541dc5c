/* The sinks that the configuration asks for: sinks.<name>.<option> as SinkOptions. */
#ifndef WEIR_DELIVER_SINK_CONFIG_H
#define WEIR_DELIVER_SINK_CONFIG_H

#include "base/arena.h"
#include "config/config.h"
#include "deliver/sink.h"

/* `items` are the sinks that are enabled, in the order of their names. */
typedef struct SinkConfig {
    SinkOptions *items;
    size_t count;
    Arena arena; /* the items, and the secrets that come from files; other texts borrow from the configuration */
} SinkConfig;

/* Reads the files of secrets, too. REFUSED with the option's full name and where it is set: something is missing that a
 * sink of its type needs, is there twice, or cannot be read. A sink that is not enabled is passed over. BUSY: no
 * memory. On failure there is nothing to release. */
Status sink_config_read(const Config *config, SinkConfig *ret_sinks, Error *reterr) MUST_CHECK;

/* `config` must still be there. Accepts what is all zero. */
void sink_config_release(SinkConfig *sinks);

#endif

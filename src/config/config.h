/* The configuration: what flags, environment, file and defaults say, in that order of precedence. Immutable once loaded, so
 * any thread may read it.
 *
 * Flags: --set name=value, and the commands' own (--data, --listen). Environment: WEIR_HTTP_LISTEN for http.listen. File: YAML,
 * sections nested or dotted:
 *
 *     http:
 *       listen: 127.0.0.1:8080
 *     store.dir: /var/lib/weir
 */
#ifndef WEIR_CONFIG_CONFIG_H
#define WEIR_CONFIG_CONFIG_H

#include "config/address.h"
#include "config/options.h"

typedef struct Config Config;

typedef enum ConfigOrigin { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT, CONFIG_FLAG } ConfigOrigin;

/* A value from the command line. */
typedef struct ConfigFlag {
    Str name;          /* of the option: "http.listen" */
    Str value;         /* as it was written */
    const char *shown; /* how the person wrote it, for messages: "--listen" */
} ConfigFlag;

/* Everything borrows until config_load returns. */
typedef struct ConfigInput {
    const char *file;               /* NULL for none */
    const char *const *environment; /* "NAME=value", NULL behind the last; may be NULL */
    const ConfigFlag *flags;
    size_t flag_count;
} ConfigInput;

enum { CONFIG_FILE_BYTES_MAX = 1 << 20 };

/* REFUSED with where (file and line, variable or flag), what is wrong, and the nearest option's name when one is misspelt. A
 * variable that starts with WEIR_ and names no option is refused too, since it would otherwise do nothing in silence; what
 * Kubernetes sets for a service called weir (WEIR_SERVICE_…, WEIR_PORT…) and WEIR_CONFIG, the file's name, are left alone. */
Status config_load(const ConfigInput *input, Config **ret_config, Error *reterr) MUST_CHECK;
void config_free(Config *config); /* accepts NULL */

/* NUL-terminated; lives as long as the configuration. For every type the value as text. */
const char *config_text(const Config *config, OptionId id);
/* The number that options.h gives for the type: bytes, microseconds, minor units, the place among the choices … */
int64_t config_int(const Config *config, OptionId id);
static inline size_t config_size(const Config *config, OptionId id) { return (size_t)config_int(config, id); }
static inline bool config_bool(const Config *config, OptionId id) { return config_int(config, id) != 0; }
/* Of an OPTION_ADDRESS. */
Address config_address(const Config *config, OptionId id);

ConfigOrigin config_origin(const Config *config, OptionId id);
/* "default", "weir.yaml:3", "WEIR_HTTP_LISTEN", "--listen" */
const char *config_where(const Config *config, OptionId id);

/* As a YAML file that can be read again, each line with where its value is from; as JSON: {"http.listen":{"value":…,"from":…}}. */
void config_put_yaml(Buf *buf, const Config *config);
void config_put_json(Buf *buf, const Config *config);
/* docs/configuration.md. */
void config_put_markdown(Buf *buf);

#endif

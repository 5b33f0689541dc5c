/* The configuration: what flags, environment, file and defaults say, in that order of precedence. Immutable once
 * loaded, so any thread may read it.
 *
 * Flags: --set name=value, and the commands' own (--data, --listen). Environment: WEIR_HTTP_LISTEN for http.listen.
 * File: YAML, sections nested or dotted:
 *
 *     http:
 *       listen: 127.0.0.1:8080
 *     store.dir: /var/lib/weir
 *
 * Members of a group have a name of the user's: sinks.my-hook.url in the file and in flags, WEIR_SINKS_MY_HOOK_URL in
 * the environment. There a name loses its case and the difference between - and _: a member that the file or a flag
 * names so is meant, else it is a new one, my_hook. What follows the member's name is the longest option that fits.
 * */
#ifndef WEIR_CONFIG_CONFIG_H
#define WEIR_CONFIG_CONFIG_H

#include "config/address.h"
#include "config/options.h"

typedef struct Config Config;
typedef struct ConfigMember ConfigMember; /* of a group of options; lives as long as the configuration */

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

/* REFUSED with where (file and line, variable or flag), what is wrong, and the nearest option's name when one is
 * misspelt. A variable that starts with WEIR_ and names no option is refused too, since it would otherwise do nothing
 * in silence; what Kubernetes sets for a service called weir (WEIR_SERVICE_…, WEIR_PORT…) and WEIR_CONFIG, the file's
 * name, are left alone. */
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

/* The members of a group, in the order of their names. `option` is a place in the group's table. Texts and numbers are
 * as above; of what is not set and has no default, "" and 0. */
unsigned config_member_count(const Config *config, OptionGroupId group);
const ConfigMember *config_member(const Config *config, OptionGroupId group, unsigned index);
const char *config_member_name(const ConfigMember *member);
/* Whether the option is one for the member's kind. The others have their defaults. */
bool config_member_takes(const ConfigMember *member, unsigned option);
const char *config_member_text(const ConfigMember *member, unsigned option);
int64_t config_member_int(const ConfigMember *member, unsigned option);
ConfigOrigin config_member_origin(const ConfigMember *member, unsigned option);
const char *config_member_where(const ConfigMember *member, unsigned option);
/* For an option that a member of this kind needs, and that has no default: STATUS_REFUSED when it is not set. `example`
 * is what it may be. */
Status config_member_require(const ConfigMember *member, unsigned option, const char *example,
                             Error *reterr) MUST_CHECK;

/* As a YAML file that can be read again, each line with where its value is from; as JSON:
 * {"http.listen":{"value":…,"from":…}}.
 * Secrets and passwords are shown as "***"; a file with them is refused until they are put in. */
void config_put_yaml(Buf *buf, const Config *config);
void config_put_json(Buf *buf, const Config *config);
/* docs/configuration.md. */
void config_put_markdown(Buf *buf);

#endif

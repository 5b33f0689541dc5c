/* A configuration in a file, for the tests of what is made of one; text_file.h has the file. */
#ifndef WEIR_TESTS_CONFIG_FILE_H
#define WEIR_TESTS_CONFIG_FILE_H

#include "text_file.h"

#include "config/config.h"

static inline Status try_load(const char *text, const char *const *environment, const ConfigFlag *flags,
                              size_t flag_count, Config **ret_config, Error *reterr)
{
    write_file(path, text, strlen(text));
    return config_load(&(ConfigInput){path, environment, flags, flag_count}, ret_config, reterr);
}

/* These fail the test when it cannot be loaded. */
static inline Config *load_with(const char *text, const char *const *environment, const ConfigFlag *flags,
                                size_t flag_count)
{
    Config *config = NULL;
    Error error = {0};
    Status status = try_load(text, environment, flags, flag_count, &config, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, STATUS_OK);
    return config;
}

static inline Config *load(const char *text) { return load_with(text, NULL, NULL, 0); }

#endif

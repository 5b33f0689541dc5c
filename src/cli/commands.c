/* The subcommands, in the order in which help lists them. */
#include "cli/command.h"

extern const Command command_serve;
extern const Command command_ingest;
extern const Command command_query;
extern const Command command_records;
extern const Command command_tail;
extern const Command command_sinks;
extern const Command command_sources;
extern const Command command_dead_letters;
extern const Command command_events;
extern const Command command_mapping;
extern const Command command_orgs;
extern const Command command_verify;
extern const Command command_doctor;
extern const Command command_bench;
extern const Command command_config;
extern const Command command_version;
extern const Command command_completion;
extern const Command command_docs;

/* clang-format off */
const Command *const commands[] = {
    &command_serve,
    &command_ingest,
    &command_query,
    &command_records,
    &command_tail,
    &command_sources,
    &command_sinks,
    &command_dead_letters,
    &command_events,
    &command_mapping,
    &command_orgs,
    &command_verify,
    &command_doctor,
    &command_bench,
    &command_config,
    &command_version,
    &command_completion,
    &command_docs,
    NULL,
};
/* clang-format on */

const Command *command_find(Str name)
{
    const Command *const *command = commands;
    while (*command && !str_is(name, (*command)->name)) {
        command++;
    }
    return *command;
}

const Flag flags_config[] = {
    {"config", "FILE", "read options from this file (also WEIR_CONFIG)", NULL, NULL},
    {"set", "NAME=VALUE", "set one option, stronger than file and environment; may be repeated", NULL, NULL},
    {0},
};

const Flag flags_data[] = {
    {"data", "DIR", "the store's directory", "store.dir", NULL},
    {0},
};

const Flag flags_server[] = {
    {"to", "URL", "a running server instead of a store's directory: http://127.0.0.1:8080", NULL, NULL},
    {0},
};

const Flag flags_remote[] = {
    {"to", "URL", "the server; without it, where the configuration says that it listens: http://127.0.0.1:8080", NULL,
     NULL},
    {0},
};

const Flag flags_filter[] = {
    {"start-time", "TIME", "records from this time on", NULL, "startTime"},
    {"end-time", "TIME", "records up to this time, itself included", NULL, "endTime"},
    {"type", "positive|negative", "records of this type", NULL, "type"},
    {"source-id", "ID", "records from this source", NULL, "sourceId"},
    {"destination-id", "ID", "records for this destination", NULL, "destinationId"},
    {"reference", "TEXT", "records with this reference", NULL, "reference"},
    {"unit", "UNIT", "records in this unit", NULL, "unit"},
    {0},
};

const Flag flags_output[] = {
    {"format", "table|json|ndjson|csv",
     "how the answer is written; a table when standard output is a terminal, else json", NULL, NULL},
    {"json", NULL, "the same as --format json", NULL, NULL},
    {0},
};

const Flag flags_json[] = {
    {"json", NULL, "answer in JSON, for scripts", NULL, NULL},
    {0},
};

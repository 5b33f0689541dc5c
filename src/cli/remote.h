/* What the commands share that look after a running server: sources, sinks, dead-letters, orgs. */
#ifndef WEIR_CLI_REMOTE_H
#define WEIR_CLI_REMOTE_H

#include "cli/client.h"
#include "cli/command.h"

typedef struct Remote {
    const Args *args;
    Client *client;
    bool json;      /* answers are printed as they come */
    Buf path, body; /* of the next call */
    Buf answer;     /* of the last one */
} Remote;

/* The server of --to, else the one that the configuration describes. Needs flags_remote, flags_json and
 * flags_config. */
Status remote_open(const Args *args, Remote *ret_remote, Error *reterr) MUST_CHECK;
void remote_close(Remote *remote); /* accepts one that was not opened, and is zeroed */

/* Opens, runs the verb of a command, closes. Returns the exit code. */
int remote_run(const Args *args, int (*verb)(Remote *remote, const Args *args));

/* What the first argument of a command may be. Without arguments it is the first of the table. */
typedef struct RemoteVerb {
    const char *name;
    size_t least, most; /* arguments behind the name */
    const char *needs;  /* what they are: "a sink's name" */
    int (*run)(Remote *remote, const Args *args);
} RemoteVerb;

/* remote_run of the one that is named; a usage error when there is none, or arguments are missing or too many. */
int remote_run_verb(const Args *args, const RemoteVerb *verbs, size_t count);

/* Asks for remote->path, with remote->body as JSON when there is any; both are empty afterwards. */
Status remote_call(Remote *remote, const char *method, const QueryParam *params, size_t count,
                   Error *reterr) MUST_CHECK;

/* Appends "/" and a part of the path, encoded. */
void remote_put_part(Remote *remote, const char *part);
/* The path of one of many: `all` ("/api/sinks"), the part that names it, and what is wanted of it ("/pause", ""). */
void remote_put_path(Remote *remote, const char *all, const char *name, const char *what);

/* Appends a member to the JSON object in remote->body, which the first one opens and remote_end_body closes (if there
 * is any). */
void remote_put_text(Remote *remote, const char *member, const char *text);
/* The text of the flag of the same name, when it was given. */
void remote_put_flag(Remote *remote, const Args *args, const char *name);
void remote_end_body(Remote *remote);

typedef enum RemoteCell {
    REMOTE_TEXT,
    REMOTE_NUMBER,
    REMOTE_LINE, /* a text that may be long: its beginning */
    REMOTE_AGE,  /* of a time: "12 s ago", by this machine's clock */
} RemoteCell;

/* A column of a table: a member of each object of the answer's "data". It is left out when none of them knows the
 * member. */
typedef struct RemoteColumn {
    const char *member; /* NULL ends a list */
    const char *title;
    RemoteCell cell;
} RemoteColumn;

/* These print the answer as it is with --json; else "data" as a table (a sentence when it is empty), its members line
 * by line (of long ones the beginning), or the sentence. They return the exit code. */
int remote_print_table(const Remote *remote, const RemoteColumn *columns, const char *when_empty);
int remote_print_object(const Remote *remote);
/* The same, and behind it the member `list` as a table of its own. */
int remote_print_object_with(const Remote *remote, const char *list, const RemoteColumn *columns);
/* For people: a line for each object of "data" that has the member `note`, behind what it is called. */
int remote_print_notes(const Remote *remote, const char *name, const char *note);
int remote_print(const Remote *remote, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Verbs of what may be held: the one that the second argument names, of `all`. */
int remote_pause(Remote *remote, const Args *args, const char *all);
int remote_resume(Remote *remote, const Args *args, const char *all);

/* A whole number among the members of "data"; 0 when it is not there. */
int64_t remote_number(const Remote *remote, const char *member);

/* Appends a text among the members of "data". False when it is not there. */
bool remote_copy_text(const Remote *remote, const char *member, Buf *text);

/* The code that a command ends with when its call has failed: usage when the server does not know what is meant. */
int remote_fail(const Remote *remote, Status status, const Error *error);

#endif

/* The `bellwire` command: a command line into one request on the control socket, its answer into a
 * table or JSON. One thread, blocking. */
#ifndef BELLWIRE_MANAGER_H
#define BELLWIRE_MANAGER_H

#include <jansson.h>
#include <stdio.h>

#include "base/base.h"
#include "control/protocol.h"

enum command_id {
#define X(id, noun, verb, arguments, method, path, help, columns) COMMAND_##id,
    CONTROL_COMMANDS(X)
#undef X
        COMMAND_COUNT
};
extern const struct control_command commands[]; /* by command_id */

struct manager {
    const char *control, *state;     /* the socket; the state directory, where one is needed */
    char *own_control;               /* of `control`, where it was put together */
    bool is_json, is_help, is_ready; /* ready: the whole line was understood */
    uint64_t timeout_ms;             /* 0: none */
    enum command_id command;
    const char *id;     /* what stands for ID, or NULL */
    json_t *parameters; /* of the query or the body */
};
/* Reads the command line. Returns false after a message on standard error: exit code 2. In either
 * case command_release() is called in the end. */
bool command_parse(struct manager *manager, int argc, char **argv);
void command_release(struct manager *manager);
/* Of its command, or of all. */
void command_help(const struct manager *manager, FILE *file);
const char *parameter(const struct manager *manager, const char *name); /* a text, or NULL */
bool has_flag(const struct manager *manager, const char *name);

/* ---- HTTP on the socket ---------------------------------------------------------------------- */
struct answer {
    unsigned status;
    bool is_partial;
    struct buffer body;
};
/* Called for each piece of a body as it comes. False ends the call. */
typedef bool (*answer_piece_fn)(void *context, struct slice piece);
/* CONTROL_EXIT_DONE when an answer has come, whatever its status. Else the exit code: NOT_RUNNING
 * and FAILED without a message when `is_quiet`. With `piece` the body goes there, if the status is
 * 200. */
struct ask {
    const char *method, *target;
    struct slice body;
    answer_piece_fn piece;
    void *context;
    bool is_quiet;
};
int client_ask(const struct manager *manager, const struct ask *ask, struct answer *out);
char *command_target(const struct manager *manager); /* path and query */
char *command_body(const struct manager *manager);   /* JSON, or NULL for GET */

/* ---- what is printed ------------------------------------------------------------------------- */
void print_table(const json_t *rows, const char *columns);
void print_members(const json_t *object);
void print_changes(const json_t *reload); /* of a reload, or its errors */
void print_log_line(struct slice line);
void print_response(const json_t *run); /* of `task run` */
void print_why(const json_t *entries);
char *age_of(const char *rfc3339); /* `12s ago`; the caller frees it */
/* Says what the API refused; the exit code. */
int print_refusal(const struct manager *manager, const struct answer *answer);

/* `backup FILE`: the bytes of the answer into a file that is whole or not there. */
int backup_run(const struct manager *manager);

/* ---- without a daemon ------------------------------------------------------------------------ */
/* Becomes `bellwired` with these arguments (the first is left for its path; NULL ends them); comes
 * back only with an exit code, after a message. */
int local_become(const char **arguments);
/* `server list` and `client list` of the registry at rest. */
int local_list(const struct manager *manager);

#endif

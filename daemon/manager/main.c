/* bellwire: chooses by the command who answers it, and how the answer is printed. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "manager/manager.h"

#define WATCH_S 1

static int run(const struct manager *manager);
static int run_local(const struct manager *manager);
static int run_remote(const struct manager *manager);
static int run_log(const struct manager *manager);
static int run_watch(const struct manager *manager);
static int show(const struct manager *manager, const struct answer *answer);

int main(int argc, char **argv) {
    struct manager manager;
    int code = CONTROL_EXIT_USAGE;
    if (command_parse(&manager, argc, argv) && manager.is_help) {
        command_help(&manager, stdout);
        code = CONTROL_EXIT_DONE;
    } else if (manager.is_ready) {
        code = run(&manager);
    }
    command_release(&manager);
    if (fflush(stdout) != 0 && code == CONTROL_EXIT_DONE)
        code = CONTROL_EXIT_FAILED;
    return code;
}

static int run(const struct manager *manager) {
    switch (manager->command) {
        case COMMAND_check:
        case COMMAND_schema:
        case COMMAND_reference:
        case COMMAND_version:
            return run_local(manager);
        case COMMAND_backup:
            return backup_run(manager);
        case COMMAND_log:
            return run_log(manager);
        case COMMAND_stats:
            return has_flag(manager, "watch") ? run_watch(manager) : run_remote(manager);
        default:
            return run_remote(manager);
    }
}

/* ---- without a daemon ------------------------------------------------------------------------ */

/* What a running daemon was started with, or NULL. */
static char *running_config(const struct manager *manager) {
    const struct ask ask = {.method = "GET", .target = "/v1/status", .is_quiet = true};
    struct manager brief = *manager;
    struct answer answer;
    brief.timeout_ms = manager->timeout_ms ? manager->timeout_ms : 5000;
    json_t *status = NULL;
    if (client_ask(&brief, &ask, &answer) == CONTROL_EXIT_DONE && answer.status == 200)
        status = json_loadb(answer.body.bytes, answer.body.size, 0, NULL);
    const char *config = json_string_value(json_object_get(status, "config"));
    char *copy = config ? base_strdup(slice_of(config)) : NULL;
    json_decref(status);
    buffer_deinit(&answer.body);
    return copy;
}

static int run_check(const struct manager *manager) {
    const char *arguments[8] = {NULL, "--check"}, *config = parameter(manager, "c");
    char *running = config ? NULL : running_config(manager);
    size_t count = 2;
    if (running)
        config = running;
    if (config) {
        arguments[count++] = "-c";
        arguments[count++] = config;
    }
    if (has_flag(manager, "strict"))
        arguments[count++] = "--strict";
    if (manager->is_json)
        arguments[count++] = "--json";
    int code = local_become(arguments);
    free(running);
    return code;
}

static int run_local(const struct manager *manager) {
    if (manager->command == COMMAND_check)
        return run_check(manager);
    if (manager->command == COMMAND_version) {
        (void)printf(manager->is_json ? "{\"version\":\"%s\"}\n" : "bellwire %s\n",
                     BELLWIRE_VERSION);
        return CONTROL_EXIT_DONE;
    }
    bool is_schema = manager->command == COMMAND_schema;
    const char *arguments[] = {NULL, is_schema ? "--schema" : "--reference", NULL};
    return local_become(arguments);
}

/* ---- one request ----------------------------------------------------------------------------- */

static int run_remote(const struct manager *manager) {
    bool is_listing =
        manager->command == COMMAND_server_list || manager->command == COMMAND_client_list;
    char *target = command_target(manager), *body = command_body(manager);
    const struct ask ask = {.method = commands[manager->command].method,
                            .target = target,
                            .body = slice_of(body),
                            .is_quiet = is_listing};
    struct answer answer;
    int code = client_ask(manager, &ask, &answer);
    if (code == CONTROL_EXIT_NOT_RUNNING && is_listing)
        code = local_list(manager);
    else if (code == CONTROL_EXIT_DONE)
        code = answer.status == 200 ? show(manager, &answer) : print_refusal(manager, &answer);
    buffer_deinit(&answer.body);
    free(target);
    free(body);
    return code;
}

/* What an answer means for the exit code, beside that it came. */
static int code_of(const struct manager *manager, const json_t *body) {
    const char *status = json_string_value(json_object_get(body, "status"));
    if (manager->command == COMMAND_reload && !json_is_true(json_object_get(body, "ok")))
        return CONTROL_EXIT_CONFIGURATION;
    if (json_is_true(json_object_get(body, "timed_out")))
        return CONTROL_EXIT_TIMEOUT;
    if (manager->command == COMMAND_task_run && has_flag(manager, "wait") && status &&
        strcmp(status, "failed") == 0)
        return CONTROL_EXIT_FAILED;
    return CONTROL_EXIT_DONE;
}

static void show_text(const struct manager *manager, const json_t *body) {
    switch (manager->command) {
        case COMMAND_reload:
            print_changes(body);
            break;
        case COMMAND_task_run:
            print_response(body);
            break;
        case COMMAND_why:
            print_why(body);
            break;
        case COMMAND_session_send:
            (void)printf("sent\n");
            break;
        case COMMAND_session_close:
            (void)printf("closed\n");
            break;
        case COMMAND_run_cancel:
            (void)printf("cancelled\n");
            break;
        default:
            if (json_is_array(body))
                print_table(body, commands[manager->command].columns);
            else
                print_members(body);
    }
}

static int show(const struct manager *manager, const struct answer *answer) {
    json_t *body = json_loadb(answer->body.bytes ? answer->body.bytes : "", answer->body.size,
                              JSON_ALLOW_NUL, NULL);
    if (!body) {
        (void)fprintf(stderr, "bellwire: the daemon's answer cannot be read\n");
        return CONTROL_EXIT_FAILED;
    }
    if (manager->is_json)
        (void)fwrite(answer->body.bytes, 1, answer->body.size, stdout);
    else
        show_text(manager, body);
    int code = code_of(manager, body);
    if (code == CONTROL_EXIT_TIMEOUT)
        (void)fprintf(stderr, "bellwire: --timeout passed; the run goes on\n");
    if (answer->is_partial || json_is_true(json_object_get(body, "partial")))
        (void)fprintf(stderr, "bellwire: a worker did not answer: this is not all\n");
    json_decref(body);
    return code;
}

/* ---- streams --------------------------------------------------------------------------------- */

struct lines { /* a piece may end inside a line */
    bool is_json;
    struct buffer rest;
};

static bool take_piece(void *context, struct slice piece) {
    struct lines *lines = context;
    if (lines->is_json) {
        (void)fwrite(piece.bytes, 1, piece.size, stdout);
        return fflush(stdout) == 0;
    }
    if (buffer_append(&lines->rest, piece))
        return false;
    struct slice rest = buffer_slice(&lines->rest), line;
    size_t taken = 0;
    while (rest.size && memchr(rest.bytes, '\n', rest.size)) {
        line = slice_cut(rest, '\n', &rest);
        taken += line.size + 1;
        print_log_line(line);
    }
    buffer_consume(&lines->rest, taken);
    return fflush(stdout) == 0;
}

static int run_log(const struct manager *manager) {
    char *target = command_target(manager);
    struct lines lines = {.is_json = manager->is_json};
    const struct ask ask = {
        .method = "GET", .target = target, .piece = take_piece, .context = &lines};
    struct answer answer;
    buffer_init(&lines.rest, 0);
    int code = client_ask(manager, &ask, &answer);
    if (code == CONTROL_EXIT_DONE && answer.status != 200)
        code = print_refusal(manager, &answer);
    buffer_deinit(&answer.body);
    buffer_deinit(&lines.rest);
    free(target);
    return code;
}

/* Once a second, until something fails. */
static int run_watch(const struct manager *manager) {
    int code;
    bool is_terminal = isatty(STDOUT_FILENO);
    do {
        if (is_terminal && !manager->is_json)
            (void)printf("\033[H\033[J");
        code = run_remote(manager);
        if (fflush(stdout) != 0)
            code = CONTROL_EXIT_FAILED;
        if (code == CONTROL_EXIT_DONE)
            (void)sleep(WATCH_S); /* an early end only shows the next one sooner */
    } while (code == CONTROL_EXIT_DONE);
    return code;
}

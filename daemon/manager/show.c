/* Answers that have a form of their own: a reload, a run, a line of the log, a refusal. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "manager/manager.h"

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* ---- refusals -------------------------------------------------------------------------------- */

int print_refusal(const struct manager *manager, const struct answer *answer) {
    json_t *body =
        json_loadb(answer->body.bytes ? answer->body.bytes : "", answer->body.size, 0, NULL);
    const char *message = text_of(json_object_get(body, "error"), "message");
    if (manager->is_json && body)
        (void)fwrite(answer->body.bytes, 1, answer->body.size, stdout);
    if (message[0])
        (void)fprintf(stderr, "bellwire: %s\n", message);
    else
        (void)fprintf(stderr, "bellwire: the daemon answered with status %u\n", answer->status);
    json_decref(body);
    return CONTROL_EXIT_FAILED;
}

/* ---- reloads --------------------------------------------------------------------------------- */

static void print_messages(const json_t *list, const char *severity) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const char *hint = text_of(one, "hint");
        long long line = json_integer_value(json_object_get(one, "line"));
        if (line)
            (void)fprintf(stderr, "%s:%lld:%lld: %s: %s\n", text_of(one, "file"), line,
                          (long long)json_integer_value(json_object_get(one, "column")), severity,
                          text_of(one, "message"));
        else
            (void)fprintf(stderr, "%s: %s: %s\n", text_of(one, "file"), severity,
                          text_of(one, "message"));
        if (hint[0])
            (void)fprintf(stderr, "    hint: %s\n", hint);
    }
}

static void print_ids(const json_t *changes, const char *how, bool *is_first) {
    const json_t *ids = json_object_get(changes, how);
    size_t count = json_array_size(ids);
    if (!count)
        return;
    (void)printf("%s%s ", *is_first ? "" : "; ", how);
    for (size_t i = 0; i < count; i++)
        (void)printf("%s%s", i ? ", " : "", json_string_value(json_array_get(ids, i)));
    *is_first = false;
}

static void print_section(const json_t *changes, const char *name) {
    const json_t *section = json_object_get(changes, name);
    bool is_first = true;
    (void)printf("%s: ", name);
    print_ids(section, "added", &is_first);
    print_ids(section, "changed", &is_first);
    print_ids(section, "removed", &is_first);
    (void)printf("%s\n", is_first ? "unchanged" : "");
}

void print_changes(const json_t *reload) {
    const json_t *changes = json_object_get(reload, "changes");
    print_messages(json_object_get(reload, "errors"), "error");
    print_messages(json_object_get(reload, "warnings"), "warning");
    if (!json_is_true(json_object_get(reload, "ok"))) {
        (void)fprintf(stderr, "the running configuration is unchanged\n");
        return;
    }
    (void)printf("generation %lld\n",
                 (long long)json_integer_value(json_object_get(reload, "generation")));
    print_section(changes, "tasks");
    print_section(changes, "servers");
    print_section(changes, "clients");
    long long closed = json_integer_value(json_object_get(reload, "closed_sessions"));
    if (closed)
        (void)printf("%lld session%s closed\n", closed, closed == 1 ? "" : "s");
}

/* ---- runs ------------------------------------------------------------------------------------ */

void print_response(const json_t *run) {
    const json_t *response = json_object_get(run, "response");
    const char *name;
    json_t *value;
    if (!response) {
        const char *error = text_of(run, "error"), *at = text_of(run, "at");
        const json_t *result = json_object_get(run, "result");
        (void)printf("run %s of task %s: %s\n", text_of(run, "run"), text_of(run, "task"),
                     text_of(run, "status"));
        if (error[0])
            (void)fprintf(stderr, "%s%s%s\n", at, at[0] ? ": " : "", error);
        if (result && !json_is_null(result)) {
            char *text = json_dumps(result, JSON_COMPACT | JSON_ENCODE_ANY);
            (void)printf("result: %s\n", text);
            free(text);
        }
        return;
    }
    (void)printf("%lld\n", (long long)json_integer_value(json_object_get(response, "status")));
    json_object_foreach(json_object_get(response, "headers"), name, value)(void)
        printf("%s: %s\n", name, json_string_value(value));
    const json_t *body = json_object_get(response, "body");
    size_t size = json_string_length(body);
    (void)printf("\n");
    (void)fwrite(size ? json_string_value(body) : "", 1, size, stdout);
    if (size && json_string_value(body)[size - 1] != '\n' && isatty(STDOUT_FILENO))
        (void)putchar('\n');
}

/* ---- the log --------------------------------------------------------------------------------- */

static void print_value(const char *name, const json_t *value) {
    char *text = json_is_string(value) ? base_strdup(slice_of(json_string_value(value)))
                                       : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    bool is_plain = text[0] != 0;
    for (const char *at = text; *at; at++)
        is_plain &= (unsigned char)*at > ' ' && *at != '"' && *at != 0x7f;
    if (is_plain) {
        (void)printf(" %s=%s", name, text);
    } else {
        char *quoted = json_dumps(value, JSON_ENCODE_ANY);
        (void)printf(" %s=%s", name, quoted);
        free(quoted);
    }
    free(text);
}

/* A peer's control characters must not reach the terminal. */
static void print_message(const char *text) {
    for (; *text; text++)
        (void)putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

void print_log_line(struct slice line) {
    json_t *entry = json_loadb(line.bytes, line.size, 0, NULL);
    const char *name;
    json_t *value;
    if (!entry) {
        (void)printf(SLICE_FMT "\n", SLICE_ARG(line));
        return;
    }
    (void)printf("%s %s ", text_of(entry, "time"), text_of(entry, "level"));
    print_message(text_of(entry, "message"));
    json_object_foreach(entry, name, value) {
        const char *inner;
        json_t *field;
        if (strcmp(name, "time") == 0 || strcmp(name, "level") == 0 || strcmp(name, "message") == 0)
            continue;
        if (strcmp(name, "fields") != 0) {
            print_value(name, value);
            continue;
        }
        json_object_foreach(value, inner, field) print_value(inner, field);
    }
    (void)printf("\n");
    json_decref(entry);
}

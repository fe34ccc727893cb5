/* `bellwire why` for people: an event, and under it each task that was considered, what kept it
 * from running, what that saw, and where it is declared. Fits a narrow terminal: long values are
 * wrapped. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "manager/manager.h"

#define WIDTH_USUAL 80
#define WIDTH_LEAST 40
#define INDENT      4

static size_t terminal_width(void) {
    struct winsize size;
    bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col;
    size_t width = is_known ? size.ws_col : WIDTH_USUAL;
    return width > WIDTH_LEAST ? width : WIDTH_LEAST;
}

static size_t length_of(struct slice text) {
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += ((unsigned char)text.bytes[i] & 0xC0) != 0x80;
    return count;
}

/* A peer's control characters must not reach the terminal. */
static void print_safe(struct slice text) {
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.bytes[i];
        (void)putchar(c < ' ' || c == 0x7f ? '?' : c);
    }
}

/* Between words; one that is longer than a line has one of its own. */
static void print_wrapped(struct slice text, size_t width) {
    size_t at = 0;
    while (text.size) {
        struct slice word = slice_cut(text, ' ', &text);
        size_t length = length_of(word);
        if (at && at + 1 + length > width) {
            (void)putchar('\n');
            at = 0;
        }
        (void)printf("%*s", at ? 1 : INDENT, "");
        print_safe(word);
        at += (at ? 1 : INDENT) + length;
    }
    (void)putchar('\n');
}

static struct slice member(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return slice_of(text ? text : "");
}

static void print_event(const json_t *entry) {
    const json_t *event = json_object_get(entry, "event");
    struct slice method = member(event, "method"), path = member(event, "path");
    struct slice message = member(event, "message"), server = member(event, "server");
    struct slice owner = server.size ? server : member(event, "client");
    const char *at = json_string_value(json_object_get(entry, "at"));
    char *age = age_of(at ? at : "");
    (void)printf("%s: " SLICE_FMT, age, SLICE_ARG(member(event, "kind")));
    if (owner.size)
        (void)printf(" on " SLICE_FMT, SLICE_ARG(owner));
    if (method.size)
        (void)printf(", " SLICE_FMT, SLICE_ARG(method));
    (void)printf("%s", path.size ? " " : "");
    print_safe(path);
    (void)printf("%s", message.size ? ", \"" : "");
    print_safe(message);
    (void)printf("%s\n", message.size ? "\"" : "");
    free(age);
}

static void print_task(const json_t *task, size_t width) {
    struct slice value, gate = slice_cut(member(task, "reason"), ':', &value);
    struct slice at = member(task, "at");
    (void)printf("  " SLICE_FMT, SLICE_ARG(member(task, "task")));
    if (json_is_true(json_object_get(task, "fired"))) {
        (void)printf(" ran\n");
        return;
    }
    (void)printf(" did not run: " SLICE_FMT "\n", SLICE_ARG(gate));
    if (value.size)
        print_wrapped(slice_trim(value), width);
    if (at.size)
        print_wrapped(at, width);
}

void print_why(const json_t *entries) {
    size_t width = terminal_width();
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i);
        const json_t *tasks = json_object_get(entry, "tasks");
        (void)printf("%s", i ? "\n" : "");
        print_event(entry);
        for (size_t t = 0; t < json_array_size(tasks); t++)
            print_task(json_array_get(tasks, t), width);
        if (!json_array_size(tasks))
            (void)printf("  no task has a trigger of this kind\n");
    }
    if (!json_array_size(entries))
        (void)printf("no event yet\n");
}

/* load MODE HOST:PORT [OPTION VALUE]...   prints one line of JSON; 1 and a reason when any answer
 * is wrong echo        `connections` sessions with `depth` messages of `size` in flight each cast
 * `connections` members at `member-path`, one sender at `path` idle        `connections` sessions
 * that wait until a line is read handshakes  `connections` at a time, each dropped after its 101
 *   http        `depth` requests in flight; `%` in path and body stands for the request's number */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "load.h"

static const struct {
    const char *name;
    void (*run)(struct load *load);
} modes[] = {
    {"echo", run_echo}, {"cast", run_cast}, {"idle", run_idle}, {"handshakes", run_handshakes},
    {"http", run_http},
};

static void read_address(struct options *options, const char *text) {
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof(host)) {
        fail("HOST:PORT expected, got %s", text);
    }
    snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
    options->host = text;
    options->address.sin_family = AF_INET;
    options->address.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &options->address.sin_addr) != 1) {
        fail("an IPv4 address is expected, got %s", host);
    }
}

static void read_pids(struct options *options, const char *text) {
    for (const char *at = text; at && *at && options->pid_count < PIDS_MAX;) {
        options->pids[options->pid_count++] = atoi(at);
        at = strchr(at, ',');
        at = at ? at + 1 : NULL;
    }
}

static void read_option(struct options *options, const char *name, const char *value) {
    const struct {
        const char *name;
        uint32_t *number;
        const char **text;
        bool *flag;
    } known[] = {
        {"--connections", &options->connections, NULL, NULL},
        {"--active", &options->active, NULL, NULL},
        {"--depth", &options->depth, NULL, NULL},
        {"--size", &options->size, NULL, NULL},
        {"--path", NULL, &options->path, NULL},
        {"--member-path", NULL, &options->member_path, NULL},
        {"--body", NULL, &options->body, NULL},
        {"--raw", NULL, NULL, &options->is_raw},
        {"--binary", NULL, NULL, &options->is_binary},
        {"--post", NULL, NULL, &options->is_post},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (strcmp(name, known[i].name) == 0) {
            if (known[i].number) {
                *known[i].number = (uint32_t)strtoul(value, NULL, 10);
            } else if (known[i].text) {
                *known[i].text = value;
            } else {
                *known[i].flag = strcmp(value, "yes") == 0;
            }
            return;
        }
    }
    if (strcmp(name, "--seconds") == 0) {
        options->seconds = atof(value);
    } else if (strcmp(name, "--pids") == 0) {
        read_pids(options, value);
    } else {
        fail("unknown option %s", name);
    }
}

int main(int argc, char **argv) {
    struct load load = {.options = {.path = "/",
                                    .member_path = "/",
                                    .body = "",
                                    .connections = 1,
                                    .depth = 1,
                                    .size = 20,
                                    .seconds = 1}};
    if (argc < 3 || argc % 2 == 0) {
        fail("usage: load MODE HOST:PORT [OPTION VALUE]...");
    }
    load.options.mode = argv[1];
    read_address(&load.options, argv[2]);
    for (int i = 3; i < argc; i += 2) {
        read_option(&load.options, argv[i], argv[i + 1]);
    }
    load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load.read_bytes = malloc(READ_BYTES);
    load.write_bytes = malloc(WRITE_BYTES);
    if (load.epoll_fd < 0 || !load.read_bytes || !load.write_bytes) {
        fail("no memory");
    }
    bool is_known = false;
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        if (strcmp(load.options.mode, modes[i].name) == 0) {
            is_known = true;
            modes[i].run(&load);
        }
    }
    if (!is_known) {
        fail("unknown mode %s", load.options.mode);
    }
    image_free(&load.out);
    image_free(&load.in);
    if (load.meter) {
        meter_free(load.meter);
    }
    free(load.read_bytes);
    free(load.write_bytes);
    close(load.epoll_fd);
    return 0;
}

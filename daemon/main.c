/* bellwired: chooses what to do by the command line. */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/describe.h"
#include "daemon/generation.h"
#include "daemon/options.h"
#include "daemon/supervisor.h"

#define EXIT_USAGE         2
#define EXIT_CONFIGURATION 78

static int check(const struct options *options);
static int print(enum status (*describe)(struct buffer *out));
static int peek(const struct options *options);
static int restore(const struct options *options);

int main(int argc, char **argv) {
    struct options options;
    if (!options_parse(&options, argc, argv))
        return EXIT_USAGE;
    switch (options.mode) {
        case OPTIONS_CHECK:
            return check(&options);
        case OPTIONS_SCHEMA:
            return print(describe_schema);
        case OPTIONS_REFERENCE:
            return print(describe_reference);
        case OPTIONS_PEEK:
            return peek(&options);
        case OPTIONS_RESTORE:
            return restore(&options);
        case OPTIONS_VERSION:
            (void)printf("bellwired %s\n", BELLWIRE_VERSION);
            return 0;
        case OPTIONS_HELP:
            (void)fputs(options_help, stdout); /* nothing can be done about a closed terminal */
            return 0;
        default:
            return supervisor_run(&options);
    }
}

static int write_out(struct buffer *text, enum status status, FILE *file) {
    if (!status && fwrite(text->bytes, 1, text->size, file) != text->size)
        status = STATUS_IO;
    buffer_deinit(text);
    return status ? 1 : 0;
}

/* What a start would load, without the state directory, so that it needs no rights on it. */
static int check(const struct options *options) {
    const struct generation_input input = {
        .config = options->config, .workers = options->workers, .number = 1};
    struct generation *generation = generation_load(&input);
    bool is_good = generation->program && !(options->is_strict && generation->diag.warnings);
    struct buffer text;
    buffer_init(&text, 0);
    enum status status;
    if (options->is_json) {
        status = buffer_append(&text, SLICE("{"));
        if (!status)
            status = generation_print_json(generation, is_good, &text);
        if (!status)
            status = buffer_append(&text, SLICE("}\n"));
    } else {
        status = generation_print(generation, false, &text);
        if (!status && is_good)
            status = buffer_printf(&text, "%s is good\n", generation->files.main_path);
        else if (!status && generation->program)
            status = buffer_printf(
                &text, "%zu warning%s in %s, and --strict was given\n", generation->diag.warnings,
                generation->diag.warnings == 1 ? "" : "s", generation->files.main_path);
    }
    int code = write_out(&text, status, options->is_json || is_good ? stdout : stderr);
    if (generation->program)
        program_unref(generation->program);
    generation_unref(generation);
    return code ? code : is_good ? 0 : EXIT_CONFIGURATION;
}

static int print(enum status (*describe)(struct buffer *out)) {
    struct buffer text;
    buffer_init(&text, 0);
    return write_out(&text, describe(&text), stdout);
}

static int peek(const struct options *options) {
    struct buffer text;
    buffer_init(&text, 0);
    char why[REGISTRY_WHY_MAX] = "";
    bool is_servers = strcmp(options->peek, "servers") == 0;
    enum status status =
        describe_stored(options->state, is_servers ? REGISTRY_SERVER : REGISTRY_CLIENT, &text, why);
    if (status)
        (void)fprintf(stderr, "bellwired: %s\n", why);
    return write_out(&text, status, stdout);
}

static int restore(const struct options *options) {
    char why[REGISTRY_WHY_MAX] = "";
    enum status status = registry_restore(options->state, options->restore, why);
    if (status)
        (void)fprintf(stderr, "bellwired: %s\n", why[0] ? why : status_text(status));
    else
        (void)printf("%s/bellwire.db is now that of %s\n", options->state, options->restore);
    return status ? 1 : 0;
}

/* The command line, by the table of commands: which command it is, and what its arguments are. */
#include <stdio.h>
#include <stdlib.h>

#include "manager/manager.h"

#define STATE_DEFAULT "/var/lib/bellwire"
#define WORDS_MAX     16

const struct control_command commands[] = {
#define X(id, noun, verb, arguments, method, path, help, columns)                                  \
    {noun, verb, arguments, method, path, help, columns},
    CONTROL_COMMANDS(X)
#undef X
};

struct option { /* of a usage line */
    struct slice name;
    struct slice word; /* what stands for its value; empty: a flag */
    bool is_optional;  /* a word that need not be given */
};
struct line { /* the command line as it is read */
    struct manager *manager;
    char **argv;
    int argc, at;
    const char *words[WORDS_MAX];
    size_t word_count;
    const char *timeout;
    bool has_ended; /* `--` was met */
};

static bool take_words(struct line *line);
static bool find_command(struct line *line);
static bool take_options(struct line *line);
static bool take_positionals(struct line *line);
static void fill_in(struct manager *manager);

static bool fail(const char *what, const char *which) {
    (void)fprintf(stderr, "bellwire: %s \"%s\"\ntry: bellwire --help\n", what, which);
    return false;
}

static const struct control_command *command_of(const struct manager *manager) {
    return &commands[manager->command];
}

/* ---- options that all commands take ---------------------------------------------------------- */

/* The value of `--name VALUE` or `--name=VALUE`; NULL when it is another option. */
static const char *value_of(struct line *line, const char *name) {
    const char *word = line->argv[line->at];
    size_t size = strlen(name);
    if (strncmp(word, name, size) != 0 || (word[size] && word[size] != '='))
        return NULL;
    if (word[size] == '=')
        return word + size + 1;
    return line->at + 1 < line->argc ? line->argv[++line->at] : NULL;
}

/* 1: it was one of them; 0: it is not; -1: after a message. */
static int take_common(struct line *line) {
    struct manager *manager = line->manager;
    const char *word = line->argv[line->at], *value;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        manager->is_help = true;
    } else if (strcmp(word, "--version") == 0) {
        line->words[0] = "version";
        line->word_count = 1;
    } else if ((value = value_of(line, "--control"))) {
        manager->control = value;
    } else if ((value = value_of(line, "--state"))) {
        manager->state = value;
    } else if ((value = value_of(line, "--timeout"))) {
        line->timeout = value;
        if (duration_parse(slice_of(value), &manager->timeout_ms) || !manager->timeout_ms)
            return fail("--timeout must be a duration such as 5s, got", value) ? 1 : -1;
    } else if ((value = value_of(line, "-o")) || (value = value_of(line, "--output"))) {
        manager->is_json = strcmp(value, "json") == 0;
        if (!manager->is_json && strcmp(value, "table") != 0)
            return fail("-o must be table or json, got", value) ? 1 : -1;
    } else {
        return 0;
    }
    return 1;
}

/* Words before the first option of the command itself; the others stay for later, in order. */
static bool take_words(struct line *line) {
    int kept = 0;
    for (line->at = 1; line->at < line->argc; line->at++) {
        char *word = line->argv[line->at];
        int taken = 0;
        if (!line->has_ended && word[0] == '-' && word[1])
            taken = take_common(line);
        if (taken < 0)
            return false;
        if (taken)
            continue;
        line->has_ended |= strcmp(word, "--") == 0;
        line->argv[kept++] = word;
    }
    line->argc = kept;
    line->at = 0;
    line->has_ended = false;
    return true;
}

bool command_parse(struct manager *manager, int argc, char **argv) {
    struct line line = {.manager = manager, .argv = argv, .argc = argc};
    *manager = (struct manager){.command = COMMAND_COUNT, .parameters = json_object()};
    if (!take_words(&line))
        return false;
    if (line.word_count == 0 && line.argc == 0) {
        fill_in(manager);
        if (!manager->is_help)
            command_help(manager, stderr);
        return manager->is_help;
    }
    if (!find_command(&line))
        return false;
    fill_in(manager);
    if (manager->is_help)
        return true;
    if (line.timeout && strstr(command_of(manager)->arguments, "[--timeout "))
        (void)json_object_set_new(manager->parameters, "timeout", json_string(line.timeout));
    manager->is_ready = take_options(&line) && take_positionals(&line);
    return manager->is_ready;
}

void command_release(struct manager *manager) {
    json_decref(manager->parameters);
    free(manager->own_control);
}

static void fill_in(struct manager *manager) {
    const char *control = getenv(CONTROL_SOCKET_ENV), *state = getenv("BELLWIRE_STATE");
    if (!manager->control && control && control[0])
        manager->control = control;
    if (!manager->control && manager->state) {
        size_t size = strlen(manager->state) + sizeof "/control.sock";
        char *path = base_alloc(size);
        (void)snprintf(path, size, "%s/control.sock", manager->state); /* fits */
        manager->control = manager->own_control = path;
    }
    if (!manager->control)
        manager->control = CONTROL_SOCKET_DEFAULT;
    if (!manager->state)
        manager->state = state && state[0] ? state : STATE_DEFAULT;
}

/* ---- which command --------------------------------------------------------------------------- */

static void suggest(const char *word, const char *noun) {
    const char *names[COMMAND_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (!noun)
            names[count++] = commands[i].noun;
        else if (strcmp(noun, commands[i].noun) == 0)
            names[count++] = commands[i].verb;
    const char *nearest = slice_nearest(slice_of(word), names, count);
    if (nearest)
        (void)fprintf(stderr, "hint: did you mean \"%s%s%s\"?\n", noun ? noun : "", noun ? " " : "",
                      nearest);
}

static bool find_command(struct line *line) {
    const char *noun = line->word_count ? line->words[0] : line->argv[line->at++];
    const char *verb = line->at < line->argc ? line->argv[line->at] : "";
    bool is_noun = false;
    line->word_count = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].noun, noun) != 0)
            continue;
        is_noun = true;
        bool is_alone = !commands[i].verb[0];
        if (!is_alone && strcmp(commands[i].verb, verb) != 0)
            continue;
        line->at += !is_alone;
        line->manager->command = (enum command_id)i;
        return true;
    }
    if (!is_noun) {
        (void)fail("unknown command", noun);
        suggest(noun, NULL);
    } else if (!verb[0]) {
        if (line->manager->is_help)
            command_help(line->manager, stderr);
        (void)fprintf(stderr, "bellwire: \"%s\" needs a verb\ntry: bellwire --help\n", noun);
    } else {
        (void)fprintf(stderr, "bellwire: unknown command \"%s %s\"\ntry: bellwire --help\n", noun,
                      verb);
        suggest(verb, noun);
    }
    return false;
}

/* ---- its arguments --------------------------------------------------------------------------- */

static struct slice strip(struct slice text, const char *ends) {
    while (text.size && strchr(ends, text.bytes[0]))
        text = (struct slice){text.bytes + 1, text.size - 1};
    while (text.size && strchr(ends, text.bytes[text.size - 1]))
        text.size--;
    return text;
}

/* Cuts the next item off a usage line. True with an option, or a word that must be given in
 * `*positional`. */
static bool next_item(struct slice *usage, struct option *option, struct slice *positional) {
    *option = (struct option){0};
    *positional = SLICE_NONE;
    struct slice item = SLICE_NONE;
    while (usage->size && !item.size)
        item = slice_cut(*usage, ' ', usage);
    if (!item.size)
        return false;
    if (item.bytes[0] != '[') {
        *positional = item;
        return true;
    }
    bool is_whole = memchr(item.bytes, ']', item.size) != NULL;
    option->name = strip(item, "[].");
    if (is_whole && option->name.bytes[0] != '-') {
        *positional = option->name;
        *option = (struct option){.is_optional = true};
        return true;
    }
    if (!is_whole)
        option->word = strip(slice_cut(*usage, ' ', usage), "[].");
    return true;
}

static void put_named(struct manager *manager, struct slice name, json_t *value) {
    char *key = base_strdup(strip(name, "-"));
    for (char *at = key; *at; at++)
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    (void)json_object_set_new(manager->parameters, strcmp(key, "f") == 0 ? "follow" : key, value);
    free(key);
}

/* `K=V` or `K=JSON` into `vars`. */
static bool put_pair(struct manager *manager, const char *text, bool is_json) {
    const char *equal = strchr(text, '=');
    json_error_t error;
    if (!equal || equal == text)
        return fail("expected NAME=VALUE, got", text);
    json_t *value =
        is_json ? json_loads(equal + 1, JSON_DECODE_ANY, &error) : json_string(equal + 1);
    if (!value)
        return fail(is_json ? "this is no JSON:" : "this is no UTF-8:", equal + 1);
    json_t *vars = json_object_get(manager->parameters, "vars");
    if (!vars) {
        vars = json_object();
        (void)json_object_set_new(manager->parameters, "vars", vars);
    }
    char *name = base_strdup((struct slice){text, (size_t)(equal - text)});
    bool is_good = json_object_set_new(vars, name, value) == 0;
    free(name);
    return is_good || fail("this is no UTF-8:", text);
}

static bool put_value(struct manager *manager, const struct option *option, const char *text) {
    uint64_t number;
    if (slice_starts_with(option->word, SLICE("K=")))
        return put_pair(manager, text, slice_is(option->word, "K=JSON"));
    if (slice_is(option->word, "N")) {
        if (slice_to_u64(slice_of(text), &number) || number > INT64_MAX)
            return fail("expected a number, got", text);
        put_named(manager, option->name, json_integer((json_int_t)number));
        return true;
    }
    json_t *value = json_string(text);
    if (!value)
        return fail("this is no UTF-8:", text);
    put_named(manager, option->name, value);
    return true;
}

static bool take_option(struct line *line) {
    struct slice usage = slice_of(command_of(line->manager)->arguments), positional;
    struct option option;
    while (next_item(&usage, &option, &positional)) {
        if (!option.name.size)
            continue;
        char *name = base_strdup(option.name);
        bool is_flag = option.word.size == 0;
        if (is_flag && strcmp(line->argv[line->at], name) == 0) {
            put_named(line->manager, option.name, json_true());
            free(name);
            return true;
        }
        const char *value = is_flag ? NULL : value_of(line, name);
        free(name);
        if (value)
            return put_value(line->manager, &option, value);
    }
    return fail("unknown option, or one without its value:", line->argv[line->at]);
}

static bool take_options(struct line *line) {
    for (; line->at < line->argc; line->at++) {
        const char *word = line->argv[line->at];
        if (!line->has_ended && strcmp(word, "--") == 0) {
            line->has_ended = true;
        } else if (!line->has_ended && word[0] == '-' && word[1]) {
            if (strcmp(word, "--follow") == 0)
                put_named(line->manager, SLICE("follow"), json_true());
            else if (!take_option(line))
                return false;
        } else if (line->word_count == WORDS_MAX) {
            return fail("unexpected argument", word);
        } else {
            line->words[line->word_count++] = word;
        }
    }
    return true;
}

/* Each word is a key of the declaration with its value as text; the daemon knows the types. */
static bool put_keys(struct line *line, size_t at) {
    for (; at < line->word_count; at++) {
        const char *word = line->words[at], *equal = strchr(word, '=');
        json_t *value = equal ? json_string(equal + 1) : NULL;
        if (!equal || equal == word)
            return fail("expected KEY=VALUE, got", word);
        char *key = base_strdup((struct slice){word, (size_t)(equal - word)});
        bool is_good = value && json_object_set_new(line->manager->parameters, key, value) == 0;
        free(key);
        if (!is_good)
            return fail("this is no UTF-8:", word);
    }
    return true;
}

static bool take_positionals(struct line *line) {
    struct manager *manager = line->manager;
    struct slice usage = slice_of(command_of(manager)->arguments), positional;
    struct option option;
    size_t at = 0;
    while (next_item(&usage, &option, &positional)) {
        if (!positional.size)
            continue;
        if (at == line->word_count && option.is_optional)
            continue;
        if (at == line->word_count && !slice_is(positional, "KEY=VALUE...")) {
            const struct control_command *command = command_of(manager);
            (void)fprintf(stderr, "bellwire: " SLICE_FMT " is missing\nusage: bellwire %s %s %s\n",
                          SLICE_ARG(positional), command->noun, command->verb, command->arguments);
            return false;
        }
        if (slice_is(positional, "KEY=VALUE..."))
            return put_keys(line, at);
        if (slice_is(positional, "ID"))
            manager->id = line->words[at++];
        else if (!put_value(manager, &(struct option){.name = positional}, line->words[at++]))
            return false;
    }
    return at == line->word_count || fail("unexpected argument", line->words[at]);
}

const char *parameter(const struct manager *manager, const char *name) {
    return json_string_value(json_object_get(manager->parameters, name));
}

bool has_flag(const struct manager *manager, const char *name) {
    return json_is_true(json_object_get(manager->parameters, name));
}

/* ---- help ------------------------------------------------------------------------------------ */

static void print_usage(FILE *file, const struct control_command *command) {
    (void)fprintf(file, "bellwire %s%s%s%s%s", command->noun, command->verb[0] ? " " : "",
                  command->verb, command->arguments[0] ? " " : "", command->arguments);
}

void command_help(const struct manager *manager, FILE *file) {
    bool has_command = manager->command != COMMAND_COUNT;
    if (has_command) {
        (void)fprintf(file, "usage: ");
        print_usage(file, command_of(manager));
        (void)fprintf(file, "\n\n%s\n", command_of(manager)->help);
    } else {
        (void)fprintf(file, "usage: bellwire [OPTIONS] NOUN [VERB] [ARGUMENTS]\n\n");
        for (size_t i = 0; i < COMMAND_COUNT; i++)
            (void)fprintf(file, "  %-8s %-7s %s\n", commands[i].noun, commands[i].verb,
                          commands[i].help);
    }
    (void)fprintf(file,
                  "\n  -o table|json      how the answer is printed\n"
                  "  --control SOCKET   the daemon's socket ($%s, else %s;\n"
                  "                     with --state alone DIR/control.sock)\n"
                  "  --state DIR        registry to read where no daemon runs ($BELLWIRE_STATE,\n"
                  "                     else %s)\n"
                  "  --timeout T        give up after this time, such as 5s\n"
                  "  --help\n\n"
                  "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the daemon is not running,\n"
                  "78 the configuration is wrong, 124 --timeout passed.\n",
                  CONTROL_SOCKET_ENV, CONTROL_SOCKET_DEFAULT, STATE_DEFAULT);
}

/* run-program: a program, its argv as given and never a shell. The step ends when the program has;
 * what is past its time is told TERM, then KILL, with all its group. */
#include "actions/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXIT_NOT_FOUND   127
#define EXIT_NOT_STARTED 126
#define EXIT_TIMED_OUT   124

static bool program_prepare(struct prepare *prepare, void *args);
static enum step_state program_start(struct step *step, const void *args);
static void program_cancel(struct step *step);
static enum step_state go_on(struct program_run *run);
static enum step_state launch(struct program_run *run);
static enum step_state launch_in_turn(struct program_run *run);
static void on_place(void *context);
static void on_prepared(uv_work_t *work, int status);
static void on_output(void *context, int stream, struct slice bytes);
static void on_ended(void *context, const struct process_end *end);

static const struct config_field limit_fields[] = {
    FIELD_DURATION(struct program_limits, cpu_ms, "cpu", .min = 1000,
                   .doc = "processor time, in whole seconds"),
    FIELD_SIZE(struct program_limits, memory_bytes, "memory", .min = 1 << 20,
               .doc = "address space of one process"),
    FIELD_U32(struct program_limits, files, "files", .min = 3, .doc = "open files of one process"),
    FIELD_U32(struct program_limits, processes, "processes", .min = 1,
              .doc = "processes of its user"),
    FIELD_END};
static const struct config_field line_fields[] = {
    FIELD_SPECIAL(struct program_lines, as, "as", "slot", .required = true,
                  .doc = "name that holds the line"),
    FIELD_SPECIAL(struct program_lines, chain, "do", "chain", .required = true,
                  .doc = "steps for each line"),
    FIELD_END};
static const struct config_field program_fields[] = {
    FIELD_TEXTS(struct program_args, command, "command", .required = true, .min = 1,
                .doc = "the program and its arguments; never a shell"),
    FIELD_TEXT(struct program_args, standard_input, "stdin", .doc = "text for its standard input"),
    FIELD_FILE(struct program_args, input_file, "stdin-file", .doc = "or a file"),
    FIELD_PAIRS(struct program_args, env, "env", .doc = "variables of its environment"),
    FIELD_TEXTS(struct program_args, pass_env, "pass-env",
                .doc = "names that it gets from the daemon's environment"),
    FIELD_FILE(struct program_args, directory, "directory",
               .doc = "where it runs; the task file's folder when left out"),
    FIELD_TEXT(struct program_args, user, "user", .min = 1, .doc = "whom it runs as"),
    FIELD_TEXT(struct program_args, group, "group", .min = 1, .doc = "with which group"),
    FIELD_STRUCT(struct program_args, limits, "limits", limit_fields,
                 .doc = "bounds of the kernel for each of its processes"),
    FIELD_SIZE(struct program_args, max_output, "max-output", .dflt = "1MiB", .min = 1,
               .max = 1 << 30, .doc = "what is kept of each output stream, and of a line"),
    FIELD_TEXTS(struct program_args, success, "success", .dflt = "[0]", .is_constant = true,
                .min = 1, .doc = "exit codes that are no failure"),
    FIELD_STRUCT(struct program_args, lines, "lines", line_fields,
                 .doc = "a chain for each line of standard output while it runs"),
    FIELD_END};

const struct action_kind action_run_program = {
    .name = "run-program",
    .doc = "runs a program",
    .fields = program_fields,
    .args_size = sizeof(struct program_args),
    .resume = RESUME_FAIL,
    .prepare = program_prepare,
    .start = program_start,
    .cancel = program_cancel,
};
static const struct process_events events = {.output = on_output, .ended = on_ended};

#define AT(member) offsetof(struct program_args, member)

/* ---- at load ------------------------------------------------------------------------------------
 */

static bool prepare_success(struct prepare *prepare, struct program_args *args) {
    uint8_t *is_good = arena_zalloc(prepare_arena(prepare), 256);
    if (!is_good)
        return prepare_error(prepare, AT(success), "out of memory");
    for (size_t i = 0; i < args->success.count; i++) {
        uint64_t code;
        if (slice_to_u64(args->success.items[i], &code) != STATUS_OK || code > 255)
            return prepare_error(prepare, AT(success),
                                 "\"success\" lists exit codes from 0 to 255, got \"" SLICE_FMT
                                 "\"",
                                 SLICE_ARG(args->success.items[i]));
        is_good[code] = 1;
    }
    args->is_good = is_good;
    return true;
}

static bool is_env_name(struct slice name) {
    return name.size && !memchr(name.bytes, '=', name.size) && !memchr(name.bytes, '\0', name.size);
}

/* A text that holds a variable has no bytes yet; it is looked at when the step starts. */
static bool names_nothing(const struct config_texts *command) {
    return command->count == 0 || (command->items[0].bytes && command->items[0].size == 0);
}

static bool program_prepare(struct prepare *prepare, void *args) {
    struct program_args *program = args;
    bool is_good = prepare_success(prepare, program);
    if (names_nothing(&program->command))
        is_good = prepare_error(prepare, AT(command), "\"command\" must name a program");
    if (prepare_has(prepare, AT(standard_input)) && prepare_has(prepare, AT(input_file)))
        is_good = prepare_error(prepare, AT(input_file),
                                "\"stdin\" and \"stdin-file\" exclude each other");
    for (size_t i = 0; i < program->env.count; i++)
        if (!is_env_name(program->env.names[i]))
            is_good = prepare_error(prepare, AT(env),
                                    "\"" SLICE_FMT "\" cannot be the name of a variable",
                                    SLICE_ARG(program->env.names[i]));
    program->fence = path__fence(prepare, AT(input_file));
    return is_good;
}

/* ---- start: everything is copied, since it may wait long ----------------------------------------
 */

static bool has_nul(struct slice text) {
    return text.size && memchr(text.bytes, '\0', text.size) != NULL;
}

static const char *refuse_nul(const struct program_args *args) {
    for (size_t i = 0; i < args->command.count; i++)
        if (has_nul(args->command.items[i]))
            return "command";
    for (size_t i = 0; i < args->env.count; i++)
        if (has_nul(args->env.values[i]))
            return "env";
    for (size_t i = 0; i < args->pass_env.count; i++)
        if (!is_env_name(args->pass_env.items[i]))
            return "pass-env";
    if (has_nul(args->input_file))
        return "stdin-file";
    if (has_nul(args->directory))
        return "directory";
    return has_nul(args->user) || has_nul(args->group) ? "user" : NULL;
}

static bool copy_text(struct program_run *run, struct slice from, const char **to) {
    if (!from.bytes)
        return true;
    *to = arena_text(&run->arena, from);
    return *to != NULL;
}

static bool copy_command(struct program_run *run, const struct program_args *args) {
    size_t count = args->command.count;
    run->argv = arena_zalloc(&run->arena, (count + 1) * sizeof *run->argv);
    for (size_t i = 0; run->argv && i < count; i++)
        if (!(run->argv[i] = arena_text(&run->arena, args->command.items[i])))
            return false;
    return run->argv != NULL;
}

static bool copy_env(struct program_run *run, const struct program_args *args) {
    for (size_t i = 0; i < args->pass_env.count + args->env.count; i++) {
        bool is_passed = i < args->pass_env.count;
        size_t at = i - args->pass_env.count;
        const char *name =
            arena_text(&run->arena, is_passed ? args->pass_env.items[i] : args->env.names[at]);
        const char *ours = name && is_passed ? getenv(name) : "";
        if (!name)
            return false;
        if (ours && !program__set_env(run, name, is_passed ? slice_of(ours) : args->env.values[at]))
            return false;
    }
    return true;
}

static bool copy_place(struct program_run *run) {
    struct log_place *log = &run->log;
    struct event_place where = {0};
    const struct event *event = run_event(step_run(run->step));
    step_log_place(run->step, log);
    if (event && event->ops && event->ops->place)
        event->ops->place((struct event *)(uintptr_t)event, step_scratch(run->step), &where);
    run->peer = where.peer;
    struct slice *texts[] = {&log->task,   &log->run,    &log->step,    &log->at,
                             &log->server, &log->client, &log->session, &run->peer};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (arena_copy(&run->arena, *texts[i], texts[i]) != STATUS_OK)
            return false;
    return true;
}

static bool copy_args(struct program_run *run, const struct program_args *args) {
    struct program_args *copy = arena_alloc(&run->arena, sizeof *copy);
    struct slice fence = args->input_file.bytes ? args->fence : SLICE_NONE;
    struct net_file_options file = {.path = args->input_file};
    if (!copy)
        return false;
    *copy = *args;
    run->args = copy;
    if (fence.bytes && path__below(fence, args->input_file, &file) && !file.path.size)
        file.path = SLICE(".");
    return copy_command(run, args) && copy_env(run, args) && copy_place(run) &&
           copy_text(run, args->directory.bytes ? args->directory : step_folder(run->step),
                     &run->directory) &&
           copy_text(run, file.path, &run->input_file) && copy_text(run, fence, &run->fence) &&
           copy_text(run, args->user, &run->user) && copy_text(run, args->group, &run->group);
}

/* A file in memory holds it, so that nobody has to feed a pipe. */
static bool make_input(struct program_run *run, struct slice text) {
    run->stdin_fd = memfd_create("stdin", MFD_CLOEXEC);
    while (run->stdin_fd >= 0 && text.size) {
        ssize_t size = write(run->stdin_fd, text.bytes, text.size);
        if (size <= 0)
            return false;
        text.bytes += size;
        text.size -= (size_t)size;
    }
    return run->stdin_fd >= 0 && lseek(run->stdin_fd, 0, SEEK_SET) == 0;
}

static void free_run(struct program_run *run) {
    if (run->stdin_fd >= 0)
        close(run->stdin_fd);
    if (run->has_place)
        place__release(run->host);
    buffer_deinit(&run->output[0]);
    buffer_deinit(&run->output[1]);
    buffer_deinit(&run->pending);
    arena_deinit(&run->arena);
    free(run);
}

static enum step_state program_start(struct step *step, const void *args) {
    const struct program_args *program = args;
    const char *bad = refuse_nul(program);
    if (bad)
        return step_fail(step, EINVAL, "\"%s\" holds a NUL character or an impossible name", bad);
    if (names_nothing(&program->command))
        return step_fail(step, EINVAL,
                         "\"command\" must name a program, got \"\" as its first text");
    struct program_run *run = calloc(1, sizeof *run);
    if (!run)
        return action__no_memory(step);
    run->step = step;
    run->host = action__host(step);
    run->stdin_fd = -1;
    list_init(&run->launch.node);
    arena_init(&run->arena, 4096, 0);
    buffer_init(&run->output[0], (size_t)program->max_output);
    buffer_init(&run->output[1], (size_t)program->max_output);
    buffer_init(&run->pending, 0);
    bool is_copied = copy_args(run, program) &&
                     (!program->standard_input.bytes || make_input(run, program->standard_input));
    enum step_state state = is_copied ? go_on(run) : action__no_memory(step);
    if (state != STEP_PENDING)
        free_run(run);
    else
        step_set_data(step, run);
    return state;
}

/* ---- a place, then the pool, then the program ---------------------------------------------------
 */

static enum step_state prepare_in_pool(struct program_run *run);

static enum step_state go_on(struct program_run *run) {
    if (place__take(run->host->programs)) {
        run->has_place = true;
        return prepare_in_pool(run);
    }
    run->place = place__wait(run->host, on_place, run);
    if (!run->place)
        return action__no_memory(run->step);
    step_pause_timeout(run->step, true);
    return STEP_PENDING;
}

static void on_place(void *context) {
    struct program_run *run = context;
    run->place = NULL;
    run->has_place = true;
    step_pause_timeout(run->step, false);
    enum step_state state = prepare_in_pool(run);
    if (state != STEP_PENDING)
        program__finish(run, state);
}

static void on_prepare(uv_work_t *work) {
    program__prepare(CONTAINER_OF(work, struct program_run, work));
}

static enum step_state prepare_in_pool(struct program_run *run) {
    if (!program__needs_pool(run))
        return launch_in_turn(run);
    if (uv_queue_work(net_loop_uv(run->host->loop), &run->work, on_prepare, on_prepared))
        return action__no_memory(run->step);
    run->is_in_pool = true;
    return STEP_PENDING;
}

static void on_prepared(uv_work_t *work, int status) {
    struct program_run *run = CONTAINER_OF(work, struct program_run, work);
    (void)status; /* nobody cancels the work itself */
    run->is_in_pool = false;
    if (!run->step) {
        free_run(run);
        return;
    }
    program__keep_self(run);
    enum step_state state = launch_in_turn(run);
    if (state != STEP_PENDING)
        program__finish(run, state);
}

static void on_turn(struct launch *waiting) {
    struct program_run *run = CONTAINER_OF(waiting, struct program_run, launch);
    enum step_state state = launch(run);
    if (state != STEP_PENDING)
        program__finish(run, state);
}

static enum step_state launch_in_turn(struct program_run *run) {
    run->launch.start = on_turn;
    return launch__wait(run->host, &run->launch) ? STEP_PENDING : launch(run);
}

/* ---- the result ---------------------------------------------------------------------------------
 */

static bool set_result(struct program_run *run, int exit_code, int signal) {
    const struct value_pair pairs[] = {
        {value_bytes(SLICE("exit_code")), value_int(exit_code)},
        {value_bytes(SLICE("signal")), value_int(signal)},
        {value_bytes(SLICE("stdout")), value_bytes(buffer_slice(&run->output[0]))},
        {value_bytes(SLICE("stderr")), value_bytes(buffer_slice(&run->output[1]))},
        {value_bytes(SLICE("truncated")), value_bool(run->is_truncated)}};
    struct value result = {.type = VALUE_MAP, .count = ARRAY_SIZE(pairs), .pairs = pairs};
    return step_set_result(run->step, result) == STATUS_OK;
}

static enum step_state fail_launch(struct program_run *run, int error, const char *why) {
    bool is_missing = error == ENOENT;
    if (!set_result(run, is_missing ? EXIT_NOT_FOUND : EXIT_NOT_STARTED, 0))
        return STEP_FAILED;
    program__blame_sandbox(run, error);
    return step_fail(run->step, error ? error : 1, "program \"%s\" cannot be started: %s",
                     run->argv[0], why);
}

/* The child says one number for everything that it does. */
static const char *explain(const struct program_run *run, int error, char *text, size_t room) {
    if (access(run->directory, X_OK))
        snprintf(text, room, "its directory \"%s\": %s", run->directory, strerror(errno));
    else if (error == ENOENT && program__needs_helper(run))
        snprintf(text, room, "its helper \"%s\" is not there", run->host->exec_helper);
    else if (error == ENOENT)
        snprintf(text, room, "the interpreter in its first line is not there");
    else if (error == ENOEXEC)
        snprintf(text, room, "it is neither a program nor a script that names its interpreter");
    else
        snprintf(text, room, "%s", strerror(error));
    return text;
}

static enum step_state launch(struct program_run *run) {
    char text[512];
    if (run->why[0])
        return fail_launch(run, run->error, run->why);
    if (!program__make_env(run))
        return action__no_memory(run->step);
    const char *path = program__find(run);
    if (!path && errno == ENOENT)
        return fail_launch(run, ENOENT,
                           strchr(run->argv[0], '/') ? "there is no such file"
                                                     : "it is not found on PATH");
    if (!path)
        return fail_launch(run, errno, "it is no file that may be executed");
    struct process_spawn spawn = {.path = path,
                                  .argv = run->argv,
                                  .env = run->env,
                                  .directory = run->directory,
                                  .stdin_fd = run->stdin_fd,
                                  .has_helper = program__needs_helper(run),
                                  .max_files = run->host->program_files,
                                  .events = &events,
                                  .context = run};
    if (spawn.has_helper) {
        spawn.path = run->host->exec_helper;
        spawn.argv = program__wrap(run, path);
        if (!spawn.argv)
            return action__no_memory(run->step);
    }
    uint64_t begin_ns = launch__begin(run->host);
    run->process = process__start(run->host, &spawn);
    int error = errno;
    launch__end(run->host, begin_ns);
    if (!run->process) {
        return fail_launch(run, error, explain(run, error, text, sizeof text));
    }
    run->has_place = false; /* the process gives it back */
    return STEP_PENDING;
}

/* ---- while it runs ------------------------------------------------------------------------------
 */

/* What passes the bound is dropped. False without memory. */
static bool keep_output(struct program_run *run, struct buffer *output, struct slice bytes) {
    size_t room = output->limit_bytes - output->size;
    if (bytes.size > room) {
        bytes.size = room;
        run->is_truncated = true;
    }
    return bytes.size == 0 || buffer_append(output, bytes) == STATUS_OK;
}

static void on_output(void *context, int stream, struct slice bytes) {
    struct program_run *run = context;
    bool has_lines = stream == 0 && run->args->lines.chain;
    if (!keep_output(run, &run->output[stream], bytes) ||
        (has_lines && !program__add_lines(run, bytes))) {
        program__finish(run, action__no_memory(run->step));
        return;
    }
    if (has_lines)
        program__next_line(run);
}

static void on_ended(void *context, const struct process_end *end) {
    struct program_run *run = context;
    run->process = NULL;
    run->has_ended = true;
    run->end = *end;
    if (run->args->lines.chain)
        program__next_line(run);
    else
        program__complete(run);
}

static void log_lines(struct program_run *run, int stream) {
    static const char *const names[] = {"stdout", "stderr"};
    struct slice rest = buffer_slice(&run->output[stream]);
    while (rest.size) {
        struct slice line = slice_cut(rest, '\n', &rest);
        log_line(stream ? LOG_WARN : LOG_INFO, &run->log, "%s of %s: " SLICE_FMT, names[stream],
                 run->argv[0], SLICE_ARG(line));
    }
}

static enum step_state judge(struct program_run *run) {
    const struct process_end *end = &run->end;
    char why[96];
    if (end->error) {
        snprintf(why, sizeof why, "%s: %s", end->stage, strerror(end->error));
        return fail_launch(run, end->error, why);
    }
    if (!set_result(run, end->exit_code, end->signal))
        return STEP_FAILED;
    if (end->signal)
        return step_fail(run->step, end->exit_code, "program \"%s\" was ended by signal %d (%s)",
                         run->argv[0], end->signal, strsignal(end->signal));
    if (run->args->is_good[end->exit_code & 255])
        return STEP_DONE;
    return step_fail(run->step, end->exit_code, "program \"%s\" ended with exit code %d",
                     run->argv[0], end->exit_code);
}

void program__complete(struct program_run *run) {
    if (run->is_truncated)
        atomic_fetch_add_explicit(&run->host->programs->cut, 1, memory_order_relaxed);
    if (!step_wants_result(run->step)) {
        if (!run->args->lines.chain)
            log_lines(run, 0);
        log_lines(run, 1);
        if (run->is_truncated)
            log_line(LOG_WARN, &run->log, "the output of %s passed max-output and was cut",
                     run->argv[0]);
    }
    enum step_state state = judge(run);
    if (state == STEP_FAILED && !run->end.error)
        program__blame_sandbox(run, 0);
    program__finish(run, state);
}

void program__finish(struct program_run *run, enum step_state state) {
    struct step *step = run->step;
    if (run->process)
        process__kill(run->process);
    free_run(run);
    step_set_data(step, NULL);
    step_finish(step, state);
}

static void program_cancel(struct step *step) {
    struct program_run *run = step_data(step);
    if (!run)
        return; /* finished; only its chains had not ended */
    (void)set_result(run, EXIT_TIMED_OUT, run->process ? SIGTERM : 0); /* it has failed anyway */
    run->step = NULL;
    if (run->place)
        place__cancel(run->place);
    launch__cancel(&run->launch);
    if (run->process)
        process__kill(run->process);
    if (!run->is_in_pool)
        free_run(run);
}

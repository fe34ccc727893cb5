/* An engine on a fake clock with fake triggers, actions and variables; all that happens is written
 * into a trace that tests compare. Included once by each test file. */
#ifndef TESTS_ENGINE_LAB_H
#define TESTS_ENGINE_LAB_H

#include "tests/unit/engine/lab_actions.h"

/* ---- fake triggers and variables
 * ----------------------------------------------------------------- */

struct poke_args {
    struct slice path;
    uint32_t unmet;
};
static const struct config_field poke_fields[] = {
    FIELD_TEXT(struct poke_args, path, "path", .doc = "where"),
    FIELD_U32(struct poke_args, unmet, "unmet", .dflt = "403", .doc = "status"), FIELD_END};
static const struct trigger_kind trigger_poke = {.name = "poke",
                                                 .doc = "a poke",
                                                 .fields = poke_fields,
                                                 .args_size = sizeof(struct poke_args),
                                                 .binds_http = true};
static const struct trigger_kind trigger_boot = {.name = "boot", .doc = "a start"};
static const struct trigger_kind *const lab_triggers[] = {&trigger_poke, &trigger_boot, NULL};

/* The source is a text. */
static inline enum status get_word(void *source, struct slice argument, struct arena *arena,
                                   struct value *out) {
    (void)argument, (void)arena;
    *out = value_bytes(slice_of(source));
    return STATUS_OK;
}
static inline enum status get_echo(void *source, struct slice argument, struct arena *arena,
                                   struct value *out) {
    (void)source;
    struct slice copy;
    if (arena_copy(arena, argument, &copy) != STATUS_OK)
        return STATUS_NO_MEMORY;
    *out = value_bytes(copy);
    return STATUS_OK;
}
static const struct expr_variable lab_variables[] = {{.name = "Word",
                                                      .argument = EXPR_NO_ARGUMENT,
                                                      .family = EXPR_HTTP,
                                                      .type = VALUE_BYTES,
                                                      .doc = "the event's word",
                                                      .get = get_word},
                                                     {.name = "SessionId",
                                                      .argument = EXPR_NO_ARGUMENT,
                                                      .family = EXPR_HTTP,
                                                      .type = VALUE_BYTES,
                                                      .doc = "the word too",
                                                      .get = get_word},
                                                     {.name = "Echo",
                                                      .argument = EXPR_NAME,
                                                      .family = EXPR_HTTP,
                                                      .type = VALUE_BYTES,
                                                      .doc = "its argument",
                                                      .get = get_echo},
                                                     EXPR_VARIABLE_END};
static const struct expr_variable *const lab_tables[] = {lab_variables, NULL};

/* ---- events
 * --------------------------------------------------------------------------------------- */

struct lab_event {
    struct event event; /* first */
    struct lab *lab;
    char word[32];
};
static inline void lab_on_admitted(struct event *event, struct run *run) {
    struct lab *lab = ((struct lab_event *)(void *)event)->lab;
    lab->admitted++;
    lab->last_run = run;
}
static inline struct event *lab_on_hold(struct event *event) {
    struct lab_event *from = (struct lab_event *)(void *)event;
    if (from->lab->hold_fails)
        return NULL;
    struct lab_event *copy = malloc(sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *from;
    copy->event.sources[EXPR_HTTP] = copy->word;
    copy->event.held_bytes = sizeof *copy;
    memset(from->word, '?', sizeof from->word - 1); /* nobody may read it any more */
    from->lab->held++;
    return &copy->event;
}
static inline void lab_on_release(struct event *event) {
    ((struct lab_event *)(void *)event)->lab->released++;
    free(event);
}
static inline void lab_note_end(struct lab *lab, const struct run_end *end) {
    struct arena arena;
    struct slice text;
    lab->ended++;
    lab->outcome = end->outcome;
    snprintf(lab->error, sizeof lab->error, "%s", end->error ? end->error : "");
    arena_init(&arena, 1024, 0);
    if (value_text(end->result, &arena, &text) == STATUS_OK)
        snprintf(lab->result, sizeof lab->result, SLICE_FMT, SLICE_ARG(text));
    arena_deinit(&arena);
    lab->last_end = *end;
}
static inline void lab_on_ended(struct event *event, struct run *run, const struct run_end *end) {
    (void)run;
    lab_note_end(((struct lab_event *)(void *)event)->lab, end);
}
static inline struct value_box **lab_on_session(struct event *event) {
    struct lab *lab = ((struct lab_event *)(void *)event)->lab;
    return lab->has_session ? &lab->session : NULL;
}
static inline void lab_on_place(struct event *event, struct arena *arena, struct event_place *out) {
    (void)event, (void)arena;
    out->server = SLICE("main");
    out->session = SLICE("s1");
}
static inline void lab_on_refused(struct event *event, const struct run_verdict *verdict) {
    struct lab *lab = ((struct lab_event *)(void *)event)->lab;
    lab->refusals++;
    lab->refusal = *verdict;
}
static const struct event_ops lab_event_ops = {.admitted = lab_on_admitted,
                                               .refused = lab_on_refused,
                                               .hold = lab_on_hold,
                                               .release = lab_on_release,
                                               .ended = lab_on_ended,
                                               .session = lab_on_session,
                                               .place = lab_on_place};

static inline struct run_verdict lab_poke(struct lab *lab, const char *task_id, const char *word) {
    const struct task *task = program_find_task(lab->program, slice_of(task_id));
    assert_non_null(task);
    struct lab_event event = {.lab = lab};
    snprintf(event.word, sizeof event.word, "%s", word);
    event.event.ops = &lab_event_ops;
    event.event.trigger = task->trigger_count ? &task->triggers[0] : NULL;
    event.event.sources[EXPR_HTTP] = event.word;
    struct run_verdict verdict = run_begin(lab->engine, task, &event.event);
    memset(&event, '#', sizeof event); /* the read buffer is somebody else's again */
    return verdict;
}

/* ---- globals
 * -------------------------------------------------------------------------------------- */

static inline struct value lab_global_get(void *context, struct slice dotted) {
    return value_path(value_box_value(((struct lab *)context)->global_box), dotted);
}
static inline enum status lab_global_commit(void *context, const struct global_change *changes,
                                            size_t count) {
    struct lab *lab = context;
    struct arena arena;
    if (lab->conflicts-- > 0)
        return STATUS_AGAIN;
    arena_init(&arena, 1024, 0);
    for (size_t i = 0; i < count; i++) {
        struct value whole;
        assert_int_equal(value_with(value_box_value(lab->global_box),
                                    (struct value_place){changes[i].path, changes[i].segments},
                                    changes[i].value, &arena, &whole),
                         STATUS_OK);
        struct value_box *box = value_box_new(whole);
        value_box_unref(lab->global_box);
        lab->global_box = box;
    }
    arena_deinit(&arena);
    return STATUS_OK;
}

/* ---- mail between two labs
 * ------------------------------------------------------------------------ */

static inline enum status lab_post(void *host, uint32_t worker, struct engine_mail *mail) {
    struct lab *to = ((struct lab *)host)->labs[worker];
    struct engine_mail **last = &to->mail;
    if (to->is_full)
        return STATUS_LIMIT;
    while (*last)
        last = (struct engine_mail **)&(*last)->room[0];
    mail->room[0] = NULL;
    mail->next = NULL; /* it is the other worker's now */
    *last = mail;
    return STATUS_OK;
}

/* ---- life
 * ------------------------------------------------------------------------------------------ */

static inline struct lab *lab_new(void) {
    struct lab *lab = calloc(1, sizeof *lab);
    assert_non_null(lab);
    lab->clock = (struct clock){lab_mono, lab_wall};
    lab->now_ns = 1000000000;
    lab->wake_ns = UINT64_MAX;
    arena_init(&lab->arena, 4096, 0);
    config_diag_init(&lab->diag, &lab->arena);
    log_set(LOG_TEXT, LOG_OFF);
    return lab;
}

/* Compiles `tasks:`; NULL after errors, which are in lab->diag. */
static inline struct program *lab_build(struct lab *lab, const char *yaml,
                                        struct program *previous) {
    const struct config_node *root =
        config_parse(slice_of(yaml), "tasks.yaml", &lab->arena, &lab->diag);
    if (!root)
        return NULL;
    struct config_entry *entries = arena_zalloc(&lab->arena, (root->count + 1) * sizeof *entries);
    for (size_t i = 0; i < root->count; i++)
        entries[i] =
            (struct config_entry){root->keys[i]->text, root->keys[i]->mark, root->items[i]};
    lab->tasks = (struct config_section){entries, root->count};
    static const struct program_secret secrets[] = {{{"key", 3}, {"hush", 4}}};
    struct program_input input = {.tasks = &lab->tasks,
                                  .triggers = lab_triggers,
                                  .actions = lab_actions,
                                  .variables = lab_tables,
                                  .servers = lab->servers,
                                  .server_count = lab->server_count,
                                  .clients = lab->clients,
                                  .client_count = lab->client_count,
                                  .secrets = secrets,
                                  .secret_count = 1,
                                  .expression_time_ns = 10000000000u,
                                  .expression_memory_bytes = 16 << 20,
                                  .worker_count = lab->worker_count ? lab->worker_count : 1,
                                  .has_globals = !lab->has_no_globals,
                                  .generation = 1,
                                  .previous = previous};
    return program_build(&input, &lab->diag);
}

/* What is wrong, as a person would read it; into the lab's arena. */
static inline const char *lab_messages(struct lab *lab) {
    struct buffer out;
    buffer_init(&out, 0);
    config_diag_sort(&lab->diag);
    assert_int_equal(config_diag_print(&lab->diag, &out), STATUS_OK);
    char *text = arena_text(&lab->arena, buffer_slice(&out));
    buffer_deinit(&out);
    return text ? text : "";
}

static inline struct lab *lab_load_with(const char *yaml, struct lab *lab, uint64_t run_bytes) {
    if (!lab->program)
        lab->program = lab_build(lab, yaml, NULL);
    if (!lab->program)
        fail_msg("%s", lab_messages(lab));
    lab->globals = (struct engine_globals){lab, NULL, lab_global_get, lab_global_commit, NULL};
    struct engine_options options = {.clock = &lab->clock,
                                     .worker = lab->worker,
                                     .worker_count = lab->worker_count ? lab->worker_count : 1,
                                     .post = lab->worker_count ? lab_post : NULL,
                                     .home_key = {7, 8},
                                     .seed = {1, 2},
                                     .host = lab,
                                     .wake_at = lab_wake_at,
                                     .globals = &lab->globals,
                                     .max_run_memory_bytes = run_bytes};
    lab->engine = engine_new(&options);
    assert_non_null(lab->engine);
    engine_set_program(lab->engine, lab->program);
    return lab;
}
static inline struct lab *lab_load(const char *yaml) { return lab_load_with(yaml, lab_new(), 0); }

static inline void lab_free(struct lab *lab) {
    if (lab->engine)
        engine_free(lab->engine);
    program_unref(lab->program);
    value_box_unref(lab->session);
    value_box_unref(lab->global_box);
    arena_deinit(&lab->arena);
    assert_int_equal(lab->held, lab->released);
    assert_int_equal(lab->admitted, lab->ended);
    assert_int_equal(lab->hanging_count, 0);
    free(lab);
}

static inline void lab_pass(struct lab *lab, uint64_t ms) {
    uint64_t until_ns = lab->now_ns + ms * 1000000;
    while (lab->wake_ns <= until_ns) {
        if (lab->wake_ns > lab->now_ns)
            lab->now_ns = lab->wake_ns;
        lab->wake_ns = UINT64_MAX;
        engine_tick(lab->engine);
    }
    lab->now_ns = until_ns;
}

/* Runs the first task and compares what it wrote. */
static inline void lab_expect(struct lab *lab, const char *trace) {
    assert_string_equal(lab->trace, trace);
    lab->trace[0] = '\0';
}

#endif

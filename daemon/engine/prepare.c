/* What the prepare hooks of kinds may ask and report at load. */
#include "engine/program.h"

#include <stdio.h>
#include <stdlib.h>

struct arena *prepare_arena(const struct prepare *prepare) {
    return prepare->tb->builder->arena;
}

struct expr_set *prepare_set(const struct prepare *prepare) {
    return prepare->tb->builder->program->set;
}

struct slice prepare_folder(const struct prepare *prepare) {
    return prepare->tb->task->folder;
}

struct slice prepare_task_id(const struct prepare *prepare) {
    return prepare->tb->task->shared.id;
}

struct found {
    const struct config_field *field;
    const struct config_node *node;
};

/* An offset that a STRUCT shares with its first member means the member. */
static bool find_field(const struct config_field *fields, const struct config_node *node,
                       size_t offset, struct found *out) {
    for (const struct config_field *f = fields; f && f->name; f++) {
        const struct config_node *child = NULL;
        if (node && node->kind == CONFIG_MAP)
            child = config_get(node, f->name);
        else if (f == fields)
            child = node; /* the main key as a plain value */
        if (f->type == CONFIG_STRUCT) {
            if (offset >= f->offset && find_field(f->fields, child, offset - f->offset, out))
                return true;
        } else if (f->offset == offset) {
            *out = (struct found){f, child};
            return true;
        }
    }
    return false;
}

const struct config_node *prepare_node(const struct prepare *prepare, size_t offset) {
    struct found found = {0};
    if (offset == PREPARE_WHOLE)
        return prepare->node;
    find_field(prepare->fields, prepare->node, offset, &found);
    return found.node;
}

bool prepare_has(const struct prepare *prepare, size_t offset) {
    return prepare_node(prepare, offset) != NULL;
}

struct config_mark prepare_mark(const struct prepare *prepare, size_t offset) {
    const struct config_node *node = prepare_node(prepare, offset);
    return node ? node->mark : prepare->mark;
}

static const struct expr_template *first_of(const struct value_tree *tree) {
    if (tree->kind == TREE_TEMPLATE)
        return tree->tpl;
    for (size_t i = 0; i < tree->count; i++) {
        const struct expr_template *tpl = first_of(&tree->items[i]);
        if (!tpl && tree->kind == TREE_MAP)
            tpl = first_of(&tree->keys[i]);
        if (tpl)
            return tpl;
    }
    return NULL;
}

const struct expr_template *prepare_template(const struct prepare *prepare, size_t offset) {
    for (size_t i = 0; i < prepare->hole_count; i++) {
        const struct arg_hole *hole = &prepare->holes[i];
        if (hole->offset == offset)
            return hole->kind == HOLE_TREE ? first_of(hole->tree) : hole->tpl;
    }
    return NULL;
}

PRINTF_LIKE(2, 0)
static char *format_text(const struct prepare *prepare, const char *format, va_list args) {
    char text[1024];
    vsnprintf(text, sizeof text, format, args);
    return builder_printf(prepare->tb->builder, "%s", text);
}

bool prepare_error(struct prepare *prepare, size_t offset, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *text = format_text(prepare, format, args);
    va_end(args);
    config_error(prepare->tb->builder->diag, prepare_mark(prepare, offset), "%s",
                 text ? text : "out of memory");
    return false;
}

bool prepare_hint(struct prepare *prepare, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *text = format_text(prepare, format, args);
    va_end(args);
    if (text)
        config_hint(prepare->tb->builder->diag, "%s", text);
    return false;
}

void prepare_warning(struct prepare *prepare, size_t offset, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *text = format_text(prepare, format, args);
    va_end(args);
    if (text)
        config_warning(prepare->tb->builder->diag, prepare_mark(prepare, offset), "%s", text);
}

const struct expr_template *prepare_compile(struct prepare *prepare, size_t offset,
                                            struct slice text, enum expr_use use) {
    const struct config_node *node = prepare_node(prepare, offset);
    static const struct config_node nowhere = {.kind = CONFIG_SCALAR};
    return template_build_text(prepare->tb, text, node ? node : &nowhere, use);
}

/* The one declared ID, or an error that lists them. */
static bool take_the_only(struct prepare *prepare, const char *what, const struct slice *ids,
                          size_t count, struct slice *member) {
    if (count == 1) {
        *member = ids[0];
        return true;
    }
    struct config_diag *diag = prepare->tb->builder->diag;
    if (count == 0) {
        config_error(diag, prepare->mark, "%s needs \"%s\": the files declare none",
                     prepare->subject, what);
        return false;
    }
    struct buffer list;
    buffer_init(&list, 512);
    for (size_t i = 0; i < count; i++)
        if (buffer_printf(&list, "%s" SLICE_FMT, i ? ", " : "", SLICE_ARG(ids[i])) != STATUS_OK)
            break; /* a list of hundreds may end early */
    config_error(diag, prepare->mark, "%s needs \"%s\": the files declare several",
                 prepare->subject, what);
    config_hint(diag, "one of " SLICE_FMT, SLICE_ARG(buffer_slice(&list)));
    buffer_deinit(&list);
    return false;
}

struct slice prepare_only_server(const struct prepare *prepare) {
    const struct program_input *input = prepare->tb->builder->input;
    return input->server_count == 1 ? input->servers[0] : SLICE_NONE;
}

static void warn_unknown(struct prepare *prepare, size_t offset, const char *what,
                         struct slice member) {
    struct builder *b = prepare->tb->builder;
    bool is_server = slice_is(slice_of(what), "server");
    const char **names = is_server ? b->server_names : b->client_names;
    size_t count = is_server ? b->server_total : b->client_total;
    for (size_t i = 0; i < count; i++)
        if (slice_is(member, names[i]))
            return;
    config_warning(b->diag, prepare_mark(prepare, offset), "no %s \"" SLICE_FMT "\" is registered",
                   what, SLICE_ARG(member));
    config_hint_nearest(b->diag, member, names, count);
    prepare->tb->task->has_waiting_ids = true;
}

bool prepare_server(struct prepare *prepare, size_t offset, struct slice *member) {
    const struct program_input *input = prepare->tb->builder->input;
    if (!prepare_has(prepare, offset))
        return take_the_only(prepare, "server", input->servers, input->server_count, member);
    if (!prepare_template(prepare, offset))
        warn_unknown(prepare, offset, "server", *member);
    return true;
}

bool prepare_client(struct prepare *prepare, size_t offset, struct slice *member) {
    const struct program_input *input = prepare->tb->builder->input;
    if (!prepare_has(prepare, offset))
        return take_the_only(prepare, "client", input->clients, input->client_count, member);
    if (!prepare_template(prepare, offset))
        warn_unknown(prepare, offset, "client", *member);
    return true;
}

static bool unknown_task(struct prepare *prepare, struct config_mark mark, struct slice id) {
    struct builder *b = prepare->tb->builder;
    config_error(b->diag, mark, "unknown task \"" SLICE_FMT "\"", SLICE_ARG(id));
    const char **names = builder_alloc(b, (b->program->task_count + 1) * sizeof *names);
    for (size_t i = 0; names && i < b->program->task_count; i++)
        names[i] = arena_text(b->arena, b->program->tasks[i].shared.id);
    if (names && b->program->task_count)
        config_hint_nearest(b->diag, id, names, b->program->task_count);
    return false;
}

/* The task may not be built yet, so its declaration is asked. */
static bool declares(const struct config_node *task, struct slice name) {
    const struct config_node *vars =
        task && task->kind == CONFIG_MAP ? config_get(task, "vars") : NULL;
    for (size_t i = 0; vars && vars->kind == CONFIG_MAP && i < vars->count; i++)
        if (slice_equal(vars->keys[i]->text, name))
            return true;
    return false;
}

bool prepare_task(struct prepare *prepare, size_t offset, struct slice id,
                  const struct arg_value *vars) {
    struct builder *b = prepare->tb->builder;
    const struct task *task = program_find_task(b->program, id);
    if (!task)
        return unknown_task(prepare, prepare_mark(prepare, offset), id);
    bool is_good = true;
    if (!vars || !vars->is_given || vars->value.type != VALUE_MAP)
        return true;
    for (uint32_t i = 0; i < vars->value.count; i++) {
        struct slice name = value_slice(vars->value.pairs[i].key);
        if (declares(task->declaration, name))
            continue;
        config_error(b->diag, prepare->mark,
                     "task \"" SLICE_FMT "\" declares no \"" SLICE_FMT "\" in its \"vars\"",
                     SLICE_ARG(id), SLICE_ARG(name));
        is_good = false;
    }
    return is_good;
}

bool prepare_secret(struct prepare *prepare, size_t offset, struct slice name,
                    struct slice *value) {
    struct builder *b = prepare->tb->builder;
    for (size_t i = 0; i < b->input->secret_count; i++)
        if (slice_equal(b->input->secrets[i].name, name))
            return arena_copy(b->arena, b->input->secrets[i].value, value) == STATUS_OK;
    config_error(b->diag, prepare_mark(prepare, offset), "unknown secret \"" SLICE_FMT "\"",
                 SLICE_ARG(name));
    const char **names = builder_alloc(b, (b->input->secret_count + 1) * sizeof *names);
    for (size_t i = 0; names && i < b->input->secret_count; i++)
        names[i] = arena_text(b->arena, b->input->secrets[i].name);
    if (names && b->input->secret_count)
        config_hint_nearest(b->diag, name, names, b->input->secret_count);
    return false;
}

struct config_diag *prepare_diag(const struct prepare *prepare) {
    return prepare->tb->builder->diag;
}

void prepare_cleanup(struct prepare *prepare, void (*cleanup)(void *object), void *object) {
    program_own(prepare->tb->builder->program, cleanup, object);
}

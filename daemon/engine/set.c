/* `set`: all values are evaluated first, then all names are given theirs. Globals of one step are
 * committed together, and evaluated again when another run was faster. */
#include "engine/run.h"

#include <stdio.h>
#include <stdlib.h>

#define COMMIT_TRIES      1000
#define SESSION_BYTES_MAX (1u << 20) /* all names of one session */

struct pending { /* one assignment, evaluated */
    struct slice *path;
    struct value value;
};

static bool eval_path(struct run *run, const struct assignment *a, struct slice **out, char *why) {
    struct arena *scratch = &run->engine->scratch;
    struct slice *path = arena_alloc(scratch, (a->segments + 1) * sizeof *path);
    if (!path) {
        strcpy(why, "out of memory");
        return false;
    }
    for (size_t i = 0; i < a->segments; i++) {
        struct value segment;
        if (!fill__tree(run, &a->path[i], &segment, why))
            return false;
        if (value_text(segment, scratch, &path[i]) != STATUS_OK) {
            strcpy(why, "out of memory");
            return false;
        }
        if (path[i].size == 0) {
            strcpy(why, "a segment of the name is empty");
            return false;
        }
    }
    *out = path;
    return true;
}

/* Puts the value below what is there. */
static enum status put(struct run *run, const struct assignment *a, const struct pending *p,
                       struct value root, struct value_box **box) {
    struct value whole = p->value;
    *box = NULL;
    if (a->segments > 0) {

        enum status status = value_with(root, (struct value_place){p->path, a->segments}, p->value,
                                        &run->engine->scratch, &whole);
        if (status != STATUS_OK)
            return status;
    }
    if (whole.type == VALUE_NIL)
        return STATUS_OK;
    *box = value_box_new(whole);
    return *box ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status set_slot(struct run *run, const struct assignment *a, const struct pending *p) {
    struct value_box *box;
    enum status status = put(run, a, p, value_box_value(run->slots[a->slot]), &box);
    return status == STATUS_OK ? run__set_slot(run, a->slot, box) : status;
}

static enum status set_session(struct run *run, const struct assignment *a,
                               const struct pending *p) {
    const struct event_ops *ops = run->event ? run->event->ops : NULL;
    struct value_box **place = ops && ops->session ? ops->session(run->event) : NULL;
    struct value_box *box;
    if (!place)
        return STATUS_NOT_FOUND;
    enum status status = put(run, a, p, value_box_value(*place), &box);
    if (status != STATUS_OK)
        return status;
    if (value_box_bytes(box) > SESSION_BYTES_MAX) {
        value_box_unref(box);
        return STATUS_LIMIT;
    }
    value_box_unref(*place);
    *place = box;
    return STATUS_OK;
}

static bool eval_all(struct run *run, const struct program_step *def, struct pending *pending,
                     const struct assignment **failed, char *why) {
    for (size_t i = 0; i < def->assignment_count; i++) {
        const struct assignment *a = &def->assignments[i];
        *failed = a;
        if (!eval_path(run, a, &pending[i].path, why) ||
            !fill__tree(run, &a->value, &pending[i].value, why))
            return false;
        /* `{a: ${b}, b: ${a}}`: the first must not pull the value from under the second. */
        if (def->assignment_count > 1 &&
            value_copy(pending[i].value, &run->engine->scratch, &pending[i].value) != STATUS_OK) {
            strcpy(why, "out of memory, within max-run-memory");
            return false;
        }
    }
    return true;
}

static enum status commit_globals(struct run *run, const struct program_step *def,
                                  const struct pending *pending) {
    const struct engine_globals *globals = run->engine->options.globals;
    struct global_change *changes =
        arena_alloc(&run->engine->scratch, def->assignment_count * sizeof *changes);
    size_t count = 0;
    if (!globals)
        return STATUS_UNSUPPORTED;
    if (!changes)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < def->assignment_count; i++)
        if (def->assignments[i].target == TARGET_GLOBAL)
            changes[count++] = (struct global_change){pending[i].path, def->assignments[i].segments,
                                                      pending[i].value};
    return globals->commit(globals->context, changes, count);
}

static enum status set_own(struct run *run, const struct program_step *def,
                           const struct pending *pending, const struct assignment **failed) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < def->assignment_count && status == STATUS_OK; i++) {
        const struct assignment *a = &def->assignments[i];
        *failed = a;
        if (a->target == TARGET_SLOT)
            status = set_slot(run, a, &pending[i]);
        else if (a->target == TARGET_SESSION)
            status = set_session(run, a, &pending[i]);
    }
    return status;
}

static void tell_status(enum status status, bool is_global, char *why) {
    const char *text = status == STATUS_LIMIT && is_global
                           ? "the value is larger than max-global, or all than max-globals"
                       : status == STATUS_TYPE      ? "a name on the way holds no mapping"
                       : status == STATUS_NOT_FOUND ? "this run has no session"
                       : status == STATUS_UNSUPPORTED
                           ? "a global holds what JSON can: text in UTF-8, numbers that are finite"
                           : status_text(status);
    snprintf(why, EXPR_WHY_MAX, "%s", text);
}

static bool try_set(struct run *run, const struct program_step *def,
                    const struct assignment **failed, char *why) {
    const struct engine_globals *globals = run->engine->options.globals;
    struct pending *pending =
        arena_alloc(&run->engine->scratch, def->assignment_count * sizeof *pending);
    enum status status = pending ? STATUS_AGAIN : STATUS_NO_MEMORY;
    *failed = def->assignments;
    for (int i = 0; status == STATUS_AGAIN && i < COMMIT_TRIES; i++) {
        if (def->has_global && globals && globals->snapshot)
            globals->snapshot(globals->context);
        if (!eval_all(run, def, pending, failed, why))
            return false;
        status = def->has_global ? commit_globals(run, def, pending) : STATUS_OK;
    }
    bool is_committed = status == STATUS_OK;
    if (is_committed)
        status = set_own(run, def, pending, failed);
    if (status != STATUS_OK)
        tell_status(status, !is_committed, why);
    return status == STATUS_OK;
}

void set__run(struct strand *strand, const struct program_step *def) {
    struct run *run = strand->run;
    const struct assignment *failed;
    char why[EXPR_WHY_MAX];
    struct scratch_hold hold = scratch__begin(run);
    bool is_good = try_set(run, def, &failed, why);
    if (!is_good)
        run__set_error(run, def, failed->mark, 1, slice_of(why));
    scratch__end(run, hold);
    strand->has_failed = !is_good;
    if (is_good)
        strand__advance(strand);
    else
        strand__fail(strand, def);
}

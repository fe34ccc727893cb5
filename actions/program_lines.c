/* `lines`: a chain for each line of standard output, one at a time and in order. While one runs
 * the program is not read, so that a fast program waits for its chains. */
#include "actions/program.h"

/* A line that passes max-output is cut there; the rest of it is dropped. */
static enum status append_line(struct program_run *run, struct slice bytes) {
    if (run->skips_line) {
        const char *end = memchr(bytes.bytes, '\n', bytes.size);
        if (!end)
            return STATUS_OK;
        size_t taken = (size_t)(end - bytes.bytes) + 1;
        bytes = (struct slice){bytes.bytes + taken, bytes.size - taken};
        run->skips_line = false;
    }
    return buffer_append(&run->pending, bytes);
}

bool program__add_lines(struct program_run *run, struct slice bytes) {
    return append_line(run, bytes) == STATUS_OK;
}

/* The size of the next whole line without its end; false: there is none yet. */
static bool next_line(struct program_run *run, size_t *size) {
    struct buffer *pending = &run->pending;
    const char *end = pending->size > run->scanned ? memchr(pending->bytes + run->scanned, '\n',
                                                            pending->size - run->scanned)
                                                   : NULL;
    if (end) {
        *size = (size_t)(end - pending->bytes);
        return true;
    }
    run->scanned = pending->size;
    *size = pending->size;
    if (pending->size > run->args->max_output) {
        *size = (size_t)run->args->max_output;
        run->is_truncated = run->skips_line = true;
        pending->size = *size;
        return true;
    }
    return run->has_ended && pending->size > 0;
}

static void on_line_done(struct step *step, enum step_state state) {
    struct program_run *run = step_data(step);
    run->is_in_chain = false;
    if (state == STEP_FAILED)
        program__finish(run, STEP_FAILED); /* the chain has said why */
    else
        program__next_line(run);
}

void program__next_line(struct program_run *run) {
    size_t size;
    struct step *step = run->step;
    if (run->is_in_chain)
        return;
    if (!next_line(run, &size)) {
        if (run->has_ended)
            program__complete(run);
        else
            process__pause(run->process, false);
        return;
    }
    struct slice line = {run->pending.bytes, size};
    if (step_set_slot(step, run->args->lines.as, value_bytes(line)) != STATUS_OK) {
        program__finish(run, STEP_FAILED);
        return;
    }
    buffer_consume(&run->pending, size < run->pending.size ? size + 1 : size);
    run->scanned = 0;
    run->is_in_chain = true;
    if (run->process)
        process__pause(run->process, true);
    if (step_branch(step, run->args->lines.chain, on_line_done) != STATUS_OK) {
        run->is_in_chain = false;
        program__finish(run, action__no_memory(step));
    }
}

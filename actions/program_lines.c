/* `lines`: a chain for each line of standard output, one at a time and in order. While one runs
 * the program is not read, so that a fast program waits for its chains. */
#include "actions/program.h"

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

/* The next whole line without its end, and how much of what is pending it takes; false: there is
 * none yet. A line that passes max-output is cut there; the rest of it is dropped. */
static bool next_line(struct program_run *run, struct slice *line, size_t *used) {
    struct slice rest = buffer_slice(&run->pending);
    const char *end = rest.size > run->scanned
                          ? memchr(rest.bytes + run->scanned, '\n', rest.size - run->scanned)
                          : NULL;
    size_t size = end ? (size_t)(end - rest.bytes) : rest.size;
    bool is_cut = size > run->args->max_output;
    if (!end && !is_cut && !(run->has_ended && size > 0)) {
        run->scanned = size;
        return false;
    }
    *line = (struct slice){rest.bytes, is_cut ? (size_t)run->args->max_output : size};
    *used = end ? size + 1 : size;
    if (is_cut) {
        run->is_truncated = true;
        run->skips_line = !end;
    }
    return true;
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
    size_t used;
    struct slice line;
    struct step *step = run->step;
    if (run->is_in_chain)
        return;
    if (!next_line(run, &line, &used)) {
        if (run->has_ended)
            program__complete(run);
        else
            process__pause(run->process, false);
        return;
    }
    if (step_set_slot(step, run->args->lines.as, value_bytes(line)) != STATUS_OK) {
        program__finish(run, STEP_FAILED);
        return;
    }
    buffer_consume(&run->pending, used);
    run->scanned = 0;
    run->is_in_chain = true;
    if (run->process)
        process__pause(run->process, true);
    if (step_branch(step, run->args->lines.chain, on_line_done) != STATUS_OK) {
        run->is_in_chain = false;
        program__finish(run, action__no_memory(step));
    }
}

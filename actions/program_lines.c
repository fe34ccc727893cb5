/* `lines`: a chain for each line of standard output, one at a time and in order. While one runs
 * the program is not read, so that a fast program waits for its chains. Many short chains give way
 * to the loop, as the steps of a long run do. */
#include "actions/program.h"

#define TURN_NS 10000000 /* what the lines of one program may compute before the loop turns */

static void go_on(struct step *step);

/* What chains have had goes at once, not line by line. */
static enum status append_line(struct program_run *run, struct slice bytes) {
    buffer_consume(&run->pending, run->taken);
    run->taken = 0;
    if (run->skips_line) {
        const char *end = memchr(bytes.bytes, '\n', bytes.size);
        if (!end)
            return STATUS_OK;
        size_t skipped = (size_t)(end - bytes.bytes) + 1;
        bytes = (struct slice){bytes.bytes + skipped, bytes.size - skipped};
        run->skips_line = false;
    }
    return buffer_append(&run->pending, bytes);
}

bool program__add_lines(struct program_run *run, struct slice bytes) {
    return append_line(run, bytes) == STATUS_OK;
}

static struct slice untaken(const struct program_run *run) {
    size_t left = run->pending.size - run->taken;
    return left ? (struct slice){run->pending.bytes + run->taken, left} : SLICE_NONE;
}

/* Takes the next whole line, without its end, until more is added; false: there is none yet. A line
 * that passes max-output is cut there; the rest of it is dropped. */
static bool next_line(struct program_run *run, struct slice *line) {
    struct slice rest = untaken(run);
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
    run->taken += end ? size + 1 : size;
    run->scanned = 0;
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

static bool is_turn_over(struct program_run *run) {
    struct net_loop *loop = run->host->loop;
    const struct clock *clock = net_loop_clock(loop);
    uint64_t turn = net_loop_pulse(loop), now_ns = clock->mono_ns(clock);
    if (run->turn != turn) {
        run->turn = turn;
        run->turn_began_ns = now_ns;
    }
    return now_ns - run->turn_began_ns > TURN_NS;
}

static void go_on(struct step *step) {
    struct program_run *run = step_data(step);
    run->gives_way = false;
    program__next_line(run);
}

static void begin_chain(struct program_run *run, struct slice line) {
    struct step *step = run->step;
    if (step_set_slot(step, run->args->lines.as, value_bytes(line)) != STATUS_OK) {
        program__finish(run, STEP_FAILED);
        return;
    }
    run->is_in_chain = true;
    if (step_branch(step, run->args->lines.chain, on_line_done) != STATUS_OK) {
        run->is_in_chain = false;
        program__finish(run, action__no_memory(step));
    }
}

void program__next_line(struct program_run *run) {
    struct slice line;
    if (run->is_in_chain || run->gives_way)
        return;
    if (is_turn_over(run)) {
        run->gives_way = true;
        step_wait(run->step, 0, go_on);
    } else if (next_line(run, &line)) {
        if (run->process)
            process__pause(run->process, true);
        begin_chain(run, line);
    } else if (run->has_ended) {
        program__complete(run);
    } else {
        process__pause(run->process, false);
    }
}

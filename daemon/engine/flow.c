/* The blocks: which chain is entered, and what follows when it has ended. */
#include "engine/run.h"

#include <stdlib.h>

static void enter_chain(struct strand *strand, const struct program_step *def,
                        const struct chain *chain, enum frame_role role) {
    struct frame frame = {.chain = chain, .owner = def, .role = (uint8_t)role};
    if (!strand__push(strand, frame))
        strand__failf(strand, def, 12, "out of memory");
}

/* The chain of the branch whose condition holds, else the last one (which may be empty). NULL: an
 * error, and the step has failed. */
static const struct chain *choose(struct strand *strand, const struct program_step *def) {
    char why[EXPR_WHY_MAX];
    for (size_t i = 0; i < def->branch_count; i++) {
        bool holds = false;
        struct scratch_hold hold = scratch__begin(strand->run);
        enum status status =
            expr_eval_bool(def->branches[i].when, run__scope(strand->run), &holds, why);
        scratch__end(strand->run, hold);
        if (status != STATUS_OK) {
            strand__failf(strand, def, 1, "%s", why);
            return NULL;
        }
        if (holds)
            return &def->branches[i].chain;
    }
    return &def->chain;
}

static const struct chain *find_case(struct strand *strand, const struct program_step *def) {
    char why[EXPR_WHY_MAX];
    struct slice text;
    struct scratch_hold hold = scratch__begin(strand->run);
    const struct chain *found = &def->chain;
    if (expr_eval_text(def->subject, run__scope(strand->run), EXPR_PLAIN, &text, why) ==
        STATUS_OK) {
        for (size_t i = 0; i < def->branch_count && found == &def->chain; i++)
            if (slice_equal(text, def->branches[i].label))
                found = &def->branches[i].chain;
    } else {
        found = NULL;
    }
    scratch__end(strand->run, hold);
    if (!found)
        strand__failf(strand, def, 1, "\"switch\": %s", why);
    return found;
}

/* ---- repeat ------------------------------------------------------------------------------------
 */

static bool set_rounds(struct strand *strand, const struct program_step *def, struct value value) {
    struct frame *top = strand__top(strand);
    bool is_number = value.type == VALUE_INT ||
                     (value.type == VALUE_FLOAT && value.number >= 0 && value.number <= UINT32_MAX);
    if (def->times) {
        int64_t times = value.type == VALUE_INT ? value.integer
                        : is_number             ? (int64_t)value.number
                                                : -1;
        top->rounds = times > UINT32_MAX ? UINT32_MAX : (uint32_t)times;
        return times >= 0;
    }
    if (value.type != VALUE_LIST && value.type != VALUE_MAP)
        return value.type == VALUE_NIL; /* nothing to walk, no round */
    top->items = value_box_new(value);
    top->rounds = value.count;
    if (top->items && run__charge(strand->run, value_box_bytes(top->items)))
        return true;
    value_box_unref(top->items);
    top->items = NULL;
    return false;
}

/* The loop cannot go on: its frame goes, and its step fails. */
static void fail_loop(struct strand *strand, const struct program_step *def, const char *why) {
    strand__pop(strand);
    strand__failf(strand, def, 1, "\"repeat\": %s", why);
}

static void enter_repeat(struct strand *strand, const struct program_step *def) {
    char why[EXPR_WHY_MAX];
    const struct value_tree *tree = def->times ? def->times : def->each;
    struct frame frame = {.chain = &def->chain, .owner = def, .role = ROLE_ROUND};
    if (def->as != SLOT_NONE)
        frame.shadowed = strand->run->slots[def->as];
    if (!strand__push(strand, frame)) {
        strand__failf(strand, def, 12, "out of memory");
        return;
    }
    if (def->as != SLOT_NONE)
        strand->run->slots[def->as] = NULL;
    if (tree) {
        struct value value;
        struct scratch_hold hold = scratch__begin(strand->run);
        bool is_good = fill__tree(strand->run, tree, &value, why);
        if (is_good && !set_rounds(strand, def, value)) {
            is_good = false;
            strcpy(why, def->times
                            ? "\"times\" must be a number from 0"
                            : "\"for-each\" needs a list or a mapping, within max-run-memory");
        }
        scratch__end(strand->run, hold);
        if (!is_good) {
            fail_loop(strand, def, why);
            return;
        }
    }
    flow__next_round(strand);
}

/* STATUS_OK with `*goes_on`, or an error with `why`. */
static enum status ask_loop(struct strand *strand, bool *goes_on, char *why) {
    struct frame *top = strand__top(strand);
    const struct program_step *def = top->owner;
    const struct expr_template *asked = def->while_ ? def->while_ : def->until;
    *goes_on = true;
    if (!asked) {
        *goes_on = top->round < top->rounds;
        return STATUS_OK;
    }
    if (def->until && top->round == 0)
        return STATUS_OK;
    struct scratch_hold hold = scratch__begin(strand->run);
    bool holds = false;
    enum status status = expr_eval_bool(asked, run__scope(strand->run), &holds, why);
    scratch__end(strand->run, hold);
    *goes_on = def->while_ ? holds : !holds;
    return status;
}

/* `as`: the item (of a map: {key, value}), or the number of the round from 1. */
static enum status set_item(struct strand *strand) {
    struct frame *top = strand__top(strand);
    if (top->owner->as == SLOT_NONE)
        return STATUS_OK;
    struct value all = value_box_value(top->items), item = value_int(top->round);
    struct value_pair pair[2];
    if (all.type == VALUE_LIST) {
        item = all.items[top->round - 1];
    } else if (all.type == VALUE_MAP) {
        pair[0] = (struct value_pair){value_bytes(SLICE("key")), all.pairs[top->round - 1].key};
        pair[1] = (struct value_pair){value_bytes(SLICE("value")), all.pairs[top->round - 1].value};
        item = (struct value){.type = VALUE_MAP, .count = 2, .pairs = pair};
    }
    struct value_box *box = value_box_new(item);
    return box ? run__set_slot(strand->run, top->owner->as, box) : STATUS_NO_MEMORY;
}

void flow__next_round(struct strand *strand) {
    char why[EXPR_WHY_MAX];
    struct frame *top = strand__top(strand);
    const struct program_step *def = top->owner;
    bool goes_on;
    if (ask_loop(strand, &goes_on, why) != STATUS_OK) {
        fail_loop(strand, def, why);
        return;
    }
    if (!goes_on) {
        strand__pop(strand);
        strand__advance(strand);
        return;
    }
    if (top->round == def->max_rounds) {
        strand__pop(strand);
        strand__failf(strand, def, 1, "\"repeat\" has more than %u rounds, its \"max\"",
                      def->max_rounds);
        return;
    }
    top->round++;
    top->at = 0;
    top->attempt = 0;
    enum status status = set_item(strand);
    if (status != STATUS_OK)
        fail_loop(strand, def, status_text(status));
}

/* ---- parallel ----------------------------------------------------------------------------------
 */

static struct strand *add_child(struct strand *parent, const struct chain *chain) {
    struct run *run = parent->run;
    if (!run__charge(run, sizeof(struct strand)))
        return NULL;
    struct strand *child = malloc(sizeof *child);
    if (!child) {
        run__discharge(run, sizeof *child);
        return NULL;
    }
    strand__init(child, run, parent);
    list_append(&run->strands, &child->siblings);
    (void)strand__push(child, (struct frame){.chain = chain}); /* the first is inline: it fits */
    parent->branches_left++;
    strand__ready(child);
    return child;
}

static void enter_parallel(struct strand *strand, const struct program_step *def) {
    static const struct chain nothing = {NULL, 0};
    struct frame frame = {.chain = &nothing, .owner = def, .role = ROLE_PARALLEL};
    bool is_good = strand__push(strand, frame);
    if (!is_good) {
        strand__failf(strand, def, 12, "out of memory");
        return;
    }
    for (size_t i = 0; is_good && i < def->branch_count; i++)
        is_good = add_child(strand, &def->branches[i].chain) != NULL;
    strand->state = STRAND_BRANCHES;
    strand__arm_deadline(strand);
    if (is_good)
        return;
    run__set_error(strand->run, def, def->mark, 12, SLICE("\"parallel\": out of memory"));
    strand__interrupt(strand, SIGNAL_FAIL, FORCE_NONE);
}

enum status step_branch(struct step *step, const struct chain *chain,
                        void (*done)(struct step *step, enum step_state state)) {
    struct strand *strand = strand_of(step);
    struct engine *engine = strand->run->engine;
    if (strand->branches_left)
        return STATUS_BUSY;
    engine__enter(engine);
    struct strand *child = add_child(strand, chain);
    if (child) {
        child->is_of_step = true;
        step->on_branch = done;
        run__advance(strand->run);
    }
    engine__leave(engine);
    return child ? STATUS_OK : STATUS_NO_MEMORY;
}

/* ---- all blocks --------------------------------------------------------------------------------
 */

void flow__enter(struct strand *strand, const struct program_step *def) {
    const struct chain *chain;
    switch (def->kind) {
        case STEP_IF:
        case STEP_SWITCH:
            chain = def->kind == STEP_IF ? choose(strand, def) : find_case(strand, def);
            if (chain && chain->count == 0)
                strand__advance(strand);
            else if (chain)
                enter_chain(strand, def, chain, ROLE_PLAIN);
            break;
        case STEP_REPEAT:
            enter_repeat(strand, def);
            break;
        case STEP_PARALLEL:
            enter_parallel(strand, def);
            break;
        default:
            enter_chain(strand, def, &def->chain, ROLE_TRY);
            break;
    }
}

static void end_finally(struct strand *strand) {
    struct frame *top = strand__top(strand);
    strand->signal = (enum signal)top->saved;
    top->role = ROLE_PLAIN;
    if (strand->signal)
        return; /* the frame goes as any block that is left by this signal */
    strand__pop(strand);
    strand__advance(strand);
}

void flow__chain_end(struct strand *strand) {
    struct frame *top = strand__top(strand);
    switch ((enum frame_role)top->role) {
        case ROLE_ROUND:
            flow__next_round(strand);
            return;
        case ROLE_FINALLY:
            end_finally(strand);
            return;
        case ROLE_TRY:
        case ROLE_CATCH:
            if (top->owner->has_finally) {
                top->role = ROLE_FINALLY;
                top->saved = SIGNAL_NONE;
                top->chain = &top->owner->finally;
                top->at = 0;
                top->attempt = 0;
                return;
            }
            break;
        case ROLE_PLAIN:
        case ROLE_PARALLEL:
            break;
    }
    bool is_root = !top->owner;
    strand__pop(strand);
    if (!is_root)
        strand__advance(strand);
}

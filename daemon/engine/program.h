/* The inside of a program: what the builder makes and the runner walks. Private to engine/. */
#ifndef BELLWIRE_ENGINE_PROGRAM_H
#define BELLWIRE_ENGINE_PROGRAM_H

#include <stdatomic.h>

#include "engine/engine.h"

#define BLOCK_DEPTH_MAX    32
#define BLOCK_FRAMES_MAX   (BLOCK_DEPTH_MAX + 1)
#define REPEAT_MAX_DEFAULT 10000
#define TASK_MAX_DEFAULT   10000
#define RATE_RUNS_MAX      1000

/* A free value: `json`, `vars`, `set`. */
enum tree_kind { TREE_CONSTANT, TREE_TEMPLATE, TREE_LIST, TREE_MAP };
struct value_tree {
    enum tree_kind kind;
    struct value constant;
    const struct expr_template *tpl;
    const struct value_tree *items; /* list: items; map: values */
    const struct value_tree *keys;  /* map: constants or templates */
    size_t count;
    struct config_mark mark;
};

/* One hole of an argument struct, in the order of the fields. */
enum hole_kind { HOLE_TEXT, HOLE_FILE, HOLE_STORE, HOLE_ITEM, HOLE_PAIR, HOLE_TREE };
struct arg_hole {
    enum hole_kind kind;
    bool is_first; /* ITEM, PAIR: the array is still the constant one */
    size_t offset, index;
    const struct config_field *field;
    const struct expr_template *tpl;
    const struct value_tree *tree;
    struct config_mark mark;
};
struct arg_block {
    const void *constant;
    size_t size;
    const struct arg_hole *holes;
    size_t hole_count;
    bool needs_session; /* a template of them may read `session.` names */
};

enum step_kind {
    STEP_ACTION,
    STEP_SET,
    STEP_IF, /* also choose: the first branch whose condition holds */
    STEP_SWITCH,
    STEP_REPEAT,
    STEP_PARALLEL,
    STEP_TRY,
    STEP_BREAK,
    STEP_CONTINUE,
    STEP_KINDS
};
enum step_on_error { ON_ERROR_FAIL, ON_ERROR_CONTINUE, ON_ERROR_RETRY };
struct retry {
    uint32_t attempts;
    uint64_t delay_ms, max_delay_ms;
};
struct chain {
    const struct program_step *steps;
    uint32_t count;
};
struct branch {
    const struct expr_template *when; /* if, choose */
    struct slice label;               /* switch */
    struct chain chain;
};
enum target_kind { TARGET_SLOT, TARGET_SESSION, TARGET_GLOBAL };
struct assignment {
    enum target_kind target;
    uint32_t slot;                 /* TARGET_SLOT */
    const struct value_tree *path; /* segments below the name */
    size_t segments;
    struct value_tree value;
    struct config_mark mark;
};
struct program_step {
    enum step_kind kind;
    enum step_on_error on_error;
    struct retry retry;
    uint32_t save; /* slot or SLOT_NONE */
    const struct expr_template *when;
    uint64_t timeout_ms; /* 0: none */
    uint64_t id;
    struct slice place, name;
    struct config_mark mark;
    const struct task_program *task;

    const struct action_kind *action; /* STEP_ACTION */
    struct arg_block args;

    const struct assignment *assignments; /* STEP_SET */
    size_t assignment_count;
    bool has_global;

    const struct branch *branches; /* STEP_IF, STEP_SWITCH, STEP_PARALLEL */
    size_t branch_count;
    struct chain chain;          /* else, default; the rounds of repeat; try */
    struct chain catch, finally; /* STEP_TRY */
    bool has_catch, has_finally;

    const struct expr_template *subject; /* STEP_SWITCH */
    const struct expr_template *while_, *until;
    const struct value_tree *times, *each;
    uint32_t as, max_rounds;
};

enum mode_type { MODE_PARALLEL, MODE_SINGLE, MODE_RESTART, MODE_QUEUED };
enum mode_overflow { OVERFLOW_REJECT, OVERFLOW_DROP_OLDEST };
struct task_mode {
    enum mode_type type;
    uint32_t max, max_waiting;
    uint32_t max_suspended; /* runs of the task that wait, whatever their keys */
    bool has_max;
    bool has_turns; /* its runs take turns per key: queued, restart, or anything with a key */
    bool is_own;    /* the key is the session: its own worker keeps the turns */
    const struct expr_template *key;
    enum mode_overflow overflow;
    struct slice on_refused;
    struct config_mark mark;
};
enum rate_then { RATE_DROP, RATE_LAST };
struct task_rate { /* at-most */
    uint32_t runs; /* 0: no bound */
    uint64_t per_ms;
    const struct expr_template *key;
    bool is_own; /* as above */
    enum rate_then then;
    struct config_mark mark;
};
struct task_witness { /* a name in a condition, to tell its value */
    struct slice name;
    const struct expr_template *value;
};
struct task_condition {
    const struct task_witness *witnesses;
    size_t witness_count;
    const struct expr_template *when;
    uint32_t unmet;
    struct config_mark mark;
};
struct task_var {
    struct slice name;
    uint32_t slot;
    const struct value_tree *initial;
    struct value_box *box; /* of a constant one, shared by all runs */
};
/* What all workers share about a task ID, through reloads. */
struct task_gate {
    atomic_uint references;
    atomic_uint active;    /* runs that a mode with one counter admits */
    atomic_uint suspended; /* runs that have waited and not ended, for mode.max_suspended */
};
struct task_program {
    struct task shared; /* what engine.h shows; first */
    struct program *program;
    struct task_gate *gate;
    struct chain actions;
    const char **slot_names;
    size_t slot_count;
    const struct task_var *vars;
    size_t var_count;
    const struct task_condition *conditions;
    size_t condition_count;
    struct task_mode mode;
    struct task_rate rate;
    enum step_on_error on_error; /* of steps that say nothing */
    struct retry retry;
    struct slice on_error_task; /* size 0: none */
    uint64_t timeout_ms;
    uint64_t source_hash;
    struct slice folder;
    bool has_waiting_ids;
};
struct program_cleanup {
    struct program_cleanup *next;
    void (*run)(void *object);
    void *object;
};
struct program {
    atomic_uint references;
    uint64_t generation;
    struct arena arena;
    struct expr_set *set;
    struct task_program *tasks;
    size_t task_count;
    const struct trigger **triggers; /* of enabled tasks */
    size_t trigger_count, trigger_total;
    struct program_secret *secrets;
    size_t secret_count;
    struct map by_id;
    size_t slot_count_max;
    const struct expr_variable **variables;
    struct program_cleanup *cleanups;
    void *index;
    void (*index_cleanup)(void *index);
};

/* ---- building: one struct for the whole, one for the task in hand ------------------------------
 */
struct builder {
    struct program *program;
    const struct program_input *input;
    struct config_diag *diag;
    struct arena *arena;                       /* the program's */
    const char **server_names, **client_names; /* for nearest names */
    const char **action_names, **trigger_names;
    size_t server_total, client_total, action_total, trigger_total;
};
struct task_builder {
    struct builder *builder;
    struct task_program *task;
    struct expr_names names;
    size_t slot_capacity;
};
/* Where a chain stands. */
struct chain_place {
    const char *path; /* "3/then/", "" for the task's own */
    uint32_t depth;
    bool in_loop;     /* break and continue have a target */
    bool in_parallel; /* ... beyond a parallel: for the message */
    bool in_try;      /* the task's `on-error: continue` does not hide what catch wants to see */
};

/* All return false or NULL after reporting. */
bool task_build(struct builder *builder, const struct config_entry *entry,
                struct task_program *task);
bool trigger_build(struct task_builder *tb, const struct config_node *node, struct trigger *out);
bool task_settings_build(struct task_builder *tb, const struct config_node *mode,
                         const struct config_node *at_most);
/* Their tables, for schema and reference. */
extern const struct config_field settings__handler_fields[], settings__mode_fields[],
    settings__rate_fields[];
bool on_error_read(struct task_builder *tb, const struct config_node *node,
                   struct program_step *out, struct slice *task_id);
bool chain_build(struct task_builder *tb, const struct config_node *node, struct chain_place place,
                 struct chain *out);
bool block_build(struct task_builder *tb, const struct config_node *node, struct chain_place place,
                 struct program_step *step);
bool set_build(struct task_builder *tb, const struct config_node *node, struct program_step *step);
const char *block_head(struct slice key);    /* the block that `key` begins, or NULL */
const char *block_of_part(struct slice key); /* "then" belongs to "if"; or NULL */
bool block_has_part(const char *head, struct slice key);

void names_collect(struct task_builder *tb, const struct config_node *vars,
                   const struct config_node *actions);
uint32_t names_find(const struct task_builder *tb, struct slice name); /* or SLOT_NONE */
bool names_add(struct task_builder *tb, struct slice name, struct config_mark mark);

const struct expr_template *template_build(struct task_builder *tb, const struct config_node *node,
                                           enum expr_use use);
const struct expr_template *template_build_text(struct task_builder *tb, struct slice text,
                                                const struct config_node *node, enum expr_use use);
bool tree_build(struct task_builder *tb, const struct config_node *node, struct value_tree *out);
bool tree_is_constant(const struct value_tree *tree);

void witnesses_build(struct task_builder *tb, struct task_condition *out);

/* What an argument mapping is read with, and what a prepare hook sees. */
struct prepare {
    struct task_builder *tb;
    const struct config_field *fields;
    const struct config_node *node;
    struct config_mark mark;
    const char *subject;
    char *args;
    bool is_trigger;
    struct chain_place place;
    struct arg_hole *holes;
    size_t hole_count, hole_capacity;
};
bool args_build(struct prepare *prepare, size_t args_size, struct arg_block *out);

void builder_no_memory(struct builder *builder);
void *builder_alloc(struct builder *builder, size_t size); /* zeroed; NULL reports */
char *builder_printf(struct builder *builder, const char *format, ...) PRINTF_LIKE(2, 3);
bool has_hole(struct slice text); /* `${` anywhere */

#endif

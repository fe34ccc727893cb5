/* What a trigger kind and an action kind are, and all that one of them may ask of the engine. Part
 * of the engine's public face: include "engine/engine.h".
 *
 * Load    prepare hooks run on the control thread, once per use in a task, before any worker sees
 * it. Run     start, cancel and every step_ function run on the worker that owns the run. Memory
 * args are read-only; a copy with `${...}` filled in dies when start() returns. */
#ifndef BELLWIRE_ENGINE_KIND_H
#define BELLWIRE_ENGINE_KIND_H

#include "base/base.h"
#include "config/config.h"
#include "expr/expr.h"

struct engine;
struct program;
struct run;
struct step;
struct chain;
struct prepare;

/* ---- arguments ----------------------------------------------------------------------------------
 * Fields are config_fields. Any scalar of an action (also an item of TEXTS, a value of PAIRS, a
 * member of a nested STRUCT) may hold `${...}` unless the field is .is_constant; at step start the
 * value is filled in and checked as the same text in the YAML would be, else the step fails. Texts
 * that were given have bytes != NULL, also when empty. A FILE that holds `${...}` is made absolute
 * after filling in. Triggers are matched before anything is bound: `${...}` in their scalars is an
 * error ("template" fields excepted). What `.special` may be, and the member's type:
 *   "value"       struct arg_value             a free tree; plain scalars typed as YAML says
 *   "binary"      struct slice                 text whose constant parts know \xHH \n \r \t \0 and
 *                                              a doubled backslash
 *   "template"    const struct expr_template * for the kind to evaluate: step_text(), step_bool();
 *   "expression"  const struct expr_template * the same, a condition
 *   "chain"       const struct chain *         steps: step_branch()
 *   "slot"        uint32_t                     a name that the kind sets: step_set_slot();
 *                                              0xffffffff when not given
 *   "node"        const struct config_node *   as written
 * A pointer is NULL when the field was not given. */
struct arg_value {
    bool is_given;
    struct value value;
};
#define SLOT_NONE UINT32_MAX

/* ---- at load ------------------------------------------------------------------------------------
 * A field is named by its offset in args (nested structs: from the start of args). Functions that
 * return false have reported an error. */
#define PREPARE_WHOLE SIZE_MAX /* instead of an offset: the trigger or action as such */
struct arena *prepare_arena(const struct prepare *prepare);  /* as long as the program */
struct expr_set *prepare_set(const struct prepare *prepare); /* for expr_matcher_new() */
struct slice prepare_folder(const struct prepare *prepare);  /* of the file, no slash at the end */
struct slice prepare_task_id(const struct prepare *prepare);
struct config_mark prepare_mark(const struct prepare *prepare, size_t offset);
const struct config_node *prepare_node(const struct prepare *prepare,
                                       size_t offset);          /* NULL: not given */
bool prepare_has(const struct prepare *prepare, size_t offset); /* given in the YAML */
/* NULL when constant or not given. For TEXTS, PAIRS and "value" trees: the first one that is not.
 */
const struct expr_template *prepare_template(const struct prepare *prepare, size_t offset);
/* Always return false, so that a hook may end with them. */
bool prepare_error(struct prepare *prepare, size_t offset, const char *format, ...)
    PRINTF_LIKE(3, 4);
bool prepare_hint(struct prepare *prepare, const char *format, ...) PRINTF_LIKE(2, 3);
void prepare_warning(struct prepare *prepare, size_t offset, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* A template or condition of the kind's own making; errors go to the field's place; NULL then. */
const struct expr_template *prepare_compile(struct prepare *prepare, size_t offset,
                                            struct slice text, enum expr_use use);
/* The server or client that a field names. Not given: the only one that the files declare goes into
 * `*member` (the text in args), several or none are an error that lists them. Unknown: a warning
 * with the nearest name. Holding `${...}`: left alone. */
bool prepare_server(struct prepare *prepare, size_t offset, struct slice *member);
bool prepare_client(struct prepare *prepare, size_t offset, struct slice *member);
/* The only server that the files declare; size 0 where there are several or none. Reports nothing.
 */
struct slice prepare_only_server(const struct prepare *prepare);
/* A task that a field names must exist in the files; `vars` (may be NULL) must be declared by it.
 */
bool prepare_task(struct prepare *prepare, size_t offset, struct slice id,
                  const struct arg_value *vars);
/* The value of the secret that a field names, as long as the program; an error with the nearest
 * name when there is none. */
bool prepare_secret(struct prepare *prepare, size_t offset, struct slice name, struct slice *value);
/* For loaders that report to a place of their own. */
struct config_diag *prepare_diag(const struct prepare *prepare);
void prepare_cleanup(struct prepare *prepare, void (*cleanup)(void *object), void *object);

/* ---- trigger kinds
 * --------------------------------------------------------------------------------
 */
struct trigger_kind {
    const char *name, *doc;
    const struct config_field *fields; /* the first is the main key; NULL or an empty table: none */
    size_t args_size;
    bool binds_http, binds_ws; /* which families its events have a source for */
    /* May be NULL. `args` may still be changed. */
    bool (*prepare)(struct prepare *prepare, void *args);
};

/* ---- action kinds
 * ---------------------------------------------------------------------------------
 */
enum step_state { STEP_DONE, STEP_FAILED, STEP_PENDING };
/* What to do with a step that a crash interrupted. */
enum action_resume { RESUME_AGAIN, RESUME_DEADLINE, RESUME_FAIL };
struct action_kind {
    const char *name, *doc;
    const struct config_field *fields; /* as above */
    size_t args_size;
    enum action_resume resume;
    bool (*prepare)(struct prepare *prepare, void *args); /* may be NULL; static checks */
    /* `args` and what they point to, event bytes and slots too, die when start() returns: whoever
     * answers PENDING has copied what it still needs. After PENDING exactly one step_finish(), on
     * the run's loop; one from inside start() is allowed, PENDING is then returned all the same.
     * Before STEP_FAILED comes step_fail(). */
    enum step_state (*start)(struct step *step, const void *args);
    /* The step is over (time out, cancelled run): release everything. The step and its step_alloc()
     * memory are gone when this returns; a late callback must not touch them. Needed by whoever may
     * answer PENDING. */
    void (*cancel)(struct step *step);
};

/* ---- at run time, for actions
 * ----------------------------------------------------------------------
 */
struct run *step_run(const struct step *step);
struct engine *step_engine(const struct step *step);
void *step_host(const struct step *step); /* engine_options.host */
/* Until start() returns: scratch memory, and the names for expr_eval(). */
struct arena *step_scratch(struct step *step);
const struct expr_scope *step_scope(struct step *step);
/* Evaluate into scratch. False: the step has failed, return STEP_FAILED. */
bool step_text(struct step *step, const struct expr_template *tpl, enum expr_escape escape,
               struct slice *out);
bool step_bool(struct step *step, const struct expr_template *tpl, bool *out);
/* Fails the step: `code` becomes LastErrorCode, the text LastErrorDescription (at most 1 KiB of
 * it). Returns STEP_FAILED. A step that is waiting goes on with step_finish(step, STEP_FAILED). */
enum step_state step_fail(struct step *step, int32_t code, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* The step's result for `save`: copied deep, also kept when the step then fails. Without `save`
 * nothing is done. STATUS_NO_MEMORY and STATUS_LIMIT have failed the step. */
bool step_wants_result(const struct step *step);
enum status step_set_result(struct step *step, struct value result);
enum status step_set_slot(struct step *step, uint32_t slot, struct value value); /* as above */
/* Memory until the step has ended, counted against max-run-memory; zeroed; NULL past the bound. */
void *step_alloc(struct step *step, size_t size);
void step_set_data(struct step *step, void *data); /* the action's own, NULL at start */
void *step_data(const struct step *step);
/* Ends a step that answered PENDING, `state` DONE or FAILED; asserts on a second one. The run goes
 * on inside this call, and the step may be gone when it returns: call it last. */
void step_finish(struct step *step, enum step_state state);
/* Calls `due` once after `ms`, unless the step ends before; one at a time. */
void step_wait(struct step *step, uint64_t ms, void (*due)(struct step *step));
/* While paused the step's own `timeout` does not run; then it starts anew. */
void step_pause_timeout(struct step *step, bool is_paused);
/* Runs a chain beside this step, which must be waiting; `done` gets STEP_DONE or STEP_FAILED (the
 * LastError names say why). One at a time; ended with the step. */
enum status step_branch(struct step *step, const struct chain *chain,
                        void (*done)(struct step *step, enum step_state state));
/* The run ends as done after this step, with `result` (copied). */
enum status step_end_run(struct step *step, struct value result);
struct config_mark step_mark(const struct step *step);
struct slice step_folder(const struct step *step); /* as prepare_folder() */
struct slice step_place(const struct step *step);  /* "3/then/1" */
/* Fills task, run, step, at, session, server, client; texts live in scratch or the program. */
void step_log_place(struct step *step, struct log_place *place);

#endif

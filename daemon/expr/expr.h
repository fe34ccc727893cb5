/* Values, JSON, templates and expressions, message matching. Deaf: no socket, loop, thread or log.
 *
 * Thread  compiled things (templates, expressions, matchers) are immutable and shared by all
 * workers; a struct expr_lua belongs to one worker. Memory  a value is plain data; it borrows from
 * whatever made it (an arena, an event, a box). */
#ifndef BELLWIRE_EXPR_H
#define BELLWIRE_EXPR_H

#include "base/base.h"

/* ---- values --------------------------------------------------------------- */
enum value_type {
    VALUE_NIL,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_BYTES,
    VALUE_LIST,
    VALUE_MAP
};
struct value_pair;
struct value {      /* 16 bytes */
    uint8_t type;   /* enum value_type */
    uint32_t count; /* bytes, items or pairs */
    union {
        bool boolean;
        int64_t integer;
        double number;
        const char *bytes;
        const struct value *items;
        const struct value_pair *pairs; /* in order of insertion, no twins */
    };
};
struct value_pair {
    struct value key; /* VALUE_BYTES */
    struct value value;
};
#define VALUE_DEPTH_MAX 64
static inline struct value value_nil(void) { return (struct value){.type = VALUE_NIL}; }
static inline struct value value_bool(bool b) {
    return (struct value){.type = VALUE_BOOL, .boolean = b};
}
static inline struct value value_int(int64_t i) {
    return (struct value){.type = VALUE_INT, .integer = i};
}
static inline struct value value_float(double d) {
    return (struct value){.type = VALUE_FLOAT, .number = d};
}
static inline struct value
value_bytes(struct slice s) { /* sizes above 4 GiB never get here: every input is bounded */
    return (struct value){.type = VALUE_BYTES, .count = (uint32_t)s.size, .bytes = s.bytes};
}
static inline struct slice value_slice(struct value v) {
    return (struct slice){v.bytes, v.count};
} /* VALUE_BYTES only */
const char *value_type_text(enum value_type type); /* nil boolean integer float text list map */
bool value_equal(struct value a,
                 struct value b); /* 7 equals 7.0 and not "7"; deep; maps in any order */
/* The only number-to-text function (internals.md section 10) and: true/false, "" for nil, JSON for
 * lists and maps. Bytes are returned as they are, without a copy. STATUS_NO_MEMORY, and for lists
 * and maps the statuses of json_encode(). */
enum status value_text(struct value v, struct arena *arena, struct slice *out);
/* Member `key` of a map, or item number `key` (from 0) of a list; nil when absent or `v` is
 * neither. */
struct value value_member(struct value v, struct slice key);
struct value value_path(struct value v, struct slice dotted); /* a.b.0; empty: `v` itself */
/* Deep copy into the arena. STATUS_NO_MEMORY, STATUS_LIMIT (depth). */
enum status value_copy(struct value v, struct arena *arena, struct value *out);
size_t value_bytes_deep(struct value v); /* memory that a deep copy takes; SIZE_MAX: too deep */

/* One heap block that holds a value whole: slots, session and global variables. Counted, immutable.
 */
struct value_box;
struct value_box *
value_box_new(struct value v); /* deep copy; NULL without memory or too deep; one reference */
struct value_box *value_box_ref(struct value_box *box);    /* thread-safe */
void value_box_unref(struct value_box *box);               /* NULL is allowed */
struct value value_box_value(const struct value_box *box); /* NULL: nil */
size_t value_box_bytes(const struct value_box *box);
struct value_place { /* a path below a map */
    const struct slice *path;
    size_t segments;
};
/* `root` (a map or nil) with the member at `path` (segments) replaced, or removed where `v` is nil;
 * missing maps are made. Borrows from `root` and `v`, not from `path`. STATUS_TYPE when a segment
 * on the way is no map; STATUS_LIMIT past VALUE_DEPTH_MAX segments; STATUS_NO_MEMORY. */
enum status value_with(struct value root, struct value_place place, struct value v,
                       struct arena *arena, struct value *out);

/* RFC 8259, any top value; integers past 63 bits become floats; null is VALUE_NIL inside lists and
 * maps. All is copied into the arena. STATUS_SYNTAX (also a member given twice, NUL in a name):
 * `*at` is the byte at fault or the last of the bad token; STATUS_LIMIT (deeper than
 * VALUE_DEPTH_MAX, a number that no float holds); STATUS_NO_MEMORY. */
enum status json_decode(struct slice text, struct arena *arena, struct value *out, size_t *at);
/* Compact. STATUS_TYPE (bytes that are not UTF-8), STATUS_RANGE (infinite or no number),
 * STATUS_LIMIT (depth, the buffer's limit), STATUS_NO_MEMORY; the buffer is then as it was. */
enum status json_encode(struct value v, struct buffer *out);
enum status json_encode_text(struct slice text, struct buffer *out); /* one quoted string */

/* ---- names that templates may use
 * ------------------------------------------------------------------- */
enum expr_argument {
    EXPR_NO_ARGUMENT, /* HttpPath */
    EXPR_NAME,        /* HttpHeader(n) */
    EXPR_PATH,        /* HttpJson(a.b.0): dots separate */
};
enum expr_family { EXPR_HTTP, EXPR_WS, EXPR_RUN, EXPR_FAMILIES };
struct expr_variable {
    const char *name;
    enum expr_argument argument;
    enum expr_family family;
    uint8_t type; /* enum value_type where it is always the same, VALUE_NIL where not known */
    const char *doc;
    /* Binds the value; `source` is that family's source of the run, never NULL (without a source
     * the variable is the empty text, or false, 0, an empty list or map, by `type`). Bytes may be
     * borrowed from the event. What is absent is the empty text; VALUE_NIL of an EXPR_PATH is
     * JSON's null. It may not evaluate. STATUS_NO_MEMORY, STATUS_NOT_FOUND (an error that names the
     * argument, for Secret). */
    enum status (*get)(void *source, struct slice argument, struct arena *arena, struct value *out);
};
#define EXPR_VARIABLE_END                                                                          \
    { .name = NULL }
/* What one task's templates may name. Slots are the task's own names (vars, set, save, as),
 * numbered by the engine. */
struct expr_names {
    const struct expr_variable *const
        *tables;              /* each ends with EXPR_VARIABLE_END; NULL ends the list */
    const char *const *slots; /* slot number to name */
    size_t slot_count;
};
bool expr_is_slot_name(struct slice name, const struct expr_names *names,
                       char *why /* EXPR_WHY_MAX */); /* free to use? */

/* ---- templates and expressions
 * ------------------------------------------------------------------------ */
#define EXPR_WHY_MAX 512
struct expr_problem {
    bool is_warning;
    size_t offset; /* into the text */
    char text[EXPR_WHY_MAX];
    char hint[EXPR_WHY_MAX]; /* empty: none */
};
typedef void (*expr_problem_fn)(void *context, const struct expr_problem *problem);
/* All that is compiled for one generation; owns memory, regexes and bytecode. */
struct expr_set;
/* The budgets are those of one evaluation. NULL without memory. */
struct expr_set *expr_set_new(uint64_t time_budget_ns, uint64_t memory_budget_bytes);
void expr_set_free(struct expr_set *set);
struct expr_template;
enum expr_use {
    EXPR_AS_TEMPLATE, /* text with `${...}`; a single `${...}` keeps its type */
    EXPR_AS_CONDITION /* when if while until conditions: an expression, `${}` around it or not; a
                         boolean */
};
struct expr_report { /* who is told of problems */
    expr_problem_fn problem;
    void *context;
};
/* NULL after at least one error through `problem` (warnings too go there). Lives as long as the
 * set. */
const struct expr_template *expr_compile(struct expr_set *set, struct slice text, enum expr_use use,
                                         const struct expr_names *names, struct expr_report report);
bool expr_is_constant(const struct expr_template *tpl);      /* no `${...}` in it */
struct slice expr_constant(const struct expr_template *tpl); /* its text, `$${` resolved */
bool expr_needs_session(const struct expr_template *tpl);    /* may read expr_scope.session */
uint8_t
expr_type(const struct expr_template *tpl); /* enum value_type when known at load, else VALUE_NIL */
/* The parts of a template in order, for checks at load (html:): constant text, or a hole with its
 * source text. */
struct expr_part {
    bool is_hole;
    struct slice text;
    bool is_encoded_json, is_encoded_url;
};
size_t expr_parts(const struct expr_template *tpl, struct expr_part *parts, size_t capacity);

struct expr_lua; /* a worker's Lua state with its loaded chunks */
struct expr_lua *expr_lua_new(const struct clock *clock); /* NULL without memory */
void expr_lua_free(struct expr_lua *lua);
/* How many evaluations passed their bound of time, or of memory. */
uint64_t expr_lua_passed(const struct expr_lua *lua, bool is_memory);
/* Drops the chunks of a generation. */
void expr_lua_forget(struct expr_lua *lua, const struct expr_set *set);

struct expr_scope { /* what one evaluation sees */
    void *sources[EXPR_FAMILIES];
    struct value_box *const *slots; /* by slot number; NULL entries are absent */
    struct value session;           /* map or nil */
    /* global.PATH; nil when absent. NULL: none. */
    struct value (*global)(void *context, struct slice dotted);
    void *global_context;
    struct expr_lua *lua;
    struct arena *arena; /* results that are not borrowed */
};
/* How values are escaped (html:). With EXPR_HTML the result is text, also of one single hole, and
 * & < > " ' of each hole become entities. A hole that is one call of json.encode() has < > & U+2028
 * U+2029 as \uXXXX; inside a <script> element that is all, anywhere else its quotes become entities
 * too, so that it may stand in quoted attributes. */
enum expr_escape { EXPR_PLAIN, EXPR_HTML };
/* STATUS_OK, else `why` (EXPR_WHY_MAX) says what and where: STATUS_FAILED (the expression's own
 * error), STATUS_TIMEOUT, STATUS_LIMIT, STATUS_NO_MEMORY, STATUS_TYPE. Direct look-ups neither
 * allocate from the heap nor enter Lua. */
enum status expr_eval(const struct expr_template *tpl, const struct expr_scope *scope,
                      enum expr_escape escape, struct value *out, char *why);
enum status expr_eval_text(const struct expr_template *tpl, const struct expr_scope *scope,
                           enum expr_escape escape, struct slice *out, char *why);
enum status expr_eval_bool(const struct expr_template *tpl, const struct expr_scope *scope,
                           bool *out, char *why); /* absent is false */

/* ---- matching of messages
 * ------------------------------------------------------------------------------- */
struct expr_match_keys { /* absent: bytes NULL */
    struct slice contains, starts_with, exact, regex;
    const struct slice *json_paths; /* dotted */
    const struct value *json_values;
    size_t json_count;
    bool case_sensitive;
};
struct expr_matcher;
struct expr_matcher *expr_matcher_new(struct expr_set *set, const struct expr_match_keys *keys,
                                      struct expr_problem *problem); /* NULL: problem */
#define EXPR_GROUPS_MAX 32
struct expr_groups { /* captures of the regex, into the subject; count 0 without one */
    const struct expr_matcher *matcher;
    const char *subject;
    uint32_t count;
    uint32_t starts[EXPR_GROUPS_MAX], ends[EXPR_GROUPS_MAX]; /* UINT32_MAX: did not take part */
};
/* `json` decodes the message once per event (NULL: it is no JSON): handed down, called only when a
 * json key asks. No pointer may be NULL but expr_subject.json. A regex that takes longer than
 * one evaluation may (or too much memory) is no match and *failed. `gate` names the first key that
 * did not hold (for `why`), NULL on a match. */
struct expr_subject {
    struct slice message;
    const struct value *(*json)(void *context);
    void *context;
};
bool expr_match(const struct expr_matcher *matcher, const struct expr_subject *subject,
                struct expr_groups *groups, const char **gate, bool *failed);
/* SLICE_NONE when absent. */
struct slice expr_group(const struct expr_groups *groups, struct slice name_or_number);
bool expr_matcher_has_group(const struct expr_matcher *matcher, struct slice name_or_number);

/* For `bellwire reference`: the helpers of expressions with a line and an example each. */
struct expr_helper {
    const char *signature, *doc, *example, *result;
};
extern const struct expr_helper expr_helpers[]; /* ends with a NULL signature */

#endif
